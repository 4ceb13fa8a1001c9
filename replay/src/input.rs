//! Reads answers from CSV or TSV. An error names the line, what was found and what was expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context as _;
use csv::ByteRecord;
use mycnet_consensus::limits::{MEMBERS_MAX, PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX};

use self::survey::Survey;
use super::AUTHORITIES;
use super::answers::{Answers, Task};
use super::columns::{self, Columns, Places};
use super::spelling::is_unknown;

mod survey;

/// Limit of a file in bytes. A thousand workers with ten thousand answers each stay below it.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Workers and authorities are members.
const WORKERS_MAX: usize = MEMBERS_MAX - AUTHORITIES;

/// Lines that an error about many lines names.
const LINES_NAMED: usize = 8;

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
fn parse(bytes: &[u8], reading: Reading<'_>) -> Result<Answers, BadInput> {
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
    let survey = Survey::of(bytes, delimiter)?;
    let mut reader = reader(bytes, delimiter);
    let mut record = ByteRecord::new();
    next(&mut reader, &mut record)?;
    let line = lines.of(&record);
    let at = |line| move |what| BadInput::Line { line, what };
    let first = text_fields(&record).map_err(at(line))?;
    let table = Table::new(&first, reading, &survey).map_err(at(line))?;

    let mut gathering = Gathering {
        has_empty: vec![false; table.headers.len()],
        ..Gathering::default()
    };
    gathering.answers.is_headless = table.is_headless;
    gathering.answers.has_row_names = survey.has_row_names;
    let mut take = |line, record: &ByteRecord| match table.row(record) {
        Ok(row) => gathering.add(line, &row),
        Err(error) => Err(error),
    };
    if table.is_headless {
        take(line, &record).map_err(at(line))?;
    }
    let mut wrong = None;
    while next(&mut reader, &mut record)? {
        let line = lines.of(&record);
        if let Err(what) = take(line, &record) {
            wrong = Some(at(line)(what));
            break;
        }
    }
    gathering.finish(&table, reading.skip_incomplete, wrong)
}

/// The columns of a file.
struct Table {
    headers: Vec<String>,
    places: Places,
    /// Whether the first line is data.
    is_headless: bool,
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
        let mut places = columns::locate(&headers, reading.columns)?;
        if survey.has_row_names {
            headers.insert(0, "row names".to_owned());
            places = places.shifted();
        }
        Ok(Self {
            headers,
            places,
            is_headless,
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
            self.line += u64::from(ends_line(self.bytes, self.offset));
            self.offset += 1;
        }
        self.line
    }
}

/// Whether a line ends with this byte. A carriage return alone ends one too.
fn ends_line(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    }
}

/// The line of a byte, from 1.
fn line_at(bytes: &[u8], at: usize) -> u64 {
    1 + (0..at)
        .map(|at| u64::from(ends_line(bytes, at)))
        .sum::<u64>()
}

/// A line. Any of its fields may be empty.
struct Row<'a> {
    /// All fields, of which the next four are some.
    fields: Vec<&'a str>,
    task: &'a str,
    worker: &'a str,
    answer: &'a str,
    /// The first column that is needed and empty.
    missing: Option<(&'static str, usize)>,
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
        let needed = [
            ("task", places.task, TEXT_BYTES_MAX),
            ("worker", places.worker, TEXT_BYTES_MAX),
            ("answer", places.answer, PAYLOAD_BYTES_MAX),
        ];
        for (role, column, limit) in needed {
            let length = fields[column].len();
            if length > limit {
                return Err(format!(
                    "the {role} (column {:?}) has {length} bytes, and the limit is {limit}",
                    headers[column]
                ));
            }
        }
        let missing = needed.iter().find(|(_, at, _)| fields[*at].is_empty());
        Ok(Row {
            task: fields[places.task],
            worker: fields[places.worker],
            answer: fields[places.answer],
            missing: missing.map(|(role, column, _)| (*role, *column)),
            gold: (places.gold.map(|column| fields[column])).filter(|gold| !gold.is_empty()),
            fields,
        })
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
            let typed = self.places.typed(&self.headers, role, other);
            let _ = write!(
                what,
                "; column {name:?} is never empty: --columns '{typed}'"
            );
        }
        what + "; --skip-incomplete leaves out such lines"
    }
}

/// Answers as they are read.
#[derive(Default)]
struct Gathering {
    answers: Answers,
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
    fn add(&mut self, line: u64, found: &Row<'_>) -> Result<(), String> {
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

    /// The answers, or what is wrong with the first of the wrong lines. `wrong` is what ended the reading.
    fn finish(
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

#[cfg(test)]
mod tests;
