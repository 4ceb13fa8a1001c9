use std::path::{Path, PathBuf};

/// What is wrong with the book.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// Another process has it open.
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
    /// A later version of this crate wrote it.
    #[error("{} has format {found}; this version reads format {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The format that this version reads.
        known: u64,
    },
    /// It cannot be read: not a database, a table or row that is missing or was changed.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what was found.
        reason: String,
    },
    /// The disk is full or broken. What was kept before is still there; open the book again.
    #[error("{}: the disk failed: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// redb's error.
        error: Box<redb::Error>,
    },
    /// The ledger that the index follows cannot be read.
    #[error("the ledger cannot be followed: {0}")]
    Ledger(String),
}

impl BookError {
    /// Damage of the file, or a failure of the disk.
    pub(super) fn of(path: &Path, failed: impl Into<Failed>) -> Self {
        let path = path.to_path_buf();
        let error = match failed.into() {
            Failed::Redb(error) => error,
            Failed::Changed(table) => {
                let reason = format!("a row of {table} was changed");
                return Self::Damaged { path, reason };
            }
        };
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::Locked(path),
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let reason = error.to_string();
                Self::Damaged { path, reason }
            }
            error @ (redb::Error::Corrupted(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted) => {
                let reason = error.to_string();
                Self::Damaged { path, reason }
            }
            error => {
                let error = Box::new(error);
                Self::Disk { path, error }
            }
        }
    }

    /// Whether the file has to be taken out of the way before anything is kept again.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// Why a transaction failed, where the path is not known.
#[derive(Debug)]
pub(super) enum Failed {
    Redb(redb::Error),
    /// A row of this table is not the one that was written.
    Changed(&'static str),
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Failed {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
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
