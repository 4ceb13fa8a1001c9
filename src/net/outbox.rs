//! Messages that wait to be sent to one peer.
//!
//! Sending never blocks. A full queue refuses a message, and the connection stays: a slow link is not a fault, a new
//! connection costs more than the gap, and the regular reconciliation fills the gap. The writer closes a peer that reads
//! nothing for the stall deadline. All queues together are limited too: beyond the limit, only peers with short queues get
//! more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    finishing: bool,
    /// Half of the queue was used, or a frame was refused.
    filled: bool,
}

pub(super) struct Outbox {
    state: Mutex<Queue>,
    bytes_max: usize,
    all: Arc<AtomicUsize>,
    ready: Notify,
}

/// The least size that a frame counts, so that the number of small frames is limited too.
const FRAME_COUNTS_BYTES: usize = 1024;

/// Bytes in all queues together, beyond which a peer's queue is limited to [`SHARE_BYTES`].
const ALL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that one peer's queue may hold even if all queues hold [`ALL_BYTES_MAX`].
const SHARE_BYTES: usize = 128 * 1024;

fn counts(frame: &[u8]) -> usize {
    frame.len().max(FRAME_COUNTS_BYTES)
}

impl Outbox {
    /// An empty queue. `all` counts the bytes of all queues of a node.
    pub(super) fn new(bytes_max: usize, all: Arc<AtomicUsize>) -> Self {
        Self {
            state: Mutex::default(),
            bytes_max,
            all,
            ready: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in this file panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, or refuses it if the queue is full. If there is any room, a frame of any length fits, because a long
    /// block must be able to pass.
    pub(super) fn push(&self, frame: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.finishing || state.bytes >= self.limit() {
            // The sender will be told when there is room, even if the other queues leave none.
            state.filled = true;
            return false;
        }
        state.bytes += counts(&frame);
        self.all.fetch_add(counts(&frame), Ordering::Relaxed);
        state.filled |= state.bytes >= self.bytes_max / 2;
        state.frames.push_back(frame);
        drop(state);
        self.ready.notify_one();
        true
    }

    fn limit(&self) -> usize {
        if self.all.load(Ordering::Relaxed) < ALL_BYTES_MAX {
            self.bytes_max
        } else {
            self.bytes_max.min(SHARE_BYTES)
        }
    }

    /// Free bytes. After an answer of zero, [`Self::sent`] reports when there is room again, unless the queue is finished.
    pub(super) fn room(&self) -> usize {
        let mut state = self.lock();
        if state.finishing {
            return 0;
        }
        let room = self.limit().saturating_sub(state.bytes);
        state.filled |= room == 0;
        room
    }

    /// The next frame, which counts until [`Self::sent`]. `None` once finished and empty.
    pub(super) async fn next(&self) -> Option<Vec<u8>> {
        loop {
            let (next, finishing) = {
                let mut state = self.lock();
                (state.frames.pop_front(), state.finishing)
            };
            if next.is_some() || finishing {
                return next;
            }
            self.ready.notified().await;
        }
    }

    /// Takes no more frames. Waiting ones are still sent.
    pub(super) fn finish(&self) {
        self.lock().finishing = true;
        self.ready.notify_one();
    }

    /// A frame was sent. Returns whether a queue that was full is half empty again, or below its share while all queues
    /// together are full.
    pub(super) fn sent(&self, frame: &[u8]) -> bool {
        let mut state = self.lock();
        state.bytes -= counts(frame);
        self.all.fetch_sub(counts(frame), Ordering::Relaxed);
        let drained = state.filled && state.bytes < self.limit().min(self.bytes_max / 2);
        state.filled &= !drained;
        drained
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_takes_again_when_it_drains() {
        let all = Arc::default();
        let outbox = Outbox::new(4096, Arc::clone(&all));
        assert!(outbox.push(vec![0; 1]), "small frames count a kilobyte");
        assert_eq!(outbox.room(), 3072);
        assert!(outbox.push(vec![0; 100_000]), "a long frame passes");
        assert_eq!(outbox.room(), 0);
        assert!(!outbox.push(vec![0; 1]));
        for _ in 0..2 {
            let before = outbox.room();
            let frame = outbox.next().await.unwrap();
            assert_eq!(outbox.room(), before, "what is being sent counts");
            let drained = outbox.sent(&frame);
            assert_eq!(drained, frame.len() > 1, "only when it was full");
        }
        assert!(outbox.push(vec![0; 1]));
        outbox.finish();
        assert!(!outbox.push(vec![0; 1]), "finished");
        assert_eq!(outbox.room(), 0);
        assert!(outbox.next().await.is_some(), "what waited is sent");
        assert!(outbox.next().await.is_none());
        assert_eq!(all.load(Ordering::Relaxed), 1024, "one is not sent yet");
        drop(outbox);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn whoever_asks_for_room_in_vain_hears_of_it() {
        let outbox = Outbox::new(4096, Arc::default());
        outbox.push(vec![0; 1000]);
        let few = outbox.next().await.unwrap();
        assert!(!outbox.sent(&few), "nobody asked");
        outbox.push(vec![0; 4096]);
        assert_eq!(outbox.room(), 0);
        let all = outbox.next().await.unwrap();
        assert!(outbox.sent(&all));
    }

    #[tokio::test]
    async fn whoever_is_refused_hears_of_room() {
        let all = Arc::default();
        let outbox = || Outbox::new(4 << 20, Arc::clone(&all));
        let (slow, full) = (outbox(), outbox());
        for _ in 0..6 {
            assert!(slow.push(vec![0; SHARE_BYTES]));
        }
        all.fetch_add(ALL_BYTES_MAX, Ordering::Relaxed);
        assert!(!slow.push(vec![0; 1]), "the others left no room");
        for sent in 1..=6 {
            let frame = slow.next().await.unwrap();
            assert_eq!(slow.sent(&frame), sent == 6, "below its share");
        }
        for _ in 0..4 {
            full.push(vec![0; SHARE_BYTES]);
        }
        assert!(!full.push(vec![0; 1]));
        all.fetch_sub(ALL_BYTES_MAX, Ordering::Relaxed);
        let frame = full.next().await.unwrap();
        assert!(full.sent(&frame), "the others' queues drained");
    }

    #[test]
    fn all_queues_together_are_bounded() {
        let all = Arc::default();
        let boxes: Vec<Outbox> = (0..64)
            .map(|_| Outbox::new(4 << 20, Arc::clone(&all)))
            .collect();
        for outbox in &boxes {
            while outbox.push(vec![0; 64 << 10]) {}
        }
        let waits = all.load(Ordering::Relaxed);
        assert!(waits <= ALL_BYTES_MAX + boxes.len() * (SHARE_BYTES + (64 << 10)));
        assert!(
            boxes[63].lock().bytes >= SHARE_BYTES,
            "the last one has its share"
        );
    }
}
