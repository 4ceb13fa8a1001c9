//! Reads answers from CSV or TSV. An error names the line, what was found and what was expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use csv::ByteRecord;
use mycnet_consensus::limits::{MEMBERS_MAX, PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX};

use super::AUTHORITIES;
use super::answers::{Answers, Task};
use super::columns::{self, Columns, Places};

/// Limit of a file in bytes. A thousand workers with ten thousand answers each stay below it.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Workers and authorities are members.
const WORKERS_MAX: usize = MEMBERS_MAX - AUTHORITIES;

/// Delimiters of columns. If two give a header as many columns, the first counts.
const DELIMITERS: [u8; 3] = *b"\t,;";

/// The content of the input is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInput {
    /// One line is wrong.
    #[error("line {line}: {what}")]
    Line {
        /// From 1, the header included.
        line: u64,
        /// What was found and what was expected.
        what: String,
    },
    /// The file as a whole is wrong.
    #[error("{0}")]
    Whole(String),
}

/// Reads a file, or standard input if its name is `-`.
///
/// # Errors
///
/// [`BadInput`] in its context; an I/O error where the file cannot be read.
pub(crate) fn read(file: &Path, columns: Option<&Columns>) -> anyhow::Result<Answers> {
    let (name, bytes) = if file == Path::new("-") {
        ("standard input".to_owned(), read_bounded(io::stdin()))
    } else {
        let bytes = File::open(file).and_then(read_bounded);
        (file.display().to_string(), bytes)
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    parse(&bytes, columns).context(name)
}

/// Reads at most one byte more than the limit, so that [`parse`] sees a file that is too long.
fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut source = source.take(FILE_BYTES_MAX as u64 + 1);
    source.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads answers from the bytes of a file.
///
/// # Errors
///
/// [`BadInput`] names the first line that is wrong.
fn parse(bytes: &[u8], columns: Option<&Columns>) -> Result<Answers, BadInput> {
    let whole = |what: String| Err(BadInput::Whole(what));
    if bytes.len() > FILE_BYTES_MAX {
        return whole(format!(
            "too large: the limit is {} MiB",
            FILE_BYTES_MAX >> 20
        ));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return whole("the text is UTF-16, expected UTF-8: save it as UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);

    let mut lines = Lines {
        bytes,
        offset: 0,
        line: 1,
    };
    let Some(delimiter) = delimiter(bytes) else {
        return whole("empty: expected a header line that names the columns".to_owned());
    };
    let mut reader = reader(bytes, delimiter);
    let mut record = ByteRecord::new();
    next(&mut reader, &mut record)?;
    let line = lines.of(&record);
    let at = |line| move |what| BadInput::Line { line, what };
    let headers = text_fields(&record).map_err(at(line))?;
    let headers: Vec<String> = headers.into_iter().map(str::to_owned).collect();
    let places = columns::locate(&headers, columns).map_err(at(line))?;

    let mut gathering = Gathering::default();
    while next(&mut reader, &mut record)? {
        let line = lines.of(&record);
        row(&record, &headers, places)
            .and_then(|row| gathering.add(line, &row))
            .map_err(at(line))?;
    }
    gathering.finish()
}

/// The delimiter that gives the header the most columns. `None` if there is no header.
fn delimiter(bytes: &[u8]) -> Option<u8> {
    let columns = |delimiter: u8| {
        let mut record = ByteRecord::new();
        let found = reader(bytes, delimiter).read_byte_record(&mut record);
        found.unwrap_or(false).then_some(record.len())
    };
    let found = DELIMITERS.into_iter().filter(|d| columns(*d).is_some());
    // `max_by_key` gives the last of several, and the first is wanted.
    found.rev().max_by_key(|d| columns(*d))
}

fn reader(bytes: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes)
}

/// Reads the next record; false at the end.
fn next(reader: &mut csv::Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool, BadInput> {
    // Reading bytes from memory cannot fail, and records may have any length.
    reader
        .read_byte_record(record)
        .map_err(|error| BadInput::Whole(error.to_string()))
}

/// Finds the line on which a record starts. The csv crate counts a record from the end of the one before, so blank lines and
/// CRLF shift its count.
struct Lines<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of a record, from 1. Records must be asked for in order.
    fn of(&mut self, record: &ByteRecord) -> u64 {
        let start = record.position().map_or(0, csv::Position::byte);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        while let Some(&byte) = self.bytes.get(self.offset)
            && (self.offset < start || matches!(byte, b'\r' | b'\n'))
        {
            self.line += u64::from(byte == b'\n');
            self.offset += 1;
        }
        self.line
    }
}

/// A valid line.
struct Row<'a> {
    task: &'a str,
    worker: &'a str,
    answer: &'a str,
    /// Not empty.
    gold: Option<&'a str>,
}

/// The fields as text, without the space around them.
fn text_fields(record: &ByteRecord) -> Result<Vec<&str>, String> {
    let fields = record.iter().enumerate();
    let text = fields.map(|(column, field)| {
        let text = str::from_utf8(field)
            .map_err(|_| format!("field {} is not UTF-8: save the file as UTF-8", column + 1))?;
        Ok(text.trim())
    });
    text.collect()
}

fn row<'a>(record: &'a ByteRecord, headers: &[String], places: Places) -> Result<Row<'a>, String> {
    if record.len() != headers.len() {
        let has_lines = record.iter().any(|field| field.contains(&b'\n'));
        let hint = if has_lines {
            "; is a quotation mark never closed?"
        } else {
            ""
        };
        return Err(format!(
            "expected {} fields, as in the header, and found {}{hint}",
            headers.len(),
            record.len(),
        ));
    }
    let fields = text_fields(record)?;
    let needed = |role: &str, column: usize, limit: usize| {
        let header = &headers[column];
        match fields[column].len() {
            0 => Err(format!("the {role} (column {header:?}) is empty")),
            length if length > limit => Err(format!(
                "the {role} (column {header:?}) has {length} bytes, and the limit is {limit}"
            )),
            _ => Ok(fields[column]),
        }
    };
    Ok(Row {
        task: needed("task", places.task, TEXT_BYTES_MAX)?,
        worker: needed("worker", places.worker, TEXT_BYTES_MAX)?,
        answer: needed("answer", places.answer, PAYLOAD_BYTES_MAX)?,
        gold: (places.gold.map(|column| fields[column])).filter(|gold| !gold.is_empty()),
    })
}

/// Answers as they are read.
#[derive(Default)]
struct Gathering {
    answers: Answers,
    tasks: BTreeMap<String, usize>,
    workers: BTreeMap<String, usize>,
    /// For each task the workers who answered, and the line of its first gold value.
    seen: Vec<(BTreeSet<usize>, u64)>,
}

impl Gathering {
    fn add(&mut self, line: u64, found: &Row<'_>) -> Result<(), String> {
        let worker = self.worker(found.worker)?;
        let index = self.task(found.task);
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
        });
        self.tasks.insert(name.to_owned(), task);
        self.seen.push((BTreeSet::new(), 0));
        task
    }

    fn finish(self) -> Result<Answers, BadInput> {
        if self.answers.tasks.is_empty() {
            return Err(BadInput::Whole(
                "a header and no answers below it: expected one answer on each line".to_owned(),
            ));
        }
        Ok(self.answers)
    }
}

#[cfg(test)]
mod tests;
