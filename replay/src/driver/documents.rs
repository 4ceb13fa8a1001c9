//! A replica's documents: built from what is sealed, on a thread of their own, and not kept.
//!
//! Nothing waits for documents (DESIGN section 9), so they take the time that agreeing leaves on other processors. What
//! they hold follows from the seals alone, not from when they are built.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument};
use mycnet_consensus::internals::digest::DOCUMENTS;
use mycnet_consensus::internals::ledger::Applied;
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{Digest, Genesis, OperationId};

use super::export::Export;

/// Seals that may wait to be filed: enough that neither side waits for the other at every seal, few enough to hold.
pub(super) const SEALS_WAITING_MAX: usize = 8;

/// A seal and what it changed.
pub(super) struct Sealed {
    pub(super) block: Arc<SealedBlock>,
    pub(super) applied: Arc<Applied>,
}

/// The way to a replica's documents.
pub(super) type Filing = SyncSender<Sealed>;

/// The ledger document, what identifies the operations' documents, and the export, if there is one.
pub(super) struct Documents {
    ledger: LedgerDocument,
    operations: BTreeMap<OperationId, Digest>,
    export: Option<Export>,
}

impl Documents {
    /// The documents of a network at its genesis; with `export`, they are written as they are built.
    pub(super) fn new(genesis: &Genesis, export: Option<Export>) -> Self {
        Self {
            ledger: LedgerDocument::new(genesis),
            operations: BTreeMap::new(),
            export,
        }
    }

    /// Files every seal until no more can come. Gives one digest of the heads of all documents.
    ///
    /// # Errors
    ///
    /// A failed write; anything else would be a bug.
    pub(super) fn file_all(mut self, sealed: &Receiver<Sealed>) -> anyhow::Result<Digest> {
        for Sealed { block, applied } in sealed {
            self.file(block, &applied)?;
        }
        if let Some(export) = &self.export {
            export.ledger(&self.ledger)?;
        }
        Ok(self.digest())
    }

    /// Adds what a seal changed: one change of the ledger document, and a document for each operation that it closed.
    fn file(&mut self, block: Arc<SealedBlock>, applied: &Applied) -> anyhow::Result<()> {
        let change = LedgerChange::from_applied(&block.seal, applied);
        self.ledger.append(&change)?;
        if let Some(export) = &mut self.export {
            export.seal(block, applied);
        }
        for operation in &applied.closed {
            let records: Vec<Verified> = operation.records().cloned().collect();
            let document = OperationDocument::build(&records)?;
            if let Some(export) = &self.export {
                export.operation(&document)?;
            }
            self.operations.insert(operation.id(), document.digest());
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
