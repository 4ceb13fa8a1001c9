//! The handle of a transport.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use iroh::EndpointAddr;
use iroh::endpoint::{Connection, Endpoint};
use iroh::protocol::{AcceptError, IncomingFilter, ProtocolHandler};
use iroh_mdns_address_lookup::MdnsAddressLookup;
use tokio::time::Instant;

use super::address::PeerCard;
use super::address_book::{KnownPeer, Origin};
use super::clocks::ClockReport;
use super::close::CloseCode;
use super::events::{PeerInfo, Traffic};
use super::membership::Relation;
use super::sessions::Session;
use super::shared::Inner;
use super::ticket::Ticket;
use super::{SendError, dialler, frame, incoming_filter};
use crate::base::digest::{NodeId, SealId};
use crate::base::limits::TICKET_PEERS_MAX;
use crate::core::PeerId;
use crate::exchange::message::Message;

/// Closes all connections when the last handle is dropped.
pub(super) struct Handle {
    pub(super) inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.close_all(CloseCode::Shutdown);
        self.inner.inbox.close();
    }
}

/// A node's connections. Cheap to clone; a [`ProtocolHandler`] for the caller's router, under [`super::ALPN`].
///
/// Only [`Self::shutdown`] waits; other methods return at once. Dropping the last clone closes all connections.
#[derive(Clone)]
pub struct Transport {
    pub(super) handle: Arc<Handle>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("network", &self.inner().network)
            .field("endpoint", &self.inner().endpoint.id())
            .finish_non_exhaustive()
    }
}

impl Transport {
    fn inner(&self) -> &Arc<Inner> {
        &self.handle.inner
    }

    fn session(&self, peer: PeerId) -> Option<Arc<Session>> {
        self.inner().table().sessions.get(peer).cloned()
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner().endpoint
    }

    /// A filter for the router ([`iroh::protocol::RouterBuilder::incoming_filter`]) that keeps floods of connection attempts
    /// cheap, for all protocols on the endpoint. The first 32 attempts pass, and one more each second. After that, a dialler
    /// must show that it receives at its source address. Then one address (for IPv6: one 56-bit network) may make 32
    /// attempts and one more each second; all together may make 128 and eight more each second. Addresses where a member was
    /// met have some more. Other attempts are ignored.
    pub fn incoming_filter(&self) -> IncomingFilter {
        incoming_filter::incoming_filter(self.inner())
    }

    /// Queues a message for a peer. A block that is longer than a frame gets a frame of its own.
    ///
    /// # Errors
    ///
    /// [`SendError`]. No case needs an answer.
    pub fn send(&self, peer: PeerId, message: &Message) -> Result<(), SendError> {
        let session = self.session(peer).ok_or(SendError::NotConnected)?;
        let frames = frame::frames(message).map_err(|long| SendError::TooLong(long.0))?;
        session.note_question(message);
        for frame in frames {
            if !session.outbox.push(frame) {
                return Err(SendError::Full);
            }
        }
        Ok(())
    }

    /// Free bytes in a peer's queue; `None` if the peer is not connected. A program that serves many blocks sends until
    /// there is no room, and continues at [`super::NetEvent::Drained`].
    pub fn room(&self, peer: PeerId) -> Option<usize> {
        Some(self.session(peer)?.outbox.room())
    }

    /// Dials an endpoint now, and again whenever it is not connected.
    pub fn dial(&self, address: &EndpointAddr) {
        let card = PeerCard::new(address, None);
        self.remember(&card);
        let inner = self.inner();
        inner.table().book.dial_now(&address.id, Instant::now());
        inner.changed.notify_one();
    }

    /// Adds a peer that the program was given ([`super::Builder::peers`]). It is dialled when more connections are wanted.
    pub fn remember(&self, card: &PeerCard) {
        self.learn(card, Origin::Given);
    }

    pub(super) fn learn(&self, card: &PeerCard, origin: Origin) {
        let inner = self.inner();
        let own = inner.signer.node_id();
        if let Some(endpoint) = card.endpoint_id()
            && endpoint != inner.endpoint.id()
            && card.author != Some(own)
        {
            let (author, now) = (card.author, Instant::now());
            let mut table = inner.table();
            if origin == Origin::Kept
                && let (Some(author), Some(address)) = (author, card.address(true))
            {
                for at in &address.addrs {
                    table.member_sources.note(author, endpoint, at);
                }
            }
            let kept = table
                .book
                .learn(endpoint, author, &card.addresses, origin, now);
            drop(table);
            if !kept {
                tracing::warn!(endpoint = %endpoint.fmt_short(), "the address book is full");
            }
            inner.changed.notify_one();
        }
    }

    /// Dials one more known peer, chosen at random, in case the present connections are the wrong ones.
    pub fn dial_another(&self) {
        let inner = self.inner();
        let mut guard = inner.table();
        let table = &mut *guard;
        let sessions = &table.sessions;
        let is_up = |endpoint: &_, author: Option<&_>| sessions.is_up(endpoint, author);
        table.book.dial_another(Instant::now(), is_up);
        drop(guard);
        inner.changed.notify_one();
    }

    /// Closes a connection. No more messages of it come; the peer may come back.
    pub fn close(&self, peer: PeerId, code: CloseCode) {
        if let Some(session) = self.session(peer) {
            session.close(code);
            self.inner().inbox.discard_messages(peer);
        }
    }

    /// Closes a connection with a peer that misbehaved, and refuses its author for a while, from any endpoint. The pause
    /// doubles each time.
    pub fn quarantine(&self, peer: PeerId, author: NodeId) {
        let (first, now) = (self.inner().config.backoff_refused, Instant::now());
        self.inner().table().quarantine.add(author, first, now);
        self.close(peer, CloseCode::Misbehaved);
    }

    /// Reads no more messages of an author until a pause is over, on any connection, because it uses too much of this node's
    /// time. Its messages fill its own windows meanwhile. A pause should be far shorter than
    /// [`super::Config::stall_deadline`], after which the peer takes this node for a dead reader.
    pub fn slow(&self, author: NodeId, pause: Duration) {
        let now = Instant::now();
        self.inner().table().sessions.slow(author, now + pause, now);
    }

    /// Closes a connection that seems dead, and then dials the peer again.
    pub fn suspect(&self, peer: PeerId) {
        let inner = self.inner();
        if let Some(session) = self.session(peer) {
            session.close(CloseCode::Suspect);
            let now = Instant::now();
            inner.table().book.dial_now(&session.endpoint, now);
        }
    }

    /// Asks for the relation of every known author again. Closes the connections of banned authors and strangers, and
    /// forgets their addresses. A stranger that the program gave stays until this node has reached the height that it
    /// claimed. Call it when the roster changed, and at every seal while a [`Relation::Stranger`] is connected.
    pub fn recheck(&self) {
        let (inner, membership) = (self.inner(), &self.inner().membership);
        let (sessions, mut gone) = {
            let table = inner.table();
            (table.sessions.all(), table.book.authors())
        };
        gone.retain(|author| {
            let relation = membership.relation(author);
            matches!(relation, Relation::Banned | Relation::Stranger)
        });
        let mut table = inner.table();
        table.book.forget(&gone);
        table.member_sources.forget(&gone);
        drop(table);
        for session in sessions {
            let code = match membership.relation(&session.proven.author) {
                Relation::Banned => CloseCode::Banned,
                Relation::Stranger
                    if session.proven.relation == Relation::Stranger
                        && session.proven.height > membership.height() =>
                {
                    continue;
                }
                Relation::Stranger => CloseCode::NotAMember,
                Relation::Member | Relation::Leaving => continue,
            };
            session.close(code);
            inner.inbox.discard_messages(session.id);
        }
    }

    /// The connected peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let sessions = self.inner().table().sessions.all();
        sessions.iter().map(|session| session.info()).collect()
    }

    /// Tells all peers what this node says of itself ([`super::Membership::signing`], its clock). Call it when that changed; it is
    /// also done every minute.
    pub fn report(&self) {
        let sessions = self.inner().table().sessions.all();
        for session in sessions {
            self.inner().report_to(&session);
        }
    }

    /// How the clocks of this node and its connected peers compare. `drift_ms` is the network's parameter.
    pub fn clocks(&self, drift_ms: u64) -> ClockReport {
        let peers = self.peers().into_iter();
        let members = peers.filter(|peer| peer.relation == Relation::Member);
        let ahead: Vec<_> = members.map(|peer| (peer.author, peer.ahead_ms)).collect();
        ClockReport::compare(&ahead, drift_ms)
    }

    /// The traffic of a connection; `None` once it has ended.
    pub fn traffic(&self, peer: PeerId) -> Option<Traffic> {
        let stats = self.session(peer)?.connection.stats();
        Some(Traffic {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
        })
    }

    /// All known peers. Their cards are worth storing for the next start, except perhaps those of [`Origin::Heard`].
    pub fn known_peers(&self) -> Vec<KnownPeer> {
        let table = self.inner().table();
        table
            .book
            .known(|endpoint| table.sessions.is_up(endpoint, None))
    }

    /// A ticket to the network, with this node and some peers that it met.
    pub fn ticket(&self, name: &str, height: u64, seal: SealId) -> Ticket {
        let inner = self.inner();
        let own = PeerCard::with_addresses(
            inner.endpoint.id(),
            Some(inner.signer.node_id()),
            inner.listens(),
        );
        let mut peers = vec![own];
        peers.extend(inner.table().book.met().take(TICKET_PEERS_MAX - 1));
        Ticket {
            v: 1,
            network: inner.network,
            name: name.to_owned(),
            peers,
            height,
            seal,
            follows: None,
        }
    }

    /// Dials nodes of this network that the local network announces, until the transport stops.
    pub fn discover(&self, mdns: MdnsAddressLookup) {
        dialler::discover(self.inner(), mdns);
    }

    /// Closes all connections at once and ends the events. [`Self::shutdown`] lets waiting messages out first.
    pub fn abort(&self) {
        self.inner().close_all(CloseCode::Shutdown);
        self.inner().inbox.close();
    }

    /// Sends waiting messages for at most half a second, closes all connections with [`CloseCode::Shutdown`], and ends the
    /// events. The endpoint stays open.
    pub async fn shutdown(&self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let inner = self.inner();
        inner.closing.store(true, Ordering::SeqCst);
        let patience = Instant::now() + PATIENCE;
        let all = inner.table().sessions.all();
        for session in &all {
            session.outbox.finish();
        }
        while all.iter().any(|session| session.is_parting()) && Instant::now() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        inner.close_all(CloseCode::Shutdown);
        let patience = Instant::now() + PATIENCE;
        while inner.table().sessions.len() > 0 && Instant::now() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        inner.inbox.close();
    }
}

impl ProtocolHandler for Transport {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        // A panic in the handler's task would shut down the router, so the work has its own task.
        let work = tokio::spawn(super::handshake::accept(
            self.inner().clone(),
            connection.clone(),
        ));
        if work.await.is_err() {
            CloseCode::Internal.close(&connection);
            tracing::error!("a connection's task failed");
        }
        Ok(())
    }

    async fn shutdown(&self) {
        Transport::shutdown(self).await;
    }
}
