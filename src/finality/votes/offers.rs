//! The records that peers are offered. What a receiver is bound to drop is not offered ([S8]): a difference that no exchange can
//! end would cost something at every meeting.

use std::collections::BTreeSet;

use super::{Content, Votes, read};
use crate::base::digest::{NodeId, RecordId};
use crate::base::limits::{LOW_ROUNDS, SLOT_BODIES_MAX};
use crate::statement::record::{Verified, VoteKind};

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Votes {
    /// The records of the height to be agreed on that a peer would keep: those within the limits of rounds and slots, and the
    /// proposals of seals with a quorum. Records that were exempt here only because something names them are asked for by id.
    pub(in crate::finality) fn offered(&self) -> impl Iterator<Item = &Verified> {
        self.records.iter().filter_map(|(id, record)| {
            let (_, round, content) = read(record)?;
            let author = record.author();
            let is_offered = match content {
                Content::Proposal(_) if self.is_in_quorum(round, content) => true,
                _ => {
                    self.has_entered(&author, round) && self.is_common(&author, round, content, id)
                }
            };
            is_offered.then_some(record)
        })
    }

    /// The records of a decided height that can still be evidence ([S10]). Per author: the rounds of the decisions, the lowest
    /// others, and pairs.
    pub(in crate::finality) fn offered_as_evidence(&self) -> impl Iterator<Item = &Verified> {
        let decided: BTreeSet<u32> = self.decisions.iter().map(|(round, _)| *round).collect();
        self.records.iter().filter_map(move |(id, record)| {
            let (_, round, content) = read(record)?;
            let author = record.author();
            let is_decided = decided.contains(&round);
            let is_kept = self.has_entered(&author, round)
                || is_decided && matches!(content, Content::Vote(VoteKind::Precommit, _));
            let is_low = || {
                let window = self.windows.get(&author).into_iter().flatten();
                let others = window.filter(|at| !decided.contains(at));
                others.take(LOW_ROUNDS).any(|at| *at == round)
            };
            let is_evidence = is_decided || self.beside(record).is_some() || is_low();
            (is_kept && is_evidence && self.is_common(&author, round, content, id))
                .then_some(record)
        })
    }

    /// Whether the author's records of this round are among those kept.
    pub(super) fn has_entered(&self, author: &NodeId, round: u32) -> bool {
        let window = self.windows.get(author);
        window.is_some_and(|window| window.contains(&round))
    }

    /// Whether a kept record is one of the first two of its slot.
    fn is_common(&self, author: &NodeId, round: u32, content: Content, id: &RecordId) -> bool {
        let Some(slots) = self.rounds.get(&round) else {
            return false;
        };
        match content {
            Content::Proposal(_) => {
                let mut first = slots.proposals.keys().take(SLOT_BODIES_MAX);
                first.any(|held| held == id)
            }
            Content::Vote(kind, _) => {
                let mut first = slots.counts(kind).of(author).iter().take(SLOT_BODIES_MAX);
                first.any(|(held, _)| held == id)
            }
        }
    }
}
