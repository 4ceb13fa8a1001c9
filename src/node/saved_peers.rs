//! Addresses of peers, saved on the disk for the next start.

use std::collections::BTreeMap;

use crate::base::codec;
use crate::base::digest::NodeId;
use crate::base::limits::FRAME_BYTES_MAX;
use crate::net::{KnownPeer, Origin, PeerCard};
use crate::store::{Store, StoreError};

/// Most writes at once; one more is allowed per second. Each write waits for the disk, and a member may come back from new
/// endpoints as often as it likes.
const WRITES_MAX: u64 = 64;

/// The part of the address book that is on the disk.
#[derive(Debug, Default)]
pub(super) struct SavedPeers {
    kept: BTreeMap<NodeId, Vec<u8>>,
    /// Recent writes, and since when they count.
    written: u64,
    since_ms: u64,
}

impl SavedPeers {
    /// Loads the saved peers. An unreadable row is skipped, because addresses can be learned again.
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

    /// Whether a write is allowed now.
    fn may_write(&mut self, now_ms: u64) -> bool {
        let seconds = now_ms.saturating_sub(self.since_ms) / 1000;
        if seconds > 0 || now_ms < self.since_ms {
            self.written = self.written.saturating_sub(seconds);
            self.since_ms = now_ms;
        }
        self.written < WRITES_MAX
    }

    /// Saves changed entries of met or given peers with a known author, and removes all others.
    pub(super) fn keep(&mut self, store: &Store, known: &[KnownPeer]) -> Result<(), StoreError> {
        self.keep_up_to(store, known, u64::MAX).map(drop)
    }

    /// Like [`Self::keep`], within the limit of writes. Calls `known` only if a write is allowed. Returns whether everything
    /// is saved.
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
