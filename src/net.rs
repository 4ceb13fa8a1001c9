//! The transport: messages between authenticated members, over iroh (feature `net`).
//!
//! [`Transport`] moves [`Message`](crate::exchange::message::Message)s between this node and its peers, and knows nothing of what they mean.
//! It runs on the caller's [`iroh::Endpoint`]: register it with a [`Router`](iroh::protocol::Router) under [`ALPN`], beside
//! whatever else the endpoint serves, or let [`bind()`] make an endpoint that asks nobody on the internet for anything.
//!
//! ```no_run
//! use std::sync::Arc;
//! use mycnet_consensus::{Genesis, Identity};
//! use mycnet_consensus::net::{self, ALPN, EndpointSettings, Membership, NetEvent, Transport};
//!
//! # async fn run(genesis: Genesis, me: Identity, membership: Arc<dyn Membership>, secret: [u8; 32])
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let settings = EndpointSettings { secret, ..EndpointSettings::default() };
//! let endpoint = net::bind(&settings, &genesis.network_id()).await?.endpoint;
//! let (transport, mut events) =
//!     Transport::builder(&genesis, Arc::new(me), membership).spawn(endpoint.clone())?;
//! let router = iroh::protocol::Router::builder(endpoint)
//!     .incoming_filter(transport.incoming_filter())
//!     .accept(ALPN, transport.clone())
//!     .spawn();
//! while let Some(event) = events.next().await {
//!     if let NetEvent::Message { peer, message } = event {
//!         println!("{peer:?} says {message:?}");
//!     }
//! }
//! router.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # One connection
//!
//! The dialler opens one stream, on which both sides first prove their author (`net/hello.rs`): whoever is no
//! member, or banned, is refused with a [`CloseCode`] and sees nothing more. Then frames follow in both directions
//! (`net/frame.rs`). Of one author there is one connection; a newer one takes the place of the older, so that a
//! peer that crashed and came back, perhaps on another port, is in contact at once.
//!
//! # What a peer can do to this node
//!
//! - before its hello: hold one of few places for a few seconds, from which the next one pushes it out, and not more often than
//!   the filter lets it try ([`Transport::incoming_filter`]);
//! - as a member: make it keep a frame, and a frame's worth of messages, or a block that was asked for. A flood fills only its
//!   own queue, because the listener takes one message of each peer in turn, and is then slowed down by flow control;
//! - reading nothing: make it keep one outgoing queue, and lose the connection.
//!
//! # Faults
//!
//! A peer that crashed is noticed after ten seconds of silence, or when the layer above says that it is suspicious
//! ([`Transport::suspect`]); then the connection is closed first and dialled second, because a peer that is back on a new port
//! cannot be dialled while the old connection lives. Known peers are dialled again and again, with growing pauses, and the met
//! ones never forgotten as long as they are members.

mod address;
mod bind;
mod book;
mod close;
mod config;
mod connection;
mod door;
mod events;
mod filter;
mod frame;
mod genesis;
mod hello;
mod inbox;
mod intake;
mod links;
mod manager;
mod membership;
mod outbox;
mod shared;
mod shunned;
mod ticket;
mod transport;
mod up;

pub use address::PeerCard;
pub use bind::{Bound, EndpointSettings, Listen, bind};
pub use book::{KnownPeer, Origin};
pub use close::{CloseCode, Closed};
pub use config::{Config, quic_config};
pub use events::{Events, NetEvent, PeerInfo, Traffic};
pub use genesis::fetch_genesis;
pub use membership::{Membership, Relation};
pub use ticket::Ticket;
pub use transport::{Builder, Transport};

/// The protocol's name in the transport's handshake.
pub const ALPN: &[u8] = b"mycnet-consensus/0";

/// Why the transport cannot do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// No endpoint could be made.
    #[error("cannot bind an endpoint: {0}")]
    Bind(String),
    /// The platform gave no randomness.
    #[error("the platform gives no randomness: {0}")]
    NoRandomness(String),
    /// No peer of a ticket gave the genesis.
    #[error("no peer gave the genesis: {0}")]
    NoGenesis(String),
}

/// Why a message is not on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer is not connected (any more).
    #[error("the peer is not connected")]
    NotConnected,
    /// As much waits for this peer as may. Of a message with several blocks, the first may be on their way. Nothing has to
    /// be done: the regular reconciliation fills the gap.
    #[error("too much waits to be sent to the peer")]
    Full,
    /// The message fits no frame, by its encoded bytes.
    #[error("a message of {0} bytes fits no frame")]
    TooLong(usize),
}
