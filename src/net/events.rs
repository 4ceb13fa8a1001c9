//! Network events, for the layer above.

use iroh::EndpointId;

use super::close::CloseReason;
use super::membership::Relation;
use super::twins::TwinSeen;
use crate::base::digest::NodeId;
use crate::core::{PeerId, SigningState};
use crate::exchange::message::Message;

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The id of the connection.
    pub peer: PeerId,
    /// The author, which proved its key.
    pub author: NodeId,
    /// The author's relation to the network at the hello. A [`Relation::Stranger`] is a peer that the program gave and
    /// that is ahead: a node that is behind does not know later members. This node should check the relation again as
    /// it catches up ([`Transport::recheck`](super::Transport::recheck)).
    pub relation: Relation,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Where its packets go now: `ip:port`, or the URL of a relay. `None` while the transport changes over.
    pub at: Option<String>,
    /// Its sealed height at the hello. It is not updated.
    pub height: u64,
    /// Whether this node dialled.
    pub dialled: bool,
    /// Whether it signs, or why not, as it said last.
    pub signing: SigningState,
    /// How far its clock is ahead of this node's, in milliseconds, by the better one of its last two messages about it. The
    /// time that a message was on its way makes the figure too small.
    pub ahead_ms: i64,
}

/// Bytes in a connection's packets, including the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Sent to the peer.
    pub sent_bytes: u64,
    /// Received from it.
    pub received_bytes: u64,
}

/// A network event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetEvent {
    /// A peer is connected and has proved its author.
    PeerUp(PeerInfo),
    /// A connection ended. No more events of it follow.
    PeerDown {
        /// The connection.
        peer: PeerId,
        /// The author.
        author: NodeId,
        /// Why it ended.
        reason: CloseReason,
    },
    /// A queue that was full is half empty again: more can be sent ([`Transport::room`](super::Transport::room)).
    Drained {
        /// The connection.
        peer: PeerId,
    },
    /// Another machine has proved that it runs with this node's author key.
    Twin(TwinSeen),
    /// A peer has two connections with this node's author key, and lets each prove itself to the other. That is no proof: this
    /// node may just have been restarted.
    TwinAsked {
        /// The connection.
        peer: PeerId,
    },
    /// A dialled peer has left this node's network for one that was founded in its place, and gave the endorsements of the plan: the
    /// canonical bytes of records, not verified.
    Endorsements(Vec<Vec<u8>>),
    /// A message arrived.
    Message {
        /// The connection.
        peer: PeerId,
        /// The message: bounded and canonical, but not verified otherwise.
        message: Message,
    },
}
