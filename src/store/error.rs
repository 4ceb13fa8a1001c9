//! Why the disk did not do what it should.

use std::path::PathBuf;

use crate::codec::CodecError;
use crate::document::DocumentError;
use crate::rejection::Rejection;

/// Why a store cannot be made, opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no ledger.
    #[error("there is no ledger at {}", .0.display())]
    Missing(PathBuf),
    /// There is a ledger already.
    #[error("there is a ledger at {} already", .0.display())]
    Exists(PathBuf),
    /// Another process has it open.
    #[error("{} is open in another process", .0.display())]
    Locked(PathBuf),
    /// A file or directory failed.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// How.
        error: std::io::Error,
    },
    /// A database cannot be opened.
    #[error("{}: {error}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// How.
        error: redb::DatabaseError,
    },
    /// The ledger was written by a later version of this crate.
    #[error("the ledger has format {found}; this version reads format {known}")]
    Version {
        /// The format found.
        found: u64,
        /// The format known.
        known: u64,
    },
    /// A row is missing or does not read as it was written.
    #[error("the ledger is damaged: {place}: {reason}")]
    Damaged {
        /// The table, and the row if there is one.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// What is stored is not what was sealed.
    #[error("the ledger is damaged: {0}")]
    NotSealed(#[from] Rejection),
    /// A document cannot be built or read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An earlier write failed; nothing is written until the store is opened again.
    #[error("an earlier write failed: nothing more is written until the node starts again")]
    Failed,
    /// The database failed: the disk is full, or broken.
    #[error("the disk failed: {0}")]
    Redb(#[from] Box<redb::Error>),
}

impl StoreError {
    pub(super) fn damaged(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Damaged {
            place: place.into(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn unreadable(place: &str, error: &CodecError) -> Self {
        Self::damaged(place, error)
    }
}

/// All of redb's errors say that the disk failed, or that this crate misused it.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        })*
    };
}

from_redb!(
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    DatabaseError
);
