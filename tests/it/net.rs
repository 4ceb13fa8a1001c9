//! A few connected cores. Every message arrives at once and in order.
//!
//! The host of each core keeps what it is told to persist, can crash after any output and restart, and checks that the core
//! keeps its promises ([`Promises`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mycnet_consensus::core::{
    Admission, Answer, Core, Event, Input, JournalEntry, Network, Output, PeerId, Refusal, Saved,
    Write,
};
use mycnet_consensus::internals::commitment::commitment;
use mycnet_consensus::internals::digest::Salt;
use mycnet_consensus::internals::ledger::{Draft, State};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{
    Seal, Signed, Slot, Statement, Verified, VoteKind, sign,
};
use mycnet_consensus::internals::seal::{SealCertificate, SealedBlock};
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Genesis, Identity, NetworkId, NodeId, OperationId,
    Outcome, Params, Priority, RecordId, Rejection, SealId, Signer, Spore,
};
use serde_bytes::ByteBuf;

/// The salt of commits that a test makes itself.
pub(crate) const SALT: Salt = Salt::from_bytes([7; 32]);

pub(crate) const APPROVED: Option<Outcome> = Some(Outcome::Decided(Ballot::Approve));

pub(crate) struct Net {
    pub(crate) genesis: Genesis,
    pub(crate) cores: Vec<Core>,
    pub(crate) saved: Vec<Saved>,
    /// The journal entries of each node in order, since its last loss of the journal.
    pub(crate) journals: Vec<Vec<JournalEntry>>,
    pub(crate) blocks: Vec<Vec<Arc<SealedBlock>>>,
    pub(crate) events: Vec<Vec<Event>>,
    /// Whether a node is cut off from the others.
    pub(crate) down: Vec<bool>,
    pub(crate) now_ms: u64,
    /// Limit of the bytes of blocks that hosts send at once.
    pub(crate) window_bytes: usize,
    /// Whether hosts ask for the next blocks before they give a core the last ones.
    pub(crate) asks_ahead: bool,
    /// Windows of blocks sent so far.
    pub(crate) served: usize,
    /// Messages that cores have sent so far.
    pub(crate) said: usize,
    /// The number of outputs that each host has done.
    pub(crate) done: Vec<usize>,
    /// A node that crashes, and after which number of outputs.
    pub(crate) crash: Option<(usize, usize)>,
    promises: Vec<Promises>,
    /// Records signed with a member's key without its core. No promise covers them.
    forged: BTreeSet<RecordId>,
    queue: VecDeque<(usize, usize, Message)>,
}

/// The promises of a node across restarts, by the records that it showed (DESIGN section 8).
#[derive(Default)]
pub(crate) struct Promises {
    journalled: BTreeSet<RecordId>,
    shown: BTreeMap<Slot, RecordId>,
}

impl Promises {
    /// Checks the next output of `me`: an own record leaves only after it was journalled, and a slot has one body.
    pub(crate) fn watch(
        &mut self,
        me: NodeId,
        output: &Output,
        forged: &BTreeSet<RecordId>,
    ) -> Result<(), String> {
        match output {
            Output::Persist(Write::Journal(entry)) => {
                self.journalled.insert(entry.record.body.id());
            }
            Output::Send { message, .. } => {
                for signed in records_of(message) {
                    let (id, body) = (signed.id(), &signed.record().body);
                    if body.by != me || forged.contains(&id) {
                        continue;
                    }
                    if !self.journalled.contains(&id) {
                        return Err(format!("{:?} left before it was journalled", body.what));
                    }
                    let Some(slot) = body.what.slot() else {
                        continue;
                    };
                    if *self.shown.entry(slot).or_insert(id) != id {
                        return Err(format!("{slot:?} was signed twice"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The records in a message, without those in blocks.
pub(crate) fn records_of(message: &Message) -> Vec<Signed> {
    let all: Vec<&ByteBuf> = match message {
        Message::Records(records) => records.iter().collect(),
        Message::Proposal { record, .. } => vec![record],
        _ => Vec::new(),
    };
    all.into_iter()
        .map(|bytes| Signed::decode(bytes).unwrap())
        .collect()
}

pub(crate) fn identity(n: usize) -> Identity {
    Identity::from_seed_label(&format!("node {n}"))
}

pub(crate) fn node(n: usize) -> NodeId {
    identity(n).node_id()
}

/// Node 0 is the Primary, 1 to 3 are Seeds, the others Latents.
pub(crate) fn genesis(nodes: usize) -> Genesis {
    genesis_of((0..nodes).map(|n| match n {
        0 => Spore::Primary,
        1..=3 => Spore::Seed,
        _ => Spore::Latent,
    }))
}

pub(crate) fn genesis_of(roles: impl IntoIterator<Item = Spore>) -> Genesis {
    let mut builder = Genesis::builder("test")
        .params(Params::dev())
        .time_ms(1_000_000);
    for (n, role) in roles.into_iter().enumerate() {
        builder = builder.member(node(n), role);
    }
    builder.build().unwrap()
}

/// A critical operation.
pub(crate) fn config(value: &[u8]) -> ConsensusOperation {
    ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: value.to_vec(),
    }
}

pub(crate) fn claim(panel: Option<&[usize]>) -> ConsensusOperation {
    let panel = panel.map(|members| {
        let mut panel: Vec<NodeId> = members.iter().map(|n| node(*n)).collect();
        panel.sort();
        panel
    });
    ConsensusOperation::Claim {
        subject: "6 * 7".into(),
        input: Vec::new(),
        panel,
        rule: ClaimRule::MAJORITY,
    }
}

/// A standard operation with an objection window.
pub(crate) fn deployment() -> ConsensusOperation {
    ConsensusOperation::ServiceDeployment {
        service: "mail".into(),
        manifest: b"v1".to_vec(),
    }
}

pub(crate) fn commit_of(
    net: NetworkId,
    operation: OperationId,
    n: usize,
    ballot: &Ballot,
) -> Statement {
    Statement::Commit {
        operation,
        commitment: commitment(net, operation, node(n), ballot, &SALT),
    }
}

pub(crate) fn reveal_of(operation: OperationId, ballot: Ballot) -> Statement {
    Statement::Reveal {
        operation,
        ballot,
        salt: SALT,
    }
}

/// A proposal of normal priority.
pub(crate) fn proposal_of(operation: ConsensusOperation, last: SealId, nonce: u64) -> Statement {
    Statement::Propose {
        operation,
        priority: Priority::Normal,
        last,
        nonce,
    }
}

pub(crate) fn nil_vote(height: u64, round: u32, kind: VoteKind) -> Statement {
    Statement::SealVote {
        height,
        round,
        kind,
        seal: None,
    }
}

pub(crate) fn vote_for(height: u64, round: u32, kind: VoteKind, seal: &Seal) -> Statement {
    Statement::SealVote {
        height,
        round,
        kind,
        seal: Some(seal.id()),
    }
}

/// A block of this seal, certified in `round` by these members.
pub(crate) fn block(
    net: NetworkId,
    seal: &Seal,
    records: &[Verified],
    round: u32,
    by: &[usize],
) -> SealedBlock {
    let vote = vote_for(seal.height, round, VoteKind::Precommit, seal);
    let mut votes: Vec<Verified> = by
        .iter()
        .map(|n| sign(&identity(*n), net, vote.clone()).unwrap())
        .collect();
    votes.sort_by_key(Verified::id);
    SealedBlock {
        seal: seal.clone(),
        certificate: SealCertificate {
            votes: votes.iter().map(|vote| vote.record().clone()).collect(),
        },
        records: records
            .iter()
            .map(|record| record.record().clone())
            .collect(),
    }
}

pub(crate) fn blocks_message<'a>(blocks: impl IntoIterator<Item = &'a SealedBlock>) -> Message {
    let encoded = blocks
        .into_iter()
        .map(|block| ByteBuf::from(mycnet_consensus::internals::codec::encode(block)))
        .collect();
    Message::Blocks(encoded)
}

impl Network for Net {
    fn core(&mut self, n: usize) -> Option<(&mut Core, u64)> {
        Some((&mut self.cores[n], self.now_ms))
    }

    fn persist(&mut self, n: usize, write: Write) {
        self.saved[n].write(&write);
        match write {
            Write::Journal(entry) => self.journals[n].push(entry),
            Write::Block { block, .. } => self.blocks[n].push(block),
            _ => {}
        }
    }

    fn blocks(&self, n: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        let blocks = self.blocks[n].iter();
        blocks.filter(move |block| block.seal.height >= from)
    }

    fn event(&mut self, n: usize, event: Event) {
        self.events[n].push(event);
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        self.queue.push_back((from, to, message));
    }

    fn output(&mut self, n: usize, mut output: Output) -> bool {
        self.promises[n]
            .watch(node(n), &output, &self.forged)
            .unwrap_or_else(|broken| panic!("node {n}: {broken}"));
        match &mut output {
            Output::Send { .. } => self.said += 1,
            Output::Serve { from, bytes, .. } => {
                *bytes = (*bytes).min(self.window_bytes);
                let is_answered = self.blocks(n, *from).next().is_some();
                self.served += usize::from(is_answered);
            }
            _ => {}
        }
        self.perform(n, output);
        self.done[n] += 1;
        let crashes = self.crash == Some((n, self.done[n]));
        if crashes {
            self.crash = None;
            self.restart(n);
        }
        !crashes
    }
}

impl Net {
    /// Nodes of which the first are the members. The others only read until they are admitted.
    pub(crate) fn new(genesis: &Genesis, nodes: usize) -> Self {
        let cores: Vec<Core> = (0..nodes)
            .map(|n| Core::new(genesis, Arc::new(identity(n))).unwrap())
            .collect();
        let mut net = Self {
            genesis: genesis.clone(),
            journals: vec![Vec::new(); nodes],
            saved: vec![Saved::default(); nodes],
            blocks: vec![Vec::new(); nodes],
            events: vec![Vec::new(); nodes],
            down: vec![false; nodes],
            cores,
            now_ms: genesis.time_ms,
            window_bytes: usize::MAX,
            asks_ahead: false,
            served: 0,
            said: 0,
            done: vec![0; nodes],
            crash: None,
            promises: (0..nodes).map(|_| Promises::default()).collect(),
            forged: BTreeSet::new(),
            queue: VecDeque::new(),
        };
        for n in 0..nodes {
            for other in 0..n {
                net.introduce(n, other, Input::PeerUp);
            }
        }
        net.pump();
        net
    }

    /// What a node's ledger says after its last seal.
    pub(crate) fn state(&self, n: usize) -> &State {
        self.cores[n].ledger().state()
    }

    pub(crate) fn network_id(&self) -> NetworkId {
        self.genesis.network_id()
    }

    pub(crate) fn input(&mut self, n: usize, input: Input) -> Result<Answer, Refusal> {
        Network::input(self, n, input)
    }

    /// Restarts a node from what its host made durable.
    pub(crate) fn restart(&mut self, n: usize) {
        self.start(n);
        self.meet(n);
    }

    /// All nodes stop at once, and the messages under way are lost. Nodes that are not down restart.
    pub(crate) fn stop_all(&mut self) {
        self.queue.clear();
        for n in 0..self.cores.len() {
            self.start(n);
        }
        for n in 0..self.cores.len() {
            self.meet(n);
        }
    }

    pub(crate) fn restart_without_journal(&mut self, n: usize) {
        self.saved[n].journal.clear();
        self.journals[n].clear();
        self.restart(n);
    }

    fn start(&mut self, n: usize) {
        let mut core = Core::new(&self.genesis, Arc::new(identity(n))).unwrap();
        let blocks = self.blocks[n].iter().map(|block| block.as_ref().clone());
        core.restore(self.saved[n].clone(), blocks, self.now_ms)
            .unwrap();
        self.cores[n] = core;
    }

    /// Connects this node with all nodes that it can reach.
    pub(crate) fn meet(&mut self, n: usize) {
        for other in 0..self.cores.len() {
            if other != n && !self.down[other] && !self.down[n] {
                self.introduce(n, other, Input::PeerUp);
            }
        }
    }

    /// As [`Self::meet`], and each host has proof of who the other one is.
    pub(crate) fn meet_known(&mut self, n: usize) {
        for other in 0..self.cores.len() {
            if other != n && !self.down[other] && !self.down[n] {
                for (one, other) in [(n, other), (other, n)] {
                    let (peer, author) = (PeerId(other as u64), node(other));
                    self.notify(one, Input::Author { peer, author });
                }
            }
        }
        self.meet(n);
    }

    /// Lets a node see that it lacks nothing of what any other one holds, without a word of theirs: each peer opens a
    /// comparison with what the node holds itself.
    pub(crate) fn shown_all(&mut self, n: usize) {
        for other in (0..self.cores.len()).filter(|other| *other != n) {
            let peer = PeerId(other as u64);
            let author = node(other);
            self.notify(n, Input::Author { peer, author });
            self.queue.clear();
            self.notify(n, Input::Sync(peer));
            let opening = self.queue.iter().find_map(|(from, to, message)| {
                let is_it = (*from, *to) == (n, other);
                let is_opening = matches!(message, Message::Reconcile { .. });
                (is_it && is_opening).then(|| message.clone())
            });
            self.arrive(other, n, opening.expect("it begins a comparison"));
        }
        self.queue.clear();
    }

    pub(crate) fn pump(&mut self) {
        while self.pump_one() {}
    }

    /// Delivers the next message, if there is one.
    pub(crate) fn pump_one(&mut self) -> bool {
        let Some((from, to, message)) = self.queue.pop_front() else {
            return false;
        };
        if !self.down[from] && !self.down[to] {
            let message = Message::decode(&message.encode()).unwrap();
            let peer = PeerId(from as u64);
            if self.asks_ahead
                && let Some(question) = self.cores[to].ask_ahead(peer, &message)
            {
                self.queue.push_back((to, from, question));
            }
            self.arrive(from, to, message);
        }
        true
    }

    pub(crate) fn all(&mut self, input: &Input) {
        for n in 0..self.cores.len() {
            if !self.down[n] {
                self.input(n, input.clone()).unwrap();
            }
        }
        self.pump();
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
        self.all(&Input::Tick);
    }

    /// Lets time pass and all hosts give up waiting, this number of times.
    pub(crate) fn nudge(&mut self, times: usize) {
        for _ in 0..times {
            self.advance(300);
            self.all(&Input::Nudge);
        }
    }

    pub(crate) fn propose(
        &mut self,
        n: usize,
        operation: ConsensusOperation,
        ballot: Option<Ballot>,
    ) -> OperationId {
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot,
            nonce: self.now_ms,
        };
        let Ok(Answer::Proposed(id)) = self.input(n, input) else {
            panic!("the proposal was refused");
        };
        self.pump();
        id
    }

    pub(crate) fn vote(&mut self, n: usize, operation: OperationId, ballot: Ballot) {
        self.input(n, Input::Vote { operation, ballot }).unwrap();
        self.pump();
    }

    pub(crate) fn approve(&mut self, voters: &[usize], operation: OperationId) {
        for n in voters {
            self.vote(*n, operation, Ballot::Approve);
        }
    }

    /// Proposes by node `by` and lets all `voters` vote `Approve`.
    pub(crate) fn decide(&mut self, by: usize, operation: ConsensusOperation, voters: &[usize]) {
        let id = self.propose(by, operation, Some(Ballot::Approve));
        self.approve(voters, id);
        assert_eq!(self.outcome(by, &id), APPROVED);
    }

    pub(crate) fn outcome(&self, n: usize, id: &OperationId) -> Option<Outcome> {
        let (outcome, _) = self.cores[n].status(id)?.outcome?;
        Some(outcome)
    }

    pub(crate) fn phase(&self, n: usize, id: &OperationId) -> &'static str {
        self.cores[n].status(id).map_or("unknown", |at| at.phase)
    }

    pub(crate) fn trust(&self, n: usize, of: usize) -> u32 {
        let roster = self.cores[n].ledger().state().roster();
        roster.get(&node(of)).unwrap().trust.trust_ppm()
    }

    /// A record signed with a member's key without its core.
    pub(crate) fn forge(&mut self, n: usize, statement: Statement) -> Verified {
        let record = sign(&identity(n), self.network_id(), statement).unwrap();
        self.forged.insert(record.id());
        record
    }

    /// Allows records of members that their cores did not make.
    pub(crate) fn allow(&mut self, records: &[Verified]) {
        self.forged.extend(records.iter().map(Verified::id));
    }

    pub(crate) fn import(&mut self, n: usize, record: &Verified) -> Result<Admission, Rejection> {
        self.import_bytes(n, record.encode())
    }

    pub(crate) fn import_bytes(
        &mut self,
        n: usize,
        bytes: Vec<u8>,
    ) -> Result<Admission, Rejection> {
        let records = vec![bytes];
        let Ok(Answer::Imported(mut results)) = self.input(n, Input::Import { records }) else {
            panic!("an import is answered record by record");
        };
        self.pump();
        results.remove(0)
    }

    /// Sends a node a message in the name of another.
    pub(crate) fn tell(&mut self, n: usize, from: usize, message: Message) {
        self.arrive(from, n, message);
        self.pump();
    }

    /// A seal that a node's ledger could take now.
    pub(crate) fn draft(&self, n: usize, time_ms: u64, records: Vec<Verified>) -> Draft {
        let ledger = self.cores[n].ledger();
        let mode = mycnet_consensus::internals::ledger::Mode::Lenient;
        ledger.draft(0, time_ms, records, mode).unwrap().0
    }

    /// The refusals that a node has reported, the last first.
    pub(crate) fn refusals(&self, n: usize) -> Vec<Rejection> {
        let events = self.events[n].iter().rev();
        events
            .filter_map(|event| match event {
                Event::Refused { rejection, .. } => Some(rejection.clone()),
                _ => None,
            })
            .collect()
    }

    /// The parts of a node's ledger and pool that a refused record must not change.
    pub(crate) fn fingerprint(&self, n: usize) -> String {
        fingerprint(&self.cores[n])
    }
}

pub(crate) fn fingerprint(core: &Core) -> String {
    let state = core.ledger().state();
    let pool: Vec<RecordId> = core.pool().iter().map(|held| held.record.id()).collect();
    let operations = state
        .operations()
        .map(mycnet_consensus::internals::open::OpenOperation::id);
    let closed = core.ledger().past().all_closed().map(|(id, _)| id);
    let pooled = core.pool().proposals().map(OperationId::from);
    let status: Vec<_> = operations
        .chain(closed)
        .chain(pooled)
        .map(|id| core.status(&id))
        .collect();
    format!(
        "{} {:?} {pool:?} {status:?} {:?} {:?} {:?}",
        state.height(),
        state.seal(),
        core.trust(),
        core.seal_status(),
        state.roster().full_digest(),
    )
}
