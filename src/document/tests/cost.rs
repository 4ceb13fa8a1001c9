//! What documents cost. Run with `cargo test --release --features document document::tests::cost -- --ignored
//! --nocapture`; the figures are for the reader, nothing is asserted about them.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::Instant;

use super::ledger::line as line_of;
use super::*;
use crate::base::digest::RecordId;
use crate::document::{LedgerChange, LedgerDocument, OperationDocument, OperationEntry};
use crate::members::trust::Standing;
use crate::statement::genesis::Genesis;
use crate::statement::operation::Class;

#[test]
#[ignore = "measures; see the module's documentation"]
fn operation_documents() {
    for electors in [10, 300] {
        let records = decided(electors);
        let rounds = 600_u32 / u32::try_from(electors).unwrap();
        let start = Instant::now();
        for _ in 1..rounds {
            OperationDocument::build(&records).unwrap();
        }
        let document = OperationDocument::build(&records).unwrap();
        let build = start.elapsed() / rounds;
        let start = Instant::now();
        let bytes = document.save();
        let save = start.elapsed();
        let start = Instant::now();
        let loaded = OperationDocument::load(&bytes).unwrap();
        let load = start.elapsed();
        let start = Instant::now();
        loaded.records().unwrap();
        let read = start.elapsed();
        let wire: usize = records.iter().map(Verified::encoded_len).sum();
        println!(
            "{electors} electors, {} records: build {build:?}, save {save:?}, load {load:?}, records {read:?}, \
             {} bytes ({wire} as records)",
            records.len(),
            bytes.len()
        );
    }
}

#[test]
#[ignore = "measures; see the module's documentation"]
fn ledger_documents() {
    let members = 100;
    let mut builder = Genesis::builder("cost");
    for index in 0..members {
        builder = builder.member(node(index), Spore::Latent);
    }
    let genesis = builder.build().unwrap();
    let mut ledger = LedgerDocument::new(&genesis);
    let nodes: Vec<NodeId> = (0..members).map(node).collect();
    let mut start = Instant::now();
    for height in 1..=10_000_u64 {
        ledger.append(&seal(height, &nodes)).unwrap();
        if matches!(height, 100 | 1_000 | 10_000) {
            let append = start.elapsed();
            let trust = Instant::now();
            ledger.trust_at(&nodes[0], height / 2).unwrap();
            let trust = trust.elapsed();
            let roster = Instant::now();
            ledger.roster_at(height / 2).unwrap();
            let roster = roster.elapsed();
            let save = Instant::now();
            let bytes = ledger.save();
            let save = save.elapsed();
            let load = Instant::now();
            LedgerDocument::load(&genesis, &bytes).unwrap();
            let load = load.elapsed();
            println!(
                "height {height}: all appends since the last line {append:?}, trust_at {trust:?}, roster_at {roster:?}, \
                 save {save:?}, load {load:?}, {} bytes",
                bytes.len()
            );
            start = Instant::now();
        }
    }
}

/// A seal that closes one operation and moves the trust of ten members.
fn seal(height: u64, nodes: &[NodeId]) -> LedgerChange {
    let first = usize::try_from(height).unwrap() % 10 * 10;
    let trust_ppm = 500_000 + u32::try_from(height).unwrap();
    let line = |index| line_of(index, Spore::Latent, trust_ppm, Standing::Active);
    let id = RecordId::from_bytes(crate::base::digest::RECORD.hash(&height.to_le_bytes()));
    let operation = OperationEntry {
        kind: "claim".into(),
        class: Class::Claim,
        phase: "closed".into(),
        subject: "work unit".to_owned(),
        outcome: None,
    };
    LedgerChange {
        height,
        time_ms: height * 1000,
        seal: SealId::from_bytes(*id.as_bytes()),
        roster: (first..first + 10)
            .map(|index| (nodes[index], Some(line(index))))
            .collect(),
        params: vec![],
        config: vec![],
        operations: vec![(OperationId::from(id), operation)],
    }
}
