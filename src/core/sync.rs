//! What is said to peers and heard from them.
//!
//! New records are pushed to every peer but the one they came from. Now and then two peers compare what they hold
//! ([`comparing`]), which repairs whatever was lost; who is behind in seals asks for blocks first ([`blocks`]).

mod blocks;
mod comparing;

use std::collections::BTreeSet;

use serde_bytes::ByteBuf;

pub(super) use comparing::{Held, Link};

use super::{Admission, Core, Event, Output, PeerId};
use crate::digest::{RecordId, SealId};
use crate::limits::{SEAL_RECORDS_MAX, WANT_IDS_MAX, WINDOW_BYTES_MAX};
use crate::message::Message;
use crate::record::{Statement, Verified};
use crate::rejection::Rejection;

/// A record with its canonical bytes.
fn encoded(record: &Verified) -> (&Verified, ByteBuf) {
    (record, ByteBuf::from(record.encode()))
}

/// The order in which records are sent: what others refer to first.
fn place(record: &Verified) -> (u8, RecordId) {
    (record.statement().rank(), record.id())
}

impl Core {
    /// Unsealed records and votes on the next seal.
    fn held(&self) -> impl Iterator<Item = &Verified> {
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        pooled.chain(self.agreement.records())
    }

    pub(super) fn find(&self, id: &RecordId) -> Option<&Verified> {
        match self.pool.get(id) {
            Some(pooled) => Some(&pooled.record),
            None => self.agreement.record(id),
        }
    }

    fn send(&mut self, to: PeerId, message: Message) {
        self.out.push(Output::Send { to, message });
    }

    /// Sends records to one peer, in frames; proposals with their lists.
    fn send_records<'a>(
        &self,
        to: PeerId,
        records: impl Iterator<Item = (&'a Verified, ByteBuf)>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let (mut frame, mut room) = (Vec::new(), WINDOW_BYTES_MAX);
        for (record, bytes) in records {
            if let Statement::SealProposal { seal, .. } = record.statement() {
                let list = self.lists.get(&seal.id()).cloned().unwrap_or_default();
                let message = Message::Proposal {
                    record: bytes,
                    list,
                };
                outputs.push(Output::Send { to, message });
                continue;
            }
            let length = bytes.len() + 8;
            if length > room {
                let message = Message::Records(std::mem::take(&mut frame));
                outputs.push(Output::Send { to, message });
                room = WINDOW_BYTES_MAX;
            }
            room -= length;
            frame.push(bytes);
        }
        if !frame.is_empty() {
            let message = Message::Records(frame);
            outputs.push(Output::Send { to, message });
        }
        outputs
    }

    /// Pushes what is new to the peers that did not send it.
    pub(super) fn flush(&mut self) {
        let relay = std::mem::take(&mut self.relay);
        if relay.is_empty() {
            return;
        }
        // Encoded once for all peers.
        let relay: Vec<_> = relay
            .iter()
            .map(|(from, record)| (from, encoded(record)))
            .collect();
        for peer in self.peers.clone() {
            let records = relay
                .iter()
                .filter(|(from, _)| **from != Some(peer))
                .map(|(_, record)| record.clone());
            let outputs = self.send_records(peer, records);
            self.out.extend(outputs);
        }
    }

    pub(super) fn receive(&mut self, from: PeerId, message: Message) {
        match message {
            Message::Status { height, seal } => self.compare_status(from, height, seal),
            Message::Records(records) => {
                for bytes in records {
                    self.receive_record(from, &bytes);
                }
            }
            Message::Proposal { record, list } => self.receive_proposal(from, &record, list),
            Message::Reconcile {
                height,
                seal,
                session,
                round,
                ranges,
            } => self.answer_comparison(from, (height, seal), (session, round), &ranges),
            Message::Reconciled {
                session,
                round,
                ranges,
            } => self.go_on_comparing(from, (session, round), &ranges),
            Message::Want(ids) => {
                if self.is_within(from, &ids) {
                    self.give(from, ids);
                }
            }
            Message::Offer(ids) => {
                if self.is_within(from, &ids) {
                    self.ask(from, ids);
                }
            }
            Message::AskBlocks { from: height } => self.serve(from, height),
            Message::Blocks(blocks) => self.receive_blocks(from, &blocks),
        }
    }

    fn refuse(&mut self, from: PeerId, rejection: Rejection) {
        let from = Some(from);
        self.event(Event::Refused { from, rejection });
    }

    /// Whether a request or an offer names no more records than it may.
    fn is_within(&mut self, from: PeerId, ids: &[RecordId]) -> bool {
        let (what, limit) = ("ids", WANT_IDS_MAX);
        let is_within = ids.len() <= limit;
        if !is_within {
            self.refuse(from, Rejection::OverLimit { what, limit });
        }
        is_within
    }

    /// Sends those of these records that are held, as many as a window takes but at least one, and offers the rest.
    fn give(&mut self, to: PeerId, ids: impl IntoIterator<Item = RecordId>) {
        let ids: BTreeSet<RecordId> = ids.into_iter().collect();
        let mut held: Vec<&Verified> = ids.iter().filter_map(|id| self.find(id)).collect();
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
        let rest = held.iter().skip(window.len()).take(WANT_IDS_MAX);
        let rest: Vec<RecordId> = rest.map(|record| record.id()).collect();
        let outputs = self.send_records(to, window.into_iter());
        self.out.extend(outputs);
        if !rest.is_empty() {
            self.send(to, Message::Offer(rest));
        }
    }

    /// The bytes of the list that travels beside a proposal.
    fn list_length(&self, record: &Verified) -> usize {
        let list = match record.statement() {
            Statement::SealProposal { seal, .. } => self.lists.get(&seal.id()),
            _ => None,
        };
        list.map_or(0, |list| 34 * list.len())
    }

    /// Asks for those of these records that are not here.
    fn ask(&mut self, peer: PeerId, ids: impl IntoIterator<Item = RecordId>) {
        let unknown = ids
            .into_iter()
            .filter(|id| self.find(id).is_none() && !self.orphans.contains(id));
        let unknown: BTreeSet<RecordId> = unknown.collect();
        self.request(peer, unknown);
    }

    /// Asks for these records.
    fn request(&mut self, peer: PeerId, ids: BTreeSet<RecordId>) {
        let ids: Vec<RecordId> = ids.into_iter().collect();
        for some in ids.chunks(WANT_IDS_MAX) {
            self.send(peer, Message::Want(some.to_vec()));
        }
    }

    fn receive_record(&mut self, from: PeerId, bytes: &[u8]) {
        match self.admit_bytes(Some(from), bytes) {
            Ok(Admission::Waiting(Rejection::UnknownSeal)) => self.ask_blocks(from),
            Ok(_) => {}
            Err(rejection) => self.refuse(from, rejection),
        }
    }

    /// Asks for what proposals name and this node lacks, and for lists of which it has the proposal only: no comparison of
    /// what is held finds these.
    fn ask_listed(&mut self, peer: PeerId) {
        let mut missing = self.missing_listed();
        missing.extend(self.proposals_without_list());
        self.request(peer, missing);
    }

    /// Proposals of which this node has the record, but not the list that travels beside it.
    fn proposals_without_list(&self) -> Vec<RecordId> {
        self.agreement
            .records()
            .filter(|record| match record.statement() {
                Statement::SealProposal { seal, .. } => {
                    seal.count > 0 && !self.lists.contains_key(&seal.id())
                }
                _ => false,
            })
            .map(Verified::id)
            .collect()
    }

    /// Takes a proposal with its list, and asks for the listed records that are not here.
    fn receive_proposal(&mut self, from: PeerId, record: &[u8], list: Vec<RecordId>) {
        let record = match self.verify_bytes(record) {
            Ok(record) => record,
            Err(rejection) => return self.refuse(from, rejection),
        };
        let Statement::SealProposal { seal, .. } = record.statement() else {
            return self.refuse(from, Rejection::Malformed("not a proposal"));
        };
        let (id, seal) = (seal.id(), seal.clone());
        if self.agreement.wanted().contains(&id) {
            self.named.insert(record.id());
        }
        match self.admit(Some(from), record) {
            Ok(Admission::Waiting(_)) => return self.ask_blocks(from),
            Ok(_) => {}
            Err(rejection) => return self.refuse(from, rejection),
        }
        let is_next = seal.height == self.ledger.state().height() + 1;
        // Who has the record only sends no list.
        if !is_next || self.lists.contains_key(&id) || list.is_empty() {
            return;
        }
        if !super::sealing::is_list_of(&list, &seal) {
            return self.refuse(from, Rejection::ImpossibleSeal("its list is another"));
        }
        self.name(&list);
        self.lists.insert(id, list);
        let missing = self.missing_of(&id).collect();
        self.request(from, missing);
    }

    /// Keeps what a proposal lists, beyond what its slots have room for.
    pub(super) fn name(&mut self, list: &[RecordId]) {
        for id in list {
            self.named.insert(*id);
            if !self.pool.name(id)
                && let Some(vote) = self.agreement.record(id).cloned()
            {
                self.keep(vote, true);
            }
        }
    }

    /// Records that proposals list and this node lacks: of what is decided or locked first, then of the latest rounds, so that
    /// nobody crowds these out by lists of what does not exist. About as many as one seal takes.
    fn missing_listed(&self) -> BTreeSet<RecordId> {
        let mut proposals: Vec<(bool, u32, SealId)> = self
            .agreement
            .records()
            .filter_map(|record| match record.statement() {
                Statement::SealProposal { round, seal, .. } => Some((*round, seal.id())),
                _ => None,
            })
            .map(|(round, seal)| (self.agreement.has_quorum(&seal), round, seal))
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
    fn missing_of(&self, seal: &SealId) -> impl Iterator<Item = RecordId> {
        let listed = self.lists.get(seal).into_iter().flatten();
        listed.filter(|id| self.pool.get(id).is_none()).copied()
    }
}
