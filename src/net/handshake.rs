//! Accepting and dialling: a connection until its hello is done.

use std::sync::Arc;

use iroh::EndpointAddr;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, debug, info_span};

use super::close::{CloseCode, CloseReason};
use super::config::narrow;
use super::frame::{Kind, read_value};
use super::genesis::{answer, close, connect};
use super::hello::{Met, Opening};
use super::pending::PendingGuard;
use super::session_task::SessionTask;
use super::shared::Inner;
use crate::base::digest::NodeId;

/// Accepts a connection and serves it until it ends.
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
    let guard = inner.pending.enter(&connection, is_known);
    let hello = timeout(
        inner.config.hello_deadline,
        meet(&inner, &connection, &guard),
    );
    let met = hello.await.unwrap_or(Err(CloseCode::Deadline));
    drop(guard);
    match met {
        Ok(Some((task, send, receive))) => task.run(send, receive).await,
        Ok(None) => {}
        Err(code) => {
            let closed = close(&connection, code);
            debug!(%closed, "incoming connection refused");
        }
    }
}

type Admitted = Option<(SessionTask, SendStream, RecvStream)>;

/// The acceptor's hello, or its answer to another opening.
async fn meet(
    inner: &Arc<Inner>,
    connection: &Connection,
    guard: &PendingGuard,
) -> Result<Admitted, CloseCode> {
    let stall = inner.config.stall_deadline;
    let (mut send, mut receive) = connection
        .accept_bi()
        .await
        .map_err(|_| CloseCode::Malformed)?;
    let own = inner.local_side();
    let nonce = match read_value(&mut receive, Kind::Hello, stall).await? {
        Opening::Hello {
            version,
            network,
            nonce,
        } => {
            if let Some(left) = inner.left.as_ref().filter(|left| left.network == network) {
                guard.spoke();
                if !inner.may_answer() {
                    return Err(CloseCode::Busy);
                }
                return Err(left.tell(connection, &mut send, stall).await);
            }
            own.check(version, &network).map(|()| nonce)?
        }
        Opening::Genesis { version, network } => {
            own.check(version, &network)?;
            guard.spoke();
            if !inner.may_answer() {
                return Err(CloseCode::Busy);
            }
            return Err(answer(connection, &inner.genesis, &mut send, stall).await);
        }
    };
    guard.spoke();
    let (met, transcript) = own
        .accepted(connection, nonce, &mut send, &mut receive)
        .await?;
    let proven = match met {
        Met::Peer(proven) => proven,
        Met::HasLeft(_) => return Err(CloseCode::Internal),
        Met::Twin(seen) => {
            own.welcome(&transcript, &mut send).await?;
            inner.meet_twin(seen);
            // The other side closes when it has read the proof.
            let _ = timeout(stall, connection.closed()).await;
            return Err(CloseCode::OwnAuthor);
        }
    };
    let task = SessionTask::admit(inner, connection, proven, false)?;
    // From here on, dropping `task` removes the session.
    if let Err(code) = own.welcome(&transcript, &mut send).await {
        task.session.close(code);
        return Err(code);
    }
    Ok(Some((task, send, receive)))
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
        Err(_) => CloseReason::Here(CloseCode::Internal),
    };
    debug!(remote = %remote.fmt_short(), %how, "not connected");
    let now = Instant::now();
    let mut table = inner.table();
    table.book.ended(&remote, &how, false, &inner.config, now);
    drop(table);
    inner.changed.notify_one();
}

async fn dial_inner(inner: Arc<Inner>, address: EndpointAddr) -> Result<(), CloseReason> {
    let connection = connect(&inner.endpoint, address, inner.config.dial_deadline).await?;
    narrow(&connection);
    let hello = timeout(inner.config.hello_deadline, introduce(&inner, &connection));
    match hello.await.unwrap_or(Err(CloseCode::Deadline)) {
        Ok((task, send, receive)) => {
            task.run(send, receive).await;
            Ok(())
        }
        Err(code) => Err(close(&connection, code)),
    }
}

/// The dialler's side of the hello.
async fn introduce(
    inner: &Arc<Inner>,
    connection: &Connection,
) -> Result<(SessionTask, SendStream, RecvStream), CloseCode> {
    let opened = connection.open_bi().await;
    let (mut send, mut receive) = opened.map_err(|_| CloseCode::Malformed)?;
    let own = inner.local_side();
    let remote = connection.remote_id();
    let is_chosen = |author: &NodeId| inner.table().book.is_chosen(&remote, author);
    let proven = own.dialled(connection, &mut send, &mut receive, is_chosen);
    let proven = match proven.await? {
        Met::Peer(proven) => proven,
        Met::Twin(seen) => {
            inner.meet_twin(seen);
            return Err(CloseCode::OwnAuthor);
        }
        Met::HasLeft(endorsements) => {
            inner.hear_endorsements(endorsements);
            return Err(CloseCode::Done);
        }
    };
    let task = SessionTask::admit(inner, connection, proven, true)?;
    Ok((task, send, receive))
}
