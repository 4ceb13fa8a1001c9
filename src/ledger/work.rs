//! A seal while it is applied: the state so far, and the changes collected for [`Applied`](super::Applied).

use std::collections::{BTreeMap, BTreeSet};

use super::{EffectEntry, Evidence, Past, State};
use crate::base::digest::{Digest, NodeId, OperationId, RecordId};
use crate::base::limits::{SEAL_BODY_BYTES_MAX, SEAL_RECORDS_MAX, SET_RECORD_BYTES_MAX};
use crate::base::rejection::Rejection;
use crate::decision::open::OpenOperation;
use crate::members::trust::{Participation, ParticipationRecord, TrustEntry};
use crate::statement::operation::{Ballot, Outcome};
use crate::statement::params::Params;
use crate::statement::record::Verified;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A seal being applied.
pub(super) struct Work<'a> {
    pub(super) before: &'a State,
    pub(super) past: &'a Past,
    pub(super) state: State,
    /// Copies of the operations with new records, and new operations.
    pub(super) touched: BTreeMap<OperationId, OpenOperation>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) rejoined: BTreeSet<NodeId>,
    /// The authors of its records.
    pub(super) seen: BTreeSet<NodeId>,
    pub(super) revealed: BTreeSet<NodeId>,
    /// The changes of keys that it lists.
    pub(super) successions: Vec<Succession>,
    pub(super) applied: Progress,
}

/// A change of a member's key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Succession {
    pub(super) old: NodeId,
    pub(super) new: NodeId,
    pub(super) next: Option<Digest>,
}

/// The lists of [`Applied`](super::Applied) that grow while a seal is applied.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) opened: Vec<OperationId>,
    pub(super) frozen: Vec<OperationId>,
    pub(super) decided: Vec<OperationId>,
    pub(super) trust: Vec<(NodeId, TrustEntry)>,
    pub(super) effects: Vec<EffectEntry>,
    pub(super) config: Vec<(String, Option<Vec<u8>>)>,
    pub(super) rejoins: Vec<RecordId>,
    pub(super) successions: Vec<(NodeId, NodeId)>,
    pub(super) has_advanced: bool,
    pub(super) begins_window: bool,
}

impl Work<'_> {
    /// Applies an event that does not come from an operation's outcome, under the current parameters.
    pub(super) fn note(&mut self, node: NodeId, event: Participation) {
        let record = ParticipationRecord::apart(self.state.height, self.state.time_ms, event);
        let params = self.state.params.clone();
        self.score(node, &params, &record);
    }

    /// Applies an event to the member that has or had this key, if it still is a member, and notes the change.
    pub(super) fn score(&mut self, key: NodeId, params: &Params, record: &ParticipationRecord) {
        if let Some((node, member)) = self.state.roster.line_mut(&key)
            && let Some(change) = member.trust.apply(params, record)
        {
            let entry = TrustEntry::new(record, &change);
            self.applied.trust.push((node, entry));
        }
    }
}

/// Whether the operation was approved at this height and takes effect ([P7]).
pub(super) fn is_approved(operation: &OpenOperation, height: u64) -> bool {
    operation.decision().is_some_and(|decision| {
        decision.height == height && decision.outcome == Outcome::Decided(Ballot::Approve)
    })
}

/// The room that the records of a seal take ([S9]).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SealRoom {
    records: usize,
    body_bytes: usize,
}

impl SealRoom {
    pub(crate) fn take(&mut self, record: &Verified) {
        self.records += 1;
        self.body_bytes += record.body_len();
    }

    /// Whether there is room for the record.
    pub(super) fn check(&self, record: &Verified) -> Result<(), Rejection> {
        let over = |what, limit| Err(Rejection::OverLimit { what, limit });
        if self.records == SEAL_RECORDS_MAX {
            return over("records in a seal", SEAL_RECORDS_MAX);
        }
        if self.body_bytes + record.body_len() > SEAL_BODY_BYTES_MAX {
            return over("bytes of bodies in a seal", SEAL_BODY_BYTES_MAX);
        }
        Ok(())
    }

    /// Whether there might be no room for some record. Then proposers stop, and leaving out further records is no
    /// fault.
    pub(crate) fn is_full(&self) -> bool {
        self.records >= SEAL_RECORDS_MAX
            || self.body_bytes > SEAL_BODY_BYTES_MAX - SET_RECORD_BYTES_MAX
    }
}

impl<'a> FromIterator<&'a Verified> for SealRoom {
    fn from_iter<T: IntoIterator<Item = &'a Verified>>(records: T) -> Self {
        let mut room = Self::default();
        records.into_iter().for_each(|record| room.take(record));
        room
    }
}
