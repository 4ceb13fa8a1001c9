//! Logs are what they claim to be, and refused records are really refused.

use super::*;
use crate::statement::seal::list_digest;

fn log(seed: u64, blocks: usize) -> Log {
    generate_log(seed, blocks, |genesis| genesis_seal(genesis).id())
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 0..5 {
        assert_eq!(generate(seed, 20), generate(seed, 20), "seed {seed}");
    }
    assert_ne!(generate(0, 5), generate(1, 5));
}

#[test]
fn seals_fit_their_records() {
    for seed in 0..20 {
        let (genesis, blocks) = generate(seed, 30);
        assert_eq!(genesis.check(), Ok(()), "seed {seed}");
        let mut last = genesis_seal(&genesis);
        for (seal, records) in blocks {
            let ids: Vec<RecordId> = records.iter().map(Verified::id).collect();
            assert!(ids.is_sorted(), "seed {seed}");
            assert_eq!(seal.records, list_digest(&ids), "seed {seed}");
            assert_eq!(seal.count as usize, ids.len(), "seed {seed}");
            assert_eq!(
                (seal.height, seal.prev),
                (last.height + 1, last.id()),
                "seed {seed}"
            );
            assert!(seal.time_ms > last.time_ms, "seed {seed}");
            last = seal;
        }
    }
}

#[test]
fn what_is_refused_makes_a_block_invalid_and_changes_nothing() {
    let mut tried = 0;
    for seed in 0..20 {
        let log = log(seed, 30);
        let mut oracle = Oracle::new(&log.genesis);
        let mut chain = Chain::new(&log.genesis);
        for block in &log.blocks {
            let before = oracle.view();
            for refused in &block.refused {
                let records = [block.records.as_slice(), &refused.records].concat();
                let seal = chain.next(block.seal.time_ms, &records);
                let wire: Vec<Record> = records.iter().map(|r| r.record().clone()).collect();
                let reason = oracle.apply(&seal, &wire);
                assert_eq!(reason, Err(refused.reason.clone()), "seed {seed}");
                assert_eq!(oracle.view(), before, "seed {seed}");
                tried += 1;
            }
            let wire: Vec<Record> = block.records.iter().map(|r| r.record().clone()).collect();
            assert_eq!(oracle.apply(&block.seal, &wire), Ok(()), "seed {seed}");
            chain.advance(&block.seal);
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn a_difference_shows() {
    let log = log(3, 20);
    let mut oracle = Oracle::new(&log.genesis);
    let mut late = oracle.clone();
    let mut shown = 0;
    for block in &log.blocks {
        let wire: Vec<Record> = block.records.iter().map(|r| r.record().clone()).collect();
        oracle.apply(&block.seal, &wire).unwrap();
        let lines = oracle.view().differences(&late.view());
        assert!(lines[0].starts_with("height"));
        shown += lines.len();
        late.apply(&block.seal, &wire).unwrap();
        assert_eq!(oracle.view().differences(&late.view()), [""; 0]);
    }
    assert!(shown > log.blocks.len());
}
