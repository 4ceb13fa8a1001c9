//! What people and programs are shown: results on stdout, remarks on stderr.

use std::fmt::Display;
use std::io::Write as _;

use mycnet_consensus::{Ballot, Outcome};
pub(crate) use mycnet_replay::terminal::{
    error, line, note, plain, plain_json, plain_lines, plain_message, progress,
};
use mycnet_replay::terminal::{padded, width};
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;

/// Whether a command prints one JSON object or text.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Format {
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Format {
    /// Prints an answer: itself as JSON, which `schemas/command.json` describes, or the text for people.
    pub(crate) fn print<T: Serialize + JsonSchema>(
        self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            // A `Value` has its keys in alphabetical order, whatever the order of the fields.
            line(&plain_json(&serde_json::to_value(answer)?.to_string()))
        } else {
            line(&plain_lines(text(answer).trim_end_matches('\n')))
        }
    }
}

/// Says on stderr why a command failed: as text, or as a line of JSON.
pub(crate) fn failed(failure: &Failure, is_json: bool) {
    if !is_json {
        return error(&failure.message);
    }
    let text = serde_json::to_string(failure).unwrap_or_default();
    // Who has closed its end does not want to know.
    let _ = writeln!(std::io::stderr(), "{}", plain_json(&text));
}

/// The first digits of an id, enough for a person to tell it from others.
pub(crate) fn short(id: &impl ToString) -> String {
    let mut id = id.to_string();
    id.truncate(8);
    id
}

/// Bytes for people: quoted if they are text, with escapes for invisible characters, else their digits.
pub(crate) fn bytes_shown(bytes: &[u8]) -> String {
    text_of(bytes).map_or_else(|hex| hex, quoted)
}

/// The same, with one line for each line of a text.
pub(crate) fn bytes_lines(bytes: &[u8]) -> Vec<String> {
    match text_of(bytes) {
        Ok("") => vec![r#""""#.to_owned()],
        Ok(text) => text.split_inclusive('\n').map(quoted).collect(),
        Err(hex) => vec![hex],
    }
}

fn quoted(text: &str) -> String {
    // The escapes of Rust leave out what takes no room but is no control.
    plain(&format!("{text:?}")).into_owned()
}

/// Bytes that are text, or else their digits.
fn text_of(bytes: &[u8]) -> Result<&str, String> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(is_odd) => Ok(text),
        _ => Err(format!("hex:{}", hex::encode(bytes))),
    }
}

/// A count and what is counted: `1 problem`, `2 problems`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A share in parts per million as per cent.
pub(crate) fn percent(ppm: u32) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

/// A ballot as text for people.
pub(crate) fn ballot_shown(ballot: &Ballot) -> String {
    match ballot {
        Ballot::Result(bytes) => format!("result {}", bytes_shown(bytes)),
        ballot => ballot.to_string(),
    }
}

/// An outcome as text for people.
pub(crate) fn outcome_shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Decided(ballot) => ballot_shown(ballot),
        Outcome::NoQuorum => outcome.to_string(),
    }
}

/// The time from now until a due time, both in milliseconds since 1970.
pub(crate) fn from_now(due_ms: u64, now_ms: u64) -> String {
    let ahead = due_ms.saturating_sub(now_ms) / 1000;
    match ahead {
        0 => "due".to_owned(),
        1..120 => format!("in {ahead} s"),
        120..7200 => format!("in {} min", ahead / 60),
        7200..172_800 => format!("in {} h", ahead / 3600),
        _ => format!("in {} d", ahead / 86_400),
    }
}

/// Rows of text in columns that are as wide as their longest cell. Cells may be from others and are made [`plain`].
#[derive(Debug, Default)]
struct Columns(Vec<Vec<String>>);

impl Columns {
    fn row(&mut self, cells: &[&dyn Display]) {
        let cells = cells
            .iter()
            .map(|cell| plain(&cell.to_string()).into_owned());
        self.0.push(cells.collect());
    }

    fn text(&self) -> String {
        let mut widths = Vec::new();
        for row in &self.0 {
            widths.resize(widths.len().max(row.len()), 0);
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        let mut text = String::new();
        for row in &self.0 {
            let mut line = String::new();
            for (cell, widest) in row.iter().zip(&widths) {
                line.push_str(&padded(cell, widest + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Rows under a head.
#[derive(Debug)]
pub(crate) struct Table(Columns);

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned());
        Self(Columns(vec![heads.collect()]))
    }

    pub(crate) fn row(&mut self, cells: &[&dyn Display]) {
        self.0.row(cells);
    }

    /// The table, or another text if it has no rows.
    pub(crate) fn or(self, empty: &str) -> String {
        match self.0.0.len() {
            1 => empty.to_owned(),
            _ => self.0.text(),
        }
    }
}

/// Names and values, one pair a line.
#[derive(Debug, Default)]
pub(crate) struct Fields(Columns);

impl Fields {
    /// Adds a line, unless the value is empty.
    pub(crate) fn add(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.row(&[&name, &value]);
        }
        self
    }

    /// Adds a line if there is a value.
    pub(crate) fn add_some(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.add(name, value),
            None => self,
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(plain("motd"), "motd");
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(plain("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(bytes_shown(b"\x1b["), "hex:1b5b");
        assert_eq!(bytes_shown(b"ok"), "\"ok\"");
        assert_eq!(bytes_shown("a\u{3164}".as_bytes()), r#""a\u{3164}""#);
        assert_eq!(
            bytes_shown("a\u{202e}\"b\r\n\tc\n".as_bytes()),
            r#""a\u{202e}\"b\r\n\tc\n""#
        );
        assert_eq!(bytes_lines(b"a\nb\n"), [r#""a\n""#, r#""b\n""#]);
        assert_eq!(bytes_lines(b""), [r#""""#]);
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_entry() {
        let mut table = Table::new(&["NODE", "ROLE"]);
        table.row(&[&"ab", &"primary"]);
        table.row(&[&"abcdef", &"seed"]);
        assert_eq!(
            table.or("none"),
            "NODE    ROLE\nab      primary\nabcdef  seed\n"
        );
        assert_eq!(Table::new(&["NODE"]).or("none"), "none");
        let mut wide = Table::new(&["NAME", "ROLE"]);
        wide.row(&[&"東京都", &"primary"]);
        wide.row(&[&"e\u{301}ve", &"seed"]);
        assert_eq!(
            wide.or("none"),
            "NAME    ROLE\n東京都  primary\ne\u{301}ve     seed\n"
        );
    }

    #[test]
    fn outcomes_and_times_read_well() {
        assert_eq!(outcome_shown(&Outcome::Decided(Ballot::Approve)), "approve");
        let result = Outcome::Decided(Ballot::Result(b"42".to_vec()));
        assert_eq!(outcome_shown(&result), "result \"42\"");
        assert_eq!(outcome_shown(&Outcome::NoQuorum), "no quorum");
        assert_eq!(percent(505_000), "50.50 %");
        assert_eq!(from_now(90_000, 30_000), "in 60 s");
        assert_eq!(from_now(1, 30_000), "due");
        assert_eq!(from_now(86_400_000 * 3, 0), "in 3 d");
    }
}
