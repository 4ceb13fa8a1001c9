//! Answers that are files: bundles, and the export of a network's record for others to read and check.
//!
//! ```text
//! genesis.json                  what certificates are verified against
//! ledger.automerge              roster, trust, outcomes, with their history
//! operations/ID.automerge       all records of an operation
//! certificates/ID.cbor          proof of its outcome
//! unfinished                    the network, as long as files are missing
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write as _};
use std::path::Path;

use mycnet_consensus::NetworkId;
use mycnet_consensus::core::ArchiveError;
use mycnet_consensus::engine::{BundleError, EngineError};
use mycnet_consensus::node::Node;
use mycnet_replay::terminal::check_empty;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::bundle::stream::Patient;
use crate::failure::{Failure, Kind};
use crate::files::{self, Unfinished, new_file, read_text};
use crate::reply::{BundleExported, BundleImported, Exported, RefusedRecords};

/// Writes a bundle.
pub(super) fn export_bundle(
    node: &Node,
    path: &Path,
    from: u64,
) -> Result<BundleExported, Failure> {
    let height = node.engine().height();
    if from > height + 1 {
        return Err(Failure::usage(format!(
            "--from {from}: this node is at height {height}, and can write from height {} at most (records that no seal \
             lists yet)",
            height + 1
        )));
    }
    let report = new_file(path, |file| node.engine().export_bundle(from, file))?;
    Ok(BundleExported {
        file: path.to_owned(),
        from: report.header.from,
        height: report.header.height,
        seal: report.header.seal,
        unsealed: report.unsealed,
        digest: report.end.digest,
    })
}

/// Bundles that are imported at the same time. Each may wait for its disk, and others are answered meanwhile.
const IMPORTS_MAX: usize = 4;

static IMPORTS: Semaphore = Semaphore::const_new(IMPORTS_MAX);

/// Imports a bundle from a regular file. A disk that does not answer keeps nobody else waiting.
pub(super) async fn import(node: &Node, path: &Path) -> Result<BundleImported, Failure> {
    let permit = IMPORTS.try_acquire().map_err(|_| {
        let why = format!("{IMPORTS_MAX} bundles are being imported already: wait for one of them");
        Failure::new(Kind::Busy, why)
    })?;
    let (node, path) = (node.clone(), path.to_owned());
    let imported = spawn_blocking(move || {
        let name = path.display().to_string();
        let read = Patient::new(move || files::open(&path));
        let imported = Handle::current().block_on(import_bundle(&node, read, &name));
        drop(permit);
        imported
    });
    imported
        .await
        .unwrap_or_else(|error| Err(Failure::failed(error)))
}

/// Imports a bundle. A failure says what was imported before; `name` is the file's, for messages.
async fn import_bundle(
    node: &Node,
    read: impl Read,
    name: &str,
) -> Result<BundleImported, Failure> {
    let imported = node.engine().import_bundle(read).await.map_err(|failed| {
        let taken = match (failed.imported.applied, failed.imported.new) {
            (0, 0) => "nothing of it was imported".to_owned(),
            (applied, new) => {
                format!("{applied} heights and {new} records before that were imported")
            }
        };
        let kind = match failed.error {
            BundleError::Engine(_) | BundleError::Io(_) | BundleError::Forked => Kind::Failed,
            _ => Kind::BadData,
        };
        Failure::new(kind, format!("{name}: {failed}; {taken}"))
    })?;
    let refused = imported.refused.into_iter().map(|(code, refusals)| {
        let refused = RefusedRecords {
            count: refusals.count,
            first: refusals.first.to_string(),
        };
        (code.to_owned(), refused)
    });
    Ok(BundleImported {
        height_before: imported.height_before,
        height: imported.height,
        applied: imported.applied,
        held: imported.held,
        new: imported.new,
        known: imported.known,
        waiting: imported.waiting,
        refused: refused.collect(),
    })
}

/// Marks a directory with an export that is not complete. It is locked while files are written.
const MARK: &str = "unfinished";

/// Marks the directory, which must be new or empty, or have such a mark already.
fn mark(directory: &Path, network: NetworkId) -> Result<File, Failure> {
    let (path, name) = (directory.join(MARK), directory.display());
    let is_marked = path.symlink_metadata().is_ok();
    if is_marked {
        let found = read_text(&path, 128).unwrap_or_default();
        let files = || fs::read_dir(directory).into_iter().flatten();
        // A stop may have left the mark empty, and nothing else.
        let is_begun = found.is_empty() && files().count() == 1;
        if !is_begun && found.trim_end() != network.to_string() {
            return Err(Failure::failed(format!(
                "{name} has the unfinished export of another network: name a new or an empty directory"
            )));
        }
    } else {
        check_empty(directory).map_err(|error| Failure::failed(format!("{error:#}")))?;
    }
    made(directory, fs::create_dir_all(directory))?;
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    let mut file = made(&path, options.open(&path))?;
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(Failure::failed(format!(
            "another export is being written into {name}: wait for it, or name another directory"
        )));
    }
    made(&path, file.write_all(format!("{network}\n").as_bytes()))?;
    Ok(file)
}

/// Writes documents and certificates of all closed operations into a new or empty directory, or one in which an earlier export was
/// stopped.
pub(super) fn export(node: &Node, directory: &Path) -> Result<Exported, Failure> {
    let store = node.store();
    let marked = mark(directory, store.network_id())?;
    let (operations, certificates) = (directory.join("operations"), directory.join("certificates"));
    for directory in [&operations, &certificates] {
        made(directory, fs::create_dir_all(directory))?;
        remove_unfinished(directory);
    }
    remove_unfinished(directory);
    let disk = |error| Failure::failed(format!("the store: {error}"));
    let genesis = serde_json::to_string_pretty(store.genesis()).map_err(Failure::failed)? + "\n";
    write(&directory.join("genesis.json"), genesis.as_bytes())?;
    let mut exported = Vec::new();
    let mut all = store.all_closed().map_err(disk)?;
    // The store reads together what closed together.
    all.sort_by_key(|closed| closed.closed.closed_height);
    for closed in all {
        let id = closed.operation;
        let missing = || EngineError::UnknownOperation(id);
        let document = store.operation_document(&id).map_err(disk)?;
        let file = operations.join(format!("{id}.automerge"));
        write(&file, &document.ok_or_else(missing)?.save())?;
        exported.push(id);
    }
    // All certificates lead to one seal, which is read once.
    node.engine()
        .prove(|prover| {
            for id in &exported {
                let certificate = prover.certificate(id, None)?;
                let certificate =
                    certificate.ok_or_else(|| ArchiveError(format!("operation {id} has none")))?;
                if let Err(error) = write(
                    &certificates.join(format!("{id}.cbor")),
                    &certificate.encode(),
                ) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        })?
        .unwrap_or(Ok(()))?;
    // The ledger comes last, so that it has every operation that was written.
    let ledger = store.ledger_document().map_err(disk)?;
    write(&directory.join("ledger.automerge"), &ledger.save())?;
    let path = directory.join(MARK);
    made(&path, fs::remove_file(&path))?;
    drop(marked);
    Ok(Exported {
        directory: directory.to_owned(),
        height: ledger.height(),
        operations: exported.len() as u64,
    })
}

/// Removes what an export that was stopped was about to write.
fn remove_unfinished(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == "new") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file, which has its name once it is complete.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let begun = Unfinished::beside(file);
    let written = fs::write(begun.path(), bytes).and_then(|()| begun.replace(file));
    made(file, written)
}

fn made<T>(path: &Path, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
}
