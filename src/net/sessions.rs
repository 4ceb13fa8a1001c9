//! Sessions: connections with proven authors, one for each author.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use iroh::EndpointId;
use iroh::endpoint::{Connection, ConnectionError};
use tokio::time::Instant;

use super::close::{CloseCode, CloseReason};
use super::config::Config;
use super::hello::Proven;
use super::outbox::Outbox;
use super::receive_budget::{PeerBudget, peer_budget};
use crate::base::digest::NodeId;
use crate::core::{PeerId, SigningState};
use crate::exchange::message::Message;

/// Long blocks that a peer may send after each question that blocks answer.
const LONG_BLOCKS_PER_QUESTION: u32 = 16;

/// The other connection of a session's author, while the two are compared.
struct Other {
    session: Weak<Session>,
    /// Whether this session's nonce, and its proof, were passed to the other one.
    is_passed: bool,
    is_proved: bool,
}

/// A connection with a proven author.
pub(super) struct Session {
    pub(super) id: PeerId,
    pub(super) proven: Proven,
    pub(super) endpoint: EndpointId,
    /// Whether this node dialled.
    pub(super) dialled: bool,
    pub(super) since: Instant,
    pub(super) connection: Connection,
    pub(super) outbox: Outbox,
    /// The memory that this peer's waiting messages may take.
    pub(super) budget: PeerBudget,
    /// Whether the peer ended its stream.
    pub(super) peer_finished: AtomicBool,
    long_blocks: AtomicU32,
    slowed_until: Mutex<Option<Instant>>,
    closed_here: OnceLock<CloseCode>,
    /// Whether it signs, and how far its clock is ahead, as it said last and before.
    said: Mutex<(SigningState, [i64; 2])>,
    /// The author's other connection, while the two are compared.
    other: Mutex<Option<Other>>,
    proved_at: Mutex<Option<Instant>>,
}

impl Session {
    pub(super) fn new(
        id: PeerId,
        proven: Proven,
        dialled: bool,
        connection: Connection,
        outbox: Outbox,
    ) -> Self {
        let said = (proven.signing, [proven.ahead_ms; 2]);
        Self {
            id,
            proven,
            endpoint: connection.remote_id(),
            dialled,
            since: Instant::now(),
            connection,
            outbox,
            budget: peer_budget(),
            peer_finished: AtomicBool::new(false),
            long_blocks: AtomicU32::new(0),
            slowed_until: Mutex::default(),
            closed_here: OnceLock::new(),
            said: Mutex::new(said),
            other: Mutex::default(),
            proved_at: Mutex::default(),
        }
    }

    /// Takes what the peer says of itself.
    pub(super) fn hear(&self, signing: SigningState, ahead_ms: i64) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let [last, _] = said.1;
        *said = (signing, [ahead_ms, last]);
    }

    /// Whether the peer signs, and how far its clock is ahead: of two figures the one that was less delayed.
    pub(super) fn said(&self) -> (SigningState, i64) {
        let (signing, ahead) = *self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (signing, ahead[0].max(ahead[1]))
    }

    /// Begins or ends a comparison with the author's other connection.
    pub(super) fn compare_with(&self, other: Option<&Arc<Self>>) {
        let other = other.map(|session| Other {
            session: Arc::downgrade(session),
            is_passed: false,
            is_proved: false,
        });
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = other;
    }

    /// The author's other connection, for the one nonce that may be passed to it.
    pub(super) fn other_for_nonce(&self) -> Option<Arc<Self>> {
        self.other(|other| !std::mem::replace(&mut other.is_passed, true))
    }

    /// The author's other connection, for the one proof that may be passed to it.
    pub(super) fn other_for_proof(&self) -> Option<Arc<Self>> {
        self.other(|other| !std::mem::replace(&mut other.is_proved, true))
    }

    fn other(&self, may: impl FnOnce(&mut Other) -> bool) -> Option<Arc<Self>> {
        let mut other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        let other = other.as_mut()?;
        may(other).then(|| other.session.upgrade())?
    }

    /// Whether this node may sign a proof for this peer, which it may once in a while.
    pub(super) fn may_prove(&self, now: Instant, every: Duration) -> bool {
        let mut at = self
            .proved_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let may = at.is_none_or(|at| now >= at + every);
        if may {
            *at = Some(now);
        }
        may
    }

    pub(super) fn close(&self, code: CloseCode) {
        // The peer sees the first code.
        let _ = self.closed_here.set(code);
        let first = self.closed_here.get().copied().unwrap_or(code);
        first.close(&self.connection);
    }

    pub(super) fn is_closed_here(&self) -> bool {
        self.closed_here.get().is_some()
    }

    /// Why the connection ended. Closes it if it is open.
    pub(super) fn ended(&self) -> CloseReason {
        if self.connection.close_reason().is_none() {
            self.close(CloseCode::Internal);
        }
        match self.connection.close_reason() {
            Some(ConnectionError::LocallyClosed) | None => CloseReason::Here(
                self.closed_here
                    .get()
                    .copied()
                    .unwrap_or(CloseCode::Shutdown),
            ),
            Some(error) => error.into(),
        }
    }

    /// Reads no more messages before this time.
    fn slow(&self, until: Instant) {
        let slowed = self.slowed_until.lock();
        let mut slowed = slowed.unwrap_or_else(PoisonError::into_inner);
        *slowed = Some(slowed.map_or(until, |before| before.max(until)));
    }

    /// Ends the slowdown, if it was not renewed since.
    pub(super) fn forgive(&self, since: Instant) {
        let slowed = self.slowed_until.lock();
        let mut slowed = slowed.unwrap_or_else(PoisonError::into_inner);
        *slowed = slowed.filter(|until| *until > since);
    }

    /// The end of the latest slowdown, which may have passed.
    pub(super) fn slowed_until(&self) -> Option<Instant> {
        let slowed = self.slowed_until.lock();
        *slowed.unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows long blocks if the message is a question that blocks can answer. A peer at another height reads a comparison
    /// as a status.
    pub(super) fn note_question(&self, message: &Message) {
        if matches!(
            message,
            Message::AskBlocks { .. } | Message::Status { .. } | Message::Reconcile { .. }
        ) {
            self.long_blocks
                .store(LONG_BLOCKS_PER_QUESTION, Ordering::Relaxed);
        }
    }

    /// Whether one more long block was requested.
    pub(super) fn takes_long_block(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.long_blocks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: BTreeMap<PeerId, Arc<Session>>,
    by_author: BTreeMap<NodeId, PeerId>,
    /// The last session of each author, even if it ended. The roster bounds their number.
    latest: BTreeMap<NodeId, PeerId>,
    /// Authors that are slowed down. The slowdown survives a new connection.
    slowed: BTreeMap<NodeId, Instant>,
}

impl Sessions {
    /// Adds a session, and returns the older one of the author that it replaces: a peer that crashed and came back must not
    /// wait until its old connection is known to be dead.
    ///
    /// # Errors
    ///
    /// The code for closing the new connection.
    pub(super) fn admit(
        &mut self,
        session: &Arc<Session>,
        own: &EndpointId,
        config: &Config,
    ) -> Result<Option<Arc<Session>>, CloseCode> {
        let old = self
            .by_author
            .get(&session.proven.author)
            .and_then(|id| self.by_id.get(id))
            .cloned();
        match &old {
            Some(old) if keeps_old(old, session, own, config.simultaneous) => {
                return Err(CloseCode::Duplicate);
            }
            None if !self.has_room(session.dialled, config) => return Err(CloseCode::Busy),
            _ => {}
        }
        if let Some(old) = &old {
            self.by_id.remove(&old.id);
        }
        self.by_author.insert(session.proven.author, session.id);
        self.by_id.insert(session.id, session.clone());
        if let Some(until) = self.slowed.get(&session.proven.author) {
            session.slow(*until);
        }
        Ok(old)
    }

    /// Records an author's latest session. Returns the one before.
    pub(super) fn follow(&mut self, session: &Session) -> Option<PeerId> {
        self.latest.insert(session.proven.author, session.id)
    }

    /// Reads no more messages of an author before this time, on any connection.
    pub(super) fn slow(&mut self, author: NodeId, until: Instant, now: Instant) {
        self.slowed.retain(|_, until| *until > now);
        let slowed = self.slowed.entry(author).or_insert(until);
        *slowed = until.max(*slowed);
        if let Some(session) = self
            .by_author
            .get(&author)
            .and_then(|id| self.by_id.get(id))
        {
            session.slow(until);
        }
    }

    /// Whether there is room for one more session. Some room is kept for dialled peers, so that incoming connections
    /// cannot take all of it.
    fn has_room(&self, dialled: bool, config: &Config) -> bool {
        let wanted = config.degree.min(config.connections_max / 2);
        let kept = if dialled {
            0
        } else {
            wanted.saturating_sub(self.dialled())
        };
        self.by_id.len() + kept < config.connections_max
    }

    /// The number of sessions that this node dialled.
    pub(super) fn dialled(&self) -> usize {
        self.by_id
            .values()
            .filter(|session| session.dialled)
            .count()
    }

    pub(super) fn remove(&mut self, session: &Session) {
        self.by_id.remove(&session.id);
        if self.by_author.get(&session.proven.author) == Some(&session.id) {
            self.by_author.remove(&session.proven.author);
        }
    }

    pub(super) fn get(&self, id: PeerId) -> Option<&Arc<Session>> {
        self.by_id.get(&id)
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.by_id.values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether the endpoint, or its author, is connected.
    pub(super) fn is_up(&self, endpoint: &EndpointId, author: Option<&NodeId>) -> bool {
        author.is_some_and(|author| self.by_author.contains_key(author))
            || self
                .by_id
                .values()
                .any(|session| session.endpoint == *endpoint)
    }
}

/// Whether the older of an author's two connections stays.
///
/// Two nodes that dial each other at once must keep the same connection: the one that the smaller endpoint dialled.
/// Otherwise the newer connection stays: the peer restarted (`instance`), or takes the older connection for dead.
fn keeps_old(old: &Session, new: &Session, own: &EndpointId, simultaneous: Duration) -> bool {
    let crossed = old.dialled != new.dialled
        && old.endpoint == new.endpoint
        && old.proven.instance == new.proven.instance
        && old.since.elapsed() < simultaneous
        && old.connection.close_reason().is_none();
    let old_dialler = if old.dialled { own } else { &old.endpoint };
    let new_dialler = if new.dialled { own } else { &new.endpoint };
    crossed && old_dialler < new_dialler
}
