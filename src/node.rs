//! A node: a core with its disk and its peers, behind the handle that programs use in memory too (feature `node`).
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use mycnet_consensus::net::{self, ALPN, EndpointSettings};
//! use mycnet_consensus::node::Node;
//! use mycnet_consensus::store::Store;
//! use mycnet_consensus::{Ballot, ConsensusOperation, Genesis, Identity, Signer as _};
//!
//! # async fn run(genesis: Genesis, me: Identity, secret: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::create(Path::new("data"), &genesis, me.node_id())?;
//! let settings = EndpointSettings { secret, ..EndpointSettings::default() };
//! let endpoint = net::bind(&settings, &genesis.network_id()).await?.endpoint;
//! let node = Node::builder(store, Arc::new(me)).endpoint(endpoint.clone()).spawn()?;
//!
//! // The endpoint's router belongs to the program: other protocols can stand beside this one.
//! let mut router = iroh::protocol::Router::builder(endpoint);
//! if let Some(transport) = node.transport() {
//!     router = router.incoming_filter(transport.incoming_filter()).accept(ALPN, transport.clone());
//! }
//! let router = router.spawn();
//!
//! let claim = ConsensusOperation::Claim { subject: "6 * 7".into(), input: vec![], panel: None };
//! let id = node.engine().propose_claim(claim, b"42".to_vec()).await?;
//! println!("{:?}", node.engine().execute_reveal_phase(id).await?);
//! node.shutdown().await;
//! router.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! One thread owns the core. It takes what comes in turn: from handles, from peers, from its timers; several inputs at once if
//! several wait. What they lead to is written in one go, and only then sent, told and answered (`node/actor.rs`). Questions
//! are answered between two such turns, by whoever asks, under a lock; what they see is always on the disk.
//! A second thread reads sealed blocks for peers that catch up (`node/serving.rs`).
//!
//! Peers are heard in turn. Whoever sends what no honest node passes on is parted from; whoever takes more than its share of the
//! node's time without bringing anything is read from more slowly (`node/shares.rs`).
//!
//! Time is the host's part in this protocol, and all of it is in `node/rhythm.rs`: when waiting for a seal is given up, when
//! windows are looked at, when what is held is compared with a peer.
//!
//! # When the disk fails
//!
//! A write that fails stops the node: nothing of that turn is sent or answered, connections are closed, and every further
//! input is refused with the reason. Questions are still answered, from what the disk last took.
//!
//! # When the journal is lost
//!
//! A node whose journal was deleted, or replaced by an old copy, may have signed what it does not know of. It signs nothing but
//! a `Rejoin` then, by itself, and takes part again above the seal that lists it (DESIGN section 8). [`Node::opened`] tells.

mod actor;
mod address_book;
mod handle;
mod rhythm;
mod serving;
mod shares;
mod standing;

use std::sync::Arc;

use iroh::endpoint::Endpoint;
use iroh_mdns_address_lookup::MdnsAddressLookup;

pub use handle::{Node, Opened, Stopped};

use crate::base::digest::SealId;
use crate::base::identity::Signer;
use crate::engine::{Clock, SystemClock};
use crate::net::{self, NetError, PeerCard};
use crate::store::{Store, StoreError};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no transport.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The network's seal at the height of the ticket is not the one that the ticket names: this is another branch, or the
    /// ticket is forged.
    #[error(
        "the seal of height {height} is {found}, and the ticket names {expected}: one of them is not of the network that was \
         meant. Ask for a new ticket, from somebody else too, and compare"
    )]
    OtherBranch {
        /// The ticket's height.
        height: u64,
        /// The ticket's seal.
        expected: SealId,
        /// The seal that peers showed.
        found: SealId,
    },
    /// The platform gives no thread.
    #[error("no thread can be started: {0}")]
    Thread(std::io::Error),
}

/// Puts a [`Node`] together.
pub struct Builder {
    store: Store,
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    endpoint: Option<Endpoint>,
    mdns: Option<MdnsAddressLookup>,
    config: net::Config,
    peers: Vec<PeerCard>,
    expected: Option<(u64, SealId)>,
}

impl Builder {
    fn new(store: Store, signer: Arc<dyn Signer>) -> Self {
        Self {
            store,
            signer,
            clock: Arc::new(SystemClock),
            endpoint: None,
            mdns: None,
            config: net::Config::default(),
            peers: Vec::new(),
            expected: None,
        }
    }

    /// Connects the node through an endpoint. Without one it has no peers: it reads, signs and takes bundles.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Dials what the local network announces ([`net::Bound::mdns`]).
    #[must_use]
    pub fn mdns(mut self, mdns: Option<MdnsAddressLookup>) -> Self {
        self.mdns = mdns;
        self
    }

    /// Sets windows, caps and deadlines of connections.
    #[must_use]
    pub fn transport_config(mut self, config: net::Config) -> Self {
        self.config = config;
        self
    }

    /// Adds peers, of a ticket say, to those that the store keeps.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = PeerCard>) -> Self {
        self.peers.extend(peers);
        self
    }

    /// Accepts no other seal at this height, as a ticket says ([`net::Ticket`]): the node stops before it writes one.
    #[must_use]
    pub fn expect_seal(mut self, height: u64, seal: SealId) -> Self {
        self.expected = (height > 0).then_some((height, seal));
        self
    }

    /// Takes the time from somewhere else than the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes the node up from its disk and starts it.
    ///
    /// # Errors
    ///
    /// [`NodeError::Store`] if the store is damaged or another node's.
    ///
    /// # Panics
    ///
    /// With an endpoint, outside of a tokio runtime, as all of iroh.
    pub fn spawn(self) -> Result<Node, NodeError> {
        handle::spawn(self)
    }
}
