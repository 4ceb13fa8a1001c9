//! The documents that readers get: the ledger's, and one for each operation. They are those that a node exports: made here of the
//! changes of seals and of signed records, and so the same wherever and whenever they are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use automerge::Automerge;
use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument};
use mycnet_consensus::{Genesis, NetworkId, Verified};
use tokio::sync::Mutex;
use tokio::task::block_in_place;

/// The id of a document: the first 16 bytes of a network's or an operation's id, marked as a random UUID, as automerge-repo wants it.
pub(crate) fn document_id(of: &[u8; 32]) -> String {
    let mut id = [0; 16];
    id.copy_from_slice(&of[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    bs58::encode(id).with_check().into_string()
}

/// What readers of a document share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) automerge: Arc<Mutex<Automerge>>,
    /// Grows with every change.
    version: AtomicU64,
}

impl Shared {
    pub(crate) fn new(of: &[u8; 32]) -> Arc<Self> {
        Arc::new(Self {
            id: document_id(of),
            automerge: Arc::default(),
            version: AtomicU64::new(0),
        })
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Adds changes that this process made. Those that it has already do nothing.
    pub(crate) async fn add(&self, changes: &[u8]) -> anyhow::Result<()> {
        let mut automerge = self.automerge.lock().await;
        let before = automerge.get_heads();
        block_in_place(|| automerge.load_incremental(changes))?;
        if automerge.get_heads() != before {
            self.version.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }
}

/// A network's ledger, and its document.
#[derive(Debug)]
pub(crate) struct Ledger {
    document: LedgerDocument,
    pub(crate) shared: Arc<Shared>,
}

impl Ledger {
    /// At height 0, where the document is empty and no reader can have it.
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let document = LedgerDocument::new(genesis);
        let shared = Shared::new(document.network().as_bytes());
        Self { document, shared }
    }

    pub(crate) fn height(&self) -> u64 {
        self.document.height()
    }

    /// Adds the next seals, which readers then get together.
    pub(crate) async fn append(
        &mut self,
        changes: impl Iterator<Item = &LedgerChange>,
    ) -> anyhow::Result<()> {
        let before = self.height();
        let document = &mut self.document;
        let added = block_in_place(|| {
            for change in changes {
                document.append(change)?;
            }
            anyhow::Ok(document.save_after(before))
        });
        self.shared.add(&added?).await
    }
}

/// The bytes of an operation's document, of its records in hexadecimal.
pub(crate) fn of_operation(network: NetworkId, records: &[String]) -> anyhow::Result<Vec<u8>> {
    let records: anyhow::Result<Vec<Verified>> = records
        .iter()
        .map(|digits| {
            let bytes = hex::decode(digits).context("a record is no hexadecimal text")?;
            Ok(Verified::read(&bytes, network)?)
        })
        .collect();
    Ok(OperationDocument::build(&records?)?.save())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Links outlive versions of this program.
    #[test]
    fn the_id_follows_from_what_it_is_of() {
        let of = [0x5a; 32];
        let bytes = bs58::decode(document_id(&of)).with_check(None).into_vec();
        let mut expected = [0x5a; 16];
        (expected[6], expected[8]) = (0x4a, 0x9a);
        assert_eq!(bytes.unwrap(), expected);
        assert_eq!(document_id(&of), document_id(&of));
        assert_ne!(document_id(&of), document_id(&[0x5b; 32]));
    }
}
