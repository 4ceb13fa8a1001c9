//! Documents: built from the blocks when somebody asks for one. The ledger document, which grows with every seal, is kept.

use redb::ReadableTable as _;

use super::heights::{Heights, last_height};
use super::rows::LEDGER;
use super::wrapped::{unwrapped, wrapped};
use super::{Store, StoreError};
use crate::base::digest::OperationId;
use crate::document::{DocumentError, LedgerDocument, OperationDocument};

/// Heights after which the ledger document is saved again. Saving it takes time in proportion to its size.
const LEDGER_DOCUMENT_HEIGHTS: u64 = 256;

impl Store {
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
        let Some(found) = self.closed_of(&reading, id)? else {
            return Ok(None);
        };
        let records: Vec<_> = found.records().cloned().collect();
        let document = OperationDocument::build(&records);
        document
            .map(Some)
            .map_err(|error: DocumentError| StoreError::damaged(format!("operation {id}"), error))
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
        let mut heights = Heights::new(&reading)?;
        for height in from + 1..=last_height(&reading)? {
            document.append(&heights.beside(height)?.changes()?.ledger)?;
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
                saved.insert(height, &wrapped(|row| row.extend_from_slice(bytes))[..])?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}
