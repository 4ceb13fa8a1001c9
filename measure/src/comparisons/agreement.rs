//! What one decision costs a node: ours, Malachite, aleph-bft, and the bare check of as many signatures as our decision has.

use std::time::Duration;

use super::height::{Height, records_of_a_decision};
use super::network::verify_all;
use super::sides::{Side, measure};
use super::time::timed;
use super::{aleph, malachite};

/// Decisions that the caches, and what is learnt from the first messages, are warmed up with.
const WARM_UP: usize = 10;

/// Rounds of aleph-bft for each decision of the others. Its nodes run ahead of each other, and what one does early counts for the
/// batch before: long batches even that out.
const ALEPH_ROUNDS: usize = 10;

/// The seconds that one decision takes of each node's processor.
#[derive(Debug, Clone, Copy)]
pub struct Decisions {
    /// The nodes that decide.
    pub members: usize,
    /// Bare `verify_strict` of one signature.
    pub check_s: f64,
    /// Bare `verify_strict` of a proposal and two votes of each member.
    pub bare_s: f64,
    /// Our agreement.
    pub ours_s: f64,
    /// Malachite's.
    pub malachite_s: f64,
    /// One finalized round of aleph-bft.
    pub aleph_s: f64,
}

/// Measures a federation for about so long.
pub fn decisions(members: usize, budget: Duration) -> Decisions {
    let height = Height::new(members);
    let signatures = height.signatures();
    let mut malachite = malachite::Federation::new(members);
    let mut aleph = aleph::Federation::new(members);
    for _ in 0..WARM_UP {
        malachite.decide();
    }
    aleph.decide(WARM_UP);
    // Batches of some milliseconds, which the clock measures well.
    let rounds = (32 / members).max(1);
    let each_node = rounds * members;
    let long = ALEPH_ROUNDS;
    let sides = [
        Side::new(rounds, || {
            timed(|| (0..rounds).for_each(|_| verify_all(&signatures)))
        }),
        Side::new(each_node, || {
            let mut heights: Vec<_> = (0..rounds).map(|_| height.start()).collect();
            timed(|| heights.iter_mut().for_each(|it| height.decide(it)))
        }),
        Side::new(each_node, || {
            timed(|| (0..rounds).for_each(|_| malachite.decide()))
        }),
        Side::new(long * each_node, || timed(|| aleph.decide(long * rounds))),
    ];
    let [bare_s, ours_s, malachite_s, aleph_s] = measure(sides, budget);
    let records = u32::try_from(records_of_a_decision(members)).expect("few members");
    Decisions {
        members,
        check_s: bare_s / f64::from(records),
        bare_s,
        ours_s,
        malachite_s,
        aleph_s,
    }
}
