//! Passes on new records ([N4]).
//!
//! A new record is pushed to every peer at once, so that it crosses a chain or a star without a question. Where there is more than
//! one way, it would come by each of them. So each author has one *source*: the peer that brought one of its records first. Another
//! peer that repeats a record is told so ([`Message::Repeated`]). From then on that peer offers the ids of this author's records
//! instead, half a second later ([`OFFER_AFTER_MS`]): by then most records are sealed, and those are not offered.
//!
//! A proposal often comes before the last records that it lists, which are on their way from their authors. Its sender is asked for them
//! only after as long as a record needs ([`Core::expect_listed`]).
//!
//! Who lacks a record that is offered asks one peer after the other, and is pushed this author's records again. Who had to ask for a
//! seal is pushed everything again. An author always pushes its own records. So in a full mesh each record crosses a link once, from
//! its author. A peer that lies about what it has gets records later, and harms nobody else.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use super::super::{Core, PeerId};
use super::encoded;
use crate::base::digest::{NodeId, RecordId};
use crate::base::limits::{AGAIN_MS, OFFER_AFTER_MS, OFFERS_MAX, WANT_IDS_MAX};
use crate::exchange::message::Message;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Peers remembered that could also be asked for a record.
const ALSO_MAX: usize = 8;

/// What this node passes on to a peer by id.
#[derive(Default)]
pub(in crate::core) struct Offers {
    /// The authors of whose records the peer has another source.
    elsewhere: BTreeSet<NodeId>,
    /// Ids to offer at the next time.
    waiting: BTreeSet<RecordId>,
    /// The ids that were offered last.
    offered: BTreeSet<RecordId>,
}

impl Offers {
    /// Forgets which other sources the peer has.
    pub(super) fn push_again(&mut self) {
        self.elsewhere.clear();
    }
}

/// Who is asked for a record.
struct Asked {
    /// Whether because of an offer: its author's source was late.
    is_offered: bool,
    peer: PeerId,
    until_ms: u64,
    /// Others that have it, to be asked in turn.
    also: Vec<PeerId>,
}

/// How a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Arrival {
    Pushed,
    /// Somebody was asked for it.
    Asked,
    /// Somebody was asked for it because of an offer.
    Offered,
}

/// The offers and requests under way.
#[derive(Default)]
pub(in crate::core) struct Relaying {
    /// When the waiting ids are offered.
    offer_at_ms: Option<u64>,
    /// From whom this node gets an author's records.
    sources: BTreeMap<NodeId, PeerId>,
    asked: BTreeMap<RecordId, Asked>,
    /// When the first of those who are asked has had its time, or earlier.
    ask_at_ms: Option<u64>,
}

impl Relaying {
    /// The next time at which something is to be offered or asked again.
    pub(in crate::core) fn due_ms(&self) -> Option<u64> {
        self.offer_at_ms.into_iter().chain(self.ask_at_ms).min()
    }

    /// Notes that a record is here or sealed: nobody is asked for it any more. Returns how it came.
    pub(in crate::core) fn arrived(&mut self, id: &RecordId) -> Arrival {
        match self.asked.remove(id) {
            None => Arrival::Pushed,
            Some(asked) if asked.is_offered => Arrival::Offered,
            Some(_) => Arrival::Asked,
        }
    }

    /// Whether to ask a peer for a record now. Notes the peer in either case. Who offers what it was asked for had no room for it in
    /// its answer.
    fn may_ask(&mut self, id: RecordId, peer: PeerId, is_offered: bool, now_ms: u64) -> bool {
        if let Some(asked) = self.asked.get_mut(&id)
            && asked.peer != peer
            && now_ms < asked.until_ms
        {
            if !asked.also.contains(&peer) && asked.also.len() < ALSO_MAX {
                asked.also.push(peer);
            }
            return false;
        }
        self.note_asked(id, peer, is_offered, now_ms);
        true
    }

    /// Notes that a peer is asked for a record.
    pub(super) fn note_asked(&mut self, id: RecordId, peer: PeerId, is_offered: bool, now_ms: u64) {
        if self.asked.len() < OFFERS_MAX {
            let until_ms = now_ms + AGAIN_MS;
            self.ask_at_ms.get_or_insert(until_ms);
            let also = self
                .asked
                .remove(&id)
                .map_or(Vec::new(), |asked| asked.also);
            let asked = Asked {
                is_offered,
                peer,
                until_ms,
                also,
            };
            self.asked.insert(id, asked);
        }
    }

    /// Notes that a record is on its way, and that this peer is asked for it next, at this time at the latest. Returns whether there
    /// was room to note it.
    pub(super) fn expect(&mut self, id: RecordId, peer: PeerId, until_ms: u64) -> bool {
        let room = OFFERS_MAX - self.asked.len();
        let asked = match self.asked.entry(id) {
            Entry::Vacant(_) if room == 0 => return false,
            Entry::Vacant(entry) => entry.insert(Asked {
                is_offered: false,
                peer,
                until_ms,
                also: Vec::new(),
            }),
            Entry::Occupied(entry) => entry.into_mut(),
        };
        asked.until_ms = until_ms.min(asked.until_ms);
        asked.also.truncate(ALSO_MAX - 1);
        asked.also.insert(0, peer);
        let earliest_ms = self.ask_at_ms.get_or_insert(asked.until_ms);
        *earliest_ms = asked.until_ms.min(*earliest_ms);
        true
    }

    /// Ends the questions that a condition meets. Returns whom to ask instead.
    fn ask_others(
        &mut self,
        now_ms: u64,
        is_over: impl Fn(PeerId, u64) -> bool,
    ) -> BTreeMap<PeerId, BTreeSet<RecordId>> {
        let mut next: BTreeMap<PeerId, BTreeSet<RecordId>> = BTreeMap::new();
        self.asked.retain(|id, asked| {
            if !is_over(asked.peer, asked.until_ms) {
                return true;
            }
            if asked.also.is_empty() {
                return false;
            }
            asked.peer = asked.also.remove(0);
            asked.until_ms = now_ms + AGAIN_MS;
            next.entry(asked.peer).or_default().insert(*id);
            true
        });
        self.ask_at_ms = self.asked.values().map(|asked| asked.until_ms).min();
        next
    }
}

impl Core {
    /// Pushes new records to the peers that did not send them, or keeps their ids to be offered. Then does what is due.
    pub(in crate::core) fn flush(&mut self) {
        let relay = std::mem::take(&mut self.relay);
        if !relay.is_empty() {
            let relay: Vec<_> = relay
                .iter()
                .map(|(from, record)| (*from, encoded(record)))
                .collect();
            for peer in self.peers.clone() {
                let mut pushed = Vec::new();
                for (from, record) in &relay {
                    if *from == Some(peer) {
                        continue;
                    }
                    if from.is_some() && self.has_other_source(peer, &record.0.author()) {
                        self.offer_soon(peer, record.0.id());
                    } else {
                        pushed.push(record.clone());
                    }
                }
                let outputs = self.send_records(peer, pushed.into_iter());
                self.out.extend(outputs);
            }
        }
        self.offer_due();
        let now_ms = self.now_ms;
        if self.relaying.ask_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            let next = self
                .relaying
                .ask_others(now_ms, |_, until_ms| until_ms <= now_ms);
            self.ask_next(next);
        }
    }

    /// Whether a peer gets this author's records from somebody else: from itself, at least.
    fn has_other_source(&self, peer: PeerId, author: &NodeId) -> bool {
        let link = self.links.get(&peer);
        self.authors.get(&peer) == Some(author)
            || link.is_some_and(|link| link.offers.elsewhere.contains(author))
    }

    fn offer_soon(&mut self, peer: PeerId, id: RecordId) {
        // A vote that decided a seal is not held for the next one.
        let is_held = self.find(&id).is_some();
        let Some(link) = self.links.get_mut(&peer).filter(|_| is_held) else {
            return;
        };
        if link.offers.waiting.len() < OFFERS_MAX {
            link.offers.waiting.insert(id);
            let at_ms = self.now_ms + OFFER_AFTER_MS;
            self.relaying.offer_at_ms.get_or_insert(at_ms);
        }
    }

    /// Offers the waiting ids that are still held and unsealed.
    fn offer_due(&mut self) {
        let now_ms = self.now_ms;
        if self.relaying.offer_at_ms.is_none_or(|at_ms| now_ms < at_ms) {
            return;
        }
        self.drop_settled_offers();
        self.relaying.offer_at_ms = None;
        let waiting = self.links.iter_mut();
        let waiting = waiting.map(|(peer, link)| (*peer, std::mem::take(&mut link.offers.waiting)));
        let waiting: Vec<_> = waiting.filter(|(_, ids)| !ids.is_empty()).collect();
        for (peer, ids) in waiting {
            let all: Vec<RecordId> = ids.iter().copied().collect();
            for some in all.chunks(WANT_IDS_MAX) {
                self.send(peer, Message::Offer(some.to_vec()));
            }
            if let Some(link) = self.links.get_mut(&peer) {
                link.offers.offered = ids;
            }
        }
    }

    /// Drops the waiting ids of records that are sealed or gone. The cost is that of the offers since the last seal.
    pub(in crate::core) fn drop_settled_offers(&mut self) {
        let mut links = std::mem::take(&mut self.links);
        let mut is_any = false;
        for link in links.values_mut() {
            link.offers.waiting.retain(|id| self.find(id).is_some());
            is_any |= !link.offers.waiting.is_empty();
        }
        self.links = links;
        if !is_any {
            self.relaying.offer_at_ms = None;
        }
    }

    /// A peer sent a record. The first who did so is the source of its author's records as long as it is connected, unless another one
    /// that offered a record had to be asked for it. The author itself pushes them in any case, so it is the source once it did.
    pub(super) fn note_source(&mut self, from: PeerId, record: &Verified, arrival: Arrival) {
        let peers = &self.peers;
        let is_author = self.authors.get(&from) == Some(&record.author());
        let source = self.relaying.sources.entry(record.author()).or_insert(from);
        if is_author || arrival == Arrival::Offered || !peers.contains(source) {
            *source = from;
        }
    }

    /// Whether a peer that sent a record that was here already should be told: this node has another source of its author's records.
    pub(super) fn is_repeated(&mut self, from: PeerId, record: &Verified) -> bool {
        if let Some(link) = self.links.get_mut(&from) {
            link.offers.waiting.remove(&record.id());
        }
        // Everybody offers endorsements at every comparison, and an author always pushes its own records.
        let is_apart = matches!(record.statement(), Statement::Refound { .. });
        if is_apart {
            return false;
        }
        self.note_source(from, record, Arrival::Pushed);
        self.relaying.sources.get(&record.author()) != Some(&from)
    }

    /// A peer has another source of the records of these records' authors.
    pub(super) fn note_other_source(&mut self, peer: PeerId, ids: &[RecordId]) {
        let authors = ids
            .iter()
            .filter_map(|id| Some(self.find_compared(id)?.author()));
        let authors: Vec<NodeId> = authors.collect();
        if let Some(link) = self.links.get_mut(&peer) {
            link.offers.elsewhere.extend(authors);
        }
    }

    /// Takes an offer: asks for what is missing here.
    pub(super) fn take_offer(&mut self, from: PeerId, ids: Vec<RecordId>) {
        if let Some(link) = self.links.get_mut(&from) {
            for id in &ids {
                link.offers.waiting.remove(id);
            }
        }
        self.ask(from, ids, true);
    }

    /// A peer asks for what was kept back from it: it has no other source of these authors' records any more.
    pub(super) fn note_lacking(&mut self, peer: PeerId, ids: &[RecordId]) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        let offers = &link.offers;
        let is_kept = |id: &&RecordId| offers.waiting.contains(id) || offers.offered.contains(id);
        let lacking = ids.iter().filter(is_kept);
        let authors = lacking.filter_map(|id| Some(self.find_compared(id)?.author()));
        let authors: Vec<NodeId> = authors.collect();
        if let Some(link) = self.links.get_mut(&peer) {
            for author in authors {
                link.offers.elsewhere.remove(&author);
            }
        }
    }

    /// Asks a peer for the missing ones of these records, unless somebody else is asked for them now.
    /// `is_offered`: it offered them to pass them on.
    pub(super) fn ask(
        &mut self,
        peer: PeerId,
        ids: impl IntoIterator<Item = RecordId>,
        is_offered: bool,
    ) {
        let unknown = ids
            .into_iter()
            .filter(|id| self.find_compared(id).is_none() && !self.orphans.contains(id))
            .filter(|id| !self.last_sealed.contains(id));
        let mut unknown: BTreeSet<RecordId> = unknown.collect();
        let now_ms = self.now_ms;
        unknown.retain(|id| self.relaying.may_ask(*id, peer, is_offered, now_ms));
        self.request(peer, unknown);
    }

    /// A peer is gone: others are asked for what it did not send.
    pub(in crate::core) fn ask_instead_of(&mut self, gone: PeerId) {
        let next = self
            .relaying
            .ask_others(self.now_ms, |peer, _| peer == gone);
        self.ask_next(next);
    }

    fn ask_next(&mut self, next: BTreeMap<PeerId, BTreeSet<RecordId>>) {
        for (peer, ids) in next {
            if self.peers.contains(&peer) {
                let missing = ids
                    .into_iter()
                    .filter(|id| self.find_compared(id).is_none());
                let missing = missing.collect();
                self.request(peer, missing);
            }
        }
    }
}
