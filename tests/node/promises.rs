//! Compares the nodes' promises with their disks: no slot signed twice, no acknowledged record lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mycnet_consensus::internals::record::{Record, Signed, Slot, Statement};
use mycnet_consensus::store::{Store, StoreError};
use mycnet_consensus::{NodeId, OperationId, RecordId};

/// Every signed slot, seen on any disk.
#[derive(Debug, Default)]
pub struct Slots(BTreeMap<(NodeId, Slot), RecordId>);

impl Slots {
    pub fn see(&mut self, record: &Record) -> Result<(), String> {
        let Some(slot) = record.body.what.slot() else {
            return Ok(());
        };
        let (author, id) = (record.body.by, record.body.id());
        match *self.0.entry((author, slot)).or_insert(id) {
            first if first == id => Ok(()),
            first => Err(format!("{author} signed {slot:?} twice: {first} and {id}")),
        }
    }

    /// How many slots were seen.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The acknowledgements of one node, and how far its disk was checked.
#[derive(Debug, Default)]
pub struct Promises {
    /// The last checked height.
    pub height: u64,
    sealed: BTreeSet<RecordId>,
    committed: BTreeSet<(OperationId, NodeId)>,
    /// Operations whose proposal or vote it acknowledged.
    proposed: BTreeSet<OperationId>,
    voted: BTreeSet<OperationId>,
    /// The highest seal that it reported.
    pub said_height: u64,
}

impl Promises {
    pub fn proposed(&mut self, operation: OperationId) {
        self.proposed.insert(operation);
    }

    pub fn voted(&mut self, operation: OperationId) {
        self.voted.insert(operation);
    }

    pub fn acknowledged(&self) -> usize {
        self.proposed.len() + self.voted.len()
    }

    /// Its acknowledged proposals.
    pub fn proposals(&self) -> impl Iterator<Item = &OperationId> {
        self.proposed.iter()
    }

    /// Checks the disk of node `me`: notes every record on it, and reports what is missing.
    pub fn check(&mut self, me: NodeId, store: &Store, slots: &mut Slots) -> Result<(), String> {
        let failed = |error: StoreError| error.to_string();
        let height = store.height().map_err(failed)?;
        if height < self.said_height {
            return Err(format!("height {} became {height}", self.said_height));
        }
        for at in self.height + 1..=height {
            let block = store.block(at).map_err(failed)?;
            let block = block.ok_or_else(|| format!("no block {at} of {height}"))?;
            for record in &block.records {
                slots.see(record)?;
                self.sealed.insert(record.body.id());
                if let Statement::Commit { operation, .. } = &record.body.what {
                    self.committed.insert((*operation, record.body.by));
                }
            }
            for vote in &block.certificate.votes {
                slots.see(vote)?;
            }
        }
        self.height = height;
        let saved = store.saved().map_err(failed)?;
        let mut own_commits = BTreeSet::new();
        for entry in saved.journal.values() {
            slots.see(&entry.record)?;
            if let Statement::Commit { operation, .. } = &entry.record.body.what {
                own_commits.insert(*operation);
            }
        }
        for bytes in saved.records.values().chain(saved.votes.values()) {
            let signed = Signed::decode(bytes).map_err(|error| error.to_string())?;
            slots.see(signed.record())?;
        }
        for operation in &self.proposed {
            let id = RecordId::from(*operation);
            if !saved.journal.contains_key(&id) && !self.sealed.contains(&id) {
                return Err(format!("acknowledged proposal {operation} is lost"));
            }
        }
        let closed = store.all_closed().map_err(failed)?;
        let closed: BTreeSet<OperationId> = closed.iter().map(|it| it.operation).collect();
        for operation in &self.voted {
            // A commit that came after the freeze is not kept once the operation is closed.
            let is_kept = own_commits.contains(operation)
                || self.committed.contains(&(*operation, me))
                || closed.contains(operation);
            if !is_kept {
                return Err(format!("acknowledged vote on {operation} is lost"));
            }
        }
        Ok(())
    }
}

/// Opens a copy of a node's disk, so that its next start finds what the stop left.
pub fn copy_of(directory: &Path) -> (crate::federation::Directory, Store) {
    let copy = crate::federation::Directory::new();
    copy_files(directory, copy.path());
    let store = Store::open(copy.path()).unwrap();
    (copy, store)
}

/// Copies both databases.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["ledger.redb", "journal.redb"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}
