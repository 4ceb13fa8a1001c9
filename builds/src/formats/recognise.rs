//! Which format some bytes are, by their content: names of files say nothing that can be relied on.

use super::columns;
use super::fault::Fault;
use super::limits::{HEAD_BYTES, LINE_BYTES_MAX};
use super::lines::{Lines, MARK};
use super::sums;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An in-toto link: JSON.
    Link,
    /// A Debian `.buildinfo`, with or without `OpenPGP` envelope.
    Buildinfo,
    /// Lines of `sha256sum`, of BSD, or of subject, tab and hash.
    Sums,
    /// A table whose first line names its columns, with this byte between them.
    Table(u8),
}

/// What compressed and other binary files begin with.
const COMPRESSED: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
];

/// The fields of a `.buildinfo` that may be its first.
const FIELDS: [&str; 13] = [
    "format",
    "source",
    "binary",
    "architecture",
    "version",
    "build-origin",
    "build-architecture",
    "build-date",
    "checksums-md5",
    "checksums-sha1",
    "checksums-sha256",
    "installed-build-depends",
    "environment",
];

/// The format of a file by its beginning. The first line that is not blank and no comment says it, except that any line of a list
/// makes a list: so a list with a bad line at its front is still read.
///
/// # Errors
///
/// [`Fault::Empty`], [`Fault::Compressed`] or [`Fault::UnknownFormat`].
pub(crate) fn recognise(head: &[u8]) -> Result<Format, Fault> {
    if let Some((_, name)) = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Fault::Compressed(name));
    }
    let content = head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start();
    match content.first() {
        None if head.len() < HEAD_BYTES => return Err(Fault::Empty),
        Some(b'{') => return Ok(Format::Link),
        _ => {}
    }
    let mut lines = Lines::new(head, head.len() as u64, LINE_BYTES_MAX);
    let mut is_first = true;
    // What ends the lines early here is told when they are read.
    while let Ok(Some((_, line))) = lines.next() {
        let Ok(line) = line else {
            is_first = false;
            continue;
        };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if matches!(sums::read_line(line), Ok(_) | Err(Fault::OtherAlgorithm(_))) {
            return Ok(Format::Sums);
        }
        if is_first {
            if let Some(delimiter) = columns::delimiter(line) {
                return Ok(Format::Table(delimiter));
            }
            let field = line.split(':').next().unwrap_or_default();
            let is_field = FIELDS.iter().any(|name| name.eq_ignore_ascii_case(field));
            if is_field && field.len() < line.len() {
                return Ok(Format::Buildinfo);
            }
        }
        is_first = false;
    }
    Err(Fault::UnknownFormat)
}
