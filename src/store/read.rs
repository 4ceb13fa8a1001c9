//! Blocks and their changes, on the disk. [`History`](crate::past::history::History) is the counterpart in memory.

use std::collections::BTreeMap;

use redb::ReadTransaction;

use super::load::{last_height, place};
use super::rows::{
    CERTIFICATES, CONTENTS, ContentsRow, HEADERS, HeaderRow, SEALS, decode, decode_own,
};
use super::{Store, StoreError};
use crate::base::digest::{RecordId, SealId};
use crate::base::rejection::Rejection;
use crate::statement::record::{Record, Seal};
use crate::statement::seal::{SealedBlock, list_digest};

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
        let seals = self.reading()?.open_table(SEALS)?;
        let seal = seals.get(height)?;
        Ok(seal.map(|seal| SealId::from_bytes(*seal.value())))
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
        self.block_of(&reading, height).map(Some)
    }

    /// The blocks from a height on, encoded as in [`Message::Blocks`](crate::exchange::message::Message::Blocks): as many as
    /// fit into `max_bytes`, but at least one if there is one.
    ///
    /// # Errors
    ///
    /// As [`Store::block`].
    pub fn blocks_from(&self, height: u64, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let reading = self.reading()?;
        let (mut blocks, mut room) = (Vec::new(), max_bytes);
        for height in height.max(1)..=last_height(&reading)? {
            let block = self.block_of(&reading, height)?.encode();
            if block.len() > room && !blocks.is_empty() {
                break;
            }
            room = room.saturating_sub(block.len());
            blocks.push(block);
        }
        Ok(blocks)
    }

    pub(super) fn block_of(
        &self,
        reading: &ReadTransaction,
        height: u64,
    ) -> Result<SealedBlock, StoreError> {
        let at = place(height);
        let header = header_of(reading, height)?;
        let row = reading.open_table(CERTIFICATES)?.get(height)?;
        let row = row.ok_or_else(|| StoreError::damaged(&at, "its certificate is missing"))?;
        let certificate = decode(&at, row.value())?;
        let row = reading.open_table(CONTENTS)?.get(height)?;
        let row = row.ok_or_else(|| StoreError::damaged(&at, "its list is missing"))?;
        // Only this crate writes rows, and the list proves that these are its records: no need to encode them once more.
        let contents: ContentsRow = decode_own(&at, row.value())?;
        let records = match contents {
            ContentsRow::Whole(records) => by_id(records),
            ContentsRow::Listed { operations, apart } => {
                let mut records = by_id(apart);
                for (operation, ids) in operations {
                    let ids = ids.into_iter().collect();
                    records.extend(self.records_of(reading, operation, &ids)?);
                }
                records
            }
        };
        check_list(&header.seal, records.keys())?;
        Ok(SealedBlock {
            seal: header.seal,
            certificate,
            records: records.into_values().collect(),
        })
    }
}

/// The header of a height, checked against the id that a start reads.
pub(super) fn header_of(reading: &ReadTransaction, height: u64) -> Result<HeaderRow, StoreError> {
    let at = place(height);
    let row = reading.open_table(HEADERS)?.get(height)?;
    let row = row.ok_or_else(|| StoreError::damaged(&at, "its header is missing"))?;
    let header: HeaderRow = decode(&at, row.value())?;
    let seal = reading.open_table(SEALS)?.get(height)?;
    let is_same = seal.is_some_and(|seal| seal.value() == header.seal.id().as_bytes());
    if !is_same || header.parts.digest() != header.seal.state {
        let rejection = Rejection::ImpossibleSeal("the header is not the sealed one");
        return Err(StoreError::not_sealed(at, rejection));
    }
    Ok(header)
}

pub(super) fn by_id(records: Vec<Record>) -> BTreeMap<RecordId, Record> {
    let records = records.into_iter();
    records.map(|record| (record.body.id(), record)).collect()
}

/// Checks that these are the records of a seal.
pub(super) fn check_list<'a>(
    seal: &Seal,
    ids: impl Iterator<Item = &'a RecordId>,
) -> Result<(), StoreError> {
    let ids: Vec<RecordId> = ids.copied().collect();
    if list_digest(&ids) == seal.records {
        return Ok(());
    }
    let rejection = Rejection::ImpossibleSeal("the records are not the sealed ones");
    Err(StoreError::not_sealed(place(seal.height), rejection))
}
