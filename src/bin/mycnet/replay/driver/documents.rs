//! A replica's documents: built as soon as there is something to build them from, and not kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_consensus::digest::{DOCUMENTS, Digest, OperationId};
use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument};
use mycnet_consensus::genesis::Genesis;
use mycnet_consensus::ledger::Applied;
use mycnet_consensus::record::Verified;
use mycnet_consensus::seal::SealedBlock;

/// The directory of the operations' documents in an export.
const OPERATIONS: &str = "operations";

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

    /// Adds what a seal changed: one change of the ledger document, and a document for each operation that it closed.
    ///
    /// # Errors
    ///
    /// A failed write; anything else would be a bug.
    pub(super) fn seal(&mut self, block: &SealedBlock, applied: &Applied) -> anyhow::Result<()> {
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

    /// Writes what is complete only at the end.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        match &self.export {
            Some(directory) => write(&directory.join("ledger.automerge"), &self.ledger.save()),
            None => Ok(()),
        }
    }

    /// One digest of the heads of all documents.
    pub(super) fn digest(&self) -> Digest {
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
