//! A node that runs in this process, with its router and whoever votes for it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use iroh::protocol::Router;
use mycnet_consensus::net::{self, ALPN, Bound, EndpointSettings, PeerCard, Ticket};
use mycnet_consensus::node::{Node, Stopped};
use mycnet_consensus::store::Store;
use mycnet_consensus::{BFTConsensusEngine, Genesis, SealId, Signer as _};
use tokio::task::JoinHandle;

use super::home::Home;
use super::voter::Voter;

/// A running node.
pub(super) struct Running {
    node: Node,
    router: Router,
    voter: JoinHandle<()>,
}

/// An endpoint on loopback, at any free port.
pub(super) async fn bind(home: &Home, network: &Genesis) -> anyhow::Result<Bound> {
    let settings = settings(home)?;
    Ok(net::bind(&settings, &network.network_id()).await?)
}

fn settings(home: &Home) -> anyhow::Result<EndpointSettings> {
    Ok(EndpointSettings {
        secret: home.transport_secret()?,
        ..EndpointSettings::default()
    })
}

impl Running {
    /// Starts a node from what is in its directory.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub(super) async fn start(
        home: &Home,
        peers: Vec<PeerCard>,
        lies: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let store = Store::open(home.path())?;
        let bound = bind(home, store.genesis()).await?;
        Self::spawn(home, store, bound, peers, None, lies)
    }

    /// Joins a network with nothing but a ticket: fetches the genesis, makes the databases, starts.
    ///
    /// # Errors
    ///
    /// If no peer gives the genesis, or the node does not start.
    pub(super) async fn join(
        home: &Home,
        ticket: Ticket,
        lies: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let bound = net::bind(&settings(home)?, &ticket.network).await?;
        let genesis = net::fetch_genesis(&bound.endpoint, &ticket, false).await?;
        let store = Store::create(home.path(), &genesis, home.author()?.node_id())?;
        let expected = Some((ticket.height, ticket.seal));
        Self::spawn(home, store, bound, ticket.peers, expected, lies)
    }

    fn spawn(
        home: &Home,
        store: Store,
        bound: Bound,
        peers: Vec<PeerCard>,
        expected: Option<(u64, SealId)>,
        lies: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let mut builder = Node::builder(store, Arc::new(home.author()?))
            .endpoint(bound.endpoint.clone())
            .peers(peers);
        if let Some((height, seal)) = expected {
            builder = builder.expect_seal(height, seal);
        }
        let node = builder.spawn()?;
        let transport = node.transport().context("the node has no transport")?;
        let router = Router::builder(bound.endpoint)
            .incoming_filter(transport.incoming_filter())
            .accept(ALPN, transport.clone())
            .spawn();
        let voter = tokio::spawn(Voter::new(node.engine().clone(), lies).run());
        Ok(Self {
            node,
            router,
            voter,
        })
    }

    pub(super) fn engine(&self) -> &BFTConsensusEngine {
        self.node.engine()
    }

    /// Whether its journal is the one it left.
    pub(super) fn is_whole(&self) -> bool {
        self.node.opened().journal_lost.is_none()
    }

    /// A ticket to it.
    pub(super) fn ticket(&self) -> anyhow::Result<Ticket> {
        self.node.ticket().context("the node has no transport")
    }

    /// Stops it in good order.
    ///
    /// # Errors
    ///
    /// If it had stopped before for want of something.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let stopped = self.node.shutdown().await;
        // It holds a handle of the node, and so the databases.
        self.voter.abort();
        let closed = self.router.shutdown().await;
        if let Stopped::Failed(reason) = stopped {
            anyhow::bail!("a node had stopped: {reason}");
        }
        closed.context("a router did not shut down")
    }
}
