//! Whole nodes in a full mesh, each served as `mycnet_consensus::node` serves its core.
//!
//! A node takes all that its inbox has in one turn: signatures are checked ahead, and what it says to one peer travels as one
//! message. Its proposer gathers, and peers compare what they hold as often as real ones do. A message takes one millisecond of a
//! virtual clock. There is no disk, and frames are not encoded; the records in them are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_consensus::core::{Answer, Core, Event, Input, Message, Output, PeerId, Write};
use mycnet_consensus::internals::patience::{Advice, Patience};
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Identity, OperationId, Priority, Sealing, Signer as _,
};

use super::super::network::{genesis, member};

/// How soon after a seal a node compares what it holds with its peers, and how often it does so anyway: `SYNC_AFTER_SEAL_MS` and
/// `SYNC_EVERY_MS` of a real node (`node/timers.rs`).
const COMPARE_AFTER_SEAL_MS: u64 = 1_000;
const COMPARE_EVERY_MS: u64 = 15_000;

struct Node {
    core: Core,
    patience: Patience,
    inbox: Vec<Input>,
    /// When something is due without any input.
    due_ms: Option<u64>,
    compares_at_ms: u64,
}

/// What all nodes together did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) messages: u64,
    /// Approximately, and without what encrypted connections add.
    pub(super) bytes: u64,
    pub(super) seals: u64,
}

pub(super) struct Mesh {
    nodes: Vec<Node>,
    now_ms: u64,
    /// Operations that were proposed so far.
    asked: usize,
    /// Those that are decided now.
    open: BTreeSet<OperationId>,
    pub(super) done: Done,
}

impl Mesh {
    /// A federation in which all members seal.
    pub(super) fn new(members: usize) -> Self {
        let genesis = genesis(members, Sealing::Members);
        let now_ms = genesis.time_ms + 1;
        let identities: Vec<Identity> = (0..members).map(member).collect();
        let node = |at: usize| {
            let me = &identities[at];
            let core = Core::new(&genesis, Arc::new(me.clone())).expect("the network is valid");
            let mut patience = Patience::impatient(me.node_id(), &genesis.params, now_ms);
            let mut inbox = Vec::new();
            for peer in others(at, members) {
                let author = identities[number(peer)].node_id();
                inbox.extend([Input::Author { peer, author }, Input::PeerUp(peer)]);
                patience.met(author);
            }
            Node {
                core,
                patience,
                inbox,
                due_ms: None,
                compares_at_ms: now_ms + COMPARE_EVERY_MS,
            }
        };
        let mut mesh = Self {
            nodes: (0..members).map(node).collect(),
            now_ms,
            asked: 0,
            open: BTreeSet::new(),
            done: Done::default(),
        };
        mesh.exchange();
        mesh
    }

    /// Lets members in turn propose so many claims at once, and all members vote on all of them, until they are closed everywhere.
    pub(super) fn decide(&mut self, operations: usize) {
        for _ in 0..operations {
            let proposer = self.asked % self.nodes.len();
            self.nodes[proposer].inbox.push(Input::Propose {
                operation: ConsensusOperation::Claim {
                    subject: "build of release 1".to_owned(),
                    // The same question is not asked twice.
                    input: self.asked.to_le_bytes().to_vec(),
                    panel: None,
                    rule: ClaimRule::MAJORITY,
                },
                priority: Priority::Normal,
                ballot: Some(answer()),
                nonce: self.asked as u64,
            });
            self.asked += 1;
        }
        self.exchange();
        assert_eq!(self.open.len(), operations, "every claim is proposed");
        while !self.is_all_closed() {
            self.wait();
            self.exchange();
        }
        self.open.clear();
    }

    fn is_all_closed(&self) -> bool {
        self.nodes.iter().all(|node| {
            let past = node.core.ledger().past();
            self.open.iter().all(|id| past.closed(id).is_some())
        })
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) {
        let due = self.nodes.iter().filter_map(|node| node.due_ms).min();
        let due_ms = due.expect("something is due while an operation is open");
        self.now_ms = self.now_ms.max(due_ms);
    }

    /// Lets all nodes take turns until no message is under way.
    fn exchange(&mut self) {
        let members = self.nodes.len();
        loop {
            let mut sent = Vec::new();
            for at in 0..members {
                let node = &mut self.nodes[at];
                if node.due_ms.is_some_and(|due_ms| due_ms <= self.now_ms) {
                    node.inbox.push(Input::Tick);
                }
                if node.compares_at_ms <= self.now_ms {
                    node.compares_at_ms = self.now_ms + COMPARE_EVERY_MS;
                    node.inbox.extend(others(at, members).map(Input::Sync));
                }
                if !node.inbox.is_empty() {
                    self.turn(at, &mut sent);
                }
            }
            self.now_ms += 1;
            if sent.is_empty() && self.nodes.iter().all(|node| node.inbox.is_empty()) {
                return;
            }
            for (to, input) in sent {
                self.nodes[to].inbox.push(input);
            }
        }
    }

    /// One node takes all of its inbox.
    fn turn(&mut self, at: usize, sent: &mut Vec<(usize, Input)>) {
        let (node, now_ms) = (&mut self.nodes[at], self.now_ms);
        node.core.set_timing(node.patience.timing(now_ms));
        let inputs = std::mem::take(&mut node.inbox);
        node.core
            .check_ahead(inputs.iter().filter_map(|input| match input {
                Input::Message { message, .. } => Some(message),
                _ => None,
            }));
        let mut outputs = Vec::new();
        for input in inputs {
            let done = node.core.handle(input, now_ms);
            if let Answer::Proposed(id) = done.answer.expect("nothing is refused") {
                self.open.insert(id);
            }
            outputs.extend(done.list);
        }
        if let Some(input) = node.advised(now_ms) {
            outputs.extend(node.core.handle(input, now_ms).list);
        }
        let due = node.core.next_due_ms().into_iter();
        node.due_ms = due.chain(node.patience.due_ms()).min();
        for (to, messages) in node.carry_out(outputs, now_ms, &mut self.done) {
            for message in messages {
                self.done.messages += 1;
                self.done.bytes += message.weight() as u64;
                let from = PeerId(at as u64);
                sent.push((number(to), Input::Message { from, message }));
            }
        }
    }
}

impl Node {
    /// What a host's patience tells it to do.
    fn advised(&mut self, now_ms: u64) -> Option<Input> {
        let sealers = self.core.ledger().state().sealers();
        match self.patience.look(&self.core.waiting(), sealers, now_ms) {
            Advice::Wait => None,
            Advice::Lead => Some(Input::Lead),
            Advice::GiveUp => {
                self.patience.nudged();
                Some(Input::Nudge)
            }
        }
    }

    /// Carries outputs out. Returns the messages, joined where they can be.
    fn carry_out(
        &mut self,
        outputs: Vec<Output>,
        now_ms: u64,
        done: &mut Done,
    ) -> BTreeMap<PeerId, Vec<Message>> {
        let mut messages: BTreeMap<PeerId, Vec<Message>> = BTreeMap::new();
        for output in outputs {
            match output {
                Output::Send { to, message } => {
                    let all = messages.entry(to).or_default();
                    let rest = match all.last_mut() {
                        Some(last) => last.join(message).err(),
                        None => Some(message),
                    };
                    all.extend(rest);
                }
                Output::Persist(Write::Record(record) | Write::Vote(record)) => {
                    self.patience.heard(record.author());
                }
                Output::Event(Event::Proposed { operation }) => {
                    let ballot = answer();
                    self.inbox.push(Input::Vote { operation, ballot });
                }
                Output::Event(Event::Sealed { .. }) => {
                    done.seals += 1;
                    let at_ms = now_ms + COMPARE_AFTER_SEAL_MS;
                    self.compares_at_ms = self.compares_at_ms.min(at_ms);
                }
                Output::Serve { .. } | Output::Part(_) => {
                    unreachable!("no node is behind or does harm")
                }
                _ => {}
            }
        }
        messages
    }
}

/// All other nodes, as peers.
fn others(at: usize, members: usize) -> impl Iterator<Item = PeerId> {
    let all = (0..members).filter(move |other| *other != at);
    all.map(|other| PeerId(other as u64))
}

fn number(peer: PeerId) -> usize {
    usize::try_from(peer.0).expect("peers are numbered as nodes")
}

/// All members give the same answer.
fn answer() -> Ballot {
    Ballot::Result(b"sha256".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_closed_everywhere_in_two_seals() {
        let mut mesh = Mesh::new(4);
        mesh.decide(1);
        mesh.done = Done::default();
        mesh.decide(10);
        assert_eq!(mesh.done.seals, 2 * 4);
    }
}
