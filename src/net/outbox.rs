//! What waits to be sent to one peer.
//!
//! Sending never blocks. A message that finds the queue full is refused, and the connection stays: a link that is slow for a
//! while is no fault, opening a connection anew costs more than the gap, and the regular reconciliation fills it. A peer that takes
//! nothing at all for the stall deadline is closed by the writer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Default)]
struct State {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    finishing: bool,
}

pub(super) struct Outbox {
    state: Mutex<State>,
    bytes_max: usize,
    ready: Notify,
}

/// The least that a frame counts, so that small ones are bounded in number too.
const FRAME_COUNTS_BYTES: usize = 1024;

fn counts(frame: &[u8]) -> usize {
    frame.len().max(FRAME_COUNTS_BYTES)
}

impl Outbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            bytes_max,
            ready: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, or gives up if the queue is full. A frame is taken whole, however long, if there is any room: a long
    /// block must be able to pass.
    pub(super) fn push(&self, frame: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.finishing || state.bytes >= self.bytes_max {
            return false;
        }
        state.bytes += counts(&frame);
        state.frames.push_back(frame);
        drop(state);
        self.ready.notify_one();
        true
    }

    /// Bytes that can be queued before messages are refused.
    pub(super) fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.lock().bytes)
    }

    /// The next frame; it counts until [`Self::sent`]. `None` once it is finished and empty.
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

    /// Takes nothing more; what waits is still sent.
    pub(super) fn finish(&self) {
        self.lock().finishing = true;
        self.ready.notify_one();
    }

    /// A frame was handed to the transport.
    pub(super) fn sent(&self, frame: &[u8]) {
        self.lock().bytes -= counts(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_takes_again_when_it_drains() {
        let outbox = Outbox::new(4096);
        assert!(outbox.push(vec![0; 1]), "small frames count a kilobyte");
        assert_eq!(outbox.room(), 3072);
        assert!(outbox.push(vec![0; 100_000]), "a long frame passes");
        assert_eq!(outbox.room(), 0);
        assert!(!outbox.push(vec![0; 1]));
        for _ in 0..2 {
            let before = outbox.room();
            let frame = outbox.next().await.unwrap();
            assert_eq!(outbox.room(), before, "what is being sent counts");
            outbox.sent(&frame);
        }
        assert!(outbox.push(vec![0; 1]));
        outbox.finish();
        assert!(!outbox.push(vec![0; 1]), "finished");
        assert!(outbox.next().await.is_some(), "what waited is sent");
        assert!(outbox.next().await.is_none());
    }
}
