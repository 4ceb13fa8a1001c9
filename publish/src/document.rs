//! A published document: in memory, where readers take it from, and in a file.
//!
//! The file has the document as it was at some time, compressed, and behind it the changes since then. It is written anew once they
//! take more room than what they follow, so that a change costs about its own bytes. A change is on the disk before any
//! reader gets it: otherwise a power failure could leave readers with changes that this side would make again, differently.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, LoadOptions, OnPartialLoad, ROOT};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::task::block_in_place;

use crate::BadData;
use crate::tree;

/// Bytes of changes behind a small document before it is written anew.
const CHANGES_BYTES: u64 = 256 * 1024;

/// How the file of a network's document ends.
const ENDING: &str = ".automerge";

/// The id of a network's document: 16 bytes of a hash of the network's id, marked as a random UUID, as automerge-repo wants it.
pub(crate) fn document_id(network: &str) -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(network, &mut bytes)
        .with_context(|| format!("{network:?} is no id of a network: expected 64 digits"))?;
    let hash = blake3::derive_key("mycnet-publish document v1", &bytes);
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    Ok(bs58::encode(id).with_check().into_string())
}

/// What readers of a document share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) automerge: Arc<Mutex<Automerge>>,
    /// Grows with every change.
    version: AtomicU64,
}

impl Shared {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// A directory with the documents of networks, which one process has at a time.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let place = path.display();
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {place}"))?;
        let lock = path.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.create(true).write(true).truncate(false).open(&lock);
        let lock = lock.with_context(|| format!("cannot open the lock in {place}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => {
                bail!("{place} is in use: another mycnet-publish keeps its documents there")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {place}"))
            }
        }
    }

    /// The networks whose documents are in it.
    pub(crate) fn networks(&self) -> anyhow::Result<Vec<String>> {
        let mut networks = Vec::new();
        let read = || format!("cannot read {}", self.path.display());
        for entry in self.path.read_dir().with_context(read)? {
            let name = entry.with_context(read)?.file_name();
            let network = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            networks.extend(network.map(str::to_owned));
        }
        networks.sort();
        Ok(networks)
    }

    /// The document of a network, which need not be there yet.
    pub(crate) fn document(&self, network: &str) -> anyhow::Result<Document> {
        let id = document_id(network)?;
        let path = self.path.join(format!("{network}{ENDING}"));
        let mut automerge = load(&path)?;
        // A new one with every start: whoever gets an older copy of the file back goes on beside what readers have, and does not
        // write other changes under the same numbers.
        let mut actor = [0; 16];
        getrandom::fill(&mut actor).context("the system has no random bytes")?;
        automerge.set_actor(ActorId::from(actor));
        let content = tree::read(&automerge);
        let (file, written) = rewrite(&path, &automerge)?;
        Ok(Document {
            shared: Arc::new(Shared {
                id,
                automerge: Arc::new(Mutex::new(automerge)),
                version: AtomicU64::new(0),
            }),
            content,
            path,
            file,
            written,
            behind: 0,
        })
    }
}

/// Reads a document. One that is not there is empty.
fn load(path: &Path) -> anyhow::Result<Automerge> {
    let place = path.display();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Automerge::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {place}")),
    };
    if let Ok(document) = Automerge::load(&bytes) {
        return Ok(document);
    }
    let options = LoadOptions::new().on_partial_load(OnPartialLoad::Ignore);
    let part = Automerge::load_with_options(&bytes, options).ok();
    let Some(part) = part.filter(|part| !part.get_heads().is_empty()) else {
        return Err(BadData(format!(
            "{place} is no Automerge document: put the file back as it was, or remove it, and readers the document that they have"
        ))
        .into());
    };
    tracing::warn!(file = %place, "the end of the file is not whole, as after a power failure; going on without it");
    Ok(part)
}

/// Writes a whole document in the place of the file. Gives the file, to which changes are added, and its bytes.
fn rewrite(path: &Path, document: &Automerge) -> anyhow::Result<(File, u64)> {
    let bytes = document.save();
    let written = || -> io::Result<File> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(file)
    };
    let file = written().with_context(|| format!("cannot write {}", path.display()))?;
    Ok((file, bytes.len() as u64))
}

/// A document, for the only one who writes it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) shared: Arc<Shared>,
    content: Map<String, Value>,
    path: PathBuf,
    file: File,
    /// Bytes of the document that was written as a whole.
    written: u64,
    /// Bytes of the changes behind it.
    behind: u64,
}

impl Document {
    /// Makes it say this. Gives whether anything differs.
    pub(crate) async fn set(&mut self, content: Map<String, Value>) -> anyhow::Result<bool> {
        if content == self.content {
            return Ok(false);
        }
        let automerge = self.shared.automerge.clone();
        // Readers wait until the change is on the disk.
        let mut automerge = automerge.lock().await;
        block_in_place(|| self.write(&mut automerge, &content))?;
        drop(automerge);
        self.content = content;
        self.shared.version.fetch_add(1, Ordering::Release);
        Ok(true)
    }

    fn write(
        &mut self,
        automerge: &mut Automerge,
        content: &Map<String, Value>,
    ) -> anyhow::Result<()> {
        let before = automerge.get_heads();
        let seconds = content.get("time_ms").and_then(Value::as_i64);
        let mut transaction = automerge.transaction();
        tree::write(&mut transaction, &ROOT, &self.content, content)?;
        let options = CommitOptions::default().with_time(seconds.unwrap_or(0) / 1000);
        transaction.commit_with(options);
        let changes = automerge.save_after(&before);
        let added = self.file.write_all(&changes);
        added
            .and_then(|()| self.file.sync_data())
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.behind += changes.len() as u64;
        tracing::debug!(document = %self.shared.id, bytes = changes.len(), "changed");
        if self.behind > self.written.max(CHANGES_BYTES) {
            (self.file, self.written) = rewrite(&self.path, automerge)?;
            self.behind = 0;
        }
        Ok(())
    }
}
