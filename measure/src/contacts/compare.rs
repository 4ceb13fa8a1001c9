//! The cores compared with both bounds.

use super::bound::{Bound, bound};
use super::course::Course;
use super::plan::Planned;
use super::reach::{self, Arrival, Reach};
use super::replay::{ReplayError, Replayed, replay};
use super::second::second;
use super::setup::Setup;
use super::trace::Trace;

/// Delays in seconds of the operations that a bound can decide within the trace: the bound's, and that of the cores, `None` if they
/// did not decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays(Vec<(u64, Option<u64>)>);

impl Delays {
    /// How many the bound decides.
    #[must_use]
    pub fn possible(&self) -> usize {
        self.0.len()
    }

    /// How many of these the cores decided.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.both().count()
    }

    /// The delays of those that both decide: bound, cores.
    fn both(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0
            .iter()
            .filter_map(|(bound, cores)| Some((*bound, (*cores)?)))
    }

    /// How many the cores decided in parts per thousand; `None` if the bound decides none.
    #[must_use]
    pub fn decided_permille(&self) -> Option<u64> {
        (self.decided() as u64 * 1000).checked_div(self.possible() as u64)
    }

    /// The delays at a share of the operations in percent, each in its own order: bound, cores (undecided ones last). `None` if
    /// there are no operations.
    #[must_use]
    pub fn at_percent(&self, percent: usize) -> Option<(u64, Option<u64>)> {
        let place = self.0.len().checked_sub(1)? * percent / 100;
        let (mut bound, mut cores): (Vec<u64>, Vec<Option<u64>>) = self.0.iter().copied().unzip();
        bound.sort_unstable();
        cores.sort_unstable_by_key(|delay| delay.unwrap_or(u64::MAX));
        Some((bound[place], cores[place]))
    }

    /// The cores' median in parts per thousand of the bound's; `None` if too few were decided, or the bound's is 0.
    #[must_use]
    pub fn median_permille(&self) -> Option<u64> {
        let (bound, cores) = self.at_percent(50)?;
        (cores? * 1000).checked_div(bound)
    }

    /// The cores' mean in parts per thousand of the bound's, over the operations that both decide; `None` if there is none, or
    /// the bound's is 0.
    #[must_use]
    pub fn mean_permille(&self) -> Option<u64> {
        let sums = self.both().fold((0, 0), |(bounds, sum), (bound, cores)| {
            (bounds + bound, sum + cores)
        });
        (sums.1 * 1000).checked_div(sums.0)
    }

    fn add(&mut self, at_s: u64, bound: Arrival, core: Arrival) {
        if let Some(bound) = bound {
            self.0.push((bound - at_s, core.map(|core| core - at_s)));
        }
    }
}

/// The cores beside one bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Until the first node can tally.
    pub first: Delays,
    /// Until the last node can.
    pub last: Delays,
    /// Operations that some node of the cores could tally before the bound said.
    pub sooner: usize,
}

impl Beside {
    fn add(&mut self, at_s: u64, bound: &[Arrival], cores: &[Arrival]) {
        let firsts = (reach::first(bound), reach::first(cores));
        self.first.add(at_s, firsts.0, firsts.1);
        self.last.add(at_s, reach::last(bound), reach::last(cores));
        let is_sooner = |(core, bound): (&Arrival, &Arrival)| {
            core.is_some_and(|core| bound.is_none_or(|bound| core < bound))
        };
        self.sooner += usize::from(cores.iter().zip(bound).any(is_sooner));
    }

    fn join(&mut self, other: Self) {
        self.first.0.extend(other.first.0);
        self.last.0.extend(other.last.0);
        self.sooner += other.sooner;
    }
}

/// A replay compared with both bounds.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// How many operations were proposed.
    pub operations: usize,
    /// Beside the [first bound](super::bound). Nothing may be sooner than it.
    pub first_bound: Beside,
    /// Beside the [second bound](super::second). A run in which somebody else leads can be sooner.
    pub second_bound: Beside,
    /// Operations that both the cores and the first bound decide, and the sums of their seconds to each stage: cores, bound.
    stages: (u64, [(u64, u64); 5]),
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

/// Replays a plan and compares it with the bounds. Several comparisons can be [joined](Comparison::join).
///
/// # Errors
///
/// [`ReplayError`] as [`replay()`] gives it.
pub fn compare(
    trace: &Trace,
    planned: &[Planned],
    setup: &Setup,
) -> Result<Comparison, ReplayError> {
    Ok(beside(trace, planned, replay(trace, planned, setup)?))
}

/// Compares a replay of a plan with the bounds that a trace gives.
#[must_use]
pub fn beside(trace: &Trace, planned: &[Planned], replayed: Replayed) -> Comparison {
    let reach = Reach::new(trace);
    let second = second(&reach, planned);
    let (mut first_bound, mut second_bound) = (Beside::default(), Beside::default());
    let mut stage_sums = (0, [(0, 0); 5]);
    let courses = replayed.courses.iter().zip(&second.tallied);
    for (planned, (course, second)) in planned.iter().zip(courses) {
        let first = bound(&reach, planned);
        first_bound.add(planned.at_s, &first.tallied, &course.tallied);
        second_bound.add(planned.at_s, second, &course.tallied);
        if let Some(stages) = stages(course, &first) {
            stage_sums.0 += 1;
            for (sum, stage) in stage_sums.1.iter_mut().zip(stages) {
                sum.0 += stage.0 - planned.at_s;
                sum.1 += stage.1 - planned.at_s;
            }
        }
    }
    Comparison {
        operations: planned.len(),
        first_bound,
        second_bound,
        stages: stage_sums,
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
        self.first_bound.join(other.first_bound);
        self.second_bound.join(other.second_bound);
        self.replayed.messages += other.replayed.messages;
        self.replayed.nudges += other.replayed.nudges;
        self.replayed.rounds.extend(other.replayed.rounds);
        for (code, times) in other.replayed.refused {
            *self.replayed.refused.entry(code).or_default() += times;
        }
        self.stages.0 += other.stages.0;
        for (own, others) in self.stages.1.iter_mut().zip(other.stages.1) {
            *own = (own.0 + others.0, own.1 + others.1);
        }
    }

    /// Mean seconds from the proposal to each of the [`STAGES`], cores and first bound, over the operations that both decide.
    #[must_use]
    pub fn stages(&self) -> [(u64, u64); 5] {
        let both = self.stages.0.max(1);
        self.stages
            .1
            .map(|(cores, bound)| (cores / both, bound / both))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_count_what_is_not_decided_last() {
        let mut delays = Delays::default();
        for (bound, core) in [(110, 130), (120, 150), (140, 170)] {
            delays.add(10, Some(bound), Some(core));
        }
        delays.add(10, Some(160), None);
        delays.add(10, None, Some(170));
        assert_eq!((delays.possible(), delays.decided()), (4, 3));
        assert_eq!(delays.decided_permille(), Some(750));
        // Places 1 of 0..=3: 110 s, and of the cores 140 s. Sums of those decided: 100 + 110 + 130 and 120 + 140 + 160.
        assert_eq!(delays.at_percent(50), Some((110, Some(140))));
        assert_eq!(delays.at_percent(100), Some((150, None)));
        assert_eq!(delays.median_permille(), Some(140 * 1000 / 110));
        assert_eq!(delays.mean_permille(), Some(420 * 1000 / 340));
        assert_eq!(Delays::default().median_permille(), None);
    }

    #[test]
    fn sooner_at_any_node_is_noticed() {
        let mut beside = Beside::default();
        beside.add(0, &[Some(10), None], &[Some(10), None]);
        assert_eq!(beside.sooner, 0);
        beside.add(0, &[Some(10), Some(20)], &[Some(10), Some(19)]);
        beside.add(0, &[Some(10), None], &[Some(10), Some(19)]);
        assert_eq!(beside.sooner, 2);
    }
}
