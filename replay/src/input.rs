//! Reads answers from CSV or TSV. Whatever is wrong with a file is said with its line and what was expected there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use csv::ByteRecord;
use mycnet_consensus::limits::{
    MEMBERS_MAX, PANEL_WEIGHTED_MIN, PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX,
};

use super::AUTHORITIES;
use super::answers::{Answers, Task};
use super::columns::{self, Columns, Places};

/// A file of answers, in bytes: a thousand workers answering ten thousand tasks each stay below it.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Every worker becomes a member, and the authorities are members too.
const WORKERS_MAX: usize = MEMBERS_MAX - AUTHORITIES;

/// What can separate columns. Where a header has equally many columns either way, the first is taken.
const DELIMITERS: [u8; 3] = *b"\t,;";

/// The content of the input is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInput {
    /// One line is.
    #[error("line {line}: {what}")]
    Line {
        /// From 1, the header included.
        line: u64,
        /// What was found and what was expected.
        what: String,
    },
    /// The file as a whole is.
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
        (
            "standard input".to_owned(),
            read_bounded(io::stdin().lock()),
        )
    } else {
        let name = file.display().to_string();
        (name, File::open(file).and_then(read_bounded))
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    parse(&bytes, columns).context(name)
}

/// Reads at most one byte more than the limit, which [`parse`] then refuses.
fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
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

    let mut lines = Lines::new(bytes);
    let Some(delimiter) = delimiter(bytes) else {
        return whole("empty: expected a header line that names the columns".to_owned());
    };
    let mut reader = reader(bytes, delimiter);
    let mut record = ByteRecord::new();
    next(&mut reader, &mut record)?;
    let header_line = lines.of(&record);
    let headers = (text_fields(&record)).map_err(|what| BadInput::Line {
        line: header_line,
        what,
    })?;
    let headers: Vec<String> = headers.into_iter().map(str::to_owned).collect();
    let places = columns::locate(&headers, columns).map_err(|what| BadInput::Line {
        line: header_line,
        what,
    })?;

    let mut gathering = Gathering::default();
    while next(&mut reader, &mut record)? {
        let line = lines.of(&record);
        row(&record, &headers, places)
            .and_then(|row| gathering.add(line, &row))
            .map_err(|what| BadInput::Line { line, what })?;
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
    let counted = DELIMITERS.iter().filter_map(|&d| Some((columns(d)?, d)));
    // `max_by_key` gives the last of several, and the first is wanted.
    counted
        .rev()
        .max_by_key(|(columns, _)| *columns)
        .map(|(_, d)| d)
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
    // Neither I/O, nor UTF-8, nor lengths can fail when bytes are read flexibly from memory.
    reader
        .read_byte_record(record)
        .map_err(|error| BadInput::Whole(error.to_string()))
}

/// Finds the line that a record starts on. The csv crate's own count is not used: it counts a record from the end of the one
/// before, so blank lines and CRLF shift it.
struct Lines<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            line: 1,
        }
    }

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

/// One line, judged on its own.
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
        let quote = record.iter().any(|field| field.contains(&b'\n'));
        return Err(format!(
            "expected {} fields, as in the header, and found {}{}",
            headers.len(),
            record.len(),
            if quote {
                "; is a quotation mark never closed?"
            } else {
                ""
            },
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
        gold: places
            .gold
            .map(|column| fields[column])
            .filter(|gold| !gold.is_empty()),
    })
}

/// Answers as they are read.
#[derive(Default)]
struct Gathering {
    answers: Answers,
    tasks: BTreeMap<String, usize>,
    workers: BTreeMap<String, usize>,
    /// For each task who answered, and on which line its gold value stood first.
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
                     for each task (name the columns with --columns, without gold, to do without)",
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
                "{name:?} is worker number {}, and a network has at most {MEMBERS_MAX} members, {AUTHORITIES} of them \
                 authorities",
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
                "a header and no answers below it: expected one answer a line".to_owned(),
            ));
        }
        if !self.answers.tasks.iter().any(Task::has_panel) {
            return Err(BadInput::Whole(format!(
                "no task was answered by {PANEL_WEIGHTED_MIN} workers or more, so there is nothing to decide; if that \
                 surprises you, check which columns are taken with --columns",
            )));
        }
        Ok(self.answers)
    }
}

#[cfg(test)]
mod tests;
