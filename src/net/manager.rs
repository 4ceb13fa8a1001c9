//! Who is dialled, and when. Holds the transport only while it works, so that a dropped one ends it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::address::{PeerCard, written};
use super::bind::announced;
use super::connection;
use super::frame::{Kind, frame};
use super::links::Link;
use super::shared::Inner;
use crate::base::codec;
use crate::base::limits::PEERS_TOLD_MAX;

/// How long nothing is looked at when nothing is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) fn spawn(inner: &Arc<Inner>) {
    let (weak, changed) = (Arc::downgrade(inner), inner.changed.clone());
    let tell_every = inner.config.tell_peers_every;
    tokio::spawn(async move {
        let mut tell_at = Instant::now() + tell_every;
        loop {
            let now = Instant::now();
            let due = {
                let Some(inner) = weak.upgrade().filter(|inner| !inner.is_closing()) else {
                    return;
                };
                dial_due(&inner, now);
                if now >= tell_at {
                    tell_at = now + tell_every;
                    let links = inner.table().links.all();
                    for link in &links {
                        tell(&inner, link);
                    }
                }
                inner.table().book.next_due(now)
            };
            let look_at = now + LOOK_EVERY;
            tokio::select! {
                () = changed.notified() => {}
                () = sleep_until(due.map_or(look_at, |due| due.min(look_at))) => {}
            }
        }
    });
}

/// Dials known peers while fewer connections were dialled than wanted. Those that came in do not count: a handful of members
/// could else see to it that this node is connected to nobody but them.
fn dial_due(inner: &Arc<Inner>, now: Instant) {
    let mut guard = inner.table();
    let table = &mut *guard;
    let room = inner.config.degree.saturating_sub(table.links.dialled());
    let links = &table.links;
    let is_up = |endpoint: &_, author: Option<&_>| links.is_up(endpoint, author);
    let due = table.book.take_due(now, room, inner.config.relays, is_up);
    drop(guard);
    for address in due {
        debug!(remote = %address.id.fmt_short(), "dialling");
        tokio::spawn(connection::dial(inner.clone(), address));
    }
}

/// Tells a peer about others that were met, so that a newcomer gets to know the network from the one peer of its ticket.
pub(super) fn tell(inner: &Inner, link: &Link) {
    let mut cards: Vec<PeerCard> = inner.table().book.met().collect();
    cards.retain(|card| card.author != Some(link.proven.author));
    // Another part each time, if there are many.
    let first = random_below(cards.len().saturating_sub(PEERS_TOLD_MAX) + 1);
    cards.drain(..first);
    cards.truncate(PEERS_TOLD_MAX);
    if !cards.is_empty() {
        link.outbox.push(frame(Kind::Peers, &codec::encode(&cards)));
    }
}

fn random_below(bound: usize) -> usize {
    let random = getrandom::u64().unwrap_or(0);
    let below = random.checked_rem(bound as u64).unwrap_or(0);
    usize::try_from(below).unwrap_or(0)
}

/// Learns what the local network announces, as long as the transport lives.
pub(super) fn discover(inner: &Arc<Inner>, mdns: MdnsAddressLookup) {
    let weak = Arc::downgrade(inner);
    let announced = announced(&inner.network);
    tokio::spawn(async move {
        let mut events = mdns.subscribe().await;
        while let Some(event) = events.next().await {
            let DiscoveryEvent::Discovered { endpoint_info, .. } = event else {
                continue;
            };
            let user_data = endpoint_info.user_data().map(ToString::to_string);
            if user_data.as_ref() != Some(&announced) {
                continue;
            }
            let Some(inner) = Weak::upgrade(&weak).filter(|inner| !inner.is_closing()) else {
                return;
            };
            let addresses = written(endpoint_info.addrs());
            let (id, now) = (endpoint_info.endpoint_id, Instant::now());
            inner.table().book.hear(None, id, None, &addresses, now);
            inner.changed.notify_one();
        }
    });
}
