//! A node: a core with its disk and its peers, behind the same handle as in memory (feature `node`).
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use mycnet_consensus::net::{self, ALPN, EndpointSettings};
//! use mycnet_consensus::node::Node;
//! use mycnet_consensus::store::Store;
//! use mycnet_consensus::{ClaimRule, ConsensusOperation, Genesis, Identity, Signer as _};
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
//! let claim = ConsensusOperation::Claim {
//!     subject: "6 * 7".into(),
//!     input: vec![],
//!     panel: None,
//!     rule: ClaimRule::MAJORITY,
//! };
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
//! One thread owns the core. It takes inputs in turn, from handles, peers and timers, or several at once if several wait. It
//! writes their results in one commit, and only then sends, reports and answers (`node/actor.rs`). A turn in which only others said
//! something waits for a later commit: it costs no disk sync. Callers answer their own queries between two turns, under a lock, so
//! of blocks and own records they see only what is on the disk. A second thread reads sealed blocks for peers that catch up
//! (`node/block_server.rs`), a third compresses the past (`node/packer.rs`).
//!
//! Peers are heard in turn. A peer that sends forged or malformed data is disconnected. A peer that uses more than its share
//! of the node's time, without sending anything useful, is read more slowly (`node/cpu_budget.rs`).
//!
//! The protocol leaves time to the host. All of it is in `node/timers.rs`: when the node stops waiting for a seal, checks
//! windows, and compares its records with a peer.
//!
//! # When the disk fails
//!
//! A failed write stops the node. Nothing of that turn is sent or answered, connections are closed, and every further input
//! is refused with the reason. Queries are still answered from the last commit.
//!
//! # When the journal is lost
//!
//! A node whose journal was deleted, or replaced by an old copy, may have signed records that it does not know. Then it
//! signs only a `Rejoin`, by itself, and takes part again above the seal that lists it. [`Node::opened`] tells whether this is
//! so. Where too few others can seal the `Rejoin`, a person may declare what all others hold to be the journal
//! ([`BFTConsensusEngine::declare_journal`](crate::BFTConsensusEngine::declare_journal)).
//!
//! # When two machines run with one key
//!
//! Then neither signs anything ([`Node::twin`], `net/twins.rs`). A person stops one of them for good and tells the other one that
//! it lives ([`BFTConsensusEngine::outlive_twin`](crate::BFTConsensusEngine::outlive_twin)). A node signs nothing
//! for a second after a start, and after a peer's question whether there is a twin (`node/hold.rs`).

mod actor;
mod block_server;
mod builder;
mod cpu_budget;
mod handle;
mod hold;
mod packer;
mod peer_clocks;
mod relations;
mod saved_peers;
mod shared;
mod timers;

pub use builder::Builder;
pub use handle::{Node, Opened, Work};
pub use shared::Stopped;

use crate::base::digest::SealId;
use crate::net::NetError;
use crate::store::StoreError;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The transport cannot start.
    #[error(transparent)]
    Net(#[from] NetError),
    /// At the ticket's height, the network has another seal than the ticket: this is another branch, or the ticket is
    /// forged.
    #[error(
        "the seal of height {height} is {found}, but the ticket names {expected}: one of them belongs to another network or branch. \
         Ask another person for a new ticket, and compare"
    )]
    OtherBranch {
        /// The ticket's height.
        height: u64,
        /// The ticket's seal.
        expected: SealId,
        /// The seal that peers showed.
        found: SealId,
    },
    /// The operating system refused a thread.
    #[error("no thread can be started: {0}")]
    Thread(std::io::Error),
}
