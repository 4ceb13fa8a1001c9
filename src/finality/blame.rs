//! Finds the nodes that broke the rules of the agreement on a seal ([H5], S-blame).

use std::collections::{BTreeMap, BTreeSet};

use super::counts::VoteCounts;
use crate::base::digest::{NodeId, RecordId, SealId};
use crate::members::sealers::Sealers;
use crate::statement::record::{Slot, Statement, Verified, VoteKind};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The violations that a set of records of one height proves.
///
/// After a fork, the records of both sides convict more than a third of the sealers. A fork in one round needs two
/// quorums of precommits in it, and the nodes in both signed twice. In a fork across rounds, let *v* be the seal of the lower
/// round *r*, and *s* the first later round with a proof of lock for another seal. A node that precommitted *v* in *r* and
/// prevoted the other in *s* signed twice or forgot its lock. If there is no such round, the later quorum precommitted a seal
/// that no quorum had prevoted.
///
/// Two records prove double signing for good. The other two violations rest on the absence of votes that would excuse
/// them. So collect all votes that can be had before you report them, and never punish them. An honest node keeps the
/// proofs of lock that excuse it: ask the accused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blame {
    /// Authors with two bodies in one slot, with the two smallest ids in the first such slot.
    pub double_signers: BTreeMap<NodeId, (RecordId, RecordId)>,
    /// Authors that precommitted a seal and in a later round prevoted another, without a proof of lock for it in between.
    pub amnesiacs: BTreeSet<NodeId>,
    /// Authors that precommitted a seal that no quorum prevoted in that round.
    pub unfounded: BTreeSet<NodeId>,
}

impl Blame {
    /// All accused nodes.
    pub fn culprits(&self) -> BTreeSet<NodeId> {
        let signers = self.double_signers.keys();
        signers
            .chain(&self.amnesiacs)
            .chain(&self.unfounded)
            .copied()
            .collect()
    }

    /// The number of accused sealers.
    pub fn votes(&self, sealers: &Sealers) -> usize {
        let culprits = self.culprits();
        culprits
            .iter()
            .filter(|node| sealers.contains(node))
            .count()
    }
}

/// All votes of one height. Unlike in an agreement, none is left out.
#[derive(Default)]
struct Votes {
    slots: BTreeMap<(NodeId, Slot), BTreeSet<RecordId>>,
    counts: BTreeMap<(u32, VoteKind), VoteCounts>,
    /// Proofs of lock: per seal the rounds in which a quorum prevoted it.
    proofs: BTreeMap<SealId, BTreeSet<u32>>,
}

/// Examines the records of one height and ignores others, and those of nodes that do not seal there. A function of the set of
/// records: order and repetition do not matter.
pub fn blame<'a>(
    height: u64,
    sealers: &Sealers,
    records: impl IntoIterator<Item = &'a Verified>,
) -> Blame {
    let votes = Votes::collect(height, sealers, records);
    let mut found = Blame::default();
    for ((author, _), bodies) in &votes.slots {
        let mut bodies = bodies.iter();
        if let (Some(first), Some(second)) = (bodies.next(), bodies.next()) {
            found
                .double_signers
                .entry(*author)
                .or_insert((*first, *second));
        }
    }
    for (author, round, seal) in votes.of_kind(VoteKind::Precommit) {
        if !votes.is_proven(seal, round, round + 1) {
            found.unfounded.insert(author);
        }
        if votes.forgets(author, round, seal) {
            found.amnesiacs.insert(author);
        }
    }
    found
}

impl Votes {
    fn collect<'a>(
        height: u64,
        sealers: &Sealers,
        records: impl IntoIterator<Item = &'a Verified>,
    ) -> Self {
        let mut votes = Self::default();
        for record in records {
            let author = record.author();
            let Some(slot) = record
                .statement()
                .slot()
                .filter(|slot| slot.height() == Some(height))
            else {
                continue;
            };
            if !sealers.contains(&author)
                || !votes
                    .slots
                    .entry((author, slot))
                    .or_default()
                    .insert(record.id())
            {
                continue;
            }
            if let Statement::SealVote {
                round, kind, seal, ..
            } = record.statement()
            {
                let counts = votes.counts.entry((*round, *kind)).or_default();
                counts.insert(author, (record.id(), *seal));
            }
        }
        votes.note_proofs(sealers);
        votes
    }

    fn note_proofs(&mut self, sealers: &Sealers) {
        let prevotes: BTreeSet<_> = self
            .of_kind(VoteKind::Prevote)
            .map(|(_, round, seal)| (round, seal))
            .collect();
        for (round, seal) in prevotes {
            let counts = &self.counts[&(round, VoteKind::Prevote)];
            if sealers.is_quorum(counts.votes_for(Some(seal))) {
                self.proofs.entry(seal).or_default().insert(round);
            }
        }
    }

    /// Every vote of this kind for a seal.
    fn of_kind(&self, kind: VoteKind) -> impl Iterator<Item = (NodeId, u32, SealId)> + '_ {
        let counts = self.counts.iter().filter(move |((_, of), _)| *of == kind);
        counts.flat_map(|((round, _), counts)| {
            counts.iter().flat_map(|(author, bodies)| {
                bodies
                    .iter()
                    .filter_map(|(_, seal)| Some((*author, *round, (*seal)?)))
            })
        })
    }

    /// Whether a quorum prevoted the seal in a round of `from..to`.
    fn is_proven(&self, seal: SealId, from: u32, to: u32) -> bool {
        let rounds = self.proofs.get(&seal);
        rounds.is_some_and(|rounds| rounds.range(from..to).next().is_some())
    }

    /// Whether the author, locked on `seal` since `round`, later prevoted another seal without a proof of lock for it from any
    /// round between (L29).
    fn forgets(&self, author: NodeId, round: u32, seal: SealId) -> bool {
        let later = self.counts.range((round + 1, VoteKind::Prevote)..);
        later
            .filter(|((_, kind), _)| *kind == VoteKind::Prevote)
            .flat_map(|((at, _), counts)| counts.of(&author).iter().map(|(_, value)| (*at, *value)))
            .filter_map(|(at, value)| Some((at, value?)))
            .any(|(at, value)| value != seal && !self.is_proven(value, round, at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{
        HEIGHT, node, precommit, precommits, prevote, prevotes, proposal, sealers,
    };
    use super::*;

    const A: Option<u8> = Some(1);
    const B: Option<u8> = Some(2);

    /// The members accused of double signing, amnesia, and precommits without proof.
    fn blamed(votes: &[Vec<Verified>]) -> [Vec<usize>; 3] {
        let blame = blame(HEIGHT, &sealers(), votes.iter().flatten());
        let members =
            |names: &dyn Fn(&NodeId) -> bool| (0..4).filter(|m| names(&node(*m))).collect();
        [
            members(&|node| blame.double_signers.contains_key(node)),
            members(&|node| blame.amnesiacs.contains(node)),
            members(&|node| blame.unfounded.contains(node)),
        ]
    }

    #[test]
    fn s_blame_names_what_was_broken() {
        let lock = || [prevotes(0..3, 0, A), precommits(0..3, 0, A)].concat();
        for (desc, votes, expected) in [
            ("nobody", vec![lock()], [vec![], vec![], vec![]]),
            (
                "two proposals",
                vec![vec![proposal(1, None, 11), proposal(1, None, 12)]],
                [vec![1], vec![], vec![]],
            ),
            (
                "a prevote and a precommit are two slots",
                vec![lock(), vec![prevote(3, 0, None), precommit(3, 0, A)]],
                [vec![], vec![], vec![]],
            ),
            (
                "a forgotten lock",
                vec![lock(), prevotes([2, 3], 1, B)],
                [vec![], vec![2], vec![]],
            ),
            (
                "nil forgets nothing",
                vec![lock(), prevotes(0..3, 1, None)],
                [vec![], vec![], vec![]],
            ),
            (
                "nor does the same seal",
                vec![lock(), prevotes(0..3, 1, A)],
                [vec![], vec![], vec![]],
            ),
            (
                "a proof of lock in between excuses",
                vec![lock(), prevotes([1, 2, 3], 1, B), prevotes([0], 2, B)],
                [vec![], vec![1, 2], vec![]],
            ),
            (
                "one before the lock does not",
                vec![
                    prevotes(0..3, 0, B),
                    prevotes(0..3, 1, A),
                    precommits([0], 1, A),
                    prevotes([0], 2, B),
                ],
                [vec![], vec![0], vec![]],
            ),
            (
                "a precommit out of nothing",
                vec![lock(), precommits([3], 1, B)],
                [vec![], vec![], vec![3]],
            ),
            (
                "a fork in one round",
                vec![lock(), prevotes(1..4, 0, B), precommits(1..4, 0, B)],
                [vec![1, 2], vec![], vec![]],
            ),
        ] {
            assert_eq!(blamed(&votes), expected, "{desc}");
        }
    }

    #[test]
    fn a_fork_across_rounds_names_over_a_third() {
        let votes = [
            prevotes(0..3, 0, A),
            precommits(0..3, 0, A),
            prevotes(1..4, 3, B),
            precommits(1..4, 3, B),
        ];
        let blame = blame(HEIGHT, &sealers(), votes.iter().flatten());
        assert_eq!(blame.culprits(), BTreeSet::from([node(1), node(2)]));
        assert_eq!(blame.votes(&sealers()), 2);
        let other_height = super::blame(HEIGHT + 1, &sealers(), votes.iter().flatten());
        assert_eq!(other_height, Blame::default());
    }
}
