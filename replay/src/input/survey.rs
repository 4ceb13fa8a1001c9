//! A first look at a whole file, before any line is taken as an answer: whether the first line is data, whether the rows have
//! names, which columns have gaps, and whether every quotation mark closes.

use std::collections::BTreeSet;

use csv::ByteRecord;

use super::lines::line_at;
use super::{BadInput, next, reader};
use crate::spelling::is_blank;

/// What only the whole file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// Whether most rows have one field more than the header, all different at the front: names of rows, as R writes them.
    pub(super) has_row_names: bool,
    /// Whether each column of the first line has its value again in a line below, which is not the same line again.
    pub(super) recurs: Vec<bool>,
    /// Whether each column of the first line is empty on a line below. Lines that are empty altogether do not count.
    pub(super) has_empty: Vec<bool>,
}

impl Survey {
    /// # Errors
    ///
    /// A quotation mark that does not close: the lines below it would be lost in one field.
    pub(super) fn of(bytes: &[u8], delimiter: u8) -> Result<Self, BadInput> {
        let mut reader = reader(bytes, delimiter);
        let (mut first, mut record) = (ByteRecord::new(), ByteRecord::new());
        let mut start = 0;
        let mut check = |reader: &csv::Reader<&[u8]>| {
            let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
            let raw = &bytes[start.min(bytes.len())..end.min(bytes.len())];
            let stray = stray_quote(raw, delimiter).map(|at| start + at);
            start = end;
            let Some(at) = stray else {
                return Ok(());
            };
            let what = "a quotation mark opens here and does not close before a tab, comma, semicolon or line end: close it, \
                        or write it twice inside of quotation marks";
            Err(BadInput::Line {
                line: line_at(bytes, at),
                what: what.to_owned(),
            })
        };
        next(&mut reader, &mut first)?;
        check(&reader)?;
        let mut names = RowNames::default();
        let (mut recurs, mut has_empty) = (vec![false; first.len()], vec![false; first.len()]);
        while next(&mut reader, &mut record)? {
            check(&reader)?;
            if is_all_blank(&record) || is_same(&record, &first) {
                continue;
            }
            names.look_at(&record, first.len());
            for (recurs, (field, of_first)) in recurs.iter_mut().zip(record.iter().zip(&first)) {
                *recurs |= field.trim_ascii() == of_first.trim_ascii();
            }
            // Behind a name of the row, if there is one.
            let behind = usize::from(record.len() == first.len() + 1);
            for (has_empty, field) in has_empty.iter_mut().zip(record.iter().skip(behind)) {
                *has_empty |= is_blank_field(field);
            }
        }
        Ok(Self {
            has_row_names: names.are_there(),
            recurs,
            has_empty,
        })
    }
}

/// Whether a line has nothing but separators, space and characters that cannot be seen.
pub(super) fn is_all_blank(record: &ByteRecord) -> bool {
    record.iter().all(is_blank_field)
}

fn is_blank_field(field: &[u8]) -> bool {
    str::from_utf8(field).is_ok_and(is_blank)
}

/// Whether a line is another one again. Where files were put together, it may begin with a byte order mark.
pub(super) fn is_same(record: &ByteRecord, first: &ByteRecord) -> bool {
    record.len() == first.len() && record.iter().map(bare).eq(first.iter().map(bare))
}

fn bare(field: &[u8]) -> &[u8] {
    let field = field.strip_prefix(b"\xef\xbb\xbf").unwrap_or(field);
    field.trim_ascii()
}

/// The first fields of rows that are longer than the header.
#[derive(Default)]
struct RowNames {
    seen: BTreeSet<Vec<u8>>,
    longer: usize,
    others: usize,
    /// Rows whose last field is not empty.
    to_the_end: usize,
    /// Rows whose name is one more than that of the row before, or the first one.
    counting: usize,
    last: Option<u64>,
}

impl RowNames {
    fn look_at(&mut self, record: &ByteRecord, header: usize) {
        if record.len() != header + 1 {
            self.others += 1;
            return;
        }
        let name = record.get(0).unwrap_or_default().trim_ascii();
        let number = str::from_utf8(name).ok().and_then(|it| it.parse().ok());
        let follows = self.last.and_then(|last| last.checked_add(1));
        let counts = number.is_some() && (self.longer == 0 || number == follows);
        self.longer += 1;
        self.counting += usize::from(counts);
        self.to_the_end += usize::from(!record.get(header).is_none_or(is_blank_field));
        self.last = number;
        self.seen.insert(name.to_vec());
    }

    /// A separator too many at the end of every row is none at the front.
    fn are_there(&self) -> bool {
        let all_differ = self.seen.len() == self.longer;
        let all_count = self.counting == self.longer;
        self.longer > self.others && all_differ && (self.to_the_end > 0 || all_count)
    }
}

/// Where a quotation mark opens that never closes, or that closes on another line with more text behind it, which means that it
/// took over the start of another field.
fn stray_quote(raw: &[u8], delimiter: u8) -> Option<usize> {
    let is_line_end = |byte: u8| matches!(byte, b'\r' | b'\n');
    let (mut opened, mut is_start, mut at) = (None, true, 0);
    while let Some(&byte) = raw.get(at) {
        let following = raw.get(at + 1).copied();
        match opened {
            // Twice is one mark inside of the field.
            Some(_) if byte == b'"' && following == Some(b'"') => at += 1,
            Some(from) if byte == b'"' => {
                let ends = following.is_none_or(|it| it == delimiter || is_line_end(it));
                if !ends && raw[from..at].iter().any(|it| is_line_end(*it)) {
                    return Some(from);
                }
                (opened, is_start) = (None, false);
            }
            Some(_) => {}
            // Elsewhere in a field a mark is a character like others.
            None if byte == b'"' && is_start => opened = Some(at),
            None => is_start = byte == delimiter || is_line_end(byte),
        }
        at += 1;
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_mark_closes_where_its_field_ends() {
        for (raw, stray) in [
            (&b"a,b,c\n"[..], None),
            (b"a,\"b\",c\n", None),
            (b"a,\"b,\"\"c\"\" d\ne\",f\n", None),
            (b"a,b \"quoted\" c,d", None),
            (b"a,\"b\" c,d", None),
            (b"a,\"b", Some(2)),
            (b"\"a,b\nc,\"d\",e", Some(0)),
            (b"a,\"b\"\"", Some(2)),
        ] {
            assert_eq!(stray_quote(raw, b','), stray, "{:?}", raw.escape_ascii());
        }
    }
}
