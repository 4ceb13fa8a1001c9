//! Fixtures for the tests of documents.

mod applied;
mod cost;
mod frozen;
mod ledger;
mod operation;
mod properties;
mod schema;

use crate::base::digest::{NetworkId, NodeId, OperationId, SealId};
use crate::base::identity::{Identity, Signer as _};
use crate::statement::claim_rule::ClaimRule;
use crate::statement::commitment::vote as vote_of;
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use crate::statement::operation::{Ballot, ClaimItem, ConsensusOperation, Priority, Spore};
use crate::statement::record::{Statement, Verified, sign};

fn net() -> NetworkId {
    NetworkId::from_bytes([7; 32])
}

fn identity(index: usize) -> Identity {
    Identity::from_seed_label(&format!("document {index}"))
}

fn node(index: usize) -> NodeId {
    identity(index).node_id()
}

fn signed(by: &Identity, statement: Statement) -> Verified {
    sign(by, net(), statement).unwrap()
}

fn propose(by: &Identity, operation: ConsensusOperation, nonce: u64) -> Verified {
    let statement = Statement::Propose {
        operation,
        priority: Priority::Normal,
        last: SealId::from_bytes([9; 32]),
        nonce,
    };
    signed(by, statement)
}

/// A commit to `ballot` and the reveal that opens it.
fn vote(by: &Identity, operation: OperationId, ballot: Ballot) -> [Verified; 2] {
    vote_in(net(), by, operation, ballot)
}

fn vote_in(net: NetworkId, by: &Identity, operation: OperationId, ballot: Ballot) -> [Verified; 2] {
    let statements = vote_of(by, net, operation, ballot).unwrap();
    statements.map(|statement| sign(by, net, statement).unwrap())
}

fn policy() -> ConsensusOperation {
    ConsensusOperation::SecurityPolicyUpdate {
        policy: "uploads".to_owned(),
        content: vec![0, 1, 254, 255],
    }
}

/// A proposal and the commits and reveals of `electors`.
fn decided(electors: usize) -> Vec<Verified> {
    let proposal = propose(&identity(0), policy(), u64::MAX);
    let operation = OperationId::from(proposal.id());
    let mut records = vec![proposal];
    for index in 0..electors {
        records.extend(vote(&identity(index), operation, Ballot::Approve));
    }
    records
}

/// A proposal with a directive, objections and resolutions, two of them in conflict.
fn objected() -> Vec<Verified> {
    let deployment = ConsensusOperation::ServiceDeployment {
        service: "mirror".to_owned(),
        manifest: b"image = 1".to_vec(),
    };
    let proposal = propose(&identity(0), deployment, 3);
    let operation = OperationId::from(proposal.id());
    let directive =
        |by, approve| signed(&identity(by), Statement::Directive { operation, approve });
    let objection = |by, reason: &str| {
        let reason = reason.to_owned();
        signed(&identity(by), Statement::Objection { operation, reason })
    };
    let resolution =
        |by, approve| signed(&identity(by), Statement::Resolution { operation, approve });
    vec![
        directive(0, true),
        directive(0, false),
        objection(1, "not on our disk"),
        objection(2, ""),
        resolution(1, false),
        resolution(2, true),
        resolution(2, false),
        proposal,
    ]
}

/// One operation of each kind.
fn every_kind() -> Vec<ConsensusOperation> {
    use ConsensusOperation as Operation;
    let consent = Consent::sign(
        &identity(9),
        net(),
        Spore::Latent,
        MemberName::of_key(&identity(9).node_id()),
        None,
    )
    .unwrap();
    let mut panel = vec![node(1), node(2), node(3)];
    panel.sort();
    let details = b"details".to_vec();
    let name = || "name \u{fc}\u{1f980}".to_owned();
    vec![
        Operation::NetworkConfiguration {
            config_type: "param.absent_ppm".to_owned(),
            proposed_change: b"0".to_vec(),
        },
        policy(),
        Operation::TrustScoreModification {
            node: node(1),
            delta_ppm: -1_000_000,
            reason: "it was down all winter".to_owned(),
        },
        Operation::NodeAdmission {
            candidate: node(9),
            role: Spore::Latent,
            consent,
        },
        Operation::NodeExclusion {
            node: node(1),
            reason: String::new(),
        },
        Operation::SporeAssignment {
            node: node(1),
            role: Spore::Primary,
        },
        Operation::ServiceDeployment {
            service: name(),
            manifest: vec![],
        },
        Operation::ResourceAllocation {
            resource: name(),
            allocation: details.clone(),
        },
        Operation::RoutineMaintenance {
            task: name(),
            details: details.clone(),
        },
        Operation::PerformanceOptimization {
            target: name(),
            details: details.clone(),
        },
        Operation::Claim {
            subject: name(),
            input: details.clone(),
            panel: None,
            rule: ClaimRule::MAJORITY,
        },
        Operation::Claim {
            subject: name(),
            input: details,
            panel: Some(panel),
            rule: ClaimRule::MAJORITY,
        },
        Operation::ClaimSet {
            subject: name(),
            items: ["a", "b \u{1f980}"]
                .map(|subject| ClaimItem {
                    subject: subject.to_owned(),
                    input: subject.as_bytes()[1..].to_vec(),
                })
                .to_vec(),
            panel: None,
            rule: ClaimRule::PLURALITY,
        },
    ]
}
