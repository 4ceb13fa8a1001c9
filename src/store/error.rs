//! Errors of the store.

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
    /// Another process has the store open.
    #[error("{} is open in another process", .0.display())]
    Locked(PathBuf),
    /// A file operation failed.
    #[error("{}: {error}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// A database cannot be opened.
    #[error("{}: {error}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// redb's error.
        error: redb::DatabaseError,
    },
    /// A later version of this crate wrote the ledger.
    #[error("the ledger has format {found}; this version reads format {known}")]
    Version {
        /// The format of the ledger.
        found: u64,
        /// The format that this version reads.
        known: u64,
    },
    /// An earlier version of this crate wrote the ledger, and its seals state other digests than this version computes.
    #[error(
        "the ledger has format {found}, and its network the rules of an earlier version: go on with the version that wrote it, or \
         begin a new network with this one"
    )]
    EarlierRules {
        /// The format of the ledger.
        found: u64,
    },
    /// The store belongs to another node.
    #[error("the store belongs to node {found}, but the key to node {given}")]
    OtherNode {
        /// The node of the store.
        found: NodeId,
        /// The node of the given key.
        given: NodeId,
    },
    /// The journal belongs to another node or network than the ledger.
    #[error(
        "the journal is that of node {} in network {}, and not of node {} in network {}",
        .0.node, .0.network, .0.wanted_node, .0.wanted_network
    )]
    OtherJournal(Box<OtherJournal>),
    /// The node goes on in another network, and its databases could not be made. Nothing is lost.
    #[error("the node goes on in a new network, and its databases cannot be made: {0}")]
    NotMoved(String),
    /// The directory has the ledger of a network that its node has left; the node runs in another directory.
    #[error("{} has the ledger of a network that its node has left", .0.display())]
    Past(PathBuf),
    /// A row is missing or cannot be decoded.
    #[error("the store is damaged: {place}: {reason}")]
    Damaged {
        /// The table, and the row if there is one.
        place: String,
        /// The fault.
        reason: String,
    },
    /// Stored data decodes, but differs from what was sealed.
    #[error("the store is damaged: {place}: {rejection}")]
    NotSealed {
        /// The table and row.
        place: String,
        /// The difference.
        rejection: Rejection,
    },
    /// A ledger document cannot be built or read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Something other than a `Rejoin` was signed although the journal is lost.
    #[error("the journal is lost: only a Rejoin may be signed")]
    JournalLost,
    /// An earlier write failed; nothing is written until the store is opened again.
    #[error("an earlier write failed: nothing more is written until the node restarts")]
    Failed,
    /// The database failed: the disk is full, or broken.
    #[error("the disk failed: {0}")]
    Redb(#[from] Box<redb::Error>),
}

/// Whose a journal is, and whose it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherJournal {
    /// The node of the journal.
    pub node: NodeId,
    /// The network of the journal.
    pub network: NetworkId,
    /// The node of the ledger.
    pub wanted_node: NodeId,
    /// The network of the ledger.
    pub wanted_network: NetworkId,
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
    /// A missing table or a corrupted page is damage. Everything else is a failure of the disk.
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
    CompactionError,
    DatabaseError
);
