//! A Debian `.buildinfo` (deb-buildinfo(5)): which packages came out of a build.
//!
//! Read here and not by a library for deb822, because those tell no line numbers, keep a field that stands twice, and hold every line
//! of a file in some hundred bytes. Only the fields that count are kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fault::Fault;
use super::limits::BUILDINFO_BYTES_MAX;
use super::lines::{Lines, Stop};
use super::reader::File;
use super::sums::sha256_of;

/// Fields that a `.buildinfo` has. Their values say nothing that a subject needs: a package's own version may differ from its
/// source's, and stands in its file name.
const NEEDED: [&str; 3] = ["Source", "Version", "Architecture"];

const CHECKSUMS: &str = "Checksums-Sha256";

/// What is known of a file while its lines are read.
#[derive(Default)]
struct Paragraph {
    /// The names of its fields, in small letters.
    fields: BTreeSet<String>,
    /// Whether the next continuations list checksums.
    in_checksums: bool,
    /// Packages: line, file name, hash.
    packages: Vec<(u64, String, [u8; 32])>,
    /// Whether a line of checksums is wrong: then it is not said that none are there.
    is_spoilt: bool,
}

/// Reads a `.buildinfo`, whole: a file that is cut off or unclear gives no results.
///
/// # Errors
///
/// Why it gives none.
pub(crate) fn read(bytes: &[u8], file: &mut File<'_>) -> Result<(), Stop> {
    let mut lines = Lines::new(bytes, BUILDINFO_BYTES_MAX, bytes.len());
    let mut paragraph = Paragraph::default();
    let mut is_over = false;
    while let Some((number, line)) = lines.next()? {
        match line {
            Ok(line) if line.trim().is_empty() => is_over |= !paragraph.fields.is_empty(),
            Ok(line) if line.starts_with('#') => {}
            Ok(_) if is_over => {
                file.problem(Some(number), Fault::SecondParagraph);
                // To the end of the envelope.
                while lines.next()?.is_some() {}
                break;
            }
            Ok(line) => match paragraph.line(number, line) {
                Ok(()) => {}
                Err(fault @ Fault::FieldTwice(_)) => return Err((Some(number), fault)),
                Err(fault) => file.problem(Some(number), fault),
            },
            Err(fault) => file.problem(Some(number), fault),
        }
    }
    for field in NEEDED.into_iter().chain([CHECKSUMS]) {
        if !paragraph.fields.contains(&field.to_ascii_lowercase()) {
            return Err((None, Fault::FieldMissing(field)));
        }
    }
    if paragraph.packages.is_empty() && !paragraph.is_spoilt {
        return Err((None, Fault::NoPackages));
    }
    let original: Option<Arc<[u8]>> = lines.was_signed().then(|| bytes.into());
    for (number, name, hash) in paragraph.packages {
        file.finding(Some(number), &name, Vec::new(), hash, original.clone())?;
    }
    Ok(())
}

impl Paragraph {
    fn line(&mut self, number: u64, line: &str) -> Result<(), Fault> {
        let (name, value) = if line.starts_with([' ', '\t']) {
            if self.fields.is_empty() {
                return Err(Fault::NotAField);
            }
            (None, line)
        } else {
            let (name, value) = line.split_once(':').ok_or(Fault::NotAField)?;
            let name = name.trim_ascii_end();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Fault::NotAField);
            }
            (Some(name), value)
        };
        if let Some(name) = name {
            if !self.fields.insert(name.to_ascii_lowercase()) {
                return Err(Fault::FieldTwice(name.to_owned()));
            }
            self.in_checksums = name.eq_ignore_ascii_case(CHECKSUMS);
        }
        if self.in_checksums && !value.trim().is_empty() {
            self.checksum(number, value)
                .inspect_err(|_| self.is_spoilt = true)?;
        }
        Ok(())
    }

    fn checksum(&mut self, number: u64, line: &str) -> Result<(), Fault> {
        let mut words = line.split_ascii_whitespace();
        let (Some(hash), Some(size), Some(name), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Fault::NotAChecksum);
        };
        let hash = sha256_of(hash).ok_or(Fault::NotAChecksum)?;
        size.parse::<u64>().map_err(|_| Fault::NotAChecksum)?;
        if [".deb", ".udeb", ".ddeb"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            self.packages.push((number, name.to_owned(), hash));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
