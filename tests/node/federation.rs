//! Nodes of one network with disks and endpoints on loopback.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use iroh::protocol::Router;
use mycnet_consensus::net::{self, ALPN, EndpointSettings, PeerCard};
use mycnet_consensus::node::{Builder, Node};
use mycnet_consensus::store::Store;
use mycnet_consensus::{
    ClaimRule, ConsensusOperation, Genesis, Identity, NodeId, Params, Signer, Spore,
};

/// A limit that no step of these tests should reach.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A directory that goes with the test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "mycnet-node-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn identity(n: usize) -> Identity {
    Identity::from_seed_label(&format!("node {n}"))
}

pub fn node_id(n: usize) -> NodeId {
    identity(n).node_id()
}

/// A network of `members`: a Primary, up to three Seeds, the rest Latents.
pub fn genesis(members: usize) -> Genesis {
    genesis_with(members, Params::dev())
}

/// As [`genesis`], but a freeze waits for those who vote late, as on a machine that has other work to do.
pub fn patient_genesis(members: usize) -> Genesis {
    let mut params = Params::dev();
    params.claim_grace_ms = params.commit_window_ms;
    genesis_with(members, params)
}

fn genesis_with(members: usize, params: Params) -> Genesis {
    let mut builder = Genesis::builder("node test").params(params);
    for n in 0..members {
        let role = match n {
            0 => Spore::Primary,
            1..=3 => Spore::Seed,
            _ => Spore::Latent,
        };
        builder = builder.member(node_id(n), role);
    }
    builder.build().unwrap()
}

/// A claim like no other: what an open one asks exactly is refused.
pub fn claim(subject: &str) -> ConsensusOperation {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    ConsensusOperation::Claim {
        subject: subject.into(),
        input: now.as_nanos().to_be_bytes().to_vec(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    }
}

/// A running node with its router.
pub struct Running {
    pub node: Node,
    router: Router,
}

impl Running {
    /// Starts from the databases in a directory, at a free port.
    pub async fn start(directory: &Path, genesis: &Genesis, n: usize) -> Self {
        Self::start_with(directory, genesis, n, |builder| builder).await
    }

    pub async fn start_with(
        directory: &Path,
        genesis: &Genesis,
        n: usize,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::start_at(directory, genesis, n, 0, with).await
    }

    /// Starts at a port, or at a free one if that is 0.
    pub async fn start_at(
        directory: &Path,
        genesis: &Genesis,
        n: usize,
        port: u16,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let path = directory.join(n.to_string());
        let store = if path.join("ledger.redb").exists() {
            Store::open(&path).unwrap()
        } else {
            Store::create(&path, genesis, node_id(n)).unwrap()
        };
        Self::start_on(store, n, port, with).await
    }

    /// Starts from an open store.
    pub async fn start_on(
        store: Store,
        n: usize,
        port: u16,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::start_signing(store, n, port, Arc::new(identity(n)), with).await
    }

    /// Starts with a signer of its own.
    pub async fn start_signing(
        store: Store,
        n: usize,
        port: u16,
        signer: Arc<dyn Signer>,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let settings = EndpointSettings {
            secret: Identity::from_seed_label(&format!("transport of node {n}")).secret(),
            port,
            ..EndpointSettings::default()
        };
        let bound = net::bind(&settings, &store.network_id()).await.unwrap();
        let builder = Node::builder(store, signer).endpoint(bound.endpoint.clone());
        let node = with(builder).spawn().unwrap();
        let transport = node.transport().unwrap();
        let router = Router::builder(bound.endpoint)
            .incoming_filter(transport.incoming_filter())
            .accept(ALPN, transport.clone())
            .spawn();
        Self { node, router }
    }

    pub fn card(&self) -> PeerCard {
        self.node.ticket().unwrap().peers[0].clone()
    }

    pub fn digest(&self) -> String {
        self.node.engine().seal().to_string()
    }

    pub async fn stop(self) {
        self.node.shutdown().await;
        self.router.shutdown().await.unwrap();
    }
}

/// Starts nodes `0..count` of a network, all of which know one another.
pub async fn start(directory: &Path, genesis: &Genesis, count: usize) -> Vec<Running> {
    let mut nodes: Vec<Running> = Vec::new();
    for n in 0..count {
        let node = Running::start(directory, genesis, n).await;
        for other in &nodes {
            node.node.transport().unwrap().remember(&other.card());
        }
        nodes.push(node);
    }
    nodes
}

/// Waits until something holds, and says what did not otherwise.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "not in time: {what}");
}

/// Waits until all nodes have one seal and no unsealed record.
pub async fn settled(nodes: &[Running]) {
    until("all at one seal, nothing pending", || {
        let first = nodes[0].digest();
        nodes.iter().all(|node| {
            let engine = node.node.engine();
            node.digest() == first && engine.export().is_empty()
        })
    })
    .await;
}
