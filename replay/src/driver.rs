//! Plays the answers through a network: keys, genesis, proposals, commits, seals, reveals, four replicas.
//!
//! This is the only part of the command that knows how a network runs. It reads no clock and prints nothing.
//!
//! Tasks are asked in groups. For each group authorities propose the claims in turn and workers commit; one seal takes all of
//! it and, since the whole panel has committed, freezes it. Then workers reveal, and a second seal decides, closes and
//! settles trust. The next group is asked after that, so that its weights know of all groups before it.
//!
//! | module | knows |
//! |---|---|
//! | `cast` | keys and the genesis |
//! | `votes` | what workers sign |
//! | `network` | who gets what when: the clock, delivery, loss, repair |
//! | `replica` | one core and what a host does for it |
//! | `documents` | what a replica's documents are, on a thread for each |
//! | `export` | what `--export` writes |
//! | `draws` | chance |

mod cast;
mod documents;
mod draws;
mod export;
mod network;
mod replica;
mod votes;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail};
use mycnet_consensus::limits::SEAL_RECORDS_MAX;
use mycnet_consensus::{
    Ballot, ConsensusOperation, Digest, NodeId, OperationId, Outcome, Reason, Signer as _,
};

use self::cast::{AUTHORITY_NAMES, Cast};
use self::documents::{Documents, Filing, SEALS_WAITING_MAX};
use self::export::Export;
use self::network::Network;
use self::replica::Replica as Node;
use self::votes::Votes;
use super::AUTHORITIES;
use super::answers::{Answers, Task};
use super::order;
use super::progress::Progress;
use super::replayed::{Decision, Member, Replayed, Replica, ScoreChange};

/// How to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Orders the tasks (`order::shuffled`) and makes the keys.
    pub(crate) seed: u64,
    /// Orders the exchange between replicas, which must not change the result.
    pub(crate) delivery_seed: u64,
    /// Tasks that one seal opens: 1..=64.
    pub(crate) tasks_per_seal: usize,
    /// Where to write documents and certificates: a directory that exists and is empty.
    pub(crate) export: Option<PathBuf>,
}

/// Replays the answers. Tasks without a panel ([`has_panel`](super::answers::Task::has_panel)) are not asked.
///
/// # Errors
///
/// A failed write into the export directory, or a record that the ledger refused (which would be a bug).
pub(crate) fn run(
    answers: &Answers,
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<Replayed> {
    let cast = Cast::new(answers, options.seed)?;
    // One replica's documents are enough to export: all have the same.
    let mut export = match &options.export {
        Some(directory) => Some(Export::new(directory.clone(), &cast.genesis)?),
        None => None,
    };
    thread::scope(|scope| {
        let (mut filing, mut building) = (Vec::new(), Vec::new());
        for _ in 0..AUTHORITIES {
            let documents = Documents::new(&cast.genesis, export.take());
            let (sender, sealed) = mpsc::sync_channel(SEALS_WAITING_MAX);
            filing.push(sender);
            building.push(scope.spawn(move || documents.file_all(&sealed)));
        }
        // Once it returns, no seal can come any more, and the documents are finished.
        let played = Replay::play(&cast, answers, options, progress, filing);
        let digests: Vec<anyhow::Result<Digest>> = building
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        // Where documents failed, the replay ended because of it: that failure is the one to tell.
        let digests: Vec<Digest> = digests.into_iter().collect::<anyhow::Result<_>>()?;
        let mut replayed = played?;
        for (replica, digest) in replayed.replicas.iter_mut().zip(digests) {
            replica.documents_digest = digest;
        }
        Ok(replayed)
    })
}

/// Tasks that are asked at once, in the order of asking: as many as the options say, fewer where a seal could not take all
/// their records.
fn groups(answers: &Answers, options: &Options) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for task in order::shuffled(answers, options.seed) {
        if !answers.tasks[task].has_panel() {
            continue;
        }
        let records = 1 + answers.tasks[task].answers.len();
        match groups.last_mut() {
            Some(group) if group.len() < options.tasks_per_seal && records <= room => {
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
    network: Network,
    seed: u64,
    /// In the order of `Answers::tasks`.
    decisions: Vec<Decision>,
}

impl<'a> Replay<'a> {
    /// Plays all tasks, up to the documents, which are behind `filing`.
    fn play(
        cast: &'a Cast,
        answers: &'a Answers,
        options: &Options,
        progress: &Progress,
        filing: Vec<Filing>,
    ) -> anyhow::Result<Replayed> {
        let mut replay = Self {
            network: Network::new(cast, options.delivery_seed, filing)?,
            cast,
            answers,
            seed: options.seed,
            decisions: vec![Decision::NotAsked; answers.tasks.len()],
        };
        let mut closed = 0;
        for group in groups(answers, options) {
            replay.decide(&group)?;
            closed += group.len();
            progress.closed(closed, replay.network.height());
        }
        Ok(replay.finish())
    }

    /// Asks a group of tasks and has them decided.
    fn decide(&mut self, group: &[usize]) -> anyhow::Result<()> {
        let mut asked = Vec::with_capacity(group.len());
        for (turn, &task) in group.iter().enumerate() {
            let claim = self.claim(&self.answers.tasks[task]);
            // The seed is nonce enough: tasks of one name do not exist.
            let proposed = self.network.propose(turn % AUTHORITIES, claim, self.seed)?;
            asked.extend(proposed.map(|operation| (task, operation)));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let votes = Votes::new(self.cast, self.answers, &asked)?;
        let height = self.network.height();
        self.network.offer(votes.commits()?);
        self.network.settle(height)?;
        // Already signed, but not handed in before the seal that freezes the commits.
        self.network.offer(votes.reveals(height + 1)?);
        self.network.seal()?;
        self.network.seal()?;
        self.note(&asked)
    }

    /// What is asked: the task's name, to the workers who answered it.
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
        }
    }

    /// Writes down how a group's operations closed.
    fn note(&mut self, asked: &[(usize, OperationId)]) -> anyhow::Result<()> {
        let mut closed: BTreeMap<OperationId, Outcome> =
            self.network.take_closed().into_iter().collect();
        for (task, operation) in asked {
            self.decisions[*task] = match closed.remove(operation) {
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

    /// What came of it. The documents' digests are still to be filled in.
    fn finish(self) -> Replayed {
        let nodes = self.network.replicas();
        let replica = |index: usize| Replica {
            name: AUTHORITY_NAMES[index].to_owned(),
            height: nodes[index].core().ledger().state().height(),
            state_digest: nodes[index].state_digest(),
            documents_digest: Digest::default(),
        };
        Replayed {
            network: self.cast.net,
            records: self.network.signed(),
            replicas: std::array::from_fn(replica),
            members: members(&nodes[0], &self.cast.names(self.answers)),
            decisions: self.decisions,
        }
    }
}

/// Everybody in a replica's roster, with what moved its score.
fn members(node: &Node, names: &BTreeMap<NodeId, &str>) -> Vec<Member> {
    let reasons = |id: &NodeId| {
        let scores = node.scores().get(id).into_iter().flatten();
        let changes = scores.map(|(reason, score)| ScoreChange {
            reason: name_of(*reason),
            times: score.times,
            change_ppm: score.change_ppm,
        });
        changes.collect()
    };
    let roster = node.core().ledger().state().roster();
    let members = roster.iter().map(|(id, member)| Member {
        name: names.get(&id).copied().unwrap_or_default().to_owned(),
        node: id,
        role: member.role,
        trust_ppm: member.trust.trust_ppm(),
        standing: member.trust.standing().to_string(),
        reasons: reasons(&id),
    });
    members.collect()
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
