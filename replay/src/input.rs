//! Reads answers from CSV or TSV. An error names the line, what was found and what was expected.
//!
//! | module | knows |
//! |---|---|
//! | `survey` | what only a whole file tells: names of rows, a first line that is data, quotation marks |
//! | `lines` | on which line a record starts |
//! | `times` | numbers and dates as times that never go back |
//! | `gathering` | the answers as they are read |

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use csv::ByteRecord;
use mycnet_consensus::limits::{PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX};

use self::gathering::Gathering;
use self::lines::Lines;
use self::survey::Survey;
use self::times::Times;
use super::answers::{Answers, Place};
use super::columns::{self, Columns, Places};

mod gathering;
mod lines;
mod survey;
mod times;

/// Limit of a file in bytes. A thousand workers with ten thousand answers each stay below it.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Lines that an error about many lines names.
const LINES_NAMED: usize = 8;

/// Between the parts of a task's name that stand in several columns.
const TASK_JOINT: &str = " / ";

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

/// How to read a file.
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
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);

    let mut lines = Lines::of(bytes);
    let Some(delimiter) = delimiter(bytes) else {
        return whole("empty: expected a header line that names the columns".to_owned());
    };
    let survey = Survey::of(bytes, delimiter)?;
    let mut reader = reader(bytes, delimiter);
    let mut record = ByteRecord::new();
    next(&mut reader, &mut record)?;
    let line = lines.line_of(&record);
    let at = |line| move |what| BadInput::Line { line, what };
    let first = text_fields(&record).map_err(at(line))?;
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
        gathering.add(line, &row, place)
    };
    if table.is_headless {
        take(line, &record).map_err(at(line))?;
    }
    let mut wrong = None;
    while next(&mut reader, &mut record)? {
        let line = lines.line_of(&record);
        if let Err(what) = take(line, &record) {
            wrong = Some(at(line)(what));
            break;
        }
    }
    gathering.answers.restarts = times.map(Times::into_restarts).unwrap_or_default();
    gathering.finish(&table, reading.skip_incomplete, wrong)
}

/// The columns of a file.
struct Table {
    headers: Vec<String>,
    places: Places,
    /// The column of the time, if times are wanted.
    time: Option<usize>,
    /// Whether the first line is data.
    is_headless: bool,
    has_row_names: bool,
}

impl Table {
    fn new(first: &[&str], reading: Reading<'_>, survey: &Survey) -> Result<Self, String> {
        let first: Vec<String> = first.iter().map(|field| (*field).to_owned()).collect();
        let numbers: Vec<String> = (1..=first.len()).map(|number| number.to_string()).collect();
        let is_headless = reading.has_no_header
            || reading.columns.is_some_and(|columns| {
                // A header says what is below it, and is not below itself.
                let by_number = columns.by_number(first.len());
                by_number.is_some_and(|columns| columns.iter().any(|at| survey.recurs[*at]))
            });
        let mut headers = if is_headless { numbers } else { first };
        let mut places = columns::locate(&headers, reading.columns, reading.in_order)?;
        if survey.has_row_names {
            headers.insert(0, "row names".to_owned());
            places = places.shifted();
        }
        Ok(Self {
            headers,
            time: places.time.filter(|_| reading.in_order),
            places,
            is_headless,
            has_row_names: survey.has_row_names,
        })
    }
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

/// A line. Any of its fields may be empty.
struct Row<'a> {
    /// All fields, of which the next ones are some.
    fields: Vec<&'a str>,
    task: Cow<'a, str>,
    worker: &'a str,
    answer: &'a str,
    /// The first column that is needed and empty.
    missing: Option<(&'static str, usize)>,
    /// Not empty.
    gold: Option<&'a str>,
    /// If times are wanted.
    time: Option<&'a str>,
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

impl Table {
    fn row<'a>(&self, record: &'a ByteRecord) -> Result<Row<'a>, String> {
        let Self {
            headers, places, ..
        } = self;
        if record.len() != headers.len() {
            let first_line = if self.is_headless {
                "first line"
            } else {
                "header"
            };
            return Err(format!(
                "expected {} fields, as in the {first_line}, and found {}",
                headers.len(),
                record.len(),
            ));
        }
        let fields = text_fields(record)?;
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
                missing = missing.or(Some((role, column)));
            }
        }
        Ok(Row {
            task: self.task(&fields)?,
            worker: fields[places.worker],
            answer: fields[places.answer],
            missing,
            gold: (places.gold.map(|column| fields[column])).filter(|gold| !gold.is_empty()),
            time: self.time.map(|column| fields[column]),
            fields,
        })
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

    /// What is wrong with lines where a column is empty, and what helps.
    fn incomplete(&self, lines: &[u64], role: &str, column: usize, has_empty: &[bool]) -> String {
        let header = &self.headers[column];
        let mut what = format!("the {role} (column {header:?}) is empty");
        let more = &lines[1..];
        if !more.is_empty() {
            let named: Vec<String> = more.iter().take(LINES_NAMED).map(u64::to_string).collect();
            let _ = write!(
                what,
                "; something is empty on lines {} too",
                named.join(", ")
            );
            if more.len() > LINES_NAMED {
                let _ = write!(what, " and on {} more", more.len() - LINES_NAMED);
            }
        }
        let other = columns::others(&self.headers, role, column);
        let other = other.into_iter().find(|column| !has_empty[*column]);
        if let Some(other) = other {
            let name = &self.headers[other];
            let typed = self.places.typed(&self.headers, column, other);
            let _ = write!(
                what,
                "; column {name:?} is never empty: --columns '{typed}'"
            );
        }
        what + "; --skip-incomplete leaves out such lines"
    }
}

#[cfg(test)]
mod tests;
