//! What stands at the root of the crate: the list grows only on purpose.

use std::collections::BTreeSet;

const ROOT: &str = include_str!("../../src/lib.rs");

const MODULES: &[&str] = &[
    "core",
    "document",
    "engine",
    // Hidden from the documentation: for this workspace's own tests, benches, fuzz targets and measuring programs.
    "internals",
    "limits",
    "net",
    "node",
    // Only while the documentation is built.
    "protocol",
    "store",
];

const ITEMS: &[&str] = &[
    "Applied",
    "BFTConsensusEngine",
    "Ballot",
    "BallotForm",
    "Certificate",
    "ClaimItem",
    "ClaimRule",
    "Class",
    "ConfigValue",
    "ConsensusOperation",
    "Consent",
    "Digest",
    "Elector",
    "Evidence",
    "Follows",
    "FormerKey",
    "Founder",
    "FoundingLine",
    "Genesis",
    "GenesisBuilder",
    "Identity",
    "Marked",
    "Marks",
    "MemberLine",
    "MemberName",
    "NetworkId",
    "NodeId",
    "OperationId",
    "Outcome",
    "PanelScoring",
    "Params",
    "Participation",
    "ParticipationRecord",
    "Priority",
    "Proved",
    // Only while documentation tests are built.
    "ReadmeExamples",
    "Reason",
    "RecordId",
    "Rejection",
    "SealId",
    "Sealing",
    "SignatureBytes",
    "Signer",
    "SignerError",
    "Spore",
    "Standing",
    "Statement",
    "Support",
    "TrustEntry",
    "TrustScoring",
    "Verified",
];

/// The names that the public declarations of a source file bring, modules and others.
fn public(source: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut modules, mut items) = (BTreeSet::new(), BTreeSet::new());
    for declaration in source.split("\npub ").skip(1) {
        let declaration = &declaration[..declaration.find(';').unwrap_or(declaration.len())];
        let words: Vec<&str> = declaration
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .collect();
        match words[0] {
            "mod" => drop(modules.insert(words[1])),
            "use" if declaration.contains('{') => {
                let group = declaration.find('{').expect("it was found");
                let names = declaration[group..].split(|c: char| !c.is_alphanumeric());
                items.extend(names.filter(|name| !name.is_empty()));
            }
            "use" => drop(items.insert(*words.last().expect("a path has a name"))),
            _ => drop(items.insert(words[1])),
        }
    }
    (modules, items)
}

#[test]
fn the_root_has_what_is_listed_here_and_nothing_else() {
    let (modules, items) = public(ROOT);
    assert_eq!(modules, MODULES.iter().copied().collect());
    assert_eq!(items, ITEMS.iter().copied().collect());
}

#[test]
fn the_check_fires() {
    let more = format!(
        "{ROOT}\npub mod novelty;\npub use base::{{\n    New,\n    Newer,\n}};\npub use base::Alone;\n"
    );
    let (modules, items) = public(&more);
    assert!(modules.contains("novelty"));
    for name in ["New", "Newer", "Alone"] {
        assert!(items.contains(name), "{name}");
    }
}
