//! What workers sign: a commit to each answer, and the reveal that opens it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use mycnet_consensus::internals::commitment::{commitment, salt};
use mycnet_consensus::internals::digest::Salt;
use mycnet_consensus::internals::record::{Statement, Verified, sign_batch};
use mycnet_consensus::{Ballot, OperationId, Signer as _};

use super::cast::Cast;
use super::network::Batch;
use crate::answers::Answers;

/// An answer on its way to be counted.
struct Vote {
    operation: OperationId,
    ballot: Ballot,
    salt: Salt,
}

/// The answers to the tasks that are asked at once, by worker.
pub(super) struct Votes<'a> {
    cast: &'a Cast,
    by_worker: BTreeMap<usize, Vec<Vote>>,
}

impl<'a> Votes<'a> {
    /// The answers to these tasks, indices into `Answers::tasks`.
    ///
    /// # Errors
    ///
    /// None with keys in memory.
    pub(super) fn new(
        cast: &'a Cast,
        answers: &Answers,
        asked: &[(usize, OperationId)],
    ) -> anyhow::Result<Self> {
        let mut by_worker: BTreeMap<usize, Vec<Vote>> = BTreeMap::new();
        for (task, operation) in asked {
            for (worker, answer) in &answers.tasks[*task].answers {
                let vote = Vote {
                    operation: *operation,
                    ballot: Ballot::Result(answer.clone().into_bytes()),
                    salt: salt(&cast.workers[*worker], cast.net, *operation)?,
                };
                by_worker.entry(*worker).or_default().push(vote);
            }
        }
        Ok(Self { cast, by_worker })
    }

    /// Every worker's commits, signed at once. A worker commits once it knows the proposals.
    ///
    /// # Errors
    ///
    /// A statement beyond a limit; reading the file rules that out.
    pub(super) fn commits(&self) -> anyhow::Result<Vec<Batch>> {
        let net = self.cast.net;
        let batch = |(worker, votes): (&usize, &Vec<Vote>)| {
            let author = self.cast.workers[*worker].node_id();
            let commit = |vote: &Vote| Statement::Commit {
                operation: vote.operation,
                commitment: commitment(net, vote.operation, author, &vote.ballot, &vote.salt),
            };
            Ok(Batch {
                records: self.sign(*worker, votes.iter().map(commit).collect())?,
                needs: votes.iter().map(|vote| vote.operation.into()).collect(),
                height: 0,
            })
        };
        self.by_worker.iter().map(batch).collect()
    }

    /// Every worker's reveals, signed at once. A worker reveals once it holds the seal that froze its commits, at `height`.
    ///
    /// # Errors
    ///
    /// A statement beyond a limit; reading the file rules that out.
    pub(super) fn reveals(&self, height: u64) -> anyhow::Result<Vec<Batch>> {
        let reveal = |vote: &Vote| Statement::Reveal {
            operation: vote.operation,
            ballot: vote.ballot.clone(),
            salt: vote.salt,
        };
        let batch = |(worker, votes): (&usize, &Vec<Vote>)| {
            Ok(Batch {
                records: self.sign(*worker, votes.iter().map(reveal).collect())?,
                needs: Vec::new(),
                height,
            })
        };
        self.by_worker.iter().map(batch).collect()
    }

    fn sign(&self, worker: usize, statements: Vec<Statement>) -> anyhow::Result<Vec<Vec<u8>>> {
        let records = sign_batch(&self.cast.workers[worker], self.cast.net, statements)
            .context("a worker's statements cannot be signed")?;
        Ok(records.iter().map(Verified::encode).collect())
    }
}
