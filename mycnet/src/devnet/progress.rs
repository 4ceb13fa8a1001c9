//! The state of all nodes together, as far as their events tell it.

use std::collections::BTreeMap;
use std::time::Instant;

use mycnet_consensus::{Digest, OperationId, Outcome};

use super::events::{NodeEvent, Received};

/// The progress of an operation at each node.
#[derive(Debug, Default)]
pub(super) struct OperationProgress {
    /// When a node's reveals decided it.
    tallied: BTreeMap<usize, Instant>,
    /// When a node had the seal that decides it, and the outcome there.
    decided: BTreeMap<usize, (Instant, Outcome)>,
}

impl OperationProgress {
    /// When a node first knew the outcome, final or not.
    pub(super) fn tallied_at(&self, node: usize) -> Option<Instant> {
        let tallied = self.tallied.get(&node).copied();
        tallied.into_iter().chain(self.decided_at(node)).min()
    }

    /// When a node had the final outcome.
    pub(super) fn decided_at(&self, node: usize) -> Option<Instant> {
        self.decided.get(&node).map(|(at, _)| *at)
    }

    /// The outcome, if all nodes that know one agree.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        let mut outcomes = self.decided.values().map(|(_, outcome)| outcome);
        let first = outcomes.next()?;
        outcomes.all(|other| other == first).then_some(first)
    }
}

/// A node's height, and the digest of its state.
pub(super) type Position = (u64, Digest);

/// All nodes, by number.
#[derive(Debug, Default)]
pub(super) struct Progress {
    positions: BTreeMap<usize, Position>,
    operations: BTreeMap<OperationId, OperationProgress>,
}

impl Progress {
    pub(super) fn note(&mut self, received: &Received) {
        let (node, at) = (received.node, received.at);
        match &received.event {
            NodeEvent::Ready { .. } => {}
            NodeEvent::Position {
                height,
                state_digest,
                decided,
            } => {
                self.positions.insert(node, (*height, *state_digest));
                for (operation, outcome) in decided {
                    let progress = self.operations.entry(*operation).or_default();
                    let known = progress.decided.entry(node);
                    known.or_insert_with(|| (at, outcome.clone()));
                }
            }
            NodeEvent::Tallied { operation } => {
                let progress = self.operations.entry(*operation).or_default();
                progress.tallied.entry(node).or_insert(at);
            }
        }
    }

    /// Forgets the position of a node that was killed.
    pub(super) fn forget(&mut self, node: usize) {
        self.positions.remove(&node);
    }

    pub(super) fn position(&self, node: usize) -> Option<Position> {
        self.positions.get(&node).copied()
    }

    pub(super) fn operation(&self, operation: &OperationId) -> Option<&OperationProgress> {
        self.operations.get(operation)
    }

    /// Whether all these nodes have the final outcome of an operation.
    pub(super) fn is_final(&self, operation: &OperationId, nodes: &[usize]) -> bool {
        let progress = self.operations.get(operation);
        progress.is_some_and(|known| nodes.iter().all(|node| known.decided.contains_key(node)))
    }

    /// The position of all these nodes, if it is the same.
    pub(super) fn common(&self, nodes: &[usize]) -> Option<Position> {
        let first = self.position(*nodes.first()?)?;
        let is_common = nodes.iter().all(|node| self.position(*node) == Some(first));
        is_common.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use mycnet_consensus::Ballot;

    use super::super::events::now;
    use super::*;

    fn at(node: usize, height: u64, operation: OperationId, outcome: &Outcome) -> Received {
        let event = NodeEvent::Position {
            height,
            state_digest: Digest::from_bytes([u8::try_from(height).unwrap(); 32]),
            decided: vec![(operation, outcome.clone())],
        };
        let at = now();
        Received { node, at, event }
    }

    #[test]
    fn nodes_agree_or_they_do_not() {
        let mut progress = Progress::default();
        let id = OperationId::from_bytes([9; 32]);
        let approved = Outcome::Decided(Ballot::Approve);
        progress.note(&at(0, 1, id, &approved));
        assert_eq!(progress.common(&[0, 1]), None);
        assert!(!progress.is_final(&id, &[0, 1]));
        progress.note(&at(1, 1, id, &approved));
        assert_eq!(progress.common(&[0, 1]).map(|(height, _)| height), Some(1));
        assert!(progress.is_final(&id, &[0, 1]));
        let known = progress.operation(&id).unwrap();
        assert_eq!(known.outcome(), Some(&approved));
        assert!(
            known.tallied_at(0) <= known.decided_at(0),
            "final is tallied too"
        );
        progress.note(&at(1, 2, id, &Outcome::NoQuorum));
        assert_eq!(progress.common(&[0, 1]), None);
        let known = progress.operation(&id).unwrap();
        assert_eq!(known.outcome(), Some(&approved), "the first outcome counts");
        progress.note(&at(2, 2, id, &Outcome::NoQuorum));
        assert_eq!(progress.operation(&id).unwrap().outcome(), None);
        progress.forget(1);
        assert_eq!(progress.position(1), None);
    }
}
