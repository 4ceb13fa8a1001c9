//! Exchange with peers.
//!
//! New records are pushed to peers, or offered to those that have another source ([`relaying`]). Now and then two peers compare their
//! records ([`comparing`]), which repairs losses; a peer that is behind in seals asks for blocks first ([`blocks`]). Where there is no connection,
//! people carry the same data in files ([`bundles`]).

mod blocks;
mod bundles;
mod comparing;
mod relaying;
mod requests;

use serde_bytes::ByteBuf;

pub(super) use comparing::{CachedSnapshot, Link};
pub(super) use relaying::Relaying;

use relaying::Arrival;

use super::{Admission, Core, Output, PeerId};
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::{
    CHECKED_AHEAD_MAX, CHECKED_TOGETHER_MAX, COMPARED_HEIGHTS, WINDOW_BYTES_MAX,
};
use crate::base::rejection::Rejection;
use crate::exchange::message::Message;
use crate::finality::Agreement;
use crate::statement::record::{Signed, Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A record with its canonical bytes.
fn encoded(record: &Verified) -> (&Verified, ByteBuf) {
    (record, ByteBuf::from(record.encode()))
}

/// The order in which records are sent: records that others refer to come first.
fn place(record: &Verified) -> (u8, RecordId) {
    (record.statement().rank(), record.id())
}

impl Core {
    /// Unsealed records, votes on the next seal, and votes on the last ones that can still be evidence ([S10]).
    fn compared(&self) -> impl Iterator<Item = &Verified> {
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        pooled
            .chain(self.agreement.offered())
            .chain(self.evidence_votes())
    }

    fn compared_heights(&self) -> impl Iterator<Item = &Agreement> {
        let recent = self.recent.iter().rev().take(COMPARED_HEIGHTS);
        recent.map(|decided| &decided.agreement)
    }

    /// Votes of the last heights, so that two votes of one slot in two honest hands meet.
    fn evidence_votes(&self) -> impl Iterator<Item = &Verified> {
        self.compared_heights().flat_map(Agreement::evidence)
    }

    /// A record that a peer may be offered.
    fn find_compared(&self, id: &RecordId) -> Option<&Verified> {
        self.find(id).or_else(|| {
            let mut heights = self.compared_heights();
            heights.find_map(|agreement| agreement.record(id))
        })
    }

    pub(super) fn find(&self, id: &RecordId) -> Option<&Verified> {
        match self.pool.get(id) {
            Some(pooled) => Some(&pooled.record),
            None => self
                .agreement
                .record(id)
                .or_else(|| self.refounding.get(id)),
        }
    }

    fn send(&mut self, to: PeerId, message: Message) {
        self.out.push(Output::Send { to, message });
    }

    /// Sends records to one peer in frames, and proposals with their lists. The order stays: the vote that decides a seal goes before
    /// the proposal that follows it.
    fn send_records<'a>(
        &self,
        to: PeerId,
        records: impl Iterator<Item = (&'a Verified, ByteBuf)>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let (mut frame, mut room) = (Vec::new(), WINDOW_BYTES_MAX);
        for (record, bytes) in records {
            if let Statement::SealProposal { seal, .. } = record.statement() {
                if !frame.is_empty() {
                    let message = Message::Records(std::mem::take(&mut frame));
                    outputs.push(Output::Send { to, message });
                    room = WINDOW_BYTES_MAX;
                }
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

    pub(super) fn receive(&mut self, from: PeerId, message: Message) {
        match message {
            Message::Status { height, seal } => {
                self.compare_status(from, (height, seal), false);
            }
            Message::Records(records) => self.receive_records(from, &records),
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
                    self.note_lacking(from, &ids);
                    self.answer_request(from, ids);
                }
            }
            Message::Offer(ids) => {
                if self.is_within(from, &ids) {
                    self.take_offer(from, ids);
                }
            }
            Message::Repeated(ids) => {
                if self.is_within(from, &ids) {
                    self.note_other_source(from, &ids);
                }
            }
            Message::AskBlocks { from: height } => self.serve(from, height),
            Message::Blocks(blocks) => self.receive_blocks(from, &blocks),
        }
    }

    fn refuse(&mut self, from: PeerId, rejection: Rejection) {
        self.tell_refused(Some(from), rejection);
    }

    /// Refuses data that no honest node sends, and makes the host close the connection to the peer.
    fn blame(&mut self, from: PeerId, rejection: Rejection) {
        self.refuse(from, rejection);
        self.out.push(Output::Part(from));
    }

    /// Refuses a record that does not decode or verify. Honest nodes verify records before they send them on, so the
    /// sender is at fault, unless this node does not know the author yet. Returns whether to go on with the message.
    fn refuse_unverified(&mut self, from: PeerId, rejection: Rejection) -> bool {
        let may_be_behind = matches!(rejection, Rejection::UnknownAuthor(_));
        if may_be_behind {
            self.refuse(from, rejection);
        } else {
            self.blame(from, rejection);
        }
        may_be_behind
    }

    /// Checks the signatures in messages that wait for their turn together, which costs less than one by one: votes on a seal
    /// come from all sealers at about the same time, in a message each. It changes nothing else. Each record is taken, or refused
    /// and its sender blamed, when its message is handled.
    pub fn check_ahead<'a>(&mut self, messages: impl IntoIterator<Item = &'a Message>) {
        let records = messages.into_iter().flat_map(|message| match message {
            // A longer message gains nothing by it.
            Message::Records(records) if records.len() < CHECKED_TOGETHER_MAX => &records[..],
            Message::Proposal { record, .. } => std::slice::from_ref(record),
            _ => &[],
        });
        let signed = records
            .take(CHECKED_AHEAD_MAX)
            .filter_map(|bytes| Signed::decode(bytes).ok())
            .filter(|signed| self.held(signed).is_none());
        let signed: Vec<Signed> = signed.collect();
        self.verifier.check_ahead(&signed);
    }

    fn receive_records(&mut self, from: PeerId, records: &[ByteBuf]) {
        let (mut held, mut is_behind) = (Vec::new(), false);
        for some in records.chunks(CHECKED_TOGETHER_MAX) {
            let verified = self.verify_some(some.iter().map(|bytes| bytes.as_slice()));
            for (bytes, verified) in some.iter().zip(verified) {
                let verified = match verified {
                    // The records before it may have sealed its author's admission.
                    Err(Rejection::UnknownAuthor(_)) => self.verify_bytes(bytes),
                    verified => verified,
                };
                match verified {
                    Ok(record) => is_behind |= self.receive_record(from, &record, &mut held),
                    Err(rejection) => {
                        if !self.refuse_unverified(from, rejection) {
                            // One bad record is enough, because as many more could cost as much.
                            return;
                        }
                    }
                }
            }
        }
        if !held.is_empty() {
            self.send(from, Message::Repeated(held));
        }
        if is_behind {
            self.ask_blocks(from);
        }
    }

    /// Takes a record out of a message. Adds it to `held` if the peer is to be told that it is here already. Returns whether this
    /// node is behind its author.
    fn receive_record(
        &mut self,
        from: PeerId,
        record: &Verified,
        held: &mut Vec<RecordId>,
    ) -> bool {
        let arrival = self.relaying.arrived(&record.id());
        match self.admit_in_order(Some(from), record.clone()) {
            Ok(Admission::Known) => {
                if arrival == Arrival::Pushed && self.is_repeated(from, record) {
                    held.push(record.id());
                }
                false
            }
            Ok(admission) => {
                self.note_source(from, record, arrival);
                admission == Admission::Waiting(Rejection::UnknownSeal)
            }
            Err(rejection) => {
                self.refuse(from, rejection);
                false
            }
        }
    }

    /// Admits a record. What came before it may decide the seal that it follows: then that seal is applied first. Else a peer's
    /// proposal that comes right behind its deciding vote would be lost until the next comparison.
    fn admit_in_order(
        &mut self,
        from: Option<PeerId>,
        record: Verified,
    ) -> Result<Admission, Rejection> {
        let height = record.statement().slot().and_then(|slot| slot.height());
        let follows_next = height == Some(self.ledger.state().height() + 2);
        if follows_next && from.is_some() && self.agreement.decided().is_some() {
            self.run();
        }
        self.admit(from, record)
    }

    /// Takes a proposal with its list, and asks for the listed records that are missing here.
    fn receive_proposal(&mut self, from: PeerId, record: &[u8], list: Vec<RecordId>) {
        let record = match self.verify_bytes(record) {
            Ok(record) => record,
            Err(rejection) if rejection.is_senders_fault() => return self.blame(from, rejection),
            Err(rejection) => return self.refuse(from, rejection),
        };
        let arrival = self.relaying.arrived(&record.id());
        match self.take_proposal(Some(from), record.clone(), list) {
            Ok((Admission::Waiting(_), _)) => self.ask_blocks(from),
            Ok((admission, Some(listed))) => {
                if admission == Admission::New {
                    self.note_source(from, &record, arrival);
                }
                self.expect_listed(from, &listed);
            }
            Ok((Admission::Known, None)) => {
                if arrival == Arrival::Pushed && self.is_repeated(from, &record) {
                    self.send(from, Message::Repeated(vec![record.id()]));
                }
            }
            Ok((Admission::New, None)) => self.note_source(from, &record, arrival),
            Err(rejection) if rejection.is_senders_fault() => self.blame(from, rejection),
            Err(rejection) => self.refuse(from, rejection),
        }
    }

    /// Takes a proposal, and its list if it is new and of use. Returns the seal whose list was taken.
    fn take_proposal(
        &mut self,
        from: Option<PeerId>,
        record: Verified,
        list: Vec<RecordId>,
    ) -> Result<(Admission, Option<SealId>), Rejection> {
        let Statement::SealProposal { seal, .. } = record.statement() else {
            return Err(Rejection::Malformed("not a proposal"));
        };
        let (id, seal) = (seal.id(), seal.clone());
        if self.agreement.wanted().contains(&id) {
            self.exempt_votes.insert(record.id());
        }
        let admission = self.admit_in_order(from, record)?;
        let is_next = seal.height == self.ledger.state().height() + 1;
        // A peer that has only the proposal sends an empty list.
        if !is_next || self.lists.contains_key(&id) || list.is_empty() {
            return Ok((admission, None));
        }
        if !super::seal_judge::is_list_of(&list, &seal) {
            return Err(Rejection::ImpossibleSeal("its list is not the stated one"));
        }
        if !self.has_use_for_list(&id) {
            return Ok((admission, None));
        }
        self.take_list(id, list);
        Ok((admission, Some(id)))
    }
}
