//! An honest node on loopback.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::EndpointAddr;
use iroh::endpoint::Endpoint;
use iroh::protocol::Router;
use mycnet_consensus::core::{PeerId, SigningState};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::net::{
    self, ALPN, CloseReason, Config, EndpointSettings, Events, Membership, NetEvent, PeerInfo,
    Relation, Transport,
};
use mycnet_consensus::{Genesis, Identity, NodeId, Signer as _, Spore};

/// A limit that nothing on loopback should reach.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What every clock shows.
pub const CLOCK_MS: u64 = 10_000_000;

/// Founding members by name; also the labels of their keys.
pub const FOUNDERS: [&str; 4] = ["ada", "ben", "cyd", "dot"];

pub fn genesis() -> Genesis {
    let mut genesis = Genesis::builder("net test").nonce([7; 32]);
    for name in FOUNDERS {
        genesis = genesis.member(Identity::from_seed_label(name).node_id(), Spore::Seed);
    }
    genesis.build().unwrap()
}

pub fn author(name: &str) -> NodeId {
    Identity::from_seed_label(name).node_id()
}

/// Founders are members unless told otherwise; asked about `panic`, it does.
pub struct Roster(Mutex<BTreeMap<NodeId, Relation>>, AtomicU64);

impl Default for Roster {
    fn default() -> Self {
        Self(Mutex::default(), AtomicU64::new(41))
    }
}

impl Roster {
    pub fn set_height(&self, height: u64) {
        self.1.store(height, Ordering::SeqCst);
    }

    pub fn set(&self, name: &str, relation: Relation) {
        self.0.lock().unwrap().insert(author(name), relation);
    }
}

impl Membership for Roster {
    fn relation(&self, node: &NodeId) -> Relation {
        assert!(*node != author("panic"), "a fault of the layer above");
        if let Some(relation) = self.0.lock().unwrap().get(node) {
            return *relation;
        }
        let is_founder = FOUNDERS.iter().any(|name| author(name) == *node);
        if is_founder {
            Relation::Member
        } else {
            Relation::Stranger
        }
    }

    fn height(&self) -> u64 {
        self.1.load(Ordering::SeqCst)
    }

    fn clock_ms(&self) -> u64 {
        CLOCK_MS
    }

    fn signing(&self) -> SigningState {
        SigningState::Ready
    }
}

pub struct Node {
    pub endpoint: Endpoint,
    pub router: Router,
    pub transport: Transport,
    pub events: Events,
    pub roster: Arc<Roster>,
}

/// Deadlines short enough for tests.
pub fn hasty() -> Config {
    let short = Duration::from_millis(400);
    Config {
        hello_deadline: short,
        stall_deadline: short,
        ..Config::default()
    }
}

impl Node {
    pub async fn new(name: &str) -> Self {
        Self::with(name, Config::default()).await
    }

    pub async fn with(name: &str, config: Config) -> Self {
        Self::of(&genesis(), name, name, config).await
    }

    /// A node with a transport key of its own label.
    pub async fn of(genesis: &Genesis, name: &str, transport: &str, config: Config) -> Self {
        let secret = Identity::from_seed_label(&format!("transport of {transport}")).secret();
        let settings = EndpointSettings {
            secret,
            ..EndpointSettings::default()
        };
        let bound = net::bind(&settings, &genesis.network_id()).await.unwrap();
        Self::on(genesis, name, bound.endpoint, config)
    }

    pub fn on(genesis: &Genesis, name: &str, endpoint: Endpoint, config: Config) -> Self {
        let roster = Arc::new(Roster::default());
        let signer = Arc::new(Identity::from_seed_label(name));
        let (transport, events) = Transport::builder(genesis, signer, roster.clone())
            .config(config)
            .spawn(endpoint.clone())
            .unwrap();
        let router = Router::builder(endpoint.clone())
            .incoming_filter(transport.incoming_filter())
            .accept(ALPN, transport.clone())
            .spawn();
        Self {
            endpoint,
            router,
            transport,
            events,
            roster,
        }
    }

    pub fn address(&self) -> EndpointAddr {
        let mut address = EndpointAddr::new(self.endpoint.id());
        for socket in self.endpoint.bound_sockets() {
            address = address.with_ip_addr(socket);
        }
        address
    }

    pub async fn next(&mut self) -> NetEvent {
        let next = tokio::time::timeout(PATIENCE, self.events.next());
        next.await.expect("an event in time").expect("events go on")
    }

    /// Waits for a peer, and lets everything before pass.
    pub async fn up(&mut self) -> PeerInfo {
        loop {
            if let NetEvent::PeerUp(info) = self.next().await {
                return info;
            }
        }
    }

    pub async fn down(&mut self) -> (PeerId, CloseReason) {
        loop {
            if let NetEvent::PeerDown { peer, reason, .. } = self.next().await {
                return (peer, reason);
            }
        }
    }

    pub async fn message(&mut self) -> (PeerId, Message) {
        loop {
            if let NetEvent::Message { peer, message } = self.next().await {
                return (peer, message);
            }
        }
    }

    /// The number of connections that remain once nothing happens for a while.
    pub async fn settled(&mut self) -> usize {
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.transport.peers().len()
    }
}

/// Two connected nodes, and what each calls the other.
pub async fn pair(config: Config) -> (Node, PeerId, Node, PeerId) {
    let mut ada = Node::with("ada", config.clone()).await;
    let mut ben = Node::with("ben", config).await;
    ada.transport.dial(&ben.address());
    let (to_ben, to_ada) = (ada.up().await.peer, ben.up().await.peer);
    (ada, to_ben, ben, to_ada)
}

/// A small message with a number, to tell it from others.
pub fn marked(number: u64) -> Message {
    Message::AskBlocks { from: number }
}
