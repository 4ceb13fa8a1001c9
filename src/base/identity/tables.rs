//! The tables of the keys that sign most: those of the members that seal. A table changes no verdict, only its cost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::public_key::PublicKey;
use super::table::Table;
use crate::base::digest::NodeId;
use crate::base::limits::KEY_TABLES_MAX;

/// The signatures of one sealer that are checked before its key gets a table: about as many as it takes for a table to spare
/// what it costs. Nodes that live for a moment, as those of tests do, make none.
const CHECKS_BEFORE: u32 = 64;

/// None with the simulator, which remembers verdicts: its many nodes would make more tables than they use.
const MOST: usize = if cfg!(feature = "sim") {
    0
} else {
    KEY_TABLES_MAX
};

/// At most [`KEY_TABLES_MAX`] tables.
#[derive(Clone)]
pub struct Tables {
    sealers: BTreeMap<NodeId, Sealer>,
    made: usize,
    most: usize,
}

impl Default for Tables {
    fn default() -> Self {
        Self::at_most(MOST)
    }
}

#[derive(Clone)]
enum Sealer {
    /// Its signatures that were checked.
    Checked(u32),
    Frequent(Arc<Table>),
}

impl Tables {
    pub(super) fn at_most(most: usize) -> Self {
        Self {
            sealers: BTreeMap::new(),
            made: 0,
            most,
        }
    }

    /// Whose keys may have tables. Who seals no more loses its table.
    pub fn set_sealers(&mut self, sealers: impl IntoIterator<Item = NodeId>) {
        let sealers: BTreeSet<NodeId> = sealers.into_iter().collect();
        self.sealers.retain(|node, _| sealers.contains(node));
        for node in sealers {
            self.sealers.entry(node).or_insert(Sealer::Checked(0));
        }
        let frequent = |sealer: &&Sealer| matches!(sealer, Sealer::Frequent(_));
        self.made = self.sealers.values().filter(frequent).count();
    }

    /// The table of a key, of which one more signature is going to be checked.
    pub(super) fn take(&mut self, node: &NodeId, key: &PublicKey) -> Option<Arc<Table>> {
        let sealer = self.sealers.get_mut(node)?;
        if let Sealer::Checked(checked) = sealer {
            *checked = checked.saturating_add(1);
            if *checked > CHECKS_BEFORE && self.made < self.most {
                *sealer = Sealer::Frequent(Arc::new(Table::new(key.inner())));
                self.made += 1;
            }
        }
        match sealer {
            Sealer::Checked(_) => None,
            Sealer::Frequent(table) => Some(table.clone()),
        }
    }

    /// Whether the key has a table.
    pub fn has(&self, node: &NodeId) -> bool {
        matches!(self.sealers.get(node), Some(Sealer::Frequent(_)))
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("sealers", &self.sealers.len())
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}
