//! A connection from its hello to its end: messages in both directions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use iroh::TransportAddr;
use iroh::endpoint::{Connection, Path, RecvStream, SendStream};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::address::{PeerCard, written};
use super::book::Origin;
use super::close::CloseCode;
use super::config::{narrow, squeeze, widen};
use super::events::{NetEvent, PeerInfo};
use super::frame::{Head, Kind, empty_body, read_head, read_message, read_until, write};
use super::hello::Proven;
use super::intake::Place;
use super::links::Link;
use super::manager::tell;
use super::membership::Relation;
use super::outbox::Outbox;
use super::shared::Inner;
use crate::base::codec;
use crate::base::limits::PEERS_TOLD_MAX;

/// Peers may be gone while their last messages were not taken yet: so many for each connection there may be.
const QUEUES_PER_CONNECTION: usize = 2;

/// What a peer tells about other peers is looked at this often at most.
const HEAR_PEERS_EVERY: Duration = Duration::from_secs(10);

/// How long a peer must not have been slowed down until as much as usual may be on its way again.
const RELENT: Duration = Duration::from_secs(10);

/// A connection that is up. Dropping it, also by a panic, takes it down.
pub(super) struct Up {
    inner: Arc<Inner>,
    pub(super) link: Arc<Link>,
}

impl Up {
    /// Lets a proven connection in.
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
        let mut addresses = written(seen.iter());
        addresses.extend(proven.listens.iter().cloned());
        let (author, endpoint) = (proven.author, connection.remote_id());
        let link = Arc::new(Link::new(
            inner.next_peer(),
            proven,
            dialled,
            connection.clone(),
            Outbox::new(inner.config.outgoing_bytes_max, inner.outgoing.clone()),
        ));
        let mut table = inner.table();
        // Asked under the lock: whoever stops closes what is in the table afterwards.
        if inner.is_closing() {
            return Err(CloseCode::Shutdown);
        }
        if table.shunned.waits(&author, Instant::now()) {
            return Err(CloseCode::Misbehaved);
        }
        let own = inner.endpoint.id();
        let replaced = table.links.admit(&link, &own, &inner.config)?;
        // A stranger that the program gave has proved its key, but nothing that others should be told.
        let origin = match link.proven.relation {
            Relation::Member | Relation::Leaving => Origin::Met,
            _ => Origin::Given,
        };
        let now = Instant::now();
        table
            .book
            .learn(endpoint, Some(author), &addresses, origin, now);
        table.book.connected(&endpoint);
        if link.proven.relation == Relation::Member {
            for at in &seen {
                table.met.note(author, endpoint, at);
            }
        }
        if let Some(before) = table.links.follow(&link) {
            // What it said there is found again by comparing. Else who comes and goes could leave any number of messages behind.
            inner.inbox.discard_messages(before);
        }
        inner.inbox.push(link.id, NetEvent::PeerUp(link.info()));
        drop(table);
        tell(inner, &link);
        if let Some(replaced) = replaced {
            replaced.close(CloseCode::Duplicate);
        }
        info!(%author, peer = link.id.0, dialled, "peer up");
        let inner = inner.clone();
        Ok(Self { inner, link })
    }

    /// Moves messages until the connection ends.
    pub(super) async fn run(self, mut send: SendStream, mut receive: RecvStream) {
        let ended = tokio::select! {
            code = self.read(&mut receive) => code,
            code = self.write(&mut send) => code,
            _ = self.link.connection.closed() => None,
        };
        if let Some(code) = ended {
            self.link.close(code);
        }
    }

    async fn write(&self, send: &mut SendStream) -> Option<CloseCode> {
        loop {
            let Some(frame) = self.link.outbox.next().await else {
                break;
            };
            if let Err(code) = write(send, &frame, self.inner.config.stall_deadline).await {
                return self.unless_closed(code);
            }
            if self.link.outbox.sent(&frame) {
                let peer = self.link.id;
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
                Kind::Hello | Kind::Genesis => Err(CloseCode::Malformed),
            };
            if let Err(code) = taken {
                return self.unless_closed(code);
            }
        }
    }

    /// Waits as long as the peer is slowed down, and has it send less until it was not for a while.
    async fn wait_if_slowed(&self) {
        let Some(until) = self.link.slowed_until() else {
            return;
        };
        if Instant::now() >= until + RELENT {
            self.link.forgive(until);
        }
        self.limit_what_is_on_its_way();
        sleep_until(until).await;
    }

    /// Sets the usual window, or that of a peer which is or lately was slowed down.
    fn limit_what_is_on_its_way(&self) {
        if self.link.slowed_until().is_some() {
            squeeze(&self.link.connection);
        } else {
            narrow(&self.link.connection);
        }
    }

    /// The peer, about to stop, ended its stream. Ending this node's own tells it that everything was heard; then it closes.
    async fn part(&self) -> Option<CloseCode> {
        self.link.peer_finished.store(true, Ordering::SeqCst);
        self.link.outbox.finish();
        let closed = self.link.connection.closed();
        let late = timeout(self.inner.config.stall_deadline, closed).await;
        late.is_err().then_some(CloseCode::Done)
    }

    /// A stream that fails because the connection ended is no fault of its own.
    fn unless_closed(&self, code: CloseCode) -> Option<CloseCode> {
        let open = self.link.connection.close_reason().is_none();
        open.then_some(code)
    }

    /// Takes a message.
    async fn take(&self, receive: &mut RecvStream, head: Head) -> Result<(), CloseCode> {
        if head.kind == Kind::LongBlock && !self.link.takes_long_block() {
            return Err(CloseCode::Unasked);
        }
        let (body, place) = self.body(receive, head.length).await?;
        let message = read_message(head.kind, body)?;
        let peer = self.link.id;
        let event = NetEvent::Message { peer, message };
        let is_open = || !self.link.is_closed_here();
        self.inner.inbox.push_while(peer, event, place, is_open);
        Ok(())
    }

    /// Reads the body of a frame, once there is room for it: until then the peer's stream fills and slows it down.
    async fn body(
        &self,
        receive: &mut RecvStream,
        length: usize,
    ) -> Result<(Vec<u8>, Place), CloseCode> {
        let (intake, stall) = (&self.inner.intake, self.inner.config.stall_deadline);
        let place = intake.place(&self.link.share, length).await;
        let began = Instant::now();
        let is_long = place.is_long();
        tokio::select! {
            body = self.body_of(receive, length, is_long) => Ok((body?, place)),
            () = intake.end(&place, length, began, stall) => Err(CloseCode::Deadline),
        }
    }

    /// Reads a body; a long one with more on its way than usual.
    async fn body_of(
        &self,
        receive: &mut RecvStream,
        length: usize,
        is_long: bool,
    ) -> Result<Vec<u8>, CloseCode> {
        let (connection, stall) = (&self.link.connection, self.inner.config.stall_deadline);
        let mut body = empty_body(length);
        if is_long {
            let more = widen(connection, length);
            read_until(receive, &mut body, length - more, stall).await?;
            self.limit_what_is_on_its_way();
        }
        read_until(receive, &mut body, length, stall).await?;
        Ok(body)
    }

    /// Learns what the peer tells about other peers: where members may be, nothing that is known better.
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
        let cards: Vec<PeerCard> =
            codec::decode(&body, head.length).map_err(|_| CloseCode::Malformed)?;
        if cards.len() > PEERS_TOLD_MAX || !cards.iter().all(PeerCard::is_within_limits) {
            return Err(CloseCode::Malformed);
        }
        let (me, own) = (self.inner.signer.node_id(), self.inner.endpoint.id());
        for card in cards {
            let (Some(endpoint), Some(author)) = (card.endpoint_id(), card.author) else {
                continue;
            };
            let is_member = self.inner.membership.relation(&author) == Relation::Member;
            if is_member && author != me && endpoint != own {
                let teller = Some(self.link.proven.author);
                let book = &mut self.inner.table().book;
                book.hear(teller, endpoint, Some(author), &card.addresses, now);
            }
        }
        self.inner.changed.notify_one();
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let reason = self.link.ended();
        let (inner, link) = (&self.inner, &self.link);
        let now = Instant::now();
        let mut table = inner.table();
        table.links.remove(link);
        table
            .book
            .ended(&link.endpoint, &reason, true, &inner.config, now);
        drop(table);
        let (peer, author) = (link.id, link.proven.author);
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

impl Link {
    pub(super) fn info(&self) -> PeerInfo {
        PeerInfo {
            peer: self.id,
            author: self.proven.author,
            relation: self.proven.relation,
            endpoint: self.endpoint,
            height: self.proven.height,
            dialled: self.dialled,
        }
    }

    /// Whether the peer may not have heard everything yet.
    pub(super) fn is_parting(&self) -> bool {
        let open = self.connection.close_reason().is_none();
        open && !self.peer_finished.load(Ordering::SeqCst)
    }
}

/// Where a peer was just seen.
fn seen_at(connection: &Connection) -> Vec<TransportAddr> {
    let paths = connection.paths();
    paths
        .iter()
        .filter(Path::is_selected)
        .map(|path| path.remote_addr().clone())
        .collect()
}
