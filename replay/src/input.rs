//! Reads answers from CSV or TSV. An error names the line, what was found and what was expected.
//!
//! | module | knows |
//! |---|---|
//! | `survey` | what only a whole file tells: names of rows, a first line that is data, quotation marks |
//! | `lines` | on which line a record starts, and what several lines in one field may be |
//! | `table` | the columns, and a line of them |
//! | `times` | numbers and dates as times that never go back |
//! | `twins` | columns that say the same |
//! | `gathering` | the answers as they are read |

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use csv::ByteRecord;

use self::gathering::Gathering;
use self::lines::Lines;
use self::survey::{Survey, is_same};
use self::table::{Table, text_fields};
use self::times::Times;
use super::answers::{Answers, Place};
use super::columns::Columns;

mod gathering;
mod lines;
mod survey;
mod table;
mod times;
mod twins;

/// Limit of a file in bytes. A thousand workers with ten thousand answers each stay below it.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Between the parts of a task's name that stand in several columns.
const TASK_JOINT: &str = " / ";

/// Delimiters of columns. If two fit equally well, the first counts.
const DELIMITERS: [u8; 3] = *b"\t,;";

/// Lines at the beginning of a file that tell its delimiter.
const DELIMITER_LINES: usize = 100;

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

/// How to read a file.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each follows from an option of the command line"
)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading<'a> {
    /// The columns, if their names are no common ones.
    pub(crate) columns: Option<&'a Columns>,
    /// The first line is data, whatever it looks like.
    pub(crate) has_no_header: bool,
    /// Leave out lines where the task, the worker or the answer is empty.
    pub(crate) skip_incomplete: bool,
    /// Keep where each answer stands, and its time.
    pub(crate) in_order: bool,
    /// A file without a time is of no use.
    pub(crate) needs_time: bool,
}

/// Reads a file, or standard input if its name is `-`.
///
/// # Errors
///
/// [`BadInput`] in its context; an I/O error where the file cannot be read.
pub(crate) fn read(file: &Path, reading: Reading<'_>) -> anyhow::Result<Answers> {
    let (name, bytes) = if file == Path::new("-") {
        ("standard input".to_owned(), read_bounded(io::stdin()))
    } else {
        let bytes = File::open(file).and_then(read_bounded);
        (file.display().to_string(), bytes)
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    parse(&bytes, reading).context(name)
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
pub(crate) fn parse(bytes: &[u8], reading: Reading<'_>) -> Result<Answers, BadInput> {
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
    let mut bytes = bytes;
    while let Some(text) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        bytes = text;
    }

    let mut lines = Lines::of(bytes);
    let Some(delimiter) = delimiter(bytes) else {
        return whole("empty: expected a header line that names the columns".to_owned());
    };
    let survey = Survey::of(bytes, delimiter)?;
    let mut reader = reader(bytes, delimiter);
    let (mut header, mut record) = (ByteRecord::new(), ByteRecord::new());
    next(&mut reader, &mut header)?;
    let line = lines.line_of(&header);
    let at = |line| move |what| BadInput::Line { line, what };
    let first = text_fields(&header).map_err(at(line))?;
    let table = Table::new(&first, reading, &survey).map_err(at(line))?;

    let mut gathering = Gathering::new(&table);
    let mut times = table.time.map(|column| Times::of(&table.headers[column]));
    let mut take = |line, record: &ByteRecord| {
        let row = table.row(record)?;
        let place = match (&mut times, row.time) {
            (Some(times), Some(text)) if row.missing.is_none() => Some(times.next(line, text)?),
            _ => None,
        };
        let place = reading.in_order.then_some(Place { line, time: place });
        for held in lines::rows_in_fields(record, line, delimiter) {
            gathering.suspect(&held, &table);
        }
        gathering.add(line, &row, place)
    };
    if table.is_headless {
        take(line, &header).map_err(at(line))?;
    }
    let (mut wrong, mut headers_again) = (None, Vec::new());
    while next(&mut reader, &mut record)? {
        let line = lines.line_of(&record);
        if !table.is_headless && is_same(&record, &header) {
            headers_again.push(line);
        } else if let Err(what) = take(line, &record) {
            wrong = Some(at(line)(what));
            break;
        }
    }
    gathering.answers.headers_again = headers_again;
    gathering.answers.restarts = times.map(Times::into_restarts).unwrap_or_default();
    gathering.finish(&table, reading.skip_incomplete, wrong)
}

/// The delimiter with which most of the first lines have as many columns as the very first one; of several, the one that gives
/// it the most columns. `None` if there is no line.
fn delimiter(bytes: &[u8]) -> Option<u8> {
    let fit = |delimiter: u8| {
        let (mut reader, mut record) = (reader(bytes, delimiter), ByteRecord::new());
        let mut next = || {
            reader
                .read_byte_record(&mut record)
                .ok()?
                .then(|| record.len())
        };
        let columns = next()?;
        // Rows may have names, which the header leaves out.
        let fits = |found: usize| columns > 1 && (columns..=columns + 1).contains(&found);
        let found = std::iter::from_fn(next).take(DELIMITER_LINES);
        Some((found.filter(|it| fits(*it)).count(), columns))
    };
    let found = DELIMITERS.into_iter().filter(|d| fit(*d).is_some());
    // `max_by_key` gives the last of several, and the first is wanted.
    found.rev().max_by_key(|d| fit(*d))
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

#[cfg(test)]
mod tests;
