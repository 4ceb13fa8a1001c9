//! A network without agreement: whatever is said is sealed, by a ledger and by an oracle.

use std::collections::BTreeMap;

use mycnet_consensus::internals::commitment::commitment;
use mycnet_consensus::internals::digest::Salt;
use mycnet_consensus::internals::identity::{Identity, Signer as _};
use mycnet_consensus::internals::ledger::{Ledger, Mode};
use mycnet_consensus::internals::record::{Record, Statement, Verified, sign_batch};
use mycnet_consensus::internals::sim::blocks::Chain;
use mycnet_consensus::internals::sim::oracle::{Mutation, Oracle};
use mycnet_consensus::internals::sim::projection::Projection;
use mycnet_consensus::internals::sim::view::OperationView;
use mycnet_consensus::{
    Ballot, ConsensusOperation, Genesis, NodeId, OperationId, PanelScoring, Priority, Spore,
};

/// The members, and what they have said since the last seal.
pub struct Town {
    pub genesis: Genesis,
    pub oracle: Oracle,
    people: Vec<Identity>,
    ledger: Option<(Ledger, Projection)>,
    chain: Chain,
    pub now_ms: u64,
    nonce: u64,
    proposals: Vec<Verified>,
    said: BTreeMap<usize, Vec<Statement>>,
    ballots: BTreeMap<(OperationId, usize), Ballot>,
}

fn salt(who: usize) -> Salt {
    Salt::from_bytes([u8::try_from(who).expect("towns are small"); 32])
}

impl Town {
    /// With a mutation, only the oracle judges: production has no rule to take back.
    pub fn new(roles: &[Spore], scoring: PanelScoring, mutation: Option<Mutation>) -> Self {
        let people: Vec<Identity> = (0..roles.len())
            .map(|who| Identity::from_seed_label(&format!("person {who}")))
            .collect();
        let mut builder = Genesis::builder("town").time_ms(1).panel_scoring(scoring);
        for (person, role) in people.iter().zip(roles) {
            builder = builder.member(person.node_id(), *role);
        }
        let genesis = builder.build().expect("the people differ");
        let ledger = mutation.is_none().then(|| Ledger::new(&genesis));
        Self {
            oracle: Oracle::mutated(&genesis, mutation),
            chain: Chain::new(&genesis),
            ledger: ledger.map(|ledger| (ledger, Projection::default())),
            genesis,
            people,
            now_ms: 1,
            nonce: 0,
            proposals: Vec::new(),
            said: BTreeMap::new(),
            ballots: BTreeMap::new(),
        }
    }

    pub fn id(&self, who: usize) -> NodeId {
        self.people[who].node_id()
    }

    pub fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    fn sign(&self, who: usize, statements: Vec<Statement>) -> Vec<Verified> {
        sign_batch(&self.people[who], self.genesis.network_id(), statements)
            .expect("people say what is well-formed")
    }

    /// Proposes what may be opened; `None` for a proposal over the author's cap, or a panel without enough weight.
    pub fn propose(&mut self, who: usize, operation: ConsensusOperation) -> Option<OperationId> {
        let last = match &self.ledger {
            Some((ledger, _)) => ledger.state().seal(),
            None => self.chain.last(),
        };
        let nonce = self.nonce();
        let proposal = Statement::Propose {
            operation,
            priority: Priority::Normal,
            last,
            nonce,
        };
        let signed = self.sign(who, vec![proposal]);
        let id = signed[0].id().into();
        let all = self.proposals.iter().chain(&signed);
        let all: Vec<Record> = all.map(|it| it.record().clone()).collect();
        self.oracle.takes(last, self.now_ms + 1, &all).ok()?;
        self.proposals.extend(signed);
        Some(id)
    }

    /// Commits unless it did before.
    pub fn commit(&mut self, who: usize, operation: OperationId, ballot: &Ballot) {
        if self.ballots.contains_key(&(operation, who)) {
            return;
        }
        let net = self.genesis.network_id();
        let commitment = commitment(net, operation, self.id(who), ballot, &salt(who));
        self.ballots.insert((operation, who), ballot.clone());
        self.said.entry(who).or_default().push(Statement::Commit {
            operation,
            commitment,
        });
    }

    pub fn reveal(&mut self, who: usize, operation: OperationId) {
        let ballot = self.ballots[&(operation, who)].clone();
        self.said.entry(who).or_default().push(Statement::Reveal {
            operation,
            ballot,
            salt: salt(who),
        });
    }

    /// Everything that is not closed.
    pub fn open(&self) -> Vec<(OperationId, OperationView)> {
        self.oracle.open_operations()
    }

    /// Seals what was said, if there is anything to seal.
    pub fn seal(&mut self, after_ms: u64) -> Result<(), String> {
        self.now_ms += after_ms;
        let mut records = std::mem::take(&mut self.proposals);
        for (who, statements) in std::mem::take(&mut self.said) {
            records.extend(self.sign(who, statements));
        }
        let is_due = self
            .oracle
            .next_due_ms()
            .is_some_and(|due| due <= self.now_ms);
        if records.is_empty() && !is_due {
            return Ok(());
        }
        let wire: Vec<Record> = records.iter().map(|it| it.record().clone()).collect();
        let Some((ledger, projection)) = &mut self.ledger else {
            let seal = self.chain.next(self.now_ms, &records);
            self.chain.advance(&seal);
            return self.oracle.apply(&seal, &wire);
        };
        let (draft, _) = ledger
            .draft(0, self.now_ms, records, Mode::Strict)
            .map_err(|dropped| format!("production refuses {dropped:?}"))?;
        let seal = draft.seal.clone();
        projection.note(&ledger.commit(draft));
        self.oracle.apply(&seal, &wire)
    }

    /// Production against the oracle.
    pub fn compare(&self) -> Result<(), String> {
        let Some((ledger, projection)) = &self.ledger else {
            return Ok(());
        };
        let differences = projection.view(ledger).differences(&self.oracle.view());
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!("production against oracle: {differences:#?}"))
    }
}
