//! A replica's documents: built from what is sealed, on a thread of their own, and not kept.
//!
//! Nothing waits for documents (DESIGN section 9), so they take the time that agreeing leaves on other processors. What
//! they hold follows from the seals alone, not from when they are built.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use anyhow::Context as _;
use mycnet_consensus::digest::{DOCUMENTS, Digest, OperationId};
use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument};
use mycnet_consensus::genesis::Genesis;
use mycnet_consensus::ledger::Applied;
use mycnet_consensus::record::Verified;
use mycnet_consensus::seal::SealedBlock;

/// The directory of the operations' documents in an export.
const OPERATIONS: &str = "operations";

/// Seals that may wait to be filed: enough that neither side waits for the other at every seal, few enough to hold.
pub(super) const SEALS_WAITING_MAX: usize = 8;

/// A seal and what it changed.
pub(super) struct Sealed {
    pub(super) block: Arc<SealedBlock>,
    pub(super) applied: Arc<Applied>,
}

/// The way to a replica's documents.
pub(super) type Filing = SyncSender<Sealed>;

/// The ledger document, what identifies the operations' documents, and where they are exported to.
pub(super) struct Documents {
    ledger: LedgerDocument,
    operations: BTreeMap<OperationId, Digest>,
    export: Option<PathBuf>,
}

impl Documents {
    /// The documents of a network at its genesis. With `export`, they are written into that directory.
    ///
    /// # Errors
    ///
    /// A directory that cannot be made.
    pub(super) fn new(genesis: &Genesis, export: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(directory) = &export {
            let directory = directory.join(OPERATIONS);
            fs::create_dir(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        Ok(Self {
            ledger: LedgerDocument::new(genesis),
            operations: BTreeMap::new(),
            export,
        })
    }

    /// Files every seal until no more can come. Gives one digest of the heads of all documents.
    ///
    /// # Errors
    ///
    /// A failed write; anything else would be a bug.
    pub(super) fn file_all(mut self, sealed: &Receiver<Sealed>) -> anyhow::Result<Digest> {
        for Sealed { block, applied } in sealed {
            self.file(&block, &applied)?;
        }
        if let Some(directory) = &self.export {
            write(&directory.join("ledger.automerge"), &self.ledger.save())?;
        }
        Ok(self.digest())
    }

    /// Adds what a seal changed: one change of the ledger document, and a document for each operation that it closed.
    fn file(&mut self, block: &SealedBlock, applied: &Applied) -> anyhow::Result<()> {
        let change = LedgerChange::from_applied(&block.seal, applied);
        self.ledger.append(&change)?;
        for operation in &applied.closed {
            let records: Vec<Verified> = operation.records().cloned().collect();
            let document = OperationDocument::build(&records)?;
            let id = operation.id();
            if let Some(directory) = &self.export {
                let file = directory.join(OPERATIONS).join(format!("{id}.automerge"));
                write(&file, &document.save())?;
            }
            self.operations.insert(id, document.digest());
        }
        Ok(())
    }

    fn digest(&self) -> Digest {
        let ledger = self.ledger.digest();
        let mut parts: Vec<&[u8]> = vec![b"replay", ledger.as_bytes()];
        for (id, heads) in &self.operations {
            parts.extend([&id.as_bytes()[..], &heads.as_bytes()[..]]);
        }
        Digest::from_bytes(DOCUMENTS.hash_parts(&parts))
    }
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
