//! A ledger that seals whatever is laid before it, for long plays without a network.

use mycnet_consensus::core::Ledger;
use mycnet_consensus::internals::commitment::vote;
use mycnet_consensus::internals::ledger::Mode;
use mycnet_consensus::internals::record::{Statement, sign};
use mycnet_consensus::{
    Applied, Ballot, ConsensusOperation, Genesis, OperationId, Outcome, Standing, Verified,
};

use crate::net::{identity, node, proposal_of};

pub(super) struct Log {
    pub(super) ledger: Ledger,
    nonce: u64,
}

impl Log {
    pub(super) fn new(genesis: &Genesis) -> Self {
        Self {
            ledger: Ledger::new(genesis),
            nonce: 0,
        }
    }

    pub(super) fn sign(&self, n: usize, statement: Statement) -> Verified {
        sign(&identity(n), self.ledger.genesis_seal().net, statement).unwrap()
    }

    /// Seals records some time after the last seal.
    pub(super) fn seal(&mut self, after_ms: u64, records: Vec<Verified>) -> Applied {
        let time_ms = self.ledger.state().time_ms() + after_ms;
        let draft = self.ledger.draft(0, time_ms, records, Mode::Strict);
        let (draft, _) = draft.unwrap_or_else(|dropped| panic!("{dropped:?}"));
        self.ledger.commit(draft)
    }

    /// Proposes; everybody commits to what `ballot` says (`None`: it does not vote) and reveals; seals follow until the operation
    /// is closed.
    pub(super) fn ask(
        &mut self,
        by: usize,
        operation: ConsensusOperation,
        ballot: impl Fn(usize) -> Option<Ballot>,
    ) -> Option<Outcome> {
        self.ask_withholding(by, operation, ballot, &[])
    }

    /// As [`Self::ask`], but these members reveal nothing.
    pub(super) fn ask_withholding(
        &mut self,
        by: usize,
        operation: ConsensusOperation,
        ballot: impl Fn(usize) -> Option<Ballot>,
        withholding: &[usize],
    ) -> Option<Outcome> {
        self.nonce += 1;
        let state = self.ledger.state();
        let (members, last) = (state.roster().len(), state.seal());
        let proposal = self.sign(by, proposal_of(operation, last, self.nonce));
        let id: OperationId = proposal.id().into();
        let net = self.ledger.genesis_seal().net;
        let (mut commits, mut reveals) = (vec![proposal], Vec::new());
        for n in 0..members {
            if let Some(ballot) = ballot(n) {
                let [commit, reveal] = vote(&identity(n), net, id, ballot).unwrap();
                commits.push(self.sign(n, commit));
                if !withholding.contains(&n) {
                    reveals.push(self.sign(n, reveal));
                }
            }
        }
        self.seal(1, commits);
        let mut reveals = Some(reveals);
        while let Some(open) = self.ledger.state().operation(&id) {
            let is_frozen = open.frozen().is_some();
            let (after_ms, records) = if let Some(reveals) = reveals.take_if(|_| is_frozen) {
                (1, reveals)
            } else {
                let due_ms = self.ledger.state().due_ms().unwrap();
                let after_ms = due_ms.saturating_sub(self.ledger.state().time_ms());
                (after_ms.max(1), Vec::new())
            };
            self.seal(after_ms, records);
        }
        self.ledger.past().closed(&id)?.outcome().cloned()
    }

    pub(super) fn trust(&self, n: usize) -> u32 {
        let member = self.ledger.state().roster().get(&node(n)).unwrap();
        member.trust.trust_ppm()
    }

    pub(super) fn skill(&self, n: usize) -> u32 {
        let member = self.ledger.state().roster().get(&node(n)).unwrap();
        member.trust.skill_ppm()
    }

    pub(super) fn standing(&self, n: usize) -> Standing {
        let member = self.ledger.state().roster().get(&node(n)).unwrap();
        member.trust.standing()
    }

    /// Whether these members weigh half in claims.
    pub(super) fn weigh_half(&self, coalition: std::ops::Range<usize>) -> bool {
        let state = self.ledger.state();
        let weight = |n: usize| {
            let member = state.roster().get(&node(n)).unwrap();
            member.trust.claim_weight(state.params())
        };
        let theirs: u64 = coalition.map(weight).sum();
        let all: u64 = (0..state.roster().len()).map(weight).sum();
        2 * theirs >= all
    }
}
