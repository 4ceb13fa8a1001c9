//! Taking a node up from its disk.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _};

use super::read::header_of;
use super::rows::{
    CERTIFICATES, CLOSED, ENTRIES, FORMAT, HEADERS, HeaderRow, INTENTS, LISTS, META, RECORDS,
    REJOINS, SEALERS, SEALS, VOTES, decode, decode_record,
};
use super::{Store, StoreError, lock};
use crate::core::{Base, Core, JournalEntry, RecentSeal, Saved};
use crate::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::genesis::Genesis;
use crate::identity::Signer;
use crate::ledger::{Checkpoint, Closed, Ledger, StoredPast, sealers_digest};
use crate::limits::EVIDENCE_HEIGHTS;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::sealers::Sealers;

/// A node taken up from its disk.
#[derive(Debug)]
pub struct Loaded {
    /// The core as it was.
    pub core: Core,
    /// Whether the journal lacks what this node has signed. The host then gives the core
    /// [`Input::JournalLost`](crate::core::Input::JournalLost) before anything else.
    pub journal_lost: Option<JournalLost>,
    /// What there was.
    pub found: Found,
}

/// The journal and the ledger are not of one past: one of them was deleted, or replaced by an old copy, or the network
/// showed a record of this node that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLost {
    /// Writes that the journal counts.
    pub journal: u64,
    /// Writes of the journal that the ledger knows of.
    pub ledger: u64,
}

impl fmt::Display for JournalLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { journal, ledger } = self;
        if journal < ledger {
            write!(
                f,
                "the journal has {journal} of {ledger} writes: it was deleted, or is an old copy"
            )
        } else {
            write!(
                f,
                "the ledger knows of {ledger} of the journal's {journal} writes: it is an old copy"
            )
        }
    }
}

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The last sealed height.
    pub height: u64,
    /// The height of the checkpoint; 0 if there is none.
    pub checkpoint: u64,
    /// Records in the blocks after it, which were applied again.
    pub applied_records: u64,
    /// Records that no block has.
    pub unsealed: usize,
    /// Own records in the journal.
    pub journalled: usize,
    /// Proposals of the next seal and votes on it.
    pub votes: usize,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            height,
            checkpoint,
            applied_records,
            unsealed,
            journalled,
            ..
        } = self;
        let blocks = height - checkpoint;
        write!(
            f,
            "height {height} ({blocks} blocks with {applied_records} records since the checkpoint), \
             {unsealed} unsealed records, {journalled} own records in the journal"
        )
    }
}

/// Whether a ledger was made to the end.
pub(super) fn has_header(ledger: &Database) -> Result<bool, StoreError> {
    match ledger.begin_read()?.open_table(META) {
        Ok(_) => Ok(true),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

type Meta = ReadOnlyTable<&'static str, &'static [u8]>;

/// Refuses what a later version wrote, before anything else is read.
fn check_format(table: &Meta, place: &str) -> Result<(), StoreError> {
    let row = table
        .get("format")?
        .ok_or_else(|| StoreError::damaged(place, "the row is missing"))?;
    let found: u64 = decode(place, row.value())?;
    if found > FORMAT {
        return Err(StoreError::Version {
            found,
            known: FORMAT,
        });
    }
    Ok(())
}

fn id_in(table: &Meta, key: &str, place: &str) -> Result<[u8; 32], StoreError> {
    let row = table.get(key)?;
    row.and_then(|row| row.value().try_into().ok())
        .ok_or_else(|| StoreError::damaged(place, "not 32 bytes"))
}

/// The network and node whose ledger it is.
pub(super) fn header(reading: &ReadTransaction) -> Result<(Genesis, NodeId), StoreError> {
    let meta = reading.open_table(META)?;
    check_format(&meta, "meta: format")?;
    let row = meta
        .get("genesis")?
        .ok_or_else(|| StoreError::damaged("meta: genesis", "the row is missing"))?;
    let genesis = Genesis::decode(row.value())
        .map_err(|rejection| StoreError::damaged("meta: genesis", rejection))?;
    let node = id_in(&meta, "node", "meta: node")?;
    Ok((genesis, NodeId::from_bytes(node)))
}

/// Whether the journal is this node's.
pub(super) fn check_owner(
    owner: &Meta,
    network: NetworkId,
    node: NodeId,
) -> Result<(), StoreError> {
    check_format(owner, "owner: format")?;
    let found = NodeId::from_bytes(id_in(owner, "node", "owner: node")?);
    if found != node {
        return Err(StoreError::OtherNode { found, given: node });
    }
    if id_in(owner, "network", "owner: network")? == *network.as_bytes() {
        Ok(())
    } else {
        let reason = "the journal is of another network";
        Err(StoreError::damaged("owner: network", reason))
    }
}

/// The height of the checkpoint (0 if there is none), and how many records were sealed since.
pub(super) fn since_checkpoint(reading: &ReadTransaction) -> Result<(u64, u64), StoreError> {
    let checkpoint = checkpoint(reading)?;
    let height = checkpoint.map_or(0, |checkpoint| checkpoint.seal.height);
    let headers = reading.open_table(HEADERS)?;
    let mut records = 0;
    for row in headers.range(height + 1..)? {
        let (height, row) = row?;
        let header: HeaderRow = decode(&place(height.value()), row.value())?;
        records += u64::from(header.seal.count);
    }
    Ok((height, records))
}

pub(super) fn place(height: u64) -> String {
    format!("height {height}")
}

pub(super) fn checkpoint(reading: &ReadTransaction) -> Result<Option<Checkpoint>, StoreError> {
    let meta = reading.open_table(META)?;
    let row = meta.get("checkpoint")?;
    row.map(|row| decode("meta: checkpoint", row.value()))
        .transpose()
}

impl Store {
    /// Takes the node up at the host's time `now_ms`, milliseconds since 1970: the state of the last checkpoint, the blocks
    /// after it, and what was saved beside them.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherNode`] if the signer is not this store's node; [`StoreError::Damaged`] if a row does not read,
    /// [`StoreError::NotSealed`] if the whole is not what was sealed.
    pub fn load(&self, signer: Arc<dyn Signer>, now_ms: u64) -> Result<Loaded, StoreError> {
        let given = signer.node_id();
        if given != self.node {
            let found = self.node;
            return Err(StoreError::OtherNode { found, given });
        }
        let reading = self.reading()?;
        let (core, checkpoint) = match self.base(&reading)? {
            None => (Core::new(&self.genesis, signer), 0),
            Some(base) => {
                let height = base.checkpoint.seal.height;
                (Core::resume(&self.genesis, signer, base), height)
            }
        };
        let mut core = core.map_err(|error| StoreError::not_sealed("meta: checkpoint", error))?;
        let saved = self.saved()?;
        let height = last_height(&reading)?;
        let mut found = Found {
            height,
            checkpoint,
            applied_records: 0,
            unsealed: saved.records.len(),
            journalled: saved.journal.len(),
            votes: saved.votes.len(),
        };
        let mut read: Result<u64, StoreError> = Ok(checkpoint);
        let blocks =
            (checkpoint + 1..=height).map_while(|height| match self.block_of(&reading, height) {
                Ok(block) => {
                    read = Ok(height);
                    found.applied_records += block.records.len() as u64;
                    Some(block)
                }
                Err(error) => {
                    read = Err(error);
                    None
                }
            });
        let restored = core.restore(saved, blocks, now_ms);
        let at = read?;
        restored.map_err(|error| StoreError::not_sealed(place(at), error))?;
        let writing = lock(&self.writing);
        let journal_lost = writing.is_lost.then_some(JournalLost {
            journal: writing.journal,
            ledger: writing.known,
        });
        Ok(Loaded {
            core,
            journal_lost,
            found,
        })
    }

    /// What a start takes up beside the sealed blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row does not read.
    pub fn saved(&self) -> Result<Saved, StoreError> {
        let reading = self.reading()?;
        let mut saved = Saved {
            journal: self.journal()?,
            compromised: reading.open_table(META)?.get("compromised")?.is_some(),
            ..Saved::default()
        };
        for (table, name, records) in [
            (RECORDS, "records", &mut saved.records),
            (VOTES, "votes", &mut saved.votes),
        ] {
            for row in reading.open_table(table)?.iter()? {
                let (id, bytes) = row?;
                let id = RecordId::from_bytes(*id.value());
                decode_record(name, &id, bytes.value())?;
                records.insert(id, bytes.value().to_vec());
            }
        }
        for row in reading.open_table(LISTS)?.iter()? {
            let (seal, list) = row?;
            let seal = SealId::from_bytes(*seal.value());
            let list = decode(&format!("lists: {seal}"), list.value())?;
            saved.lists.insert(seal, list);
        }
        for row in reading.open_table(INTENTS)?.iter()? {
            let (operation, ballot) = row?;
            let operation = OperationId::from_bytes(*operation.value());
            let ballot = decode(&format!("intents: {operation}"), ballot.value())?;
            saved.intents.insert(operation, ballot);
        }
        Ok(saved)
    }

    fn journal(&self) -> Result<BTreeMap<RecordId, JournalEntry>, StoreError> {
        let reading = self.journal.read(self.has_failed())?;
        let mut journal = BTreeMap::new();
        for row in reading.open_table(ENTRIES)?.iter()? {
            let (id, entry) = row?;
            let id = RecordId::from_bytes(*id.value());
            let place = format!("entries: record {id}");
            let entry: JournalEntry = decode(&place, entry.value())?;
            if entry.record.body.id() != id || entry.record.body.by != self.node {
                return Err(StoreError::damaged(place, "it is another record"));
            }
            journal.insert(id, entry);
        }
        Ok(journal)
    }

    /// The state of the last checkpoint with the past that the rules ask for.
    fn base(&self, reading: &ReadTransaction) -> Result<Option<Base>, StoreError> {
        let Some(checkpoint) = checkpoint(reading)? else {
            return Ok(None);
        };
        let height = checkpoint.seal.height;
        Ok(Some(Base {
            past: past(reading, height)?,
            records: self.open_records(reading, &checkpoint)?,
            recent: self.recent(reading, height)?,
            checkpoint,
        }))
    }

    /// The records of the operations that are open in a checkpoint; some may have closed and gone to their document since.
    fn open_records(
        &self,
        reading: &ReadTransaction,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for stored in &checkpoint.open {
            let ids = stored.snapshot.records();
            let found = self.records_of(reading, stored.snapshot.id, &ids)?;
            records.extend(found.into_values());
        }
        Ok(records)
    }
}

/// Seals, closed operations and rejoins up to a height.
fn past(reading: &ReadTransaction, height: u64) -> Result<StoredPast, StoreError> {
    let mut past = StoredPast::default();
    for (row, expected) in reading.open_table(SEALS)?.range(1..=height)?.zip(1..) {
        let (at, seal) = row?;
        if at.value() != expected {
            return Err(StoreError::damaged("seals", "a height is missing"));
        }
        past.seals.push(SealId::from_bytes(*seal.value()));
    }
    for row in reading.open_table(CLOSED)?.iter()? {
        let (id, row) = row?;
        let id = OperationId::from_bytes(*id.value());
        let closed: Closed = decode(&format!("closed: {id}"), row.value())?;
        if closed.closed_height <= height {
            past.closed.push((id, closed));
        }
    }
    for row in reading.open_table(REJOINS)?.iter()? {
        let (id, at) = row?;
        if at.value() <= height {
            past.rejoins.push(RecordId::from_bytes(*id.value()));
        }
    }
    Ok(past)
}

impl Store {
    /// The sealers that a row says; the header before has their digest.
    pub(super) fn sealers_of(
        &self,
        reading: &ReadTransaction,
        from: u64,
        row: &[u8],
    ) -> Result<Sealers, StoreError> {
        let place = format!("sealers: from height {from}");
        let sealers: Sealers = decode(&place, row)?;
        let expected = match from {
            0..=1 => sealers_digest(Ledger::new(&self.genesis).state().sealers()),
            _ => header_of(reading, from - 1)?.parts.sealers,
        };
        if sealers_digest(&sealers) == expected {
            Ok(sealers)
        } else {
            let rejection = Rejection::ImpossibleSeal("its sealers are others");
            Err(StoreError::not_sealed(place, rejection))
        }
    }

    /// The last heights up to this one, of which late votes can be evidence.
    fn recent(
        &self,
        reading: &ReadTransaction,
        height: u64,
    ) -> Result<Vec<RecentSeal>, StoreError> {
        let first = height.saturating_sub(EVIDENCE_HEIGHTS) + 1;
        let (seals, certificates) = (
            reading.open_table(SEALS)?,
            reading.open_table(CERTIFICATES)?,
        );
        let changes = reading.open_table(SEALERS)?;
        let before = changes.range(..=first)?.next_back();
        let before =
            before.ok_or_else(|| StoreError::damaged("sealers", "the first row is missing"))?;
        let mut sealers: Option<Arc<Sealers>> = None;
        let mut later = changes.range(before?.0.value()..=height)?.peekable();
        let mut recent = Vec::new();
        for height in first..=height {
            while let Some(row) = later.next_if(|row| {
                row.as_ref()
                    .map_or(true, |(from, _)| from.value() <= height)
            }) {
                let (from, row) = row?;
                let next = self.sealers_of(reading, from.value(), row.value())?;
                sealers = Some(Arc::new(next));
            }
            let missing = |table| StoreError::damaged(table, format!("no row of height {height}"));
            let seal = seals.get(height)?.ok_or_else(|| missing("seals"))?;
            let row = certificates.get(height)?;
            let row = row.ok_or_else(|| missing("certificates"))?;
            recent.push(RecentSeal {
                seal: SealId::from_bytes(*seal.value()),
                certificate: decode(&place(height), row.value())?,
                sealers: sealers.clone().ok_or_else(|| missing("sealers"))?,
            });
        }
        Ok(recent)
    }
}

/// The last sealed height; 0 before the first.
pub(super) fn last_height(reading: &ReadTransaction) -> Result<u64, StoreError> {
    let last = reading.open_table(SEALS)?.last()?.map(|(at, _)| at.value());
    Ok(last.unwrap_or(0))
}
