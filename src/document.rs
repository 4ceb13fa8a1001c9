//! Automerge documents: the durable and exchangeable form of the ledger ([D1] to [D4]).
//!
//! - [`OperationDocument`]: one per operation, with all its records. A closed operation is stored and exported as this
//!   document, and read back from it.
//! - [`LedgerDocument`]: one per network, with roster, trust, standings, parameters, configuration and recent operations.
//!   Each seal adds one change, so the past is Automerge history ([`LedgerDocument::trust_at`]).
//!
//! Invariants:
//!
//! - *Documents are a projection.* They decide nothing, and no identity depends on Automerge's hashes or bytes.
//! - *The same records make the same heads.* Changes are canonical: their actor, sequence number, time and dependencies
//!   follow from the records alone, without random actors, clocks or the order of arrival.
//! - *Untrusted bytes never reach Automerge.* Its decoders panic, hang or allocate without bound on crafted input. Peers
//!   exchange records, and each node builds its documents itself. [`OperationDocument::load`] and [`LedgerDocument::load`]
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

pub use ledger::{LedgerChange, LedgerDocument, OPERATIONS_KEPT, OperationEntry};
pub use operation::OperationDocument;

use crate::base::digest::{DOCUMENTS, Digest, NetworkId, OperationId, RecordId};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Why a document cannot be built, extended or read.
///
/// No case is a peer's fault: the records were admitted before, and the bytes come from this node's store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The records lack the operation's `Propose`.
    #[error("the proposal is missing")]
    MissingProposal,
    /// A record of another operation or network, a second proposal, or a statement without an operation.
    #[error("record {0} does not belong to the operation")]
    Foreign(RecordId),
    /// The reveal's commit is not among the records.
    #[error("the commit of reveal {0} is missing")]
    OpensNothing(RecordId),
    /// A record was changed: its fields give another id than its change and its proof.
    #[error("record {stored} was changed: its fields give the id {read}")]
    WrongId {
        /// The id in the document.
        stored: RecordId,
        /// The id of the record that its fields give.
        read: RecordId,
    },
    /// A field is missing, has another type, or is in conflict where no conflict can be.
    #[error("cannot read {place}: {reason}")]
    Unreadable {
        /// The place, as a path of keys.
        place: String,
        /// The fault.
        reason: String,
    },
    /// The document decodes, but this crate would make another one of its content.
    #[error("the document is not in canonical form")]
    NotCanonical,
    /// The document belongs to another network.
    #[error("the document belongs to another network than {0}")]
    OtherNetwork(NetworkId),
    /// The seal does not follow the last one.
    #[error("height {found} does not follow; expected {expected}")]
    WrongHeight {
        /// The next height.
        expected: u64,
        /// The given height.
        found: u64,
    },
    /// The document has not reached this height.
    #[error("height {height} is not sealed yet; the document is at {at}")]
    FutureHeight {
        /// The requested height.
        height: u64,
        /// The document's height.
        at: u64,
    },
    /// An integer of 2^53 or more, which not every Automerge client reads exactly.
    #[error("{place} is an integer beyond 2^53")]
    TooLarge {
        /// The place, as a path of keys.
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

/// A digest of heads.
fn digest_of(heads: &[Digest]) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"heads"];
    parts.extend(heads.iter().map(|head| &head.as_bytes()[..]));
    Digest::from_bytes(DOCUMENTS.hash_parts(&parts))
}
