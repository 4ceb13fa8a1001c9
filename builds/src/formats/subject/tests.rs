use proptest::prelude::*;

use super::*;

#[test]
fn names_of_packages_are_purls() {
    for (desc, name, subject) in [
        (
            "a package of Debian",
            "zsh_5.9-8_amd64.deb",
            "pkg:deb/debian/zsh@5.9-8?arch=amd64",
        ),
        (
            "one that was built again, percent-encoded",
            "librust-as-slice-dev_0.2.1-1+b2_amd64.deb",
            "pkg:deb/debian/librust-as-slice-dev@0.2.1-1%2Bb2?arch=amd64",
        ),
        (
            "for the installer, below a directory",
            "./pool/main/g/x/grep-udeb_3.11-4_all.udeb",
            "pkg:deb/debian/grep-udeb@3.11-4?arch=all",
        ),
        (
            "with debug symbols",
            "zsh-dbgsym_5.9~rc1-8_arm64.ddeb",
            "pkg:deb/debian/zsh-dbgsym@5.9~rc1-8?arch=arm64",
        ),
        (
            "with an epoch as in apt's cache",
            "vim_2%3a9.1.0861-1_amd64.deb",
            "pkg:deb/debian/vim@9.1.0861-1?arch=amd64",
        ),
        (
            "with an epoch as a purl has it",
            "pkg:deb/debian/vim@2:9.1.0861-1?arch=amd64",
            "pkg:deb/debian/vim@9.1.0861-1?arch=amd64",
        ),
        (
            "with an epoch as a purl may encode it",
            "pkg:DEB/Debian/VIM@2%3A9.1.0861-1?arch=amd64",
            "pkg:deb/debian/vim@9.1.0861-1?arch=amd64",
        ),
        (
            "a version with no epoch, and a colon",
            "pkg:deb/debian/vim@a:9?arch=amd64",
            "pkg:deb/debian/vim@a:9?arch=amd64",
        ),
        (
            "a package of Arch",
            "filesystem-2025.10.12-1-any.pkg.tar.zst",
            "pkg:alpm/arch/filesystem@2025.10.12-1?arch=any",
        ),
        (
            "one with an epoch, a name with signs, and a release with a point",
            "gtk+-v4l@x-1:2.24_r1-1.1-x86_64.pkg.tar.xz",
            "pkg:alpm/arch/gtk%2B-v4l%40x@1:2.24_r1-1.1?arch=x86_64",
        ),
        (
            "another purl, not in canonical form",
            "pkg:NIX//zsh@5.9?b=2&a=1",
            "pkg:nix/zsh@5.9?a=1&b=2",
        ),
    ] {
        assert_eq!(
            Subjects::default().of(name),
            Ok(subject.to_owned()),
            "{desc}"
        );
    }
    let deb = Subjects::default().of_deb("vim", "2:9.1.0861-1", "amd64");
    assert_eq!(deb.unwrap(), "pkg:deb/debian/vim@9.1.0861-1?arch=amd64");
}

#[test]
fn other_names_are_taken_as_they_are() {
    for (desc, name, subject) in [
        ("a file", "bitcoin-22.0.tar.gz", "22.0/bitcoin-22.0.tar.gz"),
        ("below a directory", "a/b.tar", "22.0/a/b.tar"),
        ("parts that say nothing", "./a//./b.tar", "22.0/a/b.tar"),
        ("points that are names", "a../...", "22.0/a../..."),
        ("with spaces and signs", "ä b*.tar", "22.0/ä b*.tar"),
        (
            "too few parts for Debian",
            "zsh_5.9.deb",
            "22.0/zsh_5.9.deb",
        ),
        ("too many", "a_1_2_all.deb", "22.0/a_1_2_all.deb"),
        ("a capital", "Zsh_1_all.deb", "22.0/Zsh_1_all.deb"),
        ("no version", "zsh__all.deb", "22.0/zsh__all.deb"),
        (
            "an epoch and nothing else",
            "zsh_1:_all.deb",
            "22.0/zsh_1:_all.deb",
        ),
        (
            "too few parts for Arch",
            "zsh-1-any.pkg.tar.zst",
            "22.0/zsh-1-any.pkg.tar.zst",
        ),
        (
            "a release that is none",
            "zsh-1-x-any.pkg.tar.zst",
            "22.0/zsh-1-x-any.pkg.tar.zst",
        ),
    ] {
        let subjects = Subjects {
            prefix: "22.0/".to_owned(),
            ..Subjects::default()
        };
        assert_eq!(subjects.of(name), Ok(subject.to_owned()), "{desc}");
    }
    let subjects = Subjects {
        deb: "Ubuntu".to_owned(),
        alpm: "manjaro".to_owned(),
        prefix: "x/".to_owned(),
    };
    let deb = subjects.of("zsh_5.9-8_amd64.deb").unwrap();
    assert_eq!(deb, "pkg:deb/ubuntu/zsh@5.9-8?arch=amd64");
    let alpm = subjects.of("a-1-1-any.pkg.tar.gz").unwrap();
    assert_eq!(alpm, "pkg:alpm/manjaro/a@1-1?arch=any");
}

#[test]
fn bad_names_are_refused_each_with_its_error() {
    let text = str::to_owned;
    let long = "x".repeat(257);
    for (name, fault) in [
        ("", SubjectFault::Empty),
        (".", SubjectFault::Empty),
        ("a/", SubjectFault::Empty),
        ("a/.", SubjectFault::Empty),
        ("/etc/passwd", SubjectFault::Absolute(text("/etc/passwd"))),
        ("..", SubjectFault::Traversal(text(".."))),
        ("a/../../b", SubjectFault::Traversal(text("a/../../b"))),
        (r"a\..\b", SubjectFault::Traversal(text(r"a\..\b"))),
        (
            "../a_1_all.deb",
            SubjectFault::Traversal(text("../a_1_all.deb")),
        ),
        ("a\nb", SubjectFault::Invisible(text("a\nb"))),
        ("a\u{202e}b", SubjectFault::Invisible(text("a\u{202e}b"))),
        ("pkg:a\0", SubjectFault::Invisible(text("pkg:a\0"))),
        (&long, SubjectFault::TooLong(long.clone())),
    ] {
        assert_eq!(Subjects::default().of(name), Err(fault), "{name:?}");
    }
    for name in [
        "pkg:",
        "pkg:deb",
        "pkg:deb/debian/",
        "pkg:d b/x",
        "pkg:a/%ff",
    ] {
        let fault = Subjects::default().of(name).unwrap_err();
        assert!(
            matches!(fault, SubjectFault::NotAPurl { .. }),
            "{name}: {fault}"
        );
    }
    // The longest that fits, and one byte more because of the prefix.
    let mut subjects = Subjects::default();
    assert!(subjects.of(&long[..256]).is_ok());
    subjects.prefix = "x".to_owned();
    assert!(subjects.of(&long[..256]).is_err());
}

proptest! {
    /// What was made a subject once stays it: what a file or a purl says is the same at every node.
    #[test]
    fn a_subject_is_its_own_subject(name in "(pkg:[a-z]{1,4}/)?[ -~äß€]{0,40}", prefix in "[a-z]{0,2}/?") {
        let subjects = Subjects { prefix: prefix.clone(), ..Subjects::default() };
        if let Ok(subject) = subjects.of(&name) {
            prop_assert!((1..=256).contains(&subject.len()));
            if subject.starts_with("pkg:") {
                prop_assert_eq!(subjects.of(&subject), Ok(subject));
            } else {
                let rest = subject.strip_prefix(&*prefix).unwrap().to_owned();
                prop_assert_eq!(subjects.of(&rest), Ok(subject));
            }
        }
    }

    #[test]
    fn a_package_is_named_by_its_file(
        name in "[a-z0-9][a-z0-9+.-]{1,10}",
        version in "[0-9][a-z0-9.+~]{0,5}(-[a-z0-9.+~]{1,5})?",
        release in "[0-9]{1,2}",
        arch in "(all|amd64|kfreebsd-i386)",
    ) {
        let subjects = Subjects::default();
        let deb = format!("{name}_{version}_{arch}.deb");
        let subject = subjects.of(&deb).unwrap();
        prop_assert!(subject.starts_with("pkg:deb/debian/"));
        prop_assert_eq!(file_of(&subject), deb);
        let with_epoch = subjects.of_deb(&name, &format!("{release}:{version}"), &arch);
        prop_assert_eq!(with_epoch, Ok(subject));
        let version = version.replace('-', "_");
        let alpm = format!("{name}-{version}-{release}-any.pkg.tar.zst");
        let subject = subjects.of(&alpm).unwrap();
        prop_assert!(subject.starts_with("pkg:alpm/arch/"));
        prop_assert_eq!(file_of(&subject), alpm);
    }
}
