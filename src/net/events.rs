//! What happens on the network, for the layer above.

use std::sync::Arc;

use iroh::EndpointId;

use super::close::Closed;
use super::inbox::Inbox;
use super::membership::Relation;
use crate::base::digest::NodeId;
use crate::core::PeerId;
use crate::exchange::message::Message;

/// A peer that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The connection.
    pub peer: PeerId,
    /// The author that proved to stand behind it.
    pub author: NodeId,
    /// What the author was to the network at that time. [`Relation::Stranger`] only if the program gave this node the peer, and
    /// the peer is ahead: whoever is behind does not know later members, and should look again as it catches up
    /// ([`Transport::recheck`](super::Transport::recheck)).
    pub relation: Relation,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The height that it said to have sealed when it was met; it says it once.
    pub height: u64,
    /// Whether this node dialled.
    pub dialled: bool,
}

/// Bytes of a connection's packets, handshake included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Sent to the peer.
    pub sent_bytes: u64,
    /// Received from it.
    pub received_bytes: u64,
}

/// What happens on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetEvent {
    /// A peer is connected and has proved its author.
    PeerUp(PeerInfo),
    /// A peer is gone. Nothing more comes from it.
    PeerDown {
        /// The connection.
        peer: PeerId,
        /// The author.
        author: NodeId,
        /// Why.
        reason: Closed,
    },
    /// Half of what may wait for a peer is free again, after it was not: more can be sent ([`Transport::room`](super::Transport::room)).
    Drained {
        /// The connection.
        peer: PeerId,
    },
    /// A peer said something.
    Message {
        /// The connection.
        peer: PeerId,
        /// What it said: bounded and canonical, but not verified in any other way.
        message: Message,
    },
}

/// What happens on the network, for the one who listens.
///
/// Peers are heard in turn. What is not taken fills the queues of the peers concerned and then slows them down.
pub struct Events {
    pub(super) inbox: Arc<Inbox>,
}

impl Events {
    /// The next event; `None` once the transport is shut down and everything was taken. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<NetEvent> {
        self.inbox.next().await
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<NetEvent> {
        self.inbox.try_next()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}
