//! A few cores, connected directly: every message arrives at once and in order.

use std::sync::Arc;

use mycnet_consensus::core::{Answer, Core, Event, Input, Output, PeerId, Refusal, Write};
use mycnet_consensus::digest::{NodeId, OperationId};
use mycnet_consensus::genesis::Genesis;
use mycnet_consensus::identity::{Identity, Signer};
use mycnet_consensus::message::Message;
use mycnet_consensus::operation::{Ballot, ConsensusOperation, Priority};
use mycnet_consensus::seal::SealedBlock;
use serde_bytes::ByteBuf;

pub struct Net {
    pub cores: Vec<Core>,
    pub blocks: Vec<Vec<Arc<SealedBlock>>>,
    pub events: Vec<Vec<Event>>,
    /// Nodes that are cut off.
    pub down: Vec<bool>,
    pub now_ms: u64,
    queue: std::collections::VecDeque<(usize, usize, Message)>,
}

pub fn identity(n: usize) -> Identity {
    Identity::from_seed_label(&format!("node {n}"))
}

pub fn node(n: usize) -> NodeId {
    identity(n).node_id()
}

impl Net {
    pub fn new(genesis: &Genesis, nodes: usize) -> Self {
        let cores: Vec<Core> = (0..nodes)
            .map(|n| Core::new(genesis, Arc::new(identity(n))).unwrap())
            .collect();
        let mut net = Self {
            blocks: vec![Vec::new(); nodes],
            events: vec![Vec::new(); nodes],
            down: vec![false; nodes],
            cores,
            now_ms: genesis.time_ms,
            queue: std::collections::VecDeque::new(),
        };
        for a in 0..nodes {
            for b in 0..nodes {
                if a != b {
                    net.input(a, Input::PeerUp(PeerId(b as u64))).unwrap();
                }
            }
        }
        net.pump();
        net
    }

    pub fn input(&mut self, n: usize, input: Input) -> Result<Answer, Refusal> {
        let outputs = self.cores[n].handle(input, self.now_ms);
        for output in outputs.list {
            match output {
                Output::Send { to, message } => {
                    self.queue
                        .push_back((n, usize::try_from(to.0).unwrap(), message));
                }
                Output::Persist(Write::Block { block, .. }) => self.blocks[n].push(block),
                Output::Serve { to, from } => {
                    let blocks = self.blocks[n]
                        .iter()
                        .filter(|block| block.seal.height >= from)
                        .map(|block| ByteBuf::from(mycnet_consensus::codec::encode(block.as_ref())))
                        .collect();
                    let to = usize::try_from(to.0).unwrap();
                    self.queue.push_back((n, to, Message::Blocks(blocks)));
                }
                Output::Event(event) => self.events[n].push(event),
                _ => {}
            }
        }
        outputs.answer
    }

    pub fn pump(&mut self) {
        while let Some((from, to, message)) = self.queue.pop_front() {
            if self.down[from] || self.down[to] {
                continue;
            }
            let frame = Message::decode(&message.encode()).unwrap();
            let from = PeerId(from as u64);
            self.input(
                to,
                Input::Message {
                    from,
                    message: frame,
                },
            )
            .unwrap();
        }
    }

    pub fn all(&mut self, input: &Input) {
        for n in 0..self.cores.len() {
            if !self.down[n] {
                self.input(n, input.clone()).unwrap();
            }
        }
        self.pump();
    }

    pub fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
        self.all(&Input::Tick);
    }

    pub fn propose(
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

    pub fn vote(&mut self, n: usize, operation: OperationId, ballot: Ballot) {
        self.input(n, Input::Vote { operation, ballot }).unwrap();
        self.pump();
    }
}
