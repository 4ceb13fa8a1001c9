//! Whether the nodes of a replay agree (P-agree, S-agree, S-order).

use std::collections::BTreeMap;

use super::host::Host;
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::{OperationId, SealId};
use mycnet_consensus::internals::operation::Outcome;

/// What one node holds to be final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Its seals, from height 1 on.
    seals: Vec<SealId>,
    /// Its whole state, encoded: not what the seal says about it, but what the node has.
    state: Vec<u8>,
    outcomes: BTreeMap<OperationId, Outcome>,
}

/// A disagreement between two nodes, which are honest: a fault of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nodes {} and {} hold different {what}", nodes.0, nodes.1)]
pub struct Disagreement {
    /// The two nodes.
    pub nodes: (usize, usize),
    /// What they disagree about.
    pub what: Difference,
}

/// What two nodes can disagree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// They applied different seals of one height.
    #[error("seals of height {0}")]
    Seal(u64),
    /// They are at the same height, with different states.
    #[error("states at height {0}")]
    State(u64),
    /// An operation has two final outcomes.
    #[error("final outcomes of operation {0:?}")]
    Outcome(OperationId),
}

impl View {
    pub(super) fn of(host: &Host, operations: impl Iterator<Item = OperationId>) -> Self {
        let ledger = host.core.ledger();
        let outcome = |id: OperationId| {
            let open = ledger.state().operation(&id);
            let decided = open.and_then(|open| open.decision());
            let decided = decided.map(|decision| &decision.outcome);
            let closed = ledger.past().closed(&id);
            let outcome = decided.or_else(|| closed?.outcome())?;
            Some((id, outcome.clone()))
        };
        Self {
            seals: host.disk.blocks_from(1).map(|b| b.seal.id()).collect(),
            state: codec::encode(&ledger.checkpoint()),
            outcomes: operations.filter_map(outcome).collect(),
        }
    }

    fn difference(&self, other: &Self) -> Option<Difference> {
        let seals = self.seals.iter().zip(&other.seals);
        let fork = (1..).zip(seals).find(|(_, (one, other))| one != other);
        let height = self.seals.len() as u64;
        let is_level = self.seals.len() == other.seals.len();
        let states = (is_level && self.state != other.state).then_some(Difference::State(height));
        let outcomes = self.outcomes.iter();
        let two = outcomes
            .filter_map(|(id, outcome)| Some((id, outcome, other.outcomes.get(id)?)))
            .find(|(_, one, other)| one != other);
        fork.map(|(height, _)| Difference::Seal(height))
            .or(states)
            .or(two.map(|(id, ..)| Difference::Outcome(*id)))
    }
}

/// Compares the views of all nodes with one another.
pub(super) fn check(views: &[View]) -> Result<(), Disagreement> {
    for (one, view) in views.iter().enumerate() {
        for (other, seen) in views.iter().enumerate().skip(one + 1) {
            if let Some(what) = view.difference(seen) {
                let nodes = (one, other);
                return Err(Disagreement { nodes, what });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycnet_consensus::Ballot;

    fn views() -> Vec<View> {
        let outcome = Outcome::Decided(Ballot::Approve);
        let view = View {
            seals: vec![SealId::from_bytes([1; 32]), SealId::from_bytes([2; 32])],
            state: vec![3],
            outcomes: [(OperationId::from_bytes([4; 32]), outcome)].into(),
        };
        // The last one is a height behind, and has no outcome yet.
        let behind = View {
            seals: view.seals[..1].to_vec(),
            state: vec![5],
            outcomes: BTreeMap::new(),
        };
        vec![view.clone(), view, behind]
    }

    #[test]
    fn who_is_behind_does_not_disagree() {
        assert_eq!(check(&views()), Ok(()));
    }

    #[test]
    fn every_difference_is_found() {
        type Change = fn(&mut View);
        let cases: [(Change, Difference); 3] = [
            (
                |view| view.seals[1] = SealId::from_bytes([9; 32]),
                Difference::Seal(2),
            ),
            (|view| view.state = vec![9], Difference::State(2)),
            (
                |view| {
                    let outcomes = view.outcomes.values_mut();
                    outcomes.for_each(|outcome| *outcome = Outcome::NoQuorum);
                },
                Difference::Outcome(OperationId::from_bytes([4; 32])),
            ),
        ];
        for (change, what) in cases {
            let mut views = views();
            change(&mut views[1]);
            let nodes = (0, 1);
            assert_eq!(check(&views), Err(Disagreement { nodes, what }));
        }
    }

    #[test]
    fn a_message_names_the_nodes() {
        let mut views = views();
        views[2].seals[0] = SealId::from_bytes([9; 32]);
        let error = check(&views).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nodes 0 and 2 hold different seals of height 1"
        );
    }
}
