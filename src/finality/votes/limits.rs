//! The limits on the records kept: two bodies per slot, and [S8]'s rounds per author.

use std::collections::BTreeSet;

use super::{Content, Votes, at, read};
use crate::base::digest::{NodeId, RecordId};
use crate::base::limits::{LOW_ROUNDS, SLOT_BODIES_MAX, VOTE_ROUNDS_MAX};
use crate::statement::record::VoteKind;

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Votes {
    /// Whether the record belongs to a quorum for a seal, or proposes a seal with a quorum.
    pub(super) fn is_in_quorum(&self, round: u32, content: Content) -> bool {
        match content {
            Content::Vote(VoteKind::Prevote, _) => at(&self.proofs, round).next().is_some(),
            Content::Vote(VoteKind::Precommit, _) => at(&self.decisions, round).next().is_some(),
            Content::Proposal(seal) => {
                let mut quorums = self.proofs.iter().chain(&self.decisions);
                quorums.any(|(_, quorate)| *quorate == seal)
            }
        }
    }

    /// The record that exceeds the limit of its slot when `id` is added: of the unprotected ones, the largest id beyond the
    /// first two.
    pub(super) fn surplus(
        &self,
        author: &NodeId,
        round: u32,
        content: Content,
        id: RecordId,
        exempt: bool,
    ) -> Option<RecordId> {
        let slots = self.rounds.get(&round)?;
        let mut common: BTreeSet<RecordId> = match content {
            Content::Proposal(_) => {
                let proposals = slots.proposals.iter();
                proposals
                    .filter(|(_, seal)| !self.is_in_quorum(round, Content::Proposal(**seal)))
                    .map(|(held, _)| *held)
                    .collect()
            }
            Content::Vote(kind, _) => slots
                .counts(kind)
                .of(author)
                .iter()
                .map(|(held, _)| *held)
                .collect(),
        };
        common.retain(|held| !self.exempt.contains(held));
        let protected =
            matches!(content, Content::Proposal(_)) && self.is_in_quorum(round, content);
        if !exempt && !protected {
            common.insert(id);
        }
        common.iter().nth(SLOT_BODIES_MAX).copied()
    }

    /// Ends the exemption of these records: the limits apply to them again.
    pub(in crate::finality) fn end_exemption(&mut self, ids: &BTreeSet<RecordId>) {
        let released: Vec<RecordId> = self.exempt.intersection(ids).copied().collect();
        for id in &released {
            self.exempt.remove(id);
        }
        for id in released {
            // The removal of another one may have removed it.
            let Some(record) = self.records.get(&id) else {
                continue;
            };
            let (_, round, content) = read(record).expect("only proposals and votes are kept");
            let author = record.author();
            if self.is_in_quorum(round, content) {
                continue;
            }
            let window = self.windows.get(&author);
            let surplus = if window.is_some_and(|window| window.contains(&round)) {
                self.surplus(&author, round, content, id, false)
            } else {
                Some(id)
            };
            if let Some(surplus) = surplus {
                self.remove(surplus);
            }
        }
    }

    /// Whether a record of this round is within the limit of rounds: among the author's four lowest or sixty highest.
    pub(super) fn is_in_window(&self, author: &NodeId, round: u32) -> bool {
        let Some(window) = self.windows.get(author) else {
            return true;
        };
        if window.len() < VOTE_ROUNDS_MAX || window.contains(&round) {
            return true;
        }
        let mut around = window.iter().skip(LOW_ROUNDS - 1);
        let (low, high) = (around.next(), around.next());
        low.is_none_or(|low| round < *low) || high.is_none_or(|high| round > *high)
    }

    /// Notes that the author signed in this round, and drops its records of the round that is between its lowest and its
    /// highest ones now.
    pub(super) fn enter_window(&mut self, author: NodeId, round: u32) {
        if !self.is_in_window(&author, round) {
            return;
        }
        let window = self.windows.entry(author).or_default();
        let highest = window.last().copied();
        window.insert(round);
        let between = window
            .iter()
            .nth(LOW_ROUNDS)
            .copied()
            .filter(|_| window.len() > VOTE_ROUNDS_MAX);
        if let Some(between) = between {
            window.remove(&between);
        }
        self.note_highest(author, highest, round);
        if let Some(between) = between {
            self.leave(author, between);
        }
    }

    /// Drops the author's records of a round that it has left, without those of quorums and exempt ones. A pair goes too: an
    /// author can make any number of them, one is enough, and the caller was told of it when it was complete.
    fn leave(&mut self, author: NodeId, round: u32) {
        let Some(slots) = self.rounds.get(&round) else {
            return;
        };
        let mut left = Vec::new();
        for kind in [VoteKind::Prevote, VoteKind::Precommit] {
            if !self.is_in_quorum(round, Content::Vote(kind, None)) {
                left.extend(slots.counts(kind).of(&author).iter().map(|(id, _)| *id));
            }
        }
        if self.sealers.proposer(round) == Some(author) {
            let proposals = slots.proposals.iter();
            left.extend(
                proposals
                    .filter(|(_, seal)| !self.is_in_quorum(round, Content::Proposal(**seal)))
                    .map(|(id, _)| *id),
            );
        }
        for id in left {
            if !self.exempt.contains(&id) {
                self.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{
        HEIGHT, id, node, precommit, precommits, prevote, prevotes, proposal, sealers,
    };
    use super::*;
    use crate::base::rejection::Rejection;
    use crate::statement::record::Verified;

    fn kept(votes: &Votes) -> Vec<RecordId> {
        votes.records().keys().copied().collect()
    }

    #[test]
    fn the_two_smallest_ids_of_a_slot_stay() {
        let of_slot: [fn(u8) -> Verified; 2] = [
            |name| prevote(1, 1, Some(name)),
            |name| proposal(1, None, 10 + name),
        ];
        for make in of_slot {
            let mut bodies: Vec<_> = (0..5).map(make).collect();
            bodies.sort_by_key(Verified::id);
            let expected: Vec<_> = bodies[..2].iter().map(Verified::id).collect();
            for turn in 0..bodies.len() {
                bodies.rotate_left(turn);
                let mut votes = Votes::new(HEIGHT, sealers());
                for body in &bodies {
                    if let Err(rejection) = votes.add(body.clone(), false) {
                        assert_eq!(rejection, Rejection::SlotFull(node(1)));
                    }
                }
                assert_eq!(kept(&votes), expected);
                for body in &bodies {
                    votes.add(body.clone(), true).unwrap();
                }
                assert_eq!(kept(&votes).len(), 5, "exempt records stay as well");
            }
        }
    }

    #[test]
    fn a_flood_of_rounds_keeps_the_lowest_and_the_highest() {
        let rounds = u32::try_from(VOTE_ROUNDS_MAX).unwrap();
        let mut votes = Votes::new(HEIGHT, sealers());
        for round in 0..3 * rounds {
            votes.add(prevote(0, round, Some(1)), false).unwrap();
            votes.add(precommit(0, round, None), false).unwrap();
        }
        assert_eq!(kept(&votes).len(), 2 * VOTE_ROUNDS_MAX);
        let window: Vec<u32> = votes.windows[&node(0)].iter().copied().collect();
        let expected: Vec<u32> = (0..4).chain(2 * rounds + 4..3 * rounds).collect();
        assert_eq!(window, expected);
        assert_eq!(
            votes.add(prevote(0, 5, Some(1)), false).unwrap_err().code(),
            "over-limit"
        );
        assert_eq!(
            votes.add(prevote(0, 5, Some(1)), true),
            Ok(true),
            "unless it is exempt"
        );
        assert_eq!(
            votes.add(prevote(1, 5, Some(1)), false),
            Ok(true),
            "others have their own"
        );
    }

    #[test]
    fn a_quorum_outlives_a_flood() {
        let mut votes = Votes::new(HEIGHT, sealers());
        let first = [
            vec![proposal(0, None, 1)],
            prevotes(0..3, 0, Some(1)),
            precommits(0..3, 0, Some(1)),
        ]
        .concat();
        for record in &first {
            votes.add(record.clone(), false).unwrap();
        }
        for round in 1..200 {
            for member in 0..3 {
                votes.add(prevote(member, round, None), false).unwrap();
            }
        }
        assert!(
            first
                .iter()
                .all(|record| votes.records().contains_key(&record.id()))
        );
        assert_eq!(votes.decisions().first(), Some(&(0, id(1))));
        assert_eq!(
            votes.add(precommit(3, 0, Some(1)), false),
            Ok(true),
            "late votes join it"
        );
    }

    #[test]
    fn the_proposal_of_a_quorum_is_never_too_many() {
        let mut bodies: Vec<_> = (1..=5)
            .map(|name| (proposal(0, None, name), name))
            .collect();
        bodies.sort_by_key(|(body, _)| body.id());
        let (last, name) = bodies.pop().unwrap();
        let mut votes = Votes::new(HEIGHT, sealers());
        for (body, _) in &bodies {
            let _ = votes.add(body.clone(), false);
        }
        assert_eq!(
            votes.add(last.clone(), false),
            Err(Rejection::SlotFull(node(0)))
        );
        for vote in prevotes(1..4, 0, Some(name)) {
            votes.add(vote, false).unwrap();
        }
        assert_eq!(votes.add(last, false), Ok(true));
        assert!(votes.seal(&id(name)).is_some());
    }
}
