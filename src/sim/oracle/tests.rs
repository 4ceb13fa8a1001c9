//! The oracle against logs made by hand, with results worked out by hand.

mod authority;
mod claims;
mod effects;
mod evidence;
mod queue;
mod scores;
mod sets;
mod votes;

use crate::base::digest::{NodeId, OperationId};
use crate::base::identity::{Identity, Signer as _};
use crate::sim::blocks::Chain;
use crate::sim::oracle::Oracle;
use crate::sim::view::{MemberView, OperationView};
use crate::statement::claim_rule::ClaimRule;
use crate::statement::commitment::{commitment, salt};
use crate::statement::genesis::{Genesis, PanelScoring, Sealing};
use crate::statement::operation::{Ballot, ConsensusOperation, Outcome, Priority, Spore};
use crate::statement::params::Params;
use crate::statement::record::{Record, Statement, Verified, sign};

/// A network made by hand; people are numbered in the order of their roles.
struct World {
    genesis: Genesis,
    people: Vec<Identity>,
    oracle: Oracle,
    chain: Chain,
}

/// Windows of 1 s (commit, reveal, authority), graces of 100 ms, of which a quarter is 25 ms.
fn params() -> Params {
    Params {
        drift_ms: 1,
        claim_grace_ms: 100,
        critical_grace_ms: 100,
        commit_window_ms: 1000,
        reveal_window_ms: 1000,
        primary_window_ms: 1000,
        objection_window_ms: 1000,
        resolution_window_ms: 1000,
        step_patience_ms: 1,
        ..Params::default()
    }
}

const START_MS: u64 = 1_000_000;

fn latents(count: usize) -> World {
    World::new(&vec![Spore::Latent; count], params())
}

fn result(text: &str) -> Ballot {
    Ballot::Result(text.as_bytes().to_vec())
}

fn config(key: &str, value: &str) -> ConsensusOperation {
    ConsensusOperation::NetworkConfiguration {
        config_type: key.to_owned(),
        proposed_change: value.as_bytes().to_vec(),
    }
}

fn claim(panel: Option<Vec<NodeId>>) -> ConsensusOperation {
    claim_by(ClaimRule::MAJORITY, panel)
}

fn claim_by(rule: ClaimRule, panel: Option<Vec<NodeId>>) -> ConsensusOperation {
    ConsensusOperation::Claim {
        subject: "s".to_owned(),
        input: Vec::new(),
        panel: panel.map(|mut panel| {
            panel.sort_unstable();
            panel
        }),
        rule,
    }
}

impl World {
    fn new(roles: &[Spore], params: Params) -> Self {
        Self::with(roles, params, Sealing::Members, PanelScoring::Quorum)
    }

    fn with(roles: &[Spore], params: Params, sealing: Sealing, scoring: PanelScoring) -> Self {
        let people: Vec<Identity> = (0..roles.len() + 2)
            .map(|number| Identity::from_seed_label(&format!("person {number}")))
            .collect();
        let mut builder = Genesis::builder("test")
            .time_ms(START_MS)
            .params(params)
            .sealing(sealing)
            .panel_scoring(scoring);
        for (person, role) in people.iter().zip(roles) {
            builder = builder.member(person.node_id(), *role);
        }
        let genesis = builder.build().unwrap();
        Self {
            oracle: Oracle::new(&genesis),
            chain: Chain::new(&genesis),
            genesis,
            people,
        }
    }

    fn id(&self, who: usize) -> NodeId {
        self.people[who].node_id()
    }

    fn says(&self, who: usize, statement: Statement) -> Verified {
        sign(&self.people[who], self.genesis.network_id(), statement).unwrap()
    }

    fn propose(&self, who: usize, operation: ConsensusOperation) -> Verified {
        self.propose_as(who, operation, Priority::Normal, 0)
    }

    fn propose_as(
        &self,
        who: usize,
        operation: ConsensusOperation,
        priority: Priority,
        nonce: u64,
    ) -> Verified {
        let last = self.chain.last();
        self.says(
            who,
            Statement::Propose {
                operation,
                priority,
                last,
                nonce,
            },
        )
    }

    fn commit(&self, who: usize, operation: OperationId, ballot: &Ballot) -> Verified {
        let net = self.genesis.network_id();
        let salt = salt(&self.people[who], net, operation).unwrap();
        let commitment = commitment(net, operation, self.id(who), ballot, &salt);
        self.says(
            who,
            Statement::Commit {
                operation,
                commitment,
            },
        )
    }

    fn reveal(&self, who: usize, operation: OperationId, ballot: &Ballot) -> Verified {
        let salt = salt(&self.people[who], self.genesis.network_id(), operation).unwrap();
        let ballot = ballot.clone();
        self.says(
            who,
            Statement::Reveal {
                operation,
                ballot,
                salt,
            },
        )
    }

    fn direct(&self, who: usize, operation: OperationId, approve: bool) -> Verified {
        self.says(who, Statement::Directive { operation, approve })
    }

    fn object(&self, who: usize, operation: OperationId) -> Verified {
        let reason = "no".to_owned();
        self.says(who, Statement::Objection { operation, reason })
    }

    fn resolve(&self, who: usize, operation: OperationId, approve: bool) -> Verified {
        self.says(who, Statement::Resolution { operation, approve })
    }

    /// Seals the records `after_ms` milliseconds after the genesis.
    fn try_seal(&mut self, after_ms: u64, records: &[Verified]) -> Result<(), String> {
        self.try_seal_in(0, after_ms, records)
    }

    /// The same, by the proposer of a round.
    fn try_seal_in(
        &mut self,
        round: u32,
        after_ms: u64,
        records: &[Verified],
    ) -> Result<(), String> {
        let seal = crate::statement::record::Seal {
            round,
            ..self.chain.next(START_MS + after_ms, records)
        };
        let records: Vec<Record> = records.iter().map(|r| r.record().clone()).collect();
        self.oracle.apply(&seal, &records)?;
        self.chain.advance(&seal);
        Ok(())
    }

    #[track_caller]
    fn seal(&mut self, after_ms: u64, records: &[Verified]) {
        self.try_seal(after_ms, records).unwrap();
    }

    /// A block with these records is refused for a reason that mentions `why`, and leaves the state as it was.
    #[track_caller]
    fn refuses(&mut self, after_ms: u64, records: &[Verified], why: &str) {
        let before = self.oracle.view();
        let reason = self.try_seal(after_ms, records).unwrap_err();
        assert!(reason.contains(why), "refused because {reason}");
        assert_eq!(self.oracle.view().differences(&before), [""; 0]);
    }

    fn operation(&self, id: OperationId) -> OperationView {
        self.oracle.view().operations[&id].clone()
    }

    fn phase(&self, id: OperationId) -> &'static str {
        self.operation(id).phase
    }

    fn outcome(&self, id: OperationId) -> Option<Outcome> {
        self.operation(id).outcome
    }

    fn member(&self, who: usize) -> MemberView {
        self.oracle.view().members[&self.id(who)].clone()
    }

    fn trust(&self, who: usize) -> u32 {
        self.member(who).trust_ppm
    }

    fn skill(&self, who: usize) -> u32 {
        self.member(who).skill_ppm
    }

    fn trusts<const N: usize>(&self, who: [usize; N]) -> [u32; N] {
        who.map(|who| self.trust(who))
    }

    fn skills<const N: usize>(&self, who: [usize; N]) -> [u32; N] {
        who.map(|who| self.skill(who))
    }

    fn row(&self, who: usize) -> u32 {
        self.member(who).row
    }

    fn standing(&self, who: usize) -> &'static str {
        self.member(who).standing
    }

    fn reasons(&self, operation: OperationId, who: usize) -> Vec<&'static str> {
        let entries = self.oracle.entries().iter();
        entries
            .filter(|entry| entry.operation == Some(operation) && entry.node == self.id(who))
            .map(|entry| entry.reason)
            .collect()
    }

    /// Seals a proposal of `who` together with a commit of each of the `voters`.
    #[track_caller]
    fn open(
        &mut self,
        after_ms: u64,
        who: usize,
        operation: ConsensusOperation,
        voters: &[usize],
        ballot: &Ballot,
    ) -> OperationId {
        let proposal = self.propose(who, operation);
        let id = OperationId::from(proposal.id());
        let commits = voters.iter().map(|who| self.commit(*who, id, ballot));
        let records: Vec<Verified> = [proposal].into_iter().chain(commits).collect();
        self.seal(after_ms, &records);
        id
    }

    /// Seals a reveal of each of the `voters`.
    #[track_caller]
    fn reveal_all(&mut self, after_ms: u64, id: OperationId, voters: &[usize], ballot: &Ballot) {
        let reveals = voters.iter().map(|who| self.reveal(*who, id, ballot));
        let reveals: Vec<Verified> = reveals.collect();
        self.seal(after_ms, &reveals);
    }

    /// The voters, who must be everybody, commit and then reveal, in two seals 1 ms apart; the first of them proposes.
    fn decide(
        &mut self,
        after_ms: u64,
        operation: ConsensusOperation,
        votes: &[(usize, Ballot)],
    ) -> OperationId {
        self.decide_after(after_ms, 1, operation, votes)
    }

    /// The voters commit; others have until the grace of 100 ms to do so; then the voters reveal.
    fn decide_late(
        &mut self,
        after_ms: u64,
        operation: ConsensusOperation,
        votes: &[(usize, Ballot)],
    ) -> OperationId {
        self.decide_after(after_ms, 101, operation, votes)
    }

    fn decide_after(
        &mut self,
        after_ms: u64,
        reveal_ms: u64,
        operation: ConsensusOperation,
        votes: &[(usize, Ballot)],
    ) -> OperationId {
        let nonce = after_ms;
        let proposal = self.propose_as(votes[0].0, operation, Priority::Normal, nonce);
        let id = OperationId::from(proposal.id());
        let mut records = vec![proposal];
        records.extend(
            votes
                .iter()
                .map(|(who, ballot)| self.commit(*who, id, ballot)),
        );
        self.seal(after_ms, &records);
        if reveal_ms > 1 {
            self.seal(after_ms + reveal_ms - 1, &[]);
        }
        let reveals: Vec<Verified> = votes
            .iter()
            .map(|(who, ballot)| self.reveal(*who, id, ballot))
            .collect();
        self.seal(after_ms + reveal_ms, &reveals);
        id
    }
}

fn decided(ballot: Ballot) -> Outcome {
    Outcome::Decided(ballot)
}
