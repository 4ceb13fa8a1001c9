//! A replica's documents: built from its seals on a thread of their own, and not kept.
//!
//! Nothing waits for documents (D4), so they use the processors that agreement leaves idle. Their content
//! follows from the seals alone, not from the time of building.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use mycnet_consensus::core::{Applied, SealedBlock};
use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument, digest_of_all};
use mycnet_consensus::{Digest, Genesis};

use super::export::Export;

/// Seals that may wait to be filed: enough that neither side waits at every seal, and few enough to hold in memory.
pub(super) const SEALS_WAITING_MAX: usize = 8;

/// A seal and what it changed.
type Sealed = (Arc<SealedBlock>, Arc<Applied>);

/// The way to a replica's documents.
pub(super) type Filing = SyncSender<Sealed>;

/// Files every seal until the senders are gone, and writes the documents if there is an export. Returns one digest of all
/// documents.
///
/// # Errors
///
/// A failed write. Anything else would be a bug.
pub(super) fn file_all(
    genesis: &Genesis,
    mut export: Option<Export>,
    sealed: &Receiver<Sealed>,
) -> anyhow::Result<Digest> {
    let mut ledger = LedgerDocument::new(genesis);
    let mut operations = BTreeMap::new();
    for (block, applied) in sealed {
        ledger.append(&LedgerChange::from_applied(&block.seal, &applied))?;
        if let Some(export) = &mut export {
            export.history.push(block, &applied);
        }
        for operation in &applied.closed {
            let records: Vec<_> = operation.records().cloned().collect();
            let document = OperationDocument::build(&records)?;
            if let Some(export) = &export {
                export.operation(&document)?;
            }
            operations.insert(operation.id(), document.digest());
        }
    }
    if let Some(export) = &export {
        export.certificates(genesis)?;
        export.write("ledger.automerge", &ledger.save())?;
    }
    Ok(digest_of_all(&ledger, &operations))
}
