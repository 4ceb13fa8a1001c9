//! Connections with proven authors: one for each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use iroh::EndpointId;
use iroh::endpoint::{Connection, ConnectionError};
use tokio::time::Instant;

use super::close::{CloseCode, Closed};
use super::config::Config;
use super::hello::Proven;
use super::intake::{Share, share};
use super::outbox::Outbox;
use crate::base::digest::NodeId;
use crate::core::PeerId;
use crate::exchange::message::Message;

/// Long blocks that a peer may send for each question that is answered with blocks.
const LONG_BLOCKS_PER_QUESTION: u32 = 16;

/// One connection.
pub(super) struct Link {
    pub(super) id: PeerId,
    pub(super) proven: Proven,
    pub(super) endpoint: EndpointId,
    /// Whether this node dialled.
    pub(super) dialled: bool,
    pub(super) since: Instant,
    pub(super) connection: Connection,
    pub(super) outbox: Outbox,
    /// What may wait of this peer to be taken.
    pub(super) share: Share,
    /// Whether the peer ended its stream: it says nothing more.
    pub(super) peer_finished: AtomicBool,
    long_blocks: AtomicU32,
    slowed_until: Mutex<Option<Instant>>,
    closed_here: OnceLock<CloseCode>,
}

impl Link {
    pub(super) fn new(
        id: PeerId,
        proven: Proven,
        dialled: bool,
        connection: Connection,
        outbox: Outbox,
    ) -> Self {
        Self {
            id,
            proven,
            endpoint: connection.remote_id(),
            dialled,
            since: Instant::now(),
            connection,
            outbox,
            share: share(),
            peer_finished: AtomicBool::new(false),
            long_blocks: AtomicU32::new(0),
            slowed_until: Mutex::default(),
            closed_here: OnceLock::new(),
        }
    }

    pub(super) fn close(&self, code: CloseCode) {
        // The first code is the one that the peer sees.
        let _ = self.closed_here.set(code);
        let first = self.closed_here.get().copied().unwrap_or(code);
        self.connection
            .close(first.var_int(), first.reason().as_bytes());
    }

    pub(super) fn is_closed_here(&self) -> bool {
        self.closed_here.get().is_some()
    }

    /// How the connection ended. Closes it if it has not.
    pub(super) fn ended(&self) -> Closed {
        if self.connection.close_reason().is_none() {
            self.close(CloseCode::Internal);
        }
        match self.connection.close_reason() {
            Some(ConnectionError::LocallyClosed) | None => Closed::Here(
                self.closed_here
                    .get()
                    .copied()
                    .unwrap_or(CloseCode::Shutdown),
            ),
            Some(error) => error.into(),
        }
    }

    /// Reads no further message before this time.
    fn slow(&self, until: Instant) {
        let slowed = self.slowed_until.lock();
        let mut slowed = slowed.unwrap_or_else(PoisonError::into_inner);
        *slowed = Some(slowed.map_or(until, |before| before.max(until)));
    }

    /// It was not slowed down since this time, and is as any other again.
    pub(super) fn forgive(&self, since: Instant) {
        let slowed = self.slowed_until.lock();
        let mut slowed = slowed.unwrap_or_else(PoisonError::into_inner);
        *slowed = slowed.filter(|until| *until > since);
    }

    /// Until when no message is read of a peer that is slowed down, or lately was: a time that may have passed.
    pub(super) fn slowed_until(&self) -> Option<Instant> {
        let slowed = self.slowed_until.lock();
        *slowed.unwrap_or_else(PoisonError::into_inner)
    }

    /// What is sent may be a question that is answered with blocks: then long ones are taken. Whoever stands elsewhere takes a
    /// comparison for a status.
    pub(super) fn note_question(&self, message: &Message) {
        if matches!(
            message,
            Message::AskBlocks { .. } | Message::Status { .. } | Message::Reconcile { .. }
        ) {
            self.long_blocks
                .store(LONG_BLOCKS_PER_QUESTION, Ordering::Relaxed);
        }
    }

    /// Whether one more long block was asked for.
    pub(super) fn takes_long_block(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.long_blocks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// All connections.
#[derive(Default)]
pub(super) struct Links {
    by_id: BTreeMap<PeerId, Arc<Link>>,
    by_author: BTreeMap<NodeId, PeerId>,
    /// The last connection of each author, also if it is gone. There are no more of them than members.
    latest: BTreeMap<NodeId, PeerId>,
    /// Authors that are read from later only. They have not waited for less when they come back on another connection.
    slowed: BTreeMap<NodeId, Instant>,
}

impl Links {
    /// Lets a proven connection in, and returns the one whose place it takes. Of one author, the newer connection is kept: a
    /// peer that crashed and came back must not wait until its old connection is noticed to be dead.
    ///
    /// # Errors
    ///
    /// The code to close the new one with.
    pub(super) fn admit(
        &mut self,
        link: &Arc<Link>,
        own: &EndpointId,
        config: &Config,
    ) -> Result<Option<Arc<Link>>, CloseCode> {
        let old = self
            .by_author
            .get(&link.proven.author)
            .and_then(|id| self.by_id.get(id))
            .cloned();
        match &old {
            Some(old) if keeps_old(old, link, own, config.simultaneous) => {
                return Err(CloseCode::Duplicate);
            }
            None if !self.has_room(link.dialled, config) => return Err(CloseCode::Busy),
            _ => {}
        }
        if let Some(old) = &old {
            self.by_id.remove(&old.id);
        }
        self.by_author.insert(link.proven.author, link.id);
        self.by_id.insert(link.id, link.clone());
        if let Some(until) = self.slowed.get(&link.proven.author) {
            link.slow(*until);
        }
        Ok(old)
    }

    /// Notes a new connection as its author's latest. Gives the one before.
    pub(super) fn follow(&mut self, link: &Link) -> Option<PeerId> {
        self.latest.insert(link.proven.author, link.id)
    }

    /// Reads nothing more of an author before this time, on whatever connection.
    pub(super) fn slow(&mut self, author: NodeId, until: Instant, now: Instant) {
        self.slowed.retain(|_, until| *until > now);
        let slowed = self.slowed.entry(author).or_insert(until);
        *slowed = until.max(*slowed);
        if let Some(link) = self
            .by_author
            .get(&author)
            .and_then(|id| self.by_id.get(id))
        {
            link.slow(until);
        }
    }

    /// Whether one more fits. Some places are kept for those whom this node dials: whoever dials it cannot take them all.
    fn has_room(&self, dialled: bool, config: &Config) -> bool {
        let wanted = config.degree.min(config.connections_max / 2);
        let kept = if dialled {
            0
        } else {
            wanted.saturating_sub(self.dialled())
        };
        self.by_id.len() + kept < config.connections_max
    }

    /// How many this node dialled.
    pub(super) fn dialled(&self) -> usize {
        self.by_id.values().filter(|link| link.dialled).count()
    }

    pub(super) fn remove(&mut self, link: &Link) {
        self.by_id.remove(&link.id);
        if self.by_author.get(&link.proven.author) == Some(&link.id) {
            self.by_author.remove(&link.proven.author);
        }
    }

    pub(super) fn get(&self, id: PeerId) -> Option<&Arc<Link>> {
        self.by_id.get(&id)
    }

    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        self.by_id.values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether the endpoint, or the author behind it, is connected.
    pub(super) fn is_up(&self, endpoint: &EndpointId, author: Option<&NodeId>) -> bool {
        author.is_some_and(|author| self.by_author.contains_key(author))
            || self.by_id.values().any(|link| link.endpoint == *endpoint)
    }
}

/// Whether the old of two connections of one author stays.
///
/// Two nodes that dial each other at once have two connections, and must choose the same one: that which the smaller endpoint
/// dialled. In all other cases the newer one is right: the peer started anew (`boot`), or dialled again because it holds the old
/// one for dead.
fn keeps_old(old: &Link, new: &Link, own: &EndpointId, simultaneous: Duration) -> bool {
    let crossed = old.dialled != new.dialled
        && old.endpoint == new.endpoint
        && old.proven.boot == new.proven.boot
        && old.since.elapsed() < simultaneous
        && old.connection.close_reason().is_none();
    let old_dialler = if old.dialled { own } else { &old.endpoint };
    let new_dialler = if new.dialled { own } else { &new.endpoint };
    crossed && old_dialler < new_dialler
}
