//! The medium of a database, shared so that reads can continue after a failed write.
//!
//! After an error of its medium, redb refuses everything, even reads of uncached pages. Then a second handle opens the same
//! medium through an [`Overlay`], which keeps in memory what redb writes to recover the last commit.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// Size in bytes of the pages that the overlay keeps.
const PAGE: usize = 4096;

/// A medium that several handles can read. It counts its syncs.
#[derive(Debug, Clone)]
pub(super) struct Medium(Arc<dyn StorageBackend>, Arc<AtomicU64>);

impl Medium {
    pub(super) fn new(backend: impl StorageBackend) -> Self {
        Self(Arc::new(backend), Arc::default())
    }

    /// How often the medium was synced since it was opened.
    pub(super) fn syncs(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// A read-only view of a medium. Writes stay in memory.
#[derive(Debug)]
pub(super) struct Overlay {
    below: Medium,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    len: u64,
    /// The length of the medium that is visible below the pages. It shrinks when the view is made shorter.
    below_len: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Overlay {
    pub(super) fn new(below: Medium) -> Result<Self, io::Error> {
        let len = below.len()?;
        let above = Above {
            len,
            below_len: len,
            pages: BTreeMap::new(),
        };
        Ok(Self {
            below,
            above: Mutex::new(above),
        })
    }

    fn above(&self) -> MutexGuard<'_, Above> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Above {
    fn read(&self, below: &Medium, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        for (page, within, at) in pieces(offset, out.len()) {
            let out = &mut out[at];
            if let Some(bytes) = self.pages.get(&page) {
                out.copy_from_slice(&bytes[within]);
                continue;
            }
            let from = page * PAGE as u64 + within.start as u64;
            let room = self.below_len.saturating_sub(from);
            let shown = usize::try_from(room).unwrap_or(usize::MAX).min(out.len());
            below.read(from, &mut out[..shown])?;
            out[shown..].fill(0);
        }
        Ok(())
    }

    fn write(&mut self, below: &Medium, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        for (page, within, at) in pieces(offset, data.len()) {
            if !self.pages.contains_key(&page) {
                let mut bytes = vec![0; PAGE].into_boxed_slice();
                self.read(below, page * PAGE as u64, &mut bytes)?;
                self.pages.insert(page, bytes);
            }
            if let Some(bytes) = self.pages.get_mut(&page) {
                bytes[within].copy_from_slice(&data[at]);
            }
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        self.len = len;
        self.below_len = self.below_len.min(len);
        let kept = len.div_ceil(PAGE as u64);
        self.pages.split_off(&kept);
        let end = usize::try_from(len % PAGE as u64).unwrap_or(0);
        if end > 0
            && let Some(last) = self.pages.get_mut(&(len / PAGE as u64))
        {
            last[end..].fill(0);
        }
    }
}

/// The pages that a range touches: the page's number, the part of the page, and its position in the range.
fn pieces(
    offset: u64,
    len: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let from = offset + done as u64;
        let within = usize::try_from(from % PAGE as u64).unwrap_or(0);
        let size = (PAGE - within).min(len - done);
        let piece = (from / PAGE as u64, within..within + size, done..done + size);
        done += size;
        (size > 0).then_some(piece)
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.above().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let above = self.above();
        if offset + out.len() as u64 > above.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        above.read(&self.below, offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.above().set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.above().write(&self.below, offset, data)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn an_overlay_reads_what_was_written_and_leaves_the_medium_as_it_was() {
        let below = Medium::new(InMemoryBackend::new());
        below.set_len(10_000).unwrap();
        below.write(0, &[1; 10_000]).unwrap();
        let over = Overlay::new(below.clone()).unwrap();
        over.write(4_000, &[2; 200]).unwrap();
        over.set_len(9_000).unwrap();
        over.set_len(12_000).unwrap();
        let mut read = vec![9; 12_000];
        over.read(0, &mut read).unwrap();
        let expected = |at: usize| match at {
            4_000..4_200 => 2,
            0..9_000 => 1,
            _ => 0,
        };
        assert!((0..12_000).all(|at| read[at] == expected(at)));
        assert!(over.read(11_999, &mut [0; 2]).is_err());
        let mut read = vec![9; 10_000];
        below.read(0, &mut read).unwrap();
        assert_eq!(read, [1; 10_000], "the medium is as it was");
    }
}
