//! Handing the databases over to the key that replaces the node's ([K2]).

use std::collections::BTreeSet;

use redb::{ReadOnlyTable, ReadableTable as _};

use super::rows::{META, OWN, OWNER, decode};
use super::{Store, StoreError, lock};
use crate::base::codec;
use crate::base::digest::NodeId;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The keys whose records the journal may hold beside those of its node: those that handed it over.
pub(super) fn former_of(
    owner: &ReadOnlyTable<&'static str, &'static [u8]>,
) -> Result<BTreeSet<NodeId>, StoreError> {
    let row = owner.get("former")?;
    let keys = row.map(|row| former_keys(row.value())).transpose()?;
    Ok(keys.unwrap_or_default())
}

fn former_keys(row: &[u8]) -> Result<BTreeSet<NodeId>, StoreError> {
    decode("owner: former", row)
}

impl Store {
    /// Hands the databases over to the key that replaces this node's. What the old key signed stays in the journal, so that its
    /// frozen commits can be revealed. A twin, a lost journal and an endorsement
    /// of a plan were the old key's: the new one has signed nothing yet.
    ///
    /// A stop at any moment leaves databases that belong to one of the two keys ([`Store::node_id`]) and can be handed over
    /// again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`] if the disk is full or broken.
    pub fn hand_over(&mut self, next: NodeId) -> Result<(), StoreError> {
        self.guarded(|writing| self.empty_own(writing))?;
        // The journal first names both keys, so that it fits the ledger before and after its commit.
        self.write_owner(self.node, Some(next))?;
        let journal = {
            let mut writing = lock(&self.writing);
            (writing.known, writing.is_lost) = (writing.journal, false);
            (writing.ahead, writing.moved) = (None, BTreeSet::new());
            writing.journal
        };
        let transaction = self.ledger.database().begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("node", &next.as_bytes()[..])?;
            meta.insert("journal", &codec::encode(&journal)[..])?;
            meta.remove("ahead")?;
            // The journal has them.
            transaction.open_table(OWN)?.retain(|_, _| false)?;
            meta.remove("twin")?;
            meta.remove("declared")?;
            meta.remove("endorsed")?;
        }
        transaction.commit()?;
        self.node = next;
        self.write_owner(next, None)
    }

    fn write_owner(&self, node: NodeId, next: Option<NodeId>) -> Result<(), StoreError> {
        let transaction = self.journal.database().begin_write()?;
        {
            let mut owner = transaction.open_table(OWNER)?;
            owner.insert("node", &node.as_bytes()[..])?;
            if next.is_some() {
                let row = owner.get("former")?.map(|row| former_keys(row.value()));
                let mut former = row.transpose()?.unwrap_or_default();
                former.insert(node);
                owner.insert("former", &codec::encode(&former)[..])?;
            }
            match next {
                Some(next) => drop(owner.insert("next", &next.as_bytes()[..])?),
                None => drop(owner.remove("next")?),
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
