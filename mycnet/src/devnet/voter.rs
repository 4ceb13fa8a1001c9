//! How the nodes of a devnet vote: by themselves, as soon as they hear of something. Claims here ask for products, so that
//! every node can find the answer on its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::{Notice, OperationFilter};
use mycnet_consensus::{BFTConsensusEngine, Ballot, Class, ConsensusOperation, OperationId};

/// What a claim that asks for a product says.
pub(super) fn claim(left: u64, right: u64) -> ConsensusOperation {
    ConsensusOperation::Claim {
        subject: format!("{left} * {right}"),
        input: Vec::new(),
        panel: None,
    }
}

/// The right answer to a claim, if it is one that nodes here can answer.
pub(super) fn answer(subject: &str) -> Option<u64> {
    let (left, right) = subject.split_once(" * ")?;
    left.parse::<u64>().ok()?.checked_mul(right.parse().ok()?)
}

/// Someone who votes for a node.
pub(super) struct Voter {
    pub(super) engine: BFTConsensusEngine,
    /// Whether it answers claims wrongly.
    pub(super) lies: Arc<AtomicBool>,
    /// What needs no further thought.
    done: BTreeSet<OperationId>,
}

impl Voter {
    pub(super) fn new(engine: BFTConsensusEngine, lies: Arc<AtomicBool>) -> Self {
        Self {
            engine,
            lies,
            done: BTreeSet::new(),
        }
    }

    /// Votes until the node is gone.
    pub(super) async fn run(mut self) {
        let mut subscription = self.engine.subscribe();
        self.look_around().await;
        while let Some(notice) = subscription.next().await {
            match notice {
                Notice::Event(Event::Proposed { operation }) => self.consider(operation).await,
                Notice::Event(Event::Sealed { applied, .. }) => {
                    for operation in &applied.opened {
                        self.consider(*operation).await;
                    }
                    for operation in &applied.closed {
                        self.done.remove(&operation.id());
                    }
                }
                Notice::Event(_) => {}
                Notice::Lagged(_) => self.look_around().await,
            }
        }
    }

    /// Votes on whatever is open.
    async fn look_around(&mut self) {
        let filter = OperationFilter {
            is_open: Some(true),
            ..OperationFilter::default()
        };
        // A node whose disk fails says so itself.
        let open = self.engine.operations(&filter).unwrap_or_default();
        let mut all: Vec<_> = open.iter().map(|view| view.operation).collect();
        all.extend(self.engine.unsealed_proposals());
        for operation in all {
            self.consider(operation).await;
        }
    }

    async fn consider(&mut self, operation: OperationId) {
        if self.done.contains(&operation) {
            return;
        }
        let Ok(Some(proposal)) = self.engine.proposal(&operation) else {
            return;
        };
        // The proposer's ballot went with its proposal.
        let is_own = proposal.proposer == self.engine.node_id();
        let ballot = self.ballot(&proposal.what).filter(|_| !is_own);
        let is_done = match ballot {
            // Refused it may be because it came too late, or because this node is no member yet.
            Some(ballot) => self.engine.vote(operation, ballot).await.is_ok(),
            None => true,
        };
        if is_done {
            self.done.insert(operation);
        }
    }

    fn ballot(&self, what: &ConsensusOperation) -> Option<Ballot> {
        match (what.class(), what) {
            (Class::Critical, _) => Some(Ballot::Approve),
            (_, ConsensusOperation::Claim { subject, .. }) => {
                let wrong = u64::from(self.lies.load(Ordering::SeqCst));
                let result = answer(subject)?.wrapping_add(wrong);
                Some(Ballot::Result(result.to_string().into_bytes()))
            }
            // Standard operations are the Primary's and the Seeds'.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_answered_and_nothing_else() {
        let ConsensusOperation::Claim { subject, .. } = claim(6, 7) else {
            panic!("a claim");
        };
        assert_eq!(answer(&subject), Some(42));
        for other in ["", "6*7", "6 * x", "18446744073709551615 * 2", "6 * 7 * 8"] {
            assert_eq!(answer(other), None, "{other}");
        }
    }
}
