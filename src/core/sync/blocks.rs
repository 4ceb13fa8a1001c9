//! Seals first: who is behind asks for blocks, window by window.

use serde_bytes::ByteBuf;

use super::super::{Core, Output, PeerId};
use crate::codec;
use crate::digest::SealId;
use crate::limits::{BLOCK_BYTES_MAX, EVIDENCE_HEIGHTS, SERVE_AGAIN_MS, WINDOW_BYTES_MAX};
use crate::message::Message;
use crate::rejection::Rejection;
use crate::seal::SealedBlock;

impl Core {
    pub(super) fn ask_blocks(&mut self, to: PeerId) {
        let from = self.ledger.state().height() + 1;
        self.send(to, Message::AskBlocks { from });
    }

    /// Has the host send a window of blocks, unless it just did.
    pub(super) fn serve(&mut self, to: PeerId, from: u64) {
        if !(1..=self.ledger.state().height()).contains(&from) {
            return;
        }
        let now_ms = self.now_ms;
        if let Some(link) = self.links.get_mut(&to) {
            let is_again = link
                .served
                .is_some_and(|(last, at_ms)| from <= last && now_ms < at_ms + SERVE_AGAIN_MS);
            if is_again {
                return;
            }
            link.served = Some((from, now_ms));
        }
        let bytes = WINDOW_BYTES_MAX;
        self.out.push(Output::Serve { to, from, bytes });
    }

    /// Compares where a peer stands with where this node does. Who is behind asks; who is ahead says so.
    ///
    /// A peer that holds another seal at a height of ours is on another branch: then both look at each other's blocks of
    /// the heights of which votes are kept, so that the fork is noticed and those who made it are named.
    pub(super) fn compare_status(&mut self, peer: PeerId, height: u64, seal: SealId) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.height = height;
        }
        let own = self.ledger.state().height();
        if height > own {
            return self.ask_blocks(peer);
        }
        if self.ledger.past().height_of(&seal) == Some(height) {
            if height < own {
                let (height, seal) = (own, self.ledger.state().seal());
                self.send(peer, Message::Status { height, seal });
            }
            return;
        }
        let from = height.saturating_sub(EVIDENCE_HEIGHTS - 1).max(1);
        self.serve(peer, from);
        if !self.compromised && height > 0 {
            if let Some(link) = self.links.get_mut(&peer) {
                link.look_until = height;
            }
            self.send(peer, Message::AskBlocks { from });
        }
    }

    pub(super) fn receive_blocks(&mut self, from: PeerId, blocks: &[ByteBuf]) {
        let before = self.ledger.state().height();
        let mut last = None;
        for bytes in blocks {
            // A seal of large records is longer than a frame. Refusing it would leave behind for ever whoever missed it; the
            // host bounds what it takes from a peer at once.
            let block: Result<SealedBlock, _> = codec::decode(bytes, BLOCK_BYTES_MAX);
            if let Ok(block) = &block
                && self.compromised
                && block.seal.height > self.ledger.state().height()
            {
                break;
            }
            let applied = block.map_err(Rejection::from).and_then(|block| {
                let height = block.seal.height;
                self.apply_block(block, false).map(|()| height)
            });
            match applied {
                Ok(height) => last = Some(height),
                Err(rejection) => {
                    self.refuse(from, rejection);
                    break;
                }
            }
        }
        let height = self.ledger.state().height();
        let link = self.links.get(&from);
        let (stated, look_until) = link.map_or((0, 0), |link| (link.height, link.look_until));
        if height > before {
            if stated > height {
                self.ask_blocks(from);
            } else {
                // Level with the peer, as far as is known: now what is not sealed can be compared.
                self.greet(from);
            }
        } else if let Some(last) = last.filter(|last| *last < look_until) {
            // The branches parted later than this window.
            self.send(from, Message::AskBlocks { from: last + 1 });
        }
    }
}
