//! Own records: first in the ledger's commit, later in the journal.
//!
//! The commit that makes an own record durable is the ledger's, which also has what moved the node to it. From there own records move
//! to the journal, many at once, so that they outlive the ledger. The journal counts these moves, and so does the ledger.

use std::collections::BTreeSet;

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::held::Held;
use super::rows::{COUNTS, ENTRIES, META, OWN, OWNER, decode};
use super::{Store, StoreError};
use crate::base::digest::RecordId;

/// Own records after which they move to the journal, although no checkpoint is due.
const OWN_MAX: usize = 1024;

/// The state between two writes. A writer holds it.
#[derive(Debug)]
pub(super) struct Writing {
    /// The journal's own count of its writes.
    pub(super) journal: u64,
    /// The ledger's count of the journal's writes.
    pub(super) known: u64,
    /// The journal's count after a write that was begun: the ledger says so first.
    pub(super) ahead: Option<u64>,
    /// Whether the two databases do not fit together, which only a `Rejoin` repairs.
    pub(super) is_lost: bool,
    /// Whether the journal counted a write since the store was opened.
    is_counted: bool,
    /// Own records that are in the ledger alone.
    pub(super) own: BTreeSet<RecordId>,
    /// Own records that have moved to the journal. The next commit removes them from the ledger.
    pub(super) moved: BTreeSet<RecordId>,
    /// Entries of the journal that the durable ledger has made useless.
    pub(super) spent: BTreeSet<RecordId>,
    /// What waits for the next commit.
    pub(super) held: Held,
}

impl Writing {
    /// Compares the databases. The journal may be the one write ahead of the ledger that the ledger said was begun.
    pub(super) fn open(ledger: &Database, journal: &Database) -> Result<Self, StoreError> {
        let counts = journal.begin_read()?.open_table(COUNTS)?;
        let journal = counts.get("count")?.map_or(0, |count| count.value());
        let reading = ledger.begin_read()?;
        let mut own = BTreeSet::new();
        for row in reading.open_table(OWN)?.iter()? {
            own.insert(RecordId::from_bytes(*row?.0.value()));
        }
        let meta = reading.open_table(META)?;
        let row = meta.get("journal")?;
        let row = row.map(|row| decode("meta: journal", row.value()));
        let mut known: u64 = row.transpose()?.unwrap_or(0);
        let row = meta.get("ahead")?;
        let row = row.map(|row| decode("meta: ahead", row.value()));
        let ahead: Option<u64> = row.transpose()?;
        if journal > known && ahead == Some(journal) {
            known = journal;
        }
        Ok(Self {
            journal,
            known,
            ahead,
            is_lost: journal != known,
            is_counted: false,
            own,
            moved: BTreeSet::new(),
            spent: BTreeSet::new(),
            held: Held::default(),
        })
    }

    /// Whether own records move with the next commit that has some. The first ones after a start do, so that the counts tell an old
    /// copy of either database, made while the node was stopped. So does the `Rejoin` that repairs a lost journal.
    pub(super) fn is_move_due(&self) -> bool {
        self.is_lost || !self.is_counted || self.own.len() >= OWN_MAX
    }

    /// Begins a write of the journal, which makes this its count; the next commit of the ledger says so. A new journal continues the
    /// count of the lost one.
    pub(super) fn begin_move(&mut self) -> u64 {
        let count = self.journal.max(self.known) + 1;
        self.ahead = Some(count);
        count
    }
}

impl Store {
    /// Moves own records to the journal, and removes from it what the durable ledger has made useless. While the journal is lost, it
    /// does not count this, so that it still counts as lost.
    pub(super) fn empty_own(&self, writing: &mut Writing) -> Result<(), StoreError> {
        if writing.own.is_empty() && writing.spent.is_empty() && writing.held.is_empty() {
            return Ok(());
        }
        let count = (!writing.is_lost).then(|| writing.begin_move());
        self.commit(writing, &[])?;
        self.write_journal(writing, count)
    }

    /// Writes the journal, after the commit of the ledger that says so. `count` is the journal's from then on, if the write counts.
    pub(super) fn write_journal(
        &self,
        writing: &mut Writing,
        count: Option<u64>,
    ) -> Result<(), StoreError> {
        let reading = self.ledger.database().begin_read()?;
        let own = reading.open_table(OWN)?;
        let transaction = self.journal.database().begin_write()?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for id in &writing.spent {
                entries.remove(id.as_bytes())?;
            }
            for row in own.iter()? {
                let (id, entry) = row?;
                entries.insert(id.value(), entry.value())?;
            }
            if let Some(count) = count {
                transaction.open_table(COUNTS)?.insert("count", count)?;
            }
            // Programs that knew only format 1 of the ledger left it.
            transaction.open_table(OWNER)?.remove("ahead")?;
        }
        transaction.commit()?;
        writing.spent.clear();
        writing.moved.append(&mut writing.own);
        if let Some(count) = count {
            (writing.journal, writing.known) = (count, count);
            (writing.is_lost, writing.is_counted) = (false, true);
        }
        Ok(())
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
                (writing.ahead, writing.is_lost) = (None, true);
                self.commit(writing, &[])?;
            }
            Ok(())
        })
    }
}
