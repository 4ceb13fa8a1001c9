//! Going on in the network that was founded in the place of this one, in the same directory ([F4]).
//!
//! The old databases move to `past/<network>/`, where they stay readable. The new ones are made in `next/<network>/` first, and then
//! take the place of the old ones, file by file. A stop at any moment leaves a directory that [`Store::open_present`] completes.

use std::path::{Path, PathBuf};

use redb::ReadableTable as _;

use super::rows::{META, PEERS, RECORDS, decode, decode_record};
use super::{JOURNAL_FILE, LEDGER_FILE, Store, StoreError, make_file, sync_directory, write};
use crate::base::codec;
use crate::base::digest::{NetworkId, NodeId, RecordId};
use crate::core::{Endorsed, Founded};
use crate::statement::genesis::{Founder, Genesis};
use crate::statement::record::{Record, Statement};

#[cfg(doc)]
use crate::protocol::Rule::*;

const PAST: &str = "past";
const NEXT: &str = "next";

/// Where the new databases are until they are complete.
const BEGUN: &str = "next.new";

/// The journal goes first: a ledger without its journal would look like a lost journal.
const FILES: [&str; 2] = [JOURNAL_FILE, LEDGER_FILE];

impl Store {
    /// The genesis of the network for which this node has left that of these databases, and what put the plan in force.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Redb`].
    pub fn left_for(&self) -> Result<Option<(Genesis, Founded)>, StoreError> {
        let reading = self.reading()?;
        let meta = reading.open_table(META)?;
        let Some(row) = meta.get("endorsed")? else {
            return Ok(None);
        };
        let endorsed: Endorsed = decode("meta: endorsed", row.value())?;
        let Some(backing) = endorsed.in_force else {
            return Ok(None);
        };
        let plan = endorsed.founding.plan();
        let is_of_plan = |record: &Record| match &record.body.what {
            Statement::Refound {
                plan: Some(its), ..
            } => its.digest() == plan,
            _ => false,
        };
        let own = self
            .journal(&reading)?
            .into_values()
            .map(|entry| entry.record);
        let mut endorsements: Vec<Record> = own.filter(is_of_plan).collect();
        for row in reading.open_table(RECORDS)?.iter()? {
            let (id, bytes) = row?;
            let id = RecordId::from_bytes(*id.value());
            let signed = decode_record("records", &id, bytes.value())?;
            endorsements.extend(Some(signed.record().clone()).filter(is_of_plan));
        }
        let founded = Founded {
            endorsements,
            backing,
        };
        Ok(Some((endorsed.founding.genesis().clone(), founded)))
    }

    /// What put the plan in force from which this network comes; `None` for a network that follows none, and for a node that
    /// joined later.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Redb`].
    pub fn founded(&self) -> Result<Option<Founded>, StoreError> {
        let meta = self.reading()?.open_table(META)?;
        let row = meta.get("founded")?;
        let founded = row.map(|row| decode("meta: founded", row.value()));
        founded.transpose()
    }

    /// The directory, within a node's, of the databases of a network that the node has left.
    pub fn past_directory(directory: &Path, network: &NetworkId) -> PathBuf {
        directory.join(PAST).join(network.to_string())
    }

    /// The networks that the node of a directory has left.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`].
    pub fn past_networks(directory: &Path) -> Result<Vec<NetworkId>, StoreError> {
        networks(&directory.join(PAST))
    }

    /// Opens the databases of the network that the node of this directory is in now. If it has left a network for the one founded
    /// in its place, makes the databases of that one, with the same peers, and puts them in the place of the old ones first.
    /// Completes what was interrupted.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_present(directory: &Path) -> Result<Self, StoreError> {
        finish(directory)?;
        let store = Self::open(directory)?;
        let Some((genesis, founded)) = store.left_for()? else {
            return Ok(store);
        };
        if is_past(directory) {
            return Err(StoreError::Past(directory.to_path_buf()));
        }
        let moved = begin(directory, &genesis, &founded, &store).and_then(|()| {
            drop(store);
            finish(directory)
        });
        moved.map_err(|error| StoreError::NotMoved(error.to_string()))?;
        Self::open(directory)
    }
}

/// Makes the new databases.
fn begin(
    directory: &Path,
    genesis: &Genesis,
    founded: &Founded,
    store: &Store,
) -> Result<(), StoreError> {
    let begun = directory.join(BEGUN);
    if exists(&begun) {
        std::fs::remove_dir_all(&begun).map_err(at(&begun))?;
    }
    // Named after the network whose place it takes.
    let inside = begun.join(store.network_id().to_string());
    make_directory(&inside)?;
    create(&inside, genesis, founded, store)?;
    let next = directory.join(NEXT);
    make_directory(&next)?;
    sync(directory)?;
    rename(&inside, &next.join(store.network_id().to_string()))?;
    sync(&next)?;
    std::fs::remove_dir(&begun).map_err(at(&begun))
}

/// Whether a directory is that of a network that a node has left: its node runs elsewhere, and has another journal.
fn is_past(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str());
    let parent = directory.parent().and_then(Path::file_name);
    name.is_some_and(|name| name.parse::<NetworkId>().is_ok())
        && parent.is_some_and(|it| it == PAST)
}

/// The key by which the new network has a node: its own, or the one that took its place.
fn key_in(genesis: &Genesis, node: NodeId) -> NodeId {
    let had = |member: &&Founder| {
        let line = member.line.as_ref();
        let mut former = line.into_iter().flat_map(|line| &line.former);
        former.any(|former| former.node == node)
    };
    let is_named = genesis.members.iter().any(|member| member.node == node);
    let heir = genesis.members.iter().find(had);
    heir.filter(|_| !is_named)
        .map_or(node, |member| member.node)
}

fn create(
    directory: &Path,
    genesis: &Genesis,
    founded: &Founded,
    old: &Store,
) -> Result<(), StoreError> {
    let node = key_in(genesis, old.node_id());
    make_file(directory, JOURNAL_FILE, |journal| {
        write::create_journal(journal, genesis.network_id(), node)
    })?;
    let peers = old.peers()?;
    make_file(directory, LEDGER_FILE, |ledger| {
        write::create_ledger(ledger, genesis, node)?;
        let transaction = ledger.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("founded", &codec::encode(founded)[..])?;
            let mut table = transaction.open_table(PEERS)?;
            for (author, known) in &peers {
                table.insert(author.as_bytes(), &known[..])?;
            }
        }
        transaction.commit()?;
        Ok(())
    })?;
    Ok(())
}

/// Puts complete new databases in the place of the old ones. Another process may do the same at the same time.
fn finish(directory: &Path) -> Result<(), StoreError> {
    let next = directory.join(NEXT);
    let Some(network) = networks(&next)?.pop() else {
        // Usually there is no such directory; an empty one lacks only the last step.
        if exists(&next) {
            let _ = std::fs::remove_dir(&next);
        }
        return Ok(());
    };
    let from = next.join(network.to_string());
    let past = Store::past_directory(directory, &network);
    make_directory(&past)?;
    for file in FILES {
        // A file that is no longer in `next` is in its place.
        if !exists(&from.join(file)) {
            continue;
        }
        if !exists(&past.join(file)) {
            rename(&directory.join(file), &past.join(file))?;
            sync(&past)?;
        }
        rename(&from.join(file), &directory.join(file))?;
        sync(directory)?;
    }
    std::fs::remove_dir(&from).map_err(at(&from))?;
    // Whatever else may be in it is not this node's.
    let _ = std::fs::remove_dir(&next);
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_path_buf();
    |error| StoreError::File { path, error }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The networks that entries of a directory are named after; none if it is not there.
fn networks(directory: &Path) -> Result<Vec<NetworkId>, StoreError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let read = match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        read => read.map_err(at(directory))?,
    };
    let mut names = Vec::new();
    for entry in read {
        let name = entry.map_err(at(directory))?.file_name();
        names.extend(
            name.to_str()
                .and_then(|name| name.parse::<NetworkId>().ok()),
        );
    }
    names.sort();
    Ok(names)
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    // As private as the journal inside.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(at(path))
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(at(from))
}

fn sync(directory: &Path) -> Result<(), StoreError> {
    sync_directory(directory).map_err(at(directory))
}
