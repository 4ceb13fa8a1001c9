//! Settings of a node's connections. Nodes may differ in all of them.

use std::time::Duration;

use iroh::RelayUrl;
use iroh::endpoint::{QuicTransportConfig, VarInt};

/// Windows, limits and deadlines of one node's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Most connections with proven members.
    pub connections_max: usize,
    /// Most pending connections of unknown endpoints. The oldest is closed when there are more.
    pub strangers_max: usize,
    /// The node dials known peers until it has dialled this many of its connections.
    pub degree: usize,
    /// Most bytes that wait to be sent to one peer. Further messages are refused.
    pub outgoing_bytes_max: usize,
    /// Most bytes of long frames (over 64 KiB: blocks, and records in bulk), arriving or waiting, over all peers. A longer
    /// block takes the whole budget.
    pub incoming_bytes_max: usize,
    /// Deadline for establishing a connection.
    pub dial_deadline: Duration,
    /// Deadline for the hello, on both sides.
    pub hello_deadline: Duration,
    /// Longest time without progress while a peer sends or receives.
    pub stall_deadline: Duration,
    /// The first pause before a peer is dialled again. It doubles with every failure, with 50% random spread.
    pub backoff_min: Duration,
    /// The longest pause before an unreachable peer is dialled again.
    pub backoff_max: Duration,
    /// The shortest pause after a peer refused this node.
    pub backoff_refused: Duration,
    /// If two nodes dial each other within this time, both keep the same one of the two connections.
    pub simultaneous: Duration,
    /// How often peers are told about other peers.
    pub tell_peers_every: Duration,
    /// The endpoint's relays. A peer that is reached by a relay is dialled by these too: its own may be gone. If there are none, relay
    /// addresses from peers and tickets are not used: an offline node must not contact servers that a peer names.
    pub relays: Vec<RelayUrl>,
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
            relays: Vec::new(),
        }
    }
}

/// Silence after which a connection ends, so that a crashed peer is noticed.
const IDLE_TIMEOUT_MS: u32 = 10_000;

/// How often an idle connection sends a sign of life. Two may be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// Unread bytes per connection that a peer can make this node buffer. Small, because unread packets cost far more than their
/// bytes: the transport receives packets of all connections into shared buffers of up to 64 KiB, and one unread packet keeps
/// its whole buffer. With 128 KiB, fifty unread connections held 52 MB. Long frames with a reservation are read at once, and
/// get [`WIDE_WINDOW`] until they have arrived.
const WINDOW: u32 = 32 * 1024;

/// The same for a slowed-down peer, whose messages wait. Credit that it got earlier stays valid.
const SQUEEZED_WINDOW: u32 = 8 * 1024;

/// Unread bytes while a long frame is read. The window divided by the round trip bounds the speed: 5.2 MB/s at 50 ms. It is
/// also the window of each stream. The protocol uses one stream, so the connection's window is the one that counts.
const WIDE_WINDOW: u32 = 256 * 1024;

/// Most unacknowledged bytes that this node buffers. Peers choose their own receive windows, so with the default a peer that
/// reads nothing could hold ten megabytes.
const SEND_WINDOW: u64 = WIDE_WINDOW as u64;

/// Streams that a peer may open. This protocol uses one; the others are for other protocols on the endpoint.
const STREAMS: u32 = 16;

/// The QUIC settings of this protocol. Dialled connections have them; an accepting endpoint should be built with them
/// ([`iroh::endpoint::Builder::transport_config`]). The windows are narrow. Other protocols on the endpoint that move much
/// data should widen theirs ([`iroh::endpoint::Connection::set_receive_window`]).
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

/// Sets the usual windows on a connection, which a caller's own endpoint may have accepted with others.
pub(super) fn narrow(connection: &iroh::endpoint::Connection) {
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(0));
    connection.set_receive_window(VarInt::from_u32(WINDOW));
}

/// Sets the window for a slowed-down peer, until the next call of [`narrow`].
pub(super) fn squeeze(connection: &iroh::endpoint::Connection) {
    connection.set_receive_window(VarInt::from_u32(SQUEEZED_WINDOW));
}

/// Widens the window for a frame of this length, and returns the number of added bytes. Call [`narrow`] before as many
/// bytes at the frame's end are read. Then their credit is not granted again, and no later data is in flight already.
pub(super) fn widen(connection: &iroh::endpoint::Connection, length: usize) -> usize {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let more = length.min(WIDE_WINDOW - WINDOW);
    connection.set_receive_window(VarInt::from_u32(WINDOW + more));
    more as usize
}
