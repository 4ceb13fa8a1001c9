//! The choice of operations in the ledger document.

use std::collections::{BTreeMap, BTreeSet};

use super::{LedgerChange, OPERATIONS_KEPT, OperationEntry};
use crate::base::digest::OperationId;

/// The operations in the document: the last ones by (height of their last change, id).
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    by_height: BTreeSet<(u64, OperationId)>,
    heights: BTreeMap<OperationId, u64>,
}

impl Recent {
    pub(super) fn insert(&mut self, id: OperationId, height: u64) {
        if let Some(before) = self.heights.insert(id, height) {
            self.by_height.remove(&(before, id));
        }
        self.by_height.insert((height, id));
    }

    /// Adds a seal's operations. Returns those to write and those to remove. A new operation that would be removed at once
    /// is in neither list.
    pub(super) fn admit<'a>(
        &mut self,
        change: &'a LedgerChange,
    ) -> (Vec<(OperationId, &'a OperationEntry)>, Vec<OperationId>) {
        // The last entry of an operation counts.
        let entries: BTreeMap<OperationId, &OperationEntry> = change
            .operations
            .iter()
            .map(|(id, entry)| (*id, entry))
            .collect();
        let shown: BTreeSet<OperationId> = self.heights.keys().copied().collect();
        for id in entries.keys() {
            self.insert(*id, change.height);
        }
        let mut dropped = vec![];
        while self.by_height.len() > OPERATIONS_KEPT
            && let Some((_, id)) = self.by_height.pop_first()
        {
            self.heights.remove(&id);
            if shown.contains(&id) {
                dropped.push(id);
            }
        }
        let written = entries
            .into_iter()
            .filter(|(id, _)| self.heights.contains_key(id))
            .collect();
        (written, dropped)
    }
}
