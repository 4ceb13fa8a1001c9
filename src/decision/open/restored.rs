//! The stored form of operations: the canonical form, the values behind its digests, and the ids of the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Electorate, Filed, Frozen, OpenOperation, Snapshot};
use crate::base::digest::{NodeId, RecordId};
use crate::base::rejection::Rejection;
use crate::decision::tally::Tally;
use crate::members::roster::Elector;
use crate::statement::operation::ConsensusOperation;
use crate::statement::params::Params;
use crate::statement::record::{Statement, Verified};

/// Everything about an operation except its records; [`OpenOperation::restore`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOperation {
    /// The canonical form.
    pub snapshot: Snapshot,
    /// The parameters it was opened under.
    pub params: Arc<Params>,
    /// The electors and their weights, in the order of their keys.
    pub electorate: Vec<Elector>,
}

const DAMAGED: Rejection = Rejection::Malformed("a stored operation is damaged");

fn operation_of(proposal: &Verified) -> Result<&ConsensusOperation, Rejection> {
    match proposal.statement() {
        Statement::Propose { operation, .. } => Ok(operation),
        _ => Err(DAMAGED),
    }
}

/// Finds records by their ids.
struct Lookup<'a>(&'a mut dyn FnMut(&RecordId) -> Option<Verified>);

impl Lookup<'_> {
    fn one(&mut self, id: &RecordId) -> Result<Verified, Rejection> {
        (self.0)(id).ok_or(DAMAGED)
    }

    fn by_author(&mut self, ids: &[RecordId]) -> Result<BTreeMap<NodeId, Verified>, Rejection> {
        ids.iter()
            .map(|id| self.one(id).map(|record| (record.author(), record)))
            .collect()
    }

    fn filed(
        &mut self,
        lines: &[(RecordId, Option<RecordId>)],
    ) -> Result<BTreeMap<NodeId, Filed>, Rejection> {
        let filed = lines.iter().map(|(first, second)| {
            let first = self.one(first)?;
            let second = second.as_ref().map(|id| self.one(id)).transpose()?;
            Ok((first.author(), Filed { first, second }))
        });
        filed.collect()
    }
}

impl OpenOperation {
    /// The stored form.
    pub fn store(&self) -> StoredOperation {
        StoredOperation {
            snapshot: self.snapshot(),
            params: self.params.clone(),
            electorate: self.electorate.electors.clone(),
        }
    }

    /// Restores a stored operation. `records` finds its records by id.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] if a record is missing, or the result differs from the stored form.
    pub fn restore(
        stored: &StoredOperation,
        records: &mut dyn FnMut(&RecordId) -> Option<Verified>,
    ) -> Result<Self, Rejection> {
        let snapshot = &stored.snapshot;
        let mut records = Lookup(records);
        if !stored.electorate.is_sorted_by(|a, b| a.node < b.node) {
            return Err(DAMAGED);
        }
        let electorate = Electorate::new(stored.electorate.clone());
        let heirs: BTreeMap<NodeId, NodeId> = snapshot.heirs.iter().copied().collect();
        let weight_of = |author: &NodeId| {
            let elector = heirs.get(author).unwrap_or(author);
            electorate.weight(elector).unwrap_or(0)
        };
        let proposal = records.one(&snapshot.id.into())?;
        operation_of(&proposal)?;
        let commits = records.filed(&snapshot.commits)?;
        let single = commits.iter().filter(|(_, filed)| filed.second.is_none());
        let committed = single.filter(|(author, _)| weight_of(author) > 0).count();
        let reveals = records.by_author(&snapshot.reveals)?;
        let frozen = match &snapshot.frozen {
            None => None,
            Some(line) => Some(Arc::new(Frozen {
                height: line.height,
                time_ms: line.time_ms,
                commits: records.by_author(&line.commits)?,
            })),
        };
        let tally = match &frozen {
            None => None,
            Some(frozen) => {
                let weight = frozen.commits.keys().map(weight_of).sum();
                let total = electorate.total();
                let mut tally = Tally::of(snapshot.class, operation_of(&proposal)?, total, weight);
                for (author, record) in &reveals {
                    let Statement::Reveal { ballot, .. } = record.statement() else {
                        return Err(DAMAGED);
                    };
                    if !frozen.commits.contains_key(author) {
                        return Err(DAMAGED);
                    }
                    tally.reveal(weight_of(author), ballot);
                }
                Some(tally)
            }
        };
        let operation = Self {
            id: snapshot.id,
            proposal,
            priority: snapshot.priority,
            class: snapshot.class,
            params: stored.params.clone(),
            opened_height: snapshot.opened_height,
            opened_ms: snapshot.opened_ms,
            scored: snapshot.scored,
            electorate: Arc::new(electorate),
            phase: snapshot.phase.clone(),
            commits,
            heirs,
            committed,
            frozen,
            reveals,
            tally,
            directives: records.filed(&snapshot.directives)?,
            objections: records.filed(&snapshot.objections)?,
            resolutions: records.filed(&snapshot.resolutions)?,
            decision: snapshot.decision.clone(),
            is_overdue: false,
        };
        // The digests in it check parameters, electorate, and the place of every record.
        if operation.snapshot() == *snapshot {
            Ok(operation)
        } else {
            Err(DAMAGED)
        }
    }
}
