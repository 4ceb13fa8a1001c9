//! When tasks were decided, and when members' skill fell and was back.

use std::collections::BTreeMap;

use mycnet_consensus::NodeId;

use crate::answers::Place;
use crate::replayed::{Fall, Moment, Timeline};

/// What happened so far.
pub(super) struct Tracker {
    timeline: Timeline,
    /// The fall of each member that has not recovered.
    open: BTreeMap<NodeId, usize>,
}

impl Tracker {
    /// Nothing happened yet to so many tasks.
    pub(super) fn new(tasks: usize) -> Self {
        Self {
            timeline: Timeline {
                decided: vec![None; tasks],
                ..Timeline::default()
            },
            open: BTreeMap::new(),
        }
    }

    /// A seal of this height decided tasks, after the last answer to any of them.
    pub(super) fn decided(&mut self, height: u64, last: Place, tasks: impl Iterator<Item = usize>) {
        for task in tasks {
            self.timeline.decided[task] = Some(self.timeline.moments.len());
        }
        let moment = Moment {
            height,
            place: last,
        };
        self.timeline.moments.push(moment);
    }

    /// The last of these seals moved a member's skill from one value to another.
    pub(super) fn moved(&mut self, member: NodeId, name: &str, [before, after]: [u32; 2]) {
        let Timeline { moments, falls, .. } = &mut self.timeline;
        let Some(at) = moments.last() else {
            return;
        };
        match self.open.get(&member) {
            Some(&fall) => {
                let fall = &mut falls[fall];
                fall.lowest_ppm = fall.lowest_ppm.min(after);
                if after >= fall.from_ppm {
                    fall.recovered = Some(at.clone());
                    self.open.remove(&member);
                }
            }
            None if after < before => {
                self.open.insert(member, falls.len());
                falls.push(Fall {
                    name: name.to_owned(),
                    fell: at.clone(),
                    from_ppm: before,
                    lowest_ppm: after,
                    recovered: None,
                });
            }
            None => {}
        }
    }

    pub(super) fn into_timeline(self) -> Timeline {
        self.timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_ends_where_the_skill_is_back() {
        let (ada, ben) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let place = |line| Place { line, time: None };
        let mut tracker = Tracker::new(8);
        for (task, member, name, skill) in [
            (0, ada, "ada", [500, 510]),
            (1, ada, "ada", [510, 480]),
            (2, ben, "ben", [500, 470]),
            (3, ada, "ada", [480, 450]),
            (4, ada, "ada", [450, 509]),
            (5, ada, "ada", [509, 510]),
            (6, ada, "ada", [510, 505]),
        ] {
            let line = task as u64;
            tracker.decided(2 * line, place(line), [task].into_iter());
            tracker.moved(member, name, skill);
        }
        let timeline = tracker.into_timeline();
        assert_eq!(timeline.decided[6..], [Some(6), None]);
        let at = |line| Moment {
            height: 2 * line,
            place: place(line),
        };
        let fall = |name: &str, fell, from_ppm, lowest_ppm, recovered: Option<u64>| Fall {
            name: name.to_owned(),
            fell: at(fell),
            from_ppm,
            lowest_ppm,
            recovered: recovered.map(at),
        };
        let expected = [
            fall("ada", 1, 510, 450, Some(5)),
            fall("ben", 2, 500, 470, None),
            fall("ada", 6, 510, 505, None),
        ];
        assert_eq!(timeline.falls, expected);
    }
}
