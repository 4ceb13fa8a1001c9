//! Reads a bundle, one part in memory at a time.

use std::io::{self, BufReader, ErrorKind, Read};

use super::BundleError;
use crate::exchange::bundle::{
    CHECK_BYTES, Decoder, Fault, HEAD_BYTES, Header, MAGIC, Part, Position, START_BYTES,
};

/// Memory allocated for a body in advance. Beyond it, memory grows with the bytes that arrive.
const ROOM_BYTES: usize = 16 * 1024;

/// Reads the parts of a bundle. It checks their form, but not their contents.
///
/// It reads ahead, so other data cannot follow a bundle in a stream.
#[derive(Debug)]
pub struct BundleReader<R> {
    read: BufReader<R>,
    decoder: Decoder,
    header: Header,
    is_over: bool,
}

impl<R: Read> BundleReader<R> {
    /// Reads up to the end of the header.
    ///
    /// # Errors
    ///
    /// [`BundleError::Unreadable`] or [`BundleError::Io`].
    pub fn new(read: R) -> Result<Self, BundleError> {
        let mut read = BufReader::new(read);
        let mut decoder = start(&mut read)?;
        match next_part(&mut read, &mut decoder)? {
            Part::Header(header) => Ok(Self {
                read,
                decoder,
                header,
                is_over: false,
            }),
            _ => unreachable!("the first part is a header or misplaced"),
        }
    }

    /// The header of the bundle.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next part after the header; `None` after the end mark. After an error, do not call it again.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn next_part(&mut self) -> Result<Option<Part>, BundleError> {
        if self.is_over {
            return Ok(None);
        }
        let part = next_part(&mut self.read, &mut self.decoder);
        self.is_over = matches!(part, Ok(Part::End(_)) | Err(_));
        part.map(Some)
    }
}

fn start(read: &mut impl Read) -> Result<Decoder, BundleError> {
    let place = Position { part: 0, byte: 0 };
    let unreadable = |fault| BundleError::Unreadable { place, fault };
    let mut found = Vec::with_capacity(START_BYTES);
    read.take(START_BYTES as u64).read_to_end(&mut found)?;
    let Some(start) = found.first_chunk() else {
        let is_beginning = MAGIC.starts_with(&found[..found.len().min(MAGIC.len())]);
        return Err(unreadable(if is_beginning {
            Fault::CutOff
        } else {
            Fault::NotABundle
        }));
    };
    Decoder::start(start).map_err(unreadable)
}

fn next_part(read: &mut impl Read, decoder: &mut Decoder) -> Result<Part, BundleError> {
    let place = decoder.position();
    let unreadable = |fault| BundleError::Unreadable { place, fault };
    let cut_off = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => unreadable(Fault::CutOff),
        _ => BundleError::Io(error),
    };
    let mut head = [0; HEAD_BYTES];
    read.read_exact(&mut head).map_err(cut_off)?;
    let head = decoder.head(head).map_err(unreadable)?;
    let mut body = Vec::with_capacity(head.length.min(ROOM_BYTES));
    read.take(head.length as u64).read_to_end(&mut body)?;
    if body.len() < head.length {
        return Err(unreadable(Fault::CutOff));
    }
    let mut check = [0; CHECK_BYTES];
    read.read_exact(&mut check).map_err(cut_off)?;
    decoder.part(head, body, check).map_err(unreadable)
}
