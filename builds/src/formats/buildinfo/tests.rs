use proptest::prelude::*;

use super::super::tests::{Told, read as told_of};
use super::*;

const PLAIN: &str = include_str!("../../../tests/data/buildinfo/plain.buildinfo");
const SIGNED: &str = include_str!("../../../tests/data/buildinfo/signed.buildinfo");

fn faults(told: &Told) -> Vec<(Option<u64>, Fault)> {
    let faults = told.faults().into_iter();
    faults.map(|(line, fault)| (line, fault.clone())).collect()
}

#[test]
fn packages_are_read_with_their_lines() {
    for (text, lines, is_signed) in [(PLAIN, [10, 11, 13], false), (SIGNED, [13, 14, 16], true)] {
        let told = told_of(text.as_bytes());
        assert_eq!(faults(&told), []);
        assert_eq!(
            told.subjects(),
            [
                "pkg:deb/debian/zsh-common@5.9-8?arch=all",
                "pkg:deb/debian/zsh-dbgsym@5.9-8%2Bb1?arch=amd64",
                "pkg:deb/debian/zsh@5.9-8%2Bb1?arch=amd64",
            ]
        );
        for ((finding, place), line) in told.findings.iter().zip(lines) {
            assert_eq!(place.line, Some(line));
            assert_eq!(finding.item.input, [0; 0]);
            let original = finding.original.as_deref();
            assert_eq!(original, is_signed.then_some(text.as_bytes()));
        }
    }
    // On the field's own line, in capitals, with the ends of Windows, and a comment.
    let text = PLAIN
        .replace("Checksums-Sha256:\n", "# a comment\nCHECKSUMS-SHA256:")
        .replace('\n', "\r\n");
    assert_eq!(told_of(text.as_bytes()).findings.len(), 3);
}

#[test]
fn a_file_that_is_cut_off_or_unclear_gives_nothing() {
    let missing = |field| (None, Fault::FieldMissing(field));
    let twice = |line, field: &str| (Some(line), Fault::FieldTwice(field.to_owned()));
    for (desc, text, fault) in [
        (
            "no source",
            PLAIN.replace("Source:", "X:"),
            missing("Source"),
        ),
        (
            "no version",
            PLAIN.replace("\nVersion:", "\nX:"),
            missing("Version"),
        ),
        (
            "no architecture",
            PLAIN.replace("\nArchitecture:", "\nX:"),
            missing("Architecture"),
        ),
        (
            "no checksums",
            PLAIN.replace("Checksums-Sha256:", "X:"),
            missing("Checksums-Sha256"),
        ),
        (
            "checksums twice",
            PLAIN.replace("Build-Origin:", "checksums-sha256:"),
            twice(14, "checksums-sha256"),
        ),
        (
            "another field twice",
            format!("{PLAIN}x: 1\nX: 2\n"),
            twice(23, "X"),
        ),
        (
            "only a source",
            PLAIN.replace("deb\n", "dsc\n"),
            (None, Fault::NoPackages),
        ),
        (
            "a signed one, cut off",
            SIGNED[..SIGNED.len() - 20].to_owned(),
            (Some(29), Fault::EnvelopeCut),
        ),
        (
            "one cut off in the text",
            SIGNED[..SIGNED.find("Build-Origin").unwrap()].to_owned(),
            (Some(16), Fault::EnvelopeCut),
        ),
    ] {
        let told = told_of(text.as_bytes());
        assert_eq!(faults(&told), [fault], "{desc}");
        assert_eq!(told.findings, [], "{desc}");
    }
}

#[test]
fn a_bad_line_costs_only_itself() {
    let at = |line, fault: &Fault| (Some(line), fault.clone());
    for (desc, text, line, fault, findings) in [
        (
            "a short hash",
            PLAIN.replace("aa1 800", "1 800"),
            10,
            Fault::NotAChecksum,
            2,
        ),
        (
            "no size",
            PLAIN.replace("aa1 800", "aa1 x"),
            10,
            Fault::NotAChecksum,
            2,
        ),
        (
            "one more word",
            PLAIN.replace("aa1 800", "aa1 800 x"),
            10,
            Fault::NotAChecksum,
            2,
        ),
        (
            "no field",
            PLAIN.replace("Build-Origin: ", "Build-Origin "),
            14,
            Fault::NotAField,
            3,
        ),
        (
            "a field without name",
            PLAIN.replace("Build-Origin: ", ": "),
            14,
            Fault::NotAField,
            3,
        ),
        (
            "a second paragraph",
            format!("{PLAIN}\n\n{PLAIN}"),
            24,
            Fault::SecondParagraph,
            3,
        ),
        (
            "a line that is not escaped in an envelope",
            SIGNED.replace("Build-Origin", "-x"),
            17,
            Fault::EnvelopeDash,
            3,
        ),
        (
            "a line that nobody signed",
            format!("{SIGNED}\nmore: x\n"),
            31,
            Fault::OutsideEnvelope,
            3,
        ),
    ] {
        let told = told_of(text.as_bytes());
        assert_eq!(faults(&told), [at(line, &fault)], "{desc}");
        assert_eq!(told.findings.len(), findings, "{desc}");
    }
    let traversal = PLAIN.replace("zsh-common_", "../zsh-common_");
    let told = told_of(traversal.as_bytes());
    assert!(matches!(
        &faults(&told)[..],
        [(Some(10), Fault::Subject(_))]
    ));
    assert_eq!(told.findings.len(), 2);
}

proptest! {
    #[test]
    fn packages_that_are_written_are_read_again(
        packages in prop::collection::btree_map("[a-z][a-z0-9+.-]{1,8}", any::<[u8; 32]>(), 1..20),
        is_signed: bool,
    ) {
        let lines = packages.iter().map(|(name, hash)| format!("\n {} 7 {name}_1_all.deb", hex::encode(hash)));
        let lines: String = lines.collect();
        let text = format!("Source: a\nVersion: 1\nArchitecture: all\nChecksums-Sha256:{lines}\n");
        let text = if is_signed {
            format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\n\n{text}-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n"
            )
        } else {
            text
        };
        let told = told_of(text.as_bytes());
        prop_assert_eq!(faults(&told), []);
        let read = told.findings.iter().map(|(finding, _)| {
            let name = super::super::subject::file_of(&finding.item.subject);
            (name.strip_suffix("_1_all.deb").unwrap().to_owned(), finding.result)
        });
        prop_assert_eq!(read.collect::<std::collections::BTreeMap<_, _>>(), packages);
    }
}
