//! The people behind the hosts: their keys, proposals and votes.

pub(super) mod founder;
mod mischief;

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::base::digest::{NodeId, OperationId};
use crate::base::identity::{Identity, Signer as _};
use crate::core::{Core, Input};
use crate::decision::open::{Phase, Stage};
use crate::sim::kind::ActorKind;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use crate::statement::operation::{Ballot, ClaimItem, Class, ConsensusOperation, Priority, Spore};
use crate::statement::record::Statement;

pub(super) use mischief::schemes;

/// Persons from this number on run no host.
const STRANGERS: usize = 100;

/// The identity of a person.
#[must_use]
pub fn identity(person: usize) -> Identity {
    Identity::from_seed_label(&format!("person {person}"))
}

/// The key of a person.
#[must_use]
pub fn node(person: usize) -> NodeId {
    identity(person).node_id()
}

/// The acts that a person has done already. A restart of the host does not change them.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    acted: BTreeSet<(OperationId, &'static str)>,
}

/// The ballot of most people on an operation, which each of them computes alike.
fn leaning(id: &OperationId, operation: &ConsensusOperation) -> Ballot {
    let bytes = id.as_bytes();
    match (operation, bytes[0] % 8) {
        (ConsensusOperation::ClaimSet { items, .. }, _) => {
            let result = |byte: &u8| match byte % 16 {
                0 => None,
                1 => Some(b"wrong".to_vec()),
                _ => Some(b"right".to_vec()),
            };
            Ballot::Results(bytes.iter().cycle().take(items.len()).map(result).collect())
        }
        (ConsensusOperation::Claim { .. }, 0) => Ballot::Result(b"wrong".to_vec()),
        (ConsensusOperation::Claim { .. }, _) => Ballot::Result(b"right".to_vec()),
        (_, 0 | 1) => Ballot::Reject,
        _ => Ballot::Approve,
    }
}

fn ballot(rng: &mut ChaCha8Rng, id: &OperationId, operation: &ConsensusOperation) -> Ballot {
    let leaning = leaning(id, operation);
    match (rng.random_range(0..100), leaning) {
        (65..80, Ballot::Results(results)) => own_results(rng, results),
        (0..80, leaning) => leaning,
        (80..85, _) => Ballot::Approve,
        (85..90, _) => Ballot::Reject,
        (90..95, _) => Ballot::Abstain,
        _ => Ballot::Result(vec![rng.random_range(0..3)]),
    }
}

/// The results with other ones of some items, or with one more item.
fn own_results(rng: &mut ChaCha8Rng, mut results: Vec<Option<Vec<u8>>>) -> Ballot {
    if rng.random_ratio(1, 10) {
        results.push(None);
    }
    for result in &mut results {
        match rng.random_range(0..10) {
            0..2 => *result = Some(vec![rng.random_range(0..3)]),
            2 => *result = None,
            _ => {}
        }
    }
    Ballot::Results(results)
}

/// An operation of any kind, with its priority and the proposer's ballot.
pub(super) fn proposal(rng: &mut ChaCha8Rng, core: &Core, hosts: usize, liars: &[NodeId]) -> Input {
    let role = core.ledger().state().roster().get(&core.node_id());
    let is_authority = role.is_some_and(|member| member.role.is_authority());
    let operation = operation(rng, core, hosts, liars, is_authority);
    let ballot = match (rng.random_range(0..10), &operation) {
        (0, _) => None,
        (1, _) => Some(Ballot::Reject),
        (_, ConsensusOperation::Claim { .. }) => Some(Ballot::Result(b"right".to_vec())),
        (_, ConsensusOperation::ClaimSet { items, .. }) => {
            Some(Ballot::Results(vec![Some(b"right".to_vec()); items.len()]))
        }
        _ => Some(Ballot::Approve),
    };
    let priority = if is_authority && rng.random_ratio(1, 4) {
        Priority::High
    } else {
        Priority::Normal
    };
    Input::Propose {
        operation,
        priority,
        ballot,
        nonce: rng.random(),
    }
}

fn operation(
    rng: &mut ChaCha8Rng,
    core: &Core,
    hosts: usize,
    liars: &[NodeId],
    is_authority: bool,
) -> ConsensusOperation {
    let key = format!("k{}", rng.random_range(0..3));
    let value = vec![b'v'; rng.random_range(0..3)];
    let someone = node(rng.random_range(0..hosts));
    match rng.random_range(0..110) {
        0..25 => claim(rng, hosts, is_authority),
        100.. => claim_set(rng, hosts, is_authority),
        25..32 => ConsensusOperation::NetworkConfiguration {
            config_type: key,
            proposed_change: value,
        },
        32..40 => param_change(rng),
        40..45 => ConsensusOperation::SecurityPolicyUpdate {
            policy: key,
            content: value,
        },
        45..52 => ConsensusOperation::TrustScoreModification {
            node: someone,
            delta_ppm: rng.random_range(-40_000..=40_000),
            reason: String::new(),
        },
        52..58 => admission(rng, core),
        58..62 => ConsensusOperation::NodeExclusion {
            node: liars.first().copied().unwrap_or_else(|| node(STRANGERS)),
            reason: String::new(),
        },
        62..70 => ConsensusOperation::SporeAssignment {
            node: someone,
            role: [Spore::Primary, Spore::Seed, Spore::Latent][rng.random_range(0..3)],
        },
        70..78 => ConsensusOperation::ServiceDeployment {
            service: key,
            manifest: value,
        },
        78..86 => ConsensusOperation::ResourceAllocation {
            resource: key,
            allocation: value,
        },
        86..93 => ConsensusOperation::RoutineMaintenance {
            task: key,
            details: value,
        },
        _ => ConsensusOperation::PerformanceOptimization {
            target: key,
            details: value,
        },
    }
}

fn claim(rng: &mut ChaCha8Rng, hosts: usize, is_authority: bool) -> ConsensusOperation {
    let panel = panel(rng, hosts, is_authority);
    ConsensusOperation::Claim {
        // Sometimes it is asked already.
        subject: format!("subject {}", rng.random_range(0..8)),
        input: Vec::new(),
        panel,
        rule: rule(rng),
    }
}

fn claim_set(rng: &mut ChaCha8Rng, hosts: usize, is_authority: bool) -> ConsensusOperation {
    let items = (0..rng.random_range(1..=5)).map(|number| ClaimItem {
        subject: format!("item {number}"),
        input: Vec::new(),
    });
    ConsensusOperation::ClaimSet {
        // Sometimes it is asked already.
        subject: format!("set {}", rng.random_range(0..2)),
        items: items.collect(),
        panel: panel(rng, hosts, is_authority),
        rule: rule(rng),
    }
}

/// Half of the claims of an authority ask everybody but one.
fn panel(rng: &mut ChaCha8Rng, hosts: usize, is_authority: bool) -> Option<Vec<NodeId>> {
    (is_authority && rng.random_ratio(1, 2)).then(|| {
        let left_out = rng.random_range(0..hosts);
        let mut panel: Vec<NodeId> = (0..hosts).filter(|n| *n != left_out).map(node).collect();
        panel.sort_unstable();
        panel
    })
}

fn rule(rng: &mut ChaCha8Rng) -> ClaimRule {
    ClaimRule {
        share_ppm: [0, 500_000, 500_000, 666_667][rng.random_range(0..4)],
        electors: [1, 1, 2, 3][rng.random_range(0..4)],
    }
}

fn param_change(rng: &mut ChaCha8Rng) -> ConsensusOperation {
    let (name, value) = match rng.random_range(0..5) {
        0 => ("coherent_gain_ppm", rng.random_range(0..=50_000)),
        1 => ("withheld_ppm", rng.random_range(0..=100_000)),
        2 => ("reveal_window_ms", rng.random_range(900..=3500)),
        3 => ("claim_grace_ms", rng.random_range(400..=1500)),
        _ => ("objection_window_ms", 0),
    };
    ConsensusOperation::NetworkConfiguration {
        config_type: format!("param.{name}"),
        proposed_change: value.to_string().into_bytes(),
    }
}

fn admission(rng: &mut ChaCha8Rng, core: &Core) -> ConsensusOperation {
    let candidate = identity(STRANGERS + rng.random_range(0..3));
    let role = Spore::Latent;
    ConsensusOperation::NodeAdmission {
        candidate: candidate.node_id(),
        role,
        consent: Consent::sign(
            &candidate,
            core.network_id(),
            role,
            MemberName::of_key(&candidate.node_id()),
            None,
        )
        .expect("a key in memory signs"),
    }
}

/// An operation that a person has heard of.
struct Open<'a> {
    id: OperationId,
    operation: &'a ConsensusOperation,
    /// The stage of spore authority that it is in.
    stage: Option<Stage>,
}

impl Person {
    /// The inputs that this person gives now, from what its host knows.
    pub(super) fn act(
        &mut self,
        rng: &mut ChaCha8Rng,
        core: &Core,
        kind: Option<ActorKind>,
    ) -> Vec<Input> {
        let sealed = core.ledger().state();
        let mut known: Vec<Open<'_>> = Vec::new();
        for id in core.pool().proposals() {
            let pooled = core.pool().get(&id).map(|pooled| pooled.record.statement());
            if let Some(Statement::Propose { operation, .. }) = pooled {
                known.push(Open {
                    id: id.into(),
                    operation,
                    stage: None,
                });
            }
        }
        for open in sealed.operations() {
            let stage = match open.phase() {
                Phase::Authority(authority) => Some(authority.stage.clone()),
                _ => None,
            };
            known.push(Open {
                id: open.id(),
                operation: open.operation(),
                stage,
            });
        }
        let role = sealed
            .roster()
            .get(&core.node_id())
            .map(|member| member.role);
        let mut inputs = Vec::new();
        for open in known {
            let wish = kind.and_then(|kind| mischief::ballot(kind, open.operation));
            self.consider(rng, &mut inputs, &open, wish, role);
        }
        inputs
    }

    fn consider(
        &mut self,
        rng: &mut ChaCha8Rng,
        inputs: &mut Vec<Input>,
        open: &Open<'_>,
        wish: Option<Ballot>,
        role: Option<Spore>,
    ) {
        let operation = open.id;
        if self.takes_turn(rng, operation, "vote", 60, 92) {
            let ballot = wish.unwrap_or_else(|| ballot(rng, &operation, open.operation));
            inputs.push(Input::Vote { operation, ballot });
        }
        if open.operation.class() != Class::Standard {
            return;
        }
        let approves = leaning(&operation, open.operation) == Ballot::Approve;
        let approve = approves != rng.random_ratio(1, 10);
        match role {
            Some(Spore::Primary) if self.takes_turn(rng, operation, "direct", 40, 70) => {
                inputs.push(Input::Direct { operation, approve });
            }
            Some(Spore::Seed) => {
                if self.takes_turn(rng, operation, "object", 20, 20) {
                    let reason = "no".to_owned();
                    inputs.push(Input::Object { operation, reason });
                }
                let is_asked = open.stage == Some(Stage::Resolution) || rng.random_ratio(1, 50);
                if is_asked && self.takes_turn(rng, operation, "resolve", 60, 80) {
                    inputs.push(Input::Resolve { operation, approve });
                }
            }
            _ => {}
        }
    }

    /// Whether the person acts now (`soon` percent of its occasions), and acts on the operation at all (`ever` percent of
    /// all operations).
    fn takes_turn(
        &mut self,
        rng: &mut ChaCha8Rng,
        operation: OperationId,
        what: &'static str,
        soon: u32,
        ever: u32,
    ) -> bool {
        rng.random_ratio(soon, 100)
            && self.acted.insert((operation, what))
            && rng.random_ratio(ever, 100)
    }
}
