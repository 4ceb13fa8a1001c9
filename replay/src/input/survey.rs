//! A first look at a whole file, before any line is taken as an answer: whether the first line is data, whether the rows have
//! names, and whether every quotation mark closes.

use std::collections::BTreeSet;

use csv::ByteRecord;

use super::lines::line_at;
use super::{BadInput, next, reader};

/// What only the whole file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// Whether every row has one field more than the header, all different at the front: names of rows, as R writes them.
    pub(super) has_row_names: bool,
    /// Whether each column of the first line has its value again in a line below.
    pub(super) recurs: Vec<bool>,
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
        let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut survey = Self {
            has_row_names: true,
            recurs: vec![false; first.len()],
        };
        while next(&mut reader, &mut record)? {
            check(&reader)?;
            survey.has_row_names &= record.len() == first.len() + 1
                && names.insert(record.get(0).unwrap_or_default().trim_ascii().to_vec());
            for (column, recurs) in survey.recurs.iter_mut().enumerate() {
                let value = |of: &ByteRecord| of.get(column).map(|it| it.trim_ascii().to_vec());
                *recurs |= value(&record) == value(&first);
            }
        }
        survey.has_row_names &= !names.is_empty();
        Ok(survey)
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
