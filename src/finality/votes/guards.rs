//! Who signed in a higher round counts in every lower one, for no value ([S8]). Else signatures in many rounds, a few in each,
//! could stop a height for ever: no round would have enough of them to be left.

use std::collections::BTreeSet;

use super::{Guard, Votes};
use crate::base::digest::NodeId;
use crate::statement::record::VoteKind;

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Votes {
    /// All authors of records that are or were kept.
    pub(in crate::finality) fn authors(&self) -> impl Iterator<Item = &NodeId> + Clone {
        self.windows.keys()
    }

    /// The authors that signed in a round above this one.
    fn above(&self, round: u32) -> impl Iterator<Item = &NodeId> {
        let higher = round
            .checked_add(1)
            .map(|first| self.by_highest.range(first..));
        higher
            .into_iter()
            .flatten()
            .flat_map(|(_, authors)| authors)
    }

    /// The authors above this round without a vote of this kind in it.
    fn beyond(&self, round: u32, kind: VoteKind) -> BTreeSet<NodeId> {
        let counts = self.counts(round, kind);
        let has_voted = |author: &NodeId| counts.is_some_and(|it| !it.of(author).is_empty());
        let above = self.above(round).filter(|author| !has_voted(author));
        above.copied().collect()
    }

    /// L55: the highest round above `round` such that more than a third of the sealers signed in it or in higher ones.
    pub(in crate::finality) fn crowded_above(&self, round: u32) -> Option<u32> {
        let mut count = 0;
        for (highest, authors) in self.by_highest.iter().rev() {
            if *highest <= round {
                return None;
            }
            count += authors.len();
            if self.sealers.is_over_third(count) {
                return Some(*highest);
            }
        }
        None
    }

    /// The guard of L34, L47 and L61 to L67: a quorum of any votes of a round.
    pub(in crate::finality) fn guard(&self, round: u32, kind: VoteKind) -> Guard {
        let voters = self
            .counts(round, kind)
            .map_or(0, super::super::counts::VoteCounts::voters);
        if self.sealers.is_quorum(voters) {
            return Guard::Met;
        }
        let beyond = self.beyond(round, kind);
        if !self.sealers.is_quorum(voters + beyond.len()) {
            return Guard::Open;
        }
        let end = u32::try_from(self.sealers.len()).unwrap_or(u32::MAX);
        let signed = |at: &u32| beyond.iter().any(|author| self.is_present(author, *at));
        let higher = self
            .rounds
            .range(round.saturating_add(1)..end.max(round + 1));
        let mut higher = higher.map(|(at, _)| *at);
        higher.find(signed).map_or(Guard::Open, Guard::Beyond)
    }

    /// Whether no seal can get its quorum in this slot from those who have not voted in it and signed in no higher round.
    pub(in crate::finality) fn is_in_vain(&self, round: u32, kind: VoteKind) -> bool {
        let voters = self
            .counts(round, kind)
            .map_or(0, super::super::counts::VoteCounts::voters);
        let gone = voters + self.beyond(round, kind).len();
        let rest = self.sealers.len() - gone;
        !self
            .sealers
            .is_quorum(self.most_for_a_seal(round, kind) + rest)
    }

    /// Notes that the author signed in this round. The highest round of an author is always in its window.
    pub(super) fn note_highest(&mut self, author: NodeId, before: Option<u32>, round: u32) {
        if before.is_some_and(|before| before >= round) {
            return;
        }
        if let Some(before) = before
            && let Some(authors) = self.by_highest.get_mut(&before)
        {
            authors.remove(&author);
            if authors.is_empty() {
                self.by_highest.remove(&before);
            }
        }
        self.by_highest.entry(round).or_default().insert(author);
    }
}
