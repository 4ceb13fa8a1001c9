//! Chooses whom to dial, and when. It holds the transport only while it works, so that dropping the transport ends it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use iroh::Watcher as _;
use iroh::endpoint::RelayStatus;
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::address::{by_any_relay, written};
use super::bind::announced;
use super::handshake;
use super::peer_exchange::tell;
use super::shared::Inner;

/// Longest pause between two looks.
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
                    let sessions = inner.table().sessions.all();
                    for session in &sessions {
                        tell(&inner, session);
                        inner.report_to(session);
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

/// Looks for a relay that answers again, until the transport ends. While none does, the pauses between dials grow.
pub(super) fn follow_relays(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    let mut states = inner.endpoint.home_relay_status().stream();
    tokio::spawn(async move {
        let mut answered = false;
        while let Some(relays) = states.next().await {
            let Some(inner) = weak.upgrade().filter(|inner| !inner.is_closing()) else {
                return;
            };
            let answers = relays.iter().any(RelayStatus::is_connected);
            if answers && !answered {
                inner.table().book.relay_answers(Instant::now());
                inner.changed.notify_one();
            }
            answered = answers;
        }
    });
}

/// Dials known peers until enough connections are dialled. Incoming connections do not count: otherwise a few members could
/// surround this node with their own connections.
fn dial_due(inner: &Arc<Inner>, now: Instant) {
    let mut guard = inner.table();
    let table = &mut *guard;
    let room = inner.config.degree.saturating_sub(table.sessions.dialled());
    let (sessions, relays) = (&table.sessions, &inner.config.relays);
    let is_up = |endpoint: &_, author: Option<&_>| sessions.is_up(endpoint, author);
    let due = table.book.take_due(now, room, !relays.is_empty(), is_up);
    drop(guard);
    for address in due {
        debug!(remote = %address.id.fmt_short(), "dialling");
        let address = by_any_relay(address, relays);
        tokio::spawn(handshake::dial(inner.clone(), address));
    }
}

/// Learns peers that the local network announces, until the transport ends.
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
