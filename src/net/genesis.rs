//! Fetching the genesis by its digest, before a candidate is a member.
//!
//! A peer that knows the network's id, from a ticket, may read the genesis. Size and rate of answers are limited.

use std::time::Duration;

use iroh::RelayUrl;
use iroh::endpoint::{
    ConnectOptions, ConnectingError, Connection, ConnectionError, Endpoint, RecvStream, SendStream,
};
use tokio::time::timeout;

use super::address::by_any_relay;
use super::close::{CloseCode, CloseReason};
use super::config::{Config, quic_config};
use super::frame::{Kind, frame, read_body, read_head, write, write_value};
use super::hello::{Opening, VERSION};
use super::rate::Rate;
use super::ticket::Ticket;
use super::{ALPN, NetError};
use crate::statement::genesis::Genesis;

/// The rate of answers to all askers together.
pub(super) const ANSWERS: Rate = Rate::new(8, 250);

/// How often a peer is asked that answers the dial, and then not in time: a packet is lost now and then on a long line.
const ASKS: u32 = 3;

/// Sends the genesis and waits until it has arrived.
pub(super) async fn answer(
    connection: &Connection,
    genesis: &[u8],
    send: &mut SendStream,
    stall: Duration,
) -> CloseCode {
    if let Err(code) = write(send, &frame(Kind::Genesis, genesis), stall).await {
        return code;
    }
    let _ = send.finish();
    // The asker closes, because only it knows that the answer is complete.
    let _ = timeout(stall, connection.closed()).await;
    CloseCode::Done
}

/// Fetches the genesis of a ticket's network from the first of its peers that sends it, and checks its digest.
///
/// `relays`: those of the endpoint, as in [`Config::relays`].
///
/// # Errors
///
/// [`NetError::NoGenesis`] with the answer of every peer.
pub async fn fetch_genesis(
    endpoint: &Endpoint,
    ticket: &Ticket,
    relays: &[RelayUrl],
) -> Result<Genesis, NetError> {
    let mut faults = Vec::new();
    for peer in &ticket.peers {
        let Some(address) = peer.address(!relays.is_empty()) else {
            continue;
        };
        let address = by_any_relay(address, relays);
        let id = address.id;
        let mut asks = 1;
        loop {
            match fetch_from(endpoint, address.clone(), ticket).await {
                Ok(genesis) => return Ok(genesis),
                Err(CloseReason::Here(CloseCode::Deadline)) if asks < ASKS => asks += 1,
                Err(fault) => {
                    faults.push(format!("{}: {fault}", id.fmt_short()));
                    break;
                }
            }
        }
    }
    if faults.is_empty() {
        faults.push("the ticket has no peer that can be dialled".to_owned());
    }
    Err(NetError::NoGenesis(faults.join("; ")))
}

async fn fetch_from(
    endpoint: &Endpoint,
    address: iroh::EndpointAddr,
    ticket: &Ticket,
) -> Result<Genesis, CloseReason> {
    let config = Config::default();
    let connection = connect(endpoint, address, config.dial_deadline).await?;
    let asked = timeout(
        config.hello_deadline,
        ask(&connection, ticket, config.stall_deadline),
    );
    let answered = asked.await.unwrap_or(Err(CloseCode::Deadline));
    let genesis = answered.and_then(|bytes| {
        let genesis = Genesis::decode(&bytes).map_err(|_| CloseCode::Malformed)?;
        let is_it = genesis.network_id() == ticket.network;
        is_it.then_some(genesis).ok_or(CloseCode::WrongNetwork)
    });
    match genesis {
        Ok(genesis) => {
            close(&connection, CloseCode::Done);
            Ok(genesis)
        }
        Err(code) => Err(close(&connection, code)),
    }
}

async fn ask(
    connection: &Connection,
    ticket: &Ticket,
    stall: Duration,
) -> Result<Vec<u8>, CloseCode> {
    let (mut send, mut receive): (SendStream, RecvStream) = connection
        .open_bi()
        .await
        .map_err(|_| CloseCode::Internal)?;
    let opening = Opening::Genesis {
        version: VERSION,
        network: ticket.network,
    };
    write_value(&mut send, Kind::Hello, &opening, stall).await?;
    let head = read_head(&mut receive, stall).await?;
    let head = head
        .filter(|head| head.kind == Kind::Genesis)
        .ok_or(CloseCode::Malformed)?;
    read_body(&mut receive, head.length, stall).await
}

/// Closes a connection that is not a session yet. The peer may have closed it first; returns the reason that came first.
pub(super) fn close(connection: &Connection, code: CloseCode) -> CloseReason {
    match connection.close_reason() {
        None => code.close(connection),
        Some(ConnectionError::LocallyClosed) => {}
        Some(reason) => return reason.into(),
    }
    CloseReason::Here(code)
}

/// Dials an endpoint for this protocol, within a deadline.
pub(super) async fn connect(
    endpoint: &Endpoint,
    address: iroh::EndpointAddr,
    deadline: Duration,
) -> Result<Connection, CloseReason> {
    let options = ConnectOptions::new().with_transport_config(quic_config());
    let connecting = async {
        let connecting = endpoint
            .connect_with_opts(address, ALPN, options)
            .await
            .map_err(|error| CloseReason::Lost(format!("{error:#}")))?;
        connecting.await.map_err(|error| match error {
            ConnectingError::ConnectionError { source, .. } => source.into(),
            other => CloseReason::Lost(format!("{other:#}")),
        })
    };
    let late = Err(CloseReason::Lost("no answer".to_owned()));
    timeout(deadline, connecting).await.unwrap_or(late)
}
