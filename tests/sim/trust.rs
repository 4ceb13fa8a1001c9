//! `T-range`: trust stays in 0..=1,000,000.

use mycnet_consensus::Ballot;
use mycnet_consensus::internals::sim::plan::{Plan, node};

use crate::hand::{Hand, broken};
use crate::schedules::{run_clean, seeds};

#[test]
fn t_range() {
    for seed in seeds(8) {
        run_clean(Plan::random(seed ^ 0x7a96e));
    }
}

#[test]
fn t_range_fires_outside() {
    let mut hand = Hand::new();
    let mut checker = hand.checker();
    let (operation, proposal) = hand.propose();
    let commits = (0..4).map(|person| hand.commit(person, operation, &Ballot::Approve));
    let records = [proposal].into_iter().chain(commits).collect();
    let (block, applied) = hand.seal(10, records);
    checker.sealed(0, &block, &applied);
    let reveals = (0..4)
        .map(|person| hand.reveal(person, operation, Ballot::Approve))
        .collect();
    let (block, mut applied) = hand.seal(10, reveals);
    let before = hand.digest();
    assert!(!applied.trust.is_empty(), "a closed operation scores");
    applied.trust[0].1.after_ppm = 1_000_001;
    checker.sealed(0, &block, &applied);
    assert_eq!(broken(&checker), ["t_range"], "{} of {before}", node(0));
}
