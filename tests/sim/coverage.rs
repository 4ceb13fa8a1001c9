//! The random logs exercise what they are compared for: every interesting event, and every rule.

use mycnet_consensus::internals::record::{Record, Verified};
use mycnet_consensus::internals::sim::blocks::genesis_seal;
use mycnet_consensus::internals::sim::generate::{Block, Coverage, Log, generate_log};
use mycnet_consensus::internals::sim::oracle::{Mutation, Oracle};
use mycnet_consensus::internals::sim::view::View;

fn log(seed: u64, blocks: usize) -> Log {
    generate_log(seed, blocks, |genesis| genesis_seal(genesis).id())
}

/// Events, and how often each must happen at least in the logs of [`every_interesting_event_happens`].
const EXPECTED: [(&str, u64); 81] = [
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
    ("outcome claim set by vote: every item", 100),
    ("outcome claim set by vote: no quorum of commits", 10),
    ("outcome claim set by vote: no quorum of reveals", 10),
    ("outcome claim set by vote: some items", 30),
    ("outcome critical by vote: approve", 300),
    ("outcome critical by vote: no quorum of commits", 100),
    ("outcome critical by vote: no quorum of reveals", 100),
    ("outcome critical by vote: reject", 100),
    ("outcome standard by authority: approve", 100),
    ("outcome standard by authority: reject", 50),
    // A fallback when no member has weight.
    ("outcome standard by vote: approve", 100),
    ("outcome standard by vote: reject", 30),
    ("params changed", 50),
    ("phase authority -> committing", 100),
    ("phase new -> closed", 100),
    ("phase revealing -> decided", 300),
    ("phase decided -> closed", 300),
    ("reason absent", 1),
    ("reason coherent", 2000),
    ("reason dissent_claim", 50),
    ("reason dissent_critical", 50),
    ("reason equivocation", 50),
    ("reason late", 10),
    ("reason missed", 300),
    ("reason neutral", 300),
    ("reason no_chance", 300),
    ("reason overruled", 30),
    ("reason overruled_uncharged", 5),
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
    ("refused a panel of too few", 10),
    ("refused a parameter out of bounds", 10),
    ("refused an equal claim is open", 10),
    ("refused it asks for more electors than have weight", 10),
    ("refused it does not open the commit", 10),
    (
        "refused no elector in the commit phase, and no evidence",
        300,
    ),
    ("refused nothing is frozen", 30),
    ("refused over the author's cap", 10),
    ("refused the operation is closed", 30),
    ("refused the third record of a slot", 5),
    ("refused too early after the last", 10),
    ("shadow vote", 100),
    ("queue moved", 300),
    ("standing active -> banned", 50),
    ("standing active -> suspended", 30),
    ("standing probation -> active", 10),
    ("standing suspended -> active", 2),
    ("vote of a banned elector", 50),
    ("vote of an excluded elector", 50),
];

#[test]
fn every_interesting_event_happens() {
    let mut coverage = Coverage::default();
    for seed in 0..200 {
        // Absence costs nothing before the 51st chance is missed: some logs must be long.
        let blocks = if seed % 10 == 0 { 160 } else { 40 };
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

fn wire<'a>(records: impl IntoIterator<Item = &'a Verified>) -> Vec<Record> {
    let records = records.into_iter();
    records.map(|record| record.record().clone()).collect()
}

/// Refusals that do not depend on a single rule of the list are left out, because each costs a judgement of the block.
fn is_telling(block: &Block, place: usize) -> bool {
    let reasons = [
        "an equal claim is open",
        "too early after the last",
        "a parameter out of bounds",
    ];
    let reason = &block.refused[place].reason;
    reasons.iter().any(|telling| reason.ends_with(telling))
}

/// Whether an oracle that leaves a rule out gives another view of a log than the right one, or takes what that refuses.
fn is_noticed(log: &Log, views: &[View], mutation: Mutation) -> bool {
    let mut oracle = Oracle::mutated(&log.genesis, Some(mutation));
    for (block, view) in log.blocks.iter().zip(views) {
        let (prev, time_ms) = (block.seal.prev, block.seal.time_ms);
        let telling = (0..block.refused.len()).filter(|place| is_telling(block, *place));
        let takes = telling.into_iter().any(|place| {
            let listed = wire(block.records.iter().chain(&block.refused[place].records));
            oracle.takes(prev, time_ms, &listed).is_ok()
        });
        let differs = takes || oracle.apply(&block.seal, &wire(&block.records)).is_err();
        if differs || oracle.brief() != *view {
            return true;
        }
    }
    false
}

/// A rule that is taken back shows within these logs; so a difference between production and the oracle would, too.
#[test]
fn every_rule_taken_back_is_noticed() {
    let mut unnoticed: Vec<Mutation> = Mutation::ALL.to_vec();
    for seed in 0..400 {
        let log = log(seed, if seed % 20 == 10 { 160 } else { 40 });
        let mut oracle = Oracle::new(&log.genesis);
        let views: Vec<View> = log
            .blocks
            .iter()
            .map(|block| {
                oracle.apply(&block.seal, &wire(&block.records)).unwrap();
                oracle.brief()
            })
            .collect();
        unnoticed.retain(|mutation| {
            let is_noticed = is_noticed(&log, &views, *mutation);
            if is_noticed {
                println!("seed {seed} shows {mutation:?}");
            }
            !is_noticed
        });
        // Hardly any generated operation takes the votes of more than a third; `tests/it/attacks/bounds.rs` does.
        if unnoticed.is_empty() || unnoticed == [Mutation::VotesUnguarded] {
            return;
        }
    }
    assert_eq!(unnoticed, [], "nobody notices these");
}
