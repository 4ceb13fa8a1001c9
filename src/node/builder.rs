//! Starting a node.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use iroh::endpoint::Endpoint;
use iroh_mdns_address_lookup::MdnsAddressLookup;
use tokio::sync::mpsc;

use super::NodeError;
use super::actor::{Actor, Connected, Rejoin};
use super::block_server::{self, BlockRequests};
use super::cpu_budget::CpuBudget;
use super::handle::{Node, NodeHost, Opened};
use super::hold::Hold;
use super::packer::Packer;
use super::peer_clocks::PeerClocks;
use super::relations::Relations;
use super::saved_peers::SavedPeers;
use super::shared::{Shared, Signals, check_branch, thread};
use super::timers::Timers;
use crate::base::digest::SealId;
use crate::base::identity::Signer;
use crate::engine::{BFTConsensusEngine, Clock, SystemClock};
use crate::net::{self, Events, Left, PeerCard, Transport};
use crate::statement::record::Record;
use crate::store::Store;

/// Most waiting inputs of handles. A handle with more waits itself.
const COMMANDS_MAX: usize = 256;

/// Settings of a [`Node`] before it starts.
pub struct Builder {
    store: Store,
    signer: Arc<dyn Signer>,
    former: Vec<Arc<dyn Signer>>,
    clock: Arc<dyn Clock>,
    endpoint: Option<Endpoint>,
    mdns: Option<MdnsAddressLookup>,
    config: net::Config,
    peers: Vec<PeerCard>,
    expected: Option<(u64, SealId)>,
}

impl Builder {
    /// Connects the node through an endpoint. Without one it has no peers; it can read, sign and import bundles.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Dials nodes that the local network announces ([`net::Bound::mdns`]).
    #[must_use]
    pub fn mdns(mut self, mdns: Option<MdnsAddressLookup>) -> Self {
        self.mdns = mdns;
        self
    }

    /// Sets windows, limits and deadlines of connections.
    #[must_use]
    pub fn transport_config(mut self, config: net::Config) -> Self {
        self.config = config;
        self
    }

    /// Adds peers, of a ticket for example, to those that the store has.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = PeerCard>) -> Self {
        self.peers.extend(peers);
        self
    }

    /// Accepts no other seal at this height, which a ticket names ([`net::Ticket`]). The node stops before it writes another
    /// one.
    #[must_use]
    pub fn expect_seal(mut self, height: u64, seal: SealId) -> Self {
        self.expected = (height > 0).then_some((height, seal));
        self
    }

    /// Gives the node the keys that its author's key replaced. They sign nothing but the reveals of their frozen commits.
    #[must_use]
    pub fn former(mut self, former: impl IntoIterator<Item = Arc<dyn Signer>>) -> Self {
        self.former.extend(former);
        self
    }

    /// Replaces the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Loads the node from its disk and starts it.
    ///
    /// # Errors
    ///
    /// [`NodeError::Store`] if the store is damaged or belongs to another node.
    ///
    /// # Panics
    ///
    /// With an endpoint, outside a tokio runtime, like all of iroh.
    pub fn spawn(self) -> Result<Node, NodeError> {
        let (store, signer, clock) = (self.store, self.signer, self.clock);
        if let Some((height, seal)) = self.expected {
            check_branch(height, seal, store.seal_at(height)?)?;
        }
        let now_ms = clock.now_ms();
        let loaded = store.load(signer.clone(), now_ms)?;
        let (mut core, me) = (loaded.core, signer.node_id());
        core.hold_former(self.former);
        let opened = Opened {
            found: loaded.found,
            journal_lost: loaded.journal_lost,
        };
        let (saved_peers, kept) = SavedPeers::load(&store)?;
        let relations = Arc::new(Relations::of(&core, clock.clone()));
        let timers = Timers::new(me, core.ledger().state().params(), now_ms);
        let left = left(&store)?;
        let connected = self
            .endpoint
            .map(|endpoint| {
                let transport =
                    Transport::builder(store.genesis(), signer.clone(), relations.clone());
                let transport = match left {
                    Some(left) => transport.left(left),
                    None => transport,
                };
                transport
                    .config(self.config)
                    .peers(self.peers)
                    .kept(kept)
                    .spawn(endpoint)
            })
            .transpose()?;
        let shared = Arc::new(Shared {
            store,
            relations,
            signals: Arc::new(Signals::new()),
            core: Mutex::new(core),
            twin: Mutex::default(),
            clock: clock.clone(),
            sent: Arc::default(),
            sealed_records: AtomicU64::new(0),
        });
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let transport = connected.as_ref().map(|(transport, _)| transport.clone());
        if let (Some(transport), Some(mdns)) = (&transport, self.mdns) {
            transport.discover(mdns);
        }
        let connected = connected
            .map(|(transport, events)| connected_to(&shared, transport, events))
            .transpose()?;
        let actor = Actor {
            shared: shared.clone(),
            signer,
            clock,
            peer_clocks: PeerClocks::default(),
            commands: receiver,
            connected,
            packer: Packer::start(shared.clone())?,
            timers,
            cpu_budget: CpuBudget::default(),
            misbehaved: BTreeSet::new(),
            strangers: BTreeSet::new(),
            saved_peers,
            expected: self.expected,
            rejoin: Rejoin::NotOwed,
            hold: Hold::default(),
            has_new_addresses: false,
            last_turn_ms: now_ms,
        };
        let is_lost = opened.journal_lost.is_some();
        let has_past = opened.found.height > 0 || opened.found.journalled > 0;
        thread("mycnet node", move || actor.run(is_lost, has_past))?;
        let host = Arc::new(NodeHost { shared, commands });
        let engine = BFTConsensusEngine::from_host(host.clone(), me);
        Ok(Node {
            host,
            engine,
            transport,
            opened: Arc::new(opened),
        })
    }
}

impl Node {
    /// Prepares a node. `signer` is the author whose store it is.
    #[must_use]
    pub fn builder(store: Store, signer: Arc<dyn Signer>) -> Builder {
        Builder {
            store,
            signer,
            former: Vec::new(),
            clock: Arc::new(SystemClock),
            endpoint: None,
            mdns: None,
            config: net::Config::default(),
            peers: Vec::new(),
            expected: None,
        }
    }
}

/// The network that this node has left for its present one, and the endorsements by which it did.
fn left(store: &Store) -> Result<Option<Left>, NodeError> {
    let Some((follows, founded)) = store.genesis().follows.as_ref().zip(store.founded()?) else {
        return Ok(None);
    };
    let endorsements = founded.endorsements.iter().map(Record::encode);
    Ok(Some(Left {
        network: follows.net,
        endorsements: endorsements.collect(),
    }))
}

/// Starts the thread that serves blocks.
fn connected_to(
    shared: &Arc<Shared>,
    transport: Transport,
    events: Events,
) -> Result<Connected, NodeError> {
    let requests = Arc::new(BlockRequests::default());
    let work = {
        let (shared, transport) = (shared.clone(), transport.clone());
        let requests = requests.clone();
        move || block_server::run(&shared, &transport, &requests)
    };
    Ok(Connected {
        serving: Some(thread("mycnet serving", work)?),
        transport,
        events,
        requests,
        sent: shared.sent.clone(),
    })
}
