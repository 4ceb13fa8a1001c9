//! The votes of one kind in one round, counted.

use std::collections::BTreeMap;

use crate::base::digest::{NodeId, RecordId, SealId};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A vote's body: its record and its value, `None` for nil. Two bodies of one slot can differ only in their value.
pub(super) type VoteBody = (RecordId, Option<SealId>);

/// Voters per value ([S1]). The cost of a change is logarithmic in the number of authors.
#[derive(Debug, Clone, Default)]
pub(super) struct VoteCounts {
    /// Per author the bodies held, by id; never empty.
    bodies: BTreeMap<NodeId, Vec<VoteBody>>,
    /// Authors with two bodies or more, which count for every value.
    double: usize,
    /// Authors with one body, by its value.
    single: BTreeMap<Option<SealId>, usize>,
}

impl VoteCounts {
    /// How many count for a value. An insertion never lowers it.
    pub(super) fn votes_for(&self, value: Option<SealId>) -> usize {
        self.double + self.single.get(&value).copied().unwrap_or(0)
    }

    /// The number of voters, whatever their values.
    pub(super) fn voters(&self) -> usize {
        self.bodies.len()
    }

    /// The most that count for one seal.
    pub(super) fn most_for_a_seal(&self) -> usize {
        let seals = self.single.iter().filter(|(value, _)| value.is_some());
        self.double + seals.map(|(_, count)| *count).max().unwrap_or(0)
    }

    /// The author's bodies, by id.
    pub(super) fn of(&self, author: &NodeId) -> &[VoteBody] {
        self.bodies.get(author).map_or(&[], Vec::as_slice)
    }

    /// All authors with their bodies.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &[VoteBody])> {
        self.bodies
            .iter()
            .map(|(author, bodies)| (author, bodies.as_slice()))
    }

    /// Counts a body that was not counted yet.
    pub(super) fn insert(&mut self, author: NodeId, body: VoteBody) {
        self.change(author, |bodies| {
            if let Err(place) = bodies.binary_search(&body) {
                bodies.insert(place, body);
            }
        });
    }

    /// Forgets a body.
    pub(super) fn remove(&mut self, author: NodeId, id: RecordId) {
        self.change(author, |bodies| bodies.retain(|(held, _)| *held != id));
    }

    /// Takes the author out of the counts, changes its bodies, and counts it where it belongs now.
    fn change(&mut self, author: NodeId, change: impl FnOnce(&mut Vec<VoteBody>)) {
        let mut bodies = self.bodies.remove(&author).unwrap_or_default();
        match bodies.as_slice() {
            [] => {}
            [(_, value)] => {
                let single = self.single.entry(*value).or_default();
                *single -= 1;
                if *single == 0 {
                    self.single.remove(value);
                }
            }
            _ => self.double -= 1,
        }
        change(&mut bodies);
        match bodies.as_slice() {
            [] => return,
            [(_, value)] => *self.single.entry(*value).or_default() += 1,
            _ => self.double += 1,
        }
        self.bodies.insert(author, bodies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    fn seal(byte: u8) -> SealId {
        SealId::from_bytes([byte; 32])
    }

    #[test]
    fn counts_follow_the_bodies() {
        let id = |byte| RecordId::from_bytes([byte; 32]);
        let mut counts = VoteCounts::default();
        counts.insert(node(1), (id(1), Some(seal(1))));
        counts.insert(node(2), (id(2), None));
        let each = |counts: &VoteCounts| {
            [Some(seal(1)), Some(seal(2)), None].map(|value| counts.votes_for(value))
        };
        assert_eq!(each(&counts), [1, 0, 1]);
        counts.insert(node(1), (id(3), Some(seal(2))));
        assert_eq!(
            each(&counts),
            [1, 1, 2],
            "an equivocator counts for every value, nil included"
        );
        assert_eq!(counts.voters(), 2, "but once among all");
        assert_eq!(counts.most_for_a_seal(), 1);
        counts.insert(node(1), (id(4), None));
        assert_eq!(each(&counts), [1, 1, 2], "a third body changes nothing");
        for byte in [1, 4] {
            counts.remove(node(1), id(byte));
        }
        assert_eq!(each(&counts), [0, 1, 1]);
        counts.remove(node(1), id(3));
        counts.remove(node(2), id(2));
        assert_eq!((counts.voters(), counts.iter().count()), (0, 0));
    }
}
