//! CSV and TSV with a header: columns for the subject (or release and artifact) and the SHA-256, and if they are there for the input
//! and the builder.
//!
//! A field ends on its line, quoted or not: so a quotation mark that never closes costs its line and not the rest of the file.

use std::io::BufRead;

use csv_core::{ReadRecordResult, ReaderBuilder};
use mycnet_consensus::limits::ITEM_BYTES_MAX;

use super::columns::Columns;
use super::fault::Fault;
use super::limits::COLUMNS_MAX;
use super::lines::{Lines, Stop};
use super::reader::File;
use super::sums::sha256_of;

/// Reads a table.
///
/// # Errors
///
/// What ends it before its last line.
pub(crate) fn read<R: BufRead>(
    lines: &mut Lines<R>,
    delimiter: u8,
    file: &mut File<'_>,
) -> Result<(), Stop> {
    let mut splitter = Splitter::new(delimiter);
    let header = loop {
        let Some((number, line)) = lines.next()? else {
            return Ok(());
        };
        match line {
            Ok(line) if line.trim().is_empty() || line.starts_with('#') => {}
            Ok(line) => {
                break Header::read(splitter.fields(line), file)
                    .map_err(|fault| (Some(number), fault))?;
            }
            Err(fault) => file.problem(Some(number), fault),
        }
    };
    while let Some((number, line)) = lines.next()? {
        let number = Some(number);
        let row = line.and_then(|line| match line.trim() {
            "" => Ok(None),
            _ => header.row(&splitter.fields(line)?),
        });
        match row {
            Ok(None) => {}
            Ok(Some(row)) => file.finding(number, &row.name, row.input, row.hash, None)?,
            Err(fault) => file.problem(number, fault),
        }
    }
    Ok(())
}

/// The first line, and whose rows are read.
struct Header {
    names: Vec<String>,
    columns: Columns,
    /// The column of the builders, and whose rows are read.
    builder: Option<(usize, String)>,
}

/// What a line says.
struct Row {
    name: String,
    input: Vec<u8>,
    hash: [u8; 32],
}

impl Header {
    fn read(names: Result<Vec<String>, Fault>, file: &File<'_>) -> Result<Self, Fault> {
        let names = names?;
        let columns = Columns::locate(&names).map_err(Fault::Columns)?;
        let builder = match (columns.builder, &file.options().builder) {
            (None, _) => None,
            (Some(column), Some(builder)) => Some((column, builder.clone())),
            // Somebody else's results would be taken for one's own.
            (Some(column), None) => return Err(Fault::WhoseResults(names[column].clone())),
        };
        Ok(Self {
            names,
            columns,
            builder,
        })
    }

    fn row(&self, fields: &[String]) -> Result<Option<Row>, Fault> {
        if fields.len() != self.names.len() {
            return Err(Fault::FieldCount {
                fields: fields.len(),
                columns: self.names.len(),
            });
        }
        if let Some((column, builder)) = &self.builder
            && fields[*column] != *builder
        {
            return Ok(None);
        }
        let named = |column: usize| (self.names[column].clone(), fields[column].clone());
        let result = self.columns.result;
        let hash = sha256_of(bare(&fields[result])).ok_or_else(|| {
            let (column, text) = named(result);
            Fault::NotAHash { column, text }
        })?;
        let input = match self.columns.input {
            None => Vec::new(),
            Some(column) => {
                let input = hex::decode(bare(&fields[column])).ok();
                let input = input.filter(|input| input.len() <= ITEM_BYTES_MAX);
                input.ok_or_else(|| {
                    let (column, text) = named(column);
                    Fault::NotAnInput { column, text }
                })?
            }
        };
        let subject = &fields[self.columns.subject];
        let name = match self.columns.release.map(|column| &*fields[column]) {
            // Without its artifact, a release is no name.
            Some(release) if !release.is_empty() && !subject.is_empty() => {
                format!("{release}/{subject}")
            }
            _ => subject.clone(),
        };
        Ok(Some(Row { name, input, hash }))
    }
}

/// Digits without the mark that says what they are.
fn bare(text: &str) -> &str {
    let marks = ["sha256:", "hex:"];
    let bare = marks.iter().find_map(|mark| text.strip_prefix(mark));
    bare.unwrap_or(text)
}

/// Splits lines into fields.
pub(crate) struct Splitter(csv_core::Reader);

impl Splitter {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self(ReaderBuilder::new().delimiter(delimiter).build())
    }

    /// The fields of a line, without the white space around each.
    ///
    /// # Errors
    ///
    /// [`Fault::OpenQuote`] or [`Fault::TooManyColumns`].
    pub(crate) fn fields(&mut self, line: &str) -> Result<Vec<String>, Fault> {
        // In a field, a quotation mark is written twice.
        if line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
            return Err(Fault::OpenQuote);
        }
        self.0.reset();
        let (mut text, mut ends) = (vec![0; line.len()], [0; COLUMNS_MAX]);
        let (mut read, _, written, mut ended) =
            self.0.read_record(line.as_bytes(), &mut text, &mut ends);
        if read == ReadRecordResult::InputEmpty {
            // The end of the input ends the line.
            let (text, ends) = (&mut text[written..], &mut ends[ended..]);
            let (last, _, _, more) = self.0.read_record(&[], text, ends);
            read = last;
            ended += more;
        }
        if read == ReadRecordResult::OutputEndsFull {
            return Err(Fault::TooManyColumns);
        }
        let mut begin = 0;
        let fields = ends[..ended].iter().map(|end| {
            let field = &text[begin..*end];
            begin = *end;
            // Fields are cut at ASCII, so they are UTF-8 as the line is.
            String::from_utf8_lossy(field).trim().to_owned()
        });
        Ok(fields.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(line: &str, delimiter: u8) -> Result<Vec<String>, Fault> {
        Splitter::new(delimiter).fields(line)
    }

    #[test]
    fn fields_are_split() {
        for (line, delimiter, expected) in [
            ("a,b", b',', &["a", "b"][..]),
            ("a", b',', &["a"]),
            (",", b',', &["", ""]),
            (" a\t b \t", b'\t', &["a", "b", ""]),
            ("\"a,\"\"b\",c", b',', &["a,\"b", "c"]),
            ("a;\"b\"", b';', &["a", "b"]),
        ] {
            assert_eq!(fields(line, delimiter).unwrap(), expected, "{line:?}");
        }
        assert_eq!(fields("a,\"b", b','), Err(Fault::OpenQuote));
        assert_eq!(fields(&",".repeat(255), b',').unwrap().len(), 256);
        let many = fields(&",".repeat(256), b',');
        assert_eq!(many, Err(Fault::TooManyColumns));
    }

    proptest! {
        #[test]
        fn fields_that_are_written_are_read_again(texts in prop::collection::vec("[^\\s\\p{Cc}]{0,9}", 2..9)) {
            let quoted = texts.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\"")));
            let line = quoted.collect::<Vec<_>>().join(";");
            prop_assert_eq!(fields(&line, b';'), Ok(texts));
        }
    }
}
