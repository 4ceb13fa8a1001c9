//! On which line of a file a record starts.

use csv::ByteRecord;

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
