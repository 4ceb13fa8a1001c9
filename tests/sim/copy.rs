//! `P-copy`: no commit made after the first honest reveal is ever counted.

use mycnet_consensus::Ballot;
use mycnet_consensus::internals::sim::actors::ActorKind;
use mycnet_consensus::internals::sim::plan::Plan;

use crate::hand::{Hand, broken};
use crate::schedules::run_clean;
use crate::sweep::seeds;

#[test]
fn p_copy() {
    let mut refused = 0;
    for seed in seeds(12) {
        let report = run_clean(Plan::with_actor(seed, ActorKind::LateCopier));
        refused += report.refused.get("wrong-phase").copied().unwrap_or(0);
        refused += report.refused.get("does-not-open").copied().unwrap_or(0);
    }
    assert!(refused > 0, "late commits and copied openings were tried");
}

/// Had an honest member revealed before the freeze, a commit after it could still be frozen.
#[test]
fn p_copy_fires_when_someone_reveals_before_the_freeze() {
    let mut hand = Hand::new();
    let mut checker = hand.checker();
    let (operation, proposal) = hand.propose();
    let commits: Vec<_> = (0..4)
        .map(|person| hand.commit(person, operation, &Ballot::Approve))
        .collect();
    let early = hand.reveal(0, operation);
    for commit in &commits[..3] {
        checker.signed(commit.record(), true);
    }
    checker.signed(early.record(), true);
    checker.signed(commits[3].record(), true);
    let records = [proposal].into_iter().chain(commits).collect();
    let (block, applied) = hand.seal(10, records);
    checker.sealed(0, &block, &applied);
    checker.finish();
    assert_eq!(broken(&checker), ["p_copy"]);
}
