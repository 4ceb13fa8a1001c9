//! The genesis, asked for by its digest: what a candidate needs before it can be anything to the network.
//!
//! Knowing the network's id, as a ticket tells it, is all that it takes: the genesis is not secret to holders of tickets. The
//! answer is bounded, and answers are rare.

use std::time::Duration;

use iroh::endpoint::{
    ConnectOptions, ConnectingError, Connection, Endpoint, RecvStream, SendStream,
};
use tokio::time::{Instant, timeout};

use super::close::{CloseCode, Closed};
use super::config::{Config, quic_config};
use super::frame::{Kind, frame, read_body, read_head, write, write_value};
use super::hello::{Opening, VERSION};
use super::ticket::Ticket;
use super::{ALPN, NetError};
use crate::statement::genesis::Genesis;

/// Answers that can be given at once.
const ANSWERS_MAX: u32 = 8;

/// How often one more may be given.
const ANSWER_EVERY: Duration = Duration::from_millis(250);

/// How many answers may be given.
pub(super) struct Answers {
    left: u32,
    since: Instant,
}

impl Answers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: ANSWERS_MAX,
            since: now,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.left < ANSWERS_MAX && self.since + ANSWER_EVERY <= now {
            self.left += 1;
            self.since += ANSWER_EVERY;
        }
        if self.left == ANSWERS_MAX {
            self.since = now;
        }
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }
}

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
    // The one who asked closes: only it knows that it has everything.
    let _ = timeout(stall, connection.closed()).await;
    CloseCode::Done
}

/// Fetches the genesis of a ticket's network from one of its peers, in the order of the ticket, and checks that it is the one.
///
/// `relays` says whether peers may be reached over relays.
///
/// # Errors
///
/// [`NetError::NoGenesis`] with what every peer answered.
pub async fn fetch_genesis(
    endpoint: &Endpoint,
    ticket: &Ticket,
    relays: bool,
) -> Result<Genesis, NetError> {
    let mut faults = Vec::new();
    for peer in &ticket.peers {
        let Some(address) = peer.address(relays) else {
            continue;
        };
        let id = address.id;
        match fetch_from(endpoint, address, ticket).await {
            Ok(genesis) => return Ok(genesis),
            Err(fault) => faults.push(format!("{}: {fault}", id.fmt_short())),
        }
    }
    if faults.is_empty() {
        faults.push("the ticket names no peer".to_owned());
    }
    Err(NetError::NoGenesis(faults.join("; ")))
}

async fn fetch_from(
    endpoint: &Endpoint,
    address: iroh::EndpointAddr,
    ticket: &Ticket,
) -> Result<Genesis, Closed> {
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

/// Closes a connection that is not a link yet, and tells how it ended: the peer may have been first.
pub(super) fn close(connection: &Connection, code: CloseCode) -> Closed {
    if let Some(reason) = connection.close_reason() {
        return match Closed::from(reason) {
            Closed::Lost(_) if connection_closed_here(connection) => Closed::Here(code),
            closed => closed,
        };
    }
    connection.close(code.var_int(), code.reason().as_bytes());
    Closed::Here(code)
}

fn connection_closed_here(connection: &Connection) -> bool {
    use iroh::endpoint::ConnectionError::LocallyClosed;
    matches!(connection.close_reason(), Some(LocallyClosed))
}

/// Dials an endpoint for this protocol, within a deadline.
pub(super) async fn connect(
    endpoint: &Endpoint,
    address: iroh::EndpointAddr,
    deadline: Duration,
) -> Result<Connection, Closed> {
    let options = ConnectOptions::new().with_transport_config(quic_config());
    let connecting = async {
        let connecting = endpoint
            .connect_with_opts(address, ALPN, options)
            .await
            .map_err(|error| Closed::Lost(format!("{error:#}")))?;
        connecting.await.map_err(|error| match error {
            ConnectingError::ConnectionError { source, .. } => source.into(),
            other => Closed::Lost(format!("{other:#}")),
        })
    };
    let late = Err(Closed::Lost("no answer".to_owned()));
    timeout(deadline, connecting).await.unwrap_or(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_rare() {
        let mut now = Instant::now();
        let mut answers = Answers::new(now);
        let given = (0..100).filter(|_| answers.take(now)).count();
        assert_eq!(given, ANSWERS_MAX as usize);
        now += ANSWER_EVERY * 2;
        let given = (0..100).filter(|_| answers.take(now)).count();
        assert_eq!(given, 2);
        now += ANSWER_EVERY * 1000;
        let given = (0..100).filter(|_| answers.take(now)).count();
        assert_eq!(given, ANSWERS_MAX as usize);
    }
}
