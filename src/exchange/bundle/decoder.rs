//! Reads a bundle and checks its form.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    CHECK_BYTES, End, Fault, HEAD_BYTES, Header, Kind, MAGIC, Part, Position, START_BYTES,
    Unsealed, VERSION, check,
};
use crate::base::codec::{self, CodecError};
use crate::base::digest::{BUNDLE, Digest};
use crate::statement::seal::SealedBlock;

/// The head of a part. Its body is not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The kind of the part.
    pub kind: Kind,
    /// The bytes of its body, within the limit of its kind.
    pub length: usize,
    bytes: [u8; HEAD_BYTES],
}

/// Checks the form of a bundle, part by part, and keeps no parts.
///
/// The caller gives it the first [`START_BYTES`] ([`Self::start`]). Then it gives, for each part, the first [`HEAD_BYTES`]
/// ([`Self::head`]) and the body with the check ([`Self::part`]), until [`Part::End`] or a fault.
#[derive(Debug, Clone)]
pub struct Decoder {
    hasher: blake3::Hasher,
    position: Position,
    /// The header's last height, once the header is read.
    height: Option<u64>,
    /// The height of the next block.
    next: u64,
}

impl Decoder {
    /// A decoder, from the first bytes of a bundle.
    ///
    /// # Errors
    ///
    /// [`Fault::NotABundle`] or [`Fault::UnknownVersion`].
    pub fn start(start: &[u8; START_BYTES]) -> Result<Self, Fault> {
        let [magic @ .., version] = start;
        if *magic != MAGIC {
            return Err(Fault::NotABundle);
        }
        if *version != VERSION {
            return Err(Fault::UnknownVersion(*version));
        }
        let mut hasher = BUNDLE.hasher();
        hasher.update(start);
        Ok(Self {
            hasher,
            position: Position {
                part: 0,
                byte: START_BYTES as u64,
            },
            height: None,
            next: 0,
        })
    }

    /// The position of the next part.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Checks the head of the next part, before memory for its body is needed.
    ///
    /// # Errors
    ///
    /// [`Fault::UnknownKind`], or [`Fault::TooLong`].
    pub fn head(&self, bytes: [u8; HEAD_BYTES]) -> Result<Head, Fault> {
        let [kind, length @ ..] = bytes;
        let kind = Kind::from_byte(kind).ok_or(Fault::UnknownKind(kind))?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let limit = kind.bytes_max();
        if length > limit {
            let kind = kind.name();
            return Err(Fault::TooLong {
                kind,
                length,
                limit,
            });
        }
        Ok(Head {
            kind,
            length,
            bytes,
        })
    }

    /// Checks a part. After a fault the decoder must not be used again.
    ///
    /// # Errors
    ///
    /// [`Fault`], any but those of [`Self::start`] and [`Self::head`].
    pub fn part(
        &mut self,
        head: Head,
        body: Vec<u8>,
        stated: [u8; CHECK_BYTES],
    ) -> Result<Part, Fault> {
        let before = self.hasher.clone();
        self.hasher.update(&head.bytes);
        self.hasher.update(&body);
        if check(&self.hasher) != stated {
            return Err(Fault::Damaged);
        }
        self.hasher.update(&stated);
        let part = self.read(head.kind, body, &before)?;
        self.position.part += 1;
        self.position.byte += (HEAD_BYTES + head.length + CHECK_BYTES) as u64;
        Ok(part)
    }

    fn read(&mut self, kind: Kind, body: Vec<u8>, before: &blake3::Hasher) -> Result<Part, Fault> {
        let Some(height) = self.height else {
            return match kind {
                Kind::Header => self.read_header(&body),
                _ => Err(Fault::Misplaced(kind.name())),
            };
        };
        let has_blocks_to_come = self.next <= height;
        if has_blocks_to_come != (kind == Kind::Block) {
            return Err(Fault::Misplaced(kind.name()));
        }
        match kind {
            Kind::Header => Err(Fault::Misplaced(kind.name())),
            Kind::Block => {
                let seal = SealedBlock::seal_of(&body).map_err(|error| malformed(kind, error))?;
                let (expected, found) = (self.next, seal.height);
                if found != expected {
                    return Err(Fault::OutOfOrder { expected, found });
                }
                self.next += 1;
                let (height, bytes) = (found, body);
                Ok(Part::Block { height, bytes })
            }
            Kind::Proposal => decode(kind, &body).map(|it| Part::Unsealed(Unsealed::Proposal(it))),
            Kind::Record => Ok(Part::Unsealed(Unsealed::Record(body))),
            Kind::End => {
                let end: End = decode(kind, &body)?;
                let digest = Digest::from_bytes(*before.finalize().as_bytes());
                if (end.parts, end.digest) != (self.position.part, digest) {
                    return Err(Fault::WrongEnd);
                }
                Ok(Part::End(end))
            }
        }
    }

    fn read_header(&mut self, body: &[u8]) -> Result<Part, Fault> {
        let header: Header = decode(Kind::Header, body)?;
        let Header { from, height, .. } = header;
        if from == 0 || height.checked_add(1).is_none_or(|next| from > next) {
            return Err(Fault::ImpossibleHeights { from, height });
        }
        self.height = Some(height);
        self.next = from;
        Ok(Part::Header(header))
    }
}

fn malformed(kind: Kind, error: CodecError) -> Fault {
    let kind = kind.name();
    Fault::Malformed { kind, error }
}

fn decode<T: Serialize + DeserializeOwned>(kind: Kind, body: &[u8]) -> Result<T, Fault> {
    codec::decode(body, kind.bytes_max()).map_err(|error| malformed(kind, error))
}
