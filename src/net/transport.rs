//! The handle.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::EndpointAddr;
use iroh::endpoint::{Connection, Endpoint};
use iroh::protocol::{AcceptError, IncomingFilter, ProtocolHandler};
use iroh_mdns_address_lookup::MdnsAddressLookup;
use tokio::time::Instant;

use super::address::PeerCard;
use super::book::{KnownPeer, Origin};
use super::close::CloseCode;
use super::config::Config;
use super::door::Door;
use super::events::{Events, PeerInfo, Traffic};
use super::genesis::Answers;
use super::intake::Intake;
use super::membership::{Membership, Relation};
use super::shared::Inner;
use super::ticket::Ticket;
use super::{NetError, SendError, filter, frame, manager};
use crate::base::digest::{NetworkId, NodeId, SealId};
use crate::base::identity::Signer;
use crate::base::limits::TICKET_PEERS_MAX;
use crate::core::PeerId;
use crate::exchange::message::Message;
use crate::statement::genesis::Genesis;

/// Closes what is open when the last handle goes.
struct Handle {
    inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.close_all(CloseCode::Shutdown);
        self.inner.inbox.close();
    }
}

/// A node's connections. Cheap to clone; a [`ProtocolHandler`] for the caller's router, under [`super::ALPN`].
///
/// All methods return at once, [`Self::shutdown`] excepted. When the last clone is dropped all connections are closed.
#[derive(Clone)]
pub struct Transport {
    handle: Arc<Handle>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("network", &self.inner().network)
            .field("endpoint", &self.inner().endpoint.id())
            .finish_non_exhaustive()
    }
}

/// Puts a [`Transport`] together.
pub struct Builder {
    genesis: Vec<u8>,
    network: NetworkId,
    signer: Arc<dyn Signer>,
    membership: Arc<dyn Membership>,
    config: Config,
    peers: Vec<PeerCard>,
    kept: Vec<PeerCard>,
}

impl Builder {
    /// Sets windows, caps and deadlines.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds peers that the program was given, in a ticket or a configuration: they are dialled first, and whoever is there may be
    /// a member that this node does not know of yet.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = PeerCard>) -> Self {
        self.peers.extend(peers);
        self
    }

    /// Adds peers that were known before ([`Transport::known_peers`]).
    #[must_use]
    pub fn kept(mut self, peers: impl IntoIterator<Item = PeerCard>) -> Self {
        self.kept.extend(peers);
        self
    }

    /// Starts on an endpoint. The transport dials by itself; that it also accepts takes a router. An endpoint that was not made
    /// by [`super::bind()`] should have the settings of [`super::quic_config`].
    ///
    /// # Errors
    ///
    /// [`NetError::NoRandomness`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as all of iroh.
    pub fn spawn(self, endpoint: Endpoint) -> Result<(Transport, Events), NetError> {
        let boot = getrandom::u64().map_err(|error| NetError::NoRandomness(error.to_string()))?;
        let inner = Arc::new(Inner {
            endpoint,
            network: self.network,
            genesis: self.genesis,
            signer: self.signer,
            membership: self.membership,
            boot,
            door: Arc::new(Door::new(self.config.strangers_max)),
            inbox: Arc::default(),
            intake: Intake::new(self.config.incoming_bytes_max),
            outgoing: Arc::default(),
            table: Mutex::default(),
            answers: Mutex::new(Answers::new(Instant::now())),
            changed: Arc::default(),
            next_peer: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            config: self.config,
        });
        manager::spawn(&inner);
        let events = Events {
            inbox: inner.inbox.clone(),
        };
        let handle = Arc::new(Handle { inner });
        let transport = Transport { handle };
        for peer in &self.peers {
            transport.remember(peer);
        }
        for peer in &self.kept {
            transport.learn(peer, Origin::Kept);
            transport.note_met(peer);
        }
        Ok((transport, events))
    }
}

impl Transport {
    /// Starts to put a transport together for a node of this network. `signer` is the author's.
    #[must_use]
    pub fn builder(
        genesis: &Genesis,
        signer: Arc<dyn Signer>,
        membership: Arc<dyn Membership>,
    ) -> Builder {
        Builder {
            genesis: genesis.encode(),
            network: genesis.network_id(),
            signer,
            membership,
            config: Config::default(),
            peers: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.handle.inner
    }

    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner().endpoint
    }

    /// A filter for the router that carries the protocol ([`iroh::protocol::RouterBuilder::incoming_filter`]), which keeps floods of
    /// connection attempts cheap, of all protocols on the endpoint. After 32 attempts, and one more in a second, whoever
    /// dials has to show first that it receives at the address it sends from. One address (of IPv6: 56 bits of it) may then make 32
    /// attempts and one more in a second, all together 128 and eight in a second; where a member was met some more pass. What is
    /// over is ignored.
    #[must_use]
    pub fn incoming_filter(&self) -> IncomingFilter {
        filter::incoming_filter(self.inner())
    }

    /// Puts a message on its way to a peer. A block that is longer than a frame travels by itself.
    ///
    /// # Errors
    ///
    /// [`SendError`] says why it is not; none of its cases needs an answer.
    pub fn send(&self, peer: PeerId, message: &Message) -> Result<(), SendError> {
        let link = self.inner().table().links.get(peer).cloned();
        let link = link.ok_or(SendError::NotConnected)?;
        let frames = frame::frames(message).map_err(|long| SendError::TooLong(long.0))?;
        link.note_question(message);
        for frame in frames {
            if !link.outbox.push(frame) {
                return Err(SendError::Full);
            }
        }
        Ok(())
    }

    /// Bytes that can be put on their way to a peer before messages are refused; `None` if it is not connected. Whoever serves many
    /// blocks sends as many as there is room for, and goes on at [`super::NetEvent::Drained`].
    #[must_use]
    pub fn room(&self, peer: PeerId) -> Option<usize> {
        let link = self.inner().table().links.get(peer).cloned();
        link.map(|link| link.outbox.room())
    }

    /// Dials an endpoint now, and again whenever it is not connected.
    pub fn dial(&self, address: &EndpointAddr) {
        let card = PeerCard::new(address, None);
        self.remember(&card);
        let inner = self.inner();
        inner.table().book.dial_now(&address.id, Instant::now());
        inner.changed.notify_one();
    }

    /// Learns of a peer that the program was given ([`Builder::peers`]). It is dialled when more connections are wanted.
    pub fn remember(&self, card: &PeerCard) {
        self.learn(card, Origin::Given);
    }

    /// A member was met where this card says, before the last restart.
    fn note_met(&self, card: &PeerCard) {
        if let (Some(author), Some(address)) = (card.author, card.address(true)) {
            let met = &mut self.inner().table().met;
            for at in &address.addrs {
                met.note(author, address.id, at);
            }
        }
    }

    fn learn(&self, card: &PeerCard, origin: Origin) {
        let inner = self.inner();
        let own = inner.signer.node_id();
        if let Some(endpoint) = card.endpoint_id()
            && endpoint != inner.endpoint.id()
            && card.author != Some(own)
        {
            let (author, now) = (card.author, Instant::now());
            let mut table = inner.table();
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

    /// Dials one more of the known peers, any one, however many connections there are: those may be the wrong ones.
    pub fn dial_another(&self) {
        let inner = self.inner();
        let mut guard = inner.table();
        let table = &mut *guard;
        let links = &table.links;
        let is_up = |endpoint: &_, author: Option<&_>| links.is_up(endpoint, author);
        table.book.dial_another(Instant::now(), is_up);
        drop(guard);
        inner.changed.notify_one();
    }

    /// Closes a connection. Nothing more comes from it; the peer may come back.
    pub fn close(&self, peer: PeerId, code: CloseCode) {
        let link = self.inner().table().links.get(peer).cloned();
        if let Some(link) = link {
            link.close(code);
            self.inner().inbox.discard_messages(peer);
        }
    }

    /// Parts from a peer that sent what no honest node passes on, and does not let its author in again for a while, from
    /// whatever endpoint. The pause grows with every time.
    pub fn shun(&self, peer: PeerId, author: NodeId) {
        let (first, now) = (self.inner().config.backoff_refused, Instant::now());
        self.inner().table().shunned.note(author, first, now);
        self.close(peer, CloseCode::Misbehaved);
    }

    /// Reads no further message of an author before a pause is over, on whatever connection: it asks for more of this node's
    /// time than its share. What it sends meanwhile fills its own windows. Pauses should be far shorter than
    /// [`Config::stall_deadline`], after which the peer takes this node for one that reads nothing.
    pub fn slow(&self, author: NodeId, pause: Duration) {
        let now = Instant::now();
        self.inner().table().links.slow(author, now + pause, now);
    }

    /// A connection seems dead: it is closed and dialled anew, in this order.
    pub fn suspect(&self, peer: PeerId) {
        let inner = self.inner();
        let link = inner.table().links.get(peer).cloned();
        if let Some(link) = link {
            link.close(CloseCode::Suspect);
            let now = Instant::now();
            inner.table().book.dial_now(&link.endpoint, now);
        }
    }

    /// Asks anew what every known author is, closes the connections of those that are banned or no members (any more), and forgets
    /// where they are. A peer that the program gave stays until this node has the heights that it spoke of. To be called when the
    /// roster changed, and at every seal while a [`Relation::Stranger`] is connected.
    pub fn recheck(&self) {
        let (inner, membership) = (self.inner(), &self.inner().membership);
        let (links, mut gone) = {
            let table = inner.table();
            (table.links.all(), table.book.authors())
        };
        gone.retain(|author| {
            let relation = membership.relation(author);
            matches!(relation, Relation::Banned | Relation::Stranger)
        });
        let mut table = inner.table();
        table.book.forget(&gone);
        table.met.forget(&gone);
        drop(table);
        for link in links {
            let code = match membership.relation(&link.proven.author) {
                Relation::Banned => CloseCode::Banned,
                Relation::Stranger
                    if link.proven.relation == Relation::Stranger
                        && link.proven.height > membership.height() =>
                {
                    continue;
                }
                Relation::Stranger => CloseCode::NotAMember,
                Relation::Member | Relation::Leaving => continue,
            };
            link.close(code);
            inner.inbox.discard_messages(link.id);
        }
    }

    /// Who is connected.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let links = self.inner().table().links.all();
        links.iter().map(|link| link.info()).collect()
    }

    /// What a connection carried so far; `None` once it is gone.
    #[must_use]
    pub fn traffic(&self, peer: PeerId) -> Option<Traffic> {
        let link = self.inner().table().links.get(peer).cloned()?;
        let stats = link.connection.stats();
        Some(Traffic {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
        })
    }

    /// All known peers; their cards are worth keeping for the next start, those of [`Origin::Heard`] perhaps not.
    #[must_use]
    pub fn known_peers(&self) -> Vec<KnownPeer> {
        let table = self.inner().table();
        table
            .book
            .known(|endpoint| table.links.is_up(endpoint, None))
    }

    /// A ticket to the network, with this node and some peers it has met.
    #[must_use]
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
        }
    }

    /// Dials what the local network announces of this network's nodes, until the transport is shut down.
    pub fn discover(&self, mdns: MdnsAddressLookup) {
        manager::discover(self.inner(), mdns);
    }

    /// Closes all connections at once, for good, and ends the events: what [`Self::shutdown`] does with more care.
    pub fn abort(&self) {
        self.inner().close_all(CloseCode::Shutdown);
        self.inner().inbox.close();
    }

    /// Lets peers hear what waits to be sent, as far as that takes no longer than half a second, closes all connections with
    /// [`CloseCode::Shutdown`], and ends the events. The endpoint stays open.
    pub async fn shutdown(&self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let inner = self.inner();
        inner.closing.store(true, Ordering::SeqCst);
        let patience = Instant::now() + PATIENCE;
        let all = inner.table().links.all();
        for link in &all {
            link.outbox.finish();
        }
        while all.iter().any(|link| link.is_parting()) && Instant::now() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        inner.close_all(CloseCode::Shutdown);
        let patience = Instant::now() + PATIENCE;
        while inner.table().links.len() > 0 && Instant::now() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        inner.inbox.close();
    }
}

impl ProtocolHandler for Transport {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        // A panic in a handler's own task would shut down the whole router, so the work has a task of its own.
        let work = tokio::spawn(super::connection::accept(
            self.inner().clone(),
            connection.clone(),
        ));
        if work.await.is_err() {
            let code = CloseCode::Internal;
            connection.close(code.var_int(), code.reason().as_bytes());
            tracing::error!("a connection's task failed");
        }
        Ok(())
    }

    async fn shutdown(&self) {
        Transport::shutdown(self).await;
    }
}
