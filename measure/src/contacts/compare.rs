//! The cores compared with the bound.

use super::bound::{Bound, bound};
use super::course::Course;
use super::plan::Planned;
use super::reach::{self, Arrival, Reach};
use super::replay::{Replayed, Setup, replay};
use super::trace::Trace;
use mycnet_consensus::internals::rejection::Rejection;

/// Delays in seconds, sorted, of the operations that the bound can decide within the trace; `None` last: not decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays {
    /// The bound's.
    pub bound: Vec<u64>,
    /// Those of the cores, for the same operations.
    pub cores: Vec<Option<u64>>,
}

impl Delays {
    /// How many the cores decided.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.cores.iter().flatten().count()
    }

    /// The bound's delay and that of the cores at a share of the operations in percent; `None` if there is none.
    #[must_use]
    pub fn at_percent(&self, percent: usize) -> Option<(u64, Option<u64>)> {
        let place = self.bound.len().checked_sub(1)? * percent / 100;
        Some((self.bound[place], self.cores[place]))
    }

    /// The cores' median in parts per thousand of the bound's; `None` if too few were decided.
    #[must_use]
    pub fn median_permille(&self) -> Option<u64> {
        let (bound, cores) = self.at_percent(50)?;
        Some(cores? * 1000 / bound.max(1))
    }

    fn add(&mut self, at_s: u64, bound: Arrival, core: Arrival) {
        if let Some(bound) = bound {
            self.bound.push(bound - at_s);
            self.cores.push(core.map(|core| core - at_s));
        }
    }

    fn sort(&mut self) {
        self.bound.sort_unstable();
        self.cores
            .sort_unstable_by_key(|delay| delay.unwrap_or(u64::MAX));
    }
}

/// A replay compared with its bound.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// How many operations were proposed.
    pub operations: usize,
    /// Until the first node can tally.
    pub first: Delays,
    /// Until the last node can.
    pub last: Delays,
    /// Operations that both decide, and the sums of their seconds to each stage: cores, bound.
    stages: (u64, [(u64, u64); 5]),
    /// Operations that were faster than the bound: there must be none.
    pub impossible: usize,
    /// The replay itself.
    pub replayed: Replayed,
}

/// The names of [`Comparison::stages`]. The bound opens and freezes with one seal: its opening is a quorum of commits.
pub const STAGES: [&str; 5] = [
    "a quorum heard of it",
    "opened (bound: a quorum of commits)",
    "freezing seal proposed (bound: to a quorum)",
    "frozen",
    "tallied by some node",
];

/// Replays a plan and compares it with the bound. Several comparisons can be [joined](Comparison::join).
///
/// # Errors
///
/// [`Rejection`] if the setup gives no valid genesis.
pub fn compare(trace: &Trace, planned: &[Planned], setup: &Setup) -> Result<Comparison, Rejection> {
    Ok(beside(trace, planned, replay(trace, planned, setup)?))
}

/// Compares a replay of a plan with the bound that a trace gives.
#[must_use]
pub fn beside(trace: &Trace, planned: &[Planned], replayed: Replayed) -> Comparison {
    let reach = Reach::new(trace);
    let (mut first, mut last) = (Delays::default(), Delays::default());
    let (mut impossible, mut both, mut sums) = (0, 0, [(0, 0); 5]);
    for (planned, course) in planned.iter().zip(&replayed.courses) {
        let bound = bound(&reach, planned);
        first.add(
            planned.at_s,
            reach::first(&bound.tallied),
            reach::first(&course.tallied),
        );
        last.add(
            planned.at_s,
            reach::last(&bound.tallied),
            reach::last(&course.tallied),
        );
        let is_faster = |core: &Arrival, bound: &Arrival| {
            core.is_some_and(|core| bound.is_none_or(|bound| core < bound))
        };
        let faster = course.tallied.iter().zip(&bound.tallied);
        impossible += usize::from(faster.clone().any(|(core, bound)| is_faster(core, bound)));
        if let Some(stages) = stages(course, &bound) {
            both += 1;
            for (sum, stage) in sums.iter_mut().zip(stages) {
                sum.0 += stage.0 - planned.at_s;
                sum.1 += stage.1 - planned.at_s;
            }
        }
    }
    first.sort();
    last.sort();
    Comparison {
        operations: planned.len(),
        first,
        last,
        stages: (both, sums),
        impossible,
        replayed,
    }
}

/// When each of the [`STAGES`] was reached, if all were.
fn stages(course: &Course, bound: &Bound) -> Option<[(u64, u64); 5]> {
    let mut heard: Vec<u64> = course.heard.iter().flatten().copied().collect();
    heard.sort_unstable();
    let quorum = course.heard.len() * 2 / 3;
    Some([
        (*heard.get(quorum)?, bound.spread?),
        (course.opened?, bound.commits?),
        (course.proposed?, bound.proposal?),
        (course.frozen?, bound.certificate?),
        (
            reach::first(&course.tallied)?,
            reach::first(&bound.tallied)?,
        ),
    ])
}

impl Comparison {
    /// Adds the operations of another comparison.
    pub fn join(&mut self, other: Self) {
        self.operations += other.operations;
        self.impossible += other.impossible;
        for (own, others) in [(&mut self.first, other.first), (&mut self.last, other.last)] {
            own.bound.extend(others.bound);
            own.cores.extend(others.cores);
            own.sort();
        }
        self.replayed.messages += other.replayed.messages;
        self.replayed.nudges += other.replayed.nudges;
        self.replayed.rounds.extend(other.replayed.rounds);
        self.stages.0 += other.stages.0;
        for (own, others) in self.stages.1.iter_mut().zip(other.stages.1) {
            *own = (own.0 + others.0, own.1 + others.1);
        }
    }

    /// Mean seconds from the proposal to each of the [`STAGES`], cores and bound, over the operations that both decide.
    #[must_use]
    pub fn stages(&self) -> [(u64, u64); 5] {
        let both = self.stages.0.max(1);
        self.stages
            .1
            .map(|(cores, bound)| (cores / both, bound / both))
    }
}
