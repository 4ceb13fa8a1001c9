//! The weights of the votes of one kind in one round.

use std::collections::BTreeMap;

use crate::base::digest::{NodeId, RecordId, SealId};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A vote's body: its record and its value, `None` for nil. Two bodies of one slot can differ only in their value.
pub(super) type VoteBody = (RecordId, Option<SealId>);

/// Weights per value ([S1]). The cost of a change is logarithmic in the number of authors.
#[derive(Debug, Clone, Default)]
pub(super) struct VoteWeights {
    /// Per author the bodies held, by id; never empty.
    bodies: BTreeMap<NodeId, Vec<VoteBody>>,
    /// The weight of all authors.
    any: u64,
    /// The weight of authors with two bodies or more, which count for every value.
    double: u64,
    /// The weight of authors with one body, by its value.
    single: BTreeMap<Option<SealId>, u64>,
}

impl VoteWeights {
    /// The weight that counts for a value. An insertion never lowers it.
    pub(super) fn weight_for(&self, value: Option<SealId>) -> u64 {
        self.double + self.single.get(&value).copied().unwrap_or(0)
    }

    /// The weight of all voters, whatever their values.
    pub(super) fn weight_of_any(&self) -> u64 {
        self.any
    }

    /// The largest weight that counts for a seal.
    pub(super) fn most_for_a_seal(&self) -> u64 {
        let seals = self.single.iter().filter(|(value, _)| value.is_some());
        self.double + seals.map(|(_, weight)| *weight).max().unwrap_or(0)
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
    pub(super) fn insert(&mut self, author: NodeId, weight: u64, body: VoteBody) {
        self.change(author, weight, |bodies| {
            if let Err(place) = bodies.binary_search(&body) {
                bodies.insert(place, body);
            }
        });
    }

    /// Forgets a body.
    pub(super) fn remove(&mut self, author: NodeId, weight: u64, id: RecordId) {
        self.change(author, weight, |bodies| {
            bodies.retain(|(held, _)| *held != id);
        });
    }

    /// Takes out the author's weight, changes its bodies, and adds the weight where it belongs now.
    fn change(&mut self, author: NodeId, weight: u64, change: impl FnOnce(&mut Vec<VoteBody>)) {
        let mut bodies = self.bodies.remove(&author).unwrap_or_default();
        match bodies.as_slice() {
            [] => {}
            [(_, value)] => {
                self.any -= weight;
                let single = self.single.entry(*value).or_default();
                *single -= weight;
                if *single == 0 {
                    self.single.remove(value);
                }
            }
            _ => {
                self.any -= weight;
                self.double -= weight;
            }
        }
        change(&mut bodies);
        match bodies.as_slice() {
            [] => return,
            [(_, value)] => {
                self.any += weight;
                *self.single.entry(*value).or_default() += weight;
            }
            _ => {
                self.any += weight;
                self.double += weight;
            }
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
    fn weights_follow_the_bodies() {
        let id = |byte| RecordId::from_bytes([byte; 32]);
        let mut weights = VoteWeights::default();
        weights.insert(node(1), 2, (id(1), Some(seal(1))));
        weights.insert(node(2), 3, (id(2), None));
        let each = |weights: &VoteWeights| {
            [Some(seal(1)), Some(seal(2)), None].map(|value| weights.weight_for(value))
        };
        assert_eq!(each(&weights), [2, 0, 3]);
        weights.insert(node(1), 2, (id(3), Some(seal(2))));
        assert_eq!(
            each(&weights),
            [2, 2, 5],
            "an equivocator counts for every value, nil included"
        );
        assert_eq!(weights.weight_of_any(), 5, "but once among all");
        assert_eq!(weights.most_for_a_seal(), 2);
        weights.insert(node(1), 2, (id(4), None));
        assert_eq!(each(&weights), [2, 2, 5], "a third body changes nothing");
        for byte in [1, 4] {
            weights.remove(node(1), 2, id(byte));
        }
        assert_eq!(each(&weights), [0, 2, 3]);
        weights.remove(node(1), 2, id(3));
        weights.remove(node(2), 3, id(2));
        assert_eq!((weights.weight_of_any(), weights.iter().count()), (0, 0));
    }
}
