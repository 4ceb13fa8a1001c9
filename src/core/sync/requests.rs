//! Asks for records, and answers requests within a window.

use std::collections::BTreeSet;

use super::super::{Core, PeerId};
use super::{encoded, place};
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::{SEAL_RECORDS_MAX, WANT_IDS_MAX, WINDOW_BYTES_MAX};
use crate::base::rejection::Rejection;
use crate::exchange::message::Message;
use crate::statement::record::{Statement, Verified};

impl Core {
    /// Whether a request or an offer is within the limit of ids.
    pub(super) fn is_within(&mut self, from: PeerId, ids: &[RecordId]) -> bool {
        let (what, limit) = ("ids", WANT_IDS_MAX);
        let is_within = ids.len() <= limit;
        if !is_within {
            self.blame(from, Rejection::OverLimit { what, limit });
        }
        is_within
    }

    /// Sends those of these records that this node holds: as many as a window takes, but at least one. Offers the
    /// others. Returns whether none were left to offer.
    pub(super) fn give(&mut self, to: PeerId, ids: impl IntoIterator<Item = RecordId>) -> bool {
        let ids: BTreeSet<RecordId> = ids.into_iter().collect();
        let mut held: Vec<&Verified> = ids.iter().filter_map(|id| self.find_compared(id)).collect();
        held.sort_by_key(|record| place(record));
        let (mut window, mut room) = (Vec::new(), WINDOW_BYTES_MAX);
        for record in &held {
            let record = encoded(record);
            let length = record.1.len() + 8 + self.list_length(record.0);
            if length > room && !window.is_empty() {
                break;
            }
            room = room.saturating_sub(length);
            window.push(record);
        }
        let rest: Vec<RecordId> = held[window.len()..].iter().map(|it| it.id()).collect();
        let outputs = self.send_records(to, window.into_iter());
        self.out.extend(outputs);
        let (offer, later) = rest.split_at(rest.len().min(WANT_IDS_MAX));
        if let Some(link) = self.links.get_mut(&to) {
            link.offer_later(later);
        }
        if !offer.is_empty() {
            self.send(to, Message::Offer(offer.to_vec()));
        }
        rest.is_empty()
    }

    /// Answers a request. A peer that got all requested records is offered more records that it lacks.
    pub(super) fn answer_request(&mut self, from: PeerId, ids: Vec<RecordId>) {
        let is_all = self.give(from, ids);
        let more = match self.links.get_mut(&from) {
            Some(link) if is_all => link.next_offer(),
            _ => return,
        };
        if !more.is_empty() {
            self.send(from, Message::Offer(more));
        }
    }

    /// The bytes of a proposal's list.
    fn list_length(&self, record: &Verified) -> usize {
        let list = match record.statement() {
            Statement::SealProposal { seal, .. } => self.lists.get(&seal.id()),
            _ => None,
        };
        list.map_or(0, |list| 34 * list.len())
    }

    /// Waits for the missing records of a peer's list as long as a record needs, and then asks the peer for the rest.
    pub(in crate::core) fn expect_listed(&mut self, peer: PeerId, seal: &SealId) {
        let until_ms = self.now_ms + self.pace.arrives_ms();
        let missing: Vec<RecordId> = self.missing_of(seal).collect();
        let unnoted = missing
            .into_iter()
            .filter(|id| !self.relaying.expect(*id, peer, until_ms));
        let unnoted = unnoted.collect();
        self.request(peer, unnoted);
    }

    /// Asks for these records. It is noted before who is asked for them.
    pub(super) fn request(&mut self, peer: PeerId, ids: BTreeSet<RecordId>) {
        let ids: Vec<RecordId> = ids.into_iter().collect();
        for some in ids.chunks(WANT_IDS_MAX) {
            self.send(peer, Message::Want(some.to_vec()));
        }
    }

    /// Asks for listed records that are missing here, whoever else is asked for them, as a vote waits for them; and for missing lists of
    /// proposals. A comparison of held records finds neither.
    pub(super) fn ask_listed(&mut self, peer: PeerId) {
        let mut missing = self.missing_listed();
        missing.extend(self.proposals_without_list());
        for id in &missing {
            self.relaying.note_asked(*id, peer, false, self.now_ms);
        }
        self.request(peer, missing);
    }

    /// Proposals whose lists are missing here.
    fn proposals_without_list(&self) -> Vec<RecordId> {
        self.agreement
            .records()
            .filter(|record| match record.statement() {
                Statement::SealProposal { seal, .. } => {
                    let id = seal.id();
                    seal.count > 0 && !self.lists.contains_key(&id) && self.has_use_for_list(&id)
                }
                _ => false,
            })
            .map(Verified::id)
            .collect()
    }

    /// Listed records that are missing here, about as many as one seal takes: first those of decided or locked seals, then of
    /// the latest rounds, so that lists of records that do not exist cannot crowd them out.
    fn missing_listed(&self) -> BTreeSet<RecordId> {
        let mut proposals: Vec<(bool, u32, SealId)> = self
            .agreement
            .records()
            .filter_map(|record| match record.statement() {
                Statement::SealProposal { round, seal, .. } => Some((*round, seal.id())),
                _ => None,
            })
            .map(|(round, seal)| (self.agreement.is_quorate(&seal), round, seal))
            .collect();
        proposals.sort_unstable();
        let mut missing = BTreeSet::new();
        for (_, _, seal) in proposals.iter().rev() {
            missing.extend(self.missing_of(seal));
            if missing.len() >= SEAL_RECORDS_MAX {
                break;
            }
        }
        missing
    }

    /// Records that this seal lists and this node lacks.
    pub(super) fn missing_of(&self, seal: &SealId) -> impl Iterator<Item = RecordId> {
        let listed = self.lists.get(seal).into_iter().flatten();
        listed.filter(|id| self.pool.get(id).is_none()).copied()
    }
}
