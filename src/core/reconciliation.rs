//! Set reconciliation: two nodes find the records that only one of them has, at a cost that depends on the difference and not
//! on the sets.
//!
//! Range-based (A. Meyer, "Range-Based Set Reconciliation", SRDS 2023), in the encoding of the crate `negentropy`, version 1 of
//! its protocol. One side sends fingerprints of ranges of ids, and the other splits the ranges that differ, until a range is
//! short enough to list its ids. Ids are ordered by the rank of their statements first, so that records which others refer to
//! are found first.
//!
//! Both sides compute from their current records and keep no state between messages.
//!
//! Bytes of a peer are bounded before they are read, and so is the answer. A message costs one pass over the ids held and one
//! over its bytes.

use negentropy::{Id, Negentropy, NegentropyStorageBase as _, NegentropyStorageVector};

use crate::base::digest::RecordId;
use crate::base::limits::RECONCILE_BYTES_MAX;
use crate::base::rejection::Rejection;

/// The ids of the records that a node holds at some moment, 40 bytes each.
#[derive(Debug, Clone)]
pub struct Snapshot {
    items: NegentropyStorageVector,
}

/// What the initiator learns from an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Held only here, by rank, then id.
    pub have: Vec<RecordId>,
    /// Held only by the peer, if it tells the truth: at most one id per 32 bytes of the answer.
    pub need: Vec<RecordId>,
    /// The next message; `None` when no differing range is left.
    pub query: Option<Vec<u8>>,
}

impl Snapshot {
    /// A snapshot of records: the rank of the statement ([`crate::statement::record::Statement::rank`]) and the id. Duplicates
    /// are allowed.
    pub fn new(records: impl IntoIterator<Item = (u8, RecordId)>) -> Self {
        let records = records.into_iter();
        let mut items = NegentropyStorageVector::with_capacity(records.size_hint().0);
        for (rank, id) in records {
            items
                .insert(rank.into(), Id::from_byte_array(*id.as_bytes()))
                .expect("the storage is not sealed yet");
        }
        // Sealing removes duplicates, between which no bound could lie.
        items.seal().expect("the storage is sealed once");
        Self { items }
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.items.size().unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The initiator's first message, at most 1 KiB.
    pub fn open(&self) -> Vec<u8> {
        self.negentropy()
            .initiate()
            .expect("a sealed storage can be read, and this is the first message")
    }

    /// The answer to a message of the initiator, at most [`RECONCILE_BYTES_MAX`].
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`], and [`Rejection::Malformed`] for other bytes.
    pub fn answer(&self, query: &[u8]) -> Result<Vec<u8>, Rejection> {
        check_length(query)?;
        let answer = self.negentropy().reconcile(query);
        answer.map_err(|_| Rejection::Malformed("not a message of a reconciliation"))
    }

    /// What the initiator learns from an answer, and its next message (at most [`RECONCILE_BYTES_MAX`]).
    ///
    /// # Errors
    ///
    /// As [`Snapshot::answer`].
    pub fn narrow(&self, answer: &[u8]) -> Result<Narrowed, Rejection> {
        check_length(answer)?;
        let mut negentropy = self.negentropy();
        negentropy.set_initiator();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let query = negentropy
            .reconcile_with_ids(answer, &mut have, &mut need)
            .map_err(|_| Rejection::Malformed("not an answer of a reconciliation"))?;
        Ok(Narrowed {
            have: have.into_iter().map(record_id).collect(),
            need: need.into_iter().map(record_id).collect(),
            query,
        })
    }

    fn negentropy(&self) -> Negentropy<'_, NegentropyStorageVector> {
        Negentropy::borrowed(&self.items, RECONCILE_BYTES_MAX as u64)
            .expect("the limit is above the least that the protocol works with")
    }
}

fn record_id(id: Id) -> RecordId {
    RecordId::from_bytes(id.to_bytes())
}

fn check_length(bytes: &[u8]) -> Result<(), Rejection> {
    let limit = RECONCILE_BYTES_MAX;
    let what = "bytes of a reconciliation";
    if bytes.len() > limit {
        return Err(Rejection::OverLimit { what, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
