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

    /// The records of a sealed height that can still be evidence ([S10]). Per author: the rounds of certificates, the four lowest
    /// others, and pairs.
    pub(in crate::finality) fn evidence(&self) -> impl Iterator<Item = &Verified> {
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

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{HEIGHT, precommit, precommits, prevote, proposal, sealers};
    use super::*;

    fn rounds<'a>(records: impl Iterator<Item = &'a Verified>) -> BTreeSet<u32> {
        let read = records.filter_map(read);
        read.map(|(_, round, _)| round).collect()
    }

    #[test]
    fn what_a_peer_would_drop_is_not_offered() {
        let mut votes = Votes::new(HEIGHT, sealers());
        for round in 0..100 {
            votes.add(prevote(0, round, None), false).unwrap();
        }
        let named = prevote(0, 20, None);
        votes.add(named.clone(), true).unwrap();
        assert!(votes.records().contains_key(&named.id()));
        let expected: BTreeSet<u32> = (0..4).chain(40..100).collect();
        assert_eq!(rounds(votes.offered()), expected);
        let mut bodies: Vec<Verified> = (10..15).map(|name| proposal(1, None, name)).collect();
        bodies.sort_by_key(Verified::id);
        for body in &bodies {
            votes.add(body.clone(), true).unwrap();
        }
        let offered: BTreeSet<RecordId> = votes.offered().map(Verified::id).collect();
        let is_offered: Vec<bool> = bodies.iter().map(|it| offered.contains(&it.id())).collect();
        assert_eq!(is_offered, [true, true, false, false, false]);
        let mut peer = Votes::new(HEIGHT, sealers());
        for record in votes.offered() {
            assert_eq!(peer.add(record.clone(), false), Ok(true));
        }
        assert_eq!(
            peer.take_dropped(),
            [],
            "and a peer keeps what it is offered"
        );
    }

    #[test]
    fn of_a_sealed_height_is_offered_what_can_be_evidence() {
        let mut votes = Votes::new(HEIGHT, sealers());
        for record in precommits(0..3, 7, Some(1)) {
            votes.add(record, false).unwrap();
        }
        for round in [2, 3, 4, 5, 6, 7, 8, 9] {
            votes.add(precommit(3, round, None), false).unwrap();
        }
        assert_eq!(rounds(votes.evidence()), BTreeSet::from([2, 3, 4, 5, 7]));
        votes.add(precommit(3, 9, Some(2)), false).unwrap();
        assert_eq!(
            rounds(votes.evidence()),
            BTreeSet::from([2, 3, 4, 5, 7, 9]),
            "and pairs"
        );
    }
}
