//! Closed operations: their documents, and their records as read back from them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use super::rows::{
    CHANGES, DOCUMENTS, LEDGER, OPERATIONS, OperationRow, PENDING, SEALED, decode, decode_record,
};
use super::{Store, StoreError, lock};
use crate::digest::{DOCUMENTS as DOCUMENTS_DIGEST, OperationId, RecordId};
use crate::document::{DocumentError, LedgerChange, LedgerDocument, OperationDocument};
use crate::record::{Record, Signed, Verified};

/// Records of decoded documents that are kept, counted in bytes of the documents. Who serves the past block by block reads an
/// operation's document for its proposal, its commits and its reveals; decoded, they take some four times as much.
const DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Heights by which the saved ledger document may be behind before it is saved again: saving takes as long as it is large.
const LEDGER_DOCUMENT_HEIGHTS: u64 = 256;

type Records = BTreeMap<RecordId, Record>;

/// The documents decoded last.
#[derive(Debug, Default)]
pub(super) struct Documents {
    decoded: BTreeMap<OperationId, (Arc<Records>, usize)>,
    order: VecDeque<OperationId>,
    bytes: usize,
}

impl Documents {
    fn insert(&mut self, id: OperationId, records: Arc<Records>, bytes: usize) {
        if self.decoded.insert(id, (records, bytes)).is_some() {
            return;
        }
        self.order.push_back(id);
        self.bytes += bytes;
        while self.bytes > DECODED_BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some((_, bytes)) = self.decoded.remove(&oldest) {
                self.bytes -= bytes;
            }
        }
    }
}

/// A document behind the digest of its bytes: Automerge must never see what this node did not save.
fn wrapped(document: &[u8]) -> Vec<u8> {
    let digest = DOCUMENTS_DIGEST.hash_parts(&[b"stored", document]);
    [&digest[..], document].concat()
}

fn unwrapped<'a>(place: &str, row: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let parts = row.split_first_chunk::<32>();
    parts
        .filter(|(digest, bytes)| **digest == DOCUMENTS_DIGEST.hash_parts(&[b"stored", bytes]))
        .map(|(_, bytes)| bytes)
        .ok_or_else(|| StoreError::damaged(place, "its bytes are not those that were written"))
}

/// Reads the row of an operation's document.
pub(super) fn read_document(id: OperationId, row: &[u8]) -> Result<OperationDocument, StoreError> {
    let bytes = unwrapped(&format!("documents: operation {id}"), row)?;
    OperationDocument::load(bytes).map_err(|error| unreadable(id, &error))
}

/// An operation's document is bytes that this node saved; what it does not read as is damage.
fn unreadable(id: OperationId, error: &DocumentError) -> StoreError {
    StoreError::damaged(format!("documents: operation {id}"), error)
}

impl Store {
    /// Writes the documents of at most `limit` closed operations that have none yet; the rows of their records go. Says how
    /// many are left. Takes some 40 microseconds a record, during which others may read and write.
    ///
    /// # Errors
    ///
    /// As [`Store::write`]; [`StoreError::Damaged`] if a record is missing.
    pub fn write_documents(&self, limit: usize) -> Result<u64, StoreError> {
        let reading = self.reading()?;
        let pending = reading.open_table(PENDING)?;
        let mut built = Vec::new();
        for row in pending.iter()?.take(limit) {
            let (id, ()) = (OperationId::from_bytes(*row?.0.value()), ());
            let records = pending_records(&reading, id)?;
            let document = OperationDocument::build(&records);
            let document = document.map_err(|error| unreadable(id, &error))?.save();
            built.push((id, records, document));
        }
        let left = pending.len()? - built.len() as u64;
        if built.is_empty() {
            return Ok(left);
        }
        self.guarded(|_| {
            let transaction = self.ledger.database.begin_write()?;
            {
                let mut documents = transaction.open_table(DOCUMENTS)?;
                let mut sealed = transaction.open_table(SEALED)?;
                let mut pending = transaction.open_table(PENDING)?;
                for (id, records, document) in &built {
                    documents.insert(id.as_bytes(), &wrapped(document)[..])?;
                    for record in records {
                        sealed.remove(record.id().as_bytes())?;
                    }
                    pending.remove(id.as_bytes())?;
                }
            }
            transaction.commit()?;
            Ok(left)
        })
    }

    /// The document of a closed operation; `None` for any other. That of an open one is built from its records
    /// ([`OperationDocument::build`] of [`OpenOperation::records`](crate::agenda::OpenOperation::records)).
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it does not read.
    pub fn operation_document(
        &self,
        id: &OperationId,
    ) -> Result<Option<OperationDocument>, StoreError> {
        let reading = self.reading()?;
        if let Some(row) = reading.open_table(DOCUMENTS)?.get(id.as_bytes())? {
            return read_document(*id, row.value()).map(Some);
        }
        if reading.open_table(PENDING)?.get(id.as_bytes())?.is_none() {
            return Ok(None);
        }
        let document = OperationDocument::build(&pending_records(&reading, *id)?);
        document.map(Some).map_err(|error| unreadable(*id, &error))
    }

    /// The ledger document at the last height: as it was saved last, with what was sealed since. It is saved again now and
    /// then. Costs as much as the document is large, which follows the past.
    ///
    /// # Errors
    ///
    /// [`StoreError::Document`] or [`StoreError::Damaged`] if it does not read.
    pub fn ledger_document(&self) -> Result<LedgerDocument, StoreError> {
        let reading = self.reading()?;
        let saved = reading.open_table(LEDGER)?;
        let mut document = match saved.last()? {
            None => LedgerDocument::new(&self.genesis),
            Some((_, row)) => {
                let bytes = unwrapped("ledger: the ledger document", row.value())?;
                LedgerDocument::load(&self.genesis, bytes)?
            }
        };
        let from = document.height();
        for row in reading.open_table(CHANGES)?.range(from + 1..)? {
            let (height, row) = row?;
            let place = format!("changes: height {}", height.value());
            let change: LedgerChange = decode(&place, row.value())?;
            document.append(&change)?;
        }
        if document.height() >= from + LEDGER_DOCUMENT_HEIGHTS && !self.has_failed() {
            self.keep_ledger_document(document.height(), &document.save())?;
        }
        Ok(document)
    }

    fn keep_ledger_document(&self, height: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.guarded(|_| {
            let transaction = self.ledger.database.begin_write()?;
            {
                let mut saved = transaction.open_table(LEDGER)?;
                saved.retain(|_, _| false)?;
                saved.insert(height, &wrapped(bytes)[..])?;
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// Records about one operation, in the order of `ids`: from their rows, or from the operation's document.
    pub(super) fn records_of(
        &self,
        reading: &ReadTransaction,
        operation: OperationId,
        ids: &BTreeSet<RecordId>,
    ) -> Result<Vec<Record>, StoreError> {
        let sealed = reading.open_table(SEALED)?;
        let row = |id: &RecordId| -> Result<Option<Record>, StoreError> {
            let row = sealed.get(id.as_bytes())?;
            let record = row.map(|row| decode_record("sealed", id, row.value()));
            Ok(record.transpose()?.map(|record| record.record().clone()))
        };
        let mut records = Vec::with_capacity(ids.len());
        let mut document = None;
        for id in ids {
            let in_document = |document: &Option<Arc<Records>>| {
                let records = document.as_ref()?;
                records.get(id).cloned()
            };
            let mut found = in_document(&document);
            if found.is_none() {
                found = row(id)?;
            }
            if found.is_none() && document.is_none() {
                document = Some(self.decoded(reading, operation)?);
                found = in_document(&document);
            }
            records.push(found.ok_or_else(|| {
                let place = format!("operation {operation}");
                StoreError::damaged(place, format!("record {id} is missing"))
            })?);
        }
        Ok(records)
    }

    /// The records in an operation's document; none if it has none.
    fn decoded(
        &self,
        reading: &ReadTransaction,
        id: OperationId,
    ) -> Result<Arc<Records>, StoreError> {
        if let Some((records, _)) = lock(&self.documents).decoded.get(&id) {
            return Ok(records.clone());
        }
        let Some(bytes) = reading.open_table(DOCUMENTS)?.get(id.as_bytes())? else {
            return Ok(Arc::default());
        };
        let bytes = bytes.value();
        let records = read_document(id, bytes)?.records();
        let records = records.map_err(|error| unreadable(id, &error))?;
        let records = records.into_iter();
        let records = records.map(|record| (record.body.id(), record));
        let records: Arc<Records> = Arc::new(records.collect());
        lock(&self.documents).insert(id, records.clone(), bytes.len());
        Ok(records)
    }
}

/// The records of a closed operation that has no document yet.
fn pending_records(
    reading: &ReadTransaction,
    id: OperationId,
) -> Result<Vec<Verified>, StoreError> {
    let place = format!("operation {id}");
    let row = reading.open_table(OPERATIONS)?.get(id.as_bytes())?;
    let row = row.ok_or_else(|| StoreError::damaged(&place, "its row is missing"))?;
    let row: OperationRow = decode(&place, row.value())?;
    let sealed = reading.open_table(SEALED)?;
    let records = row.stored.snapshot.records().into_iter();
    let records = records.map(|id| {
        let row = sealed.get(id.as_bytes())?;
        let row =
            row.ok_or_else(|| StoreError::damaged(&place, format!("record {id} is missing")))?;
        decode_record("sealed", &id, row.value()).map(Signed::trusted)
    });
    records.collect()
}
