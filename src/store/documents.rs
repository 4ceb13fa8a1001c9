//! Documents of closed operations, and reading their records back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};

use super::rows::{
    CHANGES, CONTENTS, ContentsRow, DOCUMENTS, LEDGER, OPERATIONS, OperationRow, PENDING, PLACES,
    WAITING, decode,
};
use super::sealed::about;
use super::{Store, StoreError};
use crate::base::codec;
use crate::base::digest::{DOCUMENTS as DOCUMENTS_DIGEST, OperationId, RecordId};
use crate::document::{DocumentError, LedgerChange, LedgerDocument, OperationDocument};

/// Lengths of a document's parts in bytes. redb stores a long value in a power of two of pages; parts of these lengths fill
/// them.
const PARTS: [usize; 3] = [16_128, 7_936, 3_840];

/// Heights after which the ledger document is saved again. Saving it takes time in proportion to its size.
const LEDGER_DOCUMENT_HEIGHTS: u64 = 256;

/// Documents written in one commit.
const DOCUMENTS_AT_ONCE: usize = 16;

/// A document with a digest of its bytes: Automerge must never see bytes that this node did not save.
fn wrapped(document: &[u8]) -> Vec<u8> {
    let digest = DOCUMENTS_DIGEST.hash_parts(&[b"stored", document]);
    [&digest[..], document].concat()
}

fn unwrapped<'a>(place: &str, row: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let parts = row.split_first_chunk::<32>();
    parts
        .filter(|(digest, bytes)| **digest == DOCUMENTS_DIGEST.hash_parts(&[b"stored", bytes]))
        .map(|(_, bytes)| bytes)
        .ok_or_else(|| StoreError::damaged(place, "its bytes were changed"))
}

/// Reads the parts of an operation's document. `None` if it has none.
pub(super) fn document_bytes(
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

/// Reads an operation's document. `None` if it has none.
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

/// Removes a documented operation from the lists of its heights.
fn release(transaction: &WriteTransaction, id: OperationId) -> Result<(), StoreError> {
    let mut places = transaction.open_table(PLACES)?;
    let heights = places.remove(id.as_bytes())?;
    let heights = heights.map(|row| decode("places", row.value()));
    let heights: Vec<u64> = heights.unwrap_or_else(|| Ok(Vec::new()))?;
    let mut waiting = transaction.open_table(WAITING)?;
    for height in heights {
        let row = waiting.get(height)?.map(|row| row.value());
        if let Some((left, length)) = row {
            waiting.insert(height, (left.saturating_sub(1), length))?;
        }
    }
    Ok(())
}

/// Replaces records by their ids in the oldest heights whose records are all in documents, until the whole blocks are short
/// enough. Takes and returns the bytes of whole blocks.
fn list_oldest(
    transaction: &WriteTransaction,
    whole: u64,
    whole_max: u64,
) -> Result<u64, StoreError> {
    let mut waiting = transaction.open_table(WAITING)?;
    let rows = waiting.iter()?.map(|row| {
        let (height, row) = row?;
        Ok((height.value(), row.value()))
    });
    let oldest = oldest_listable(rows, whole.saturating_sub(whole_max))?;
    let mut left = whole;
    for (height, length) in oldest {
        left = left.saturating_sub(length);
        list_contents(transaction, height)?;
        waiting.remove(height)?;
    }
    Ok(left)
}

/// The first heights in [`WAITING`] that wait for no document, up to this many bytes, with their lengths. Reads no further.
fn oldest_listable(
    mut rows: impl Iterator<Item = Result<(u64, (u64, u64)), StoreError>>,
    bytes: u64,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let (mut oldest, mut found) = (Vec::new(), 0);
    while found < bytes
        && let Some(row) = rows.next()
    {
        let (height, (left, length)) = row?;
        if left == 0 {
            found = u64::saturating_add(found, length);
            oldest.push((height, length));
        }
    }
    Ok(oldest)
}

/// Replaces the records of a height by their ids. Records without a document stay.
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

/// This node saved the bytes, so bytes that do not decode are damaged.
pub(super) fn unreadable(id: OperationId, error: &DocumentError) -> StoreError {
    StoreError::damaged(format!("documents: operation {id}"), error)
}

impl Store {
    /// Sets how many bytes of blocks stay whole although their records are in documents. Serving whole blocks is ten times
    /// faster, and a peer that catches up mostly needs the latest. The default is [`WHOLE_BYTES`](super::WHOLE_BYTES).
    pub fn set_whole_bytes(&self, bytes: u64) {
        self.whole_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Writes the documents of at most `limit` closed operations, and replaces their records in old blocks by ids. Returns
    /// how many operations remain. Takes some 50 microseconds per record; others can read and write during most of it.
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
        // Documents of one commit stay in memory until it is written.
        for some in due.chunks(DOCUMENTS_AT_ONCE) {
            let mut built = Vec::new();
            for (height, id) in some {
                let document = OperationDocument::build(&self.pending_records(&reading, *id)?);
                let document = document.map_err(|error| unreadable(*id, &error))?.save();
                built.push((*height, *id, document));
            }
            self.guarded(|writing| {
                let transaction = self.begin_unhurried()?;
                for (height, id, document) in &built {
                    write_document(&transaction, *id, document)?;
                    release(&transaction, *id)?;
                    let mut pending = transaction.open_table(PENDING)?;
                    pending.remove((*height, id.as_bytes()))?;
                }
                let whole_max = self.whole_bytes.load(Ordering::SeqCst);
                let whole = list_oldest(&transaction, writing.whole, whole_max)?;
                transaction.commit()?;
                writing.whole = whole;
                Ok(())
            })?;
        }
        Ok(reading.open_table(PENDING)?.len()? - due.len() as u64)
    }

    /// The document of a closed operation; `None` for any other. For an open one, build it from its records
    /// ([`OperationDocument::build`] of [`OpenOperation::records`](crate::decision::open::OpenOperation::records)).
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it cannot be read.
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

    /// The ledger document at the last height, made from the last saved one and the seals since. It is saved now and then.
    /// The cost follows the size of the document, which grows with the past.
    ///
    /// # Errors
    ///
    /// [`StoreError::Document`] or [`StoreError::Damaged`] if it cannot be read.
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
            let transaction = self.begin_unhurried()?;
            {
                let mut saved = transaction.open_table(LEDGER)?;
                saved.retain(|_, _| false)?;
                saved.insert(height, &wrapped(bytes)[..])?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_rows_are_read_than_become_lists() {
        // Every tenth height waits for a document.
        let rows = (0..1000).map(|height| (height, (u64::from(height % 10 == 0), 100)));
        let table = [
            (0, 0, 0),
            (1, 1, 2),
            (100, 1, 2),
            (101, 2, 3),
            (1000, 10, 12),
        ];
        for (bytes, listable, read_max) in table {
            let mut read = 0;
            let counted = rows.clone().inspect(|_| read += 1).map(Ok);
            let oldest = oldest_listable(counted, bytes).unwrap();
            assert_eq!(oldest.len(), listable, "{bytes} bytes");
            assert_eq!(read, read_max, "{bytes} bytes");
        }
        let all = oldest_listable(rows.map(Ok), u64::MAX).unwrap();
        assert_eq!(all.len(), 900);
    }
}
