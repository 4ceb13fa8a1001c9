//! What `--export` writes: a network's record for others to read and to check without this program's say-so.
//!
//! ```text
//! genesis.json                  what certificates are verified against
//! ledger.automerge              roster, trust, outcomes, with their history
//! operations/ID.automerge       all records of an operation
//! certificates/ID.cbor          proof of its outcome
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mycnet_consensus::document::{LedgerDocument, OperationDocument};
use mycnet_consensus::internals::archive::Archive as _;
use mycnet_consensus::internals::history::History;
use mycnet_consensus::internals::ledger::Applied;
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{Genesis, OperationId};

const OPERATIONS: &str = "operations";
const CERTIFICATES: &str = "certificates";

/// An export under way.
pub(super) struct Export {
    directory: PathBuf,
    /// Every certificate shows the way from the genesis, so the log is kept.
    history: History,
}

impl Export {
    /// Starts an export into an empty directory.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn new(directory: PathBuf, genesis: &Genesis) -> anyhow::Result<Self> {
        for name in [OPERATIONS, CERTIFICATES] {
            let place = directory.join(name);
            fs::create_dir(&place).with_context(|| format!("cannot create {}", place.display()))?;
        }
        let text = serde_json::to_string_pretty(genesis)? + "\n";
        write(&directory.join("genesis.json"), text.as_bytes())?;
        Ok(Self {
            directory,
            history: History::new(genesis),
        })
    }

    /// Takes note of a seal, before what it closed is written.
    pub(super) fn seal(&mut self, block: Arc<SealedBlock>, applied: &Applied) {
        self.history.push(block, applied);
    }

    /// Writes a closed operation's document and certificate.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn operation(&self, document: &OperationDocument) -> anyhow::Result<()> {
        let id = document.operation_id();
        let file = self.place(OPERATIONS, id, "automerge");
        write(&file, &document.save())?;
        let certificate = self
            .history
            .certificate(&id)?
            .context("an operation that closed has no certificate")?;
        write(&self.place(CERTIFICATES, id, "cbor"), &certificate.encode())
    }

    /// Writes the ledger document, when it is complete.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn ledger(&self, document: &LedgerDocument) -> anyhow::Result<()> {
        let file = self.directory.join("ledger.automerge");
        write(&file, &document.save())
    }

    fn place(&self, kind: &str, id: OperationId, extension: &str) -> PathBuf {
        self.directory.join(kind).join(format!("{id}.{extension}"))
    }
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
