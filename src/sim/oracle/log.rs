//! The log: sealed records and the operations they opened.

use std::sync::Arc;

use serde::Serialize;

use super::course::Course;
use super::mutation::Mutation;
use super::roster::Electorate;
use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::statement::genesis::Genesis;
use crate::statement::operation::{Class, ConsensusOperation};
use crate::statement::params::Params;
use crate::statement::record::{Body, Seal, Statement};

/// A record and the height of the seal that lists it.
#[derive(Debug)]
pub(in crate::sim) struct Sealed {
    pub(super) height: u64,
    pub(super) id: RecordId,
    pub(super) net: NetworkId,
    pub(super) by: NodeId,
    pub(super) what: Statement,
}

/// An operation, from its opening on.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its id.
    pub id: OperationId,
    /// The proposer.
    pub by: NodeId,
    /// The operation itself.
    pub operation: ConsensusOperation,
    pub(super) class: Class,
    pub(super) high: bool,
    /// The height of the seal that opened it.
    pub(super) opened: u64,
    /// The parameters it was opened under, which it keeps.
    pub(super) params: Params,
    /// The rule that its oracle does not follow.
    pub(super) mutation: Option<Mutation>,
    /// Its electorate; a standard operation has none at first.
    pub(super) electorate: Option<Electorate>,
    /// Whether it is a claim that names a panel.
    pub(super) has_panel: bool,
    /// Whether it moves skill for more than withholding (P9).
    pub(super) scored: bool,
    /// The sealed records about it, oldest seal first, without its proposal.
    pub(super) records: Vec<Arc<Sealed>>,
    pub(super) course: Course,
}

impl Sealed {
    pub(in crate::sim) fn new(height: u64, body: &Body) -> Arc<Self> {
        Arc::new(Self {
            height,
            id: RecordId::from_bytes(hash("mycnet-consensus record v1", body)),
            net: body.net,
            by: body.by,
            what: body.what.clone(),
        })
    }

    /// The operation that the record is about, unless it is a proposal.
    pub(super) fn operation(&self) -> Option<OperationId> {
        match &self.what {
            Statement::Commit { operation, .. }
            | Statement::Reveal { operation, .. }
            | Statement::Directive { operation, .. }
            | Statement::Objection { operation, .. }
            | Statement::Resolution { operation, .. } => Some(*operation),
            _ => None,
        }
    }

    /// Whether both are statements of one slot, of which the author may make only one.
    pub(super) fn same_slot(&self, other: &Self) -> bool {
        use Statement::{Commit, Directive, Objection, Resolution, SealProposal, SealVote};
        if self.by != other.by {
            return false;
        }
        match (&self.what, &other.what) {
            (Commit { operation: a, .. }, Commit { operation: b, .. })
            | (Directive { operation: a, .. }, Directive { operation: b, .. })
            | (Objection { operation: a, .. }, Objection { operation: b, .. })
            | (Resolution { operation: a, .. }, Resolution { operation: b, .. }) => a == b,
            (
                SealProposal { round, seal, .. },
                SealProposal {
                    round: other_round,
                    seal: other_seal,
                    ..
                },
            ) => round == other_round && seal.height == other_seal.height,
            (
                SealVote {
                    height,
                    round,
                    kind,
                    ..
                },
                SealVote {
                    height: other_height,
                    round: other_round,
                    kind: other_kind,
                    ..
                },
            ) => height == other_height && round == other_round && kind == other_kind,
            _ => false,
        }
    }

    /// The place of its kind when a seal is applied: Propose, Commit, Reveal, Directive, Objection, Resolution, Rejoin, Succeed,
    /// then evidence about seals.
    fn place(&self) -> u8 {
        match self.what {
            Statement::Propose { .. } => 0,
            Statement::Commit { .. } => 1,
            Statement::Reveal { .. } => 2,
            Statement::Directive { .. } => 3,
            Statement::Objection { .. } => 4,
            Statement::Resolution { .. } => 5,
            Statement::Rejoin { .. } => 6,
            Statement::Succeed { .. } => 7,
            Statement::SealProposal { .. } | Statement::SealVote { .. } => 8,
            Statement::Refound { .. } => 9,
        }
    }
}

/// The order in which a seal's records are applied.
pub(super) fn in_order(mut listed: Vec<Arc<Sealed>>) -> Vec<Arc<Sealed>> {
    listed.sort_by_key(|record| (record.place(), record.id));
    listed
}

pub(super) fn network_id(genesis: &Genesis) -> NetworkId {
    NetworkId::from_bytes(hash("mycnet-consensus network v1", genesis))
}

pub(super) fn seal_id(seal: &Seal) -> SealId {
    SealId::from_bytes(hash("mycnet-consensus seal v1", seal))
}

pub(super) fn hash<T: Serialize>(domain: &str, value: &T) -> [u8; 32] {
    let bytes = serde_ipld_dagcbor::to_vec(value).expect("types of records always encode");
    blake3::derive_key(domain, &bytes)
}

/// How a kind of operation is decided (V3).
pub(super) fn class_of(operation: &ConsensusOperation) -> Class {
    use ConsensusOperation as Kind;
    match operation {
        Kind::Claim { .. } | Kind::ClaimSet { .. } => Class::Claim,
        Kind::ServiceDeployment { .. }
        | Kind::ResourceAllocation { .. }
        | Kind::RoutineMaintenance { .. }
        | Kind::PerformanceOptimization { .. } => Class::Standard,
        Kind::NetworkConfiguration { .. }
        | Kind::SecurityPolicyUpdate { .. }
        | Kind::TrustScoreModification { .. }
        | Kind::NodeAdmission { .. }
        | Kind::NodeExclusion { .. }
        | Kind::SporeAssignment { .. } => Class::Critical,
    }
}

/// More than two thirds; with a total of 0 there is no quorum.
pub(super) fn quorum(weight: u128, total: u128) -> bool {
    weight * 3 > total * 2
}
