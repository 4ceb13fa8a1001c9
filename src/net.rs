//! The transport: messages between authenticated members, over iroh (feature `net`).
//!
//! [`Transport`] carries [`Message`](crate::exchange::message::Message)s between this node and its peers, and does not
//! interpret them. It runs on the caller's [`iroh::Endpoint`]. Register it under [`ALPN`] with a
//! [`Router`](iroh::protocol::Router), beside the endpoint's other protocols. [`bind()`] makes an endpoint that contacts no
//! server on the internet.
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
//! The dialler opens one stream. On it, both sides first prove their author (`net/hello.rs`). An author that is banned or
//! not a member is refused with a [`CloseCode`] and sees nothing more. Then frames follow in both directions
//! (`net/frame.rs`). Each author has one connection. A newer one replaces the older one, so that a peer that crashed and
//! came back, perhaps on another port, is in contact at once. If the two are of different processes, each may prove itself to
//! the other first: two machines may run with one key (`net/twins.rs`).
//!
//! # What a peer can do to this node
//!
//! - Before its hello, a peer can hold one of a few pending connections for a few seconds. The next stranger pushes it out,
//!   and the filter limits the attempts ([`Transport::incoming_filter`]).
//! - A member can make this node hold one frame that arrives, and messages of one frame's size or one requested block that
//!   wait. A flood fills only its own queue: the listener takes one message of each peer in turn, and flow control then
//!   slows the sender.
//! - A peer that reads nothing can fill one outgoing queue. Then it loses the connection.
//!
//! # Faults
//!
//! A crashed peer is noticed after ten seconds of silence, or when the layer above suspects it ([`Transport::suspect`]).
//! Then the connection is closed first and dialled second, because a peer on a new port cannot be dialled while the old
//! connection lives. Known peers are dialled again with growing pauses. Members that were met are never forgotten.

mod address;
mod address_book;
mod bind;
mod builder;
mod clocks;
mod close;
mod config;
mod dialler;
mod events;
mod frame;
mod genesis;
mod handshake;
mod hello;
mod inbox;
mod incoming_filter;
mod left;
mod membership;
mod outbox;
mod peer_exchange;
mod pending;
mod quarantine;
mod rate;
mod receive_budget;
mod session_task;
mod sessions;
mod shared;
mod sources;
mod ticket;
mod transport;
mod twin_check;
mod twins;

pub use address::PeerCard;
pub use address_book::{KnownPeer, Origin};
pub use bind::{Bound, EndpointSettings, Listen, RelayAuthorities, bind};
pub use builder::Builder;
pub use clocks::ClockReport;
pub(crate) use clocks::correction_ms;
pub use close::{CloseCode, CloseReason};
pub use config::{Config, quic_config};
pub use events::{NetEvent, PeerInfo, Traffic};
pub use genesis::fetch_genesis;
pub use inbox::Events;
pub use left::Left;
pub use membership::{Membership, Relation};
pub use ticket::{Followed, Ticket};
pub use transport::Transport;
pub use twins::TwinSeen;

/// The protocol's name in the transport's handshake.
pub const ALPN: &[u8] = b"mycnet-consensus/0";

/// Why the transport cannot start or join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The endpoint cannot be bound.
    #[error("cannot bind an endpoint: {0}")]
    Bind(String),
    /// The certificates of the relays' authorities cannot be used.
    #[error("the authorities of relays: {0}")]
    Authorities(String),
    /// The platform gave no randomness.
    #[error("the platform gives no randomness: {0}")]
    NoRandomness(String),
    /// No peer of a ticket sent the genesis.
    #[error("no peer sent the genesis: {0}")]
    NoGenesis(String),
}

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer is not connected.
    #[error("the peer is not connected")]
    NotConnected,
    /// The peer's queue is full. The first blocks of a message may be queued already. The caller has nothing to do: the
    /// regular reconciliation fills the gap.
    #[error("the queue of messages to the peer is full")]
    Full,
    /// The encoded message has this many bytes, which is more than a frame holds.
    #[error("a message of {0} bytes fits no frame")]
    TooLong(usize),
}
