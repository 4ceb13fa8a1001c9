//! Malachite, as it is shipped: its state machine driven by `process!`, its Ed25519 signatures and its check of certificates, in a
//! host without disk, clock and encoding.
//!
//! Every proposal and vote reaches every other node once. The state machine asks its host to check each of them, a node's own
//! ones too, and once more those of its certificate before it decides. A height ends for a node when all votes have arrived, as
//! with ours; a host that began the next height at once would drop those after the quorum unchecked, up to a third of the precommits.
//! Proposals carry a value of 32 bytes (`ValuePayload::ProposalOnly`), nothing is logged, and its metrics are not compiled in.

mod context;
mod host;

use std::convert::Infallible;
use std::sync::Arc;

use malachitebft_core_consensus::{
    Error, Input, LocallyProposedValue, Params, SignedConsensusMsg, State, process,
};
use malachitebft_core_types::{ThresholdParams, ValuePayload, VoteExtensionPolicy};
use malachitebft_signing_ed25519::PrivateKey;

use context::{Address, Context, Height, Validator, Validators, Value};
use host::Host;

/// More than a node ever has to keep for later: all nodes are at one height.
const QUEUE: usize = 1_000;

struct Node {
    state: State<Context>,
    host: Host,
}

/// Nodes in one thread that decide one height after the other.
pub(super) struct Federation {
    nodes: Vec<Node>,
    validators: Validators,
    height: u64,
}

impl Node {
    fn take(&mut self, input: Input<Context>) {
        let Self { state, host } = self;
        let done: Result<(), Error<Context>> = process!(
            input: input,
            state: state,
            metrics: &(),
            with: effect => Ok::<_, Infallible>(host.perform(effect))
        );
        done.expect("honest nodes give each other no errors");
    }

    /// Takes an input, proposes if it is asked to, and appends what it publishes.
    fn turn(&mut self, at: usize, input: Input<Context>, sent: &mut Vec<Sent>) {
        self.take(input);
        if let Some((height, round)) = self.host.asked.take() {
            let mut value = [0; 32];
            value[..8].copy_from_slice(&height.0.to_le_bytes());
            let proposed = LocallyProposedValue::new(height, round, Value(value));
            self.take(Input::Propose(proposed));
        }
        sent.extend(self.host.sent.drain(..).map(|message| (at, message)));
    }
}

type Sent = (usize, SignedConsensusMsg<Context>);

impl Federation {
    pub(super) fn new(members: usize) -> Self {
        let mut keys: Vec<PrivateKey> = (0..members)
            .map(|n| {
                let label = format!("bench {n}");
                PrivateKey::from(*blake3::hash(label.as_bytes()).as_bytes())
            })
            .collect();
        let address = |key: &PrivateKey| Address(*key.public_key().as_bytes());
        keys.sort_by_key(address);
        let validator = |key: &PrivateKey| Validator {
            address: address(key),
            key: key.public_key(),
        };
        let validators = Validators(keys.iter().map(validator).collect::<Arc<[Validator]>>());
        let node = |key: PrivateKey| {
            let params = Params {
                address: address(&key),
                threshold_params: ThresholdParams::default(),
                value_payload: ValuePayload::ProposalOnly,
                enabled: true,
            };
            let first = Height(1);
            Node {
                state: State::new(Context, first, validators.clone(), params, QUEUE, QUEUE),
                host: Host::new(key),
            }
        };
        Self {
            nodes: keys.into_iter().map(node).collect(),
            validators,
            height: 0,
        }
    }

    /// Lets all nodes decide the next height.
    pub(super) fn decide(&mut self) {
        self.height += 1;
        let mut sent: Vec<Sent> = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.host.decided = None;
            let (height, validators) = (Height(self.height), self.validators.clone());
            let policy = VoteExtensionPolicy::Disabled;
            let start = Input::StartHeight(height, validators, false, None, policy);
            node.turn(at, start, &mut sent);
        }
        while !sent.is_empty() {
            let arriving = std::mem::take(&mut sent);
            for (at, node) in self.nodes.iter_mut().enumerate() {
                for (_, message) in arriving.iter().filter(|(from, _)| *from != at) {
                    let input = match message.clone() {
                        SignedConsensusMsg::Vote(vote) => Input::Vote(vote),
                        SignedConsensusMsg::Proposal(proposal) => Input::Proposal(proposal),
                    };
                    node.turn(at, input, &mut sent);
                }
            }
        }
        let decided = self.nodes[0].host.decided;
        assert!(
            decided.is_some() && self.nodes.iter().all(|node| node.host.decided == decided),
            "everybody decides the same"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_decides_height_after_height() {
        let mut federation = Federation::new(4);
        for height in 1..=5 {
            federation.decide();
            assert_eq!(federation.height, height);
        }
    }
}
