//! The sealers of a height and the order in which they propose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::digest::NodeId;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The sealers of a height with their weights, in the order in which they propose ([S5]). Part of the ledger's state; the
/// wire form is the list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(NodeId, u64)>", into = "Vec<(NodeId, u64)>")]
pub struct Sealers {
    order: Vec<NodeId>,
    weights: BTreeMap<NodeId, u64>,
    total: u64,
}

impl Sealers {
    /// Takes sealers in the order in which they propose. Nodes without weight are left out; of a node that is listed
    /// twice the first entry counts. Weights are trust in parts per million; a sum beyond 2^64 - 1 is cut off.
    pub fn new(in_order: Vec<(NodeId, u64)>) -> Self {
        let mut sealers = Self::default();
        for (node, weight) in in_order {
            let weight = weight.min(u64::MAX - sealers.total);
            if weight == 0 || sealers.weights.contains_key(&node) {
                continue;
            }
            sealers.order.push(node);
            sealers.weights.insert(node, weight);
            sealers.total += weight;
        }
        sealers
    }

    /// The sum of the weights.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// A node's weight; 0 if it does not seal.
    pub fn weight(&self, node: &NodeId) -> u64 {
        self.weights.get(node).copied().unwrap_or(0)
    }

    /// The number of sealers.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The proposer of a round. In round 0 it is the first sealer, so that the Primary can seal urgent records at once.
    /// Later rounds take turns, starting at a position that changes with the height.
    pub fn proposer(&self, height: u64, round: u32) -> Option<NodeId> {
        let len = self.order.len() as u64;
        if len == 0 {
            return None;
        }
        let place = match round {
            0 => 0,
            _ => (height % len + u64::from(round) % len) % len,
        };
        let place = usize::try_from(place).expect("the place is below the length of a list");
        self.order.get(place).copied()
    }

    /// The nodes in the order of their keys.
    pub fn sorted(&self) -> Vec<NodeId> {
        self.weights.keys().copied().collect()
    }

    /// Nodes and weights in the order of proposers.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, u64)> + '_ {
        self.order.iter().map(|node| (*node, self.weight(node)))
    }
}

impl From<Vec<(NodeId, u64)>> for Sealers {
    fn from(in_order: Vec<(NodeId, u64)>) -> Self {
        Self::new(in_order)
    }
}

impl From<Sealers> for Vec<(NodeId, u64)> {
    fn from(sealers: Sealers) -> Self {
        sealers.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    #[test]
    fn only_weight_seals_and_the_first_entry_counts() {
        let sealers = Sealers::new(vec![(node(3), 5), (node(1), 0), (node(2), 7), (node(3), 9)]);
        assert_eq!(
            sealers.iter().collect::<Vec<_>>(),
            [(node(3), 5), (node(2), 7)]
        );
        assert_eq!((sealers.total(), sealers.len()), (12, 2));
        assert_eq!(sealers.weight(&node(1)), 0);
    }

    #[test]
    fn proposers_take_turns_after_round_zero() {
        let sealers = Sealers::new((1..=4).map(|byte| (node(byte), 1)).collect());
        for (desc, height, round, expected) in [
            ("round 0 is the first sealer's at any height", 1, 0, 1),
            ("round 0 is the first sealer's at any height", 6, 0, 1),
            ("height 1, round 1", 1, 1, 3),
            ("height 1, round 3 wraps", 1, 3, 1),
            ("the largest numbers do not overflow", u64::MAX, u32::MAX, 3),
        ] {
            assert_eq!(
                sealers.proposer(height, round),
                Some(node(expected)),
                "{desc}"
            );
        }
        assert_eq!(Sealers::default().proposer(1, 0), None);
    }

    #[test]
    fn the_wire_form_round_trips() {
        let sealers = Sealers::new(vec![(node(2), 3), (node(1), 4)]);
        let bytes = crate::base::codec::encode(&sealers);
        let read: Sealers = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
        assert_eq!(read, sealers);
    }
}
