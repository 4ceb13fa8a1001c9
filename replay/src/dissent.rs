//! Who differed from what was decided, and when that came out; what stayed in dispute.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::answers::{Answers, Place};
use crate::replayed::{Decision, Moment, Timeline};

/// A worker's answers that differ from what was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Dissent {
    /// The worker's name.
    pub(crate) worker: String,
    /// The number of these answers.
    pub(crate) differing: usize,
    /// The number of its answers to tasks that were decided.
    pub(crate) of: usize,
    /// When it came out, if tasks were asked in the file's order.
    pub(crate) noticed: Option<Notice>,
}

/// When a worker's dissent came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Notice {
    /// The first of its differing answers.
    pub(crate) first: Place,
    /// The last of them.
    pub(crate) last: Place,
    /// The first seal that decided a task otherwise than the worker had answered.
    pub(crate) at: Moment,
    /// How long after the first of these answers that was, if the file has times.
    pub(crate) after_ms: Option<u64>,
    /// Times at which it gave such answers; each answer is one if the file has no times.
    pub(crate) occasions: usize,
    /// Those of them up to that seal.
    pub(crate) occasions_until: usize,
}

/// A task without a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Dispute {
    /// The task.
    pub(crate) task: String,
    /// The number of its answers.
    pub(crate) answers: usize,
    /// The number of different ones.
    pub(crate) different: usize,
}

/// The tasks without a verdict, in the file's order.
pub(crate) fn in_dispute(answers: &Answers, decisions: &[Decision]) -> Vec<Dispute> {
    let tasks = answers.tasks.iter().zip(decisions);
    let tasks = tasks.filter(|(_, decision)| **decision == Decision::NoQuorum);
    let disputes = tasks.map(|(task, _)| Dispute {
        task: task.name.clone(),
        answers: task.answers.len(),
        different: task.different(),
    });
    disputes.collect()
}

/// The dissent of each worker that differed, the most first.
pub(crate) fn of(
    answers: &Answers,
    decisions: &[Decision],
    timeline: Option<&Timeline>,
) -> Vec<Dissent> {
    let mut found: BTreeMap<usize, Found<'_>> = BTreeMap::new();
    for (index, (task, decision)) in answers.tasks.iter().zip(decisions).enumerate() {
        let Decision::Decided(decided) = decision else {
            continue;
        };
        let moment = timeline.and_then(|timeline| {
            let moment = timeline.decided.get(index).copied().flatten()?;
            timeline.moments.get(moment)
        });
        for (at, (worker, answer)) in task.answers.iter().enumerate() {
            let found = found.entry(*worker).or_default();
            found.of += 1;
            if answer != decided {
                found.differing += 1;
                found.places.extend(task.places.get(at).zip(moment));
            }
        }
    }
    let mut dissent: Vec<Dissent> = (found.into_iter())
        .filter(|(_, found)| found.differing > 0)
        .map(|(worker, found)| Dissent {
            worker: answers.workers[worker].clone(),
            differing: found.differing,
            of: found.of,
            noticed: found.notice(),
        })
        .collect();
    dissent.sort_by_key(|dissent| std::cmp::Reverse(dissent.differing));
    dissent
}

/// What is found about one worker.
#[derive(Default)]
struct Found<'a> {
    differing: usize,
    of: usize,
    /// The differing answers, and the seals that decided their tasks.
    places: Vec<(&'a Place, &'a Moment)>,
}

impl Found<'_> {
    fn notice(mut self) -> Option<Notice> {
        self.places.sort_by_key(|(place, _)| place.line);
        let (first, last) = (self.places.first()?.0, self.places.last()?.0);
        let moments = self.places.iter().map(|(_, moment)| *moment);
        let at = moments.min_by_key(|moment| moment.height)?;
        let mut occasions: Vec<&Place> = self.places.iter().map(|(place, _)| *place).collect();
        occasions.dedup_by_key(|place| match &place.time {
            Some(time) => time.ms,
            None => place.line,
        });
        let until = occasions.iter();
        let until = until.filter(|place| place.line <= at.place.line);
        let ms = |place: &Place| place.time.as_ref().map(|time| time.ms);
        Some(Notice {
            first: first.clone(),
            last: last.clone(),
            after_ms: ms(&at.place).zip(ms(first)).map(|(at, first)| at - first),
            at: at.clone(),
            occasions_until: until.count(),
            occasions: occasions.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Task, Time};

    fn place(line: u64, ms: Option<u64>) -> Place {
        let time = ms.map(|ms| Time {
            ms,
            text: ms.to_string().into(),
        });
        Place { line, time }
    }

    /// Two workers answer each task; the first does so at the task's first line.
    fn answers(tasks: &[[&str; 2]], ms: impl Fn(u64) -> Option<u64>) -> Answers {
        let tasks = (0_u64..).zip(tasks).map(|(index, given)| Task {
            name: format!("t{index}"),
            gold: None,
            answers: given.map(str::to_owned).into_iter().enumerate().collect(),
            places: [2 * index, 2 * index + 1]
                .map(|line| place(line, ms(line)))
                .to_vec(),
        });
        Answers {
            tasks: tasks.collect(),
            workers: ["ada", "ben"].map(str::to_owned).to_vec(),
            ..Answers::default()
        }
    }

    fn decided(answer: &str) -> Decision {
        Decision::Decided(answer.to_owned())
    }

    #[test]
    fn dissent_is_noticed_at_the_seal_that_decides() {
        let given = [["1", "2"], ["1", "2"], ["1", "2"], ["1", "2"], ["2", "2"]];
        let decisions = [
            decided("1"),
            decided("1"),
            Decision::NoQuorum,
            decided("1"),
            decided("2"),
        ];
        // Two tasks a time, and the later of them decided first.
        for (what, ms, after_ms, occasions) in [
            ("times", 10, Some(20), 2),
            ("one time", 0, Some(0), 1),
            ("no times", 1, None, 3),
        ] {
            let ms = |line: u64| after_ms.map(|_| line / 4 * ms);
            let answers = answers(&given, ms);
            let moment = |height, line| Moment {
                height,
                place: place(line, ms(line)),
            };
            let timeline = Timeline {
                moments: vec![moment(2, 8), moment(4, 9)],
                decided: vec![Some(1), Some(0), Some(0), Some(1), Some(1)],
                falls: Vec::new(),
            };
            let dissent = of(&answers, &decisions, Some(&timeline));
            let expected = Dissent {
                worker: "ben".to_owned(),
                differing: 3,
                of: 4,
                noticed: Some(Notice {
                    first: place(1, ms(1)),
                    last: place(7, ms(7)),
                    at: moment(2, 8),
                    after_ms,
                    occasions,
                    occasions_until: occasions,
                }),
            };
            assert_eq!(dissent, [expected], "{what}");
        }
    }

    #[test]
    fn later_dissent_is_not_counted_before_the_notice() {
        let answers = answers(&[["1", "2"], ["1", "2"]], |_| None);
        let moment = |height, line| Moment {
            height,
            place: place(line, None),
        };
        let timeline = Timeline {
            moments: vec![moment(2, 1), moment(4, 3)],
            decided: vec![Some(0), Some(1)],
            falls: Vec::new(),
        };
        let dissent = of(&answers, &[decided("1"), decided("1")], Some(&timeline));
        let noticed = dissent[0].noticed.as_ref().unwrap();
        assert_eq!((noticed.occasions, noticed.occasions_until), (2, 1));
        let without = of(&answers, &[decided("1"), decided("1")], None);
        assert_eq!((without[0].differing, &without[0].noticed), (2, &None));
    }

    #[test]
    fn what_has_no_verdict_is_in_dispute() {
        let answers = answers(&[["1", "2"], ["1", "1"], ["1", "2"]], |_| None);
        let decisions = [Decision::NoQuorum, decided("1"), Decision::NotAsked];
        let expected = Dispute {
            task: "t0".to_owned(),
            answers: 2,
            different: 2,
        };
        assert_eq!(in_dispute(&answers, &decisions), [expected]);
        assert_eq!(of(&answers, &decisions, None), []);
    }
}
