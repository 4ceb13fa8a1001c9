//! The logs must exercise all interesting events, and refused records must really be refused.

use super::*;
use crate::statement::seal::list_digest;

fn log(seed: u64, blocks: usize) -> Log {
    generate_log(seed, blocks, |genesis| genesis_seal(genesis).id())
}

/// Events, and how often each must happen at least in the logs of [`every_interesting_event_happens`].
const EXPECTED: [(&str, u64); 69] = [
    ("block", 1000),
    ("block empty", 100),
    ("closed all revealed", 1000),
    ("closed withheld", 200),
    ("effect network_configuration applied", 50),
    ("effect network_configuration refused", 10),
    ("effect node_admission applied", 30),
    ("effect node_admission refused", 30),
    ("effect node_exclusion applied", 30),
    ("effect node_exclusion refused", 10),
    ("effect performance_optimization applied", 30),
    ("effect resource_allocation applied", 30),
    ("effect routine_maintenance applied", 30),
    ("effect security_policy_update applied", 30),
    ("effect service_deployment applied", 30),
    ("effect spore_assignment applied", 30),
    ("effect spore_assignment refused", 30),
    ("effect trust_score_modification applied", 30),
    ("effect trust_score_modification refused", 10),
    ("member admitted", 30),
    ("member excluded", 30),
    ("outcome claim by vote: no quorum of commits", 30),
    ("outcome claim by vote: no quorum of reveals", 30),
    ("outcome claim by vote: result", 300),
    ("outcome critical by vote: approve", 300),
    ("outcome critical by vote: no quorum of commits", 100),
    ("outcome critical by vote: no quorum of reveals", 100),
    ("outcome critical by vote: reject", 100),
    ("outcome standard by authority: approve", 100),
    ("outcome standard by authority: reject", 50),
    // A fallback when no member has weight.
    ("outcome standard by authority: no quorum of commits", 2),
    ("outcome standard by vote: approve", 100),
    ("outcome standard by vote: reject", 30),
    ("params changed", 50),
    ("phase authority -> committing", 100),
    ("phase new -> closed", 100),
    ("phase revealing -> decided", 300),
    ("phase decided -> closed", 300),
    ("reason absent", 10),
    ("reason coherent", 2000),
    ("reason dissent_claim", 50),
    ("reason dissent_critical", 50),
    ("reason equivocation", 50),
    ("reason missed", 300),
    ("reason neutral", 300),
    ("reason unscored", 30),
    ("reason withheld", 200),
    ("reason withheld_uncharged", 50),
    ("record commit while revealing", 5),
    ("record commit while decided", 5),
    ("record reveal while decided", 300),
    ("record objection", 100),
    ("record rejoin", 30),
    ("record seal_proposal", 4),
    ("record seal_vote", 10),
    ("refused already sealed", 30),
    ("refused it does not open the commit", 10),
    (
        "refused no elector in the commit phase, and no evidence",
        300,
    ),
    ("refused nothing is frozen", 30),
    ("refused over the author's cap", 10),
    ("refused the operation is closed", 30),
    ("refused the third record of a slot", 5),
    ("shadow vote", 100),
    ("standing active -> banned", 50),
    ("standing active -> suspended", 30),
    ("standing probation -> active", 10),
    ("standing suspended -> active", 5),
    ("vote of a banned elector", 50),
    ("vote of an excluded elector", 50),
];

#[test]
fn every_interesting_event_happens() {
    let mut coverage = Coverage::default();
    for seed in 0..200 {
        // Absence costs nothing before the 51st chance is missed: some logs must be long.
        let blocks = if seed % 20 == 0 { 160 } else { 40 };
        coverage.add(&log(seed, blocks));
    }
    println!("{coverage}");
    let rare: Vec<String> = EXPECTED
        .iter()
        .filter(|(event, least)| coverage.of(event) < *least)
        .map(|(event, least)| format!("{event}: {} of {least}", coverage.of(event)))
        .collect();
    assert_eq!(rare, [""; 0], "seeds 0..200");
    let frozen = coverage.of("closed all revealed") + coverage.of("closed withheld");
    let expired = coverage.of("phase committing -> closed");
    assert!(frozen > 3 * expired, "most votes freeze and close");
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
