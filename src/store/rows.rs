//! The tables. Their names contain the version of their rows.
//!
//! A later version that changes a row renames its table, so no row is ever read with another meaning. `meta.v1`, which states the format, keeps its name for ever.

use std::borrow::Cow;

use redb::TableDefinition;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::StoreError;
use crate::base::codec;
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::document::LedgerChange;
use crate::ledger::RememberedOperation;
use crate::members::trust::TrustEntry;
use crate::statement::operation::Class;
use crate::statement::record::Signed;

/// The format of the ledger, under `format` in [`META`]. In those before 4 the seals state other digests.
pub(super) const FORMAT: u64 = 4;

/// The format of the journal, under `format` in [`OWNER`].
pub(super) const JOURNAL_FORMAT: u64 = 1;

/// An id's bytes.
pub(super) type Key = &'static [u8; 32];
type Rows<K> = TableDefinition<'static, K, &'static [u8]>;

/// `format`, `genesis`, `node`, `checkpoint`, `compromised`, `declared`, `endorsed`, `founded`, `twin`; `journal`: the journal's count
/// as far as known; `ahead`: its count after a write that was begun.
pub(super) const META: Rows<&'static str> = TableDefinition::new("meta.v1");
/// By height: a height that is in no group yet (`height`).
pub(super) const HEIGHTS: Rows<u64> = TableDefinition::new("heights.v2");
/// By first height and part: a group of heights (`groups`).
pub(super) const GROUPS: Rows<(u64, u32)> = TableDefinition::new("groups.v2");
/// By the first height of a group: the operations that it closed ([`EndRow`]). Each start reads the whole table.
pub(super) const ENDS: Rows<u64> = TableDefinition::new("ends.v1");
/// By first height: the ids of a group's seals, or of one that is in no group yet, one after the other. Each start reads the
/// whole table.
pub(super) const SEALS: Rows<u64> = TableDefinition::new("seals.v2");
/// By member and the first height of a group that has a change of it.
pub(super) const MEMBERS: TableDefinition<'static, (Key, u64), ()> =
    TableDefinition::new("members.v2");
/// By the first height that they seal: the first sealers, and those after the last change in each group.
pub(super) const SEALERS: Rows<u64> = TableDefinition::new("sealers.v2");
/// By the height after which others seal: who, in the order of their keys.
pub(super) const SEALER_CHANGES: Rows<u64> = TableDefinition::new("sealer-changes.v1");
/// By the last height: the digest of the state after it apart from the logs ([`StateParts::rest`](crate::ledger::StateParts::rest)).
pub(super) const REST: Rows<u64> = TableDefinition::new("rest.v1");
/// By number: [`LEAVES_IN_ROW`] hashes of the log of decided operations, fewer in the last row.
pub(super) const LEAVES: Rows<u64> = TableDefinition::new("leaves.v1");
/// By operation: [`PlacesRow`].
pub(super) const PLACES: Rows<Key> = TableDefinition::new("places.v2");
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
/// By `Rejoin` record: the height that listed it.
pub(super) const REJOINS: TableDefinition<'static, Key, u64> = TableDefinition::new("rejoins.v1");
/// By height and place: [`EvidenceRow`].
pub(super) const EVIDENCE: Rows<(u64, u32)> = TableDefinition::new("evidence.v1");
/// By approved operation: [`EffectRow`].
pub(super) const EFFECTS: Rows<Key> = TableDefinition::new("effects.v1");
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

/// Where an operation is: the heights with records about it, and the one that closed it.
pub(super) type PlacesRow = (Vec<u64>, Option<u64>);

/// Hashes in a row of [`LEAVES`]: as many as fill a page of redb with what it keeps beside them.
pub(super) const LEAVES_IN_ROW: usize = 120;

/// What a seal changed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealChanges {
    /// The change of the ledger document.
    pub ledger: LedgerChange,
    /// Changes of scores and standing, in order.
    pub trust: Vec<(NodeId, TrustEntry)>,
}

/// A closed operation as rules and lists need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndRow {
    pub(super) id: OperationId,
    pub(super) ended: RememberedOperation,
    pub(super) kind: Cow<'static, str>,
    pub(super) class: Class,
    pub(super) proposer: NodeId,
    pub(super) subject: String,
}

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
