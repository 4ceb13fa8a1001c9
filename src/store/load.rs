//! Loading a node from its disk.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _};

use super::height::place;
use super::heights::{Heights, last_height};
use super::read::block_at;
use super::rows::{
    ENTRIES, FORMAT, INTENTS, JOURNAL_FORMAT, LISTS, META, OWN, OWNER, RECORDS, VOTES, decode,
    decode_record,
};
use super::succession::former_of;
use super::{OtherJournal, Store, StoreError, lock};
use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::base::identity::Signer;
use crate::core::{Core, JournalEntry, Saved};
use crate::ledger::Checkpoint;
use crate::statement::genesis::Genesis;
use crate::statement::record::Signed;

/// A loaded node.
#[derive(Debug)]
pub struct Loaded {
    /// The core in its last state.
    pub core: Core,
    /// Set if the journal lacks records that this node has signed. Then the host gives the core
    /// [`Input::JournalLost`](crate::core::Input::JournalLost) first.
    pub journal_lost: Option<JournalLost>,
    /// The content of the store.
    pub found: Found,
}

/// The journal and the ledger do not fit together: one was deleted or replaced by an old copy, or the network showed a
/// record of this node that the journal lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLost {
    /// The journal's own count of its writes.
    pub journal: u64,
    /// The ledger's count of the journal's writes.
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
                "the ledger counts {ledger} of the journal's {journal} writes: it is an old copy"
            )
        }
    }
}

/// What a start found in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The last sealed height.
    pub height: u64,
    /// The height of the checkpoint; 0 if there is none.
    pub checkpoint: u64,
    /// Records in the blocks after the checkpoint, which were applied again.
    pub applied_records: u64,
    /// Unsealed records.
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

/// Whether the ledger was created completely.
pub(super) fn has_header(ledger: &Database) -> Result<bool, StoreError> {
    match ledger.begin_read()?.open_table(META) {
        Ok(_) => Ok(true),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

type Meta = ReadOnlyTable<&'static str, &'static [u8]>;

/// Refuses another version's database before reading anything else.
fn check_format(table: &Meta, place: &str, known: u64) -> Result<(), StoreError> {
    let row = table
        .get("format")?
        .ok_or_else(|| StoreError::damaged(place, "the row is missing"))?;
    let found: u64 = decode(place, row.value())?;
    match found.cmp(&known) {
        Ordering::Less => Err(StoreError::EarlierRules { found }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(StoreError::Version { found, known }),
    }
}

fn id_in(table: &Meta, key: &str, place: &str) -> Result<[u8; 32], StoreError> {
    let row = table.get(key)?;
    row.and_then(|row| row.value().try_into().ok())
        .ok_or_else(|| StoreError::damaged(place, "not 32 bytes"))
}

/// The network and node of the ledger.
pub(super) fn header(reading: &ReadTransaction) -> Result<(Genesis, NodeId), StoreError> {
    let meta = reading.open_table(META)?;
    check_format(&meta, "meta: format", FORMAT)?;
    let row = meta
        .get("genesis")?
        .ok_or_else(|| StoreError::damaged("meta: genesis", "the row is missing"))?;
    let genesis = Genesis::decode(row.value())
        .map_err(|rejection| StoreError::damaged("meta: genesis", rejection))?;
    let node = id_in(&meta, "node", "meta: node")?;
    Ok((genesis, NodeId::from_bytes(node)))
}

/// Checks that the journal belongs to this node, or was being handed over to it.
pub(super) fn check_owner(
    owner: &Meta,
    network: NetworkId,
    node: NodeId,
) -> Result<(), StoreError> {
    check_format(owner, "owner: format", JOURNAL_FORMAT)?;
    let found = NodeId::from_bytes(id_in(owner, "node", "owner: node")?);
    let next = owner.get("next")?;
    let is_next = next.is_some_and(|row| row.value() == &node.as_bytes()[..]);
    let found_network = NetworkId::from_bytes(id_in(owner, "network", "owner: network")?);
    if (found != node && !is_next) || found_network != network {
        return Err(StoreError::OtherJournal(Box::new(OtherJournal {
            node: found,
            network: found_network,
            wanted_node: node,
            wanted_network: network,
        })));
    }
    Ok(())
}

/// The height of the checkpoint (0 if there is none), and the number of records sealed since.
pub(super) fn since_checkpoint(reading: &ReadTransaction) -> Result<(u64, u64), StoreError> {
    let checkpoint = checkpoint(reading)?;
    let at = checkpoint.map_or(0, |checkpoint| checkpoint.seal.height);
    let mut heights = Heights::new(reading)?;
    let mut records = 0;
    for height in at + 1..=last_height(reading)? {
        records += u64::from(heights.block(height)?.seal()?.count);
    }
    Ok((at, records))
}

pub(super) fn checkpoint(reading: &ReadTransaction) -> Result<Option<Checkpoint>, StoreError> {
    let meta = reading.open_table(META)?;
    let row = meta.get("checkpoint")?;
    row.map(|row| decode("meta: checkpoint", row.value()))
        .transpose()
}

impl Store {
    /// Loads the node at the host's time `now_ms` (milliseconds since 1970): the state of the last checkpoint, the blocks
    /// after it, and the unsealed rest.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherNode`] if the signer is not this store's node; [`StoreError::Damaged`] if a row cannot be decoded;
    /// [`StoreError::NotSealed`] if the data differs from what was sealed.
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
        let journal_lost = {
            let writing = lock(&self.writing);
            writing.is_lost.then_some(JournalLost {
                journal: writing.journal,
                ledger: writing.known,
            })
        };
        let saved = Saved {
            journal_lost: journal_lost.is_some(),
            ..saved
        };
        let height = last_height(&reading)?;
        let mut found = Found {
            height,
            checkpoint,
            applied_records: 0,
            unsealed: saved.records.len(),
            journalled: saved.journal.len(),
            votes: saved.votes.len(),
        };
        let mut heights = Heights::new(&reading)?;
        let mut read: Result<u64, StoreError> = Ok(checkpoint);
        let blocks =
            (checkpoint + 1..=height).map_while(|height| match block_at(&mut heights, height) {
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
        Ok(Loaded {
            core,
            journal_lost,
            found,
        })
    }

    /// What a start loads beside the sealed blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn saved(&self) -> Result<Saved, StoreError> {
        let reading = self.reading()?;
        let meta = reading.open_table(META)?;
        let declared = meta.get("declared")?;
        let declared = declared.map(|row| decode("meta: declared", row.value()));
        let endorsed = meta.get("endorsed")?;
        let endorsed = endorsed.map(|row| decode("meta: endorsed", row.value()));
        let mut saved = Saved {
            journal: self.journal(&reading)?,
            declared: declared.transpose()?.unwrap_or_default(),
            compromised: meta.get("compromised")?.is_some(),
            twin: meta.get("twin")?.is_some(),
            endorsed: endorsed.transpose()?,
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

    /// The own records in the journal, and in the ledger that `reading` reads. The reading must have begun before this: records move
    /// from the ledger to the journal.
    pub(super) fn journal(
        &self,
        reading: &ReadTransaction,
    ) -> Result<BTreeMap<RecordId, JournalEntry>, StoreError> {
        let entries = self.journal.read(self.has_failed())?;
        let former = former_of(&entries.open_table(OWNER)?)?;
        let entries = entries.open_table(ENTRIES)?;
        let own = reading.open_table(OWN)?;
        let rows = entries.iter()?.map(|row| ("entries", row));
        let rows = rows.chain(own.iter()?.map(|row| ("own", row)));
        let mut journal = BTreeMap::new();
        for (table, row) in rows {
            let (id, entry) = row?;
            let id = RecordId::from_bytes(*id.value());
            let place = format!("{table}: record {id}");
            let entry: JournalEntry = decode(&place, entry.value())?;
            let body = &entry.record.body;
            if body.id() != id || (body.by != self.node && !former.contains(&body.by)) {
                return Err(StoreError::damaged(place, "the row holds another record"));
            }
            let signed = Signed::try_from(entry.record.clone());
            signed.map_err(|error| StoreError::damaged(place, error))?;
            journal.insert(id, entry);
        }
        Ok(journal)
    }
}
