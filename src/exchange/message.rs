//! The messages between nodes. Records travel as their canonical bytes, so that one bad record spoils no other record.
//!
//! Records and blocks are sent on request. The answer to one message is bounded ([`WINDOW_BYTES_MAX`]), and the answering node
//! keeps no state about it: the rest is offered, or asked for again by the next message. If a message is lost, the next
//! comparison begins again, and nothing else is lost.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::base::codec::{self, CodecError};
use crate::base::digest::{RecordId, SealId};
#[cfg(doc)]
use crate::base::limits::RECONCILE_BYTES_MAX;
use crate::base::limits::{FRAME_BYTES_MAX, WANT_IDS_MAX, WINDOW_BYTES_MAX};

/// A message between two nodes. Its frame is its canonical encoding, at most [`FRAME_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// The sender's last seal. A receiver that is behind asks for blocks.
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
        /// The ids of its list; empty if the sender has the record only.
        list: Vec<RecordId>,
    },
    /// A step of comparing the unsealed records and votes that two nodes hold (`core::reconciliation`). It also states
    /// the sender's last seal. A receiver with another one treats it as a [`Message::Status`], because only records on top of
    /// the same seal can be compared.
    Reconcile {
        /// The last sealed height.
        height: u64,
        /// Its seal.
        seal: SealId,
        /// The sender's number for this comparison.
        session: u32,
        /// The number of the step, from 0.
        round: u32,
        /// Fingerprints and ids of ranges, at most [`RECONCILE_BYTES_MAX`].
        ranges: ByteBuf,
    },
    /// The answer to a [`Message::Reconcile`].
    Reconciled {
        /// The number of the comparison.
        session: u32,
        /// The step answered.
        round: u32,
        /// Fingerprints and ids of ranges, at most [`RECONCILE_BYTES_MAX`].
        ranges: ByteBuf,
    },
    /// Asks for records, at most [`WANT_IDS_MAX`]. The answer has as many as a window takes, and an [`Message::Offer`] of the
    /// rest.
    Want(Vec<RecordId>),
    /// Records that the sender holds and the receiver may want, at most [`WANT_IDS_MAX`].
    Offer(Vec<RecordId>),
    /// Records that were sent to the sender of this message although it had them: it has another source of their authors' records. At
    /// most [`WANT_IDS_MAX`].
    Repeated(Vec<RecordId>),
    /// Asks for the sealed blocks from this height on. The answer is one [`Message::Blocks`].
    AskBlocks {
        /// The first height wanted.
        from: u64,
    },
    /// Sealed blocks, canonical bytes each, in ascending order of heights without gaps. One block can be longer than a frame
    /// ([`crate::base::limits::BLOCK_BYTES_MAX`]); a host that serves blocks over a wire streams such a block.
    Blocks(Vec<ByteBuf>),
}

impl Message {
    /// The first of these encoded blocks: as many as fit into `bytes`, but at least one; `None` without any. Takes only as many
    /// from the iterator as it examines.
    pub fn blocks(encoded: impl IntoIterator<Item = Vec<u8>>, bytes: usize) -> Option<Self> {
        let (mut blocks, mut room) = (Vec::new(), bytes);
        for block in encoded {
            // A block's length is encoded beside its bytes.
            let length = block.len() + 8;
            if length > room && !blocks.is_empty() {
                break;
            }
            room = room.saturating_sub(length);
            blocks.push(ByteBuf::from(block));
        }
        (!blocks.is_empty()).then_some(Self::Blocks(blocks))
    }

    /// Takes up a message to the same peer that directly follows, so that both travel as one. Gives it back if they are of other
    /// kinds, or together longer than one message may be.
    ///
    /// # Errors
    ///
    /// The other message, unchanged.
    pub fn join(&mut self, next: Self) -> Result<(), Self> {
        let is_window = self.weight() + next.weight() <= WINDOW_BYTES_MAX;
        match (self, next) {
            (Self::Records(records), Self::Records(more)) if is_window => records.extend(more),
            (Self::Want(ids), Self::Want(more))
            | (Self::Offer(ids), Self::Offer(more))
            | (Self::Repeated(ids), Self::Repeated(more))
                if ids.len() + more.len() <= WANT_IDS_MAX =>
            {
                ids.extend(more);
            }
            (_, next) => return Err(next),
        }
        Ok(())
    }

    /// Its approximate length in bytes, without encoding it.
    pub fn weight(&self) -> usize {
        // The lengths of parts, and the rest of the message.
        const BESIDE: usize = 64;
        let parts = |parts: &[ByteBuf]| parts.iter().map(|part| part.len() + 8).sum();
        BESIDE
            + match self {
                Self::Status { .. } | Self::AskBlocks { .. } => 0,
                Self::Records(records) => parts(records),
                Self::Proposal { record, list } => record.len() + 34 * list.len(),
                Self::Reconcile { ranges, .. } | Self::Reconciled { ranges, .. } => ranges.len(),
                Self::Want(ids) | Self::Offer(ids) | Self::Repeated(ids) => 34 * ids.len(),
                Self::Blocks(blocks) => parts(blocks),
            }
    }

    /// The frame.
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
