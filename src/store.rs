//! A node's disk: two redb databases in one directory (feature `store`).
//!
//! | file | what it holds |
//! |---|---|
//! | `ledger.redb` | sealed heights, where operations are in them, unsealed records, votes on the next seal, the last checkpoint, peers, and own records until they move to the journal |
//! | `journal.redb` | own records: the sign guard ([C2]) |
//!
//! The host's part:
//!
//! 1. [`Store::create`] or [`Store::open`], then [`Store::load`], which returns the core. If [`Loaded::journal_lost`] is
//!    set, give the core [`Input::JournalLost`](crate::core::Input::JournalLost) first.
//!    A new store cannot know whether its key has signed elsewhere: for a restored key, call [`Store::note_journal_lost`] between
//!    the two.
//! 2. After each input or group of inputs, [`Store::write`] all their `Persist` outputs in order and at once, before any
//!    other of their outputs. One write costs at most one disk sync. Before an answer that promises that data is kept, such as that
//!    to an import, [`Store::sync`].
//! 3. On the event `JournalLost`, call [`Store::note_journal_lost`]. Then every start reports it until a `Rejoin` is in the
//!    journal.
//! 4. After writing, call [`Store::checkpoint_if_due`], and where it was due [`Store::pack`], best in a thread of its own; at an
//!    orderly stop, [`Store::checkpoint`] and [`Store::give_back`].
//!
//! # What is durable when
//!
//! | what | durable |
//! |---|---|
//! | own records, what this node's person said, sealed blocks with all that they changed | when [`Store::write`] returns |
//! | unsealed records and votes of others, lists of seals | with the next write of the row above, with [`Store::sync`], or after 4 MiB |
//! | groups of heights, the ledger document and peers' addresses, which can be made again | with the next commit |
//!
//! A commit takes along everything that was written before it. So what a crash leaves is the state of the node after an earlier turn,
//! since which it has said nothing of its own and applied no block. Whatever moved it to a vote is there with the vote: otherwise a
//! power cut of all nodes could leave locks that nobody can prove. What it lacks comes again when it compares its records with a peer,
//! as if it had not arrived yet. A node takes part in a height with a sync for each of its own votes and one for the block.
//!
//! # Invariants
//!
//! - *Write before send.* [`Store::write`] returns when own records are on the disk; the host sends afterwards.
//! - *One commit decides.* The ledger's commit makes a turn durable, own records included. Many at once move to the journal: with the
//!   first own record after a start, with each checkpoint, and after a thousand. The ledger first says that a move was begun; own
//!   records leave it with the commit after the move. So a stop between the commits loses nothing. Nothing is *removed* from the
//!   journal before the block that makes an own record useless is durable, or a slot that is open in the ledger would be free again.
//!   Removals wait for the next move. A start that applies blocks after a checkpoint asks for them again.
//! - *A journal that is behind is noticed.* Both databases count the moves. A journal that counts less than the ledger was deleted
//!   or replaced by an old copy, and the ledger was replaced if it counts less than the journal, apart from a move that it said was
//!   begun ([`Loaded::journal_lost`]). An old copy is of before a start, which moved own records since. Only a `Rejoin` repairs
//!   this. Until then no other own record is written.
//! - *Blocks are the past.* A sealed height is its block as it is sent, with what its seal changed (`height`). Older heights are
//!   compressed, some dozens together (`groups`). Records of an operation are read out of the blocks
//!   where a row says that they are, and documents are built from them: nothing is stored twice.
//! - *Reads are verified.* Heights are behind a digest of their bytes. Seals are compared with the ids that a start reads,
//!   records with the seal that lists them, states with the seal that states them. An error names the damaged place.
//! - *Starts do not repeat the past.* A [`Checkpoint`](crate::ledger::Checkpoint) is written every [`CHECKPOINT_HEIGHTS`]
//!   heights. Its seal states its digest, so a damaged one is refused. Apart from it, a start reads only the ids of seals
//!   (32 bytes per height) and the ends of operations.
//! - *After a failed write nothing more is written*, because memory and disk may differ. Reads continue from the last
//!   commit.

mod archive;
mod check;
mod compare;
mod documents;
mod error;
mod groups;
mod height;
mod heights;
mod held;
mod load;
mod logs;
mod medium;
mod moving;
mod own;
mod peers;
mod queries;
mod read;
mod records;
mod rows;
mod sealed;
mod start;
mod succession;
mod unpacked;
mod wrapped;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, ReadTransaction, ReadableDatabase as _, StorageBackend};

pub use check::{CheckReport, CheckStep};
pub use error::{OtherJournal, StoreError};
pub use load::{Found, JournalLost, Loaded};
pub use read::SealSummary;
pub use rows::SealChanges;

use crate::base::digest::{NetworkId, NodeId};
pub use crate::past::archive::ClosedSummary;
use crate::statement::genesis::Genesis;
use groups::KnownIds;
use heights::Heights;
use medium::{Medium, Overlay};
use own::Writing;
use records::Decoded;
use unpacked::Unpacked;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Heights after which a checkpoint is due.
pub const CHECKPOINT_HEIGHTS: u64 = 32;

/// Sealed records after which a checkpoint is due. Each record after the checkpoint costs a start some 20 microseconds.
pub const CHECKPOINT_RECORDS: u64 = 4096;

/// Heights that are compressed together, at most.
pub const GROUP_HEIGHTS: usize = 32;

/// redb's cache for each database. Its default is a gigabyte.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Databases up to this size in bytes are checked page by page when opened, in about a second: redb may panic on a damaged
/// page. Larger ones rely on [`Store::check`] and on redb's own repair after a crash.
const CHECKED_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Databases up to this size in bytes are compacted: redb rewrites all that it moves. Longer ones use their free pages again.
const COMPACTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file is compacted when it has grown by this part of its length.
const GROWN_SHARE: u64 = 10;

const LEDGER_FILE: &str = "ledger.redb";
const JOURNAL_FILE: &str = "journal.redb";

/// A node's databases. Opening one locks it: a second process is refused.
#[derive(Debug)]
pub struct Store {
    genesis: Genesis,
    node: NodeId,
    ledger: Side,
    journal: Side,
    decoded: Mutex<Decoded>,
    unpacked: Unpacked,
    writing: Mutex<Writing>,
    has_failed: AtomicBool,
    /// The height of the last checkpoint, and records sealed since.
    checkpoint_height: AtomicU64,
    records_since: AtomicU64,
    /// See [`Store::set_group_heights`].
    group_heights: AtomicUsize,
    /// Held while heights are packed.
    packing: Mutex<()>,
    /// Of the heights that are in no group yet.
    known_ids: Mutex<KnownIds>,
}

/// A database and its medium.
#[derive(Debug)]
struct Side {
    path: PathBuf,
    /// A second handle that reads the last commit, after the first one failed.
    fallback: Mutex<Option<Database>>,
    /// Locked for writing only while it is compacted.
    database: RwLock<Database>,
    medium: Medium,
    /// The length of the file when it was opened or last compacted.
    compacted: AtomicU64,
}

impl Side {
    fn open(path: &Path, backend: impl StorageBackend) -> Result<Self, StoreError> {
        let path = path.to_path_buf();
        let medium = Medium::new(backend);
        let size = medium.len().map_err(|error| StoreError::File {
            path: path.clone(),
            error,
        })?;
        let opened = builder()
            .set_check_integrity_on_open(size <= CHECKED_BYTES_MAX)
            .create_with_backend(medium.clone());
        match opened {
            Ok(database) => Ok(Self {
                path,
                fallback: Mutex::new(None),
                database: RwLock::new(database),
                medium,
                compacted: AtomicU64::new(size),
            }),
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::Locked(path)),
            Err(error) => Err(StoreError::Database { path, error }),
        }
    }

    fn open_file(path: PathBuf, file: File) -> Result<Self, StoreError> {
        match FileBackend::new(file) {
            Ok(backend) => Self::open(&path, backend),
            Err(error) => Err(StoreError::Database { path, error }),
        }
    }

    fn database(&self) -> RwLockReadGuard<'_, Database> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn database_mut(&mut self) -> &mut Database {
        let database = self.database.get_mut();
        database.unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the file's free pages back, if there can be many. Not while somebody reads: then the next time will do.
    fn compact(&self) -> Result<(), StoreError> {
        let length = |medium: &Medium| medium.len().map_err(redb::StorageError::Io);
        let before = self.compacted.load(Ordering::SeqCst);
        let now = length(&self.medium)?;
        if now > COMPACTED_BYTES_MAX || now < before + before / GROWN_SHARE {
            return Ok(());
        }
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match database.compact() {
            Err(redb::CompactionError::TransactionInProgress) => return Ok(()),
            compacted => compacted?,
        };
        let now = length(&self.medium)?;
        self.compacted.store(now, Ordering::SeqCst);
        Ok(())
    }

    /// Reads the last commit. `has_failed`: whether the first handle failed.
    fn read(&self, has_failed: bool) -> Result<ReadTransaction, StoreError> {
        if !has_failed {
            return Ok(self.database().begin_read()?);
        }
        let mut fallback = lock(&self.fallback);
        if let Some(database) = fallback.as_ref() {
            return Ok(database.begin_read()?);
        }
        let overlay = Overlay::new(self.medium.clone()).map_err(redb::StorageError::Io)?;
        let database = builder().create_with_backend(overlay)?;
        let reading = database.begin_read()?;
        *fallback = Some(database);
        Ok(reading)
    }
}

impl Store {
    /// Creates the databases of a node, and the directory if needed. An existing journal stays, because its signatures
    /// cannot be undone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] if there is a ledger; [`StoreError::OtherJournal`] if the journal belongs to another node or
    /// network; otherwise as [`Store::open`].
    pub fn create(directory: &Path, genesis: &Genesis, node: NodeId) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|error| StoreError::File {
            path: directory.to_path_buf(),
            error,
        })?;
        let path = directory.join(LEDGER_FILE);
        if path.exists() {
            return Err(StoreError::Exists(path));
        }
        let journal = journal_in(directory, genesis.network_id(), node)?;
        let ledger = make_file(directory, LEDGER_FILE, |ledger| {
            write::create_ledger(ledger, genesis, node)
        })?;
        Self::resume(ledger, journal)
    }

    /// Opens the databases in a directory. A missing journal is created, and [`Loaded::journal_lost`] reports it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is no ledger, [`StoreError::Locked`] if another process has it open,
    /// [`StoreError::Version`] if a later version wrote it, [`StoreError::Damaged`] or [`StoreError::Database`] if it cannot
    /// be read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let ledger = open_file(directory, LEDGER_FILE)?;
        let (genesis, node) = load::header(&ledger.database().begin_read()?)?;
        let journal = journal_in(directory, genesis.network_id(), node)?;
        Self::resume(ledger, journal)
    }

    /// Opens the ledger in a directory with an empty journal in memory, to look at a ledger whose journal is gone.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_without_journal(directory: &Path) -> Result<Self, StoreError> {
        let ledger = open_file(directory, LEDGER_FILE)?;
        let journal = Side::open(Path::new(JOURNAL_FILE), InMemoryBackend::new())?;
        Self::resume(ledger, journal)
    }

    /// Creates databases on other media than files. Each medium must be blank, or hold a completely created database.
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
        let ledger = Side::open(Path::new(LEDGER_FILE), ledger)?;
        let journal = Side::open(Path::new(JOURNAL_FILE), journal)?;
        if load::has_header(&ledger.database())? {
            return Err(StoreError::Exists(ledger.path));
        }
        write::create_journal(&journal.database(), genesis.network_id(), node)?;
        write::create_ledger(&ledger.database(), genesis, node)?;
        Self::resume(ledger, journal)
    }

    /// Opens databases that [`Store::create_on`] made.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_on(
        ledger: impl StorageBackend,
        journal: impl StorageBackend,
    ) -> Result<Self, StoreError> {
        let ledger = Side::open(Path::new(LEDGER_FILE), ledger)?;
        let journal = Side::open(Path::new(JOURNAL_FILE), journal)?;
        Self::resume(ledger, journal)
    }

    fn resume(ledger: Side, journal: Side) -> Result<Self, StoreError> {
        if !load::has_header(&ledger.database())? {
            return Err(StoreError::Missing(ledger.path));
        }
        let (genesis, node) = load::header(&ledger.database().begin_read()?)?;
        write::create_journal(&journal.database(), genesis.network_id(), node)?;
        let reading = ledger.database().begin_read()?;
        let (checkpoint, records) = load::since_checkpoint(&reading)?;
        drop(reading);
        let writing = Writing::open(&ledger.database(), &journal.database())?;
        Ok(Self {
            genesis,
            node,
            ledger,
            journal,
            decoded: Mutex::new(Decoded::default()),
            unpacked: Unpacked::default(),
            writing: Mutex::new(writing),
            has_failed: AtomicBool::new(false),
            checkpoint_height: AtomicU64::new(checkpoint),
            records_since: AtomicU64::new(records),
            group_heights: AtomicUsize::new(GROUP_HEIGHTS),
            packing: Mutex::new(()),
            known_ids: Mutex::new(KnownIds::new()),
        })
    }

    /// Gives the free pages of the files back, if they have grown by a tenth since they were opened or last compacted: redb doubles
    /// a file that is full. Takes a fifth of a second for 16 MB; files of more than 64 MiB stay as they are. A node that did it while
    /// it runs would write twice as much as it does, for a file that is a tenth shorter.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn give_back(&self) -> Result<(), StoreError> {
        self.guarded(|_| {
            self.ledger.compact()?;
            self.journal.compact()
        })
    }

    /// The directory of the databases; `None` if they are on other media.
    pub fn directory(&self) -> Option<&Path> {
        let parent = self.ledger.path.parent();
        parent.filter(|directory| !directory.as_os_str().is_empty())
    }

    /// Sets how many heights are compressed together at most, [`GROUP_HEIGHTS`] by default. Longer groups take fewer bytes;
    /// reading a record unpacks its whole group.
    pub fn set_group_heights(&self, heights: usize) {
        self.group_heights.store(heights.max(1), Ordering::SeqCst);
    }

    /// The genesis of the network.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The network.
    pub fn network_id(&self) -> NetworkId {
        self.genesis.network_id()
    }

    /// The node whose records the journal holds.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// Whether a write failed. Then nothing more is written, and reads see the last commit.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    fn reading(&self) -> Result<ReadTransaction, StoreError> {
        self.ledger.read(self.has_failed())
    }

    /// Heights for a query, which may find unpacked what the query before it read.
    fn heights(&self, reading: &ReadTransaction) -> Result<Heights<'_>, StoreError> {
        Heights::with(reading, &self.unpacked)
    }
}

/// Each change under the lock is a single step, so a panicked thread cannot have left a half change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_file(directory: &Path, name: &str) -> Result<Side, StoreError> {
    let path = directory.join(name);
    let file = File::options().read(true).write(true).open(&path);
    match file {
        Ok(file) => Side::open_file(path, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(StoreError::Missing(path))
        }
        Err(error) => Err(StoreError::File { path, error }),
    }
}

/// The journal in a directory, or a new one.
fn journal_in(directory: &Path, network: NetworkId, node: NodeId) -> Result<Side, StoreError> {
    let create = |journal: &Database| write::create_journal(journal, network, node);
    match open_file(directory, JOURNAL_FILE) {
        Ok(journal) => {
            create(&journal.database())?;
            Ok(journal)
        }
        Err(StoreError::Missing(_)) => make_file(directory, JOURNAL_FILE, create),
        Err(error) => Err(error),
    }
}

/// Creates a database under a temporary name first, so that an incomplete one is never opened.
fn make_file(
    directory: &Path,
    name: &str,
    create: impl FnOnce(&Database) -> Result<(), StoreError>,
) -> Result<Side, StoreError> {
    let (begun, path) = (directory.join(format!("{name}.new")), directory.join(name));
    let at = |path: &Path| {
        let path = path.to_path_buf();
        |error| StoreError::File { path, error }
    };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    // The journal holds ballots that are still secret.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&begun).map_err(at(&begun))?;
    let mut side = Side::open_file(begun.clone(), file)?;
    create(&side.database())?;
    std::fs::rename(&begun, &path).map_err(at(&path))?;
    sync_directory(directory).map_err(at(directory))?;
    side.path = path;
    Ok(side)
}

/// Makes the names of new files durable. redb syncs their contents.
fn sync_directory(directory: &Path) -> Result<(), std::io::Error> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}
