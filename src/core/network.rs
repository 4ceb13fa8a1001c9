//! A virtual network: several cores in one process, and the messages under way between them.
//!
//! It is deterministic and does no I/O. The engines in memory, the replays, the simulator and the tests all implement
//! [`Network`]: they hold the nodes and say what a node keeps, which clock it reads and how messages travel. The
//! provided methods are the parts that they all have in common.

use std::sync::Arc;

use super::{Answer, Core, Event, Input, Message, Output, PeerId, Refusal, SealedBlock, Write};

/// Nodes in one process, numbered from 0. To the others, node `n` is the peer `PeerId(n)`.
pub trait Network {
    /// A node's core, and the time on the node's clock. `None` while the node is down.
    fn core(&mut self, node: usize) -> Option<(&mut Core, u64)>;

    /// Keeps the data that a node needs after a restart.
    fn persist(&mut self, node: usize, write: Write);

    /// The sealed blocks that a node keeps, from a height on.
    fn blocks(&self, node: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>>;

    /// Takes note of an event for a node's users.
    fn event(&mut self, node: usize, event: Event);

    /// Takes a message that a node sends. It arrives when the implementor calls [`Network::arrive`], or never.
    fn send(&mut self, from: usize, to: usize, message: Message);

    /// Disconnects a node from a peer. By default nodes stay connected.
    fn part(&mut self, _node: usize, _peer: usize) {}

    /// Carries out an output. `false` if the node crashed: its further outputs are lost.
    fn output(&mut self, node: usize, output: Output) -> bool {
        self.perform(node, output);
        true
    }

    /// Carries out an output by the methods above.
    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Persist(write) => self.persist(node, write),
            Output::Send { to, message } => self.send(node, number(to), message),
            Output::Serve { to, from, bytes } => {
                let encoded = self.blocks(node, from).map(|block| block.encode());
                if let Some(message) = Message::blocks(encoded, bytes) {
                    self.send(node, number(to), message);
                }
            }
            Output::Part(peer) => self.part(node, number(peer)),
            Output::Event(event) => self.event(node, event),
        }
    }

    /// Gives a node an input and does the outputs. A node that is down takes no input.
    ///
    /// # Errors
    ///
    /// [`Refusal`] as the core gives it. The outputs are done all the same.
    fn input(&mut self, node: usize, input: Input) -> Result<Answer, Refusal> {
        let Some((core, now_ms)) = self.core(node) else {
            return Ok(Answer::Done);
        };
        let outputs = core.handle(input, now_ms);
        let mut list = outputs.list.into_iter();
        let _ = list.all(|output| self.output(node, output));
        outputs.answer
    }

    /// Gives a node an input that no core refuses: about time, a connection or a message.
    fn notify(&mut self, node: usize, input: Input) {
        let answer = self.input(node, input);
        answer.expect("a core refuses only what its person asks for");
    }

    /// Delivers a message.
    fn arrive(&mut self, from: usize, to: usize, message: Message) {
        let from = PeerId(from as u64);
        self.notify(to, Input::Message { from, message });
    }

    /// Tells two nodes about each other, such as that they can reach each other ([`Input::PeerUp`]).
    fn introduce(&mut self, one: usize, other: usize, input: fn(PeerId) -> Input) {
        self.notify(one, input(PeerId(other as u64)));
        self.notify(other, input(PeerId(one as u64)));
    }
}

fn number(peer: PeerId) -> usize {
    usize::try_from(peer.0).expect("peers are numbered as nodes are")
}
