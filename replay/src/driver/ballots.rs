//! Operations, ballots and outcomes of tasks.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use mycnet_consensus::{
    Ballot, ClaimItem, ConsensusOperation, NodeId, OperationId, Outcome, Signer as _,
};

use super::Replay;
use crate::replayed::Decision;

impl Replay<'_> {
    /// The claim that asks the workers of a task for its result, or the claim set that asks the workers of several, who are the same.
    pub(super) fn operation(&self, tasks: &[usize]) -> ConsensusOperation {
        let first = &self.answers.tasks[tasks[0]];
        let workers = first.answers.iter().map(|(worker, _)| *worker);
        let mut panel: Vec<NodeId> = workers
            .map(|worker| self.cast.workers[worker].node_id())
            .collect();
        panel.sort_unstable();
        if tasks.len() == 1 {
            return ConsensusOperation::Claim {
                subject: first.name.clone(),
                input: Vec::new(),
                panel: Some(panel),
                rule: self.rule,
            };
        }
        let items = tasks.iter().map(|task| ClaimItem {
            subject: self.answers.tasks[*task].name.clone(),
            input: Vec::new(),
        });
        ConsensusOperation::ClaimSet {
            subject: format!("{} and {} more", first.name, tasks.len() - 1),
            items: items.collect(),
            panel: Some(panel),
            rule: self.rule,
        }
    }

    /// The votes of each worker on the operations that ask for these tasks.
    pub(super) fn votes(
        &self,
        asked: &[(&[usize], OperationId)],
    ) -> BTreeMap<usize, Vec<(OperationId, Ballot)>> {
        let mut votes: BTreeMap<usize, Vec<(OperationId, Ballot)>> = BTreeMap::new();
        for (tasks, operation) in asked {
            let mut results: BTreeMap<usize, Vec<Option<Vec<u8>>>> = BTreeMap::new();
            for task in *tasks {
                for (worker, answer) in &self.answers.tasks[*task].answers {
                    let results = results.entry(*worker).or_default();
                    results.push(Some(answer.clone().into_bytes()));
                }
            }
            for (worker, mut results) in results {
                let ballot = match &mut results[..] {
                    [Some(result)] => Ballot::Result(std::mem::take(result)),
                    _ => Ballot::Results(results),
                };
                votes.entry(worker).or_default().push((*operation, ballot));
            }
        }
        votes
    }

    /// Writes down how the operation of these tasks closed.
    ///
    /// # Errors
    ///
    /// An outcome of no claim, which would be a bug.
    pub(super) fn note(&mut self, tasks: &[usize], outcome: Option<Outcome>) -> anyhow::Result<()> {
        let results = match outcome {
            Some(Outcome::Decided(Ballot::Result(result))) => vec![Some(result)],
            Some(Outcome::Decided(Ballot::Results(results))) => results,
            Some(Outcome::NoQuorum) => vec![None; tasks.len()],
            other => bail!(
                "task {:?} was not decided as a claim: {other:?}",
                self.answers.tasks[tasks[0]].name
            ),
        };
        for (task, result) in tasks.iter().zip(results) {
            self.decisions[*task] = match result {
                Some(answer) => {
                    let answer = String::from_utf8(answer).context("an answer is no text")?;
                    Decision::Decided(answer)
                }
                None => Decision::NoQuorum,
            };
        }
        Ok(())
    }
}
