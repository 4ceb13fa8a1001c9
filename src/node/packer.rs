//! Compresses the sealed past in a thread of its own, so that nobody waits for it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::NodeError;
use super::shared::{Shared, thread};

/// The thread. Dropping it lets the thread end after what it is doing.
pub(super) struct Packer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Packer {
    /// Starts the thread.
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self, NodeError> {
        let (wake, woken) = sync_channel(1);
        let work = move || {
            while woken.recv().is_ok() {
                if let Err(error) = shared.store.pack() {
                    // The next write finds a store that fails, or the next reader damage.
                    tracing::error!(%error, "the past is not compressed");
                }
            }
        };
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread("mycnet packing", work)?),
        })
    }

    /// Heights may fill a group.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            // If it was woken before and has not begun, that is enough.
            let _ = wake.try_send(());
        }
    }

    /// Ends the thread, and waits for it.
    pub(super) fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported when it happened.
            let _ = thread.join();
        }
    }
}
