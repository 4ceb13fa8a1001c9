//! On which line of a file a record starts, and what several lines in one field may be.

use std::ops::Range;

use csv::ByteRecord;

use super::{next, reader};

/// Finds the line on which a record starts. The csv crate counts a record from the end of the one before, so blank lines and
/// CRLF shift its count.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            line: 1,
        }
    }

    /// The line of a record, from 1. Records must be asked for in order.
    pub(super) fn line_of(&mut self, record: &ByteRecord) -> u64 {
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
pub(super) fn line_at(bytes: &[u8], at: usize) -> u64 {
    1 + (0..at)
        .map(|at| u64::from(ends_line(bytes, at)))
        .sum::<u64>()
}

/// A line of a record whose quoted field goes over several lines, read as if it were a row of its own.
pub(super) struct HeldRow {
    /// The line on which the record starts.
    pub(super) line: u64,
    pub(super) record: ByteRecord,
    /// The fields that stand in the quoted field.
    pub(super) held: Range<usize>,
}

/// Such lines of a record, where they have a delimiter in the field.
pub(super) fn rows_in_fields(record: &ByteRecord, line: u64, delimiter: u8) -> Vec<HeldRow> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut rows = Vec::new();
    for (column, field) in record.iter().enumerate() {
        if !field.iter().any(is_end) {
            continue;
        }
        let count = field.split(is_end).count();
        for (place, text) in field.split(is_end).enumerate() {
            if !text.contains(&delimiter) {
                continue;
            }
            let mut of_text = ByteRecord::new();
            // What is in memory can be read.
            let _ = next(&mut reader(text, delimiter), &mut of_text);
            let before = if place == 0 { column } else { 0 };
            let behind = if place + 1 == count {
                column + 1
            } else {
                record.len()
            };
            let fields = record.iter().take(before).chain(&of_text);
            rows.push(HeldRow {
                line,
                record: fields.chain(record.iter().skip(behind)).collect(),
                held: before..before + of_text.len(),
            });
        }
    }
    rows
}
