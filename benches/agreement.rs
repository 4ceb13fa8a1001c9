//! The cost of one decision for each node without network delay, compared with the bare check of as many signatures as there are
//! proposals and votes.
//!
//! - *agreement*: each node signs its own proposals and votes, verifies every other one once, those of an inbox together, and
//!   decides: the work that a transport without duplicates leaves.
//! - *cores*: whole nodes in a full mesh, each passing new records on to all others, as the core does without a transport
//!   that spares it duplicates: with `n` nodes every vote arrives `n - 1` times. Includes the records sealed.

#[path = "common/height.rs"]
#[allow(dead_code, reason = "each program takes what it needs")]
mod height;
#[path = "common/network.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod network;
#[path = "common/ratio.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod ratio;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use height::Height;
use mycnet_consensus::core::{Core, Input, Output, PeerId};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::{ClaimRule, ConsensusOperation, Priority, Sealing};
use network::{genesis, member, verify_all};
use ratio::{Ratio, Side, compare, timed};

const MEMBERS: [usize; 3] = [4, 16, 31];

/// Lets all members decide once.
fn decide(height: &Height) -> Duration {
    let mut sealers = height.start();
    timed(|| height.decide(&mut sealers))
}

/// Whole nodes in a full mesh.
struct Mesh {
    cores: Vec<Core>,
    decisions: u64,
}

impl Mesh {
    fn new(members: usize) -> Self {
        let genesis = genesis(members, Sealing::Members);
        let mut mesh = Self {
            cores: (0..members)
                .map(|n| Core::new(&genesis, Arc::new(member(n))).expect("the network is valid"))
                .collect(),
            decisions: 0,
        };
        for at in 0..members {
            for peer in (0..members).filter(|peer| *peer != at) {
                mesh.give(at, Input::PeerUp(PeerId(peer as u64)));
            }
        }
        mesh
    }

    /// Gives one node an input, and all nodes the messages that follow.
    fn give(&mut self, at: usize, input: Input) {
        let mut queue = VecDeque::from([(at, input)]);
        while let Some((at, input)) = queue.pop_front() {
            let from = PeerId(at as u64);
            for output in self.cores[at].handle(input, 1 + self.decisions).list {
                if let Output::Send { to, message } = output {
                    // Answers to greetings: all nodes hold all records already.
                    if !matches!(
                        message,
                        Message::Reconcile { .. } | Message::Reconciled { .. }
                    ) {
                        let to = usize::try_from(to.0).expect("peers are numbered as nodes");
                        queue.push_back((to, Input::Message { from, message }));
                    }
                }
            }
        }
    }

    /// Seals one more proposal.
    fn decide(&mut self) -> Duration {
        // Each member may have 64 open proposals.
        let proposer = usize::try_from(self.decisions).expect("few decisions") % self.cores.len();
        self.decisions += 1;
        let input = Input::Propose {
            operation: ConsensusOperation::Claim {
                subject: "build of release 1".to_owned(),
                // The same question is not asked twice.
                input: self.decisions.to_le_bytes().to_vec(),
                panel: None,
                rule: ClaimRule::MAJORITY,
            },
            priority: Priority::Normal,
            ballot: None,
            nonce: self.decisions,
        };
        let took = timed(|| self.give(proposer, input));
        assert!(
            self.cores
                .iter()
                .all(|core| core.ledger().state().height() == self.decisions),
            "everybody decides"
        );
        took
    }
}

fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("agreement");
    for members in MEMBERS {
        let height = Height::new(members);
        let signatures = height.signatures();
        let nodes = u32::try_from(members).expect("few members");
        group.bench_function(BenchmarkId::new("decision and node", members), |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| decide(&height)).sum::<Duration>() / nodes);
        });
        group.bench_function(BenchmarkId::new("bare verify_strict", members), |b| {
            b.iter(|| verify_all(&signatures));
        });
    }
    group.finish();
}

fn ratios() {
    for members in MEMBERS {
        let height = Height::new(members);
        let signatures = height.signatures();
        let bare = || timed(|| verify_all(&signatures));
        compare(
            &format!("agreement/{members} members"),
            Ratio::Cost,
            None,
            Side::new("decision and node", members, || decide(&height)),
            Side::new("bare verify_strict", 1, bare),
        );
        let mut mesh = Mesh::new(members);
        compare(
            &format!("agreement/{members} members, cores in a full mesh"),
            Ratio::Cost,
            None,
            Side::new("decision and node", members, || {
                // The number of open proposals is limited.
                if mesh.decisions == 64 * members as u64 / 2 {
                    mesh = Mesh::new(members);
                }
                mesh.decide()
            }),
            Side::new("bare verify_strict", 1, bare),
        );
    }
}

fn main() {
    ratio::main(groups, ratios);
}
