//! Directories: what is read, in which order, and what is passed over.

use super::limits::DEPTH_MAX;
use super::*;

fn skipped(told: &Told, scratch: &Scratch) -> Vec<(String, Fault)> {
    let skipped = told.skipped.iter().map(|problem| {
        let below = problem.place.file.strip_prefix(&scratch.0).unwrap();
        (below.to_string_lossy().into_owned(), problem.fault.clone())
    });
    skipped.collect()
}

#[test]
fn files_are_read_by_name_and_others_are_passed_over() {
    let scratch = Scratch::new("walk");
    scratch.put("b/SHA256SUMS", format!("{}  b\n", hash(2)));
    scratch.put(
        "a.buildinfo",
        include_bytes!("../../../tests/data/buildinfo/plain.buildinfo"),
    );
    scratch.put("b/a/anything", format!("a\t{}\n", hash(1)));
    scratch.put("b/zsh_5.9-8_amd64.deb", "!<arch>\ndebian-binary");
    scratch.put("b/log.gz", b"\x1f\x8b\x08");
    scratch.put("done", "");
    scratch.put("broken.link", "{\"signatures\":[]}");
    scratch.put(".git/SHA256SUMS", format!("{}  git\n", hash(3)));
    let told = scratch.read(Options::default());
    assert_eq!(
        told.subjects(),
        [
            "pkg:deb/debian/zsh-common@5.9-8?arch=all",
            "pkg:deb/debian/zsh-dbgsym@5.9-8%2Bb1?arch=amd64",
            "pkg:deb/debian/zsh@5.9-8%2Bb1?arch=amd64",
            "b",
            "a",
        ]
    );
    assert_eq!(
        skipped(&told, &scratch),
        [
            (".git".to_owned(), Fault::Hidden),
            ("b/log.gz".to_owned(), Fault::Compressed("gzip")),
            ("b/zsh_5.9-8_amd64.deb".to_owned(), Fault::UnknownFormat),
            ("done".to_owned(), Fault::Empty),
        ]
    );
    // A link is asked for by what it is.
    let not = LinkFault::NotALink("'signed' is missing");
    assert_eq!(told.faults(), [(None, &Fault::Link(not))]);
}

#[test]
fn patterns_choose_and_what_they_choose_is_asked_for() {
    let scratch = Scratch::new("patterns");
    scratch.put("a/SHA256SUMS", format!("{}  a\n", hash(1)));
    scratch.put("b/SHA256SUMS", "nothing");
    scratch.put("b/all", format!("{}  b\n", hash(1)));
    let options = Options {
        only: vec!["*SUMS".parse().unwrap()],
        ..Options::default()
    };
    let told = scratch.read(options);
    assert_eq!(told.subjects(), ["a"]);
    assert_eq!(told.faults(), [(None, &Fault::UnknownFormat)]);
    assert_eq!(told.skipped, []);
}

#[test]
fn deep_directories_end() {
    let scratch = Scratch::new("deep");
    let deepest = vec!["d"; DEPTH_MAX - 1].join("/");
    scratch.put(&format!("{deepest}/sums"), format!("{}  a\n", hash(1)));
    scratch.put(&format!("{deepest}/d/sums"), format!("{}  b\n", hash(1)));
    let told = scratch.read(Options::default());
    assert_eq!(told.subjects(), ["a"]);
    assert_eq!(
        skipped(&told, &scratch),
        [(format!("{deepest}/d"), Fault::TooDeep)]
    );
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere_and_sockets_are_not_opened() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    let scratch = Scratch::new("links");
    let outside = Scratch::new("outside");
    let secret = outside.put("sums", format!("{}  secret\n", hash(9)));
    scratch.put("sums", format!("{}  a\n", hash(1)));
    symlink(&secret, scratch.0.join("to-file")).unwrap();
    symlink(&outside.0, scratch.0.join("to-directory")).unwrap();
    symlink(&scratch.0, scratch.0.join("to-itself")).unwrap();
    symlink("nowhere", scratch.0.join("to-nowhere")).unwrap();
    let _socket = UnixListener::bind(scratch.0.join("socket")).unwrap();
    let told = scratch.read(Options::default());
    assert_eq!(told.subjects(), ["a"]);
    let names = [
        "socket",
        "to-directory",
        "to-file",
        "to-itself",
        "to-nowhere",
    ];
    let faults = skipped(&told, &scratch);
    assert_eq!(
        faults.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
        names
    );
    assert_eq!(faults[0].1, Fault::NotAFile);
    assert!(
        faults[1..]
            .iter()
            .all(|(_, fault)| *fault == Fault::SymbolicLink)
    );
    // What is named is read, also through a link.
    let mut told = Told::default();
    let link = scratch.0.join("to-file");
    Reader::new(Options::default()).read_path(&link, &mut |event| told.take(event));
    assert_eq!(told.subjects(), ["secret"]);
}

#[test]
fn a_path_that_is_not_there_is_a_problem() {
    let mut told = Told::default();
    let path = Path::new("/no/such/\u{1b}[2Jfile");
    Reader::new(Options::default()).read_path(path, &mut |event| told.take(event));
    let [problem] = &told.problems[..] else {
        panic!("{:?}", told.problems);
    };
    assert!(matches!(
        &problem.fault,
        Fault::Io {
            kind: std::io::ErrorKind::NotFound,
            ..
        }
    ));
    let text = problem.to_string();
    assert!(
        text.starts_with(r"/no/such/\u{1b}[2Jfile: cannot be read: "),
        "{text}"
    );
}
