//! What is said to peers and heard from them.
//!
//! New records are pushed to every peer but the one they came from. Now and then two peers compare what they hold
//! ([`Message::Inventory`]), which repairs whatever was lost; who is behind in seals asks for blocks first.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;

use super::{Admission, Core, Event, Output, PeerId};
use crate::codec;
use crate::digest::{RecordId, SealId};
use crate::limits::{BLOCK_BYTES_MAX, EVIDENCE_HEIGHTS, FRAME_BYTES_MAX};
use crate::message::Message;
use crate::record::{Statement, Verified};
use crate::rejection::Rejection;
use crate::seal::SealedBlock;

/// What a frame leaves for records, beside its own few bytes.
const FRAME_ROOM: usize = FRAME_BYTES_MAX - 64;

/// Rounds, from this node's own on, of whose proposals it takes the lists: others may be a little ahead.
const LIST_ROUNDS: usize = 4;

/// Lists held before it is looked which of them are of use still.
const LISTS_BEFORE_CLEANING: usize = 8;

/// A record with its canonical bytes.
fn encoded(record: &Verified) -> (&Verified, ByteBuf) {
    (record, ByteBuf::from(record.encode()))
}

impl Core {
    /// Says where this node stands and what it holds.
    pub(super) fn greet(&mut self, to: PeerId) {
        self.keep_promises();
        let state = self.ledger.state();
        let (height, seal) = (state.height(), state.seal());
        self.send(to, Message::Status { height, seal });
        let ids: Vec<RecordId> = self.held().map(Verified::id).collect();
        // Ids are sorted, so that the receiver can compare in one pass; what does not fit a frame waits for next time.
        let mut ids: Vec<RecordId> = ids
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        ids.truncate(FRAME_ROOM / 40);
        self.send(to, Message::Inventory { height, ids });
    }

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
        let (mut frame, mut room) = (Vec::new(), FRAME_ROOM);
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
                room = FRAME_ROOM;
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
            Message::Inventory { height, ids } => self.compare(from, height, &ids),
            Message::Want(ids) => {
                let records: Vec<Verified> =
                    ids.iter().filter_map(|id| self.find(id)).cloned().collect();
                let outputs = self.send_records(from, records.iter().map(encoded));
                self.out.extend(outputs);
            }
            Message::AskBlocks { from: height } => {
                if (1..=self.ledger.state().height()).contains(&height) {
                    self.out.push(Output::Serve {
                        to: from,
                        from: height,
                    });
                }
            }
            Message::Blocks(blocks) => self.receive_blocks(from, &blocks),
        }
    }

    fn refuse(&mut self, from: PeerId, rejection: Rejection) {
        let from = Some(from);
        self.event(Event::Refused { from, rejection });
    }

    fn receive_record(&mut self, from: PeerId, bytes: &[u8]) {
        match self.admit_bytes(Some(from), bytes) {
            Ok(Admission::Waiting(Rejection::UnknownSeal)) => self.ask_blocks(from),
            Ok(_) => {}
            Err(rejection) => self.refuse(from, rejection),
        }
    }

    fn ask_blocks(&mut self, to: PeerId) {
        let from = self.ledger.state().height() + 1;
        self.send(to, Message::AskBlocks { from });
    }

    /// A peer that holds another seal at a height of ours is on another branch: then both look at each other's blocks of
    /// the heights of which votes are kept, so that the fork is noticed and those who made it are named.
    fn compare_status(&mut self, peer: PeerId, height: u64, seal: SealId) {
        let own = self.ledger.state().height();
        if height > own || self.ledger.past().height_of(&seal) == Some(height) {
            return self.compare_height(peer, height);
        }
        let from = height.saturating_sub(EVIDENCE_HEIGHTS - 1).max(1);
        if own > 0 {
            self.out.push(Output::Serve { to: peer, from });
        }
        if !self.compromised && height > 0 {
            self.send(peer, Message::AskBlocks { from });
        }
    }

    fn compare_height(&mut self, peer: PeerId, height: u64) {
        let own = self.ledger.state().height();
        if height > own {
            self.ask_blocks(peer);
        } else if height < own {
            let (to, from) = (peer, height + 1);
            self.out.push(Output::Serve { to, from });
        }
    }

    /// Sends what a peer lacks and asks for what it has more.
    fn compare(&mut self, from: PeerId, height: u64, ids: &[RecordId]) {
        if height != self.ledger.state().height() {
            self.compare_height(from, height);
            return;
        }
        let theirs: BTreeSet<RecordId> = ids.iter().copied().collect();
        let unknown = theirs
            .iter()
            .filter(|id| self.find(id).is_none() && !self.orphans.contains(id))
            .copied();
        let mut missing: BTreeSet<RecordId> = unknown.collect();
        missing.extend(self.missing_listed());
        missing.extend(self.proposals_without_list());
        let missing: Vec<RecordId> = missing.into_iter().collect();
        if !missing.is_empty() {
            self.send(from, Message::Want(missing));
        }
        let more: BTreeMap<RecordId, Verified> = self
            .held()
            .filter(|record| !theirs.contains(&record.id()))
            .map(|record| (record.id(), record.clone()))
            .collect();
        let outputs = self.send_records(from, more.values().map(encoded));
        self.out.extend(outputs);
    }

    /// Proposals of which this node has the record, but not the list that travels beside it.
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

    /// Whether what a seal lists may matter now: its proposal is of this round or one of the next few, or a quorum voted for
    /// it. A proposer may propose in any number of rounds, with long lists; those left aside are asked for again at a
    /// comparison, once they matter.
    fn has_use_for_list(&self, seal: &SealId) -> bool {
        self.agreement.is_quorate(seal)
            || self.agreement.proposed_in(seal).any(|round| {
                (self.agreement.round()..)
                    .take(LIST_ROUNDS)
                    .any(|it| it == round)
            })
    }

    /// Drops the lists that are of no use any more, and the names in them.
    fn drop_lists(&mut self) {
        let useless: Vec<SealId> = self
            .lists
            .keys()
            .filter(|seal| !self.saved_lists.contains(seal) && !self.has_use_for_list(seal))
            .copied()
            .collect();
        if useless.is_empty() {
            return;
        }
        for seal in &useless {
            self.lists.remove(seal);
            self.drafts.remove(seal);
        }
        self.named = self.lists.values().flatten().copied().collect();
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
        if !is_next || self.lists.contains_key(&id) || seal.count == 0 {
            return;
        }
        if !super::judging::is_list_of(&list, &seal) {
            return self.refuse(from, Rejection::ImpossibleSeal("its list is another"));
        }
        if !self.has_use_for_list(&id) {
            return;
        }
        if self.lists.len() >= LISTS_BEFORE_CLEANING {
            self.drop_lists();
        }
        self.name(&list);
        self.lists.insert(id, list);
        let missing = self.missing_listed();
        if !missing.is_empty() {
            self.send(from, Message::Want(missing));
        }
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

    /// Records that a proposal lists and this node lacks.
    fn missing_listed(&self) -> Vec<RecordId> {
        let listed = self.lists.values().flatten();
        let missing = listed.filter(|id| self.pool.get(id).is_none());
        missing
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    fn receive_blocks(&mut self, from: PeerId, blocks: &[ByteBuf]) {
        let before = self.ledger.state().height();
        for bytes in blocks {
            // A seal of large records is longer than a frame. Refusing it would leave behind for ever whoever missed it; the
            // host bounds what it takes from a peer at once.
            let block: Result<SealedBlock, _> = codec::decode(bytes, BLOCK_BYTES_MAX);
            if let Ok(block) = &block
                && self.compromised
                && block.seal.height > self.ledger.state().height()
            {
                break;
            }
            let applied = block
                .map_err(Rejection::from)
                .and_then(|block| self.apply_block(block, false));
            if let Err(rejection) = applied {
                self.refuse(from, rejection);
                break;
            }
        }
        let (height, seal) = (self.ledger.state().height(), self.ledger.state().seal());
        if height > before {
            // Asks for the rest, if there is more.
            self.send(from, Message::Status { height, seal });
        }
    }
}
