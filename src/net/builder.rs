//! Starting a transport.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use iroh::endpoint::Endpoint;
use tokio::time::Instant;

use super::address::PeerCard;
use super::address_book::Origin;
use super::config::Config;
use super::inbox::Events;
use super::left::Left;
use super::membership::Membership;
use super::pending::Pending;
use super::rate::TokenBucket;
use super::receive_budget::ReceiveBudget;
use super::shared::Inner;
use super::transport::{Handle, Transport};
use super::twins::Challenges;
use super::{NetError, dialler};
use crate::base::digest::NetworkId;
use crate::base::identity::Signer;
use crate::statement::genesis::Genesis;

/// Settings of a [`Transport`] before it starts.
pub struct Builder {
    genesis: Vec<u8>,
    network: NetworkId,
    signer: Arc<dyn Signer>,
    membership: Arc<dyn Membership>,
    config: Config,
    peers: Vec<(PeerCard, Origin)>,
    left: Option<Left>,
}

impl Builder {
    /// Sets windows, caps and deadlines.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Tells those who still ask for an older network why this node has left it.
    #[must_use]
    pub fn left(mut self, left: Left) -> Self {
        self.left = Some(left);
        self
    }

    /// Adds peers from a ticket or a configuration. They are dialled first, and each may be a member that this node does not
    /// know yet.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = PeerCard>) -> Self {
        self.peers
            .extend(peers.into_iter().map(|peer| (peer, Origin::Given)));
        self
    }

    /// Adds peers that were known before the restart ([`Transport::known_peers`]).
    #[must_use]
    pub fn kept(mut self, peers: impl IntoIterator<Item = PeerCard>) -> Self {
        self.peers
            .extend(peers.into_iter().map(|peer| (peer, Origin::Kept)));
        self
    }

    /// Starts the transport on an endpoint. It dials by itself; to accept connections, register it with a router. An
    /// endpoint that [`super::bind()`] did not make should have the settings of [`super::quic_config`].
    ///
    /// # Errors
    ///
    /// [`NetError::NoRandomness`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, like all of iroh.
    pub fn spawn(mut self, endpoint: Endpoint) -> Result<(Transport, Events), NetError> {
        let instance =
            getrandom::u64().map_err(|error| NetError::NoRandomness(error.to_string()))?;
        let inner = Arc::new(Inner {
            endpoint,
            network: self.network,
            genesis: self.genesis,
            left: self.left,
            signer: self.signer,
            membership: self.membership,
            instance,
            challenges: Challenges::default(),
            pending: Arc::new(Pending::new(self.config.strangers_max)),
            inbox: Arc::default(),
            receive_budget: ReceiveBudget::new(self.config.incoming_bytes_max),
            outgoing: Arc::default(),
            table: Mutex::default(),
            genesis_answers: Mutex::new(TokenBucket::full(Instant::now())),
            changed: Arc::default(),
            next_peer: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            config: self.config,
        });
        dialler::spawn(&inner);
        if !inner.config.relays.is_empty() {
            dialler::follow_relays(&inner);
        }
        let events = Events {
            inbox: inner.inbox.clone(),
        };
        let handle = Arc::new(Handle { inner });
        let transport = Transport { handle };
        // Given peers first: what the program says ranks higher.
        self.peers.sort_by_key(|(_, origin)| Reverse(*origin));
        for (peer, origin) in &self.peers {
            transport.learn(peer, *origin);
        }
        Ok((transport, events))
    }
}

impl Transport {
    /// Prepares a transport for a node of this network. `signer` holds the author's key.
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
            left: None,
        }
    }
}
