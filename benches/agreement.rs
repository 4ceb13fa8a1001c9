//! The cost of one decision for each node without network delay, compared with the bare check of as many signatures as there are
//! proposals and votes.
//!
//! - *agreement*: each node signs its own proposals and votes, verifies every other one once, those of an inbox together, and
//!   decides: the work that a transport without duplicates leaves.
//! - *cores*: whole nodes in a full mesh, each passing new records on to all others, as the core does without a transport
//!   that spares it duplicates: with `n` nodes every vote arrives `n - 1` times. Includes the records sealed.

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
use mycnet_consensus::core::{Core, Input, Output, PeerId};
use mycnet_consensus::internals::finality::{Action, Agreement, Judge, Sealers, Verdict};
use mycnet_consensus::internals::limits::CHECKED_TOGETHER_MAX;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Seal, Signed, Statement, Verified, Verifier, sign};
use mycnet_consensus::{
    ClaimRule, ConsensusOperation, Digest, Identity, NetworkId, NodeId, Priority, SealId, Sealing,
    Signer as _,
};
use network::{Signature, genesis, member, tables, verifier, verify_all};
use ratio::{Ratio, Side, compare, timed};

const MEMBERS: [usize; 3] = [4, 16, 31];

/// A proposal and two votes of each member.
fn records_of_a_decision(members: usize) -> usize {
    2 * members + 1
}

/// Accepts every seal: judging its content is the ledger's work.
struct Yes;

impl Judge for Yes {
    fn judge(&mut self, _: &Seal, _: u32, _: bool) -> Verdict {
        Verdict::Accept
    }

    fn is_worth_it(&mut self, _: &Seal) -> bool {
        true
    }
}

/// One member of a height's agreement.
struct Sealer {
    identity: Identity,
    verifier: Verifier,
    agreement: Agreement,
}

/// The members of a network that agree on one seal.
struct Height {
    net: NetworkId,
    identities: Vec<Identity>,
    verifier: Verifier,
    sealers: Arc<Sealers>,
}

impl Height {
    fn new(members: usize) -> Self {
        let genesis = genesis(members, Sealing::Members);
        let identities: Vec<Identity> = (0..members).map(member).collect();
        let queue: Vec<NodeId> = identities.iter().map(Identity::node_id).collect();
        Self {
            net: genesis.network_id(),
            verifier: tables(
                verifier(&genesis),
                identities.iter().cloned(),
                genesis.network_id(),
            ),
            identities,
            sealers: Arc::new(Sealers::new(queue)),
        }
    }

    fn start(&self) -> Vec<Sealer> {
        let sealer = |identity: &Identity| Sealer {
            identity: identity.clone(),
            verifier: self.verifier.clone(),
            agreement: Agreement::new(1, self.sealers.clone(), Some(identity.node_id())),
        };
        self.identities.iter().map(sealer).collect()
    }

    fn statement(&self, action: &Action) -> Statement {
        match *action {
            Action::Propose { round, .. } => Statement::SealProposal {
                round,
                lock: None,
                seal: Seal {
                    net: self.net,
                    height: 1,
                    prev: SealId::default(),
                    time_ms: 1,
                    count: 1,
                    records: Digest::default(),
                    state: Digest::default(),
                    roster: Digest::default(),
                    sealers: Digest::default(),
                    round,
                },
            },
            Action::Vote { round, kind, seal } => Statement::SealVote {
                height: 1,
                round,
                kind,
                seal,
            },
        }
    }

    /// Lets all members decide; every record reaches every other member once, in the inbox of its next turn.
    fn decide(&self) -> Duration {
        let mut sealers = self.start();
        timed(|| {
            let mut sent: Vec<(usize, Vec<u8>)> = Vec::new();
            for at in 0..sealers.len() {
                self.speak(&mut sealers, at, &mut sent);
            }
            while !sent.is_empty() {
                let arriving = std::mem::take(&mut sent);
                for at in 0..sealers.len() {
                    let others = arriving.iter().filter(|(from, _)| *from != at);
                    let inbox: Vec<&[u8]> = others.map(|(_, bytes)| &bytes[..]).collect();
                    for some in inbox.chunks(CHECKED_TOGETHER_MAX) {
                        for record in verified(&mut sealers[at].verifier, some) {
                            let agreement = &mut sealers[at].agreement;
                            agreement.add(record).expect("the vote is needed");
                            self.speak(&mut sealers, at, &mut sent);
                        }
                    }
                }
            }
            assert!(
                sealers
                    .iter()
                    .all(|sealer| sealer.agreement.decided().is_some()),
                "everybody decides"
            );
        })
    }

    fn speak(&self, sealers: &mut [Sealer], at: usize, sent: &mut Vec<(usize, Vec<u8>)>) {
        let sealer = &mut sealers[at];
        while let Some(action) = sealer.agreement.advance(&mut Yes, 0) {
            let record = sign(&sealer.identity, self.net, self.statement(&action))
                .expect("the vote is valid");
            sent.push((at, record.encode()));
            sealer.agreement.add(record).expect("the vote is its own");
        }
    }

    /// As many signatures as a decision has proposals and votes.
    fn signatures(&self) -> Vec<Signature> {
        let count = records_of_a_decision(self.identities.len());
        let voters = self.identities.iter().cycle().take(count);
        voters
            .map(|voter| {
                let seal = None;
                let action = Action::Vote {
                    round: 0,
                    kind: mycnet_consensus::internals::record::VoteKind::Prevote,
                    seal,
                };
                let vote = sign(voter, self.net, self.statement(&action));
                Signature::of(&vote.expect("the vote is valid"))
            })
            .collect()
    }
}

/// Decodes records and checks their signatures together.
fn verified(verifier: &mut Verifier, inbox: &[&[u8]]) -> Vec<Verified> {
    let signed = inbox.iter().map(|bytes| Signed::decode(bytes));
    let signed = signed
        .collect::<Result<_, _>>()
        .expect("the votes are canonical");
    let results = verifier.verify_all(signed).into_iter();
    results
        .collect::<Result<_, _>>()
        .expect("the votes are good")
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
            b.iter_custom(|rounds| (0..rounds).map(|_| height.decide()).sum::<Duration>() / nodes);
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
            Side::new("decision and node", members, || height.decide()),
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
