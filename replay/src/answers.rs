//! The answers of workers, and the accuracy of decisions.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::limits::PANEL_WEIGHTED_MIN;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::replayed::Decision;
use super::spelling::Alike;

/// A question and its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its name in the file: not empty, at most `limits::TEXT_BYTES_MAX` bytes.
    pub(crate) name: String,
    /// The true answer, if it is known.
    pub(crate) gold: Option<String>,
    /// An index into [`Answers::workers`] and the answer, in the file's order. Each worker once; never empty.
    pub(crate) answers: Vec<(usize, String)>,
    /// Where each of the answers stands; empty unless that is to be kept.
    pub(crate) places: Vec<Place>,
}

/// Where an answer stands in the file, and when it was given.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct Place {
    /// From 1, the header included.
    pub(crate) line: u64,
    /// If the file has times.
    #[schemars(with = "Option<String>")]
    pub(crate) time: Option<Time>,
}

/// The time of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time {
    /// Milliseconds since some moment before all answers. It never goes back from one line to the next.
    pub(crate) ms: u64,
    /// As in the file.
    pub(crate) text: Box<str>,
}

/// As in the file.
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Worker,
    Answer,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Task, Self::Worker, Self::Answer];

    /// Several of them, for people.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Task => "tasks",
            Self::Worker => "workers",
            Self::Answer => "answers",
        }
    }
}

/// A whole file of answers, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answers {
    /// The tasks, in the order of their first answers.
    pub(crate) tasks: Vec<Task>,
    /// The workers' names, in the order of their first answers.
    pub(crate) workers: Vec<String>,
    /// The number of answers beyond a worker's first one to a task. They do not count.
    pub(crate) repeated: usize,
    /// The incomplete lines that were left out.
    pub(crate) skipped: Vec<u64>,
    /// Gold values that say that the truth is unknown, and the number of tasks that have them.
    pub(crate) unknown_gold: BTreeMap<String, usize>,
    /// The header of the gold column, if it is empty on every line.
    pub(crate) empty_gold: Option<String>,
    /// Whether the first line was data.
    pub(crate) is_headless: bool,
    /// Whether the first column, which the header leaves out, has names of rows.
    pub(crate) has_row_names: bool,
    /// The lines that are the header again, as where files were put together. They were left out.
    pub(crate) headers_again: Vec<u64>,
    /// Lines with as many columns as a row that stand in one quoted field: where it may begin, and the line.
    pub(crate) lines_in_fields: Vec<(u64, String)>,
    /// Values that look alike, as they are written.
    pub(crate) alike: Vec<(Kind, Alike)>,
    /// Values that look as if nothing was known, and how often they stand in the file.
    pub(crate) unknown: Vec<(Kind, String, usize)>,
    /// What else people should know.
    pub(crate) hints: Vec<String>,
    /// The lines at which the time is earlier than on the line before, so that it begins anew.
    pub(crate) restarts: Vec<u64>,
}

impl Task {
    /// Whether so few workers answered that the ledger scores none of them (P9).
    pub(crate) fn is_unscored(&self) -> bool {
        self.answers.len() < PANEL_WEIGHTED_MIN
    }

    /// The number of answers whose author could have copied them: an earlier one is equal.
    fn copiable(&self) -> usize {
        let mut seen = BTreeSet::new();
        let given = self.answers.iter();
        given.filter(|(_, answer)| !seen.insert(answer)).count()
    }

    /// The number of different answers.
    pub(crate) fn different(&self) -> usize {
        self.answers.len() - self.copiable()
    }

    /// The answer given most often; `None` if several share the first place.
    pub(crate) fn majority(&self) -> Option<&str> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for (_, answer) in &self.answers {
            *counts.entry(answer).or_default() += 1;
        }
        let most = counts.values().copied().max()?;
        let mut first = counts.into_iter().filter(|(_, count)| *count == most);
        match (first.next(), first.next()) {
            (Some((answer, _)), None) => Some(answer),
            _ => None,
        }
    }
}

impl Answers {
    /// The number of answers that count.
    pub(crate) fn votes(&self) -> usize {
        self.tasks.iter().map(|task| task.answers.len()).sum()
    }

    /// The number of answers whose author could have copied them, had all been public as they stand in the file.
    pub(crate) fn copiable(&self) -> usize {
        self.tasks.iter().map(Task::copiable).sum()
    }

    /// The number of tasks with a known true answer.
    pub(crate) fn tasks_with_gold(&self) -> usize {
        self.tasks.iter().filter(|task| task.gold.is_some()).count()
    }

    /// All different answers.
    pub(crate) fn given(&self) -> BTreeSet<&str> {
        let given = self.tasks.iter().flat_map(|task| &task.answers);
        given.map(|(_, answer)| answer.as_str()).collect()
    }

    /// The number of tasks whose gold says that the truth is unknown.
    pub(crate) fn tasks_with_unknown_gold(&self) -> usize {
        self.unknown_gold.values().sum()
    }

    /// The gold of tasks where it is no answer to anything: probably the wrong column, or another spelling.
    pub(crate) fn foreign_gold(&self) -> Vec<&str> {
        let given = self.given();
        let gold = self.tasks.iter().filter_map(|task| task.gold.as_deref());
        gold.filter(|gold| !given.contains(gold)).collect()
    }

    /// How often the plain majority is right, 0..=1; ties count half. `None` without gold.
    pub(crate) fn majority_accuracy(&self) -> Option<f64> {
        self.accuracy_of(self.tasks.iter().map(Task::majority))
    }

    /// How often the decisions (one for each task, in order) are right, 0..=1; no decision counts half. `None` without gold.
    pub(crate) fn accuracy(&self, decisions: &[Decision]) -> Option<f64> {
        self.accuracy_of(decisions.iter().map(|decision| match decision {
            Decision::Decided(answer) => Some(answer.as_str()),
            Decision::NoQuorum | Decision::NotAsked => None,
        }))
    }

    fn accuracy_of<'a>(&self, decided: impl Iterator<Item = Option<&'a str>>) -> Option<f64> {
        let (mut halves, mut judged) = (0_u64, 0_u64);
        for (task, decided) in self.tasks.iter().zip(decided) {
            let Some(gold) = task.gold.as_deref() else {
                continue;
            };
            judged += 1;
            halves += match decided {
                None => 1,
                Some(answer) if answer == gold => 2,
                Some(_) => 0,
            };
        }
        (judged > 0).then(|| ratio(halves, 2 * judged))
    }
}

/// A fraction for people. No decision depends on it.
#[allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "shown only; counts are far below 2^52"
)]
pub(crate) fn ratio(numerator: u64, denominator: u64) -> f64 {
    numerator as f64 / denominator as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(gold: Option<&str>, answers: &[&str]) -> Task {
        Task {
            name: "t".to_owned(),
            gold: gold.map(str::to_owned),
            answers: (answers.iter().map(|answer| (*answer).to_owned()))
                .enumerate()
                .collect(),
            places: Vec::new(),
        }
    }

    #[test]
    fn a_majority_is_what_was_said_most_often() {
        for (answers, majority) in [
            (&["1"][..], Some("1")),
            (&["1", "0", "1"], Some("1")),
            (&["1", "0"], None),
            (&["b", "a", "c", "b"], Some("b")),
            (&["b", "a", "a", "b", "c"], None),
            (&[], None),
        ] {
            assert_eq!(task(None, answers).majority(), majority, "{answers:?}");
        }
    }

    fn four() -> Answers {
        Answers {
            tasks: vec![
                task(Some("1"), &["1", "1", "0"]), // right
                task(Some("1"), &["0", "0", "1"]), // wrong
                task(Some("0"), &["0", "1"]),      // a tie
                task(None, &["1"]),                // not judged
            ],
            ..Answers::default()
        }
    }

    #[test]
    fn no_decision_and_ties_count_half() {
        let answers = four();
        assert_eq!(answers.majority_accuracy(), Some(0.5));
        let decided = |answer: &str| Decision::Decided(answer.to_owned());
        for (decisions, accuracy) in [
            ([decided("1"), decided("1"), decided("0")], 1.0),
            ([decided("1"), decided("1"), Decision::NoQuorum], 2.5 / 3.0),
            ([decided("0"), Decision::NotAsked, decided("2")], 0.5 / 3.0),
        ] {
            let mut decisions = decisions.to_vec();
            decisions.push(decided("whatever"));
            assert_eq!(answers.accuracy(&decisions), Some(accuracy));
        }
    }

    #[test]
    fn without_gold_there_is_no_accuracy() {
        let mut answers = four();
        for task in &mut answers.tasks {
            task.gold = None;
        }
        assert_eq!(answers.majority_accuracy(), None);
        assert!(answers.foreign_gold().is_empty());
    }

    #[test]
    fn gold_in_another_spelling_is_noticed() {
        let mut answers = four();
        assert!(answers.foreign_gold().is_empty());
        answers.tasks[1].gold = Some("1.0".to_owned());
        assert_eq!(answers.foreign_gold(), ["1.0"]);
    }

    #[test]
    fn an_answer_can_be_copied_where_an_equal_one_stands_above() {
        for (answers, copiable) in [(&["1"][..], 0), (&["1", "0", "1", "1"], 2), (&[], 0)] {
            let task = task(None, answers);
            assert_eq!(task.copiable(), copiable, "{answers:?}");
            assert_eq!(task.different(), answers.len() - copiable);
        }
        assert_eq!(four().copiable(), 2);
    }

    #[test]
    fn scores_take_three() {
        assert!(task(None, &["1", "1"]).is_unscored());
        assert!(!task(None, &["1", "1", "1"]).is_unscored());
    }
}
