//! Proposes two seals in one round, each to some of its peers, and votes for different seals before different peers.
//!
//! What must hold: no two seals of a height are decided, and the two votes get it banned.

use std::collections::BTreeMap;

use serde_bytes::ByteBuf;

use super::{Actor, Desk, edit};
use crate::base::digest::{RecordId, SealId};
use crate::exchange::message::Message;
use crate::ledger::Mode;
use crate::statement::record::{Seal, Signed, Slot, Statement, Verified};

#[derive(Default)]
pub(super) struct DoubleVoter {
    others: BTreeMap<Slot, Verified>,
    /// A second seal per height, with its list.
    seals: BTreeMap<u64, (SealId, Vec<RecordId>)>,
}

impl DoubleVoter {
    /// The second proposal of a slot: the same records, a moment later.
    fn other_proposal(
        &mut self,
        desk: &mut Desk<'_>,
        round: u32,
        seal: &Seal,
        list: &[RecordId],
    ) -> Option<Message> {
        let slot = Slot::Proposal(seal.height, round);
        if let Some(other) = self.others.get(&slot) {
            let list = self.seals.get(&seal.height)?.1.clone();
            let record = ByteBuf::from(other.encode());
            return Some(Message::Proposal { record, list });
        }
        let pool = desk.core.pool();
        let records: Vec<Verified> = list
            .iter()
            .filter_map(|id| pool.get(id).map(|pooled| pooled.record.clone()))
            .collect();
        let ledger = desk.core.ledger();
        let (draft, _) = ledger
            .draft(round, seal.time_ms + 1, records, Mode::Lenient)
            .ok()?;
        let list: Vec<RecordId> = draft.records.iter().map(Verified::id).collect();
        self.seals
            .insert(seal.height, (draft.seal.id(), list.clone()));
        let statement = Statement::SealProposal {
            round,
            lock: None,
            seal: draft.seal,
        };
        let other = desk.sign(statement);
        let record = ByteBuf::from(other.encode());
        self.others.insert(slot, other);
        Some(Message::Proposal { record, list })
    }

    /// The second vote of a slot: for the second seal if there is one, otherwise nil against not nil.
    fn other_vote(&mut self, desk: &mut Desk<'_>, statement: &Statement) -> Option<Verified> {
        let slot = statement.slot()?;
        if let Some(other) = self.others.get(&slot) {
            return Some(other.clone());
        }
        let Statement::SealVote {
            height,
            round,
            kind,
            seal,
        } = statement
        else {
            return None;
        };
        let second = self.seals.get(height).map(|(seal, _)| *seal);
        let other = desk.sign(Statement::SealVote {
            height: *height,
            round: *round,
            kind: *kind,
            seal: second
                .filter(|second| Some(*second) != *seal)
                .or(match seal {
                    Some(_) => None,
                    None => Some(SealId::from_bytes([7; 32])),
                }),
        });
        self.others.insert(slot, other.clone());
        Some(other)
    }
}

impl Actor for DoubleVoter {
    fn outgoing(&mut self, desk: &mut Desk<'_>, to: usize, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        let is_deceived = to % 2 == 1;
        if let Message::Proposal { record, list } = &message
            && let Ok(signed) = Signed::decode(record)
            && let body = &signed.record().body
            && let Statement::SealProposal { round, seal, .. } = &body.what
            && body.by == me
            && is_deceived
        {
            return self
                .other_proposal(desk, *round, seal, list)
                .or(Some(message));
        }
        edit(message, |body, bytes| match &body.what {
            Statement::SealVote { .. } if body.by == me && is_deceived => {
                let other = self.other_vote(desk, &body.what);
                vec![other.map_or(bytes, |other| ByteBuf::from(other.encode()))]
            }
            _ => vec![bytes],
        })
    }
}
