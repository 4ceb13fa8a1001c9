//! Automerge documents: the durable and exchangeable form of the ledger (DESIGN section 9).
//!
//! - [`OperationDocument`]: one per operation, with every record about it. What a closed operation is stored as, exported
//!   as and read back from.
//! - [`LedgerDocument`]: one per network: roster, trust, standings, parameters, configuration and recent operations. Each
//!   seal adds one change, so the past is Automerge history ([`LedgerDocument::trust_at`]).
//!
//! Invariants:
//!
//! - *Documents are a projection.* Nothing is decided from them, and no identity depends on Automerge's hashes or bytes.
//! - *The same records make the same heads.* Changes are canonical: their actor, sequence number, time and dependencies
//!   follow from the records alone. No random actor, no clock, no order of arrival.
//! - *Untrusted bytes never reach Automerge.* Its decoders panic, hang or allocate without bound on crafted input. Peers
//!   exchange records, and each node builds its documents itself; [`OperationDocument::load`] and [`LedgerDocument::load`]
//!   are for bytes that this node saved.
//! - Integers stay below 2^53, so that every Automerge client reads them exactly.

mod change;
mod entry;
mod ledger;
mod operation;
mod reading;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;

use automerge::{Automerge, AutomergeError, ChangeHash};

pub use ledger::{LedgerChange, LedgerDocument, OPERATIONS_KEPT, OperationEntry, RosterEntry};
pub use operation::OperationDocument;

use crate::base::digest::{DOCUMENTS, Digest, NetworkId, OperationId, RecordId};

/// Why a document cannot be built, extended or read.
///
/// None of them is a peer's fault: records that reach a document were admitted before, and bytes come from the own store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Records of an operation were given without its `Propose`.
    #[error("there is no proposal among the records")]
    MissingProposal,
    /// A record of another operation or network, a second proposal, or a statement that is about no operation.
    #[error("record {0} does not belong to the operation")]
    Foreign(RecordId),
    /// A reveal whose commit is not among the records.
    #[error("reveal {0} opens none of the commits")]
    OpensNothing(RecordId),
    /// A record as read back is not the one whose id its change and its proof bear.
    #[error("what is stored as record {stored} reads as record {read}")]
    WrongId {
        /// The id that the document states.
        stored: RecordId,
        /// The id of the record that its fields make.
        read: RecordId,
    },
    /// A field is missing, of another type, or in conflict where no conflict can be.
    #[error("cannot read {place}: {reason}")]
    Unreadable {
        /// Where, as a path of keys.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The document reads well, but it is not the one that this crate makes of its content.
    #[error("the document is not the canonical one of its content")]
    NotCanonical,
    /// The document is of another network.
    #[error("the document is of another network than {0}")]
    OtherNetwork(NetworkId),
    /// A seal that does not follow the last one.
    #[error("height {found} does not follow; expected {expected}")]
    WrongHeight {
        /// The height that would follow.
        expected: u64,
        /// The height given.
        found: u64,
    },
    /// A height that the document has not reached.
    #[error("height {height} is not sealed yet; the document is at {at}")]
    FutureHeight {
        /// The height asked for.
        height: u64,
        /// The document's height.
        at: u64,
    },
    /// An integer of 2^53 or beyond, which not every Automerge client reads.
    #[error("{place} is an integer beyond 2^53")]
    TooLarge {
        /// Where, as a path of keys.
        place: String,
    },
    /// Automerge failed.
    #[error(transparent)]
    Automerge(#[from] AutomergeError),
}

impl DocumentError {
    fn unreadable(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unreadable {
            place: place.into(),
            reason: reason.into(),
        }
    }
}

/// The hashes of the changes that no other change follows, sorted.
fn heads_of(document: &Automerge) -> Vec<Digest> {
    let heads: Vec<ChangeHash> = document.get_heads();
    heads
        .into_iter()
        .map(|head| Digest::from_bytes(head.0))
        .collect()
}

/// One digest for a network's documents: its ledger document, and by operation the digests of the others.
#[must_use]
pub fn digest_of_all(
    ledger: &LedgerDocument,
    operations: &BTreeMap<OperationId, Digest>,
) -> Digest {
    let ledger = ledger.digest();
    let mut parts: Vec<&[u8]> = vec![b"replay", ledger.as_bytes()];
    for (id, digest) in operations {
        parts.extend([&id.as_bytes()[..], &digest.as_bytes()[..]]);
    }
    Digest::from_bytes(DOCUMENTS.hash_parts(&parts))
}

/// One digest for any number of heads.
fn digest_of(heads: &[Digest]) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"heads"];
    parts.extend(heads.iter().map(|head| &head.as_bytes()[..]));
    Digest::from_bytes(DOCUMENTS.hash_parts(&parts))
}
