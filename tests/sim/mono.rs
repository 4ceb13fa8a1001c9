//! `P-mono`: a tallied outcome never changes as reveals arrive, and is the final one if they are sealed in time.

use mycnet_consensus::internals::sim::actors::ActorKind;
use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::{Ballot, Outcome};

use crate::hand::{Hand, broken};
use crate::schedules::run_clean;
use crate::sweep::seeds;

#[test]
fn p_mono() {
    for seed in seeds(8) {
        run_clean(Plan::with_actor(seed, ActorKind::Withholder));
        run_clean(Plan::with_actor(seed, ActorKind::Forger));
    }
}

#[test]
fn p_mono_fires_when_a_tally_changes() {
    let mut hand = Hand::new();
    let (operation, _) = hand.propose();
    let mut checker = hand.checker();
    checker.tallied(0, operation, &Outcome::Decided(Ballot::Approve));
    checker.tallied(1, operation, &Outcome::Decided(Ballot::Approve));
    assert_eq!(broken(&checker), [""; 0]);
    checker.tallied(1, operation, &Outcome::NoQuorum);
    assert_eq!(broken(&checker), ["p_mono"]);

    // The final outcome of sealed reveals is another than the tallied one.
    let mut checker = hand.checker();
    checker.tallied(0, operation, &Outcome::Decided(Ballot::Reject));
    let (operation, block, applied) = hand.open();
    checker.sealed(0, &block, &applied);
    let (block, applied) = hand.close(operation);
    checker.sealed(0, &block, &applied);
    assert_eq!(broken(&checker), ["p_mono"]);
}
