//! What people should know about a file that can be read and may still be another than they think.

use std::collections::BTreeMap;

use mycnet_consensus::limits::PANEL_WEIGHTED_MIN;

use crate::answers::{Answers, Kind, Task};
use crate::spelling::{Alike, is_unknown, look};

/// Values, or groups of them, that a remark names.
const NAMED: usize = 5;

/// The remarks, each a sentence or two.
pub(crate) fn of(answers: &Answers) -> Vec<String> {
    let mut remarks = form(answers);
    remarks.extend(gold(answers));
    for kind in [Kind::Answer, Kind::Worker, Kind::Task] {
        remarks.extend(alike(kind, answers));
        remarks.extend(unknown(kind, answers));
    }
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
        let text = "the first line is taken as data, and the columns by their numbers: if it is a header, name the columns by it";
        remarks.push(text.to_owned());
    }
    if answers.has_row_names {
        let text =
            "lines have one field more than the header: the first is taken as the row's name";
        remarks.push(text.to_owned());
    }
    remarks.extend(answers.hints.iter().cloned());
    if let Some(first) = answers.headers_again.first() {
        remarks.push(format!(
            "the header stands again on {} lines, the first of them line {first}: they were left out",
            answers.headers_again.len()
        ));
    }
    if let Some((first, text)) = answers.lines_in_fields.first() {
        remarks.push(format!(
            "{} lines inside of quotation marks have as many columns as a row, the first of them in the row on line {first} \
             ({text:?}): if they are rows, a quotation mark is missing",
            answers.lines_in_fields.len()
        ));
    }
    if let Some(first) = answers.restarts.first() {
        remarks.push(format!(
            "the time goes back on {} lines, the first of them line {first}: there it is taken to go on from where it was",
            answers.restarts.len()
        ));
    }
    if let Some(first) = answers.skipped.first() {
        remarks.push(format!(
            "{} incomplete lines were left out, the first of them line {first}",
            answers.skipped.len()
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
    let unknown = answers.tasks_with_unknown_gold();
    if unknown > 0 {
        let none_left = match answers.tasks_with_gold() {
            0 => ", so there is no accuracy",
            _ => "",
        };
        remarks.push(format!(
            "the gold of {unknown} tasks says that the truth is unknown ({}): they are not judged{none_left}",
            counted(&answers.unknown_gold)
        ));
    }
    let mut foreign: BTreeMap<&str, usize> = BTreeMap::new();
    for gold in answers.foreign_gold() {
        *foreign.entry(gold).or_default() += 1;
    }
    if !foreign.is_empty() {
        remarks.push(format!(
            "the gold of {} of {} tasks is no answer to anything, so nothing can be right there ({}): is it the right column, and \
             spelt like the answers?{}",
            foreign.values().sum::<usize>(),
            answers.tasks_with_gold(),
            counted(&foreign),
            nearly_given(answers, &foreign)
        ));
    }
    // Somebody answers so, or it would be no gold.
    let mut answered: BTreeMap<&str, usize> = BTreeMap::new();
    for gold in answers.tasks.iter().filter_map(|task| task.gold.as_deref()) {
        if is_unknown(gold) {
            *answered.entry(gold).or_default() += 1;
        }
    }
    if !answered.is_empty() {
        remarks.push(format!(
            "the gold of {} tasks looks unknown ({}), and some answers are the same: there it counts as the truth",
            answered.values().sum::<usize>(),
            counted(&answered)
        ));
    }
    remarks
}

/// Gold that is no answer and looks like one.
fn nearly_given(answers: &Answers, foreign: &BTreeMap<&str, usize>) -> String {
    let given: BTreeMap<String, &str> = (answers.given().into_iter())
        .map(|answer| (look(answer), answer))
        .collect();
    let pairs = foreign.keys().filter_map(|gold| {
        let answer = given.get(&look(gold))?;
        Some(format!("{gold:?} looks like {answer:?}"))
    });
    let pairs: Vec<String> = pairs.take(NAMED).collect();
    match &pairs[..] {
        [] => String::new(),
        pairs => format!(" {}", pairs.join(", ")),
    }
}

fn alike(kind: Kind, answers: &Answers) -> Vec<String> {
    let what = kind.plural();
    let groups = answers.alike.iter().filter(|(of, _)| *of == kind);
    let (same, differ): (Vec<&Alike>, Vec<&Alike>) =
        groups.map(|(_, group)| group).partition(|group| {
            group
                .iter()
                .all(|(value, _)| value.trim() == group[0].0.trim())
        });
    let is_padded = |group: &&Alike| group.iter().any(|(value, _)| value.trim() != value);
    let but_for = if differ.iter().any(is_padded) {
        " but for the space around them"
    } else {
        ""
    };
    let mut remarks = Vec::new();
    if !differ.is_empty() {
        let listed = listed(&differ);
        remarks.push(format!(
            "some {what} look alike, and count as different{but_for}: {listed}"
        ));
    }
    if !same.is_empty() {
        let listed = listed(&same);
        remarks.push(format!(
            "some {what} differ in the space around them only, and count as the same: {listed}"
        ));
    }
    remarks
}

fn unknown(kind: Kind, answers: &Answers) -> Option<String> {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, value, count) in answers.unknown.iter().filter(|(of, ..)| *of == kind) {
        *found.entry(value).or_default() += count;
    }
    let (what, shown) = (kind.plural(), counted(&found));
    let text =
        format!("some {what} look as if nothing was known, and count like all others: {shown}");
    (!found.is_empty()).then_some(text)
}

/// Some of the groups.
fn listed(groups: &[&Alike]) -> String {
    let shown = groups.iter().take(NAMED);
    let shown: Vec<String> = shown.map(|group| named(group)).collect();
    let more = match groups.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more groups"),
    };
    shown.join("; ") + &more
}

fn counted<T: AsRef<str>>(values: &BTreeMap<T, usize>) -> String {
    let values = values.iter().map(|(value, count)| (value, *count));
    named(&values.collect::<Vec<_>>())
}

/// Some of the values, with escapes for what cannot be seen, and how often each stands there.
fn named<T: AsRef<str>>(values: &[(T, usize)]) -> String {
    /// Nobody compares longer texts.
    const CHARS: usize = 60;
    let mut shown: Vec<String> = (values.iter().take(NAMED))
        .map(|(value, count)| {
            let value = value.as_ref();
            let cut: String = value.chars().take(CHARS).collect();
            let more = if cut == value { "" } else { "…" };
            format!("{cut:?}{more} ({count})")
        })
        .collect();
    if values.len() > NAMED {
        shown.push(format!("and {} more", values.len() - NAMED));
    }
    shown.join(", ")
}
