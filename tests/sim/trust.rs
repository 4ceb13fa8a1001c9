//! `T-range`: trust stays in 0..=1,000,000.

use mycnet_consensus::internals::sim::people::node;
use mycnet_consensus::internals::sim::plan::Plan;

use crate::hand::{Hand, broken};
use crate::schedules::run_clean;
use crate::sweep::seeds;

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
    let (operation, block, applied) = hand.open();
    checker.sealed(0, &block, &applied);
    let (block, mut applied) = hand.close(operation);
    let before = hand.digest();
    assert!(!applied.trust.is_empty(), "a closed operation scores");
    applied.trust[0].1.after_ppm = 1_000_001;
    checker.sealed(0, &block, &applied);
    assert_eq!(broken(&checker), ["t_range"], "{} of {before}", node(0));
}
