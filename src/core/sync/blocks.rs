//! Seals come first ([N2], [H4]): a peer that is behind asks for blocks, window by window.

use serde_bytes::ByteBuf;

use super::super::{Core, Output, PeerId};
use crate::base::digest::SealId;
use crate::base::limits::{AGAIN_MS, BLOCK_BYTES_MAX, EVIDENCE_HEIGHTS, WINDOW_BYTES_MAX};
use crate::base::rejection::Rejection;
use crate::exchange::message::Message;
use crate::statement::record::Seal;
use crate::statement::seal::{SealedBlock, SignedBlock};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The result of taking blocks.
#[derive(Default)]
pub(super) struct TakenBlocks {
    /// The number of blocks, from the first on, that were not refused.
    pub(super) count: usize,
    /// The height of the last of them.
    last: Option<u64>,
    /// The rejection of the next one.
    pub(super) refused: Option<Rejection>,
    /// Whether the refused block claims to follow the last seal here. The rules for the next block depend on that seal
    /// alone, so no honest node has such a block.
    refused_next: bool,
}

impl Core {
    pub(super) fn ask_blocks(&mut self, to: PeerId) {
        let from = self.ledger.state().height() + 1;
        self.send(to, Message::AskBlocks { from });
    }

    /// The message to send to a peer before its blocks are given to [`Core::handle`]: a request for the following ones, if the
    /// peer has any. They travel while the first are applied. A host need not call this; but if it gets a message, it must send
    /// it, or these blocks are asked for only at the next comparison.
    #[must_use]
    pub fn ask_ahead(&mut self, peer: PeerId, message: &Message) -> Option<Message> {
        let Message::Blocks(blocks) = message else {
            return None;
        };
        let own = self.ledger.state().height();
        let (first, last) = (blocks.first()?, blocks.last()?);
        let first = SealedBlock::seal_of(first).ok()?.height;
        let last = SealedBlock::seal_of(last).ok()?.height;
        let link = self.links.get_mut(&peer)?;
        if self.compromised || first != own + 1 || !(first..link.height).contains(&last) {
            return None;
        }
        let from = last + 1;
        link.asked_ahead = Some(from);
        Some(Message::AskBlocks { from })
    }

    /// Makes the host send a window of blocks, unless it just did.
    pub(super) fn serve(&mut self, to: PeerId, from: u64) {
        if !(1..=self.ledger.state().height()).contains(&from) {
            return;
        }
        let now_ms = self.now_ms;
        if let Some(link) = self.links.get_mut(&to) {
            link.end_comparison();
            if !link.served.may_have(from, now_ms) {
                return;
            }
            // It lacked something that led to a seal, whatever other sources it seemed to have.
            link.offers.push_again();
        }
        let bytes = WINDOW_BYTES_MAX;
        self.out.push(Output::Serve { to, from, bytes });
    }

    /// Compares a peer's last seal with this node's. The node behind asks for blocks; the node ahead states its height.
    /// `begins` is set if the peer starts a comparison, not if it answers one.
    pub(super) fn compare_status(
        &mut self,
        peer: PeerId,
        (height, seal): (u64, SealId),
        begins: bool,
    ) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.height = height;
            link.end_comparison();
        }
        let own = self.ledger.state().height();
        if height > own && !begins {
            return self.ask_blocks(peer);
        }
        if height > own {
            // The peer first checks whether both are on one branch; if so, it states its height again.
            return self.say_status(peer);
        }
        if self.ledger.past().height_of(&seal) != Some(height) {
            return self.look_for_fork(peer, height, begins);
        }
        if height < own {
            self.say_status(peer);
        }
    }

    pub(super) fn say_status(&mut self, peer: PeerId) {
        let state = self.ledger.state();
        let (height, seal) = (state.height(), state.seal());
        self.send(peer, Message::Status { height, seal });
    }

    /// A peer with another seal at a height of ours is on another branch. Then both examine each other's blocks of the heights
    /// of which votes are kept, so that the fork and its authors are found.
    fn look_for_fork(&mut self, peer: PeerId, height: u64, begins: bool) {
        let from = height.saturating_sub(EVIDENCE_HEIGHTS - 1).max(1);
        let Some(index) = self.recent_index(height) else {
            // Too long ago for this node to find the double signers; the peer may be able to.
            return self.serve(peer, from);
        };
        let seal = self.recent[index].seal;
        if let Some(link) = self.links.get_mut(&peer) {
            if link.look_until == height && !begins {
                return;
            }
            link.look_until = height;
            // So that the peer examines ours too, even if it is behind.
            self.send(peer, Message::Status { height, seal });
        }
        // Also if a fork is known: after a restart that may be a later height of the branches, and a plan goes on from where they
        // part.
        self.send(peer, Message::AskBlocks { from });
    }

    /// Applies blocks until one is refused, or a fork prevents it.
    pub(super) fn take_blocks<'a>(
        &mut self,
        blocks: impl Iterator<Item = &'a [u8]>,
    ) -> TakenBlocks {
        let mut taken = TakenBlocks::default();
        for bytes in blocks {
            let seal = SealedBlock::seal_of(bytes);
            if let Ok(seal) = &seal {
                if self.ledger.past().height_of(&seal.id()) == Some(seal.height) {
                    // The block is nothing new, so the rest of it need not be read.
                    taken.count += 1;
                    taken.last = Some(seal.height);
                    continue;
                }
                let own = self.ledger.state().height();
                if self.compromised && seal.height > own {
                    break;
                }
                if seal.height > own + 1 {
                    taken.refused = Some(Rejection::UnknownSeal);
                    break;
                }
            }
            // A block of large records is longer than a frame. If it were refused, a node that missed it would stay behind for
            // ever; the host bounds what it takes from a peer at once.
            let applied = SignedBlock::decode(bytes, BLOCK_BYTES_MAX).and_then(|block| {
                let height = block.seal.height;
                self.apply_block(block, false).map(|()| height)
            });
            match applied {
                Ok(height) => {
                    taken.count += 1;
                    taken.last = Some(height);
                }
                Err(rejection) => {
                    let state = self.ledger.state();
                    let follows =
                        |seal: Seal| (seal.height, seal.prev) == (state.height() + 1, state.seal());
                    taken.refused_next = seal.is_ok_and(follows);
                    taken.refused = Some(rejection);
                    break;
                }
            }
        }
        taken
    }

    pub(super) fn receive_blocks(&mut self, from: PeerId, blocks: &[ByteBuf]) {
        let before = self.ledger.state().height();
        let taken = self.take_blocks(blocks.iter().map(|bytes| bytes.as_slice()));
        if let Some(rejection) = taken.refused {
            if rejection.is_senders_fault() || taken.refused_next {
                return self.blame(from, rejection);
            }
            self.refuse(from, rejection);
        }
        let height = self.ledger.state().height();
        let link = self.links.get(&from);
        let (stated, look_until) = link.map_or((0, 0), |link| (link.height, link.look_until));
        if height > before {
            let link = self.links.get_mut(&from);
            let ahead = link.and_then(|link| link.asked_ahead.take());
            if stated > height {
                if ahead != Some(height + 1) {
                    self.ask_blocks(from);
                }
            } else {
                // Level with the peer, as far as known: now unsealed records can be compared.
                self.greet(from);
            }
        } else if let Some(last) = taken.last.filter(|last| *last < look_until) {
            // The branches parted after this window.
            self.send(from, Message::AskBlocks { from: last + 1 });
        }
    }
}

/// The blocks that a peer was served last.
#[derive(Default)]
pub(super) struct Served {
    from: u64,
    at_ms: u64,
    back_ms: u64,
}

impl Served {
    /// Whether a peer may have blocks from this height on now; notes that it gets them. It may always go forward, as it asks
    /// after it has applied a window. It may go back now and then, as a node does that looks for a fork.
    fn may_have(&mut self, from: u64, now_ms: u64) -> bool {
        let is_on_its_way = self.from > 0 && now_ms < self.at_ms + AGAIN_MS;
        if is_on_its_way && from <= self.from {
            if from == self.from || now_ms < self.back_ms {
                return false;
            }
            self.back_ms = now_ms + AGAIN_MS;
        }
        self.from = from;
        self.at_ms = now_ms;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_forward_is_served_and_who_goes_in_circles_is_not() {
        let mut served = Served::default();
        let asks: [(u64, u64, bool); 12] = [
            (1, 0, true),
            (1, 0, false),
            (1, AGAIN_MS - 1, false),
            (1, AGAIN_MS, true),
            (2, AGAIN_MS, true),
            (9, AGAIN_MS, true),
            // Going back once is allowed, for a peer that looks for a fork; going back again is not.
            (3, AGAIN_MS, true),
            (4, AGAIN_MS, true),
            (2, AGAIN_MS, false),
            (4, AGAIN_MS, false),
            (5, AGAIN_MS, true),
            (2, 2 * AGAIN_MS, true),
        ];
        for (n, (from, now_ms, may)) in asks.into_iter().enumerate() {
            assert_eq!(served.may_have(from, now_ms), may, "request {n}");
        }
    }
}
