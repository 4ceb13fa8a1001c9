//! What others said and no seal lists yet: it waits in memory for the next commit.

use std::collections::{BTreeMap, BTreeSet};

use redb::WriteTransaction;

use super::StoreError;
use super::rows::{LISTS, RECORDS, VOTES};
use crate::base::codec;
use crate::base::digest::{RecordId, SealId};
use crate::core::Write;
use crate::ledger::Applied;
use crate::statement::record::Verified;

/// Bytes that are held at most. It bounds the memory, and what is fetched again after a crash.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that an id or a record takes beside its own.
const BESIDE_BYTES: usize = 64;

/// The change that the held writes make together. What a block makes useless before the next commit is never written.
#[derive(Debug, Default)]
pub(super) struct Held {
    records: BTreeMap<RecordId, Verified>,
    votes: BTreeMap<RecordId, Verified>,
    lists: BTreeMap<SealId, Vec<RecordId>>,
    /// Records and votes to remove.
    forgotten: BTreeSet<RecordId>,
    /// Own records that no rule needs any more.
    unjournalled: BTreeSet<RecordId>,
    /// Bytes taken since the last commit.
    bytes: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= HELD_BYTES_MAX
    }

    /// Takes a write that can wait.
    pub(super) fn take(&mut self, write: &Write) {
        self.bytes += BESIDE_BYTES;
        match write {
            Write::Record(record) => {
                self.bytes += record.encoded_len();
                self.forgotten.remove(&record.id());
                self.records.insert(record.id(), record.clone());
            }
            Write::Vote(record) => {
                self.bytes += record.encoded_len();
                self.forgotten.remove(&record.id());
                self.votes.insert(record.id(), record.clone());
            }
            Write::List { seal, list } => {
                self.bytes += BESIDE_BYTES * list.len();
                self.lists.insert(*seal, list.clone());
            }
            Write::Forget(ids) => {
                self.bytes += BESIDE_BYTES * ids.len();
                for id in ids {
                    self.records.remove(id);
                    self.votes.remove(id);
                }
                self.forgotten.extend(ids);
            }
            Write::Unjournal(ids) => {
                self.bytes += BESIDE_BYTES * ids.len();
                self.unjournalled.extend(ids);
            }
            _ => debug_assert!(write.can_wait(), "only the writes above can wait"),
        }
    }

    /// An own record that was signed after it had been useless is needed again.
    pub(super) fn journalled(&mut self, id: &RecordId) {
        self.unjournalled.remove(id);
    }

    /// The next block has the records, and no rule needs the votes and lists that led to it.
    pub(super) fn sealed(&mut self, applied: &Applied) {
        for id in &applied.records {
            self.records.remove(id);
        }
        self.votes.clear();
        self.lists.clear();
    }

    /// The own records that no rule needs any more.
    pub(super) fn unjournalled(&self) -> &BTreeSet<RecordId> {
        &self.unjournalled
    }

    /// Writes the change, except to own records.
    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut records = transaction.open_table(RECORDS)?;
        let mut votes = transaction.open_table(VOTES)?;
        for id in &self.forgotten {
            records.remove(id.as_bytes())?;
            votes.remove(id.as_bytes())?;
        }
        for (id, record) in &self.records {
            records.insert(id.as_bytes(), &record.encode()[..])?;
        }
        for (id, vote) in &self.votes {
            votes.insert(id.as_bytes(), &vote.encode()[..])?;
        }
        let mut lists = transaction.open_table(LISTS)?;
        for (seal, list) in &self.lists {
            lists.insert(seal.as_bytes(), &codec::encode(list)[..])?;
        }
        Ok(())
    }
}
