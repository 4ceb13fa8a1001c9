//! Operations, ballots and outcomes of tasks.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use mycnet_consensus::core::OpenOperation;
use mycnet_consensus::{
    Ballot, ClaimItem, ConsensusOperation, NodeId, OperationId, Outcome, Signer as _,
};

use super::Replay;
use super::waves::Wave;
use crate::replayed::Decision;

impl Replay<'_> {
    /// The claim that asks the workers of a task for its result, or the claim set that asks the workers of several, who are the same.
    pub(super) fn operation(&self, waves: &[Wave]) -> ConsensusOperation {
        let first = waves[0].of(self.answers);
        let workers = waves[0].given(self.answers).iter();
        let workers = workers.map(|(worker, _)| *worker);
        let mut panel: Vec<NodeId> = workers
            .map(|worker| self.cast.workers[worker].node_id())
            .collect();
        panel.sort_unstable();
        if waves.len() == 1 {
            return ConsensusOperation::Claim {
                subject: first.name.clone(),
                input: Vec::new(),
                panel: Some(panel),
                rule: self.rule,
            };
        }
        let items = waves.iter().map(|wave| ClaimItem {
            subject: wave.of(self.answers).name.clone(),
            input: Vec::new(),
        });
        ConsensusOperation::ClaimSet {
            subject: format!("{} and {} more", first.name, waves.len() - 1),
            items: items.collect(),
            panel: Some(panel),
            rule: self.rule,
        }
    }

    /// The votes of each worker on the operations that ask for these waves.
    pub(super) fn votes(
        &self,
        asked: &[(&[Wave], OperationId)],
    ) -> BTreeMap<usize, Vec<(OperationId, Ballot)>> {
        let mut votes: BTreeMap<usize, Vec<(OperationId, Ballot)>> = BTreeMap::new();
        for (waves, operation) in asked {
            let mut results: BTreeMap<usize, Vec<Option<Vec<u8>>>> = BTreeMap::new();
            for wave in *waves {
                for (worker, answer) in wave.given(self.answers) {
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

    /// Writes down how the operation of these waves closed, and what that makes of their tasks.
    ///
    /// # Errors
    ///
    /// An outcome of no claim, or a result that nobody gave, which would be a bug.
    pub(super) fn note(&mut self, waves: &[Wave], operation: &OpenOperation) -> anyhow::Result<()> {
        let outcome = operation.decision().map(|decision| &decision.outcome);
        let results = match outcome {
            Some(Outcome::Decided(Ballot::Result(result))) => vec![Some(result)],
            Some(Outcome::Decided(Ballot::Results(results))) => {
                results.iter().map(Option::as_ref).collect()
            }
            Some(Outcome::NoQuorum) => vec![None; waves.len()],
            other => bail!(
                "task {:?} was not decided as a claim: {other:?}",
                waves[0].of(self.answers).name
            ),
        };
        for (wave, result) in waves.iter().zip(results) {
            let tally = &mut self.tallies[wave.task];
            for (worker, answer) in wave.given(self.answers) {
                let elector = self.cast.workers[*worker].node_id();
                let weight = operation.electorate().weight(&elector);
                tally.add(answer, weight.unwrap_or_default());
            }
            if let Some(result) = result {
                ensure!(tally.decide(result), "decided what nobody answered");
            }
            self.decisions[wave.task] = match tally.verdict(self.rule.share_ppm) {
                Some(answer) => Decision::Decided(answer.to_owned()),
                None => Decision::NoQuorum,
            };
        }
        Ok(())
    }
}
