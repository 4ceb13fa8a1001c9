//! Serves sealed blocks to peers that catch up. Its own thread reads them, so that nobody waits for the disk.
//!
//! A peer asks for the next window when it has applied the last one. The next window is read ahead meanwhile. Peers are
//! served in turn. Requests for blocks that the author was not served yet come first. Nothing is read for a peer that does
//! not take what it was sent.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::time::Instant;

use super::shared::Shared;
use crate::base::digest::NodeId;
use crate::core::PeerId;
use crate::exchange::message::Message;
use crate::net::{SendError, Transport};
use crate::store::Store;

/// Bytes that an author may fetch a second time at once: the past of a hundred thousand records, for a node that lost its
/// disk.
const AGAIN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Bytes that an author may fetch again per second after that, about as fast as a node verifies. Without a limit, small
/// questions could keep this node reading, encrypting and sending.
const AGAIN_BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;

/// The first height, and most bytes.
type Window = (u64, usize);

#[derive(Debug, Clone, Copy)]
struct Request {
    peer: PeerId,
    author: NodeId,
    window: Window,
}

#[derive(Default)]
struct Queue {
    /// One window per peer. A later request replaces one that was not begun.
    wanted: BTreeMap<PeerId, Request>,
    /// Requests of peers whose queue is full.
    full: BTreeMap<PeerId, Request>,
    /// The peer served last; the next one is served next.
    last: Option<PeerId>,
    accounts: BTreeMap<NodeId, Account>,
    is_closed: bool,
}

/// The blocks that an author was served, on all its connections. The roster bounds the number of accounts.
struct Account {
    /// The first height that it was not served yet.
    reached: u64,
    /// Bytes served again, less the allowance since.
    again_bytes: u64,
    as_of: Instant,
}

impl Account {
    fn new(now: Instant) -> Self {
        Self {
            reached: 0,
            again_bytes: 0,
            as_of: now,
        }
    }

    fn is_new(&self, from: u64) -> bool {
        from >= self.reached
    }

    /// How long the author must wait before blocks are served to it again.
    fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.as_of);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let forgiven = (millis / 1000)
            .saturating_mul(AGAIN_BYTES_PER_SECOND)
            .saturating_add(millis % 1000 * AGAIN_BYTES_PER_SECOND / 1000);
        self.again_bytes = self.again_bytes.saturating_sub(forgiven);
        self.as_of += Duration::from_millis(millis);
        let over = self.again_bytes.saturating_sub(AGAIN_BYTES_MAX);
        Duration::from_millis(over.saturating_mul(1000).div_ceil(AGAIN_BYTES_PER_SECOND))
    }

    fn served(&mut self, from: u64, end: u64, bytes: u64) {
        if !self.is_new(from) {
            self.again_bytes = self.again_bytes.saturating_add(bytes);
        }
        self.reached = self.reached.max(end);
    }
}

impl Queue {
    /// The next request in turn that need not wait, or else the shortest wait. Requests for new blocks come before all
    /// others; there are only as many of them as there are heights.
    fn take(&mut self, now: Instant) -> Result<Request, Option<Duration>> {
        let last = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let after = self.wanted.range((last, Bound::Unbounded));
        let in_turn = after.chain(self.wanted.iter());
        let mut soonest: Option<Duration> = None;
        let (mut new, mut again) = (None, None);
        for request in in_turn.map(|(_, request)| *request) {
            let account = self.accounts.entry(request.author);
            let account = account.or_insert_with(|| Account::new(now));
            if account.is_new(request.window.0) {
                new = Some(request);
                break;
            }
            let wait = account.wait(now);
            if wait.is_zero() {
                again.get_or_insert(request);
            }
            soonest = Some(soonest.map_or(wait, |before| before.min(wait)));
        }
        let next = new.or(again).ok_or(soonest)?;
        self.wanted.remove(&next.peer);
        self.last = Some(next.peer);
        Ok(next)
    }
}

/// The requests, shared with the thread.
#[derive(Default)]
pub(super) struct BlockRequests {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl BlockRequests {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn serve(&self, peer: PeerId, author: NodeId, window: Window) {
        let request = Request {
            peer,
            author,
            window,
        };
        let mut queue = self.lock();
        if let Some(waits) = queue.full.get_mut(&peer) {
            *waits = request;
            return;
        }
        queue.wanted.insert(peer, request);
        self.changed.notify_one();
    }

    /// A peer's queue has room again.
    pub(super) fn drained(&self, peer: PeerId) {
        let mut queue = self.lock();
        if let Some(request) = queue.full.remove(&peer) {
            queue.wanted.entry(peer).or_insert(request);
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
    fn next(&self) -> Option<Request> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            queue = match queue.take(Instant::now()) {
                Ok(request) => return Some(request),
                Err(Some(wait)) => {
                    let waited = self.changed.wait_timeout(queue, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Err(None) => {
                    let waited = self.changed.wait(queue);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn is_idle(&self) -> bool {
        self.lock().wanted.is_empty()
    }

    /// A peer's queue had no room. If it has room by now, the event came before the request was stored; if the peer is gone,
    /// no event will come.
    fn no_room(&self, request: Request, room: impl FnOnce() -> Option<usize>) {
        let mut queue = self.lock();
        // The peer may have asked for another window meanwhile.
        let latest = queue.wanted.remove(&request.peer).unwrap_or(request);
        queue.full.insert(latest.peer, latest);
        drop(queue);
        match room() {
            None => self.forget(request.peer),
            Some(0) => {}
            Some(_) => self.drained(request.peer),
        }
    }

    fn served(&self, request: &Request, end: u64, bytes: u64) {
        let mut queue = self.lock();
        let account = queue.accounts.entry(request.author);
        let account = account.or_insert_with(|| Account::new(Instant::now()));
        account.served(request.window.0, end, bytes);
    }
}

/// A window with its blocks.
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
pub(super) fn run(shared: &Shared, transport: &Transport, requests: &Arc<BlockRequests>) {
    let store = &shared.store;
    let mut ahead: Option<Ahead> = None;
    while let Some(request) = requests.next() {
        let window = request.window;
        let room = || transport.room(request.peer);
        if room().is_none_or(|room| room == 0) {
            requests.no_room(request, room);
            continue;
        }
        let ready = ahead.take_if(|ahead| ahead.window == window);
        let Some(served) = ready.or_else(|| read(store, window)) else {
            continue;
        };
        match transport.send(request.peer, &served.message) {
            Ok(()) => {
                shared.sent.count(&served.message);
                let next = after(&served);
                requests.served(&request, next.0, served.message.weight() as u64);
                if requests.is_idle() && ahead.as_ref().is_none_or(|ahead| ahead.window != next) {
                    ahead = read(store, next);
                }
            }
            // The peer refuses the blocks it already got as known, or asks again.
            Err(SendError::Full) => {
                requests.no_room(request, room);
                ahead = Some(served);
            }
            Err(SendError::NotConnected) => ahead = Some(served),
            Err(error @ SendError::TooLong(_)) => {
                tracing::error!(%error, "a block is too long to send");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(peer: u64, author: u8, from: u64) -> Request {
        Request {
            peer: PeerId(peer),
            author: NodeId::from_bytes([author; 32]),
            window: (from, 1000),
        }
    }

    #[test]
    fn peers_are_served_in_turn_however_often_one_asks() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut order = Vec::new();
        for round in 0..4 {
            for peer in [1, 2, 3] {
                // The first peer asks again each time, the others only after they were served.
                let request = request(peer, 1, round);
                queue.wanted.entry(request.peer).or_insert(request);
            }
            order.push(queue.take(now).unwrap().peer.0);
        }
        assert_eq!(order, [1, 2, 3, 1]);
        queue.wanted.clear();
        assert!(matches!(queue.take(now), Err(None)));
    }

    #[test]
    fn room_that_came_before_anybody_waited_for_it_is_used() {
        let requests = BlockRequests::default();
        requests.no_room(request(1, 1, 5), || Some(0));
        assert!(requests.is_idle());
        requests.no_room(request(1, 1, 5), || Some(1));
        assert_eq!(requests.next().unwrap().peer, PeerId(1));
    }

    #[test]
    fn who_takes_nothing_is_not_served_however_often_it_asks() {
        let requests = BlockRequests::default();
        requests.no_room(request(1, 1, 5), || Some(0));
        requests.serve(PeerId(1), NodeId::from_bytes([1; 32]), (6, 1000));
        assert!(requests.is_idle());
        requests.drained(PeerId(1));
        assert_eq!(requests.next().unwrap().window.0, 6, "what it wants now");
        requests.serve(PeerId(1), NodeId::from_bytes([1; 32]), (7, 1000));
        requests.no_room(request(1, 1, 5), || Some(1));
        assert_eq!(requests.next().unwrap().window.0, 7, "and not what it got");
        requests.no_room(request(1, 1, 5), || None);
        assert!(requests.lock().full.is_empty(), "it is gone");
    }

    #[test]
    fn what_is_new_comes_before_what_is_wanted_again() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for (peer, author) in [(1, 7), (2, 7), (3, 8)] {
            let request = request(peer, author, 1);
            queue.wanted.insert(request.peer, request);
        }
        queue
            .accounts
            .insert(NodeId::from_bytes([7; 32]), Account::new(now));
        let served = queue.accounts.values_mut().next().unwrap();
        served.served(1, 9, 1000);
        let order: Vec<u64> = (0..3).map(|_| queue.take(now).unwrap().peer.0).collect();
        assert_eq!(order, [3, 1, 2]);
    }

    #[test]
    fn who_fetches_the_past_again_and_again_waits_and_others_do_not() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mut now = start;
        let (mut fetched, mut waited) = (0_u64, Duration::ZERO);
        let window_bytes = 1 << 20;
        while fetched < 100 {
            // It uses a new connection for every window, and was never served heights from 10 on.
            let from = fetched % 10;
            let request = request(fetched, 7, from);
            queue.wanted.insert(request.peer, request);
            match queue.take(now) {
                Ok(_) => fetched += 1,
                Err(wait) => {
                    let wait = wait.unwrap();
                    waited += wait;
                    now += wait;
                    continue;
                }
            }
            let account = queue.accounts.get_mut(&request.author).unwrap();
            account.served(from, from + 1, window_bytes);
        }
        // Ten of the hundred megabytes were new, and 33 were allowed at once.
        assert_eq!((waited.as_millis() + 500) / 1000, 14);
        let other = request(1000, 8, 1);
        queue.wanted.insert(other.peer, other);
        let again = request(1001, 7, 3);
        queue.wanted.insert(again.peer, again);
        assert_eq!(queue.take(now).unwrap().peer, other.peer);
        assert!(queue.take(now).unwrap_err().is_some());
        let new = request(1002, 7, 10);
        queue.wanted.insert(new.peer, new);
        assert_eq!(queue.take(now).unwrap().peer, new.peer, "what is new");
    }
}
