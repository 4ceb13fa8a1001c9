//! The result of applying a seal: the records left out, and everything that changed.

use std::sync::Arc;

use super::StateParts;
use crate::base::digest::{Digest, NodeId, OperationId, RecordId};
use crate::base::rejection::Rejection;
use crate::decision::open::OpenOperation;
use crate::members::roster::MemberLine;
use crate::members::sealers::Sealers;
use crate::members::trust::TrustEntry;
use crate::statement::params::Params;
use crate::statement::record::Verified;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The treatment of a record that does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refuse the whole list: a seal with this record is invalid.
    Strict,
    /// Leave the record out: a proposer chooses what to list.
    Lenient,
}

/// A record that does not apply, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The record.
    pub record: Verified,
    /// The reason.
    pub reason: Rejection,
}

/// Proof of equivocation: two records of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The author of both.
    pub author: NodeId,
    /// One of them.
    pub first: Verified,
    /// The other.
    pub second: Verified,
}

/// The result of an approved operation's effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectEntry {
    /// The operation.
    pub operation: OperationId,
    /// `Err` with the reason if the effect was refused by rule.
    pub result: Result<(), &'static str>,
}

/// A member that a seal changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    /// The member.
    pub node: NodeId,
    /// Its line now; `None` if it left the roster.
    pub now: Option<MemberLine>,
}

/// The changes made by a seal.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The height.
    pub height: u64,
    /// The seal's time.
    pub time_ms: u64,
    /// The ids of the records it added, sorted.
    pub records: Vec<RecordId>,
    /// Operations it opened.
    pub opened: Vec<OperationId>,
    /// Operations that changed, in their state after the seal, including those that closed.
    pub touched: Vec<Arc<OpenOperation>>,
    /// Operations it froze.
    pub frozen: Vec<OperationId>,
    /// Operations whose outcome it made final, in the order of [P7].
    pub decided: Vec<OperationId>,
    /// The hashes of their leaves, which follow those of the operations decided before.
    pub leaves: Vec<Digest>,
    /// Operations it closed, in the order of [P7].
    pub closed: Vec<Arc<OpenOperation>>,
    /// Equivocations it proved.
    pub evidence: Vec<Evidence>,
    /// Changes of scores and standing, in order.
    pub trust: Vec<(NodeId, TrustEntry)>,
    /// Effects, in order.
    pub effects: Vec<EffectEntry>,
    /// Members that changed.
    pub members: Vec<MemberChange>,
    /// The parameters, if they changed.
    pub params: Option<Arc<Params>>,
    /// Keys of the configuration map that changed, with their new values.
    pub config: Vec<(String, Option<Vec<u8>>)>,
    /// `Rejoin` records it listed.
    pub rejoins: Vec<RecordId>,
    /// Members whose key changed: the key so far, and the present one.
    pub successions: Vec<(NodeId, NodeId)>,
    /// Whether an operation advanced: a window ended or passed, or it froze, was decided or closed. A seal without records must
    /// advance one ([S6]).
    pub has_advanced: bool,
    /// Whether a window or grace begins at it: it opened or froze an operation, marked a window, or moved a standard operation on.
    pub begins_window: bool,
    /// The queue of the next height's sealers, if it changed.
    pub sealers: Option<Arc<Sealers>>,
    /// Who seals the next height, in the order of their keys, if these are others, and not only in another order.
    pub other_sealers: Option<Vec<NodeId>>,
    /// The digest of the roster after it.
    pub roster: Digest,
    /// The parts of the digest of the state after it.
    pub parts: StateParts,
}
