//! Sealed blocks for peers that catch up, read in a thread of their own so that nobody waits for them.
//!
//! A peer asks for the next window when it has applied the last one. While it does, the next window is read already.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_bytes::ByteBuf;

use crate::core::PeerId;
use crate::message::Message;
use crate::net::{SendError, Transport};
use crate::store::Store;

/// The first height wanted, and bytes at most.
type Window = (u64, usize);

#[derive(Default)]
struct Queue {
    /// One window per peer; a later one takes the place of one that was not begun.
    wanted: BTreeMap<PeerId, Window>,
    /// Those for which there was no room: they wait until some is free.
    full: BTreeMap<PeerId, Window>,
    is_closed: bool,
}

/// What is asked of the thread.
#[derive(Default)]
pub(super) struct Requests {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn serve(&self, peer: PeerId, window: Window) {
        let mut queue = self.lock();
        queue.full.remove(&peer);
        queue.wanted.insert(peer, window);
        self.changed.notify_one();
    }

    /// There is room for a peer again.
    pub(super) fn drained(&self, peer: PeerId) {
        let mut queue = self.lock();
        if let Some(window) = queue.full.remove(&peer) {
            queue.wanted.entry(peer).or_insert(window);
            self.changed.notify_one();
        }
    }

    pub(super) fn forget(&self, peer: PeerId) {
        let mut queue = self.lock();
        queue.wanted.remove(&peer);
        queue.full.remove(&peer);
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for the next request; `None` once closed.
    fn next(&self) -> Option<(PeerId, Window)> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            if let Some(request) = queue.wanted.pop_first() {
                return Some(request);
            }
            let waited = self.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_idle(&self) -> bool {
        self.lock().wanted.is_empty()
    }

    fn no_room(&self, peer: PeerId, window: Window) {
        self.lock().full.entry(peer).or_insert(window);
    }
}

/// Blocks from a height on, and how many.
struct Ahead {
    window: Window,
    message: Message,
}

fn read(store: &Store, window: Window) -> Option<Ahead> {
    let (from, bytes) = window;
    match store.blocks_from(from, bytes) {
        Ok(blocks) if blocks.is_empty() => None,
        Ok(blocks) => {
            let blocks = blocks.into_iter().map(ByteBuf::from).collect();
            let message = Message::Blocks(blocks);
            Some(Ahead { window, message })
        }
        Err(error) => {
            tracing::warn!(%error, from, "blocks that a peer asked for cannot be read");
            None
        }
    }
}

fn after(ahead: &Ahead) -> Window {
    let (from, bytes) = ahead.window;
    let count = match &ahead.message {
        Message::Blocks(blocks) => blocks.len() as u64,
        _ => 0,
    };
    (from + count, bytes)
}

/// Serves until the requests are closed.
pub(super) fn run(store: &Store, transport: &Transport, requests: &Arc<Requests>) {
    let mut ahead: Option<Ahead> = None;
    while let Some((peer, window)) = requests.next() {
        let ready = ahead.take_if(|ahead| ahead.window == window);
        let Some(served) = ready.or_else(|| read(store, window)) else {
            continue;
        };
        match transport.send(peer, &served.message) {
            Ok(()) => {
                let next = after(&served);
                if requests.is_idle() && ahead.as_ref().is_none_or(|ahead| ahead.window != next) {
                    ahead = read(store, next);
                }
            }
            // What was sent of it is refused as known by the peer, or asked for again.
            Err(SendError::Full) => {
                requests.no_room(peer, window);
                ahead = Some(served);
            }
            Err(SendError::NotConnected) => ahead = Some(served),
            Err(error @ SendError::TooLong(_)) => {
                tracing::error!(%error, "a block does not travel");
            }
        }
    }
}
