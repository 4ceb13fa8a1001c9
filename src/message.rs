//! What nodes say to each other. Records travel as their canonical bytes, so that a bad one spoils nothing beside it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{self, CodecError};
use crate::digest::{RecordId, SealId};
use crate::limits::FRAME_BYTES_MAX;

/// A message between two nodes. Its frame is its canonical encoding, at most [`FRAME_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Where the sender stands. Whoever is behind asks for blocks.
    Status {
        /// The last sealed height.
        height: u64,
        /// Its seal.
        seal: SealId,
    },
    /// Records, canonical bytes each.
    Records(Vec<ByteBuf>),
    /// A `SealProposal` and the sorted list of the records it seals, which travels beside it.
    Proposal {
        /// The record.
        record: ByteBuf,
        /// The ids of its list.
        list: Vec<RecordId>,
    },
    /// The ids of all unsealed records and votes that the sender holds. The receiver sends what is not among them and asks
    /// for what it lacks.
    Inventory {
        /// The last sealed height: inventories of different heights are not compared.
        height: u64,
        /// Sorted ids.
        ids: Vec<RecordId>,
    },
    /// Asks for records.
    Want(Vec<RecordId>),
    /// Asks for the sealed blocks from this height on.
    AskBlocks {
        /// The first height wanted.
        from: u64,
    },
    /// Sealed blocks, canonical bytes each, in ascending order of heights without gaps. One block can be longer than a frame
    /// ([`crate::limits::BLOCK_BYTES_MAX`]): a host that serves blocks over a wire streams such a one.
    Blocks(Vec<ByteBuf>),
}

impl Message {
    /// The frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// [`CodecError`] for frames that are too long or not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, FRAME_BYTES_MAX)
    }
}
