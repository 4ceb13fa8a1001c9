//! Taking over a ledger of an earlier format.
//!
//! Formats 1 and 2 kept each part of a height in a table of its own, and the records of old heights in the documents of their
//! operations. The log is read out of them, applied again, and written as this version writes it: in one commit, so that a
//! stop leaves the ledger as it was.

use std::collections::BTreeMap;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};
use serde::Deserialize;

use super::groups::{self, KnownIds, Packed};
use super::height::place;
use super::load::check_format;
use super::rows::{FORMAT, HEIGHTS, Key, LEDGER, META, decode};
use super::{CHECKPOINT_HEIGHTS, GROUP_HEIGHTS, StoreError, sealed, write};
use crate::base::codec;
use crate::base::digest::{DOCUMENTS, OperationId, RecordId};
use crate::base::rejection::Rejection;
use crate::document::OperationDocument;
use crate::ledger::{Ledger, StateParts};
use crate::statement::genesis::Genesis;
use crate::statement::record::{Record, Seal, Signed};
use crate::statement::seal::SealedBlock;

type Rows<K> = TableDefinition<'static, K, &'static [u8]>;

const HEADERS: Rows<u64> = TableDefinition::new("headers.v1");
const CERTIFICATES: Rows<u64> = TableDefinition::new("certificates.v1");
const CONTENTS: Rows<u64> = TableDefinition::new("contents.v1");
const DOCUMENT_PARTS: Rows<(Key, u32)> = TableDefinition::new("documents.v1");

/// The other tables that have no rows of this format.
const LEFT: [&str; 11] = [
    "changes.v1",
    "seals.v1",
    "waiting.v1",
    "places.v1",
    "closed.v1",
    "summaries.v1",
    "operations.v1",
    "pending.v1",
    "trust.v1",
    "members.v1",
    "sealers.v1",
];

#[derive(Deserialize)]
struct HeaderRow {
    seal: Seal,
    #[allow(dead_code, reason = "a part of the row")]
    parts: StateParts,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContentsRow {
    Whole(Vec<Record>),
    Listed {
        operations: Vec<(OperationId, Vec<RecordId>)>,
        apart: Vec<Record>,
    },
}

/// Brings a ledger of an earlier format to this one, and gives back the space that it no longer takes. Applying the log again takes
/// some 30 microseconds a record.
pub(super) fn upgrade(ledger: &mut Database, genesis: &Genesis) -> Result<(), StoreError> {
    let meta = ledger.begin_read()?.open_table(META)?;
    if check_format(&meta, "meta: format", FORMAT)? == FORMAT {
        return Ok(());
    }
    drop(meta);
    let transaction = ledger.begin_write()?;
    write::create_tables(&transaction, genesis)?;
    move_log(&transaction, genesis)?;
    for table in [HEADERS, CERTIFICATES, CONTENTS] {
        transaction.delete_table(table)?;
    }
    transaction.delete_table(DOCUMENT_PARTS)?;
    let left: Vec<_> = transaction.list_tables()?.collect();
    for table in left {
        if LEFT.contains(&redb::TableHandle::name(&table)) {
            transaction.delete_table(table)?;
        }
    }
    // It is made again from the changes of the seals.
    transaction.open_table(LEDGER)?.retain(|_, _| false)?;
    let format = codec::encode(&FORMAT);
    transaction
        .open_table(META)?
        .insert("format", &format[..])?;
    transaction.commit()?;
    ledger.compact()?;
    Ok(())
}

fn move_log(transaction: &WriteTransaction, genesis: &Genesis) -> Result<(), StoreError> {
    let mut documents = Documents::default();
    let mut ledger = Ledger::new(genesis);
    let mut height = 1;
    while let Some(block) = block_of(transaction, &mut documents, height)? {
        let records = block.records.iter().cloned().map(Signed::try_from);
        let records: Result<Vec<Signed>, Rejection> = records.collect();
        let draft = records.and_then(|records| {
            let records = records.into_iter().map(Signed::trusted);
            ledger.check(&block.seal, records.collect())
        });
        let draft = draft.map_err(|error| StoreError::not_sealed(place(height), error))?;
        let applied = ledger.commit(draft);
        sealed::write_height(transaction, &block, &applied)?;
        if height.is_multiple_of(CHECKPOINT_HEIGHTS) {
            pack(transaction)?;
        }
        height += 1;
    }
    pack(transaction)
}

fn pack(transaction: &WriteTransaction) -> Result<(), StoreError> {
    loop {
        let full = groups::next_full(&transaction.open_table(HEIGHTS)?, GROUP_HEIGHTS)?;
        let Some(full) = full else {
            return Ok(());
        };
        Packed::new(&full, &KnownIds::new())?.write(transaction)?;
    }
}

fn block_of(
    transaction: &WriteTransaction,
    documents: &mut Documents,
    height: u64,
) -> Result<Option<SealedBlock>, StoreError> {
    let at = place(height);
    let headers = transaction.open_table(HEADERS)?;
    let Some(row) = headers.get(height)? else {
        return Ok(None);
    };
    let header: HeaderRow = read(&at, row.value())?;
    let missing = || StoreError::damaged(&at, "a part of it is missing");
    let certificates = transaction.open_table(CERTIFICATES)?;
    let row = certificates.get(height)?.ok_or_else(missing)?;
    let certificate = decode(&at, row.value())?;
    let contents = transaction.open_table(CONTENTS)?;
    let row = contents.get(height)?.ok_or_else(missing)?;
    let records = match read(&at, row.value())? {
        ContentsRow::Whole(records) => by_id(records),
        ContentsRow::Listed { operations, apart } => {
            let mut records = by_id(apart);
            for (operation, ids) in operations {
                let found = documents.records(transaction, operation)?;
                for id in ids {
                    let record = found.get(&id).ok_or_else(missing)?;
                    records.insert(id, record.clone());
                }
            }
            records
        }
    };
    // The log is applied strictly, so the seal proves that these are its records.
    Ok(Some(SealedBlock {
        seal: header.seal,
        certificate,
        records: records.into_values().collect(),
    }))
}

fn by_id(records: Vec<Record>) -> BTreeMap<RecordId, Record> {
    let records = records.into_iter();
    records.map(|record| (record.body.id(), record)).collect()
}

fn read<T: serde::de::DeserializeOwned>(place: &str, row: &[u8]) -> Result<T, StoreError> {
    let row = codec::decode_unchecked(row, usize::MAX);
    row.map_err(|error| StoreError::unreadable(place, &error))
}

/// The documents that were read last: an operation's proposal, commits and reveals are in several heights.
#[derive(Default)]
struct Documents {
    read: BTreeMap<OperationId, BTreeMap<RecordId, Record>>,
}

impl Documents {
    const READ_MAX: usize = 64;

    fn records(
        &mut self,
        transaction: &WriteTransaction,
        id: OperationId,
    ) -> Result<&BTreeMap<RecordId, Record>, StoreError> {
        if !self.read.contains_key(&id) {
            if self.read.len() >= Self::READ_MAX {
                self.read.clear();
            }
            let records = document_records(transaction, id)?;
            self.read.insert(id, by_id(records));
        }
        Ok(&self.read[&id])
    }
}

fn document_records(
    transaction: &WriteTransaction,
    id: OperationId,
) -> Result<Vec<Record>, StoreError> {
    let place = format!("documents: operation {id}");
    let mut row = Vec::new();
    let parts = transaction.open_table(DOCUMENT_PARTS)?;
    for part in parts.range((id.as_bytes(), 0)..=(id.as_bytes(), u32::MAX))? {
        row.extend_from_slice(part?.1.value());
    }
    let document = row.split_first_chunk::<32>();
    let document =
        document.filter(|(digest, bytes)| **digest == DOCUMENTS.hash_parts(&[b"stored", bytes]));
    let (_, bytes) =
        document.ok_or_else(|| StoreError::damaged(&place, "its bytes were changed"))?;
    let records = OperationDocument::load(bytes).and_then(|document| document.records());
    records.map_err(|error| StoreError::damaged(place, error))
}
