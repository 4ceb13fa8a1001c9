//! Which answers to a task are asked for at once.

use std::ops::Range;

use crate::Args;
use crate::answers::{Answers, Place, Task};

/// Some answers to a task, which are asked for at once: all of it, or those of one wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wave {
    /// An index into [`Answers::tasks`].
    pub(super) task: usize,
    /// The places of the answers in [`Task::answers`]; never empty.
    pub(super) answers: Range<usize>,
}

impl Wave {
    /// The task.
    pub(super) fn of<'a>(&self, answers: &'a Answers) -> &'a Task {
        &answers.tasks[self.task]
    }

    /// Who answers, and what.
    pub(super) fn given<'a>(&self, answers: &'a Answers) -> &'a [(usize, String)] {
        &self.of(answers).answers[self.answers.clone()]
    }

    /// Where the first and the last of the answers stand, if that is kept.
    pub(super) fn ends<'a>(&self, answers: &'a Answers) -> Option<[&'a Place; 2]> {
        let places = self.of(answers).places.get(self.answers.clone())?;
        Some([places.first()?, places.last()?])
    }
}

/// All answers, each in one wave, by task: in one wave all answers to it, or where there is a wait those that come within it of the
/// first of them. A coordinator closes a question when the wait is over, and who comes later is asked again.
pub(super) fn waves(answers: &Answers, args: &Args) -> Vec<Wave> {
    let mut waves = Vec::new();
    for (index, task) in answers.tasks.iter().enumerate() {
        let mut rest = 0..task.answers.len();
        while let Some(first) = rest.next() {
            let mut end = task.answers.len();
            if let (Some(within), Some(begin)) = (args.within, ms(task, first)) {
                let until = begin + within.ms();
                let late = rest.find(|at| ms(task, *at).is_some_and(|ms| ms > until));
                end = late.unwrap_or(end);
            }
            waves.push(Wave {
                task: index,
                answers: first..end,
            });
            rest = end..task.answers.len();
        }
    }
    waves
}

/// When an answer was given.
fn ms(task: &Task, answer: usize) -> Option<u64> {
    Some(task.places.get(answer)?.time.as_ref()?.ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Time;

    fn given_at(times: &[u64]) -> Answers {
        let places = times.iter().zip(2..).map(|(&ms, line)| Place {
            line,
            time: Some(Time {
                ms,
                text: ms.to_string().into(),
            }),
        });
        Answers {
            tasks: vec![Task {
                name: "t".to_owned(),
                gold: None,
                answers: (0..times.len())
                    .map(|worker| (worker, "1".to_owned()))
                    .collect(),
                places: places.collect(),
            }],
            ..Answers::default()
        }
    }

    #[test]
    fn a_wave_ends_with_the_wait_after_its_first_answer() {
        let within = Some("1s".parse().unwrap());
        for (what, within, times, expected) in [
            ("no wait", None, &[0, 5000, 9000][..], &[3][..]),
            ("all at once", within, &[7, 7, 7], &[3]),
            ("exactly at the end", within, &[7, 1007], &[2]),
            ("one too late", within, &[7, 1007, 1008], &[2, 3]),
            (
                "each wave waits anew",
                within,
                &[0, 900, 1800, 2700, 2801, 9000],
                &[2, 4, 5, 6],
            ),
        ] {
            let args = Args {
                within,
                ..Args::default()
            };
            let waves = waves(&given_at(times), &args);
            let ends: Vec<usize> = waves.iter().map(|wave| wave.answers.end).collect();
            assert_eq!(ends, expected, "{what}");
            let begins = waves.iter().map(|wave| wave.answers.start);
            assert!(
                begins.skip(1).eq(ends[..ends.len() - 1].iter().copied()),
                "{what}"
            );
        }
    }

    #[test]
    fn without_places_a_task_is_one_wave() {
        let mut answers = given_at(&[0, 1, 2]);
        answers.tasks[0].places.clear();
        let [wave] = &waves(&answers, &Args::default())[..] else {
            panic!("one wave");
        };
        assert_eq!((wave.answers.clone(), wave.ends(&answers)), (0..3, None));
        assert_eq!(wave.given(&answers).len(), 3);
    }
}
