//! Chains made by hand, without agreement, so that they can break any rule of agreement.

use mycnet_consensus::internals::commitment::commitment;
use mycnet_consensus::internals::digest::Salt;
use mycnet_consensus::internals::ledger::{Applied, Ledger, Mode};
use mycnet_consensus::internals::record::{Statement, Verified, sign};
use mycnet_consensus::internals::seal::{SealCertificate, SealedBlock};
use mycnet_consensus::internals::sim::checker::Checker;
use mycnet_consensus::internals::sim::oracle::Oracle;
use mycnet_consensus::internals::sim::people::{identity, node};
use mycnet_consensus::internals::sim::plan::genesis;
use mycnet_consensus::{
    Ballot, ConsensusOperation, Digest, Genesis, OperationId, PanelScoring, Priority, Sealing,
};

/// A ledger of four founders that seals any valid records.
#[derive(Clone)]
pub struct Hand {
    pub genesis: Genesis,
    pub ledger: Ledger,
}

const SALT: Salt = Salt::from_bytes([9; 32]);

impl Hand {
    pub fn new() -> Self {
        let genesis = genesis(0, 4, Sealing::Members, PanelScoring::Quorum);
        let ledger = Ledger::new(&genesis);
        Self { genesis, ledger }
    }

    /// A checker that expects everybody to be honest.
    pub fn checker(&self) -> Checker {
        Checker::new(
            &self.genesis,
            std::collections::BTreeSet::new(),
            Oracle::apply,
        )
    }

    pub fn sign(&self, person: usize, statement: Statement) -> Verified {
        sign(&identity(person), self.genesis.network_id(), statement).unwrap()
    }

    pub fn propose(&self) -> (OperationId, Verified) {
        let proposal = Statement::Propose {
            operation: ConsensusOperation::NetworkConfiguration {
                config_type: "motd".into(),
                proposed_change: b"hello".to_vec(),
            },
            priority: Priority::Normal,
            last: self.ledger.genesis_seal().id(),
            nonce: 0,
        };
        let record = self.sign(0, proposal);
        (record.id().into(), record)
    }

    pub fn commit(&self, person: usize, operation: OperationId, ballot: &Ballot) -> Verified {
        let net = self.genesis.network_id();
        let commitment = commitment(net, operation, node(person), ballot, &SALT);
        let commit = Statement::Commit {
            operation,
            commitment,
        };
        self.sign(person, commit)
    }

    pub fn reveal(&self, person: usize, operation: OperationId) -> Verified {
        let reveal = Statement::Reveal {
            operation,
            ballot: Ballot::Approve,
            salt: SALT,
        };
        self.sign(person, reveal)
    }

    /// Seals the proposal and a commit of each founder.
    pub fn open(&mut self) -> (OperationId, SealedBlock, Applied) {
        let (operation, proposal) = self.propose();
        let commits = (0..4).map(|person| self.commit(person, operation, &Ballot::Approve));
        let records = [proposal].into_iter().chain(commits).collect();
        let (block, applied) = self.seal(10, records);
        (operation, block, applied)
    }

    /// Seals a reveal of each founder.
    pub fn close(&mut self, operation: OperationId) -> (SealedBlock, Applied) {
        let reveals = (0..4).map(|person| self.reveal(person, operation));
        let reveals = reveals.collect();
        self.seal(10, reveals)
    }

    /// Seals records `after_ms` after the last seal.
    pub fn seal(&mut self, after_ms: u64, records: Vec<Verified>) -> (SealedBlock, Applied) {
        let time_ms = self.ledger.state().time_ms() + after_ms;
        let (draft, _) = self
            .ledger
            .draft(0, time_ms, records, Mode::Strict)
            .unwrap();
        let block = SealedBlock {
            seal: draft.seal.clone(),
            certificate: SealCertificate { votes: Vec::new() },
            records: draft.records.iter().map(|r| r.record().clone()).collect(),
        };
        (block, self.ledger.commit(draft))
    }

    /// The digest of the state.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(*self.ledger.state().seal().as_bytes())
    }
}

/// The properties that a checker found broken.
pub fn broken(checker: &Checker) -> Vec<&'static str> {
    checker.violations().iter().map(|v| v.property).collect()
}
