//! Where peers were reached, kept on the disk for the next start.

use std::collections::BTreeMap;

use crate::codec;
use crate::digest::NodeId;
use crate::limits::FRAME_BYTES_MAX;
use crate::net::{KnownPeer, Origin, PeerCard};
use crate::store::{Store, StoreError};

/// What of the address book is on the disk.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    kept: BTreeMap<NodeId, Vec<u8>>,
}

impl AddressBook {
    /// Reads what was kept. A row that does not read is left out: addresses can be had again.
    pub(super) fn load(store: &Store) -> Result<(Self, Vec<PeerCard>), StoreError> {
        let kept = store.peers()?;
        let mut cards = Vec::new();
        for bytes in kept.values() {
            let read: Result<Vec<PeerCard>, _> = codec::decode(bytes, FRAME_BYTES_MAX);
            cards.extend(read.unwrap_or_default());
        }
        Ok((Self { kept }, cards))
    }

    /// Keeps the peers that were met or given, as far as it is known who they are and something changed.
    pub(super) fn keep(&mut self, store: &Store, known: &[KnownPeer]) -> Result<(), StoreError> {
        let mut cards: BTreeMap<NodeId, Vec<&PeerCard>> = BTreeMap::new();
        for peer in known {
            if let Some(author) = peer.card.author
                && peer.origin > Origin::Heard
            {
                cards.entry(author).or_default().push(&peer.card);
            }
        }
        for (author, cards) in cards {
            let bytes = codec::encode(&cards);
            if self.kept.get(&author) != Some(&bytes) {
                store.put_peer(&author, &bytes)?;
                self.kept.insert(author, bytes);
            }
        }
        Ok(())
    }
}
