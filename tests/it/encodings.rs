//! The encodings are frozen: these bytes and ids stand in ledgers, certificates and documents that exist. Rules: R1.
//!
//! `tests/data/encodings.json` holds them. A new kind of statement or operation adds an entry; no entry ever changes within
//! a version of the form. After adding a sample, write the file anew with
//! `cargo test --test it write_the_frozen_file -- --ignored` and look at the difference: it may only have grown.

use std::collections::BTreeMap;

use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::limits::FRAME_BYTES_MAX;
use mycnet_consensus::internals::record::{Seal, Signed, Verifier};
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{Genesis, Params};
use serde::{Deserialize, Serialize};

use crate::samples;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/encodings.json");

/// A value's canonical bytes and its id, both in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Frozen {
    id: String,
    bytes: String,
}

impl Frozen {
    fn new(id: &impl ToString, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            id: id.to_string(),
            bytes: hex::encode(bytes),
        }
    }

    fn decoded(&self) -> Vec<u8> {
        hex::decode(&self.bytes).expect("the file holds hexadecimal")
    }
}

/// What the code makes of the samples now, by name.
fn current() -> BTreeMap<String, Frozen> {
    let genesis = samples::genesis();
    let following = samples::following();
    let seal = samples::seal();
    let block = samples::block();
    let mut all = BTreeMap::from([
        (
            "genesis".to_owned(),
            Frozen::new(&genesis.network_id(), genesis.encode()),
        ),
        (
            "genesis that follows".to_owned(),
            Frozen::new(&following.network_id(), following.encode()),
        ),
        (
            "seal".to_owned(),
            Frozen::new(&seal.id(), codec::encode(&seal)),
        ),
        (
            "sealed block".to_owned(),
            Frozen::new(&block.seal.id(), codec::encode(&block)),
        ),
    ]);
    for (name, record) in samples::records() {
        let frozen = Frozen::new(&record.id(), record.encode());
        all.insert(format!("record: {name}"), frozen);
    }
    for (index, record) in samples::batch().iter().enumerate() {
        let frozen = Frozen::new(&record.id(), record.encode());
        all.insert(format!("record: batch {index} of 3"), frozen);
    }
    all
}

fn frozen() -> BTreeMap<String, Frozen> {
    let text = std::fs::read_to_string(FILE).expect("tests/data/encodings.json is there");
    serde_json::from_str(&text).expect("tests/data/encodings.json is readable")
}

#[test]
fn encodings_and_ids_are_frozen() {
    let (frozen, current) = (frozen(), current());
    for (name, was) in &frozen {
        let is = current.get(name);
        assert_eq!(
            is,
            Some(was),
            "\nthe encoding or the id of \"{name}\" changed.\nThis breaks every existing network: nodes of the old and \
             the new version would no longer share a single id, and no old record would verify. Undo it, or give the \
             new form a version of its own.\n"
        );
    }
    for name in current.keys() {
        assert!(
            frozen.contains_key(name),
            "\"{name}\" is not frozen yet: cargo test --test it write_the_frozen_file -- --ignored\n"
        );
    }
}

/// The bytes in the file, which no code of this build made, are still read and still verify.
#[test]
fn frozen_bytes_are_read() {
    let frozen = frozen();
    let genesis = Genesis::decode(&frozen["genesis"].decoded()).expect("the genesis is read");
    assert_eq!(genesis.network_id().to_string(), frozen["genesis"].id);
    let seal: Seal = codec::decode(&frozen["seal"].decoded(), 1024).expect("the seal is read");
    assert_eq!(seal.id().to_string(), frozen["seal"].id);
    let block: SealedBlock = codec::decode(&frozen["sealed block"].decoded(), FRAME_BYTES_MAX)
        .expect("the block is read");
    assert_eq!(block.seal, seal);
    let mut verifier = Verifier::new(genesis.network_id());
    for member in &genesis.members {
        verifier
            .add_author(member.node)
            .expect("a member's key is good");
    }
    for vote in block.certificate.votes.iter().chain(&block.records) {
        let signed = Signed::try_from(vote.clone()).expect("within the limits");
        assert!(verifier.verify(signed).is_ok());
    }
    let mut records = 0;
    for (name, was) in frozen
        .iter()
        .filter(|(name, _)| name.starts_with("record: "))
    {
        let record = verifier.admit(&was.decoded()).expect(name);
        assert_eq!(record.id().to_string(), was.id, "{name}");
        records += 1;
    }
    assert_eq!(records, samples::records().len() + samples::batch().len());
}

/// Each kind of statement and operation has a sample, so that the file is complete.
#[test]
fn every_kind_is_frozen() {
    let mut statements: Vec<&str> = Vec::new();
    for (name, statement) in samples::statements() {
        assert!(name.starts_with(statement.kind()), "{name}");
        statements.push(statement.kind());
    }
    statements.dedup();
    assert_eq!(
        statements,
        [
            "propose",
            "commit",
            "reveal",
            "directive",
            "objection",
            "resolution",
            "seal_proposal",
            "seal_vote",
            "rejoin",
            "succeed",
            "refound"
        ]
    );
    let mut operations: Vec<&str> = samples::operations()
        .iter()
        .map(|(_, operation)| operation.kind())
        .collect();
    operations.dedup();
    assert_eq!(operations.len(), 12);
}

/// The names of parameters are part of the genesis and of `param.NAME`.
#[test]
fn parameters_are_frozen() {
    assert_eq!(
        Params::NAMES.join(" "),
        "coherent_gain_ppm skill_gain_ppm claim_dissent_ppm skill_dissent_ppm critical_dissent_ppm overruled_ppm \
         withheld_ppm absent_ppm founder_trust_ppm admitted_trust_ppm suspend_below_ppm activate_from_ppm activate_row \
         start_skill_ppm skill_floor_ppm claim_share_ppm claim_electors drift_ms claim_grace_ms critical_grace_ms \
         commit_window_ms reveal_window_ms primary_window_ms objection_window_ms resolution_window_ms step_patience_ms"
    );
}

#[test]
#[ignore = "writes tests/data/encodings.json anew: only after adding a sample"]
fn write_the_frozen_file() {
    let text = serde_json::to_string_pretty(&current()).expect("it is plain data");
    std::fs::write(FILE, text + "\n").expect("the file can be written");
}
