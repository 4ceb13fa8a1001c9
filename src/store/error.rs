//! Why the disk did not do what it should.

use std::path::PathBuf;

use crate::base::codec::CodecError;
use crate::base::digest::{NetworkId, NodeId};
use crate::base::rejection::Rejection;
use crate::document::DocumentError;

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
    /// The store is another node's.
    #[error("the store is node {found}'s, and the key is node {given}'s")]
    OtherNode {
        /// The node whose store it is.
        found: NodeId,
        /// The node whose key was given.
        given: NodeId,
    },
    /// The journal is another network's.
    #[error("the journal is network {found}'s, and the ledger is network {given}'s")]
    OtherNetwork {
        /// The network whose journal it is.
        found: NetworkId,
        /// The ledger's network.
        given: NetworkId,
    },
    /// A row is missing or does not read as it was written.
    #[error("the store is damaged: {place}: {reason}")]
    Damaged {
        /// The table, and the row if there is one.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// What is stored reads well, and is not what was sealed.
    #[error("the store is damaged: {place}: {rejection}")]
    NotSealed {
        /// What was read.
        place: String,
        /// How it differs.
        rejection: Rejection,
    },
    /// A ledger document cannot be built or read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The certificate of an operation would be too long to be read by anybody.
    #[error("there is no certificate: {0}")]
    CertificateTooLong(Rejection),
    /// Something other than a `Rejoin` was signed although the journal is lost.
    #[error("the journal is lost: nothing but a Rejoin may be signed")]
    JournalLost,
    /// An earlier write failed; nothing is written until the store is opened again.
    #[error("an earlier write failed: nothing more is written until the node starts again")]
    Failed,
    /// The database failed: the disk is full, or broken.
    #[error("the disk failed: {0}")]
    Redb(#[from] Box<redb::Error>),
}

impl StoreError {
    #[allow(
        clippy::needless_pass_by_value,
        reason = "reasons are texts and errors alike, made where they are given"
    )]
    pub(super) fn damaged(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Damaged {
            place: place.into(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn unreadable(place: &str, error: &CodecError) -> Self {
        Self::damaged(place, error)
    }

    pub(super) fn not_sealed(place: impl Into<String>, rejection: Rejection) -> Self {
        Self::NotSealed {
            place: place.into(),
            rejection,
        }
    }
}

impl From<redb::Error> for StoreError {
    /// A table that is not there, or a page that is not what it was, is damage; all else says that the disk failed.
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::TableDoesNotExist(name) => Self::damaged(name, "the table is missing"),
            redb::Error::TableTypeMismatch { table, .. } => {
                Self::damaged(table, "the table has rows of another type")
            }
            redb::Error::Corrupted(reason) => Self::damaged("a page of the database", reason),
            error => Self::Redb(Box::new(error)),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
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
