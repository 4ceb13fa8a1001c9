//! The answers as they are read, line by line.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::limits::MEMBERS_MAX;

use super::{BadInput, Row, Table};
use crate::AUTHORITIES;
use crate::answers::{Answers, Place, Task};
use crate::spelling::is_unknown;

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
    missing: Option<(&'static str, usize)>,
    /// Which columns have an empty field.
    has_empty: Vec<bool>,
    has_gold: bool,
}

impl Gathering {
    pub(super) fn new(table: &Table) -> Self {
        Self {
            answers: Answers {
                is_headless: table.is_headless,
                has_row_names: table.has_row_names,
                ..Answers::default()
            },
            has_empty: vec![false; table.headers.len()],
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
        for (field, has_empty) in found.fields.iter().zip(&mut self.has_empty) {
            *has_empty |= field.is_empty();
        }
        if found.missing.is_some() {
            self.incomplete.push(line);
            self.missing = self.missing.or(found.missing);
            return Ok(());
        }
        self.has_gold |= found.gold.is_some();
        let worker = self.worker(found.worker)?;
        let index = self.task(&found.task);
        let task = &mut self.answers.tasks[index];
        let (answered, gold_line) = &mut self.seen[index];
        match (found.gold, task.gold.as_deref()) {
            (Some(gold), None) => {
                task.gold = Some(gold.to_owned());
                *gold_line = line;
            }
            (Some(gold), Some(before)) if gold != before => {
                return Err(format!(
                    "the gold of task {:?} is {gold:?} here and {before:?} on line {gold_line}; expected one true answer \
                     for each task (--columns without gold ignores the column)",
                    found.task,
                ));
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

    fn worker(&mut self, name: &str) -> Result<usize, String> {
        if let Some(&worker) = self.workers.get(name) {
            return Ok(worker);
        }
        let worker = self.answers.workers.len();
        if worker == WORKERS_MAX {
            return Err(format!(
                "{name:?} is worker number {}, and a network has at most {MEMBERS_MAX} members, with {AUTHORITIES} \
                 authorities among them",
                worker + 1,
            ));
        }
        self.answers.workers.push(name.to_owned());
        self.workers.insert(name.to_owned(), worker);
        Ok(worker)
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
        if let (Some((role, column)), false) = (self.missing, skip_incomplete) {
            return Err(BadInput::Line {
                line: self.incomplete[0],
                what: table.incomplete(&self.incomplete, role, column, &self.has_empty),
            });
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        self.answers.skipped = self.incomplete.len();
        if let Some(column) = table.places.gold.filter(|_| !self.has_gold) {
            self.answers.empty_gold = Some(table.headers[column].clone());
        }
        self.forget_unknown_gold();
        if self.answers.tasks.is_empty() {
            return Err(BadInput::Whole(
                "a header and no answers below it: expected one answer on each line".to_owned(),
            ));
        }
        Ok(self.answers)
    }

    /// A gold value that says that the truth is unknown is none, unless somebody answers so.
    fn forget_unknown_gold(&mut self) {
        let given = self.answers.given();
        let given: BTreeSet<String> = given.into_iter().map(str::to_owned).collect();
        for task in &mut self.answers.tasks {
            let is_none = |gold: &String| is_unknown(gold) && !given.contains(gold);
            if task.gold.take_if(|gold| is_none(gold)).is_some() {
                self.answers.unknown_gold += 1;
            }
        }
    }
}
