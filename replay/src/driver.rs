//! Plays the answers through a network of four replicas, without reading a clock or printing.
//!
//! Tasks are asked in groups. For each group authorities propose the claims in turn and workers commit. One seal lists the
//! proposals and commits and freezes them, since the whole panel has committed. Then workers reveal, and a second seal
//! decides, closes and settles the scores (or a few do, where the reveals are more than one takes). The next group comes after that,
//! so that its weights follow from all groups before it.
//!
//! | module | knows |
//! |---|---|
//! | `cast` | keys and the genesis |
//! | `plan` | the order of tasks, claim sets, groups |
//! | `ballots` | operations, ballots and outcomes of tasks |
//! | `network` | the replicas: the clock, delivery, loss, repair |
//! | `timeline` | when tasks were decided and skill moved |
//! | `documents` | the documents of a replica, built on a thread of their own |
//! | `export` | what `--export` writes |

mod ballots;
mod cast;
mod documents;
mod export;
mod network;
mod plan;
mod timeline;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use mycnet_consensus::core::sign_votes;
use mycnet_consensus::{ClaimRule, Digest, NodeId, OperationId, Reason};

use self::cast::{AUTHORITY_NAMES, Cast};
use self::documents::{Filing, SEALS_WAITING_MAX, file_all};
use self::export::Export;
use self::network::{Batch, Replicas};
use self::plan::Group;
use self::timeline::Tracker;
use crate::answers::Answers;
use crate::replayed::{Cost, Decision, Member, Replayed, Replica, ScoreChange};
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

/// A replay under way.
struct Replay<'a> {
    cast: &'a Cast,
    answers: &'a Answers,
    names: BTreeMap<NodeId, &'a str>,
    network: Replicas,
    seed: u64,
    rule: ClaimRule,
    cost: Cost,
    /// In the order of `Answers::tasks`.
    decisions: Vec<Decision>,
    /// With the file's order kept.
    tracker: Option<Tracker>,
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
            names: cast.names(answers),
            cast,
            answers,
            seed: args.seed,
            rule: ClaimRule {
                share_ppm: args.share.ppm(),
                ..ClaimRule::PLURALITY
            },
            cost: Cost::default(),
            decisions: vec![Decision::NotAsked; answers.tasks.len()],
            tracker: args.in_order.then(|| Tracker::new(answers.tasks.len())),
        };
        let mut closed = 0;
        for group in plan::groups(answers, args) {
            replay.decide(&group)?;
            closed += group.tasks().count();
            bar.set_message(format!("at height {}", replay.network.height()));
            bar.set_position(closed as u64);
        }
        Ok(replay.finish())
    }

    /// Asks a group of tasks and has them decided.
    fn decide(&mut self, group: &Group) -> anyhow::Result<()> {
        let mut asked: Vec<(&[usize], OperationId)> = Vec::with_capacity(group.operations.len());
        for (turn, tasks) in group.operations.iter().enumerate() {
            let operation = self.operation(tasks);
            // The seed can be the nonce, because no two tasks have one name.
            let proposed = self
                .network
                .propose(turn % AUTHORITIES, operation, self.seed)?;
            if let Some(operation) = proposed {
                asked.push((tasks, operation));
                self.count(tasks.len());
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let height = self.network.height();
        let mut reveals = Vec::new();
        for (worker, votes) in self.votes(&asked) {
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
        let last = group.last.as_ref();
        if let Some(time) = last.and_then(|place| place.time.as_ref()) {
            self.network.wait_until(time.ms);
        }
        self.network.seal()?;
        while asked
            .iter()
            .any(|(_, id)| !self.network.closed.contains_key(id))
        {
            if !self.network.has_unsealed() {
                bail!("a claim was not decided by the answers of all its workers");
            }
            self.network.seal()?;
        }
        for (tasks, operation) in &asked {
            let outcome = self.network.closed.remove(operation);
            self.note(tasks, outcome)?;
        }
        self.track(group);
        Ok(())
    }

    fn count(&mut self, tasks: usize) {
        let tasks = tasks as u64;
        if tasks == 1 {
            self.cost.single_claims += 1;
        } else {
            self.cost.sets += 1;
            self.cost.largest_set = self.cost.largest_set.max(tasks);
        }
    }

    /// Notes when the group was decided, and how it moved skill.
    fn track(&mut self, group: &Group) {
        let moved = std::mem::take(&mut self.network.skill);
        let (Some(tracker), Some(last)) = (&mut self.tracker, &group.last) else {
            return;
        };
        tracker.decided(self.network.height(), last.clone(), group.tasks());
        for (member, skill) in moved {
            let name = self.names.get(&member).copied().unwrap_or_default();
            tracker.moved(member, name, skill);
        }
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
        let sealed = &self.network.sealed;
        Replayed {
            network: self.cast.net,
            records: self.network.signed,
            cost: Cost {
                sealed_records: sealed.records,
                sealed_bytes: sealed.bytes,
                signatures: self.network.signatures,
                ..self.cost
            },
            replicas: std::array::from_fn(replica),
            members: self.members(),
            decisions: self.decisions,
            timeline: self.tracker.map(Tracker::into_timeline),
        }
    }

    /// The roster of the first replica, with the reasons of each score.
    fn members(&self) -> Vec<Member> {
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
            name: self.names.get(&id).copied().unwrap_or_default().to_owned(),
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
