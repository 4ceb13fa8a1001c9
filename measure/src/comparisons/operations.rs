//! Operations per second of a node's processor: claims on which all members vote, hidden and revealed.
//!
//! [`reckoned_s`] says what the same votes would cost as transactions of another engine. It must decide twice for as many operations as
//! are open at once, on their commits and on their reveals, and each node must check a signature of each proposal, commit
//! and reveal. Nothing else is reckoned: neither hashing, carrying and keeping the transactions, nor what is done with them.

mod mesh;

use std::time::Duration;

use mesh::{Done, Mesh};

use super::height::{Height, records_of_a_decision};
use super::network::verify_all;
use super::sides::{Side, measure};
use super::time::timed;

/// Operations one after the other, until nodes know whose records come from where, and have tables of all keys.
const WARM_UP: usize = 25;

/// How often a batch of bare checks repeats those of a decision.
const CHECKS: usize = 20;

/// What operations cost that are open at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Operations {
    /// The nodes that vote.
    pub members: usize,
    /// Operations that are open at once.
    pub open: usize,
    /// The seconds that an operation takes of each node's processor.
    pub ours_s: f64,
    /// Bare `verify_strict` of one signature, at the same time.
    pub check_s: f64,
    /// Messages that a node sends for each operation.
    pub messages: f64,
    /// Their bytes, without what encrypted connections add.
    pub bytes: f64,
    /// Seals for each operation.
    pub seals: f64,
}

/// Measures a federation with so many operations open at once, for about `budget` each.
pub fn operations<const N: usize>(
    members: usize,
    open: [usize; N],
    budget: Duration,
) -> [Operations; N] {
    let mut mesh = Mesh::new(members);
    for _ in 0..WARM_UP {
        mesh.decide(1);
    }
    let signatures = Height::new(members).signatures();
    open.map(|open| {
        mesh.decide(open);
        mesh.done = Done::default();
        let mut batches = 0;
        // Batches of some milliseconds, which the clock measures well.
        let repeat = (40 / (open * members)).max(1);
        let sides = [
            Side::new(repeat * open * members, || {
                batches += repeat;
                timed(|| (0..repeat).for_each(|_| mesh.decide(open)))
            }),
            Side::new(CHECKS * signatures.len(), || {
                timed(|| (0..CHECKS).for_each(|_| verify_all(&signatures)))
            }),
        ];
        let [ours_s, check_s] = measure(sides, budget);
        let each = |count: u64| count_f64(count) / count_f64((batches * open * members) as u64);
        Operations {
            members,
            open,
            ours_s,
            check_s,
            messages: each(mesh.done.messages),
            bytes: each(mesh.done.bytes),
            seals: each(mesh.done.seals),
        }
    })
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn count_f64(count: u64) -> f64 {
    count as f64
}

/// The seconds that an operation would take as transactions of an engine, of which one decision takes `decision_s`.
pub fn reckoned_s(operations: &Operations, decision_s: f64) -> f64 {
    let checks = count_f64(records_of_a_decision(operations.members) as u64);
    2.0 * decision_s / count_f64(operations.open as u64) + checks * operations.check_s
}
