//! Plays the answers through a network of four replicas, without reading a clock or printing.
//!
//! Tasks are asked in groups. For each group authorities propose the claims in turn and workers commit. One seal lists the
//! proposals and commits and freezes them, since the whole panel has committed. Then workers reveal, and a second seal
//! decides, closes and settles the scores. The next group comes after that, so that its weights follow from all groups before it.
//!
//! | module | knows |
//! |---|---|
//! | `cast` | keys and the genesis |
//! | `network` | the replicas: the clock, delivery, loss, repair |
//! | `documents` | the documents of a replica, built on a thread of their own |
//! | `export` | what `--export` writes |

mod cast;
mod documents;
mod export;
mod network;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use mycnet_consensus::core::sign_votes;
use mycnet_consensus::limits::SEAL_RECORDS_MAX;
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Digest, NodeId, OperationId, Outcome, Reason,
    Signer as _,
};

use self::cast::{AUTHORITY_NAMES, Cast};
use self::documents::{Filing, SEALS_WAITING_MAX, file_all};
use self::export::Export;
use self::network::{Batch, Replicas};
use crate::answers::{Answers, Task};
use crate::replayed::{Decision, Member, Replayed, Replica, ScoreChange};
use crate::{AUTHORITIES, Args};

/// Replays the answers. Every task is asked; one whose workers all have lost their skill is refused by the ledger.
///
/// # Errors
///
/// A failed write into the export directory, or a record that the ledger refused, which would be a bug.
pub(crate) fn run(answers: &Answers, args: &Args, bar: &ProgressBar) -> anyhow::Result<Replayed> {
    let cast = Cast::new(answers, args.seed)?;
    // One replica's documents are enough to export: all have the same.
    let mut export = match &args.export {
        Some(directory) => Some(Export::new(directory.clone(), &cast.genesis)?),
        None => None,
    };
    thread::scope(|scope| {
        let (mut filing, mut building) = (Vec::new(), Vec::new());
        for _ in 0..AUTHORITIES {
            let (genesis, export) = (&cast.genesis, export.take());
            let (sender, sealed) = mpsc::sync_channel(SEALS_WAITING_MAX);
            filing.push(sender);
            building.push(scope.spawn(move || file_all(genesis, export, &sealed)));
        }
        // This drops the senders, so that the threads end.
        let played = Replay::play(&cast, answers, args, bar, filing);
        let digests: Vec<anyhow::Result<Digest>> = building
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        // A failure of the documents also ends the replay, so it is reported first.
        let digests: Vec<Digest> = digests.into_iter().collect::<anyhow::Result<_>>()?;
        let mut replayed = played?;
        for (replica, digest) in replayed.replicas.iter_mut().zip(digests) {
            replica.documents_digest = digest;
        }
        Ok(replayed)
    })
}

/// Indices into [`Answers::tasks`], each once, in an order that depends on the seed and the names alone: the order of lines in
/// the file does not change it.
fn shuffled(answers: &Answers, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.tasks.len()).collect();
    order.sort_by_cached_key(|&index| {
        let name = answers.tasks[index].name.as_bytes();
        Digest::seeded(&[b"replay order", &seed.to_le_bytes(), name])
    });
    order
}

/// The groups of tasks in the order of asking. A group is smaller than the options say where one seal could not list all its
/// records.
fn groups(answers: &Answers, args: &Args) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for task in shuffled(answers, args.seed) {
        let records = 1 + answers.tasks[task].answers.len();
        match groups.last_mut() {
            Some(group) if group.len() < usize::from(args.tasks_per_seal) && records <= room => {
                group.push(task);
            }
            _ => {
                groups.push(vec![task]);
                room = SEAL_RECORDS_MAX;
            }
        }
        room -= records;
    }
    groups
}

/// A replay under way.
struct Replay<'a> {
    cast: &'a Cast,
    answers: &'a Answers,
    network: Replicas,
    seed: u64,
    /// In the order of `Answers::tasks`.
    decisions: Vec<Decision>,
}

impl<'a> Replay<'a> {
    /// Plays all tasks. `filing` leads to the documents.
    fn play(
        cast: &'a Cast,
        answers: &'a Answers,
        args: &Args,
        bar: &ProgressBar,
        filing: Vec<Filing>,
    ) -> anyhow::Result<Replayed> {
        let mut replay = Self {
            network: Replicas::new(cast, args.delivery_seed, filing)?,
            cast,
            answers,
            seed: args.seed,
            decisions: vec![Decision::NotAsked; answers.tasks.len()],
        };
        let mut closed = 0;
        for group in groups(answers, args) {
            replay.decide(&group)?;
            closed += group.len();
            bar.set_message(format!("at height {}", replay.network.height()));
            bar.set_position(closed as u64);
        }
        Ok(replay.finish())
    }

    /// Asks a group of tasks and has them decided.
    fn decide(&mut self, group: &[usize]) -> anyhow::Result<()> {
        let mut asked = Vec::with_capacity(group.len());
        for (turn, &task) in group.iter().enumerate() {
            let claim = self.claim(&self.answers.tasks[task]);
            // The seed can be the nonce, because no two tasks have one name.
            let proposed = self.network.propose(turn % AUTHORITIES, claim, self.seed)?;
            asked.extend(proposed.map(|operation| (task, operation)));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let mut votes: BTreeMap<usize, Vec<(OperationId, Ballot)>> = BTreeMap::new();
        for (task, operation) in &asked {
            for (worker, answer) in &self.answers.tasks[*task].answers {
                let ballot = Ballot::Result(answer.clone().into_bytes());
                votes.entry(*worker).or_default().push((*operation, ballot));
            }
        }
        let height = self.network.height();
        let mut reveals = Vec::new();
        for (worker, votes) in votes {
            let needs = votes.iter().map(|(operation, _)| (*operation).into());
            let needs = needs.collect();
            let signed = sign_votes(&self.cast.workers[worker], self.cast.net, votes);
            let [records, opening] = signed.context("a worker's votes cannot be signed")?;
            // A worker commits once it knows the proposals.
            self.network.offer(Batch {
                records,
                needs,
                height: 0,
            });
            // It reveals once it holds the seal that froze its commits.
            reveals.push(Batch {
                records: opening,
                needs: Vec::new(),
                height: height + 1,
            });
        }
        self.network.settle(height)?;
        for batch in reveals {
            self.network.offer(batch);
        }
        self.network.seal()?;
        self.network.seal()?;
        self.note(&asked)
    }

    /// The claim that asks a task's workers for the task's result.
    fn claim(&self, task: &Task) -> ConsensusOperation {
        let workers = task.answers.iter().map(|(worker, _)| *worker);
        let mut panel: Vec<NodeId> = workers
            .map(|worker| self.cast.workers[worker].node_id())
            .collect();
        panel.sort_unstable();
        ConsensusOperation::Claim {
            subject: task.name.clone(),
            input: Vec::new(),
            panel: Some(panel),
            // An answer is wanted for every task, so the one with the most skill behind it is taken.
            rule: ClaimRule::PLURALITY,
        }
    }

    /// Writes down how a group's operations closed.
    fn note(&mut self, asked: &[(usize, OperationId)]) -> anyhow::Result<()> {
        for (task, operation) in asked {
            self.decisions[*task] = match self.network.closed.remove(operation) {
                Some(Outcome::Decided(Ballot::Result(answer))) => {
                    let answer = String::from_utf8(answer).context("an answer is no text")?;
                    Decision::Decided(answer)
                }
                Some(Outcome::NoQuorum) => Decision::NoQuorum,
                other => bail!(
                    "task {:?} was not decided as a claim: {other:?}",
                    self.answers.tasks[*task].name
                ),
            };
        }
        Ok(())
    }

    /// The result, with the documents' digests still to be filled in.
    fn finish(self) -> Replayed {
        let replica = |index: usize| {
            let node = &self.network.nodes[index];
            Replica {
                name: AUTHORITY_NAMES[index].to_owned(),
                height: node.core.ledger().state().height(),
                state_digest: node.state_digest(),
                documents_digest: Digest::default(),
            }
        };
        Replayed {
            network: self.cast.net,
            records: self.network.signed,
            replicas: std::array::from_fn(replica),
            members: self.members(),
            decisions: self.decisions,
        }
    }

    /// The roster of the first replica, with the reasons of each score.
    fn members(&self) -> Vec<Member> {
        let names = self.cast.names(self.answers);
        let reasons = |id: &NodeId| {
            let scores = self.network.scores.get(id).into_iter().flatten();
            let changes = scores.map(|(reason, changes)| ScoreChange {
                reason: name_of(*reason),
                times: changes.times,
                change_ppm: changes.trust_ppm,
                skill_change_ppm: changes.skill_ppm,
            });
            changes.collect()
        };
        let roster = self.network.nodes[0].core.ledger().state().roster();
        let members = roster.iter().map(|(id, member)| Member {
            name: names.get(&id).copied().unwrap_or_default().to_owned(),
            node: id,
            role: member.role,
            trust_ppm: member.trust.trust_ppm(),
            skill_ppm: member.trust.skill_ppm(),
            standing: member.trust.standing().to_string(),
            reasons: reasons(&id),
        });
        members.collect()
    }
}

/// A reason's name as in documents and in JSON: `coherent`, `claim_dissent`, …
fn name_of(reason: Reason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(name)) => name,
        _ => reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
