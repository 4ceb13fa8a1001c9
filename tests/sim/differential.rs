//! The production ledger against the oracle on random logs, without any agreement: equal after every seal, and of one mind
//! about what may not be sealed. Rules: H2.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use mycnet_consensus::RecordId;
use mycnet_consensus::internals::ledger::{Ledger, Mode};
use mycnet_consensus::internals::record::{Verified, Verifier};
use mycnet_consensus::internals::sim::generate::{Block, Log, generate_log_with};
use mycnet_consensus::internals::sim::oracle::Oracle;
use mycnet_consensus::internals::sim::projection::Projection;

use crate::sweep::seeds;

/// A random log whose seals hold the digests of the production ledger, and what that refused of it.
pub(crate) fn log(seed: u64, blocks: usize) -> (Log, Vec<String>) {
    let ledger: Rc<RefCell<Option<Ledger>>> = Rc::default();
    let refusals: Rc<RefCell<Vec<String>>> = Rc::default();
    let (zero, noted) = (ledger.clone(), refusals.clone());
    let log = generate_log_with(
        seed,
        blocks,
        move |genesis| {
            let new = Ledger::new(genesis);
            let seal = new.state().seal();
            *zero.borrow_mut() = Some(new);
            seal
        },
        Box::new(move |mut seal, records| {
            let mut ledger = ledger.borrow_mut();
            let ledger = ledger.as_mut().unwrap();
            seal.prev = ledger.state().seal();
            match ledger.draft(seal.round, seal.time_ms, records.to_vec(), Mode::Strict) {
                Ok((draft, _)) => {
                    let seal = draft.seal.clone();
                    ledger.commit(draft);
                    seal
                }
                Err(dropped) => {
                    let height = seal.height;
                    noted
                        .borrow_mut()
                        .push(format!("height {height}: {dropped:?}"));
                    seal
                }
            }
        }),
    );
    let refusals = refusals.borrow().clone();
    (log, refusals)
}

fn ids(records: &[Verified]) -> Vec<RecordId> {
    records.iter().map(Verified::id).collect()
}

/// Whether a record gets past the verifier: its network, its signature, a candidate's consent.
fn verifies(ledger: &Ledger, record: &Verified) -> bool {
    let mut verifier = Verifier::new(ledger.genesis_seal().net);
    verifier.add_author(record.author()).unwrap();
    verifier.admit(&record.encode()).is_ok()
}

/// What the oracle refuses, production must refuse with the block, and leave out where it may choose.
fn judge_refused(seed: u64, ledger: &Ledger, block: &Block) {
    let listed: BTreeSet<RecordId> = block.records.iter().map(Verified::id).collect();
    for refused in &block.refused {
        // Judged before the ledger sees it: naming a record twice is no list, and some records do not verify.
        let mut records = refused.records.iter();
        if records.any(|record| listed.contains(&record.id()) || !verifies(ledger, record)) {
            continue;
        }
        let all: Vec<Verified> = block
            .records
            .iter()
            .chain(&refused.records)
            .cloned()
            .collect();
        let what = || {
            format!(
                "seed {seed}, height {}: {} {:?}",
                block.seal.height, refused.reason, refused.records
            )
        };
        let strict = ledger.draft(
            block.seal.round,
            block.seal.time_ms,
            all.clone(),
            Mode::Strict,
        );
        assert!(
            strict.is_err(),
            "production takes what the oracle refuses: {}",
            what()
        );
        let (lenient, dropped) = ledger
            .draft(block.seal.round, block.seal.time_ms, all, Mode::Lenient)
            .unwrap();
        assert!(!dropped.is_empty(), "{}", what());
        assert!(lenient.records.len() < block.records.len() + refused.records.len());
    }
}

fn compare(seed: u64, log: &Log) -> u64 {
    let mut ledger = Ledger::new(&log.genesis);
    let mut oracle = Oracle::new(&log.genesis);
    let mut projection = Projection::default();
    let mut records = 0;
    for block in &log.blocks {
        judge_refused(seed, &ledger, block);
        let (lenient, dropped) = ledger
            .draft(
                block.seal.round,
                block.seal.time_ms,
                block.records.clone(),
                Mode::Lenient,
            )
            .unwrap();
        assert_eq!(
            dropped,
            [],
            "seed {seed}: a proposer leaves out what may be sealed"
        );
        assert_eq!(ids(&lenient.records), ids(&block.records), "seed {seed}");
        let draft = ledger.check(&block.seal, block.records.clone());
        let draft = draft
            .unwrap_or_else(|error| panic!("seed {seed}, height {}: {error}", block.seal.height));
        projection.note(&ledger.commit(draft));
        let wire: Vec<_> = block.records.iter().map(|r| r.record().clone()).collect();
        let view = oracle.view();
        let before = (view.queue, view.tenure);
        oracle.apply(&block.seal, &wire).unwrap();
        let differences = projection.view(&ledger).differences(&oracle.view());
        assert!(
            differences.is_empty(),
            "seed {seed}, height {}, round {}, production against oracle: {differences:#?}\nbefore: {before:?}",
            block.seal.height,
            block.seal.round,
        );
        records += wire.len() as u64;
    }
    records
}

#[test]
fn production_and_oracle_agree_on_random_logs() {
    let (mut logs, mut blocks, mut records, mut refused) = (0, 0, 0, 0);
    for seed in seeds(20) {
        let (log, refusals) = log(seed, 60);
        assert!(
            refusals.is_empty(),
            "seed {seed}: production refuses what the oracle takes: {refusals:#?}"
        );
        records += compare(seed, &log);
        logs += 1;
        blocks += log.blocks.len();
        refused += log
            .blocks
            .iter()
            .map(|block| block.refused.len())
            .sum::<usize>();
    }
    println!("{logs} logs: {blocks} blocks, {records} records, {refused} refused");
}
