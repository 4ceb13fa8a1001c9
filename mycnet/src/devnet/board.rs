//! What is known of all nodes together, from their news.

use std::collections::BTreeMap;
use std::time::Instant;

use mycnet_consensus::{Digest, OperationId, Outcome};

use super::news::{Happening, News};

/// How an operation went, by node.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// When a node's reveals decided it.
    tallied: BTreeMap<usize, Instant>,
    /// When a node had the seal that decides it, and the outcome there.
    decided: BTreeMap<usize, (Instant, Outcome)>,
}

impl Course {
    /// When a node first knew the outcome, final or not.
    pub(super) fn tallied_at(&self, node: usize) -> Option<Instant> {
        let tallied = self.tallied.get(&node).copied();
        tallied.into_iter().chain(self.decided_at(node)).min()
    }

    /// When a node had the outcome for good.
    pub(super) fn decided_at(&self, node: usize) -> Option<Instant> {
        self.decided.get(&node).map(|(at, _)| *at)
    }

    /// The outcome, if nodes agree on one.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        let mut outcomes = self.decided.values().map(|(_, outcome)| outcome);
        let first = outcomes.next()?;
        outcomes.all(|other| other == first).then_some(first)
    }
}

/// Where a node stands: its height, and the digest of its state.
pub(super) type Stand = (u64, Digest);

/// All nodes, by number.
#[derive(Debug, Default)]
pub(super) struct Board {
    stands: BTreeMap<usize, Stand>,
    courses: BTreeMap<OperationId, Course>,
}

impl Board {
    /// Takes up what a node told.
    pub(super) fn note(&mut self, news: &News) {
        let node = news.node;
        match &news.what {
            Happening::Ready { .. } => {}
            Happening::Stands {
                height,
                state_digest,
                decided,
            } => {
                self.stands.insert(node, (*height, *state_digest));
                for (operation, outcome) in decided {
                    let course = self.courses.entry(*operation).or_default();
                    let known = course.decided.entry(node);
                    known.or_insert_with(|| (news.at, outcome.clone()));
                }
            }
            Happening::Tallied { operation } => {
                let course = self.courses.entry(*operation).or_default();
                course.tallied.entry(node).or_insert(news.at);
            }
        }
    }

    /// A node is no more: what it told of where it stands says nothing now.
    pub(super) fn gone(&mut self, node: usize) {
        self.stands.remove(&node);
    }

    /// Where a node stands.
    pub(super) fn stand(&self, node: usize) -> Option<Stand> {
        self.stands.get(&node).copied()
    }

    /// How an operation went so far.
    pub(super) fn course(&self, operation: &OperationId) -> Option<&Course> {
        self.courses.get(operation)
    }

    /// Whether all these nodes have the outcome of an operation.
    pub(super) fn is_final(&self, operation: &OperationId, nodes: &[usize]) -> bool {
        let course = self.courses.get(operation);
        course.is_some_and(|course| nodes.iter().all(|node| course.decided.contains_key(node)))
    }

    /// Where all these nodes stand, if that is the same.
    pub(super) fn common(&self, nodes: &[usize]) -> Option<Stand> {
        let first = self.stand(*nodes.first()?)?;
        let is_common = nodes.iter().all(|node| self.stand(*node) == Some(first));
        is_common.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use mycnet_consensus::Ballot;

    use super::super::news::now;
    use super::*;

    fn stands(node: usize, height: u64, decided: &[(OperationId, Outcome)]) -> News {
        let what = Happening::Stands {
            height,
            state_digest: Digest::from_bytes([u8::try_from(height).unwrap(); 32]),
            decided: decided.to_vec(),
        };
        let at = now();
        News { node, at, what }
    }

    #[test]
    fn nodes_agree_or_they_do_not() {
        let mut board = Board::default();
        let operation = OperationId::from_bytes([9; 32]);
        let approved = (operation, Outcome::Decided(Ballot::Approve));
        board.note(&stands(0, 1, std::slice::from_ref(&approved)));
        assert_eq!(board.common(&[0, 1]), None);
        assert!(!board.is_final(&operation, &[0, 1]));
        board.note(&stands(1, 1, std::slice::from_ref(&approved)));
        assert_eq!(board.common(&[0, 1]).map(|(height, _)| height), Some(1));
        assert!(board.is_final(&operation, &[0, 1]));
        let course = board.course(&operation).unwrap();
        assert_eq!(course.outcome(), Some(&approved.1));
        assert!(
            course.tallied_at(0) <= course.decided_at(0),
            "final is tallied too"
        );
        board.note(&stands(1, 2, &[(operation, Outcome::NoQuorum)]));
        assert_eq!(board.common(&[0, 1]), None);
        let course = board.course(&operation).unwrap();
        assert_eq!(course.outcome(), Some(&approved.1), "the first word counts");
        board.note(&stands(2, 2, &[(operation, Outcome::NoQuorum)]));
        assert_eq!(board.course(&operation).unwrap().outcome(), None);
        board.gone(1);
        assert_eq!(board.stand(1), None);
    }
}
