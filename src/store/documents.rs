//! Closed operations: their documents, and their records as read back from them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};

use super::read::{by_id, check_list, header_of};
use super::rows::{
    CHANGES, CONTENTS, ContentsRow, DOCUMENTS, LEDGER, OPERATIONS, OperationRow, PENDING, PLACES,
    WAITING, decode,
};
use super::sealed::about;
use super::{Store, StoreError, lock};
use crate::codec;
use crate::digest::{DOCUMENTS as DOCUMENTS_DIGEST, OperationId, RecordId};
use crate::document::{DocumentError, LedgerChange, LedgerDocument, OperationDocument};
use crate::record::{Record, Signed, Verified};

/// Decoded documents and blocks that are kept, counted in bytes of their encodings. Who serves the past block by block reads
/// an operation's document for its proposal, its commits and its reveals; decoded, they take some four times as much.
const DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Lengths of a document's parts, in bytes. redb keeps a value that is longer than a page in a run of pages whose number is a
/// power of two; these fill such runs, so that half of the last one is not lost.
const PARTS: [usize; 3] = [16_128, 7_936, 3_840];

/// Heights by which the saved ledger document may be behind before it is saved again: saving takes as long as it is large.
const LEDGER_DOCUMENT_HEIGHTS: u64 = 256;

/// Documents written in one commit.
const DOCUMENTS_AT_ONCE: usize = 16;

type Records = BTreeMap<RecordId, Record>;

/// Where records were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Document(OperationId),
    Block(u64),
}

/// What was decoded last.
#[derive(Debug, Default)]
pub(super) struct Documents {
    decoded: BTreeMap<Source, (Arc<Records>, usize)>,
    order: VecDeque<Source>,
    bytes: usize,
}

impl Documents {
    fn insert(&mut self, source: Source, records: Arc<Records>, bytes: usize) {
        if self.decoded.insert(source, (records, bytes)).is_some() {
            return;
        }
        self.order.push_back(source);
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

/// Reads the parts of an operation's document; `None` if it has none.
fn document_bytes(
    reading: &ReadTransaction,
    id: OperationId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut whole = Vec::new();
    let documents = reading.open_table(DOCUMENTS)?;
    for row in documents.range((id.as_bytes(), 0)..=(id.as_bytes(), u32::MAX))? {
        whole.extend_from_slice(row?.1.value());
    }
    if whole.is_empty() {
        return Ok(None);
    }
    let bytes = unwrapped(&format!("documents: operation {id}"), &whole)?;
    Ok(Some(bytes.to_vec()))
}

/// Reads an operation's document; `None` if it has none.
pub(super) fn read_document(
    reading: &ReadTransaction,
    id: OperationId,
) -> Result<Option<OperationDocument>, StoreError> {
    let bytes = document_bytes(reading, id)?;
    let document = bytes.map(|bytes| OperationDocument::load(&bytes));
    document.transpose().map_err(|error| unreadable(id, &error))
}

fn write_document(
    transaction: &WriteTransaction,
    id: OperationId,
    document: &[u8],
) -> Result<(), StoreError> {
    let mut documents = transaction.open_table(DOCUMENTS)?;
    let whole = wrapped(document);
    let mut rest = &whole[..];
    let mut number = 0_u32;
    while !rest.is_empty() {
        let fitting = PARTS.iter().find(|length| **length <= rest.len());
        let (part, after) = rest.split_at(fitting.copied().unwrap_or(rest.len()));
        documents.insert((id.as_bytes(), number), part)?;
        (rest, number) = (after, number + 1);
    }
    Ok(())
}

/// Takes documented operations off the heights that have records about them; a height that none is left of becomes a list.
fn release(transaction: &WriteTransaction, id: OperationId) -> Result<(), StoreError> {
    let mut places = transaction.open_table(PLACES)?;
    let heights = places.remove(id.as_bytes())?;
    let heights = heights.map(|row| decode("places", row.value()));
    let heights: Vec<u64> = heights.unwrap_or_else(|| Ok(Vec::new()))?;
    let mut waiting = transaction.open_table(WAITING)?;
    for height in heights {
        let left = waiting.get(height)?.map_or(0, |left| left.value());
        if left > 1 {
            waiting.insert(height, left - 1)?;
        } else {
            waiting.remove(height)?;
            list_contents(transaction, height)?;
        }
    }
    Ok(())
}

/// Replaces the records of a height by their ids. What no document has stays.
fn list_contents(transaction: &WriteTransaction, height: u64) -> Result<(), StoreError> {
    let place = format!("contents: height {height}");
    let mut contents = transaction.open_table(CONTENTS)?;
    let row = contents.get(height)?;
    let row = row.ok_or_else(|| StoreError::damaged(&place, "the row is missing"))?;
    let ContentsRow::Whole(records) = decode(&place, row.value())? else {
        return Ok(());
    };
    let operations = transaction.open_table(OPERATIONS)?;
    let mut listed: BTreeMap<OperationId, (BTreeSet<RecordId>, Vec<RecordId>)> = BTreeMap::new();
    let mut apart = Vec::new();
    for record in records {
        let id = record.body.id();
        let Some(operation) = about(&record) else {
            apart.push(record);
            continue;
        };
        let (documented, ids) = match listed.entry(operation) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let row = operations.get(operation.as_bytes())?;
                let row =
                    row.ok_or_else(|| StoreError::damaged(&place, "an operation is missing"))?;
                let row: OperationRow = decode("operations", row.value())?;
                entry.insert((row.stored.snapshot.records(), Vec::new()))
            }
        };
        if documented.contains(&id) {
            ids.push(id);
        } else {
            apart.push(record);
        }
    }
    let listed = listed.into_iter();
    let operations = listed
        .map(|(operation, (_, ids))| (operation, ids))
        .collect();
    let row_now = codec::encode(&ContentsRow::Listed { operations, apart });
    drop(row);
    contents.insert(height, &row_now[..])?;
    Ok(())
}

/// An operation's document is bytes that this node saved; what it does not read as is damage.
fn unreadable(id: OperationId, error: &DocumentError) -> StoreError {
    StoreError::damaged(format!("documents: operation {id}"), error)
}

impl Store {
    /// Writes the documents of at most `limit` closed operations that have none yet; their records in blocks become ids. Says
    /// how many are left. Takes some 50 microseconds a record, during most of which others may read and write.
    ///
    /// # Errors
    ///
    /// As [`Store::write`]; [`StoreError::Damaged`] if a record is missing.
    pub fn write_documents(&self, limit: usize) -> Result<u64, StoreError> {
        let reading = self.reading()?;
        let mut due = Vec::new();
        for row in reading.open_table(PENDING)?.iter()?.take(limit) {
            let (key, _) = row?;
            let (height, id) = key.value();
            due.push((height, OperationId::from_bytes(*id)));
        }
        // What is built at once stays in memory until it is written.
        for some in due.chunks(DOCUMENTS_AT_ONCE) {
            let mut built = Vec::new();
            for (height, id) in some {
                let document = OperationDocument::build(&self.pending_records(&reading, *id)?);
                let document = document.map_err(|error| unreadable(*id, &error))?.save();
                built.push((*height, *id, document));
            }
            self.guarded(|_| {
                let transaction = self.ledger.database.begin_write()?;
                for (height, id, document) in &built {
                    write_document(&transaction, *id, document)?;
                    release(&transaction, *id)?;
                    let mut pending = transaction.open_table(PENDING)?;
                    pending.remove((*height, id.as_bytes()))?;
                }
                transaction.commit()?;
                Ok(())
            })?;
        }
        Ok(reading.open_table(PENDING)?.len()? - due.len() as u64)
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
        if let Some(document) = read_document(&reading, *id)? {
            return Ok(Some(document));
        }
        if reading
            .open_table(OPERATIONS)?
            .get(id.as_bytes())?
            .is_none()
        {
            return Ok(None);
        }
        let document = OperationDocument::build(&self.pending_records(&reading, *id)?);
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

    /// Records about one operation, from its document or from the blocks that have them.
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

    /// The records of a closed operation that has no document yet.
    fn pending_records(
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

    /// The records in an operation's document; none if it has none.
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

    /// The records of a height that is no list yet.
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
                return Err(StoreError::damaged(&place, "it is a list too early"));
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
        if let Some((records, _)) = lock(&self.documents).decoded.get(&source) {
            return Ok(records.clone());
        }
        let (records, bytes) = read()?;
        let records = Arc::new(records);
        // What is not there may come.
        if bytes > 0 {
            lock(&self.documents).insert(source, records.clone(), bytes);
        }
        Ok(records)
    }
}
