//! Known peers: where they can be dialled, and when the next attempt is due.

use std::collections::BTreeMap;
use std::time::Duration;

use iroh::{EndpointAddr, EndpointId};
use tokio::time::Instant;

use super::address::{PeerCard, dialable, read};
use super::close::{CloseCode, Closed};
use super::config::Config;
use crate::digest::NodeId;
use crate::limits::{MEMBERS_MAX, PEER_ADDRESSES_MAX};

/// Peers that were met or given. Two endpoints for each member; what a program gives beyond that is left out.
const KNOWN_MAX: usize = 2 * MEMBERS_MAX;

/// Endpoints of one author that are kept: a node that was set up anew, and the one before it.
const ENDPOINTS_PER_AUTHOR: usize = 2;

/// Peers that others spoke of and that were never met.
const HEARD_MAX: usize = 256;

/// Failures after which a peer that was never met, and that nobody here asked for, is forgotten.
const HEARD_FAILURES_MAX: u32 = 8;

/// How a peer came to be known. A later one is worth more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// Another peer, or the local network, spoke of it.
    Heard,
    /// It was given by the program: from a ticket, a configuration, an address book.
    Given,
    /// It proved its author to this node.
    Met,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownPeer {
    /// Its endpoint, author and addresses: what is worth keeping for the next start.
    pub card: PeerCard,
    /// How it came to be known.
    pub origin: Origin,
    /// Whether it is connected now.
    pub connected: bool,
    /// Attempts that failed since it was last connected.
    pub failures: u32,
    /// Why the last one did.
    pub last_fault: Option<String>,
}

#[derive(Debug)]
struct Entry {
    author: Option<NodeId>,
    addresses: Vec<String>,
    origin: Origin,
    failures: u32,
    last_fault: Option<String>,
    due: Instant,
    dialling: bool,
    /// Dialled even if there are enough connections: somebody asked for it.
    urgent: bool,
}

/// Addresses of a peer that those whom others tell of do not push out.
const ADDRESSES_PROVED: usize = PEER_ADDRESSES_MAX - 2;

/// The address book.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<EndpointId, Entry>,
}

impl Book {
    /// Learns of a peer; new addresses come first. Returns whether it is kept.
    pub(super) fn learn(
        &mut self,
        endpoint: EndpointId,
        author: Option<NodeId>,
        addresses: &[String],
        origin: Origin,
        now: Instant,
    ) -> bool {
        if !self.entries.contains_key(&endpoint) && !self.make_room(author, origin) {
            return false;
        }
        let entry = self.entries.entry(endpoint).or_insert_with(|| Entry {
            author,
            addresses: Vec::new(),
            origin,
            failures: 0,
            last_fault: None,
            due: now,
            dialling: false,
            urgent: false,
        });
        // What was proved is not overwritten by what is said.
        if entry.origin < Origin::Met || origin == Origin::Met {
            entry.author = author.or(entry.author);
        }
        let addresses = dialable(addresses);
        // Somebody who only speaks of a peer cannot push out the addresses that are known, but for the last of them: what is
        // known of a peer that moved often may be of no use any more.
        let (first, second, third) = if origin < entry.origin {
            let kept = entry.addresses.len().min(ADDRESSES_PROVED);
            let (kept, rest) = entry.addresses.split_at(kept);
            (kept, addresses.as_slice(), rest)
        } else {
            (addresses.as_slice(), entry.addresses.as_slice(), &[][..])
        };
        let mut merged: Vec<String> = Vec::new();
        for address in first.iter().chain(second).chain(third) {
            if merged.len() < PEER_ADDRESSES_MAX && !merged.contains(address) {
                merged.push(address.clone());
            }
        }
        entry.addresses = merged;
        entry.origin = entry.origin.max(origin);
        true
    }

    fn make_room(&mut self, author: Option<NodeId>, origin: Origin) -> bool {
        if origin == Origin::Heard {
            let heard = self.entries.values().filter(|e| e.origin == Origin::Heard);
            return heard.count() < HEARD_MAX;
        }
        let own: Vec<EndpointId> = self
            .entries
            .iter()
            .filter(|(_, entry)| author.is_some() && entry.author == author && !entry.dialling)
            .map(|(id, _)| *id)
            .collect();
        if own.len() >= ENDPOINTS_PER_AUTHOR {
            let worst = own.into_iter().max_by_key(|id| {
                (
                    self.entries[id].origin < Origin::Met,
                    self.entries[id].failures,
                )
            });
            if let Some(worst) = worst {
                self.entries.remove(&worst);
            }
        }
        self.entries.len() < KNOWN_MAX + HEARD_MAX
    }

    /// Whether the endpoint was met, or given by the program.
    pub(super) fn is_known(&self, endpoint: &EndpointId) -> bool {
        let entry = self.entries.get(endpoint);
        entry.is_some_and(|entry| entry.origin > Origin::Heard)
    }

    /// Peers to dial now, at most `room` beside the urgent ones. `is_up` tells who is connected already.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        room: usize,
        relays: bool,
        is_up: impl Fn(&EndpointId, Option<&NodeId>) -> bool,
    ) -> Vec<EndpointAddr> {
        let mut due: Vec<(bool, Instant, EndpointId)> = self
            .entries
            .iter()
            .filter(|(id, entry)| {
                !entry.dialling && entry.due <= now && !is_up(id, entry.author.as_ref())
            })
            .map(|(id, entry)| (!entry.urgent, entry.due, *id))
            .collect();
        due.sort();
        let busy = self.dialling();
        let mut taken = Vec::new();
        for (_, _, id) in due {
            let entry = self.entries.get_mut(&id).expect("it was just listed");
            if !entry.urgent && taken.len() + busy >= room {
                continue;
            }
            entry.dialling = true;
            entry.urgent = false;
            taken.push(EndpointAddr::from_parts(id, read(&entry.addresses, relays)));
        }
        taken
    }

    fn dialling(&self) -> usize {
        self.entries.values().filter(|entry| entry.dialling).count()
    }

    /// When the next attempt is due that is not yet.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| !entry.dialling);
        waiting
            .map(|entry| entry.due)
            .filter(|due| *due > now)
            .min()
    }

    /// An attempt led to a connection, or the peer dialled us.
    pub(super) fn connected(&mut self, endpoint: &EndpointId) {
        if let Some(entry) = self.entries.get_mut(endpoint) {
            entry.failures = 0;
            entry.last_fault = None;
            entry.dialling = false;
            entry.urgent = false;
        }
    }

    /// A connection ended, or an attempt failed.
    pub(super) fn ended(
        &mut self,
        endpoint: &EndpointId,
        how: &Closed,
        was_up: bool,
        config: &Config,
        now: Instant,
    ) {
        let Some(entry) = self.entries.get_mut(endpoint) else {
            return;
        };
        if !was_up {
            entry.dialling = false;
            // A second connection to whom one is connected to is no failure.
            if how.code() != Some(CloseCode::Duplicate) {
                entry.failures = entry.failures.saturating_add(1);
            }
        }
        entry.last_fault = Some(how.to_string());
        entry.due = now + pause(how, entry.failures, config);
        if entry.origin == Origin::Heard && entry.failures >= HEARD_FAILURES_MAX {
            self.entries.remove(endpoint);
        }
    }

    /// Dials a peer at once, however many connections there are.
    pub(super) fn dial_now(&mut self, endpoint: &EndpointId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(endpoint) {
            entry.due = now;
            entry.urgent = true;
        }
    }

    /// Peers that proved who they are, met last or not.
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
            })
            .collect()
    }
}

impl Entry {
    fn card(&self, endpoint: &EndpointId) -> PeerCard {
        PeerCard::with_addresses(*endpoint, self.author, self.addresses.clone())
    }
}

/// How long to wait before a peer is dialled again.
fn pause(how: &Closed, failures: u32, config: &Config) -> Duration {
    if *how == Closed::Here(CloseCode::Suspect) {
        return Duration::ZERO;
    }
    let doubled = config
        .backoff_min
        .saturating_mul(1_u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX));
    let mut pause = doubled.min(config.backoff_max);
    let refused = how.code().is_some_and(CloseCode::is_refusal);
    // Two nodes with one author's key would take each other's place for ever, as fast as they can.
    if refused || *how == Closed::There(CloseCode::Duplicate) {
        pause = pause.max(config.backoff_refused);
    }
    spread(pause)
}

/// A time between half and one and a half of this one, at random, so that nodes that failed together do not try together.
fn spread(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
    let part = u128::from(micros) * u128::from(random) / u128::from(u32::MAX);
    Duration::from_micros(micros / 2 + u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(byte: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[byte; 32]).public()
    }

    fn author(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    fn texts(ports: std::ops::Range<u16>) -> Vec<String> {
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
    }

    fn lost() -> Closed {
        Closed::Lost("timed out".to_owned())
    }

    #[test]
    fn a_peer_that_moved_is_dialled_where_it_was_seen_last() {
        let (mut book, now) = (Book::default(), Instant::now());
        let id = endpoint(1);
        book.learn(id, None, &texts(1..9), Origin::Given, now);
        book.learn(id, Some(author(1)), &texts(100..101), Origin::Met, now);
        let card = book.met().next().unwrap();
        assert_eq!(card.addresses[0], "127.0.0.1:100");
        assert_eq!(card.addresses.len(), PEER_ADDRESSES_MAX);
        book.learn(id, Some(author(2)), &texts(200..208), Origin::Heard, now);
        let told = book.met().next().unwrap();
        assert_eq!(told.author, card.author, "what is only said proves nothing");
        assert_eq!(
            told.addresses[..ADDRESSES_PROVED],
            card.addresses[..ADDRESSES_PROVED]
        );
        assert_eq!(told.addresses[ADDRESSES_PROVED..], texts(200..202));
        let junk = ["\u{1b}[2Jyou have won".to_owned()];
        book.learn(endpoint(2), None, &junk, Origin::Given, now);
        let known = book.known(|_| false);
        assert!(known.iter().all(|peer| peer.card.addresses != junk));
    }

    #[test]
    fn attempts_grow_rarer_and_nothing_met_is_forgotten() {
        let (config, start) = (Config::default(), Instant::now());
        let mut book = Book::default();
        let id = endpoint(1);
        book.learn(id, Some(author(1)), &texts(1..2), Origin::Met, start);
        book.learn(endpoint(2), None, &texts(2..3), Origin::Heard, start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let due = book.take_due(now, 8, false, |_, _| false);
            assert!(due.iter().any(|address| address.id == id));
            assert!(book.take_due(now, 8, false, |_, _| false).is_empty());
            for address in due {
                book.ended(&address.id, &lost(), false, &config, now);
            }
            let next = book.entries[&id].due;
            pauses.push(next - now);
            now = next;
        }
        assert!(pauses[0] <= config.backoff_min * 3);
        assert!(
            pauses
                .iter()
                .all(|pause| *pause <= config.backoff_max * 3 / 2)
        );
        assert!(*pauses.last().unwrap() >= config.backoff_max / 2);
        assert_eq!(book.known(|_| false).len(), 1, "only the met one remains");
        book.connected(&id);
        assert_eq!(book.known(|_| true)[0].failures, 0);
    }

    #[test]
    fn the_degree_bounds_what_is_dialled_and_connected_authors_are_left_alone() {
        let (mut book, now) = (Book::default(), Instant::now());
        for byte in 1..=20 {
            book.learn(
                endpoint(byte),
                Some(author(byte)),
                &texts(1..2),
                Origin::Met,
                now,
            );
        }
        book.dial_now(&endpoint(20), now);
        let up = author(1);
        let due = book.take_due(now, 3, false, |_, author| author == Some(&up));
        assert_eq!(due.len(), 3);
        assert!(due.iter().all(|address| address.id != endpoint(1)));
        assert_eq!(due[0].id, endpoint(20), "what was asked for first");
        assert!(book.take_due(now, 3, false, |_, _| false).is_empty());
    }

    #[test]
    fn one_author_fills_no_book() {
        let (mut book, now) = (Book::default(), Instant::now());
        for byte in 1..=50 {
            book.learn(
                endpoint(byte),
                Some(author(1)),
                &texts(1..2),
                Origin::Met,
                now,
            );
        }
        assert_eq!(book.known(|_| false).len(), ENDPOINTS_PER_AUTHOR);
        assert!(book.is_known(&endpoint(50)), "the newest is kept");
    }

    #[test]
    fn refusals_and_suspicion_have_pauses_of_their_own() {
        let config = Config::default();
        let refused = Closed::There(CloseCode::NotAMember);
        assert!(pause(&refused, 1, &config) >= config.backoff_refused / 2);
        let suspect = Closed::Here(CloseCode::Suspect);
        assert_eq!(pause(&suspect, 5, &config), Duration::ZERO);
        assert!(pause(&lost(), 0, &config) <= config.backoff_min * 3 / 2);
    }
}
