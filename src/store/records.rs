//! Records of an operation: read from its document or, as long as there is none, from the blocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use redb::ReadTransaction;

use super::documents::{document_bytes, unreadable};
use super::read::{by_id, check_list, header_of};
use super::rows::{CONTENTS, ContentsRow, OPERATIONS, OperationRow, PLACES, decode};
use super::{Store, StoreError, lock};
use crate::base::digest::{OperationId, RecordId};
use crate::document::OperationDocument;
use crate::statement::record::{Record, Signed, Verified};

/// Cache of decoded documents and blocks, in encoded bytes; decoded, they take some four times as much. Serving the past
/// block by block reads an operation's document for its proposal, its commits and its reveals.
const DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) type Records = BTreeMap<RecordId, Record>;

/// The place of decoded records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Document(OperationId),
    Block(u64),
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    records: BTreeMap<Source, (Arc<Records>, usize)>,
    order: VecDeque<Source>,
    bytes: usize,
}

impl Decoded {
    fn insert(&mut self, source: Source, records: Arc<Records>, bytes: usize) {
        if self.records.insert(source, (records, bytes)).is_some() {
            return;
        }
        self.order.push_back(source);
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

impl Store {
    /// Records of an operation, from its document or the blocks.
    pub(super) fn records_of(
        &self,
        reading: &ReadTransaction,
        operation: OperationId,
        ids: &BTreeSet<RecordId>,
    ) -> Result<Records, StoreError> {
        let mut found = Records::new();
        let mut take = |records: &Records| {
            for id in ids {
                if let Some(record) = records.get(id) {
                    found.insert(*id, record.clone());
                }
            }
        };
        let row = reading.open_table(PLACES)?.get(operation.as_bytes())?;
        match row {
            Some(row) => {
                let heights: Vec<u64> = decode("places", row.value())?;
                for height in heights {
                    take(&*self.block_records(reading, height)?);
                }
            }
            None => take(&*self.document_records(reading, operation)?),
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

    /// The records of a closed operation without a document.
    pub(super) fn pending_records(
        &self,
        reading: &ReadTransaction,
        id: OperationId,
    ) -> Result<Vec<Verified>, StoreError> {
        let place = format!("operation {id}");
        let row = reading.open_table(OPERATIONS)?.get(id.as_bytes())?;
        let row = row.ok_or_else(|| StoreError::damaged(&place, "its row is missing"))?;
        let row: OperationRow = decode(&place, row.value())?;
        let records = self.records_of(reading, id, &row.stored.snapshot.records())?;
        let records = records.into_values().map(|record| {
            let record = Signed::try_from(record);
            let record = record.map_err(|error| StoreError::not_sealed(&place, error))?;
            Ok(record.trusted())
        });
        records.collect()
    }

    /// The records in an operation's document; empty if it has none.
    fn document_records(
        &self,
        reading: &ReadTransaction,
        id: OperationId,
    ) -> Result<Arc<Records>, StoreError> {
        self.decoded(Source::Document(id), || {
            let Some(bytes) = document_bytes(reading, id)? else {
                return Ok((Records::new(), 0));
            };
            let document = OperationDocument::load(&bytes);
            let records = document.and_then(|document| document.records());
            let records = records.map_err(|error| unreadable(id, &error))?;
            Ok((by_id(records), bytes.len()))
        })
    }

    /// The records of a height that still has them.
    fn block_records(
        &self,
        reading: &ReadTransaction,
        height: u64,
    ) -> Result<Arc<Records>, StoreError> {
        self.decoded(Source::Block(height), || {
            let place = format!("contents: height {height}");
            let row = reading.open_table(CONTENTS)?.get(height)?;
            let row = row.ok_or_else(|| StoreError::damaged(&place, "the row is missing"))?;
            let ContentsRow::Whole(records) = decode(&place, row.value())? else {
                return Err(StoreError::damaged(&place, "it lost its records too early"));
            };
            let records = by_id(records);
            check_list(&header_of(reading, height)?.seal, records.keys())?;
            Ok((records, row.value().len()))
        })
    }

    fn decoded(
        &self,
        source: Source,
        read: impl FnOnce() -> Result<(Records, usize), StoreError>,
    ) -> Result<Arc<Records>, StoreError> {
        if let Some((records, _)) = lock(&self.decoded).records.get(&source) {
            return Ok(records.clone());
        }
        let (records, bytes) = read()?;
        let records = Arc::new(records);
        // Absence is not cached, because the row may come.
        if bytes > 0 {
            lock(&self.decoded).insert(source, records.clone(), bytes);
        }
        Ok(records)
    }
}
