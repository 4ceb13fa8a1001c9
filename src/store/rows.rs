//! The tables. Their names contain the version of their rows.
//!
//! A later version that changes a row renames its table, and moves the rows when it opens a store of an earlier [`FORMAT`].
//! So no row is ever read with another meaning. `meta.v1`, which states the format, keeps its name for ever.

use std::borrow::Cow;

use redb::TableDefinition;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::StoreError;
use crate::base::codec;
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::decision::open::StoredOperation;
use crate::ledger::{OperationProof, StateParts};
use crate::members::roster::MemberLine;
use crate::statement::operation::Class;
use crate::statement::record::{Record, Seal, Signed};

/// The format of the ledger, under `format` in [`META`]. Format 2 has [`OWN`]: a program that knows only format 1 would not read the
/// own records there, and could sign a slot again.
pub(super) const FORMAT: u64 = 2;

/// The format of the journal, under `format` in [`OWNER`].
pub(super) const JOURNAL_FORMAT: u64 = 1;

/// An id's bytes.
pub(super) type Key = &'static [u8; 32];
type Rows<K> = TableDefinition<'static, K, &'static [u8]>;

/// `format`, `genesis`, `node`, `checkpoint`, `compromised`, `declared`, `endorsed`, `founded`, `twin`; `journal`: the journal's count
/// as far as known; `ahead`: its count after a write that was begun.
pub(super) const META: Rows<&'static str> = TableDefinition::new("meta.v1");
/// By height: [`HeaderRow`].
pub(super) const HEADERS: Rows<u64> = TableDefinition::new("headers.v1");
/// By height: the seal's certificate.
pub(super) const CERTIFICATES: Rows<u64> = TableDefinition::new("certificates.v1");
/// By height: [`ContentsRow`].
pub(super) const CONTENTS: Rows<u64> = TableDefinition::new("contents.v1");
/// By height: the id of the seal. Each start reads the whole table.
pub(super) const SEALS: TableDefinition<'static, u64, Key> = TableDefinition::new("seals.v1");
/// By the first height that they seal: the sealers, at each change.
pub(super) const SEALERS: Rows<u64> = TableDefinition::new("sealers.v1");
/// By height with records: the number of its operations without a document, and the length of its row.
pub(super) const WAITING: TableDefinition<'static, u64, (u64, u64)> =
    TableDefinition::new("waiting.v1");
/// By operation without a document: the heights that have records about it.
pub(super) const PLACES: Rows<Key> = TableDefinition::new("places.v1");
/// Unsealed records.
pub(super) const RECORDS: Rows<Key> = TableDefinition::new("records.v1");
/// Proposals and votes of others on the next seal.
pub(super) const VOTES: Rows<Key> = TableDefinition::new("votes.v1");
/// By seal: the ids that a proposal of the next seal lists.
pub(super) const LISTS: Rows<Key> = TableDefinition::new("lists.v1");
/// Own records that are not in the journal yet, in rows as in [`ENTRIES`].
pub(super) const OWN: Rows<Key> = TableDefinition::new("own.v1");
/// By operation: this node's ballot, in case the operation becomes a full BFT vote.
pub(super) const INTENTS: Rows<Key> = TableDefinition::new("intents.v1");
/// By closed operation: its end ([`RememberedOperation`](crate::ledger::RememberedOperation)). Each start reads the whole table.
pub(super) const CLOSED: Rows<Key> = TableDefinition::new("closed.v1");
/// By closed operation: [`SummaryRow`].
pub(super) const SUMMARIES: Rows<Key> = TableDefinition::new("summaries.v1");
/// By closed operation: [`OperationRow`].
pub(super) const OPERATIONS: Rows<Key> = TableDefinition::new("operations.v1");
/// By closing height and operation: closed operations whose document is to be written.
pub(super) const PENDING: TableDefinition<'static, (u64, Key), ()> =
    TableDefinition::new("pending.v1");
/// By closed operation and part: its Automerge document, behind a digest.
pub(super) const DOCUMENTS: Rows<(Key, u32)> = TableDefinition::new("documents.v1");
/// By `Rejoin` record: the height that listed it.
pub(super) const REJOINS: TableDefinition<'static, Key, u64> = TableDefinition::new("rejoins.v1");
/// By member and height: its changes of trust.
pub(super) const TRUST: Rows<(Key, u64)> = TableDefinition::new("trust.v1");
/// By member and height: [`MemberRow`], at each change.
pub(super) const MEMBERS: Rows<(Key, u64)> = TableDefinition::new("members.v1");
/// By height and place: [`EvidenceRow`].
pub(super) const EVIDENCE: Rows<(u64, u32)> = TableDefinition::new("evidence.v1");
/// By approved operation: [`EffectRow`].
pub(super) const EFFECTS: Rows<Key> = TableDefinition::new("effects.v1");
/// By height: the change of the ledger document.
pub(super) const CHANGES: Rows<u64> = TableDefinition::new("changes.v1");
/// By height: the last saved ledger document.
pub(super) const LEDGER: Rows<u64> = TableDefinition::new("ledger.v1");
/// By author: data of the network layer.
pub(super) const PEERS: Rows<Key> = TableDefinition::new("peers.v1");

/// In the journal: `format`, `network`, `node`; and of keys that follow one another `former`, those that handed the journal over, and
/// while that is done `next`.
pub(super) const OWNER: Rows<&'static str> = TableDefinition::new("owner.v1");
/// In the journal: own records with what their commits bind to.
pub(super) const ENTRIES: Rows<Key> = TableDefinition::new("entries.v1");
/// In the journal: `count`, the number of writes.
pub(super) const COUNTS: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("counts.v1");

/// A seal with the parts of its state digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderRow {
    pub(super) seal: Seal,
    pub(super) parts: StateParts,
}

/// The records of a seal. One row, written once and in order of heights, costs a tenth of one row per record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum ContentsRow {
    /// The sealed records.
    Whole(Vec<Record>),
    /// Only ids, once documents hold all records.
    Listed {
        /// By the operation whose document has the records.
        operations: Vec<(OperationId, Vec<RecordId>)>,
        /// Records that are in no document.
        apart: Vec<Record>,
    },
}

impl ContentsRow {
    /// The encoding of [`Self::Whole`].
    pub(super) fn whole(records: &[Record]) -> Vec<u8> {
        let mut bytes = b"\xa1\x65whole".to_vec();
        codec::encode_to(records, &mut bytes);
        bytes
    }
}

/// A closed operation without its records.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationRow {
    pub(super) stored: StoredOperation,
    pub(super) height: u64,
    pub(super) proof: OperationProof,
}

/// A closed operation for lists.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryRow {
    pub(super) kind: Cow<'static, str>,
    pub(super) class: Class,
    pub(super) proposer: NodeId,
    pub(super) subject: String,
}

/// A member after a seal; `None` if the member left.
pub(super) type MemberRow = Option<MemberLine>;

/// The reason if an effect was refused; `None` if it took place.
pub(super) type EffectRow = Option<Cow<'static, str>>;

/// Two records of one slot.
pub(super) type EvidenceRow = (ByteBuf, ByteBuf);

/// Decodes a row. `place` names it in errors.
pub(super) fn decode<T: Serialize + DeserializeOwned>(
    place: &str,
    bytes: &[u8],
) -> Result<T, StoreError> {
    codec::decode_compared(bytes, usize::MAX).map_err(|error| StoreError::unreadable(place, &error))
}

/// Decodes a row whose bytes another check compares.
pub(super) fn decode_own<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let row = codec::decode_unchecked(bytes, usize::MAX);
    row.map_err(|error| StoreError::unreadable(place, &error))
}

/// Decodes the row of a record, whose key is its id.
pub(super) fn decode_record(
    table: &str,
    id: &RecordId,
    bytes: &[u8],
) -> Result<Signed, StoreError> {
    let place = || format!("{table}: record {id}");
    let record = Signed::decode(bytes).map_err(|error| StoreError::damaged(place(), error))?;
    if record.id() == *id {
        Ok(record)
    } else {
        let found = record.id();
        Err(StoreError::damaged(
            place(),
            format!("the row holds record {found}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::{Digest, NetworkId};
    use crate::base::identity::Identity;
    use crate::statement::record::{Statement, sign};

    #[test]
    fn whole_contents_are_written_as_they_are_read() {
        let by = Identity::from_seed_label("ada");
        let nonce = Digest::from_bytes([5; 32]);
        let rejoin = sign(&by, NetworkId::default(), Statement::Rejoin { nonce });
        let record = rejoin.unwrap().record().clone();
        for count in [0, 1, 24, 300] {
            let records = vec![record.clone(); count];
            let bytes = ContentsRow::whole(&records);
            assert!(
                bytes == codec::encode(&ContentsRow::Whole(records)),
                "{count}"
            );
        }
    }
}
