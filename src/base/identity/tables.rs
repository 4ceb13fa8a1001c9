//! The tables of the keys that sign most: those of the members that seal, and those whose records come one after the other, as when
//! a node catches up. A table changes no verdict, only its cost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::public_key::PublicKey;
use super::table::Table;
use crate::base::digest::NodeId;
use crate::base::limits::KEY_TABLES_MAX;

/// The signatures of one author that are checked before its key gets a table: about as many as it takes for a table to spare
/// what it costs. Nodes that live for a moment, as those of tests do, make few.
const CHECKS_BEFORE: u32 = 16;

/// After as many checks of anybody's signatures, those that do not seal and signed few of them lose their tables.
pub(super) const TURN: u32 = 16_384;

/// At most [`KEY_TABLES_MAX`] tables. Those that seal have theirs before others.
#[derive(Clone)]
pub struct Tables {
    authors: BTreeMap<NodeId, Author>,
    sealers: BTreeSet<NodeId>,
    /// Tables of sealers' keys, and of others'.
    of_sealers: usize,
    of_others: usize,
    /// Checks since the last turn.
    checks: u32,
    most: usize,
}

#[derive(Clone, Default)]
struct Author {
    /// Its signatures that were checked since the last turn.
    checks: u32,
    table: Option<Arc<Table>>,
}

impl Default for Tables {
    fn default() -> Self {
        // The many nodes of a simulation would make more tables than they use: it remembers verdicts.
        #[cfg(feature = "sim")]
        if super::memo::is_on() {
            return Self::at_most(0);
        }
        Self::at_most(KEY_TABLES_MAX)
    }
}

impl Tables {
    pub(super) fn at_most(most: usize) -> Self {
        Self {
            authors: BTreeMap::new(),
            sealers: BTreeSet::new(),
            of_sealers: 0,
            of_others: 0,
            checks: 0,
            most,
        }
    }

    /// Whose keys have tables before others.
    pub fn set_sealers(&mut self, sealers: impl IntoIterator<Item = NodeId>) {
        self.sealers = sealers.into_iter().collect();
        let (mut of_sealers, mut of_others) = (0, 0);
        let authors = self.authors.iter_mut();
        for (node, author) in authors.filter(|(_, author)| author.table.is_some()) {
            if self.sealers.contains(node) {
                of_sealers += 1;
            } else if of_others + self.sealers.len() < self.most {
                of_others += 1;
            } else {
                author.table = None;
            }
        }
        (self.of_sealers, self.of_others) = (of_sealers, of_others);
    }

    /// The table of a key, of which one more signature is going to be checked.
    pub(super) fn take(&mut self, node: &NodeId, key: &PublicKey) -> Option<Arc<Table>> {
        self.checks += 1;
        if self.checks > TURN {
            self.turn();
        }
        let author = self.authors.entry(*node).or_default();
        author.checks = author.checks.saturating_add(1);
        if author.table.is_none() && author.checks > CHECKS_BEFORE {
            let seals = self.sealers.contains(node);
            let (made, room) = if seals {
                (&mut self.of_sealers, self.most - self.of_others)
            } else {
                let kept = self.sealers.len();
                (&mut self.of_others, self.most.saturating_sub(kept))
            };
            if *made < room {
                *made += 1;
                author.table = Some(Arc::new(Table::new(key.inner())));
            }
        }
        author.table.clone()
    }

    fn turn(&mut self) {
        self.checks = 0;
        let (sealers, of_others) = (&self.sealers, &mut self.of_others);
        self.authors.retain(|node, author| {
            let stays = author.checks > CHECKS_BEFORE || sealers.contains(node);
            author.checks = 0;
            if !stays && author.table.is_some() {
                *of_others -= 1;
            }
            stays
        });
    }

    /// Whether the key has a table.
    pub fn has(&self, node: &NodeId) -> bool {
        let author = self.authors.get(node);
        author.is_some_and(|author| author.table.is_some())
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("sealers", &self.sealers.len())
            .field("made", &(self.of_sealers + self.of_others))
            .finish_non_exhaustive()
    }
}
