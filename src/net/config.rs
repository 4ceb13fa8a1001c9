//! What a node sets for its connections. None of it must be the same on all nodes.

use std::time::Duration;

use iroh::endpoint::{QuicTransportConfig, VarInt};

/// Windows, caps and deadlines of one node's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Connections with proven members at most.
    pub connections_max: usize,
    /// Connections whose hello is not done, of endpoints not known from before. When there are more, the oldest goes.
    pub strangers_max: usize,
    /// The node dials peers it knows while it has dialled fewer of its connections than this.
    pub degree: usize,
    /// Bytes that wait to be sent to one peer; a message that finds as many waiting is refused.
    pub outgoing_bytes_max: usize,
    /// Bytes of long frames (over 64 KiB: blocks, and records in bulk) that are received, or wait to be taken, over all peers. A
    /// block that is longer still takes all of it.
    pub incoming_bytes_max: usize,
    /// How long establishing a connection may take.
    pub dial_deadline: Duration,
    /// How long the hello may take, on both sides.
    pub hello_deadline: Duration,
    /// How long a peer that has something to send or to take may move nothing.
    pub stall_deadline: Duration,
    /// The pause before a peer is dialled again. It doubles with every failure and is spread at random by half.
    pub backoff_min: Duration,
    /// The longest pause before an unreachable peer is dialled again.
    pub backoff_max: Duration,
    /// The shortest pause before a peer is dialled again that refused this node.
    pub backoff_refused: Duration,
    /// Of two connections that two nodes dialled at each other within this time one remains, the same on both.
    pub simultaneous: Duration,
    /// How often peers are told about other peers.
    pub tell_peers_every: Duration,
    /// Whether addresses on relays are taken from peers and tickets. Only with relays configured at the endpoint: a node
    /// that is offline by default asks no server that a peer names.
    pub relays: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: 64,
            strangers_max: 32,
            degree: 8,
            outgoing_bytes_max: 2 * 1024 * 1024,
            incoming_bytes_max: 4 * 1024 * 1024,
            dial_deadline: Duration::from_secs(4),
            hello_deadline: Duration::from_secs(5),
            stall_deadline: Duration::from_secs(10),
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(30),
            backoff_refused: Duration::from_secs(10),
            simultaneous: Duration::from_secs(5),
            tell_peers_every: Duration::from_mins(1),
            relays: false,
        }
    }
}

/// Nothing heard for this long ends a connection: a peer that crashed is noticed.
const IDLE_TIMEOUT_MS: u32 = 10_000;

/// How often an idle connection says that it lives: two may be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// What a peer can make this node buffer unread, per connection. Short, because unread packets cost far more than their bytes: the
/// transport receives the packets of all connections into common buffers of up to 64 KiB, and one packet that nobody reads keeps its
/// whole buffer. With 128 KiB, fifty connections that were not read from held 52 MB. Long frames that have their place
/// are read at once, and get [`WIDE_WINDOW`] for as long.
const WINDOW: u32 = 32 * 1024;

/// The same for a peer that is slowed down: what it says waits, and so is not to be much. What it was granted before stays
/// granted.
const SQUEEZED_WINDOW: u32 = 8 * 1024;

/// What may be on its way of a long frame that is being read. The window over the round trip bounds a long way: 5.2 MB/s at 50 ms.
/// It is the window of each stream too, of which the protocol uses one, so that the connection's counts.
const WIDE_WINDOW: u32 = 256 * 1024;

/// What this node buffers until a peer acknowledges it: as much as a node takes. Peers choose their own windows, so the default
/// would let one that reads nothing hold ten megabytes.
const SEND_WINDOW: u64 = WIDE_WINDOW as u64;

/// Streams that a peer may open. The protocol uses one; the rest is for other protocols on the same endpoint.
const STREAMS: u32 = 16;

/// The settings of QUIC that this protocol asks for: what is dialled here has them, and an endpoint that accepts should be
/// built with them ([`iroh::endpoint::Builder::transport_config`]). Its windows are narrow; other protocols on the endpoint that
/// move much should widen theirs ([`iroh::endpoint::Connection::set_receive_window`]).
#[must_use]
pub fn quic_config() -> QuicTransportConfig {
    QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(WIDE_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(Duration::from_millis(u64::from(IDLE_TIMEOUT_MS)))
        .build()
}

/// Narrows what can be narrowed on a connection that a caller's own endpoint accepted.
pub(super) fn narrow(connection: &iroh::endpoint::Connection) {
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(0));
    connection.set_receive_window(VarInt::from_u32(WINDOW));
}

/// Leaves little on its way, until [`narrow`] is called again.
pub(super) fn squeeze(connection: &iroh::endpoint::Connection) {
    connection.set_receive_window(VarInt::from_u32(SQUEEZED_WINDOW));
}

/// Lets so much of a frame of this length be on its way beyond the usual window, and gives how much. Before the last so many
/// bytes of it are read, [`narrow`] has to be called: what they free is then not granted again, so that nothing that comes after
/// the frame may be on its way already.
pub(super) fn widen(connection: &iroh::endpoint::Connection, length: usize) -> usize {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let more = length.min(WIDE_WINDOW - WINDOW);
    connection.set_receive_window(VarInt::from_u32(WINDOW + more));
    more as usize
}
