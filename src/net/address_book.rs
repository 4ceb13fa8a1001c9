//! Known peers: their addresses, and when the next dial is due.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use iroh::{EndpointAddr, EndpointId, TransportAddr};
use tokio::time::Instant;

use super::address::{PeerCard, dialable, read, written};
use super::close::{CloseCode, CloseReason};
use super::config::Config;
use super::rate::{Rate, TokenBucket};
use super::sources::Source;
use crate::base::digest::NodeId;
use crate::base::limits::{MEMBERS_MAX, PEER_ADDRESSES_MAX, PEERS_TOLD_MAX};

/// Limit for peers that were met or given: two endpoints for each member. Cards beyond it are dropped.
const KNOWN_MAX: usize = 2 * MEMBERS_MAX;

/// Endpoints kept per author: the present endpoint, and an earlier one if the node was set up again.
const ENDPOINTS_PER_AUTHOR: usize = 2;

/// Limit for hearsay: peers that others told of and that were never met.
const HEARD_MAX: usize = 256;

/// The limit of these peers for one teller, or for the local network: twice as many as it can tell of at once. So a
/// liar leaves room for other tellers.
const HEARD_PER_TELLER: usize = 2 * PEERS_TOLD_MAX;

/// Failures after which hearsay is forgotten.
const HEARD_FAILURES_MAX: u32 = 8;

/// Dials at one host that nobody proved to be a peer, whoever told of it, and however often: otherwise a liar could aim the dials of
/// all others at somebody who has nothing to do with this network.
const UNPROVED_DIALS: Rate = Rate::new(16, 4000);

/// Hosts whose dials are counted.
const UNPROVED_HOSTS_MAX: usize = 1024;

/// Proved addresses that are kept for a peer.
const PROVED_MAX: usize = 4;

/// How a peer became known. Later variants rank higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// Another peer, or the local network, told of it.
    Heard,
    /// It was given or met before the last restart.
    Kept,
    /// The program gave it, from a ticket or a configuration.
    Given,
    /// It proved its author to this node.
    Met,
}

/// An entry of the address book.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownPeer {
    /// Endpoint, author and addresses: worth storing for the next start.
    pub card: PeerCard,
    /// How it became known.
    pub origin: Origin,
    /// Whether it is connected now.
    pub connected: bool,
    /// Failed attempts since the last connection, or since a relay answered again.
    pub failures: u32,
    /// Why the last attempt failed.
    pub last_fault: Option<String>,
    /// The code with which the peer closed the last connection or attempt, if it did.
    pub closed_with: Option<CloseCode>,
}

#[derive(Debug)]
struct Entry {
    author: Option<NodeId>,
    addresses: Vec<String>,
    /// Those of them where the peer was connected, or that the program gave.
    proved: Vec<String>,
    origin: Origin,
    /// The first peer that told of it. `None` if it was given, met first, or announced on the local network.
    teller: Option<NodeId>,
    failures: u32,
    last_fault: Option<String>,
    closed_with: Option<CloseCode>,
    due: Instant,
    dialling: bool,
    /// Whether to dial the peer even if there are enough connections.
    urgent: bool,
}

/// Addresses of a met or given peer that hearsay cannot push out.
const ADDRESSES_PROVED: usize = PEER_ADDRESSES_MAX - 2;

/// The known peers.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    entries: BTreeMap<EndpointId, Entry>,
    unproved: Unproved,
}

/// Dials at hosts that nobody proved to be peers.
#[derive(Debug, Default)]
struct Unproved(BTreeMap<Source, TokenBucket>);

impl Unproved {
    /// Whether one more dial may go there.
    fn take(&mut self, address: &TransportAddr, now: Instant) -> bool {
        let source = match address {
            TransportAddr::Ip(address) => Source::of_ip(address.ip()),
            // Relays count together.
            _ => Source::Other,
        };
        if !self.0.contains_key(&source) && self.0.len() >= UNPROVED_HOSTS_MAX {
            self.0.retain(|_, bucket| !bucket.is_full(now));
            if self.0.len() >= UNPROVED_HOSTS_MAX {
                return false;
            }
        }
        let bucket = self.0.entry(source);
        let bucket = bucket.or_insert_with(|| TokenBucket::full(now));
        bucket.take(UNPROVED_DIALS, now)
    }
}

impl AddressBook {
    /// Adds a peer that was given or met; new addresses come first. Those of a met peer are where it was connected. Returns whether
    /// the entry is kept.
    pub(super) fn learn(
        &mut self,
        endpoint: EndpointId,
        author: Option<NodeId>,
        addresses: &[String],
        origin: Origin,
        now: Instant,
    ) -> bool {
        let known = self.entries.get(&endpoint);
        let is_settled = known.is_some_and(|entry| {
            origin < entry.origin || (origin == entry.origin && author == entry.author)
        });
        if !is_settled && !self.make_room(&endpoint, author, origin) {
            return false;
        }
        let entry = self.entries.entry(endpoint);
        let entry = entry.or_insert_with(|| Entry::new(author, origin, None, now));
        entry.merge(author, addresses, origin);
        if origin >= Origin::Given {
            entry.prove(&dialable(addresses));
        }
        true
    }

    /// Adds addresses that a peer names as its own, behind those where it was connected.
    pub(super) fn hear_own(&mut self, endpoint: &EndpointId, addresses: &[String]) {
        if let Some(entry) = self.entries.get_mut(endpoint) {
            let is_proved = |address: &String| entry.proved.contains(address);
            let (proved, rest): (Vec<_>, Vec<_>) = entry.addresses.drain(..).partition(is_proved);
            entry.addresses = merged(&[&proved, &dialable(addresses), &rest]);
        }
    }

    /// Adds a peer that `teller`, or the local network for `None`, told of. Returns whether the entry is kept.
    pub(super) fn hear(
        &mut self,
        teller: Option<NodeId>,
        endpoint: EndpointId,
        author: Option<NodeId>,
        addresses: &[String],
        now: Instant,
    ) -> bool {
        let heard = || {
            self.entries
                .values()
                .filter(|it| it.origin == Origin::Heard)
        };
        let has_room = || {
            let of_teller = heard().filter(|entry| entry.teller == teller);
            of_teller.count() < HEARD_PER_TELLER && heard().count() < HEARD_MAX
        };
        if !self.entries.contains_key(&endpoint) && !has_room() {
            return false;
        }
        let entry = self.entries.entry(endpoint);
        let entry = entry.or_insert_with(|| Entry::new(author, Origin::Heard, teller, now));
        entry.merge(author, addresses, Origin::Heard);
        true
    }

    /// Makes room for an endpoint among those of its author. Returns whether the whole book has room.
    fn make_room(&mut self, endpoint: &EndpointId, author: Option<NodeId>, origin: Origin) -> bool {
        let known = self.entries.iter();
        let known = known.filter(|(id, entry)| entry.origin > Origin::Heard && *id != endpoint);
        let mut others = known.clone().count();
        let own = known.filter(|(_, entry)| author.is_some() && entry.author == author);
        if own.clone().count() >= ENDPOINTS_PER_AUTHOR {
            if origin == Origin::Kept {
                return false;
            }
            let worst = own.max_by_key(|(_, entry)| (Reverse(entry.origin), entry.failures));
            if let Some(worst) = worst.map(|(id, _)| *id) {
                self.entries.remove(&worst);
                others -= 1;
            }
        }
        others < KNOWN_MAX
    }

    /// Forgets peers that are no longer members. Peers that the program gave stay, because it may know better.
    pub(super) fn forget(&mut self, gone: &BTreeSet<NodeId>) {
        self.entries.retain(|_, entry| {
            let is_gone = entry.author.is_some_and(|author| gone.contains(&author));
            entry.origin == Origin::Given || !is_gone
        });
    }

    /// Whether the program gave this endpoint, either without an author or with this one.
    pub(super) fn is_chosen(&self, endpoint: &EndpointId, author: &NodeId) -> bool {
        let entry = self.entries.get(endpoint);
        entry.is_some_and(|entry| {
            entry.origin == Origin::Given && entry.author.is_none_or(|named| named == *author)
        })
    }

    /// Whether the endpoint was met, or given by the program.
    pub(super) fn is_known(&self, endpoint: &EndpointId) -> bool {
        let entry = self.entries.get(endpoint);
        entry.is_some_and(|entry| entry.origin > Origin::Heard)
    }

    /// The peers to dial now: urgent ones, and at most `room` others. Met and given peers come first, then those kept from
    /// before, then hearsay. Within a class the order is random, so that nobody can choose keys to come first. `is_up` tells
    /// who is connected.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        room: usize,
        relays: bool,
        is_up: impl Fn(&EndpointId, Option<&NodeId>) -> bool,
    ) -> Vec<EndpointAddr> {
        let busy = self.dialling();
        let mut due: Vec<(bool, Reverse<Origin>, u32, EndpointId)> = self
            .entries
            .iter()
            .filter(|(id, entry)| {
                let is_wanted = entry.urgent || busy < room;
                is_wanted
                    && !entry.dialling
                    && entry.due <= now
                    && !is_up(id, entry.author.as_ref())
            })
            .map(|(id, entry)| {
                // Met peers rank no higher than given ones here, because many of them may be gone.
                let origin = Reverse(entry.origin.min(Origin::Given));
                (!entry.urgent, origin, random(), *id)
            })
            .collect();
        due.sort_unstable();
        let mut taken = Vec::new();
        for (_, _, _, id) in due {
            let entry = self.entries.get_mut(&id).expect("it was just listed");
            if !entry.urgent && taken.len() + busy >= room {
                continue;
            }
            let unproved = &mut self.unproved;
            let addresses: Vec<TransportAddr> = read(&entry.addresses, relays)
                .into_iter()
                .filter(|address| {
                    let mut written = written(std::iter::once(address));
                    let written = written.pop().unwrap_or_default();
                    entry.proved.contains(&written) || unproved.take(address, now)
                })
                .collect();
            if addresses.is_empty() && !entry.addresses.is_empty() {
                entry.due = now + spread(UNPROVED_DIALS.every());
                continue;
            }
            entry.dialling = true;
            entry.urgent = false;
            taken.push(EndpointAddr::from_parts(id, addresses));
        }
        taken
    }

    /// Makes one met or given peer due now, even beyond the wanted number of connections.
    pub(super) fn dial_another(
        &mut self,
        now: Instant,
        is_up: impl Fn(&EndpointId, Option<&NodeId>) -> bool,
    ) {
        let known = self.entries.iter_mut().filter(|(id, entry)| {
            entry.origin > Origin::Heard && !entry.dialling && !is_up(id, entry.author.as_ref())
        });
        if let Some((_, entry)) = known.min_by_key(|_| random()) {
            entry.due = now;
            entry.urgent = true;
        }
    }

    fn dialling(&self) -> usize {
        self.entries.values().filter(|entry| entry.dialling).count()
    }

    /// When the next future attempt is due.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| !entry.dialling);
        waiting
            .map(|entry| entry.due)
            .filter(|due| *due > now)
            .min()
    }

    /// The peer is connected, whoever dialled.
    pub(super) fn connected(&mut self, endpoint: &EndpointId) {
        if let Some(entry) = self.entries.get_mut(endpoint) {
            entry.failures = 0;
            entry.last_fault = None;
            entry.closed_with = None;
            entry.dialling = false;
            entry.urgent = false;
        }
    }

    /// A connection ended, or an attempt failed.
    pub(super) fn ended(
        &mut self,
        endpoint: &EndpointId,
        how: &CloseReason,
        was_up: bool,
        config: &Config,
        now: Instant,
    ) {
        let Some(entry) = self.entries.get_mut(endpoint) else {
            return;
        };
        if !was_up {
            entry.dialling = false;
            // A second connection to a connected peer is not a failure.
            if how.code() != Some(CloseCode::Duplicate) {
                entry.failures = entry.failures.saturating_add(1);
            }
        }
        entry.last_fault = Some(how.to_string());
        entry.closed_with = match how {
            CloseReason::There(code) => Some(*code),
            _ => None,
        };
        entry.due = now + pause(how, entry.failures, config);
        if entry.origin == Origin::Heard && entry.failures >= HEARD_FAILURES_MAX {
            self.entries.remove(endpoint);
        }
    }

    /// Makes a peer due now, even beyond the wanted number of connections.
    pub(super) fn dial_now(&mut self, endpoint: &EndpointId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(endpoint) {
            entry.due = now;
            entry.urgent = true;
        }
    }

    /// A relay answers again: who has an address at one is dialled as if no attempt had failed. Others may take longer to find it, so
    /// that the pauses begin anew too.
    pub(super) fn relay_answers(&mut self, now: Instant) {
        let is_relay = |address: &String| address.parse::<SocketAddr>().is_err();
        for entry in self.entries.values_mut() {
            if entry.failures > 0 && entry.addresses.iter().any(is_relay) {
                entry.failures = 0;
                entry.due = entry.due.min(now);
            }
        }
    }

    /// The authors named in the book.
    pub(super) fn authors(&self) -> BTreeSet<NodeId> {
        let authors = self.entries.values().map(|entry| entry.author);
        authors.flatten().collect()
    }

    /// The peers that have proved their author.
    pub(super) fn met(&self) -> impl Iterator<Item = PeerCard> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.origin == Origin::Met)
            .map(|(id, entry)| entry.card(id))
    }

    pub(super) fn known(&self, is_up: impl Fn(&EndpointId) -> bool) -> Vec<KnownPeer> {
        self.entries
            .iter()
            .map(|(id, entry)| KnownPeer {
                card: entry.card(id),
                origin: entry.origin,
                connected: is_up(id),
                failures: entry.failures,
                last_fault: entry.last_fault.clone(),
                closed_with: entry.closed_with,
            })
            .collect()
    }
}

impl Entry {
    fn new(author: Option<NodeId>, origin: Origin, teller: Option<NodeId>, now: Instant) -> Self {
        Self {
            author,
            addresses: Vec::new(),
            proved: Vec::new(),
            origin,
            teller,
            failures: 0,
            last_fault: None,
            closed_with: None,
            due: now,
            dialling: false,
            urgent: false,
        }
    }

    /// Merges new facts, as far as their origin ranks high enough.
    fn merge(&mut self, author: Option<NodeId>, addresses: &[String], origin: Origin) {
        if origin > self.origin {
            self.author = author;
        } else if origin == self.origin {
            self.author = author.or(self.author);
        }
        let addresses = dialable(addresses);
        // Hearsay cannot push out known addresses except the last ones, which may be out of date if the peer moved often.
        let (first, second, third) = if origin < self.origin {
            let kept = self.addresses.len().min(ADDRESSES_PROVED);
            let (kept, rest) = self.addresses.split_at(kept);
            (kept, addresses.as_slice(), rest)
        } else {
            (addresses.as_slice(), self.addresses.as_slice(), &[][..])
        };
        self.addresses = merged(&[first, second, third]);
        self.origin = self.origin.max(origin);
    }

    fn prove(&mut self, addresses: &[String]) {
        let mut proved = merged(&[addresses, &self.proved]);
        // All that the program gave at once are kept.
        proved.truncate(PROVED_MAX.max(addresses.len()));
        self.proved = proved;
    }

    fn card(&self, endpoint: &EndpointId) -> PeerCard {
        PeerCard::with_addresses(*endpoint, self.author, self.addresses.clone())
    }
}

/// Addresses without repetition, as many as an entry has.
fn merged(parts: &[&[String]]) -> Vec<String> {
    let mut merged: Vec<String> = Vec::new();
    for address in parts.iter().copied().flatten() {
        if merged.len() < PEER_ADDRESSES_MAX && !merged.contains(address) {
            merged.push(address.clone());
        }
    }
    merged
}

/// How long to wait before a peer is dialled again.
fn pause(how: &CloseReason, failures: u32, config: &Config) -> Duration {
    if *how == CloseReason::Here(CloseCode::Suspect) {
        return Duration::ZERO;
    }
    let doubled = config
        .backoff_min
        .saturating_mul(1_u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX));
    let mut pause = doubled.min(config.backoff_max);
    let refused = how.code().is_some_and(CloseCode::is_refusal);
    // Two nodes with the same key would otherwise replace each other for ever, as fast as they can.
    if refused || *how == CloseReason::There(CloseCode::Duplicate) {
        pause = pause.max(config.backoff_refused);
    }
    spread(pause)
}

/// A random time between 50% and 150% of `pause`, so that nodes that failed together do not try again together.
fn spread(pause: Duration) -> Duration {
    let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
    let part = u128::from(micros) * u128::from(random()) / u128::from(u32::MAX);
    Duration::from_micros(micros / 2 + u64::try_from(part).unwrap_or(0))
}

fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
