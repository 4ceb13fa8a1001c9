//! What people and programs are shown: results on stdout, remarks on stderr.

use std::fmt::Write as _;

pub(crate) use mycnet_replay::terminal::{line, note, plain};
use serde_json::Value;

/// Whether a command prints one JSON object or text.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Format {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl Format {
    /// Prints a result: as it is, or as text for people.
    ///
    /// # Errors
    ///
    /// A failed write; a reader that has seen enough is none.
    pub(crate) fn print(
        self,
        value: &Value,
        text: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            line(&value.to_string())
        } else {
            line(text(value).trim_end_matches('\n'))
        }
    }
}

/// A value of an answer as text: strings without quotes, nothing for null.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text).into_owned(),
        other => other.to_string(),
    }
}

/// Bytes (in hexadecimal) as people want to see them: as text if they are text, quoted, with escapes for what is not seen or
/// would move the cursor.
pub(crate) fn bytes_shown(value: &Value) -> String {
    text_of(value).map_or_else(|hex| hex, |text| format!("{text:?}"))
}

/// The same, with each line of a text on a line of its own.
pub(crate) fn bytes_lines(value: &Value) -> Vec<String> {
    match text_of(value) {
        Ok(text) if text.is_empty() => vec![format!("{text:?}")],
        Ok(text) => text
            .split_inclusive('\n')
            .map(|line| format!("{line:?}"))
            .collect(),
        Err(hex) => vec![hex],
    }
}

/// Bytes that are text, or else their digits.
fn text_of(value: &Value) -> Result<String, String> {
    let digits = value.as_str().unwrap_or_default();
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match hex::decode(digits).map(String::from_utf8) {
        Ok(Ok(text)) if !text.contains(is_odd) => Ok(text),
        _ => Err(format!("hex:{digits}")),
    }
}

/// A share in parts per million as per cent.
pub(crate) fn percent(ppm: &Value) -> String {
    let ppm = ppm.as_u64().unwrap_or_default();
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

/// The rows of an answer, or none.
pub(crate) fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// How an outcome or a ballot reads.
pub(crate) fn ballot(value: &Value) -> String {
    if let Some(decided) = value.get("decided") {
        return ballot(decided);
    }
    match value.get("result") {
        Some(result) => format!("result {}", bytes_shown(result)),
        None => shown(value).replace('_', " "),
    }
}

/// A time ahead or past, from milliseconds since 1970, as people say it.
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

/// Columns under a head, as wide as their longest entry.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads.
    pub(crate) fn new(heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned());
        Self {
            rows: vec![heads.collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The table, or another text if it has no rows.
    pub(crate) fn or(self, empty: &str) -> String {
        if self.rows.len() == 1 {
            return empty.to_owned();
        }
        aligned(&self.rows)
    }
}

/// Names and values, one a line.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    rows: Vec<Vec<String>>,
}

impl Fields {
    /// Adds a line, if there is something to say.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        let value = value.into();
        if !value.is_empty() {
            self.rows.push(vec![name.to_owned(), value]);
        }
        self
    }

    /// The lines.
    pub(crate) fn text(&self) -> String {
        aligned(&self.rows)
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // A `String` takes whatever is written to it.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(plain("motd"), "motd");
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(plain("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(bytes_shown(&json!("1b5b")), "hex:1b5b");
        assert_eq!(bytes_shown(&json!("6f6b")), "\"ok\"");
        let hex = |text: &str| json!(hex::encode(text));
        assert_eq!(
            bytes_shown(&hex("a\u{202e}\"b\r\n\tc\n")),
            r#""a\u{202e}\"b\r\n\tc\n""#
        );
        assert_eq!(bytes_lines(&hex("a\nb\n")), [r#""a\n""#, r#""b\n""#]);
        assert_eq!(bytes_lines(&hex("")), [r#""""#]);
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_entry() {
        let mut table = Table::new(&["NODE", "ROLE"]);
        table.row(["ab".to_owned(), "primary".to_owned()]);
        table.row(["abcdef".to_owned(), "seed".to_owned()]);
        assert_eq!(
            table.or("none"),
            "NODE    ROLE\nab      primary\nabcdef  seed\n"
        );
        assert_eq!(Table::new(&["NODE"]).or("none"), "none");
    }

    #[test]
    fn outcomes_and_times_read_well() {
        assert_eq!(ballot(&json!({"decided": "approve"})), "approve");
        assert_eq!(
            ballot(&json!({"decided": {"result": "3432"}})),
            "result \"42\""
        );
        assert_eq!(ballot(&json!("no_quorum")), "no quorum");
        assert_eq!(percent(&json!(505_000)), "50.50 %");
        assert_eq!(from_now(90_000, 30_000), "in 60 s");
        assert_eq!(from_now(1, 30_000), "due");
        assert_eq!(from_now(86_400_000 * 3, 0), "in 3 d");
    }
}
