//! A disk in memory that can stop, fill up and lie.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What a stop leaves of the bytes that were written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// The first of them.
    Prefix,
    /// Any sectors of them.
    Sectors,
    /// All.
    All,
}

pub const EVERY_WAY: [Survives; 4] = [
    Survives::Nothing,
    Survives::Prefix,
    Survives::Sectors,
    Survives::All,
];

/// A drive writes so much at once or not at all, in bytes.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
            Self::Len(len) => bytes.resize(*len, 0),
        }
    }
}

#[derive(Debug, Default)]
struct Image {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Default)]
struct Inner {
    files: [Image; 2],
    writes: u64,
    stop_at: Option<u64>,
    full_at: Option<u64>,
    /// Syncs of the ledger until everything stops.
    syncs_left: Option<u64>,
    has_stopped: bool,
    lies: bool,
}

/// A disk with two files.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

/// One file on it.
#[derive(Debug)]
pub struct DiskFile {
    disk: Disk,
    at: usize,
}

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The ledger's file and the journal's.
    pub fn files(&self) -> [DiskFile; 2] {
        [0, 1].map(|at| DiskFile {
            disk: self.clone(),
            at,
        })
    }

    /// Another disk with the same bytes.
    pub fn copy(&self) -> Self {
        let inner = self.inner();
        let files = [0, 1].map(|at| Image {
            durable: inner.files[at].current.clone(),
            current: inner.files[at].current.clone(),
            unsynced: Vec::new(),
        });
        Self(Arc::new(Mutex::new(Inner {
            files,
            ..Inner::default()
        })))
    }

    /// Writes so far.
    pub fn writes(&self) -> u64 {
        self.inner().writes
    }

    /// Everything stops at this write.
    pub fn stop_at(&self, write: u64) {
        self.inner().stop_at = Some(write);
    }

    /// Everything stops right after the ledger was synced so often: its bytes are durable, and the caller gets an error.
    pub fn stop_after(&self, syncs: u64) {
        self.inner().syncs_left = Some(syncs);
    }

    /// From this write on the disk is full.
    pub fn full_at(&self, write: Option<u64>) {
        self.inner().full_at = write;
    }

    /// Reports bytes as durable that are in memory only.
    pub fn lie(&self) {
        self.inner().lies = true;
    }

    /// A file that is deleted, or replaced by an old copy: 0 is the ledger, 1 the journal.
    pub fn replace(&self, at: usize, bytes: Vec<u8>) {
        let file = &mut self.inner().files[at];
        file.current.clone_from(&bytes);
        file.durable = bytes;
        file.unsynced.clear();
    }

    pub fn copy_of(&self, at: usize) -> Vec<u8> {
        self.inner().files[at].current.clone()
    }

    /// Changes a few bytes anywhere in both files. Gives where.
    pub fn flip_any(&self, random: &mut Random) -> Vec<(usize, usize)> {
        let mut inner = self.inner();
        let mut places = Vec::new();
        for at in [0, 0, 0, 1] {
            let file = &mut inner.files[at];
            let place = random.below(file.current.len());
            file.current[place] ^= 0x15;
            file.durable.clone_from(&file.current);
            places.push((at, place));
        }
        places
    }

    /// Starts again after a stop.
    pub fn restart(&self, survives: Survives, seed: u64) {
        let mut random = Random(seed);
        let mut inner = self.inner();
        inner.has_stopped = false;
        inner.stop_at = None;
        inner.syncs_left = None;
        for file in &mut inner.files {
            let unsynced = std::mem::take(&mut file.unsynced);
            let kept = match survives {
                Survives::Nothing => Vec::new(),
                Survives::Prefix => {
                    let kept = random.below(unsynced.len() + 1);
                    unsynced[..kept].to_vec()
                }
                Survives::Sectors => unsynced.iter().flat_map(sectors).collect(),
                Survives::All => unsynced,
            };
            for change in kept {
                if survives != Survives::Sectors || random.below(2) == 0 {
                    change.apply(&mut file.durable);
                }
            }
            file.current.clone_from(&file.durable);
        }
    }
}

fn sectors(change: &Change) -> Vec<Change> {
    match change {
        Change::Write(offset, data) => (*offset..)
            .step_by(SECTOR)
            .zip(data.chunks(SECTOR))
            .map(|(offset, data)| Change::Write(offset, data.to_vec()))
            .collect(),
        Change::Len(len) => vec![Change::Len(*len)],
    }
}

/// splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

fn stopped() -> io::Error {
    io::Error::other("the machine stopped")
}

impl DiskFile {
    fn change(&self, change: Change) -> Result<(), io::Error> {
        let mut inner = self.disk.inner();
        if inner.has_stopped {
            return Err(stopped());
        }
        inner.writes += 1;
        if inner.full_at.is_some_and(|at| inner.writes >= at) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let stops = inner.stop_at == Some(inner.writes);
        let file = &mut inner.files[self.at];
        change.apply(&mut file.current);
        file.unsynced.push(change);
        if stops {
            // The bytes may have been written, but the caller gets an error.
            inner.has_stopped = true;
            return Err(stopped());
        }
        Ok(())
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> Result<u64, io::Error> {
        let inner = self.disk.inner();
        if inner.has_stopped {
            return Err(stopped());
        }
        Ok(inner.files[self.at].current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let inner = self.disk.inner();
        if inner.has_stopped {
            return Err(stopped());
        }
        let offset = usize::try_from(offset).unwrap();
        let bytes = inner.files[self.at].current.get(offset..offset + out.len());
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.change(Change::Len(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut inner = self.disk.inner();
        if inner.has_stopped {
            return Err(stopped());
        }
        if inner.full_at.is_some_and(|at| inner.writes >= at) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if !inner.lies {
            let file = &mut inner.files[self.at];
            for change in std::mem::take(&mut file.unsynced) {
                change.apply(&mut file.durable);
            }
        }
        if self.at == 0
            && let Some(left) = &mut inner.syncs_left
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                inner.has_stopped = true;
                return Err(stopped());
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let offset = usize::try_from(offset).unwrap();
        self.change(Change::Write(offset, data.to_vec()))
    }
}
