//! The columns of a file, and a line of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use csv::ByteRecord;
use mycnet_consensus::limits::{PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX};

use super::survey::{Survey, is_all_blank};
use super::twins::Twins;
use super::{Reading, TASK_JOINT};
use crate::columns::{self, Places};
use crate::spelling::is_blank;

/// Lines that an error about many lines names.
const LINES_NAMED: usize = 8;

/// The columns of a file.
pub(super) struct Table {
    pub(super) headers: Vec<String>,
    pub(super) places: Places,
    /// The column of the time, if times are wanted.
    pub(super) time: Option<usize>,
    /// Whether the first line is data.
    pub(super) is_headless: bool,
    pub(super) has_row_names: bool,
    /// Which columns are empty on a line that is not empty altogether.
    has_empty: Vec<bool>,
    /// What people should know about the first line.
    pub(super) hint: Option<String>,
}

impl Table {
    pub(super) fn new(
        first: &[&str],
        reading: Reading<'_>,
        survey: &Survey,
    ) -> Result<Self, String> {
        let first: Vec<String> = first.iter().map(|field| (*field).to_owned()).collect();
        let by_number = (reading.columns).and_then(|columns| columns.by_number(first.len()));
        if reading.has_no_header && by_number.is_none() {
            let count = first.len();
            return Err(format!(
                "with --no-header, columns have no names: --columns gives their numbers, from 1 to {count}"
            ));
        }
        let has_row_names = survey.has_row_names && !reading.has_no_header;
        // A header says what is below it, and is not below itself.
        let recurs = |columns: &Vec<usize>| columns.iter().any(|at| survey.recurs[*at]);
        let is_header = columns::is_header(&first);
        let is_headless = reading.has_no_header
            || (!has_row_names && !is_header && by_number.as_ref().is_some_and(recurs));
        let located = if is_headless {
            let numbers: Vec<String> = (1..=first.len()).map(|at| at.to_string()).collect();
            columns::locate(&numbers, reading.columns, reading.in_order).map(|it| (numbers, it))
        } else {
            let located = columns::locate(&first, reading.columns, reading.in_order);
            match located {
                Ok(places) => Ok((first, places)),
                Err(why) => Err(why + &on_a_header(&first, by_number.is_some(), survey)),
            }
        };
        let (mut headers, mut places) = located?;
        if reading.needs_time && places.time.is_none() {
            return Err(format!(
                "--within needs the time of each answer, and no column has a common name for it: --columns '{},time=NAME'",
                places.typed(&headers, 0, 0)
            ));
        }
        let is_sure = is_headless || is_header;
        let hint = (!is_sure)
            .then(|| hint(&headers, &places, by_number.is_some(), survey))
            .flatten();
        let mut has_empty = survey.has_empty.clone();
        if has_row_names {
            headers.insert(0, "row names".to_owned());
            has_empty.insert(0, false);
            places = places.shifted();
        }
        Ok(Self {
            headers,
            time: places.time.filter(|_| reading.in_order),
            places,
            is_headless,
            has_row_names,
            has_empty,
            hint,
        })
    }
}

/// What helps where the columns cannot be found in a header.
fn on_a_header(header: &[String], by_number: bool, survey: &Survey) -> String {
    let mut more = String::new();
    if by_number {
        more.push_str(" (a number that is a name in the header means that name)");
    }
    let mut below = header.iter().zip(&survey.recurs);
    if let Some((value, _)) = below.find(|(_, recurs)| **recurs) {
        let _ = write!(
            more,
            " The first line looks like data: {value:?} stands again below it."
        );
    }
    let empty = header.iter().zip(&survey.has_empty);
    let empty = empty.filter(|(header, is_empty)| **is_empty && !header.is_empty());
    let empty: Vec<String> = empty.map(|(header, _)| header.clone()).collect();
    if !empty.is_empty() {
        let _ = write!(more, " Empty in places: {}.", columns::listed(&empty));
    }
    more
}

/// What to say of a first line that is taken as the header and may be data.
fn hint(headers: &[String], places: &Places, by_number: bool, survey: &Survey) -> Option<String> {
    let chosen = places.said(headers);
    if by_number {
        return Some(format!(
            "the first line is taken as the header, and not as data: {chosen} (--no-header takes it as data)"
        ));
    }
    let again = places.all().filter(|at| survey.recurs[*at]);
    let again: Vec<String> = again.map(|at| headers[at].clone()).collect();
    // One value may be its column's name by chance.
    (again.len() > 1).then(|| {
        format!(
            "the first line is taken as the header, and looks like data, since {} stand again below it: --no-header takes it \
             as data, with --columns by numbers",
            columns::listed(&again)
        )
    })
}

/// A line. Any of its fields may be empty.
pub(super) struct Row<'a> {
    /// All fields, of which the next ones are some; none where all are empty.
    pub(super) fields: Vec<&'a str>,
    pub(super) task: Cow<'a, str>,
    pub(super) worker: &'a str,
    pub(super) answer: &'a str,
    /// Task, worker and answer with the space around them.
    pub(super) written: [Cow<'a, str>; 3],
    /// The first column that is needed and empty.
    pub(super) missing: Option<Missing>,
    /// Not empty.
    pub(super) gold: Option<&'a str>,
    /// If times are wanted.
    pub(super) time: Option<&'a str>,
}

/// What is empty on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Everything.
    All,
    /// At least this column, which stands for a role.
    Column(&'static str, usize),
}

/// The fields as text, without the space around them. Where nothing can be seen, a field is empty.
pub(super) fn text_fields(record: &ByteRecord) -> Result<Vec<&str>, String> {
    let fields = record.iter().enumerate();
    let text = fields.map(|(column, field)| {
        let text = str::from_utf8(field)
            .map_err(|_| format!("field {} is not UTF-8: save the file as UTF-8", column + 1))?;
        Ok(if is_blank(text) { "" } else { text.trim() })
    });
    text.collect()
}

impl Table {
    pub(super) fn row<'a>(&self, record: &'a ByteRecord) -> Result<Row<'a>, String> {
        let Self {
            headers, places, ..
        } = self;
        if is_all_blank(record) {
            return Ok(Row {
                fields: Vec::new(),
                task: Cow::Borrowed(""),
                worker: "",
                answer: "",
                written: Default::default(),
                missing: Some(Missing::All),
                gold: None,
                time: None,
            });
        }
        let fields = text_fields(record)?;
        if record.len() != headers.len() {
            return Err(self.unlike_the_first(&fields));
        }
        let parts = (places.task.iter()).map(|column| ("task", *column, TEXT_BYTES_MAX));
        let time = self.time.map(|column| ("time", column, TEXT_BYTES_MAX));
        let needed = parts
            .chain([
                ("worker", places.worker, TEXT_BYTES_MAX),
                ("answer", places.answer, PAYLOAD_BYTES_MAX),
            ])
            .chain(time);
        let mut missing = None;
        for (role, column, limit) in needed {
            let length = fields[column].len();
            if length > limit {
                return Err(format!(
                    "the {role} (column {:?}) has {length} bytes, and the limit is {limit}",
                    headers[column]
                ));
            }
            if length == 0 {
                missing = missing.or(Some(Missing::Column(role, column)));
            }
        }
        // All fields are text, as was found above.
        let written = |column: usize| str::from_utf8(&record[column]).unwrap_or_default();
        let written_task = if let [column] = places.task[..] {
            Cow::Borrowed(written(column))
        } else {
            let parts = places.task.iter().map(|column| written(*column));
            Cow::Owned(parts.collect::<Vec<_>>().join(TASK_JOINT))
        };
        Ok(Row {
            task: self.task(&fields)?,
            worker: fields[places.worker],
            answer: fields[places.answer],
            written: [
                written_task,
                Cow::Borrowed(written(places.worker)),
                Cow::Borrowed(written(places.answer)),
            ],
            missing,
            gold: (places.gold.map(|column| fields[column])).filter(|gold| !gold.is_empty()),
            time: self.time.map(|column| fields[column]),
            fields,
        })
    }

    /// What is wrong with a line that has not as many fields as the first one.
    fn unlike_the_first(&self, fields: &[&str]) -> String {
        let like = match (self.is_headless, self.has_row_names) {
            (true, _) => "as in the first line",
            (false, true) => "one more than in the header, as most lines have",
            (false, false) => "as in the header",
        };
        let (expected, found) = (self.headers.len(), fields.len());
        let mut what = format!("expected {expected} fields, {like}, and found {found}");
        if found == expected + 1 && fields[expected].is_empty() {
            what.push_str("; the last is empty: remove the separator at the end of the line");
        } else if fields.iter().any(|field| field.contains('"')) {
            what.push_str("; is a quotation mark in the wrong place, or missing?");
        }
        what
    }

    /// The task's name: a field, or several that are joined so that no two tasks get one name.
    fn task<'a>(&self, fields: &[&'a str]) -> Result<Cow<'a, str>, String> {
        let columns = &self.places.task;
        if let [column] = columns[..] {
            return Ok(Cow::Borrowed(fields[column]));
        }
        for column in columns {
            // With the space around it that the joint gives to it.
            if format!(" {} ", fields[*column]).contains(TASK_JOINT) {
                return Err(format!(
                    "the task (column {:?}) contains {TASK_JOINT:?}, which joins the columns of a task: replace it in the file",
                    self.headers[*column]
                ));
            }
        }
        let parts: Vec<&str> = columns.iter().map(|column| fields[*column]).collect();
        let name = parts.join(TASK_JOINT);
        if name.len() > TEXT_BYTES_MAX {
            return Err(format!(
                "the columns of the task have {} bytes together, and the limit is {TEXT_BYTES_MAX}",
                name.len()
            ));
        }
        Ok(Cow::Owned(name))
    }

    /// What is empty on a line, for people.
    pub(super) fn empty(&self, missing: Missing) -> String {
        match missing {
            Missing::All => "nothing but separators and space".to_owned(),
            Missing::Column(role, column) => {
                format!("the {role} (column {:?}) is empty", self.headers[column])
            }
        }
    }

    /// What is wrong with lines where something needed is empty, and what helps.
    pub(super) fn incomplete(
        &self,
        lines: &[u64],
        first: Missing,
        other: Option<String>,
    ) -> String {
        let mut what = self.empty(first);
        let more = &lines[1..];
        if !more.is_empty() {
            let named: Vec<String> = more.iter().take(LINES_NAMED).map(u64::to_string).collect();
            let lines = if more.len() == 1 { "line" } else { "lines" };
            let named = named.join(", ");
            let _ = write!(what, "; something is empty on {lines} {named} too");
            if more.len() > LINES_NAMED {
                let _ = write!(what, " and on {} more", more.len() - LINES_NAMED);
            }
        }
        if let Some(other) = other {
            let _ = write!(what, "; {other}");
        }
        what + "; --skip-incomplete leaves out such lines"
    }

    /// For each column that is needed and empty in places, those that are never empty and stand for nothing.
    pub(super) fn twins(&self) -> Vec<Twins> {
        let Places {
            task,
            worker,
            answer,
            ..
        } = &self.places;
        let needed = task.iter().chain([worker, answer]).copied();
        let gaps = needed.filter(|column| self.has_empty[*column]);
        gaps.map(|column| {
            let from = usize::from(self.has_row_names);
            let others = (from..self.headers.len()).filter(|other| self.may_do(*other));
            Twins::new(column, others)
        })
        .collect()
    }

    fn may_do(&self, column: usize) -> bool {
        !self.has_empty[column] && self.places.all().all(|chosen| chosen != column)
    }

    /// Another column that would do and is never empty, and what to type for it. First one that says the same, then one with a
    /// name for it.
    pub(super) fn other(&self, role: &str, column: usize, twins: &[Twins]) -> Option<String> {
        let named = columns::others(&self.headers, role, column);
        let named = named.into_iter().find(|other| self.may_do(*other));
        let twins = twins.iter().flat_map(|twins| twins.of(column)).next();
        let other = twins.or(named)?;
        let name = &self.headers[other];
        let typed = self.places.typed(&self.headers, column, other);
        Some(format!(
            "column {name:?} is never empty: --columns '{typed}'"
        ))
    }
}
