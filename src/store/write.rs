//! Writing: what a turn gives, in one commit.

use std::sync::atomic::Ordering;

use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, WriteTransaction};

use super::groups::{self, Packed};
use super::own::Writing;
use super::rows::{
    COUNTS, EFFECTS, ENDS, ENTRIES, EVIDENCE, FORMAT, GROUPS, HEIGHTS, INTENTS, JOURNAL_FORMAT,
    LEAVES, LEDGER, LISTS, MEMBERS, META, OWN, OWNER, PEERS, PLACES, RECORDS, REJOINS, REST,
    SEALER_CHANGES, SEALERS, SEALS, VOTES,
};
use super::{Store, StoreError, load, lock, sealed};
use crate::base::codec;
use crate::base::digest::{NetworkId, NodeId};
use crate::core::{JournalEntry, Write};
use crate::ledger::Ledger;
use crate::statement::genesis::Genesis;
use crate::statement::record::Statement;

/// Creates a ledger before its first seal.
pub(super) fn create_ledger(
    ledger: &Database,
    genesis: &Genesis,
    node: NodeId,
) -> Result<(), StoreError> {
    let transaction = ledger.begin_write()?;
    create_tables(&transaction, genesis)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", &codec::encode(&FORMAT)[..])?;
        meta.insert("genesis", &genesis.encode()[..])?;
        meta.insert("node", &node.as_bytes()[..])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Creates every table, so that reads never miss one.
pub(super) fn create_tables(
    transaction: &WriteTransaction,
    genesis: &Genesis,
) -> Result<(), StoreError> {
    for table in [
        HEIGHTS,
        ENDS,
        SEALS,
        SEALERS,
        SEALER_CHANGES,
        LEAVES,
        REST,
        LEDGER,
    ] {
        transaction.open_table(table)?;
    }
    for table in [PLACES, RECORDS, VOTES, LISTS, OWN, INTENTS, EFFECTS, PEERS] {
        transaction.open_table(table)?;
    }
    for table in [GROUPS, EVIDENCE] {
        transaction.open_table(table)?;
    }
    transaction.open_table(MEMBERS)?;
    transaction.open_table(REJOINS)?;
    let first = codec::encode(Ledger::new(genesis).state().sealers().as_ref());
    transaction.open_table(SEALERS)?.insert(1, &first[..])?;
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
        owner.insert("format", &codec::encode(&JOURNAL_FORMAT)[..])?;
        owner.insert("network", &network.as_bytes()[..])?;
        owner.insert("node", &node.as_bytes()[..])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Writes how far the ledger knows the journal.
fn write_counts(transaction: &WriteTransaction, writing: &Writing) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META)?;
    let rows = [
        ("journal", Some(writing.known).filter(|known| *known > 0)),
        ("ahead", writing.ahead),
    ];
    for (name, count) in rows {
        let count = count.map(|count| codec::encode(&count));
        let found = meta.get(name)?.map(|row| row.value().to_vec());
        if found == count {
            continue;
        }
        match count {
            Some(count) => drop(meta.insert(name, &count[..])?),
            None => drop(meta.remove(name)?),
        }
    }
    Ok(())
}

fn entries(writes: &[Write]) -> impl Iterator<Item = &JournalEntry> {
    writes.iter().filter_map(|write| match write {
        Write::Journal(entry) => Some(entry),
        _ => None,
    })
}

/// What a person said, and what follows for this node.
fn write_word(transaction: &WriteTransaction, write: &Write) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META)?;
    match write {
        Write::Intent { operation, ballot } => {
            let mut intents = transaction.open_table(INTENTS)?;
            match ballot {
                Some(ballot) => intents.insert(operation.as_bytes(), &codec::encode(ballot)[..])?,
                None => intents.remove(operation.as_bytes())?,
            };
        }
        Write::Declared(declared) => {
            meta.insert("declared", &codec::encode(declared)[..])?;
        }
        Write::Twin(true) => drop(meta.insert("twin", &[0_u8; 0][..])?),
        Write::Twin(false) => drop(meta.remove("twin")?),
        Write::Endorsed(Some(own)) => {
            meta.insert("endorsed", &codec::encode(&**own)[..])?;
        }
        Write::Endorsed(None) => drop(meta.remove("endorsed")?),
        Write::Compromised => {
            meta.insert("compromised", &[0_u8; 0][..])?;
        }
        Write::Record(_)
        | Write::Vote(_)
        | Write::List { .. }
        | Write::Forget(_)
        | Write::Unjournal(_)
        | Write::Journal(_)
        | Write::Block { .. } => {}
    }
    Ok(())
}

impl Store {
    /// Writes in order, all or nothing. Outputs of several inputs can share a write.
    ///
    /// Own records, what this node's person said, and sealed blocks are durable on return, together with everything that was given
    /// before; that costs one disk sync. Writes with nothing but unsealed records and votes of others only wait for the next such
    /// commit: after a crash they come again from others, as if they had not arrived yet. [`Store::sync`] makes them durable.
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
            let is_rejoin =
                |entry: &JournalEntry| matches!(entry.record.body.what, Statement::Rejoin { .. });
            if writing.is_lost && !entries(writes).all(is_rejoin) {
                return Err(StoreError::JournalLost);
            }
            if writes.iter().all(Write::can_wait) && !writing.held.is_full() {
                for write in writes {
                    writing.held.take(write);
                }
                return Ok(());
            }
            let moves = writing.is_move_due() && entries(writes).next().is_some();
            let count = moves.then(|| writing.begin_move());
            self.commit(writing, writes)?;
            if count.is_some() {
                self.write_journal(writing, count)?;
            }
            Ok(())
        })
    }

    /// Makes everything durable that was written: before somebody is told that it is kept, other than by an own record. Costs a
    /// disk sync if something waits.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn sync(&self) -> Result<(), StoreError> {
        self.guarded(|writing| {
            if writing.held.is_empty() {
                return Ok(());
            }
            self.commit(writing, &[])
        })
    }

    /// How often this process has synced the disk for the databases.
    pub fn syncs(&self) -> u64 {
        self.ledger.medium.syncs() + self.journal.medium.syncs()
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

    /// Begins a change that can be made again. It is durable with the next commit of another.
    pub(super) fn begin_unhurried(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.ledger.database().begin_write()?;
        let set = transaction.set_durability(Durability::None);
        set.expect("the database has no savepoints and one process");
        Ok(transaction)
    }

    /// Commits what was held and the writes. Durable on return.
    pub(super) fn commit(&self, writing: &mut Writing, writes: &[Write]) -> Result<(), StoreError> {
        let transaction = self.ledger.database().begin_write()?;
        self.write_all(&transaction, writing, writes)?;
        let held = std::mem::take(&mut writing.held);
        transaction.commit()?;
        // Only now is the block durable that made these entries of the journal useless.
        writing.spent.extend(held.unjournalled());
        Ok(())
    }

    fn write_all(
        &self,
        transaction: &WriteTransaction,
        writing: &mut Writing,
        writes: &[Write],
    ) -> Result<(), StoreError> {
        write_counts(transaction, writing)?;
        let mut own = transaction.open_table(OWN)?;
        for id in std::mem::take(&mut writing.moved) {
            own.remove(id.as_bytes())?;
        }
        for write in writes {
            match write {
                Write::Journal(entry) => {
                    let id = entry.record.body.id();
                    own.insert(id.as_bytes(), &codec::encode(entry)[..])?;
                    writing.own.insert(id);
                    writing.spent.remove(&id);
                    writing.held.journalled(&id);
                }
                Write::Block { block, applied } => {
                    let sealed = block.records.len() as u64;
                    self.records_since.fetch_add(sealed, Ordering::SeqCst);
                    sealed::write_block(transaction, block, applied)?;
                    let mut known = lock(&self.known_ids);
                    known.insert(applied.height, applied.records.clone());
                    if known.len() > groups::KNOWN_HEIGHTS_MAX {
                        known.pop_first();
                    }
                    writing.held.sealed(applied);
                }
                write if write.can_wait() => writing.held.take(write),
                write => write_word(transaction, write)?,
            }
        }
        for id in writing.held.unjournalled() {
            own.remove(id.as_bytes())?;
            writing.own.remove(id);
        }
        writing.held.write(transaction)
    }

    /// Writes a checkpoint of the state after the last seal, if one is due, for a short next start. Call it after the writes
    /// of an input: the blocks up to the ledger's height must be written. Returns whether it was due; then [`Store::pack`] may
    /// have something to do.
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
            self.write_checkpoint(ledger)?;
        }
        Ok(is_due)
    }

    /// Puts sealed heights that fill a group into it, compressed. It changes nothing that is read, and can run in a thread of its own:
    /// only the writing of a finished group, a few milliseconds, keeps other writes waiting. Durable with the next commit.
    ///
    /// # Errors
    ///
    /// As [`Store::write`], and [`StoreError::Damaged`] if a height cannot be read.
    pub fn pack(&self) -> Result<(), StoreError> {
        let _alone = lock(&self.packing);
        let heights_max = self.group_heights.load(Ordering::SeqCst);
        loop {
            let heights = self.reading()?.open_table(HEIGHTS)?;
            let Some(full) = groups::next_full(&heights, heights_max)? else {
                return Ok(());
            };
            drop(heights);
            let last = full.last().map_or(0, |height| height.block.height);
            let known = {
                let mut known = lock(&self.known_ids);
                let later = known.split_off(&(last + 1));
                std::mem::replace(&mut *known, later)
            };
            let packed = Packed::new(&full, &known)?;
            self.guarded(|_| {
                let transaction = self.begin_unhurried()?;
                packed.write(&transaction)?;
                Ok(transaction.commit()?)
            })?;
        }
    }

    /// Packs, and writes a checkpoint now, for an orderly stop.
    ///
    /// # Errors
    ///
    /// As [`Store::pack`].
    pub fn checkpoint(&self, ledger: &Ledger) -> Result<(), StoreError> {
        self.pack()?;
        self.write_checkpoint(ledger)
    }

    fn write_checkpoint(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let height = ledger.state().height();
        let checkpoint = codec::encode(&ledger.checkpoint());
        self.guarded(|writing| {
            // A start from the checkpoint will not ask again for the removal of entries.
            self.empty_own(writing)?;
            if height == 0 {
                return Ok(());
            }
            let transaction = self.ledger.database().begin_write()?;
            self.write_all(&transaction, writing, &[])?;
            transaction
                .open_table(META)?
                .insert("checkpoint", &checkpoint[..])?;
            transaction.commit()?;
            self.checkpoint_height.store(height, Ordering::SeqCst);
            self.records_since.store(0, Ordering::SeqCst);
            Ok(())
        })
    }
}
