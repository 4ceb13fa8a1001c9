//! A node's disk: two redb databases in one directory (feature `store`).
//!
//! | file | what it holds |
//! |---|---|
//! | `ledger.redb` | sealed heights, open and closed operations, unsealed records, votes on the next seal, checkpoints |
//! | `journal.redb` | own records by slot: the sign guard (DESIGN section 8) |
//!
//! Invariants:
//!
//! - *Durable before it is said.* [`Store::write`] returns when everything is on the disk; the host sends afterwards. The
//!   journal is written first.
//! - *A journal that is behind is noticed.* Each write counts in both databases. A journal that counts less than the
//!   ledger was deleted or replaced by an old one ([`Loaded::journal_lost`]).
//! - *Closed operations are their documents.* The rows of an operation's records go when it closes; blocks name them by
//!   id, and they are read back from the document.
//! - *Starts do not repeat the past.* A [`Checkpoint`](crate::ledger::Checkpoint) is written every [`CHECKPOINT_HEIGHTS`]
//!   heights; its seal states its digest, so that a damaged one is refused.
//! - *After a failed write nothing more is written*: what is in memory and what is on the disk may differ. Reading goes on.

mod error;
mod load;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use redb::{Database, ReadableDatabase as _, StorageBackend};

pub use error::StoreError;
pub use load::Loaded;

use crate::digest::{NetworkId, NodeId};
use crate::genesis::Genesis;
use read::Documents;

/// Heights after which a checkpoint is due.
pub const CHECKPOINT_HEIGHTS: u64 = 32;

/// Sealed records after which a checkpoint is due: applying them again costs a start some 10 microseconds each.
pub const CHECKPOINT_RECORDS: u64 = 4096;

/// What redb may keep of each database in memory. Its own default is a gigabyte.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

const LEDGER_FILE: &str = "ledger.redb";
const JOURNAL_FILE: &str = "journal.redb";

/// A node's databases. Opening one locks it: a second process is refused.
#[derive(Debug)]
pub struct Store {
    genesis: Genesis,
    node: NodeId,
    ledger: Database,
    journal: Database,
    documents: Mutex<Documents>,
    has_failed: AtomicBool,
}

impl Store {
    /// Makes the databases of a node in a directory, which is created if need be.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] if there is a ledger already; otherwise as [`Store::open`].
    pub fn create(directory: &Path, genesis: &Genesis, node: NodeId) -> Result<Self, StoreError> {
        let (ledger, journal) = files(directory);
        if ledger.exists() {
            return Err(StoreError::Exists(ledger));
        }
        std::fs::create_dir_all(directory).map_err(|error| StoreError::File {
            path: directory.to_path_buf(),
            error,
        })?;
        let open = |path: &Path| builder().create(path).map_err(|error| at(path, error));
        Self::begin(open(&ledger)?, open(&journal)?, genesis, node)
    }

    /// Opens the databases in a directory. A missing journal is made anew, and [`Loaded::journal_lost`] says so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is no ledger, [`StoreError::Locked`] if a process has it open,
    /// [`StoreError::Version`] for one of a later version, [`StoreError::Damaged`] if it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let (ledger, journal) = files(directory);
        if !ledger.exists() {
            return Err(StoreError::Missing(ledger));
        }
        let ledger_database = builder().open(&ledger).map_err(|error| at(&ledger, error))?;
        let journal_database = builder()
            .create(&journal)
            .map_err(|error| at(&journal, error))?;
        Self::resume(ledger_database, journal_database)
    }

    /// Databases on other media than files.
    ///
    /// # Errors
    ///
    /// As [`Store::create`].
    pub fn create_on(
        ledger: impl StorageBackend,
        journal: impl StorageBackend,
        genesis: &Genesis,
        node: NodeId,
    ) -> Result<Self, StoreError> {
        let ledger = builder().create_with_backend(ledger)?;
        let journal = builder().create_with_backend(journal)?;
        Self::begin(ledger, journal, genesis, node)
    }

    /// Databases on other media than files, made by [`Store::create_on`].
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_on(
        ledger: impl StorageBackend,
        journal: impl StorageBackend,
    ) -> Result<Self, StoreError> {
        let ledger = builder().create_with_backend(ledger)?;
        let journal = builder().create_with_backend(journal)?;
        Self::resume(ledger, journal)
    }

    fn begin(
        ledger: Database,
        journal: Database,
        genesis: &Genesis,
        node: NodeId,
    ) -> Result<Self, StoreError> {
        write::create_tables(&ledger, &journal, genesis, node)?;
        Self::resume(ledger, journal)
    }

    fn resume(ledger: Database, journal: Database) -> Result<Self, StoreError> {
        let (genesis, node) = load::header(&ledger.begin_read()?)?;
        write::create_journal(&journal)?;
        Ok(Self {
            genesis,
            node,
            ledger,
            journal,
            documents: Mutex::new(Documents::default()),
            has_failed: AtomicBool::new(false),
        })
    }

    /// The genesis of the network.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The network.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        self.genesis.network_id()
    }

    /// The node whose records the journal holds.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node
    }
}

fn files(directory: &Path) -> (PathBuf, PathBuf) {
    (directory.join(LEDGER_FILE), directory.join(JOURNAL_FILE))
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn at(path: &Path, error: redb::DatabaseError) -> StoreError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => StoreError::Locked(path.to_path_buf()),
        error => StoreError::Database {
            path: path.to_path_buf(),
            error,
        },
    }
}
