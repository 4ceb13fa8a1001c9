//! Blocks, on the disk. [`History`](crate::past::history::History) is the counterpart in memory.

use std::collections::BTreeSet;

use super::heights::{Heights, last_height, seal_at, sealers_after};
use super::rows::SEALS;
use super::{Store, StoreError};
use crate::base::digest::{NodeId, SealId};
use crate::statement::record::{Seal, Signed, Statement};
use crate::statement::seal::{SealCertificate, SealedBlock};

/// A sealed height as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealSummary {
    /// The seal, with the round of its fresh proposal.
    pub seal: Seal,
    /// The author of that proposal: whose turn the round was ([S5]).
    pub proposer: Option<NodeId>,
    /// The round of the precommits that this node holds.
    pub round: u32,
    /// The sealers whose precommits these are, in the order of their keys.
    pub signed: Vec<NodeId>,
    /// The other sealers of the height. They may have signed as well: a certificate needs no more than a quorum.
    pub missing: Vec<NodeId>,
}

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Store {
    /// The last sealed height; 0 before the first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`].
    pub fn height(&self) -> Result<u64, StoreError> {
        last_height(&self.reading()?)
    }

    /// The seal of a height; `None` if it is not sealed. Seal 0 is not stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`].
    pub fn seal_at(&self, height: u64) -> Result<Option<SealId>, StoreError> {
        seal_at(&self.reading()?.open_table(SEALS)?, height)
    }

    /// The header of a height; `None` if it is not sealed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::NotSealed`] if the data cannot be decoded or differs from what was sealed.
    pub fn header(&self, height: u64) -> Result<Option<Seal>, StoreError> {
        let reading = self.reading()?;
        if height == 0 || height > last_height(&reading)? {
            return Ok(None);
        }
        self.heights(&reading)?.block(height)?.seal().map(Some)
    }

    /// The block of a height; `None` if it is not sealed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::NotSealed`] if the data cannot be decoded or differs from what was sealed.
    pub fn block(&self, height: u64) -> Result<Option<SealedBlock>, StoreError> {
        let reading = self.reading()?;
        if height == 0 || height > last_height(&reading)? {
            return Ok(None);
        }
        block_at(&mut self.heights(&reading)?, height).map(Some)
    }

    /// The blocks from a height on, encoded as in [`Message::Blocks`](crate::exchange::message::Message::Blocks): as many as
    /// fit into `max_bytes`, but at least one if there is one. They are the bytes that were written, behind their digest; only
    /// their seals are read.
    ///
    /// # Errors
    ///
    /// As [`Store::block`].
    pub fn blocks_from(&self, height: u64, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let reading = self.reading()?;
        let mut heights = self.heights(&reading)?;
        let (mut blocks, mut room) = (Vec::new(), max_bytes);
        for height in height.max(1)..=last_height(&reading)? {
            let block = heights.block(height)?;
            let length = block.encoded_len();
            if length > room && !blocks.is_empty() {
                break;
            }
            room = room.saturating_sub(length);
            blocks.push(block.encoded());
        }
        Ok(blocks)
    }

    /// The last seals below a height, the newest first, at most `max` of them. Reads the blocks' seals and certificates, and no records.
    ///
    /// # Errors
    ///
    /// As [`Store::block`].
    pub fn newest_seals(&self, before: u64, max: usize) -> Result<Vec<SealSummary>, StoreError> {
        let reading = self.reading()?;
        let end = before.min(last_height(&reading)? + 1);
        let first = end.saturating_sub(max as u64).max(1);
        if first >= end {
            return Ok(Vec::new());
        }
        let mut heights = self.heights(&reading)?;
        let mut sealers = self.sealers_of(&reading, &mut heights, first)?;
        let mut seals = Vec::new();
        for height in first..end {
            let block = heights.block(height)?;
            let (seal, certificate) = (block.seal()?, block.certificate()?);
            let (round, signed) = signers(&certificate);
            let sorted = sealers.sorted().into_iter();
            let (signed, missing) = sorted.partition(|sealer| signed.contains(sealer));
            seals.push(SealSummary {
                proposer: sealers.proposer(seal.round),
                seal,
                round,
                signed,
                missing,
            });
            if let Some(changed) = sealers_after(&mut heights, height)? {
                sealers = changed;
            }
        }
        seals.reverse();
        Ok(seals)
    }
}

/// The round of a certificate's precommits, and their authors.
fn signers(certificate: &SealCertificate) -> (u32, BTreeSet<NodeId>) {
    let votes = certificate.votes.iter();
    let round = |what: &Statement| match what {
        Statement::SealVote { round, .. } => Some(*round),
        _ => None,
    };
    let first = votes.clone().find_map(|vote| round(&vote.body.what));
    (first.unwrap_or(0), votes.map(|vote| vote.body.by).collect())
}

/// A block whose records are those that its seal lists.
pub(super) fn block_at(heights: &mut Heights, height: u64) -> Result<SealedBlock, StoreError> {
    let block = heights.block(height)?.signed()?;
    let records = block.records.into_iter();
    Ok(SealedBlock {
        seal: block.seal,
        records: records.map(Signed::into_record).collect(),
        certificate: block.certificate,
    })
}
