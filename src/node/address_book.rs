//! Where peers were reached, kept on the disk for the next start.

use std::collections::BTreeMap;

use crate::base::codec;
use crate::base::digest::NodeId;
use crate::base::limits::FRAME_BYTES_MAX;
use crate::net::{KnownPeer, Origin, PeerCard};
use crate::store::{Store, StoreError};

/// Writes at once; one more for every second after. A member may come back from a new endpoint as often as it likes, and each
/// write waits for the disk.
const WRITES_MAX: u64 = 64;

/// What of the address book is on the disk.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    kept: BTreeMap<NodeId, Vec<u8>>,
    /// Writes that were made lately, and since when they are counted.
    written: u64,
    since_ms: u64,
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
        let book = Self {
            kept,
            ..Self::default()
        };
        Ok((book, cards))
    }

    /// Whether anything may be written now.
    fn may_write(&mut self, now_ms: u64) -> bool {
        let seconds = now_ms.saturating_sub(self.since_ms) / 1000;
        if seconds > 0 || now_ms < self.since_ms {
            self.written = self.written.saturating_sub(seconds);
            self.since_ms = now_ms;
        }
        self.written < WRITES_MAX
    }

    /// Keeps the peers that were met or given, as far as it is known who they are and something changed, and no others.
    pub(super) fn keep(&mut self, store: &Store, known: &[KnownPeer]) -> Result<(), StoreError> {
        self.keep_up_to(store, known, u64::MAX).map(drop)
    }

    /// As [`Self::keep`], but no more than may be written now; if that is nothing, it does not ask who is known. Gives whether
    /// nothing is left.
    pub(super) fn keep_some(
        &mut self,
        store: &Store,
        known: impl FnOnce() -> Vec<KnownPeer>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        if !self.may_write(now_ms) {
            return Ok(false);
        }
        let writes = WRITES_MAX - self.written;
        self.keep_up_to(store, &known(), writes)
    }

    fn keep_up_to(
        &mut self,
        store: &Store,
        known: &[KnownPeer],
        mut writes: u64,
    ) -> Result<bool, StoreError> {
        let mut cards: BTreeMap<NodeId, Vec<&PeerCard>> = BTreeMap::new();
        for peer in known {
            if let Some(author) = peer.card.author
                && peer.origin > Origin::Heard
            {
                cards.entry(author).or_default().push(&peer.card);
            }
        }
        let mut gone: Vec<NodeId> = self.kept.keys().copied().collect();
        gone.retain(|author| !cards.contains_key(author));
        let changes = cards.into_iter().filter_map(|(author, cards)| {
            let bytes = codec::encode(&cards);
            let is_kept = self.kept.get(&author) == Some(&bytes);
            (!is_kept).then_some((author, Some(bytes)))
        });
        let gone = gone.into_iter().map(|author| (author, None));
        for (author, change) in gone.chain(changes.collect::<Vec<_>>()) {
            if writes == 0 {
                return Ok(false);
            }
            writes -= 1;
            self.written = self.written.saturating_add(1);
            if let Some(bytes) = change {
                store.put_peer(&author, &bytes)?;
                self.kept.insert(author, bytes);
            } else {
                store.remove_peer(&author)?;
                self.kept.remove(&author);
            }
        }
        Ok(true)
    }
}
