//! A published document: in memory, where readers take it from, and in a file.
//!
//! The file has pieces: the document as it was at some time, compressed, and behind it the changes since then. It is written anew once
//! they take more room than what they follow, so that a change costs about its own bytes. A change is on the disk before any
//! reader gets it: otherwise a power failure could leave readers with changes that this side would make again, differently.
//!
//! Before each piece stand its length and the first bytes of its hash, so that the end that a power failure tore is known from damage, and
//! is left out alone: Automerge itself leaves all changes out if one is not whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, ROOT};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::task::block_in_place;

use crate::command::BadData;
use crate::tree;

/// Bytes of changes behind a small document before it is written anew.
const CHANGES_BYTES: u64 = 256 * 1024;

/// How the file of a network's document ends.
const ENDING: &str = ".document";

/// Before each piece: its length in bytes, little-endian, and the first bytes of its BLAKE3 hash.
const LENGTH_BYTES: usize = 4;
const HASH_BYTES: usize = 8;
const BEFORE: usize = LENGTH_BYTES + HASH_BYTES;

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
    let mut rest = bytes.as_slice();
    let mut whole = Vec::new();
    while let Some((piece, after)) = first_piece(rest) {
        whole.extend_from_slice(piece);
        rest = after;
    }
    let document = Automerge::load(&whole).ok();
    let Some(document) = document.filter(|_| !whole.is_empty() && is_torn(rest)) else {
        return Err(BadData(format!(
            "{place} is damaged: put it back as it was, or remove it; then it is made anew, and readers must forget the copies that they have"
        ))
        .into());
    };
    if !rest.is_empty() {
        tracing::warn!(file = %place, bytes = rest.len(), "the last change is not whole, as after a power failure; going on without it");
    }
    Ok(document)
}

/// The first piece, and what comes behind it; `None` if it is not whole.
fn first_piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (hash, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (piece, after) = rest.split_at_checked(length)?;
    let is_whole = length > 0 && blake3::hash(piece).as_bytes().starts_with(hash);
    is_whole.then_some((piece, after))
}

/// Whether a power failure explains what is not whole: it is the last piece, or room that was never written.
fn is_torn(rest: &[u8]) -> bool {
    let Some(length) = rest.first_chunk::<LENGTH_BYTES>() else {
        return true;
    };
    let end = u64::from(u32::from_le_bytes(*length)) + BEFORE as u64;
    end >= rest.len() as u64 || rest.iter().all(|byte| *byte == 0)
}

/// Adds a piece. Gives its bytes with what stands before it.
fn add(file: &mut File, piece: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(piece.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let hash = blake3::hash(piece);
    let bytes = [
        &length.to_le_bytes()[..],
        &hash.as_bytes()[..HASH_BYTES],
        piece,
    ]
    .concat();
    file.write_all(&bytes)?;
    file.sync_data()?;
    Ok(bytes.len() as u64)
}

/// Writes a whole document in the place of the file. Gives the file, to which changes are added, and its bytes.
fn rewrite(path: &Path, document: &Automerge) -> anyhow::Result<(File, u64)> {
    let written = || -> io::Result<(File, u64)> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        let bytes = add(&mut file, &document.save())?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok((file, bytes))
    };
    written().with_context(|| format!("cannot write {}", path.display()))
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
        self.behind += add(&mut self.file, &changes)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        tracing::debug!(document = %self.shared.id, bytes = changes.len(), "changed");
        if self.behind > self.written.max(CHANGES_BYTES) {
            (self.file, self.written) = rewrite(&self.path, automerge)?;
            self.behind = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NETWORK: &str = "e416e91e81354b71136354e1340fa8a558c9b1586fab1c5ec7c8971be3940641";

    fn content(height: u64) -> Map<String, Value> {
        let content = json!({
            "height": height, "time_ms": height * 1000, "members": { "it": { "row": height % 3 } }
        });
        content.as_object().unwrap().clone()
    }

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("mycnet-publish-{}-{name}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn file(&self) -> PathBuf {
            self.0.join(format!("{NETWORK}{ENDING}"))
        }

        fn document(&self) -> Document {
            Directory::open(&self.0).unwrap().document(NETWORK).unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Links outlive versions of this program.
    #[test]
    fn the_id_follows_from_the_network() {
        let id = document_id(NETWORK).unwrap();
        assert_eq!(id, "22ffbg6qT7EgBh62gcthNdE3d1g8");
        assert!(document_id("e416").is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_costs_about_its_own_bytes() {
        let place = Place::new("bytes");
        let mut document = place.document();
        let members: Map<String, Value> = (0..1000)
            .map(|number| (format!("{number:064x}"), json!({ "row": 0 })))
            .collect();
        let mut all = content(1);
        all.insert("members".to_owned(), members.into());
        assert!(document.set(all.clone()).await.unwrap());
        let before = std::fs::metadata(place.file()).unwrap().len();
        assert!(!document.set(all.clone()).await.unwrap());
        all["members"][&format!("{:064x}", 7)]["row"] = 1.into();
        assert!(document.set(all).await.unwrap());
        let cost = std::fs::metadata(place.file()).unwrap().len() - before;
        assert!((1..300).contains(&cost), "{cost} bytes");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_goes_on_after_a_stop_and_after_a_torn_change() {
        let place = Place::new("torn");
        let mut document = place.document();
        for height in 1..=5 {
            document.set(content(height)).await.unwrap();
        }
        drop(document);
        let whole = std::fs::read(place.file()).unwrap();
        let document = place.document();
        assert_eq!(document.content, content(5));
        drop(document);
        // Torn in the last change, with room that was never written, and in the room.
        let torn = [
            whole[..whole.len() - 1].to_vec(),
            whole[..whole.len() - 60].to_vec(),
            [&whole[..], &[0; 5000]].concat(),
            [&whole[..], &[9, 0]].concat(),
        ];
        for (bytes, heights) in torn.into_iter().zip([4..=4, 4..=4, 5..=5, 5..=5]) {
            std::fs::write(place.file(), &bytes).unwrap();
            let mut document = place.document();
            let height = document.content["height"].as_u64().unwrap();
            assert!(heights.contains(&height), "{height} of {heights:?}");
            document.set(content(6)).await.unwrap();
            drop(document);
            assert_eq!(place.document().content, content(6));
        }
        // Damage before the end is no torn change.
        let mut damaged = whole;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(place.file(), &damaged).unwrap();
        let directory = Directory::open(&place.0).unwrap();
        let error = directory.document(NETWORK).unwrap_err();
        assert!(error.is::<BadData>(), "{error:#}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_changes_are_written_together_now_and_then() {
        let place = Place::new("many");
        let mut document = place.document();
        document.written = 0;
        // So many changes that the file is written anew.
        document.behind = CHANGES_BYTES - 1;
        for height in 1..=10 {
            document.set(content(height)).await.unwrap();
        }
        assert!(document.behind < CHANGES_BYTES);
        assert!(document.written > 0);
        drop(document);
        assert_eq!(place.document().content, content(10));
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let place = Place::new("other");
        let directory = Directory::open(&place.0).unwrap();
        std::fs::write(place.file(), "a text").unwrap();
        let error = directory.document(NETWORK).unwrap_err();
        assert!(error.is::<BadData>(), "{error:#}");
        let again = Directory::open(&place.0).unwrap_err().to_string();
        assert!(again.contains("is in use"), "{again}");
    }
}
