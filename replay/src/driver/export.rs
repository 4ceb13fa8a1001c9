//! What `--export` writes: the record of a network, for others to read and to check without this program.
//!
//! ```text
//! genesis.json                  what certificates are verified against
//! ledger.automerge              roster, trust, outcomes, with their history
//! operations/ID.automerge       all records of an operation
//! certificates/ID.cbor          proof of its outcome
//! ```

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use mycnet_consensus::Genesis;
use mycnet_consensus::core::{Archive as _, History, Prover};
use mycnet_consensus::document::OperationDocument;

/// An export under way.
pub(super) struct Export {
    directory: PathBuf,
    /// The sealed log: every certificate shows the way from the genesis.
    pub(super) history: History,
}

impl Export {
    /// Starts an export into an empty directory.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn new(directory: PathBuf, genesis: &Genesis) -> anyhow::Result<Self> {
        for name in ["operations", "certificates"] {
            let place = directory.join(name);
            fs::create_dir(&place).with_context(|| format!("cannot create {}", place.display()))?;
        }
        let history = History::new(genesis);
        let export = Self { directory, history };
        let text = serde_json::to_string_pretty(genesis)? + "\n";
        export.write("genesis.json", text.as_bytes())?;
        Ok(export)
    }

    /// Writes a closed operation's document.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn operation(&self, document: &OperationDocument) -> anyhow::Result<()> {
        let id = document.operation_id();
        self.write(&format!("operations/{id}.automerge"), &document.save())?;
        Ok(())
    }

    /// Writes the certificates of all closed operations. They lead to the last seal.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn certificates(&self, genesis: &Genesis) -> anyhow::Result<()> {
        let Some(prover) = Prover::new(&self.history, genesis)? else {
            return Ok(());
        };
        for closed in self.history.all_closed()? {
            let id = closed.operation;
            let certificate = prover.certificate(&id, None)?;
            let certificate = certificate.context("an operation that closed has no certificate")?;
            self.write(&format!("certificates/{id}.cbor"), &certificate.encode())?;
        }
        Ok(())
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let file = self.directory.join(name);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }
}
