//! Who differed from what was decided, and when that came out; what stayed in dispute.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::answers::{Answers, Place, Task};
use crate::replayed::{Decision, Moment, Timeline};

/// A worker's answers that differ from what was decided.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
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
    /// The longest time from one of these answers to the seal at which it differed, if the file has times.
    pub(crate) longest_ms: Option<u64>,
    /// These answers that could not move skill: fewer than three with weight were asked with them (P9).
    pub(crate) unscored: usize,
}

/// A task without a verdict.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename = "TaskInDispute")]
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
        for (at, (worker, answer)) in task.answers.iter().enumerate() {
            let found = found.entry(*worker).or_default();
            found.of += 1;
            if answer != decided {
                found.differing += 1;
                found
                    .named
                    .extend(timeline.and_then(|timeline| named(task, at, index, timeline)));
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
    /// The differing answers.
    named: Vec<Named<'a>>,
}

/// An answer that differs from what was decided.
struct Named<'a> {
    place: &'a Place,
    /// The first seal at which both were known.
    at: &'a Moment,
    is_scored: bool,
}

/// When it came out that an answer differs: when its wave was decided, if that or a wave before had decided otherwise, else when a later
/// one did. `None` if the answer was never asked for.
fn named<'a>(
    task: &'a Task,
    answer: usize,
    index: usize,
    timeline: &'a Timeline,
) -> Option<Named<'a>> {
    let waves = timeline.waves.get(index)?;
    let own = waves
        .iter()
        .position(|wave| wave.answers.contains(&answer))?;
    let said = &task.answers[answer].1;
    let from = own.saturating_sub(1);
    let differs = waves[from..].iter().position(|wave| {
        let verdict = wave.verdict.as_ref();
        verdict.is_some_and(|verdict| verdict != said)
    });
    let wave = own.max(from + differs?);
    Some(Named {
        place: task.places.get(answer)?,
        at: timeline.moments.get(waves[wave].moment)?,
        is_scored: waves[own].is_scored,
    })
}

impl Found<'_> {
    fn notice(mut self) -> Option<Notice> {
        self.named.sort_by_key(|named| named.place.line);
        let named = &self.named;
        let (first, last) = (named.first()?.place, named.last()?.place);
        let at = named.iter().map(|named| named.at);
        let at = at.min_by_key(|moment| moment.height)?;
        let mut occasions: Vec<&Place> = named.iter().map(|named| named.place).collect();
        occasions.dedup_by_key(|place| match &place.time {
            Some(time) => time.ms,
            None => place.line,
        });
        let until = occasions.iter();
        let until = until.filter(|place| match (&place.time, at.ms) {
            (Some(time), Some(ms)) => time.ms <= ms,
            _ => place.line <= at.place.line,
        });
        let waits = named.iter().map(|named| named.at.after(named.place));
        Some(Notice {
            first: first.clone(),
            last: last.clone(),
            after_ms: at.after(first),
            at: at.clone(),
            occasions_until: until.count(),
            occasions: occasions.len(),
            longest_ms: waits.max().flatten(),
            unscored: named.iter().filter(|named| !named.is_scored).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Time;
    use crate::replayed::WaveResult;

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

    fn moment(height: u64, place: Place) -> Moment {
        Moment {
            height,
            ms: place.time.as_ref().map(|time| time.ms),
            place,
        }
    }

    /// Both answers in one wave.
    fn wave(moment: usize, verdict: Option<&str>) -> Vec<WaveResult> {
        vec![WaveResult {
            answers: 0..2,
            moment,
            is_scored: false,
            verdict: verdict.map(str::to_owned),
        }]
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
            let moment = |height, line| moment(height, place(line, ms(line)));
            let timeline = Timeline {
                moments: vec![moment(2, 8), moment(4, 9)],
                waves: vec![
                    wave(1, Some("1")),
                    wave(0, Some("1")),
                    wave(0, None),
                    wave(1, Some("1")),
                    wave(1, Some("2")),
                ],
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
                    longest_ms: after_ms,
                    unscored: 3,
                }),
            };
            assert_eq!(dissent, [expected], "{what}");
        }
    }

    #[test]
    fn later_dissent_is_not_counted_before_the_notice() {
        let answers = answers(&[["1", "2"], ["1", "2"]], |_| None);
        let moment = |height, line| moment(height, place(line, None));
        let timeline = Timeline {
            moments: vec![moment(2, 1), moment(4, 3)],
            waves: vec![wave(0, Some("1")), wave(1, Some("1"))],
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
