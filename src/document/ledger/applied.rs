//! Turns the changes of a seal into the change of the ledger document.

use std::collections::BTreeMap;

use super::super::tree::Tree;
use super::{LedgerChange, OperationEntry};
use crate::decision::open::{OpenOperation, Phase};
use crate::ledger::Applied;
use crate::statement::params::Params;
use crate::statement::record::Seal;

impl LedgerChange {
    /// The change of the ledger document for a seal, where `applied` is the result of applying it. All nodes get the same
    /// one.
    ///
    /// # Panics
    ///
    /// If `applied` belongs to another height.
    #[must_use]
    pub fn from_applied(seal: &Seal, applied: &Applied) -> Self {
        assert_eq!(
            seal.height, applied.height,
            "a seal's changes are those of its height"
        );
        let members = applied.members.iter();
        let members = members.map(|member| (member.node, member.now.clone()));
        let operations = applied
            .touched
            .iter()
            .filter(|operation| is_shown(operation, applied.height))
            .map(|operation| (operation.id(), entry(operation)));
        Self {
            height: applied.height,
            time_ms: applied.time_ms,
            seal: seal.id(),
            roster: members.collect(),
            params: applied.params.as_deref().map(all).unwrap_or_default(),
            config: applied.config.clone(),
            operations: operations.collect(),
        }
    }
}

/// Whether a seal opened, froze, decided or closed an operation. Other operations are shown as before; their new records are
/// in their own documents.
fn is_shown(operation: &OpenOperation, height: u64) -> bool {
    let frozen = operation.frozen().map(|frozen| frozen.height);
    let decided = operation.decision().map(|decision| decision.height);
    operation.opened_height() == height
        || frozen == Some(height)
        || decided == Some(height)
        || matches!(operation.phase(), Phase::Closed)
}

fn entry(operation: &OpenOperation) -> OperationEntry {
    let what = operation.operation();
    OperationEntry {
        kind: what.kind().into(),
        class: operation.class(),
        phase: operation.phase_name().into(),
        subject: what.subject(),
        outcome: operation
            .decision()
            .map(|decision| decision.outcome.clone()),
    }
}

/// All parameters by name. Automerge writes only those whose value differs.
fn all(params: &Params) -> Vec<(String, u64)> {
    let values: BTreeMap<String, u64> = Tree::of(params)
        .value("params")
        .expect("parameters are a map of names to integers");
    values.into_iter().collect()
}
