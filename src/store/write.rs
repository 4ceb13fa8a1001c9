//! Writing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{Database, ReadableTable as _, WriteTransaction};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::rows::{
    BLOCKS, BlockRow, CHANGES, CLOSED, COUNTS, DOCUMENTS, EFFECTS, ENTRIES, EVIDENCE, EffectRow,
    EvidenceRow, FORMAT, INTENTS, LEDGER, LISTS, MEMBERS, META, MemberRow, OPERATIONS,
    OperationRow, RECORDS, REJOINS, SEALED, SEALERS, SEALS, TRUST, VOTES, decode,
};
use super::{Store, StoreError};
use crate::codec;
use crate::core::Write;
use crate::digest::{NodeId, OperationId, RecordId};
use crate::document::{LedgerChange, OperationDocument};
use crate::genesis::Genesis;
use crate::ledger::{Applied, Closed, Ledger};
use crate::record::{Record, Statement, Verified};
use crate::seal::SealedBlock;

/// Makes every table, so that reading never misses one.
pub(super) fn create_tables(
    ledger: &Database,
    journal: &Database,
    genesis: &Genesis,
    node: NodeId,
) -> Result<(), StoreError> {
    let transaction = ledger.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", &codec::encode(&FORMAT)[..])?;
        meta.insert("genesis", &genesis.encode()[..])?;
        meta.insert("node", &node.as_bytes()[..])?;
        for table in [BLOCKS, SEALERS, CHANGES, LEDGER] {
            transaction.open_table(table)?;
        }
        for table in [
            SEALED, RECORDS, VOTES, LISTS, INTENTS, CLOSED, OPERATIONS, DOCUMENTS, EFFECTS,
        ] {
            transaction.open_table(table)?;
        }
        transaction.open_table(SEALS)?;
        transaction.open_table(REJOINS)?;
        transaction.open_table(TRUST)?;
        transaction.open_table(MEMBERS)?;
        transaction.open_table(EVIDENCE)?;
        let genesis = Ledger::new(genesis);
        let sealers = codec::encode(genesis.state().sealers().as_ref());
        transaction.open_table(SEALERS)?.insert(1, &sealers[..])?;
    }
    transaction.commit()?;
    create_journal(journal)
}

/// Makes the journal's tables if it is new.
pub(super) fn create_journal(journal: &Database) -> Result<(), StoreError> {
    let transaction = journal.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(COUNTS)?;
    transaction.commit()?;
    Ok(())
}

impl Store {
    /// Writes in order, all or nothing per database; durable when it returns. The journal comes first: what it has and the
    /// ledger lacks does no harm.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`] if the disk is full or broken. The node must stop then: every later write fails with
    /// [`StoreError::Failed`].
    pub fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.guarded(|| {
            let count = self.write_journal(writes)?;
            self.write_ledger(writes, count)
        })
    }

    fn guarded<T>(&self, act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(StoreError::Failed);
        }
        let done = act();
        self.has_failed.fetch_or(done.is_err(), Ordering::SeqCst);
        done
    }

    /// Writes own records, if there are any, and gives how far the journal counts then.
    fn write_journal(&self, writes: &[Write]) -> Result<Option<u64>, StoreError> {
        let is_own = |write: &&Write| matches!(write, Write::Journal(_) | Write::Unjournal(_));
        if !writes.iter().any(|write| is_own(&write)) {
            return Ok(None);
        }
        let transaction = self.journal.begin_write()?;
        let count;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for write in writes {
                match write {
                    Write::Journal(entry) => {
                        let id = entry.record.body.id();
                        entries.insert(id.as_bytes(), &codec::encode(entry)[..])?;
                    }
                    Write::Unjournal(ids) => {
                        for id in ids {
                            entries.remove(id.as_bytes())?;
                        }
                    }
                    _ => {}
                }
            }
            let mut counts = transaction.open_table(COUNTS)?;
            let own = counts.get("count")?.map_or(0, |count| count.value());
            // A journal that was begun anew goes on where the lost one was.
            count = own.max(self.known_count()?) + 1;
            counts.insert("count", count)?;
        }
        transaction.commit()?;
        Ok(Some(count))
    }

    fn write_ledger(&self, writes: &[Write], count: Option<u64>) -> Result<(), StoreError> {
        let transaction = self.ledger.begin_write()?;
        if let Some(count) = count {
            let mut meta = transaction.open_table(META)?;
            meta.insert("journal", &codec::encode(&count)[..])?;
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
                            intents.insert(operation.as_bytes(), &codec::encode(ballot)[..])?;
                        }
                        None => {
                            intents.remove(operation.as_bytes())?;
                        }
                    }
                }
                Write::Compromised => {
                    transaction.open_table(META)?.insert("compromised", &[][..])?;
                }
                Write::Block { block, applied } => write_block(&transaction, block, applied)?,
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Writes the state after the last seal, if one is due: the next start applies only what was sealed since. Call it after
    /// the writes of an input; blocks up to the ledger's height must have been written.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn checkpoint_if_due(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let (height, records) = self.since_checkpoint()?;
        let sealed = ledger.state().height().saturating_sub(height);
        if sealed >= super::CHECKPOINT_HEIGHTS || records >= super::CHECKPOINT_RECORDS {
            self.checkpoint(ledger)?;
        }
        Ok(())
    }

    /// Writes the state after the last seal now, for a stop in good order.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn checkpoint(&self, ledger: &Ledger) -> Result<(), StoreError> {
        if ledger.state().height() == 0 {
            return Ok(());
        }
        let checkpoint = codec::encode(&ledger.checkpoint());
        self.guarded(|| {
            let transaction = self.ledger.begin_write()?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert("checkpoint", &checkpoint[..])?;
                meta.insert("since", &codec::encode(&(ledger.state().height(), 0_u64))[..])?;
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// Keeps the ledger document that was brought up to a height, in place of an earlier one.
    pub(super) fn keep_ledger_document(&self, height: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.guarded(|| {
            let transaction = self.ledger.begin_write()?;
            {
                let mut saved = transaction.open_table(LEDGER)?;
                saved.retain(|_, _| false)?;
                saved.insert(height, bytes)?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

/// The operation that a record is about; a proposal is about its own.
fn about(record: &Record) -> Option<OperationId> {
    match &record.body.what {
        Statement::Propose { .. } => Some(record.body.id().into()),
        statement => statement.operation(),
    }
}

fn write_block(
    transaction: &WriteTransaction,
    block: &Arc<SealedBlock>,
    applied: &Arc<Applied>,
) -> Result<(), StoreError> {
    let height = block.seal.height;
    let mut grouped: BTreeMap<Option<OperationId>, Vec<RecordId>> = BTreeMap::new();
    {
        let mut records = transaction.open_table(RECORDS)?;
        let mut sealed = transaction.open_table(SEALED)?;
        for record in &block.records {
            let id = record.body.id();
            records.remove(id.as_bytes())?;
            sealed.insert(id.as_bytes(), &codec::encode(record)[..])?;
            grouped.entry(about(record)).or_default().push(id);
        }
    }
    let row = BlockRow {
        seal: block.seal.clone(),
        certificate: block.certificate.clone(),
        parts: applied.parts.clone(),
        records: grouped.into_iter().collect(),
    };
    insert(transaction.open_table(BLOCKS)?, height, &row)?;
    let seal = block.seal.id();
    transaction.open_table(SEALS)?.insert(height, seal.as_bytes())?;
    if let Some(sealers) = &applied.sealers {
        insert(transaction.open_table(SEALERS)?, height + 1, sealers.as_ref())?;
    }
    transaction.open_table(VOTES)?.retain(|_, _| false)?;
    transaction.open_table(LISTS)?.retain(|_, _| false)?;
    {
        let mut meta = transaction.open_table(META)?;
        let since: Option<(u64, u64)> = match meta.get("since")? {
            Some(row) => Some(decode("meta: since", row.value())?),
            None => None,
        };
        let (from, records) = since.unwrap_or((0, 0));
        let since = (from, records + block.records.len() as u64);
        meta.insert("since", &codec::encode(&since)[..])?;
    }
    write_changes(transaction, height, applied)?;
    let change = LedgerChange::from_applied(&block.seal, applied);
    insert(transaction.open_table(CHANGES)?, height, &change)?;
    for operation in &applied.closed {
        write_closed(transaction, height, applied, operation)?;
    }
    Ok(())
}

/// What a seal changed, by what it is asked for later.
fn write_changes(
    transaction: &WriteTransaction,
    height: u64,
    applied: &Applied,
) -> Result<(), StoreError> {
    let mut trust = transaction.open_table(TRUST)?;
    for ((node, entry), place) in applied.trust.iter().zip(0_u32..) {
        let key = (*node.as_bytes(), height, place);
        trust.insert(key, &codec::encode(entry)[..])?;
    }
    let mut members = transaction.open_table(MEMBERS)?;
    for change in &applied.members {
        let row: MemberRow = change.now;
        let key = (*change.node.as_bytes(), height);
        members.insert(key, &codec::encode(&row)[..])?;
    }
    let mut evidence = transaction.open_table(EVIDENCE)?;
    for (proof, place) in applied.evidence.iter().zip(0_u32..) {
        let row: EvidenceRow = (
            ByteBuf::from(proof.first.encode()),
            ByteBuf::from(proof.second.encode()),
        );
        evidence.insert((height, place), &codec::encode(&row)[..])?;
    }
    let mut effects = transaction.open_table(EFFECTS)?;
    for effect in &applied.effects {
        let row: EffectRow = effect.result.err().map(Into::into);
        effects.insert(effect.operation.as_bytes(), &codec::encode(&row)[..])?;
    }
    let mut rejoins = transaction.open_table(REJOINS)?;
    for id in &applied.rejoins {
        rejoins.insert(id.as_bytes(), height)?;
    }
    Ok(())
}

/// A closed operation becomes its document, and the rows of its records go.
fn write_closed(
    transaction: &WriteTransaction,
    height: u64,
    applied: &Applied,
    operation: &crate::agenda::OpenOperation,
) -> Result<(), StoreError> {
    let id = operation.id();
    let damaged = |reason: &str| StoreError::damaged(format!("operation {id}"), reason);
    let decision = operation.decision().ok_or(damaged("closed undecided"))?;
    let proof = applied.proof(&id).ok_or(damaged("closed unproved"))?;
    let closed = Closed {
        outcome: decision.outcome.clone(),
        decided_height: decision.height,
        closed_height: height,
    };
    insert_id(transaction.open_table(CLOSED)?, id.as_bytes(), &closed)?;
    let row = OperationRow {
        stored: operation.store(),
        height,
        proof,
    };
    insert_id(transaction.open_table(OPERATIONS)?, id.as_bytes(), &row)?;
    let records: Vec<Verified> = operation.records().cloned().collect();
    let document = OperationDocument::build(&records)?.save();
    let mut documents = transaction.open_table(DOCUMENTS)?;
    documents.insert(id.as_bytes(), &document[..])?;
    let mut sealed = transaction.open_table(SEALED)?;
    for record in &records {
        sealed.remove(record.id().as_bytes())?;
    }
    let mut unsealed = transaction.open_table(RECORDS)?;
    let late: Vec<_> = records.iter().map(Verified::id).collect();
    for record in late {
        unsealed.remove(record.as_bytes())?;
    }
    Ok(())
}

fn insert<T: Serialize>(
    mut table: redb::Table<'_, u64, &'static [u8]>,
    height: u64,
    row: &T,
) -> Result<(), StoreError> {
    table.insert(height, &codec::encode(row)[..])?;
    Ok(())
}

fn insert_id<T: Serialize>(
    mut table: redb::Table<'_, super::rows::Key, &'static [u8]>,
    id: &super::rows::Key,
    row: &T,
) -> Result<(), StoreError> {
    table.insert(id, &codec::encode(row)[..])?;
    Ok(())
}
