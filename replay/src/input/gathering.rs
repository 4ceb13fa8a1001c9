//! The answers as they are read, line by line.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::limits::MEMBERS_MAX;

use super::BadInput;
use super::lines::HeldRow;
use super::table::{Missing, Row, Table, text_fields};
use super::twins::Twins;
use crate::AUTHORITIES;
use crate::answers::{Answers, Kind, Place, Task};
use crate::spelling::{is_unknown, look_alikes};

/// Workers and authorities are members.
pub(super) const WORKERS_MAX: usize = MEMBERS_MAX - AUTHORITIES;

/// Answers as they are read.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) answers: Answers,
    tasks: BTreeMap<String, usize>,
    workers: BTreeMap<String, usize>,
    /// For each task the workers who answered, and the line of its first gold value.
    seen: Vec<(BTreeSet<usize>, u64)>,
    /// Lines where something needed is empty.
    incomplete: Vec<u64>,
    /// What is empty on the first of them.
    missing: Option<Missing>,
    /// The first column that is empty on a line that is not empty altogether, and its role.
    gap: Option<(&'static str, usize)>,
    has_gold: bool,
    /// How often tasks, workers and answers stand in the file, with the space around them.
    written: [BTreeMap<String, usize>; 3],
    /// The line of the first worker beyond the limit.
    too_many: Option<u64>,
    suspects: Vec<Suspect>,
    /// For columns that are empty in places.
    twins: Vec<Twins>,
    /// Gold that says that the truth is unknown where other lines know it: the tasks, and what is wrong if people answer so.
    half_known: BTreeMap<String, (BadInput, BTreeSet<usize>)>,
}

/// A line of a record whose quoted field goes over several lines, if it has as many columns as a row.
struct Suspect {
    /// The line on which the record starts.
    line: u64,
    /// What it would be an answer to, if that stands in the field.
    task: Option<String>,
    worker: Option<String>,
}

impl Gathering {
    pub(super) fn new(table: &Table) -> Self {
        Self {
            answers: Answers {
                is_headless: table.is_headless,
                has_row_names: table.has_row_names,
                hints: table.hint.iter().cloned().collect(),
                ..Answers::default()
            },
            twins: table.twins(),
            ..Self::default()
        }
    }

    /// Takes a line in. `place` is to be kept.
    pub(super) fn add(
        &mut self,
        line: u64,
        found: &Row<'_>,
        place: Option<Place>,
    ) -> Result<(), String> {
        if !found.fields.is_empty() {
            for twins in &mut self.twins {
                twins.look_at(&found.fields);
            }
        }
        if let Some(missing) = found.missing {
            self.incomplete.push(line);
            self.missing = self.missing.or(Some(missing));
            if let Missing::Column(role, column) = missing {
                self.gap = self.gap.or(Some((role, column)));
            }
            return Ok(());
        }
        for (written, value) in self.written.iter_mut().zip(&found.written) {
            match written.get_mut(&**value) {
                Some(count) => *count += 1,
                None => _ = written.insert(value.to_string(), 1),
            }
        }
        self.has_gold |= found.gold.is_some();
        let worker = self.worker(line, found.worker);
        let index = self.task(&found.task);
        let task = &mut self.answers.tasks[index];
        let (answered, gold_line) = &mut self.seen[index];
        match (found.gold, task.gold.as_deref()) {
            (Some(gold), None) => {
                task.gold = Some(gold.to_owned());
                *gold_line = line;
            }
            (Some(gold), Some(before)) if gold != before => {
                let why = format!(
                    "the gold of task {:?} is {gold:?} here and {before:?} on line {gold_line}; expected one true answer \
                     for each task (--columns without gold ignores the column)",
                    found.task,
                );
                let unknown = match (is_unknown(gold), is_unknown(before)) {
                    (true, false) => gold.to_owned(),
                    (false, true) => {
                        *gold_line = line;
                        task.gold.replace(gold.to_owned()).unwrap_or_default()
                    }
                    _ => return Err(why),
                };
                let first = || (BadInput::Line { line, what: why }, BTreeSet::new());
                let (_, tasks) = self.half_known.entry(unknown).or_insert_with(first);
                tasks.insert(index);
            }
            _ => {}
        }
        if answered.insert(worker) {
            task.answers.push((worker, found.answer.to_owned()));
            task.places.extend(place);
        } else {
            self.answers.repeated += 1;
        }
        Ok(())
    }

    /// Keeps a line in a quoted field that may be a row of its own.
    pub(super) fn suspect(&mut self, row: &HeldRow, table: &Table) {
        if row.record.len() != table.headers.len() {
            return;
        }
        let (Ok(found), Ok(fields)) = (table.row(&row.record), text_fields(&row.record)) else {
            return;
        };
        let text = fields[row.held.clone()].join(" ");
        self.answers.lines_in_fields.push((row.line, text));
        let is_held = |column: &usize| row.held.contains(column);
        let places = &table.places;
        self.suspects.push(Suspect {
            line: row.line,
            task: (places.task.iter().all(is_held)).then(|| found.task.into_owned()),
            worker: is_held(&places.worker).then(|| found.worker.to_owned()),
        });
    }

    fn worker(&mut self, line: u64, name: &str) -> usize {
        if let Some(&worker) = self.workers.get(name) {
            return worker;
        }
        let worker = self.answers.workers.len();
        if worker == WORKERS_MAX {
            self.too_many = Some(line);
        }
        self.answers.workers.push(name.to_owned());
        self.workers.insert(name.to_owned(), worker);
        worker
    }

    fn task(&mut self, name: &str) -> usize {
        if let Some(&task) = self.tasks.get(name) {
            return task;
        }
        let task = self.answers.tasks.len();
        self.answers.tasks.push(Task {
            name: name.to_owned(),
            gold: None,
            answers: Vec::new(),
            places: Vec::new(),
        });
        self.tasks.insert(name.to_owned(), task);
        self.seen.push((BTreeSet::new(), 0));
        task
    }

    /// The answers, or what is wrong with the first of the wrong lines. `wrong` is what ended the reading.
    pub(super) fn finish(
        mut self,
        table: &Table,
        skip_incomplete: bool,
        wrong: Option<BadInput>,
    ) -> Result<Answers, BadInput> {
        if let Some(missing) = self.missing
            && (!skip_incomplete || self.answers.tasks.is_empty() && wrong.is_none())
        {
            return Err(self.is_incomplete(table, missing, skip_incomplete));
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        self.check_held_rows()?;
        self.check_workers()?;
        self.answers.skipped.clone_from(&self.incomplete);
        let gap = self.gap.or_else(|| {
            // As some programs write what is empty.
            let is_unknown = self.answers.workers.iter().any(|name| is_unknown(name));
            is_unknown.then_some(("worker", table.places.worker))
        });
        if let Some((role, column)) = gap
            && let Some(other) = table.other(role, column, &self.twins)
        {
            let header = &table.headers[column];
            let hint = format!("the {role} (column {header:?}) is not known in places; {other}");
            self.answers.hints.push(hint);
        }
        if let Some(column) = table.places.gold.filter(|_| !self.has_gold) {
            self.answers.empty_gold = Some(table.headers[column].clone());
        }
        self.forget_unknown_gold()?;
        for (kind, written) in Kind::ALL.into_iter().zip(&self.written) {
            let groups = look_alikes(written);
            self.answers
                .alike
                .extend(groups.into_iter().map(|group| (kind, group)));
            let unknown = written.iter().filter(|(value, _)| is_unknown(value));
            let unknown = unknown.map(|(value, count)| (kind, value.trim().to_owned(), *count));
            self.answers.unknown.extend(unknown);
        }
        if self.answers.tasks.is_empty() {
            return Err(BadInput::Whole(
                "a header and no answers below it: expected one answer on each line; if the first line is data, add \
                 --no-header and name the columns by numbers"
                    .to_owned(),
            ));
        }
        Ok(self.answers)
    }

    fn is_incomplete(&self, table: &Table, missing: Missing, skip_incomplete: bool) -> BadInput {
        let line = self.incomplete[0];
        let what = if skip_incomplete {
            let (empty, count) = (table.empty(missing), self.incomplete.len());
            format!(
                "{empty}, and all {count} lines are incomplete, so --skip-incomplete leaves none"
            )
        } else {
            let gap = self.gap;
            let other = gap.and_then(|(role, column)| table.other(role, column, &self.twins));
            table.incomplete(&self.incomplete, missing, other)
        };
        BadInput::Line { line, what }
    }

    /// Rows that a quotation mark took over into a field. They have a task or a worker that other lines have.
    fn check_held_rows(&self) -> Result<(), BadInput> {
        for Suspect { line, task, worker } in &self.suspects {
            let task = task.as_ref().filter(|it| self.tasks.contains_key(*it));
            let worker = worker.as_ref().filter(|it| self.workers.contains_key(*it));
            let (what, name) = match (task, worker) {
                (_, Some(worker)) => ("worker", worker),
                (Some(task), None) => ("task", task),
                (None, None) => continue,
            };
            return Err(BadInput::Line {
                line: *line,
                what: format!(
                    "a quotation mark opens in this row and closes on a later line, and what stands between looks like a row \
                     of {what} {name:?}: close it on its line; if a field does have such lines, join them"
                ),
            });
        }
        Ok(())
    }

    fn check_workers(&self) -> Result<(), BadInput> {
        let count = self.answers.workers.len();
        self.too_many.map_or(Ok(()), |line| {
            Err(BadInput::Line {
                line,
                what: format!(
                    "{:?} is worker number {} of {count}, and the limit is {WORKERS_MAX}: a network has at most {MEMBERS_MAX} \
                     members, with {AUTHORITIES} authorities among them. Is it the column of the workers? If so, leave some out",
                    self.answers.workers[WORKERS_MAX],
                    WORKERS_MAX + 1,
                ),
            })
        })
    }

    /// A gold value that says that the truth is unknown is none, unless somebody answers so.
    fn forget_unknown_gold(&mut self) -> Result<(), BadInput> {
        let given = self.answers.given();
        let given: BTreeSet<String> = given.into_iter().map(str::to_owned).collect();
        for (value, (wrong, tasks)) in std::mem::take(&mut self.half_known) {
            if given.contains(&value) {
                return Err(wrong);
            }
            self.answers.hints.push(format!(
                "the gold of {} tasks is {value:?} on some lines and known on others: what is known counts",
                tasks.len()
            ));
        }
        for task in &mut self.answers.tasks {
            let is_none = |gold: &String| is_unknown(gold) && !given.contains(gold);
            if let Some(gold) = task.gold.take_if(|gold| is_none(gold)) {
                *self.answers.unknown_gold.entry(gold).or_default() += 1;
            }
        }
        Ok(())
    }
}
