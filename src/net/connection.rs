//! A connection until its hello is done, on either side.

use std::sync::Arc;

use iroh::EndpointAddr;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, debug, info_span};

use super::close::{CloseCode, Closed};
use super::config::narrow;
use super::door::Place;
use super::frame::{Kind, read_value};
use super::genesis::{answer, close, connect};
use super::hello::{Opening, Proven, Transcript};
use super::shared::Inner;
use super::up::Up;
use crate::base::digest::NodeId;

/// A connection that came in.
pub(super) async fn accept(inner: Arc<Inner>, connection: Connection) {
    let span = info_span!("mycnet.accept", me = %inner.endpoint.id().fmt_short(),
        remote = %connection.remote_id().fmt_short());
    accept_inner(inner, connection).instrument(span).await;
}

async fn accept_inner(inner: Arc<Inner>, connection: Connection) {
    if inner.is_closing() {
        close(&connection, CloseCode::Shutdown);
        return;
    }
    narrow(&connection);
    let is_known = inner.table().book.is_known(&connection.remote_id());
    let place = inner.door.enter(&connection, is_known);
    let hello = timeout(
        inner.config.hello_deadline,
        meet(&inner, &connection, &place),
    );
    let met = hello.await.unwrap_or(Err(CloseCode::Deadline));
    drop(place);
    match met {
        Ok(Some((up, send, receive))) => up.run(send, receive).await,
        Ok(None) => {}
        Err(code) => {
            let closed = close(&connection, code);
            debug!(%closed, "an incoming connection is not let in");
        }
    }
}

type Met = Option<(Up, SendStream, RecvStream)>;

/// The acceptor's hello, or its answer to another opening.
async fn meet(
    inner: &Arc<Inner>,
    connection: &Connection,
    place: &Place,
) -> Result<Met, CloseCode> {
    let stall = inner.config.stall_deadline;
    let (mut send, mut receive) = connection
        .accept_bi()
        .await
        .map_err(|_| CloseCode::Malformed)?;
    let own = inner.own();
    let nonce = match read_value(&mut receive, Kind::Hello, stall).await? {
        Opening::Hello {
            version,
            network,
            nonce,
        } => own.check(version, &network).map(|()| nonce)?,
        Opening::Genesis { version, network } => {
            own.check(version, &network)?;
            place.spoke();
            let now = Instant::now();
            let may = inner.answers.lock().is_ok_and(|mut left| left.take(now));
            if !may {
                return Err(CloseCode::Busy);
            }
            return Err(answer(connection, &inner.genesis, &mut send, stall).await);
        }
    };
    place.spoke();
    let (proven, transcript): (Proven, Transcript) = own
        .accepted(connection, nonce, &mut send, &mut receive)
        .await?;
    let up = Up::admit(inner, connection, proven, false)?;
    // From here on `up` takes the connection out again if anything fails.
    if let Err(code) = own.welcome(&transcript, &mut send).await {
        up.link.close(code);
        return Err(code);
    }
    Ok(Some((up, send, receive)))
}

/// Dials a peer and serves the connection until it ends.
pub(super) async fn dial(inner: Arc<Inner>, address: EndpointAddr) {
    let remote = address.id;
    let span = info_span!("mycnet.dial", me = %inner.endpoint.id().fmt_short(), remote = %remote.fmt_short());
    let task = tokio::spawn(dial_inner(inner.clone(), address).instrument(span));
    let ended = task.await;
    let how = match ended {
        Ok(Ok(())) => return,
        Ok(Err(how)) => how,
        Err(_) => Closed::Here(CloseCode::Internal),
    };
    debug!(remote = %remote.fmt_short(), %how, "not connected");
    let now = Instant::now();
    let mut table = inner.table();
    table.book.ended(&remote, &how, false, &inner.config, now);
    drop(table);
    inner.changed.notify_one();
}

async fn dial_inner(inner: Arc<Inner>, address: EndpointAddr) -> Result<(), Closed> {
    let connection = connect(&inner.endpoint, address, inner.config.dial_deadline).await?;
    narrow(&connection);
    let hello = timeout(inner.config.hello_deadline, introduce(&inner, &connection));
    match hello.await.unwrap_or(Err(CloseCode::Deadline)) {
        Ok((up, send, receive)) => {
            up.run(send, receive).await;
            Ok(())
        }
        Err(code) => Err(close(&connection, code)),
    }
}

/// The dialler's hello.
async fn introduce(
    inner: &Arc<Inner>,
    connection: &Connection,
) -> Result<(Up, SendStream, RecvStream), CloseCode> {
    let opened = connection.open_bi().await;
    let (mut send, mut receive) = opened.map_err(|_| CloseCode::Malformed)?;
    let own = inner.own();
    let remote = connection.remote_id();
    let is_chosen = |author: &NodeId| inner.table().book.is_chosen(&remote, author);
    let proven = own.dialled(connection, &mut send, &mut receive, is_chosen);
    let proven = proven.await?;
    let up = Up::admit(inner, connection, proven, true)?;
    Ok((up, send, receive))
}
