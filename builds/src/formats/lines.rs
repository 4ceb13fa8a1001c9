//! Bounded lines of text, out of an `OpenPGP` envelope if there is one.
//!
//! A clear-signed text (RFC 9580, section 7) is read as if only the signed text stood there, with the line numbers of the file. The
//! `OpenPGP` signature is not checked: whose keys count is not known here.

use std::io::{BufRead, Read as _};

use super::fault::Fault;
use super::limits::LINE_SKIP_BYTES_MAX;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
/// What some editors write before UTF-8.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

const END: &str = "-----END PGP SIGNATURE-----";

/// The lines of a text.
pub(crate) struct Lines<R> {
    source: R,
    /// How many bytes are read, and how many may be.
    bytes: u64,
    bytes_max: u64,
    line_bytes_max: usize,
    number: u64,
    line: Vec<u8>,
    envelope: Envelope,
}

/// Where in an envelope the next line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Envelope {
    /// Nothing but blank lines was read.
    Start,
    /// There is none.
    None,
    Headers,
    Text,
    Signature,
    End,
}

/// A line, or what is wrong with it, and its number from 1.
pub(crate) type Numbered<'a> = (u64, Result<&'a str, Fault>);

/// Why a file is not read on, and where.
pub(crate) type Stop = (Option<u64>, Fault);

impl<R: BufRead> Lines<R> {
    /// Reads at most so many bytes, in lines of at most so many.
    pub(crate) fn new(source: R, bytes_max: u64, line_bytes_max: usize) -> Self {
        Self {
            source,
            bytes: 0,
            bytes_max,
            line_bytes_max,
            number: 0,
            line: Vec::new(),
            envelope: Envelope::Start,
        }
    }

    /// The next line, without its end; nothing after the last one.
    ///
    /// # Errors
    ///
    /// What ends the file: it is too long, cannot be read, or is no text of lines. What is wrong with one line is in the line.
    pub(crate) fn next(&mut self) -> Result<Option<Numbered<'_>>, Stop> {
        loop {
            let is_whole = match self.raw() {
                Ok(Some(is_whole)) => is_whole,
                Ok(None) => return self.end(),
                Err(fault) => return Err((Some(self.number), fault)),
            };
            if !is_whole {
                // A line of a signature or before the text means nothing, however long.
                match self.envelope {
                    Envelope::Headers | Envelope::Signature => continue,
                    Envelope::Start => self.envelope = Envelope::None,
                    _ => {}
                }
                return Ok(Some((self.number, Err(Fault::LineTooLong))));
            }
            if let Some(fault) = self.unwrap_envelope() {
                match fault {
                    Hidden::Nothing => continue,
                    Hidden::Fault(fault) => return Ok(Some((self.number, Err(fault)))),
                }
            }
            break;
        }
        let is_escaped = self.envelope == Envelope::Text && self.line.starts_with(b"- ");
        let line = &self.line[if is_escaped { 2 } else { 0 }..];
        let line = std::str::from_utf8(line).map_err(|_| Fault::NotUtf8);
        Ok(Some((self.number, line)))
    }

    /// Whether a whole envelope was read.
    pub(crate) fn was_signed(&self) -> bool {
        self.envelope == Envelope::End
    }

    fn end(&self) -> Result<Option<Numbered<'static>>, Stop> {
        match self.envelope {
            Envelope::Start | Envelope::None | Envelope::End => Ok(None),
            _ => Err((Some(self.number), Fault::EnvelopeCut)),
        }
    }

    /// Reads a line, without its end, into `line`: whether all of it fits, or nothing at the end of the file.
    fn raw(&mut self) -> Result<Option<bool>, Fault> {
        self.line.clear();
        // The longest line, its end, and one byte that shows that it is longer.
        let bytes_max = self.line_bytes_max + 3;
        let mut skipped = self.piece(bytes_max)?;
        if skipped == 0 {
            return Ok(None);
        }
        self.number += 1;
        // The last line of a file may have no end.
        let mut is_ended = self.strip_end();
        if self.line.len() <= self.line_bytes_max {
            if self.number == 1 && self.line.starts_with(MARK) {
                self.line.drain(..MARK.len());
            }
            return Ok(Some(true));
        }
        while !is_ended {
            if skipped > LINE_SKIP_BYTES_MAX {
                return Err(Fault::LineEndless);
            }
            self.line.clear();
            match self.piece(bytes_max)? {
                0 => break,
                read => skipped += read,
            }
            is_ended = self.strip_end();
        }
        self.line.clear();
        Ok(Some(false))
    }

    /// Reads on to the end of the line, at most so many bytes.
    fn piece(&mut self, bytes_max: usize) -> Result<usize, Fault> {
        let mut source = self.source.by_ref().take(bytes_max as u64);
        let read = source.read_until(b'\n', &mut self.line)?;
        self.bytes += read as u64;
        if self.bytes > self.bytes_max {
            let max = self.bytes_max;
            return Err(Fault::FileTooLong { max, read: true });
        }
        Ok(read)
    }

    /// Takes the end off the line, if it is there.
    fn strip_end(&mut self) -> bool {
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            return false;
        }
        self.line.pop_if(|byte| *byte == b'\r');
        true
    }

    /// Follows the envelope, and says if this line is not one of the text.
    fn unwrap_envelope(&mut self) -> Option<Hidden> {
        let trimmed = self.line.trim_ascii_end();
        match self.envelope {
            Envelope::None => return None,
            Envelope::Start if trimmed.is_empty() => return None,
            Envelope::Start if trimmed == BEGIN.as_bytes() => self.envelope = Envelope::Headers,
            Envelope::Start => {
                self.envelope = Envelope::None;
                return None;
            }
            Envelope::Headers if trimmed.is_empty() => self.envelope = Envelope::Text,
            Envelope::Text if trimmed == SIGNATURE.as_bytes() => {
                self.envelope = Envelope::Signature;
            }
            Envelope::Text if !self.line.starts_with(b"-") || self.line.starts_with(b"- ") => {
                return None;
            }
            Envelope::Text => return Some(Hidden::Fault(Fault::EnvelopeDash)),
            Envelope::Signature if trimmed == END.as_bytes() => self.envelope = Envelope::End,
            Envelope::End if !trimmed.is_empty() => {
                return Some(Hidden::Fault(Fault::OutsideEnvelope));
            }
            Envelope::Headers | Envelope::Signature | Envelope::End => {}
        }
        Some(Hidden::Nothing)
    }
}

/// A line that is not one of the text.
enum Hidden {
    Nothing,
    Fault(Fault),
}

#[cfg(test)]
mod tests;
