//! The task of a session, from its hello to its end: messages in both directions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use iroh::TransportAddr;
use iroh::endpoint::{Connection, Path, RecvStream, SendStream};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::address::written;
use super::address_book::Origin;
use super::close::CloseCode;
use super::config::{narrow, squeeze, widen};
use super::events::{NetEvent, PeerInfo};
use super::frame::{Head, Kind, empty_body, read_head, read_message, read_until, write};
use super::hello::{Proven, SelfReport};
use super::membership::Relation;
use super::outbox::Outbox;
use super::peer_exchange::{hear, tell};
use super::receive_budget::Reservation;
use super::sessions::Session;
use super::shared::Inner;
use super::twin_check;
use crate::base::codec;

/// Queues per connection: a peer may be gone while its last messages still wait.
const QUEUES_PER_CONNECTION: usize = 2;

/// The shortest time between two lists of peers that are read from one peer.
const HEAR_PEERS_EVERY: Duration = Duration::from_secs(10);

/// A peer that was not slowed down for this long gets its usual window back.
const RELENT: Duration = Duration::from_secs(10);

/// A session. Dropping it, also by a panic, ends it.
pub(super) struct SessionTask {
    inner: Arc<Inner>,
    pub(super) session: Arc<Session>,
}

impl SessionTask {
    /// Makes a session of a proven connection.
    pub(super) fn admit(
        inner: &Arc<Inner>,
        connection: &Connection,
        proven: Proven,
        dialled: bool,
    ) -> Result<Self, CloseCode> {
        let queues_max = inner.config.connections_max * (1 + QUEUES_PER_CONNECTION);
        if inner.inbox.peers() >= queues_max {
            return Err(CloseCode::Busy);
        }
        let seen = seen_at(connection);
        let (addresses, listens) = (written(seen.iter()), proven.listens.clone());
        let (author, endpoint) = (proven.author, connection.remote_id());
        let session = Arc::new(Session::new(
            inner.next_peer(),
            proven,
            dialled,
            connection.clone(),
            Outbox::new(inner.config.outgoing_bytes_max, inner.outgoing.clone()),
        ));
        let mut table = inner.table();
        // Checked under the lock, because a stop closes the sessions in the table afterwards.
        if inner.is_closing() {
            return Err(CloseCode::Shutdown);
        }
        if table.quarantine.holds(&author, Instant::now()) {
            return Err(CloseCode::Misbehaved);
        }
        let own = inner.endpoint.id();
        let replaced = table.sessions.admit(&session, &own, &inner.config)?;
        // A stranger that the program gave has proved its key, but other peers should not be told of it.
        let origin = match session.proven.relation {
            Relation::Member | Relation::Leaving => Origin::Met,
            _ => Origin::Given,
        };
        let now = Instant::now();
        table
            .book
            .learn(endpoint, Some(author), &addresses, origin, now);
        table.book.hear_own(&endpoint, &listens);
        table.book.connected(&endpoint);
        if session.proven.relation == Relation::Member {
            for at in &seen {
                table.member_sources.note(author, endpoint, at);
            }
        }
        if let Some(before) = table.sessions.follow(&session) {
            // Reconciliation finds those messages again. Otherwise a peer that comes and goes could leave any number of
            // them.
            inner.inbox.discard_messages(before);
        }
        inner
            .inbox
            .push(session.id, NetEvent::PeerUp(session.info()));
        drop(table);
        tell(inner, &session);
        if let Some(replaced) = replaced {
            twin_check::replace(inner, replaced, &session);
        }
        info!(%author, peer = session.id.0, dialled, "peer up");
        let inner = inner.clone();
        Ok(Self { inner, session })
    }

    /// Carries messages until the connection ends.
    pub(super) async fn run(self, mut send: SendStream, mut receive: RecvStream) {
        let ended = tokio::select! {
            code = self.read(&mut receive) => code,
            code = self.write(&mut send) => code,
            _ = self.session.connection.closed() => None,
        };
        if let Some(code) = ended {
            self.session.close(code);
        }
    }

    async fn write(&self, send: &mut SendStream) -> Option<CloseCode> {
        loop {
            let Some(frame) = self.session.outbox.next().await else {
                break;
            };
            if let Err(code) = write(send, &frame, self.inner.config.stall_deadline).await {
                return self.unless_closed(code);
            }
            if self.session.outbox.sent(&frame) {
                let peer = self.session.id;
                self.inner.inbox.push_once(peer, NetEvent::Drained { peer });
            }
        }
        let _ = send.finish();
        std::future::pending().await
    }

    async fn read(&self, receive: &mut RecvStream) -> Option<CloseCode> {
        let mut told_at = None;
        loop {
            let head = match read_head(receive, self.inner.config.stall_deadline).await {
                Ok(Some(head)) => head,
                Ok(None) => return self.part().await,
                Err(code) => return self.unless_closed(code),
            };
            self.wait_if_slowed().await;
            let taken = match head.kind {
                Kind::Message | Kind::LongBlock => self.take(receive, head).await,
                Kind::Peers => self.hear(receive, head, &mut told_at).await,
                Kind::Report => self.hear_report(receive, head).await,
                Kind::Twin => self.hear_of_twin(receive, head).await,
                Kind::Hello | Kind::Genesis | Kind::Endorsements => Err(CloseCode::Malformed),
            };
            if let Err(code) = taken {
                return self.unless_closed(code);
            }
        }
    }

    /// Waits while the peer is slowed down, and narrows its window until some time after.
    async fn wait_if_slowed(&self) {
        let Some(until) = self.session.slowed_until() else {
            return;
        };
        if Instant::now() >= until + RELENT {
            self.session.forgive(until);
        }
        self.limit_what_is_on_its_way();
        sleep_until(until).await;
    }

    /// Sets the usual window, or the narrow one for a peer that is or was lately slowed down.
    fn limit_what_is_on_its_way(&self) {
        if self.session.slowed_until().is_some() {
            squeeze(&self.session.connection);
        } else {
            narrow(&self.session.connection);
        }
    }

    /// The peer stops and has ended its stream. This node ends its own stream, which tells the peer that it heard
    /// everything.
    async fn part(&self) -> Option<CloseCode> {
        self.session.peer_finished.store(true, Ordering::SeqCst);
        self.session.outbox.finish();
        let closed = self.session.connection.closed();
        let late = timeout(self.inner.config.stall_deadline, closed).await;
        late.is_err().then_some(CloseCode::Done)
    }

    /// If the connection has ended, a failed stream is not the peer's fault.
    fn unless_closed(&self, code: CloseCode) -> Option<CloseCode> {
        let open = self.session.connection.close_reason().is_none();
        open.then_some(code)
    }

    /// Reads a message and queues it.
    async fn take(&self, receive: &mut RecvStream, head: Head) -> Result<(), CloseCode> {
        if head.kind == Kind::LongBlock && !self.session.takes_long_block() {
            return Err(CloseCode::Unasked);
        }
        let (body, reservation) = self.body(receive, head.length).await?;
        let message = read_message(head.kind, body)?;
        let peer = self.session.id;
        let event = NetEvent::Message { peer, message };
        let is_open = || self.session.is_heard();
        self.inner
            .inbox
            .push_while(peer, event, reservation, is_open);
        Ok(())
    }

    /// Reads a body once there is room for it. Until then the peer's stream backs up.
    async fn body(
        &self,
        receive: &mut RecvStream,
        length: usize,
    ) -> Result<(Vec<u8>, Reservation), CloseCode> {
        let (budget, stall) = (&self.inner.receive_budget, self.inner.config.stall_deadline);
        let reservation = budget.reserve(&self.session.budget, length).await;
        let began = Instant::now();
        let is_long = reservation.is_long();
        tokio::select! {
            body = self.body_of(receive, length, is_long) => Ok((body?, reservation)),
            () = budget.end(&reservation, length, began, stall) => Err(CloseCode::Deadline),
        }
    }

    /// Reads a body. A long one gets a wider window.
    async fn body_of(
        &self,
        receive: &mut RecvStream,
        length: usize,
        is_long: bool,
    ) -> Result<Vec<u8>, CloseCode> {
        let (connection, stall) = (&self.session.connection, self.inner.config.stall_deadline);
        let mut body = empty_body(length);
        if is_long {
            let more = widen(connection, length);
            read_until(receive, &mut body, length - more, stall).await?;
            self.limit_what_is_on_its_way();
        }
        read_until(receive, &mut body, length, stall).await?;
        Ok(body)
    }

    /// Reads what the peer says of itself.
    async fn hear_report(&self, receive: &mut RecvStream, head: Head) -> Result<(), CloseCode> {
        let (body, _place) = self.body(receive, head.length).await?;
        let report: SelfReport =
            codec::decode(&body, body.len()).map_err(|_| CloseCode::Malformed)?;
        let ahead_ms = report.ahead_ms(self.inner.membership.as_ref());
        self.session.hear(report.signing, ahead_ms);
        Ok(())
    }

    /// Reads a step of finding out whether two machines run with one key.
    async fn hear_of_twin(&self, receive: &mut RecvStream, head: Head) -> Result<(), CloseCode> {
        let (body, _place) = self.body(receive, head.length).await?;
        twin_check::hear(&self.inner, &self.session, &body).await
    }

    /// Reads a list of peers.
    async fn hear(
        &self,
        receive: &mut RecvStream,
        head: Head,
        told_at: &mut Option<Instant>,
    ) -> Result<(), CloseCode> {
        let (body, _place) = self.body(receive, head.length).await?;
        let now = Instant::now();
        if told_at.is_some_and(|before| before + HEAR_PEERS_EVERY > now) {
            return Ok(());
        }
        *told_at = Some(now);
        hear(&self.inner, self.session.proven.author, &body)
    }
}

impl Drop for SessionTask {
    fn drop(&mut self) {
        let reason = self.session.ended();
        let (inner, session) = (&self.inner, &self.session);
        let now = Instant::now();
        let mut table = inner.table();
        table.sessions.remove(session);
        table
            .book
            .ended(&session.endpoint, &reason, true, &inner.config, now);
        drop(table);
        let (peer, author) = (session.id, session.proven.author);
        info!(%author, peer = peer.0, %reason, "peer down");
        let down = NetEvent::PeerDown {
            peer,
            author,
            reason,
        };
        inner.inbox.push(peer, down);
        inner.changed.notify_one();
    }
}

impl Session {
    pub(super) fn info(&self) -> PeerInfo {
        let (signing, ahead_ms) = self.said();
        PeerInfo {
            peer: self.id,
            author: self.proven.author,
            relation: self.proven.relation,
            endpoint: self.endpoint,
            at: written(seen_at(&self.connection).iter()).into_iter().next(),
            height: self.proven.height,
            dialled: self.dialled,
            signing,
            ahead_ms,
        }
    }

    /// Whether the peer may not have heard everything yet.
    pub(super) fn is_parting(&self) -> bool {
        let open = self.connection.close_reason().is_none();
        open && !self.peer_finished.load(Ordering::SeqCst)
    }
}

/// The peer's present addresses. Right after a handshake no path may be selected yet: then the only one is where that was.
fn seen_at(connection: &Connection) -> Vec<TransportAddr> {
    let paths = connection.paths();
    let at = |path: Path<'_>| path.remote_addr().clone();
    let selected: Vec<TransportAddr> = paths.iter().filter(Path::is_selected).map(at).collect();
    if selected.is_empty() && paths.len() == 1 {
        return paths.iter().map(at).collect();
    }
    selected
}
