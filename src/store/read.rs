//! Blocks, on the disk. [`History`](crate::past::history::History) is the counterpart in memory.

use super::heights::{Heights, last_height, seal_at};
use super::rows::SEALS;
use super::{Store, StoreError};
use crate::base::digest::SealId;
use crate::statement::record::{Seal, Signed};
use crate::statement::seal::SealedBlock;

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
