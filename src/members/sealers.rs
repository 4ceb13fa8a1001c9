//! The sealers of a height, one vote each ([S4]), and the order in which they propose ([S5]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::digest::NodeId;
use crate::statement::seal::{is_over_third, is_quorum};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The sealers of a height in the order in which they propose: the ledger's queue ([S5]). The wire form is the list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<NodeId>", into = "Vec<NodeId>")]
pub struct Sealers {
    queue: Vec<NodeId>,
    places: BTreeMap<NodeId, u32>,
}

impl Sealers {
    /// Takes sealers in the order in which they propose. A node that is listed twice has its first place.
    pub fn new(in_order: Vec<NodeId>) -> Self {
        let mut sealers = Self::default();
        for node in in_order {
            let place = u32::try_from(sealers.queue.len()).expect("a roster is bounded");
            if let std::collections::btree_map::Entry::Vacant(free) = sealers.places.entry(node) {
                free.insert(place);
                sealers.queue.push(node);
            }
        }
        sealers
    }

    /// The number of sealers, and so of votes.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether this node seals.
    pub fn contains(&self, node: &NodeId) -> bool {
        self.places.contains_key(node)
    }

    /// The node's place in the queue, from 0: the first round that it proposes ([S5]).
    pub fn place(&self, node: &NodeId) -> Option<u32> {
        self.places.get(node).copied()
    }

    /// The proposer of a round of the next height: `queue[round mod len]` ([S5]).
    pub fn proposer(&self, round: u32) -> Option<NodeId> {
        let place = (round as usize).checked_rem(self.queue.len())?;
        self.queue.get(place).copied()
    }

    /// The sealers in the order in which they propose.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.queue.iter().copied()
    }

    /// The sealers in the order of their keys.
    pub fn sorted(&self) -> Vec<NodeId> {
        self.places.keys().copied().collect()
    }

    /// Whether this many sealers are a quorum: more than two thirds.
    pub fn is_quorum(&self, count: usize) -> bool {
        is_quorum(count as u64, self.len() as u64)
    }

    /// The least number of sealers that is a quorum.
    pub fn quorum(&self) -> usize {
        let mut counts = 0..=self.len();
        counts.find(|count| self.is_quorum(*count)).unwrap_or(0)
    }

    /// Whether this many sealers are more than a third: at least one of them is honest.
    pub fn is_over_third(&self, count: usize) -> bool {
        is_over_third(count as u64, self.len() as u64)
    }
}

impl From<Vec<NodeId>> for Sealers {
    fn from(in_order: Vec<NodeId>) -> Self {
        Self::new(in_order)
    }
}

impl From<Sealers> for Vec<NodeId> {
    fn from(sealers: Sealers) -> Self {
        sealers.queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    #[test]
    fn everybody_has_one_vote_and_one_place() {
        let sealers = Sealers::new(vec![node(3), node(1), node(3), node(2)]);
        assert!(sealers.iter().eq([node(3), node(1), node(2)]));
        assert_eq!(sealers.len(), 3);
        let places = [3, 1, 2, 4].map(|byte| sealers.place(&node(byte)));
        assert_eq!(places, [Some(0), Some(1), Some(2), None]);
        assert!(sealers.contains(&node(2)) && !sealers.contains(&node(4)));
        let quorums = [0, 2, 3].map(|count| sealers.is_quorum(count));
        assert_eq!(quorums, [false, false, true], "two thirds are not a quorum");
        assert_eq!(sealers.quorum(), 3);
        let thirds = [0, 1, 2].map(|count| sealers.is_over_third(count));
        assert_eq!(thirds, [false, false, true]);
    }

    #[test]
    fn proposers_follow_the_queue() {
        let sealers = Sealers::new((1..=4).map(node).collect());
        for (round, expected) in [(0, 1), (3, 4), (4, 1), (9, 2), (u32::MAX, 4)] {
            assert_eq!(sealers.proposer(round), Some(node(expected)), "{round}");
        }
        assert_eq!(Sealers::default().proposer(0), None);
    }

    #[test]
    fn the_wire_form_round_trips() {
        let sealers = Sealers::new(vec![node(2), node(1)]);
        let bytes = crate::base::codec::encode(&sealers);
        let read: Sealers = crate::base::codec::decode(&bytes, bytes.len()).unwrap();
        assert_eq!(read, sealers);
    }
}
