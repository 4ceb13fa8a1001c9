//! Writing: own records first, then the rest.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use redb::{Database, ReadableDatabase as _, ReadableTable as _};
use serde_bytes::ByteBuf;

use super::rows::{
    AheadRow, CERTIFICATES, CHANGES, CLOSED, CONTENTS, COUNTS, DOCUMENTS, EFFECTS, ENTRIES,
    EVIDENCE, FORMAT, HEADERS, INTENTS, LEDGER, LISTS, MEMBERS, META, OPERATIONS, OWNER, PEERS,
    PENDING, PLACES, RECORDS, REJOINS, SEALERS, SEALS, SUMMARIES, TRUST, VOTES, WAITING, decode,
};
use super::{Store, StoreError, load, lock, sealed};
use crate::base::codec;
use crate::base::digest::{NetworkId, NodeId, RecordId};
use crate::core::{JournalEntry, Write};
use crate::ledger::Ledger;
use crate::statement::genesis::Genesis;
use crate::statement::record::{Signed, Statement};

/// The journal's state while the store is open. A writer holds it.
#[derive(Debug)]
pub(super) struct Writing {
    /// The journal's own count of its writes.
    pub(super) journal: u64,
    /// The ledger's count of the journal's writes.
    pub(super) known: u64,
    /// Whether the two databases do not fit together, which only a `Rejoin` repairs.
    pub(super) is_lost: bool,
    /// Entries that the durable ledger has made useless.
    spent: BTreeSet<RecordId>,
    /// Bytes of the blocks that still have their records: the sum over [`WAITING`].
    pub(super) whole: u64,
}

impl Writing {
    /// Compares the databases. After a stop between the two commits of a write, the journal is one write ahead of the
    /// ledger; then that write is completed.
    pub(super) fn open(ledger: &Database, journal: &Database) -> Result<Self, StoreError> {
        let reading = journal.begin_read()?;
        let counts = reading.open_table(COUNTS)?;
        let journal = counts.get("count")?.map_or(0, |count| count.value());
        let ledger_reading = ledger.begin_read()?;
        let mut whole = 0;
        for row in ledger_reading.open_table(WAITING)?.iter()? {
            whole = u64::saturating_add(whole, row?.1.value().1);
        }
        let meta = ledger_reading.open_table(META)?;
        let known = meta.get("journal")?;
        let known = known.map_or(Ok(0), |row| decode("meta: journal", row.value()))?;
        let mut writing = Self {
            journal,
            known,
            is_lost: journal != known,
            spent: BTreeSet::new(),
            whole,
        };
        if journal > known
            && let Some(row) = reading.open_table(OWNER)?.get("ahead")?
        {
            let ahead: AheadRow = decode("owner: ahead", row.value())?;
            if ahead.base == known {
                ahead.redo(ledger, journal)?;
                writing.known = journal;
                writing.is_lost = false;
            }
        }
        Ok(writing)
    }
}

impl AheadRow {
    /// The ledger part of a write, without blocks. A block is decided again from the votes, or fetched again.
    fn of(writes: &[Write], base: u64) -> Self {
        let mut ahead = Self {
            base,
            records: Vec::new(),
            votes: Vec::new(),
            lists: Vec::new(),
        };
        for write in writes {
            match write {
                Write::Record(record) => ahead.records.push(ByteBuf::from(record.encode())),
                Write::Vote(record) => ahead.votes.push(ByteBuf::from(record.encode())),
                Write::List { seal, list } => ahead.lists.push((*seal, list.clone())),
                _ => {}
            }
        }
        ahead
    }

    fn redo(&self, ledger: &Database, count: u64) -> Result<(), StoreError> {
        let transaction = ledger.begin_write()?;
        for (table, rows) in [(RECORDS, &self.records), (VOTES, &self.votes)] {
            let mut table = transaction.open_table(table)?;
            for bytes in rows {
                let record = Signed::decode(bytes)
                    .map_err(|error| StoreError::damaged("owner: ahead", error))?;
                table.insert(record.id().as_bytes(), &bytes[..])?;
            }
        }
        {
            let mut lists = transaction.open_table(LISTS)?;
            for (seal, list) in &self.lists {
                lists.insert(seal.as_bytes(), &codec::encode(list)[..])?;
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert("journal", &codec::encode(&count)[..])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Creates every table, so that reads never miss one.
pub(super) fn create_ledger(
    ledger: &Database,
    genesis: &Genesis,
    node: NodeId,
) -> Result<(), StoreError> {
    let transaction = ledger.begin_write()?;
    for table in [HEADERS, CERTIFICATES, CONTENTS, SEALERS, CHANGES, LEDGER] {
        transaction.open_table(table)?;
    }
    for table in [
        PLACES, RECORDS, VOTES, LISTS, INTENTS, CLOSED, SUMMARIES, OPERATIONS, EFFECTS, PEERS,
    ] {
        transaction.open_table(table)?;
    }
    transaction.open_table(SEALS)?;
    transaction.open_table(REJOINS)?;
    transaction.open_table(PENDING)?;
    transaction.open_table(WAITING)?;
    transaction.open_table(DOCUMENTS)?;
    transaction.open_table(TRUST)?;
    transaction.open_table(MEMBERS)?;
    transaction.open_table(EVIDENCE)?;
    let first = codec::encode(Ledger::new(genesis).state().sealers().as_ref());
    transaction.open_table(SEALERS)?.insert(1, &first[..])?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", &codec::encode(&FORMAT)[..])?;
        meta.insert("genesis", &genesis.encode()[..])?;
        meta.insert("node", &node.as_bytes()[..])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Creates the tables of a new journal. An existing one is only checked, not written, because the disk may be full.
pub(super) fn create_journal(
    journal: &Database,
    network: NetworkId,
    node: NodeId,
) -> Result<(), StoreError> {
    let reading = journal.begin_read()?;
    match reading.open_table(OWNER) {
        Ok(owner) => return load::check_owner(&owner, network, node),
        Err(redb::TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    drop(reading);
    let transaction = journal.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(COUNTS)?;
    {
        let mut owner = transaction.open_table(OWNER)?;
        owner.insert("format", &codec::encode(&FORMAT)[..])?;
        owner.insert("network", &network.as_bytes()[..])?;
        owner.insert("node", &node.as_bytes()[..])?;
    }
    transaction.commit()?;
    Ok(())
}

fn entries(writes: &[Write]) -> impl Iterator<Item = &JournalEntry> {
    writes.iter().filter_map(|write| match write {
        Write::Journal(entry) => Some(entry),
        _ => None,
    })
}

impl Store {
    /// Writes in order, all or nothing per database; durable on return. Outputs of several inputs can share a write: it
    /// costs one disk sync, and another one if it contains own records.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`] if the disk is full or broken; [`StoreError::JournalLost`] if something other than a `Rejoin`
    /// was signed without a complete journal. Then nothing of these writes may be sent, and the node must stop: every later
    /// write fails with [`StoreError::Failed`].
    pub fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.guarded(|writing| {
            if entries(writes).next().is_some() {
                self.write_journal(writing, writes)?;
            }
            self.write_ledger(writing, writes)?;
            // Only now is the block durable that made these entries useless.
            for write in writes {
                match write {
                    Write::Journal(entry) => {
                        writing.spent.remove(&entry.record.body.id());
                    }
                    Write::Unjournal(ids) => writing.spent.extend(ids),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// Records that the network showed a record of this node that the journal lacks
    /// ([`Event::JournalLost`](crate::core::Event::JournalLost)). Each start reports it until a `Rejoin` is in the journal.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn note_journal_lost(&self) -> Result<(), StoreError> {
        self.guarded(|writing| {
            if !writing.is_lost {
                // The ledger counts one write more than the journal.
                writing.known = writing.journal + 1;
                writing.is_lost = true;
                self.write_ledger(writing, &[])?;
            }
            Ok(())
        })
    }

    /// Runs one write at a time, and none after a failed one.
    pub(super) fn guarded<T>(
        &self,
        act: impl FnOnce(&mut Writing) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writing = lock(&self.writing);
        if self.has_failed() {
            return Err(StoreError::Failed);
        }
        let done = act(&mut writing);
        if done.is_err() {
            self.has_failed.store(true, Ordering::SeqCst);
        }
        done
    }

    /// Writes own records, and removes useless entries.
    fn write_journal(&self, writing: &mut Writing, writes: &[Write]) -> Result<(), StoreError> {
        let is_rejoin =
            |entry: &JournalEntry| matches!(entry.record.body.what, Statement::Rejoin { .. });
        if writing.is_lost && !entries(writes).all(is_rejoin) {
            return Err(StoreError::JournalLost);
        }
        // A new journal continues the count of the lost one.
        let count = writing.journal.max(writing.known) + 1;
        let transaction = self.journal.database.begin_write()?;
        {
            let mut table = transaction.open_table(ENTRIES)?;
            for id in &writing.spent {
                table.remove(id.as_bytes())?;
            }
            for entry in entries(writes) {
                let id = entry.record.body.id();
                table.insert(id.as_bytes(), &codec::encode(entry)[..])?;
            }
            let mut counts = transaction.open_table(COUNTS)?;
            counts.insert("count", count)?;
            let mut owner = transaction.open_table(OWNER)?;
            let ahead = AheadRow::of(writes, writing.known);
            owner.insert("ahead", &codec::encode(&ahead)[..])?;
        }
        transaction.commit()?;
        writing.spent.clear();
        (writing.journal, writing.known) = (count, count);
        writing.is_lost = false;
        Ok(())
    }

    fn write_ledger(&self, writing: &mut Writing, writes: &[Write]) -> Result<(), StoreError> {
        let transaction = self.ledger.database.begin_write()?;
        let (mut sealed, mut whole) = (0, writing.whole);
        {
            let mut meta = transaction.open_table(META)?;
            let known = codec::encode(&writing.known);
            if meta
                .get("journal")?
                .is_none_or(|row| row.value() != &known[..])
            {
                meta.insert("journal", &known[..])?;
            }
        }
        for write in writes {
            match write {
                Write::Journal(_) | Write::Unjournal(_) => {}
                Write::Record(record) => {
                    let mut records = transaction.open_table(RECORDS)?;
                    records.insert(record.id().as_bytes(), &record.encode()[..])?;
                }
                Write::Vote(record) => {
                    let mut votes = transaction.open_table(VOTES)?;
                    votes.insert(record.id().as_bytes(), &record.encode()[..])?;
                }
                Write::List { seal, list } => {
                    let mut lists = transaction.open_table(LISTS)?;
                    lists.insert(seal.as_bytes(), &codec::encode(list)[..])?;
                }
                Write::Forget(ids) => {
                    let mut records = transaction.open_table(RECORDS)?;
                    let mut votes = transaction.open_table(VOTES)?;
                    for id in ids {
                        records.remove(id.as_bytes())?;
                        votes.remove(id.as_bytes())?;
                    }
                }
                Write::Intent { operation, ballot } => {
                    let mut intents = transaction.open_table(INTENTS)?;
                    match ballot {
                        Some(ballot) => {
                            intents.insert(operation.as_bytes(), &codec::encode(ballot)[..])?
                        }
                        None => intents.remove(operation.as_bytes())?,
                    };
                }
                Write::Declared(declared) => {
                    let mut meta = transaction.open_table(META)?;
                    meta.insert("declared", &codec::encode(declared)[..])?;
                }
                Write::Twin(is_there) => {
                    let mut meta = transaction.open_table(META)?;
                    if *is_there {
                        meta.insert("twin", &[0_u8; 0][..])?;
                    } else {
                        meta.remove("twin")?;
                    }
                }
                Write::Endorsed(own) => {
                    let mut meta = transaction.open_table(META)?;
                    match own {
                        Some(own) => drop(meta.insert("endorsed", &codec::encode(&**own)[..])?),
                        None => drop(meta.remove("endorsed")?),
                    }
                }
                Write::Compromised => {
                    let mut meta = transaction.open_table(META)?;
                    meta.insert("compromised", &[0_u8; 0][..])?;
                }
                Write::Block { block, applied } => {
                    sealed += block.records.len() as u64;
                    let length = sealed::write_block(&transaction, block, applied)?;
                    whole = whole.saturating_add(length);
                }
            }
        }
        transaction.commit()?;
        writing.whole = whole;
        self.records_since.fetch_add(sealed, Ordering::SeqCst);
        Ok(())
    }

    /// Writes a checkpoint of the state after the last seal, if one is due, for a short next start. Call it after the writes
    /// of an input: the blocks up to the ledger's height must be written. Returns whether it was due.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn checkpoint_if_due(&self, ledger: &Ledger) -> Result<bool, StoreError> {
        let height = self.checkpoint_height.load(Ordering::SeqCst);
        let records = self.records_since.load(Ordering::SeqCst);
        let sealed = ledger.state().height().saturating_sub(height);
        let is_due = sealed >= super::CHECKPOINT_HEIGHTS || records >= super::CHECKPOINT_RECORDS;
        if is_due {
            self.checkpoint(ledger)?;
        }
        Ok(is_due)
    }

    /// Writes a checkpoint now, for an orderly stop.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn checkpoint(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let height = ledger.state().height();
        if height == 0 {
            return Ok(());
        }
        let checkpoint = codec::encode(&ledger.checkpoint());
        self.guarded(|writing| {
            // A start from the checkpoint will not ask for these again.
            if !writing.spent.is_empty() {
                let transaction = self.journal.database.begin_write()?;
                {
                    let mut table = transaction.open_table(ENTRIES)?;
                    for id in &writing.spent {
                        table.remove(id.as_bytes())?;
                    }
                }
                transaction.commit()?;
                writing.spent.clear();
            }
            let transaction = self.ledger.database.begin_write()?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert("checkpoint", &checkpoint[..])?;
            }
            transaction.commit()?;
            self.checkpoint_height.store(height, Ordering::SeqCst);
            self.records_since.store(0, Ordering::SeqCst);
            Ok(())
        })
    }
}
