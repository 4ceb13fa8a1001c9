//! Answers of later waves that differ from what an earlier wave had decided, with when that came out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::answers::{Answers, Place};
use crate::replayed::{Moment, Timeline};

/// What a worker answered otherwise than had been decided, as one seal brought it out.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct LateDissent {
    /// The worker's name.
    pub(crate) worker: String,
    /// The seal that decided the wave.
    pub(crate) at: Moment,
    /// How long before it the first of the answers was given.
    pub(crate) after_ms: Option<u64>,
    /// The answers, in the order of the file's tasks; never empty.
    pub(crate) answers: Vec<LateAnswer>,
}

/// An answer that differs from the verdict that stood when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct LateAnswer {
    /// The task.
    pub(crate) task: String,
    /// Where the answer stands.
    #[serde(flatten)]
    pub(crate) place: Place,
    /// The answer.
    pub(crate) answer: String,
    /// The verdict of the waves before.
    pub(crate) decided: String,
    /// The verdict of all waves, if they have one.
    pub(crate) verdict: Option<String>,
}

impl LateDissent {
    /// The number of answers against verdicts that stand at the end.
    pub(crate) fn standing(&self) -> usize {
        let answers = self.answers.iter();
        let standing = answers.filter(|it| it.verdict.as_ref() == Some(&it.decided));
        standing.count()
    }
}

/// All such answers by seal and worker, in the order of the seals.
pub(crate) fn of(answers: &Answers, timeline: &Timeline) -> Vec<LateDissent> {
    let mut found: BTreeMap<(usize, usize), LateDissent> = BTreeMap::new();
    for (task, waves) in answers.tasks.iter().zip(&timeline.waves) {
        let last = waves.last().and_then(|wave| wave.verdict.as_ref());
        for (before, wave) in waves.iter().zip(waves.iter().skip(1)) {
            let Some(decided) = &before.verdict else {
                continue;
            };
            let given = task.answers[wave.answers.clone()].iter();
            let given = given.zip(&task.places[wave.answers.clone()]);
            for ((worker, answer), place) in given.filter(|((_, answer), _)| answer != decided) {
                let at = &timeline.moments[wave.moment];
                let late = found
                    .entry((wave.moment, *worker))
                    .or_insert_with(|| LateDissent {
                        worker: answers.workers[*worker].clone(),
                        at: at.clone(),
                        after_ms: None,
                        answers: Vec::new(),
                    });
                late.after_ms = late.after_ms.max(at.after(place));
                late.answers.push(LateAnswer {
                    task: task.name.clone(),
                    place: place.clone(),
                    answer: answer.clone(),
                    decided: decided.clone(),
                    verdict: last.cloned(),
                });
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Task, Time};
    use crate::replayed::WaveResult;

    fn place(line: u64) -> Place {
        Place {
            line,
            time: Some(Time {
                ms: 10 * line,
                text: line.to_string().into(),
            }),
        }
    }

    /// A task with one answer in each wave, and the verdict after each. The waves of all tasks are decided together.
    fn task(name: &str, waves: &[(&str, Option<&str>)]) -> (Task, Vec<WaveResult>) {
        let given = waves.iter().map(|(answer, _)| (*answer).to_owned());
        let task = Task {
            name: name.to_owned(),
            gold: None,
            answers: given.enumerate().collect(),
            places: (0..waves.len() as u64).map(place).collect(),
        };
        let results = waves.iter().enumerate();
        let results = results.map(|(index, (_, verdict))| WaveResult {
            answers: index..index + 1,
            moment: index,
            is_scored: false,
            verdict: verdict.map(str::to_owned),
        });
        (task, results.collect())
    }

    #[test]
    fn who_differs_from_what_was_decided_is_named_at_the_end_of_the_wave() {
        let (tasks, waves) = [
            task("stands", &[("a", Some("a")), ("b", Some("a"))]),
            task("falls", &[("a", Some("a")), ("b", None), ("c", None)]),
            task("turns", &[("a", Some("a")), ("b", Some("b"))]),
            task("agrees", &[("a", Some("a")), ("a", Some("a"))]),
            task("had none", &[("a", None), ("b", Some("b"))]),
        ]
        .into_iter()
        .unzip();
        let answers = Answers {
            tasks,
            workers: ["ada", "ben", "cyd"].map(str::to_owned).to_vec(),
            ..Answers::default()
        };
        let moments = (0..3).map(|wave| Moment {
            height: 2 * wave,
            place: place(wave),
            ms: Some(10 * wave + 7),
        });
        let timeline = Timeline {
            moments: moments.collect(),
            waves,
            falls: Vec::new(),
        };
        let late = of(&answers, &timeline);
        let [one] = &late[..] else {
            panic!("{late:?}");
        };
        assert_eq!((one.worker.as_str(), one.at.height), ("ben", 2));
        assert_eq!((one.after_ms, one.standing()), (Some(7), 1));
        let found = one.answers.iter();
        let found = found.map(|it| (it.task.as_str(), it.verdict.as_deref(), it.place.line));
        let expected = [
            ("stands", Some("a"), 1),
            ("falls", None, 1),
            ("turns", Some("b"), 1),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let against = one.answers.iter();
        let mut against = against.map(|it| (it.answer.as_str(), it.decided.as_str()));
        assert!(against.all(|it| it == ("b", "a")));
    }
}
