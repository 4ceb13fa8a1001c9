//! Data of peers, for the layer above.

use std::collections::BTreeMap;

use redb::{ReadableTable as _, WriteTransaction};

use super::rows::PEERS;
use super::{Store, StoreError};
use crate::base::digest::NodeId;

impl Store {
    /// Stores an author's bytes in place of earlier ones. The store does not interpret them. They are durable with the next
    /// commit of [`Store::write`].
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn put_peer(&self, author: &NodeId, known: &[u8]) -> Result<(), StoreError> {
        self.change_peers(|transaction| {
            let mut peers = transaction.open_table(PEERS)?;
            peers.insert(author.as_bytes(), known)?;
            Ok(())
        })
    }

    /// Removes a peer's bytes, durably with the next commit of [`Store::write`].
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub fn remove_peer(&self, author: &NodeId) -> Result<(), StoreError> {
        self.change_peers(|transaction| {
            transaction.open_table(PEERS)?.remove(author.as_bytes())?;
            Ok(())
        })
    }

    fn change_peers(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.guarded(|_| {
            let transaction = self.begin_unhurried()?;
            change(&transaction)?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// The bytes of a peer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`].
    pub fn peer(&self, author: &NodeId) -> Result<Option<Vec<u8>>, StoreError> {
        let peers = self.reading()?.open_table(PEERS)?;
        let known = peers.get(author.as_bytes())?;
        Ok(known.map(|known| known.value().to_vec()))
    }

    /// The bytes of all peers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`].
    pub fn peers(&self) -> Result<BTreeMap<NodeId, Vec<u8>>, StoreError> {
        let peers = self.reading()?.open_table(PEERS)?;
        peers
            .iter()?
            .map(|row| {
                let (author, known) = row?;
                let author = NodeId::from_bytes(*author.value());
                Ok((author, known.value().to_vec()))
            })
            .collect()
    }
}
