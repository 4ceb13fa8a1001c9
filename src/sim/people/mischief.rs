//! What persons with bad intentions do through an honest host: no rule of signing is broken, only the purpose.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::node;
use crate::base::digest::{NodeId, OperationId};
use crate::core::{Core, Input};
use crate::sim::kind::ActorKind;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Priority};

/// The answer that those who act together give to every claim.
const SECRET: &[u8] = b"secret";

/// The ballot of a person of this kind; `None` if it votes as everybody does.
pub(super) fn ballot(kind: ActorKind, operation: &ConsensusOperation) -> Option<Ballot> {
    let class = operation.class();
    match (kind, class) {
        (ActorKind::Farmer | ActorKind::PanelSeed, Class::Claim) => Some(match operation {
            ConsensusOperation::ClaimSet { items, .. } => {
                Ballot::Results(vec![Some(SECRET.to_vec()); items.len()])
            }
            _ => Ballot::Result(SECRET.to_vec()),
        }),
        (ActorKind::Contrarian, Class::Critical | Class::Standard) => Some(Ballot::Reject),
        _ => None,
    }
}

/// What a person of this kind does beside voting.
pub(in crate::sim) fn schemes(
    kind: ActorKind,
    rng: &mut ChaCha8Rng,
    core: &Core,
    hosts: usize,
) -> Vec<Input> {
    let operation = match kind {
        ActorKind::FreeObjector => return objections(core),
        _ if !rng.random_ratio(1, 4) => return Vec::new(),
        ActorKind::JunkProposer => ConsensusOperation::NetworkConfiguration {
            config_type: "junk".to_owned(),
            proposed_change: vec![rng.random()],
        },
        ActorKind::Farmer => claim(rng, None),
        ActorKind::PanelSeed => {
            // Itself, two that may be friends, and a victim; in small networks some of them are the same.
            let mut panel = vec![core.node_id()];
            panel.extend((0..3).map(|_| node(rng.random_range(0..hosts))));
            panel.sort_unstable();
            panel.dedup();
            claim(rng, Some(panel))
        }
        _ => return Vec::new(),
    };
    vec![Input::Propose {
        // Without a ballot: who is late with its commit decides when a freeze is possible.
        ballot: ballot(kind, &operation),
        operation,
        priority: Priority::Normal,
        nonce: rng.random(),
    }]
}

fn claim(rng: &mut ChaCha8Rng, panel: Option<Vec<NodeId>>) -> ConsensusOperation {
    let rules = [ClaimRule::PLURALITY, ClaimRule::MAJORITY];
    ConsensusOperation::Claim {
        subject: format!("secret {}", rng.random::<u32>()),
        input: Vec::new(),
        panel,
        rule: rules[rng.random_range(0..rules.len())],
    }
}

/// An objection to whatever can be objected to.
fn objections(core: &Core) -> Vec<Input> {
    let open = core.ledger().state().operations();
    let standard = open.filter(|open| open.phase_name() == "authority");
    let ids: Vec<OperationId> = standard
        .map(crate::decision::open::OpenOperation::id)
        .collect();
    let object = |operation| Input::Object {
        operation,
        reason: "no".to_owned(),
    };
    ids.into_iter().map(object).collect()
}
