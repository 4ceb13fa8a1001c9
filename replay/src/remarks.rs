//! What people should know about a file that can be read and may still be another than they think.

use std::collections::BTreeSet;

use mycnet_consensus::limits::PANEL_WEIGHTED_MIN;

use crate::answers::{Answers, Task};
use crate::spelling::look_alikes;

/// Values, or groups of them, that a remark names.
const NAMED: usize = 5;

/// The remarks, each a sentence or two.
pub(crate) fn of(answers: &Answers) -> Vec<String> {
    let mut remarks = form(answers);
    remarks.extend(gold(answers));
    let tasks = answers.tasks.iter().map(|task| task.name.as_str());
    let workers = answers.workers.iter().map(String::as_str);
    remarks.extend(alike("answers", &look_alikes(answers.given())));
    remarks.extend(alike("workers", &look_alikes(workers)));
    remarks.extend(alike("tasks", &look_alikes(tasks)));
    if answers.tasks.iter().all(Task::is_unscored) {
        remarks.push(format!(
            "no task was answered by {PANEL_WEIGHTED_MIN} workers or more, so nobody's skill moves: if that surprises you, name \
             the columns with --columns"
        ));
    }
    remarks
}

fn form(answers: &Answers) -> Vec<String> {
    let mut remarks = Vec::new();
    if answers.is_headless {
        remarks
            .push("the first line is taken as data, and the columns by their numbers".to_owned());
    }
    if answers.has_row_names {
        let text =
            "every line has one field more than the header: the first is taken as the row's name";
        remarks.push(text.to_owned());
    }
    if let Some(first) = answers.restarts.first() {
        remarks.push(format!(
            "the time goes back on {} lines, the first of them line {first}: there it is taken to go on from where it was",
            answers.restarts.len()
        ));
    }
    if answers.skipped > 0 {
        remarks.push(format!(
            "{} incomplete lines were left out",
            answers.skipped
        ));
    }
    remarks
}

fn gold(answers: &Answers) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(header) = &answers.empty_gold {
        remarks.push(format!(
            "the gold column {header:?} is empty on every line, so there is no accuracy"
        ));
    }
    if answers.unknown_gold > 0 {
        remarks.push(format!(
            "the gold of {} tasks says that the truth is unknown: they are not judged",
            answers.unknown_gold
        ));
    }
    let foreign = answers.foreign_gold();
    if !foreign.is_empty() {
        let values: BTreeSet<&str> = foreign.iter().copied().collect();
        remarks.push(format!(
            "the gold of {} of {} tasks is no answer to anything, so nothing can be right there ({}): is it the right column, and \
             spelt like the answers?",
            foreign.len(),
            answers.tasks_with_gold(),
            named(&values.into_iter().collect::<Vec<_>>())
        ));
    }
    remarks
}

fn alike(what: &str, groups: &[Vec<&str>]) -> Option<String> {
    if groups.is_empty() {
        return None;
    }
    let shown: Vec<String> = groups
        .iter()
        .take(NAMED)
        .map(|group| named(group))
        .collect();
    let more = match groups.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more groups"),
    };
    Some(format!(
        "some {what} look alike, and count as different: {}{more}",
        shown.join("; ")
    ))
}

/// Some of the values, with escapes for what cannot be seen.
fn named(values: &[&str]) -> String {
    let mut shown: Vec<String> = (values.iter().take(NAMED))
        .map(|value| format!("{value:?}"))
        .collect();
    if values.len() > NAMED {
        shown.push(format!("and {} more", values.len() - NAMED));
    }
    shown.join(", ")
}
