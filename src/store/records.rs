//! Records of an operation, read out of the blocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use redb::ReadTransaction;

use super::heights::{Heights, last_height};
use super::rows::{PLACES, PlacesRow, decode};
use super::{Store, StoreError, lock};
use crate::base::digest::{OperationId, RecordId};
use crate::statement::record::{Signed, Verified};

/// Cache of decoded blocks, in encoded bytes; decoded, they take some four times as much. Reading one operation after the other
/// reads each block for every operation that has records in it.
const DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) type Records = BTreeMap<RecordId, Verified>;

/// The records of blocks that were read last, by height.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    records: BTreeMap<u64, (Arc<Records>, usize)>,
    order: VecDeque<u64>,
    bytes: usize,
}

impl Decoded {
    fn insert(&mut self, height: u64, records: Arc<Records>, bytes: usize) {
        if self.records.insert(height, (records, bytes)).is_some() {
            return;
        }
        self.order.push_back(height);
        self.bytes += bytes;
        while self.bytes > DECODED_BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some((_, bytes)) = self.records.remove(&oldest) {
                self.bytes -= bytes;
            }
        }
    }
}

/// The heights that have records of an operation, and the one that closed it.
pub(super) fn places_of(
    reading: &ReadTransaction,
    operation: &OperationId,
) -> Result<PlacesRow, StoreError> {
    let row = reading.open_table(PLACES)?.get(operation.as_bytes())?;
    let row = row.map(|row| decode(&format!("places: operation {operation}"), row.value()));
    Ok(row.transpose()?.unwrap_or_default())
}

impl Store {
    /// The records that the seal of a height lists, by id; `None` above the last height. Whoever reads heights in order reads
    /// each part of the disk once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::NotSealed`] if the data cannot be decoded or differs from what was sealed.
    pub fn records_at(&self, height: u64) -> Result<Option<Vec<Verified>>, StoreError> {
        let reading = self.reading()?;
        if height == 0 || height > last_height(&reading)? {
            return Ok(None);
        }
        let records = self.block_records(&mut self.heights(&reading)?, height)?;
        Ok(Some(records.values().cloned().collect()))
    }

    /// These records of an operation.
    pub(super) fn records_of(
        &self,
        reading: &ReadTransaction,
        operation: OperationId,
        ids: &BTreeSet<RecordId>,
    ) -> Result<Records, StoreError> {
        let mut found = Records::new();
        let mut heights = self.heights(reading)?;
        for height in places_of(reading, &operation)?.0 {
            let records = self.block_records(&mut heights, height)?;
            for id in ids {
                if let Some(record) = records.get(id) {
                    found.insert(*id, record.clone());
                }
            }
        }
        match ids.iter().find(|id| !found.contains_key(*id)) {
            None => Ok(found),
            Some(id) => {
                let place = format!("operation {operation}");
                Err(StoreError::damaged(
                    place,
                    format!("record {id} is missing"),
                ))
            }
        }
    }

    fn block_records(
        &self,
        heights: &mut Heights,
        height: u64,
    ) -> Result<Arc<Records>, StoreError> {
        if let Some((records, _)) = lock(&self.decoded).records.get(&height) {
            return Ok(records.clone());
        }
        let found = heights.block(height)?;
        // This node verified them before it wrote them.
        let records = found.signed()?.records.into_iter().map(Signed::trusted);
        let records: Records = records.map(|record| (record.id(), record)).collect();
        let records = Arc::new(records);
        lock(&self.decoded).insert(height, records.clone(), found.encoded_len());
        Ok(records)
    }
}
