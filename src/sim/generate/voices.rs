//! The statements of people about operations, in turn and out of turn.

use std::collections::BTreeSet;

use rand::RngExt as _;

use super::{Generator, Group};
use crate::base::digest::{Digest, NetworkId, OperationId, SealId};
use crate::sim::view::{OperationView, View};
use crate::statement::commitment::{commitment, salt};
use crate::statement::operation::{Ballot, ConsensusOperation, Spore};
use crate::statement::record::{Statement, Verified, VoteKind};

impl Generator {
    /// Votes on open operations and on new proposals.
    pub(super) fn votes(&mut self, proposals: &[Group]) -> Vec<Group> {
        let view = self.oracle.view();
        let mut groups = Vec::new();
        for proposal in proposals.iter().flatten() {
            let id = OperationId::from(proposal.id());
            let standard = is_standard(proposal.statement());
            if standard || self.chance(50) {
                groups.extend(self.early_voices(&view, id, standard));
            }
        }
        for (id, operation) in &view.operations {
            groups.extend(match operation.phase {
                "authority" => self.authority(&view, *id),
                "committing" => self.commits(&view, *id),
                "revealing" | "decided" => self.reveals(*id, operation),
                _ => self.too_late(*id),
            });
        }
        groups
    }

    fn early_voices(&mut self, view: &View, id: OperationId, standard: bool) -> Vec<Group> {
        if standard {
            self.authority(view, id)
        } else {
            self.commits(view, id)
        }
    }

    /// Directives, objections and resolutions, and rarely a second one or one by the wrong author.
    fn authority(&mut self, view: &View, id: OperationId) -> Vec<Group> {
        let mut groups = Vec::new();
        for who in 0..self.people.len() {
            let role = view.members.get(&self.people[who].id).map(|m| m.role);
            let two_faced = self.people[who].habits.equivocates;
            let care = match role {
                Some(Spore::Primary) => self.primary_care,
                Some(Spore::Seed) => self.seeds_care,
                _ => 0,
            };
            let approve = self.chance(80);
            let operation = id;
            if role == Some(Spore::Primary) && self.chance(care) || self.rarely(4) {
                groups.push(vec![
                    self.sign(who, Statement::Directive { operation, approve }),
                ]);
            }
            if role == Some(Spore::Seed) && self.chance(care / 2) || self.rarely(4) {
                let reason = format!("reason {}", self.rng.random_range(0..3));
                groups.push(vec![
                    self.sign(who, Statement::Objection { operation, reason }),
                ]);
            }
            if role == Some(Spore::Seed) && self.chance(care) || self.rarely(4) {
                groups.push(vec![
                    self.sign(who, Statement::Resolution { operation, approve }),
                ]);
            }
            if self.chance(two_faced) {
                let approve = !approve;
                groups.push(vec![
                    self.sign(who, Statement::Directive { operation, approve }),
                ]);
                groups.push(vec![
                    self.sign(who, Statement::Resolution { operation, approve }),
                ]);
            }
            if self.rarely(4) {
                groups.push(vec![self.commit(who, id)]);
            }
        }
        groups
    }

    /// Commits of electors without one, and rarely a second commit, or a commit of a person without a vote.
    fn commits(&mut self, view: &View, id: OperationId) -> Vec<Group> {
        let mut groups = Vec::new();
        let electors: BTreeSet<_> = match view.operations.get(&id) {
            Some(operation) => operation.electors.keys().copied().collect(),
            None => view.members.keys().copied().collect(),
        };
        for who in 0..self.people.len() {
            let habits = self.people[who].habits;
            let done = self.promises.get(&(id, who)).map_or(0, Vec::len);
            let is_elector = electors.contains(&self.people[who].id);
            let commits = match done {
                0 => is_elector && self.chance(habits.commits),
                1 => self.chance(habits.equivocates),
                _ => self.chance(20),
            };
            if commits || self.rarely(2) {
                groups.push(vec![self.commit(who, id)]);
                if self.chance(habits.equivocates) {
                    groups.push(vec![self.commit(who, id)]);
                }
            }
            if self.rarely(3) {
                let ballot = self.ballot(who, id);
                groups.push(vec![self.reveal(who, id, ballot)]);
            }
        }
        groups
    }

    /// Missing reveals, rarely false ones, and rarely a commit that comes too late.
    fn reveals(&mut self, id: OperationId, operation: &OperationView) -> Vec<Group> {
        let mut groups = Vec::new();
        for who in 0..self.people.len() {
            let node = self.people[who].id;
            let habits = self.people[who].habits;
            let open = operation.frozen.contains(&node) && !operation.revealed.contains(&node);
            if open
                && self.chance(habits.reveals)
                && let Some(promises) = self.promises.get(&(id, who))
            {
                let ballot = promises[0].clone();
                groups.push(vec![self.reveal(who, id, ballot)]);
            }
            if self.rarely(3) {
                let ballot = self.ballot(who, id);
                groups.push(vec![self.reveal(who, id, ballot)]);
            }
            if self.chance(habits.equivocates / 3) || self.rarely(2) {
                groups.push(vec![self.commit(who, id)]);
            }
        }
        groups
    }

    fn too_late(&mut self, id: OperationId) -> Vec<Group> {
        if !self.rarely(4) {
            return Vec::new();
        }
        let who = self.anyone();
        let ballot = self.ballot(who, id);
        let operation = id;
        let late = match self.rng.random_range(0..4) {
            0 => self.commit(who, id),
            1 => self.reveal(who, id, ballot),
            2 => self.sign(
                who,
                Statement::Directive {
                    operation,
                    approve: true,
                },
            ),
            _ => self.sign(
                who,
                Statement::Resolution {
                    operation,
                    approve: true,
                },
            ),
        };
        vec![vec![late]]
    }

    /// Records about no operation: rejoins, evidence about seals, repetitions, records of another network.
    pub(super) fn disorder(&mut self) -> Vec<Group> {
        let mut groups = Vec::new();
        if self.rarely(40) {
            let who = self.anyone();
            for _ in 0..self.rng.random_range(1..=2) {
                let nonce = Digest::from_bytes(self.rng.random());
                groups.push(vec![self.sign(who, Statement::Rejoin { nonce })]);
            }
        }
        if self.rarely(10) {
            let who = self.anyone();
            let mut votes = self.seal_votes(who);
            if self.chance(60) {
                votes.pop();
            }
            groups.push(votes);
        }
        if self.rarely(20) && !self.blocks.is_empty() {
            let block = self.rng.random_range(0..self.blocks.len());
            let sealed = &self.blocks[block].records;
            if !sealed.is_empty() {
                let record = self.rng.random_range(0..sealed.len());
                groups.push(vec![self.blocks[block].records[record].clone()]);
            }
        }
        if self.rarely(5) {
            let who = self.anyone();
            let nonce = Digest::from_bytes(self.rng.random());
            let other = NetworkId::from_bytes(self.rng.random());
            groups.push(vec![
                self.people[who].sign(other, Statement::Rejoin { nonce }),
            ]);
        }
        groups
    }

    /// Two different votes or proposals of one slot, recent or not.
    fn seal_votes(&mut self, who: usize) -> Vec<Verified> {
        let next = self.chain.height() + 1;
        let height = match self.rng.random_range(0..10) {
            0 => next + 1,
            1 => next.saturating_sub(99).max(1),
            2 => next.saturating_sub(100).max(1),
            3..5 => next,
            _ => self.rng.random_range(1..=next),
        };
        let kind = if self.chance(50) {
            VoteKind::Prevote
        } else {
            VoteKind::Precommit
        };
        let round = self.rng.random_range(0..3);
        let proposes = self.chance(30);
        let votes = [0, 1].map(|number| {
            if proposes {
                let mut seal = self.chain.next(self.chain.time_ms() + 1 + number, &[]);
                (seal.height, seal.round) = (height, round);
                return Statement::SealProposal {
                    round,
                    lock: None,
                    seal,
                };
            }
            let seal = (number == 0).then(|| SealId::from_bytes([1; 32]));
            Statement::SealVote {
                height,
                round,
                kind,
                seal,
            }
        });
        votes.map(|vote| self.sign(who, vote)).to_vec()
    }

    fn commit(&mut self, who: usize, operation: OperationId) -> Verified {
        let ballot = self.ballot(who, operation);
        let net = self.genesis.network_id();
        let person = &self.people[who];
        let salt = salt(&person.identity, net, operation).expect("a key in memory signs");
        let commitment = commitment(net, operation, person.id, &ballot, &salt);
        let statement = Statement::Commit {
            operation,
            commitment,
        };
        let record = self.sign(who, statement);
        self.promised.insert(record.id(), ballot);
        record
    }

    fn reveal(&self, who: usize, operation: OperationId, ballot: Ballot) -> Verified {
        let net = self.genesis.network_id();
        let salt = salt(&self.people[who].identity, net, operation).expect("a key in memory signs");
        self.sign(
            who,
            Statement::Reveal {
                operation,
                ballot,
                salt,
            },
        )
    }

    fn ballot(&mut self, who: usize, operation: OperationId) -> Ballot {
        let agrees = self.chance(self.people[who].habits.agrees);
        match self.leanings.get(&operation).cloned() {
            Some(Ballot::Results(results)) => self.results_like(results, agrees),
            Some(leaning) if agrees => leaning,
            _ => self.any_ballot(),
        }
    }

    fn any_ballot(&mut self) -> Ballot {
        match self.rng.random_range(0..6) {
            0 => Ballot::Abstain,
            1 => Ballot::Approve,
            2..4 => Ballot::Reject,
            4 => Ballot::Result(b"wrong".to_vec()),
            _ => Ballot::Result(vec![self.rng.random()]),
        }
    }

    /// Who agrees on a claim set gives the same results, or other ones of some items; who does not gives wrong ones of most
    /// items, results of another number of items, or a ballot for something else.
    fn results_like(&mut self, mut results: Vec<Option<Vec<u8>>>, agrees: bool) -> Ballot {
        let (wrong, none) = match (agrees, self.rng.random_range(0..12)) {
            (true, 0..8) => (0, 0),
            (true, 8..10) => (25, 0),
            (true, _) => (10, 30),
            (false, 0..5) => (80, 10),
            (false, 5..7) => (100, 0),
            (false, 7) => (0, 100),
            (false, 8) => {
                results.pop();
                (0, 0)
            }
            (false, 9) => {
                results.push(Some(b"right".to_vec()));
                (0, 0)
            }
            _ => return self.any_ballot(),
        };
        for result in &mut results {
            if self.chance(wrong) {
                *result = Some(vec![self.rng.random_range(0..2)]);
            } else if self.chance(none) {
                *result = None;
            }
        }
        Ballot::Results(results)
    }
}

fn is_standard(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Propose {
            operation: ConsensusOperation::ServiceDeployment { .. }
                | ConsensusOperation::ResourceAllocation { .. }
                | ConsensusOperation::RoutineMaintenance { .. }
                | ConsensusOperation::PerformanceOptimization { .. },
            ..
        }
    )
}
