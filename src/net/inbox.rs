//! Received messages on their way to the listener, one message of each peer in turn, so that a flood delays nobody else.
//!
//! A waiting message holds its [reservation](super::receive_budget).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::NetEvent;
use super::receive_budget::Reservation;
use crate::core::PeerId;

/// An event with its reservation.
type Held = (NetEvent, Reservation);

#[derive(Default)]
struct Waiting {
    queues: BTreeMap<PeerId, VecDeque<Held>>,
    /// Peers with waiting events, in the order of their turns.
    turns: VecDeque<PeerId>,
    closed: bool,
}

/// The queues, shared by the connections' tasks and [`super::Events`].
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<Waiting>,
    ready: Notify,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in this file panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a `PeerUp` or `PeerDown`.
    pub(super) fn push(&self, peer: PeerId, event: NetEvent) {
        self.push_while(peer, event, Reservation::default(), || true);
    }

    /// Queues an event if `open` holds. `open` is called under the lock: an event that was pushed before the connection
    /// closed is found by [`Self::discard_messages`], and none is pushed afterwards.
    pub(super) fn push_while(
        &self,
        peer: PeerId,
        event: NetEvent,
        reservation: Reservation,
        open: impl FnOnce() -> bool,
    ) {
        let mut state = self.lock();
        if state.closed || !open() {
            return;
        }
        let queue = state.queues.entry(peer).or_default();
        queue.push_back((event, reservation));
        if queue.len() == 1 {
            state.turns.push_back(peer);
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Queues an event unless an equal one waits.
    pub(super) fn push_once(&self, peer: PeerId, event: NetEvent) {
        let queued = {
            let state = self.lock();
            let queue = state.queues.get(&peer);
            queue.is_some_and(|queue| queue.iter().any(|(other, _)| *other == event))
        };
        if !queued {
            self.push(peer, event);
        }
    }

    /// Drops a peer's waiting messages, but not its `PeerUp` and `PeerDown`.
    pub(super) fn discard_messages(&self, peer: PeerId) {
        let mut state = self.lock();
        if let Some(queue) = state.queues.get_mut(&peer) {
            queue.retain(|(event, _)| !matches!(event, NetEvent::Message { .. }));
            if queue.is_empty() {
                state.queues.remove(&peer);
                state.turns.retain(|turn| *turn != peer);
            }
        }
    }

    /// The number of peers with waiting events.
    pub(super) fn peers(&self) -> usize {
        self.lock().queues.len()
    }

    /// Takes no more events. Waiting ones can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// The listener is gone: drops everything.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queues.clear();
        state.turns.clear();
    }

    fn take(&self) -> Result<NetEvent, bool> {
        let mut state = self.lock();
        let Some(peer) = state.turns.pop_front() else {
            return Err(state.closed);
        };
        let mut queue = state.queues.remove(&peer).unwrap_or_default();
        let (event, reservation) = queue
            .pop_front()
            .expect("only peers with waiting events have a turn");
        if !queue.is_empty() {
            state.queues.insert(peer, queue);
            state.turns.push_back(peer);
        }
        drop(state);
        drop(reservation);
        Ok(event)
    }

    /// The next event; `None` once closed and empty. Dropping the future loses nothing.
    pub(super) async fn next(self: &Arc<Self>) -> Option<NetEvent> {
        loop {
            match self.take() {
                Ok(event) => return Some(event),
                Err(true) => return None,
                // `notify_one` stores a permit if nobody waits, so no event is missed.
                Err(false) => self.ready.notified().await,
            }
        }
    }

    pub(super) fn try_next(&self) -> Option<NetEvent> {
        self.take().ok()
    }
}

/// The stream of network events.
///
/// Each peer's messages come in turn. Messages that are not taken fill the queues of their senders, and then slow these
/// down.
pub struct Events {
    pub(super) inbox: Arc<Inbox>,
}

impl Events {
    /// The next event. `None` once the transport is shut down and the queues are empty. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<NetEvent> {
        self.inbox.next().await
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<NetEvent> {
        self.inbox.try_next()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::message::Message;
    use crate::net::receive_budget::{ReceiveBudget, peer_budget};
    use std::time::Duration;

    fn message(peer: u64, from: u64) -> NetEvent {
        let message = Message::AskBlocks { from };
        let peer = PeerId(peer);
        NetEvent::Message { peer, message }
    }

    #[tokio::test]
    async fn a_flood_delays_nobody_else() {
        let inbox = Arc::new(Inbox::default());
        for number in 0..1000 {
            inbox.push(PeerId(1), message(1, number));
        }
        inbox.push(PeerId(2), message(2, 0));
        inbox.push(PeerId(2), message(2, 1));
        let mut order = Vec::new();
        for _ in 0..5 {
            if let Some(NetEvent::Message { peer, message }) = inbox.next().await {
                order.push((peer.0, message));
            }
        }
        let peers: Vec<u64> = order.iter().map(|(peer, _)| *peer).collect();
        assert_eq!(peers, [1, 2, 1, 2, 1]);
        let seconds: Vec<_> = order.into_iter().filter(|(peer, _)| *peer == 2).collect();
        assert_eq!(seconds[1].1, Message::AskBlocks { from: 1 }, "in order");
    }

    #[tokio::test]
    async fn taking_a_message_frees_its_place() {
        let inbox = Arc::new(Inbox::default());
        let (budget, own) = (ReceiveBudget::new(1), peer_budget());
        let is_free = async || {
            let reservation = budget.reserve(&own, usize::MAX);
            tokio::time::timeout(Duration::ZERO, reservation)
                .await
                .is_ok()
        };
        let reservation = budget.reserve(&own, usize::MAX).await;
        inbox.push_while(PeerId(1), message(1, 0), reservation, || true);
        assert!(!is_free().await);
        inbox.next().await.unwrap();
        assert!(is_free().await);
        let reservation = budget.reserve(&own, usize::MAX).await;
        inbox.push_while(PeerId(1), message(1, 0), reservation, || true);
        inbox.discard_messages(PeerId(1));
        assert!(is_free().await, "also if it is forgotten");
        assert_eq!(inbox.peers(), 0);
        inbox.push_while(PeerId(1), message(1, 0), Reservation::default(), || false);
        assert!(inbox.try_next().is_none());
        inbox.close();
        assert!(inbox.next().await.is_none());
    }
}
