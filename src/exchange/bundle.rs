//! The format of a bundle: a ledger's stream in a file, carried by people where there is no connection ([N5]).
//! Reading and writing files is done above the core.
//!
//! ```text
//! bundle = magic (15 bytes) version (1 byte) part*
//! part   = kind (1 byte) length (u32, big-endian) body check (8 bytes)
//! ```
//!
//! | kind | body | |
//! |---|---|---|
//! | 0 | [`Header`] | first, once |
//! | 1 | [`SealedBlock`](crate::statement::seal::SealedBlock) | from the header's first height to its last, without gaps |
//! | 2 | [`Proposal`] | a proposal of the next seal with its list |
//! | 3 | [`Record`](crate::statement::record::Record) | what no seal lists yet, votes on the next seal among it |
//! | 4 | [`End`] | last, once |
//!
//! Bodies are canonical DAG-CBOR (`schemas/records.cddl`). Each part ends with a check over everything before it, so damage and
//! missing parts are found in place, before the part is used. The check guards against accidents only: it can be forged with
//! the bundle, so everything in a bundle is verified like data from a peer.
//!
//! A writer puts votes before proposals, and both before other records: the votes decide whether a proposal's list is of use,
//! and listed records are exempt from the caps.

mod decoder;
mod encoder;

pub use decoder::{Decoder, Head};
pub use encoder::{Around, Encoder};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::base::codec::CodecError;
use crate::base::digest::{Digest, NetworkId, RecordId, SealId};
use crate::base::limits::{
    BLOCK_BYTES_MAX, BUNDLE_MARK_BYTES_MAX, FRAME_BYTES_MAX, SET_RECORD_BYTES_MAX,
};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The beginning of a bundle. The line end reveals a file that was changed on its way as if it were text.
pub const MAGIC: [u8; 15] = *b"mycnet-bundle\r\n";

/// The version of the format, the byte after [`MAGIC`].
pub const VERSION: u8 = 1;

/// Bytes of [`MAGIC`] and version.
pub const START_BYTES: usize = MAGIC.len() + 1;

/// Bytes before the body of a part.
pub const HEAD_BYTES: usize = 5;

/// Bytes after the body of a part.
pub const CHECK_BYTES: usize = 8;

/// The kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`Header`].
    Header = 0,
    /// A sealed block.
    Block = 1,
    /// [`Proposal`].
    Proposal = 2,
    /// A record.
    Record = 3,
    /// [`End`].
    End = 4,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Header,
            Self::Block,
            Self::Proposal,
            Self::Record,
            Self::End,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The largest body of this kind, in bytes.
    pub fn bytes_max(self) -> usize {
        match self {
            Self::Header | Self::End => BUNDLE_MARK_BYTES_MAX,
            Self::Block => BLOCK_BYTES_MAX,
            Self::Proposal => FRAME_BYTES_MAX,
            Self::Record => SET_RECORD_BYTES_MAX,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Block => "block",
            Self::Proposal => "proposal",
            Self::Record => "record",
            Self::End => "end mark",
        }
    }
}

/// The first part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The network.
    pub net: NetworkId,
    /// The height of its first block; one above `height` if there is none.
    pub from: u64,
    /// The height of its last block, which is its writer's last seal.
    pub height: u64,
    /// The seal of that height.
    pub seal: SealId,
}

/// A proposal of the next seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Canonical bytes of the record.
    pub record: ByteBuf,
    /// The sorted ids of the listed records; empty if the writer had only the proposal.
    pub list: Vec<RecordId>,
}

/// The last part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The number of parts before it.
    pub parts: u64,
    /// BLAKE3 of all bytes before it.
    pub digest: Digest,
}

/// Something that no seal lists yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed {
    /// Canonical bytes of a record.
    Record(Vec<u8>),
    /// A proposal of the next seal.
    Proposal(Proposal),
}

/// A part with a correct form. Its content is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The first part.
    Header(Header),
    /// A sealed block.
    Block {
        /// The height that its seal states; it follows that of the block before.
        height: u64,
        /// Its canonical bytes.
        bytes: Vec<u8>,
    },
    /// Something that no seal lists yet.
    Unsealed(Unsealed),
    /// The last part.
    End(End),
}

/// A position in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The number of the part, the header's being 0.
    pub part: u64,
    /// The byte at which the part begins.
    pub byte: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "part {} at byte {}", self.part, self.byte)
    }
}

/// The reason for which bytes are not a bundle, or not a valid part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It starts with something else.
    #[error("this is not a bundle")]
    NotABundle,
    /// It was made by a later program.
    #[error("a bundle of version {0}: this program reads version {VERSION}")]
    UnknownVersion(u8),
    /// It ends too early.
    #[error("the file is cut off")]
    CutOff,
    /// The check of the part does not match the bytes before it.
    #[error("the file is damaged")]
    Damaged,
    /// The part is none of the known kinds.
    #[error("{0} is not a known kind of part")]
    UnknownKind(u8),
    /// A part states a length beyond the limit of its kind.
    #[error("a {kind} of {length} bytes: the limit is {limit}")]
    TooLong {
        /// The kind.
        kind: &'static str,
        /// The stated length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The body is not canonical, or not of the stated kind.
    #[error("not a {kind}: {error}")]
    Malformed {
        /// The kind.
        kind: &'static str,
        /// The reason.
        error: CodecError,
    },
    /// A part at a position where its kind is not allowed.
    #[error("a {0} in the wrong place")]
    Misplaced(&'static str),
    /// The header states impossible heights.
    #[error("the header states impossible heights: from {from} to {height}")]
    ImpossibleHeights {
        /// The first height stated.
        from: u64,
        /// The last height stated.
        height: u64,
    },
    /// A block with another height than the expected one.
    #[error("a block of height {found} instead of {expected}")]
    OutOfOrder {
        /// The height that follows.
        expected: u64,
        /// The height that the block states.
        found: u64,
    },
    /// The end mark does not match the parts before it.
    #[error("the end mark belongs to another bundle")]
    WrongEnd,
}

fn check(hasher: &blake3::Hasher) -> [u8; CHECK_BYTES] {
    *hasher
        .finalize()
        .as_bytes()
        .first_chunk()
        .expect("a hash is longer than a check")
}
