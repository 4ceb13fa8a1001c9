//! The check of citations on made-up documents and files.

use super::{ELSEWHERE, File, Protocol, faults, listed};

/// A document with two rules and one property.
const SMALL: &str = "| [P1](#p1-open) |\n### P1 Open\n### S2 Locks\n| P-copy | says |\n| - |\n";

/// The faults of files that cite the rules of [`SMALL`] beside the one given.
fn faults_with(path: &str, text: &str, lists: [&[&str]; 3]) -> Vec<String> {
    let files = [
        (
            "src/core.rs",
            "//! Opens ([P1]).\nfn f() {} // S2: no lock\n",
        ),
        ("tests/it/core.rs", "//! P1, S2, `P-copy`.\n"),
        (path, text),
    ];
    let files = files.map(|(path, text)| File {
        path: path.to_owned(),
        text: text.to_owned(),
    });
    faults(&Protocol::read(SMALL), &files, lists)
}

#[test]
fn the_check_fires() {
    let elsewhere = format!("see {ELSEWHERE} section 4");
    // Path, text, and the expected fault; none if it is empty.
    let cases = [
        ("src/a.rs", "/// By [P1] and [S2].\n// S2", ""),
        ("src/a.rs", "/// Refused by S2.", "src/a.rs:1: write [S2]"),
        (
            "src/a.rs",
            "fn f() {}\n    //! [S2] to P1",
            "src/a.rs:2: write [P1]",
        ),
        (
            "src/a.rs",
            "// P2 and more",
            "src/a.rs:1: docs/PROTOCOL.md has no rule P2",
        ),
        ("src/a.rs", "/// [S3]", "has no rule S3"),
        ("src/a.rs", "fn f() {} // S12", "has no rule S12"),
        (
            "tests/a.rs",
            "/// Breaks P7.",
            "tests/a.rs:1: docs/PROTOCOL.md has no rule P7",
        ),
        (
            "README.md",
            "By rule (S9), *always*.",
            "README.md:1: docs/PROTOCOL.md has no rule S9",
        ),
        ("mycnet/src/a.rs", "/// Refused by S2.", ""),
        ("src/sim/a.rs", "/// Refused by S2.", ""),
        ("src/a/tests.rs", "/// Refused by S2.", ""),
        (
            "src/a.rs",
            "#[cfg(test)]\nmod tests {\n    /// By S2.\n}",
            "",
        ),
        // No names of rules: lines of a paper, other words, strings, addresses.
        ("src/a.rs", "// L28, S2P, XP9, P123, P9a, P-9, Ed25519", ""),
        ("src/a.rs", "let a = \"// P9\"; let b = P9;", ""),
        ("src/a.rs", "let a = b; /* P9 */ let c = https://P9", ""),
        ("src/a.rs", &elsewhere, "src/a.rs:1: `"),
        ("docs/a.md", &elsewhere, "docs/a.md:1: `"),
    ];
    for (path, text, expected) in cases {
        let found = faults_with(path, text, [&[]; 3]);
        match expected {
            "" => assert_eq!(found, [] as [String; 0], "{path}: {text}"),
            _ => assert!(
                found.len() == 1 && found[0].contains(expected),
                "{path}: {text}: {found:?}"
            ),
        }
    }
}

#[test]
fn the_lists_are_exact() {
    let protocol = Protocol::read("### P1 Open\n| P-copy | says |\n");
    let judged = |code: &str, test: &str, lists| {
        let files = [("src/a.rs", code), ("tests/a.rs", test)].map(|(path, text)| File {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        faults(&protocol, &files, lists)
    };
    let none: [&[&str]; 3] = [&[]; 3];
    let all: [&[&str]; 3] = [&["P1"], &["P1"], &["P-copy"]];
    assert_eq!(judged("// P1", "// P1, P-copy", none), [] as [String; 0]);
    assert_eq!(judged("", "", all), [] as [String; 0]);
    assert_eq!(
        judged("", "// P-copying", none),
        [
            "P1 is not cited by code under `src`",
            "P1 is not cited by a test",
            "P-copy is not cited by a test",
        ]
    );
    assert_eq!(judged("// P1", "// P1, P-copy", all).len(), 3);
    let unknown = judged("// P1", "// P1, P-copy", [&["P8"], &[], &[]]);
    assert_eq!(
        unknown,
        ["P8 is on a list in tests/it/protocol.rs and does not exist"]
    );
}

#[test]
fn a_wrong_anchor_is_found() {
    let protocol =
        Protocol::read("[P1](#p1-open) [P2](#p2)\n### P1 Open\n### P2 The end, at last\n");
    assert_eq!(protocol.table[0], protocol.rules[0]);
    assert_ne!(protocol.table[1], protocol.rules[1]);
    assert_eq!(protocol.rules[1].1, "p2-the-end-at-last");
    assert_eq!(listed("    P1 \"p1-open\",\n"), protocol.rules[..1]);
}
