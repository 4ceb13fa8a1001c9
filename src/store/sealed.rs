//! Writing a sealed block with its changes.

use std::collections::BTreeMap;

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use serde_bytes::ByteBuf;

use super::height::write_row;
use super::rows::{
    EFFECTS, EVIDENCE, EffectRow, EvidenceRow, HEIGHTS, LISTS, PLACES, PlacesRow, RECORDS, REJOINS,
    SEALS, VOTES, decode,
};
use super::wrapped::wrapped;
use super::{StoreError, logs};
use crate::base::codec;
use crate::base::digest::{OperationId, RecordId};
use crate::ledger::Applied;
use crate::statement::record::{Record, Statement};
use crate::statement::seal::SealedBlock;

/// The operation of a record with this id; a proposal's is its own id.
fn about(record: &Record, id: RecordId) -> Option<OperationId> {
    match &record.body.what {
        Statement::Propose { .. } => Some(id.into()),
        statement => statement.operation(),
    }
}

/// Writes a block, and removes what it makes useless.
pub(super) fn write_block(
    transaction: &WriteTransaction,
    block: &SealedBlock,
    applied: &Applied,
) -> Result<(), StoreError> {
    {
        let mut records = transaction.open_table(RECORDS)?;
        if !records.is_empty()? {
            for id in &applied.records {
                records.remove(id.as_bytes())?;
            }
        }
    }
    transaction.open_table(VOTES)?.retain(|_, _| false)?;
    transaction.open_table(LISTS)?.retain(|_, _| false)?;
    write_height(transaction, block, applied)
}

/// Writes a height.
pub(super) fn write_height(
    transaction: &WriteTransaction,
    block: &SealedBlock,
    applied: &Applied,
) -> Result<(), StoreError> {
    let height = block.seal.height;
    let row = wrapped(|row| write_row(block, applied, row));
    transaction.open_table(HEIGHTS)?.insert(height, &row[..])?;
    let seal = block.seal.id();
    transaction
        .open_table(SEALS)?
        .insert(height, &seal.as_bytes()[..])?;
    write_places(transaction, block, applied)?;
    logs::write(transaction, applied)?;
    write_changes(transaction, applied)
}

/// Which operations a height has records of, and which it closed.
pub(super) fn touched(block: &SealedBlock, applied: &Applied) -> BTreeMap<OperationId, [bool; 2]> {
    let mut touched: BTreeMap<OperationId, [bool; 2]> = BTreeMap::new();
    let records = block.records.iter().zip(&applied.records);
    for operation in records.filter_map(|(record, id)| about(record, *id)) {
        touched.entry(operation).or_default()[0] = true;
    }
    for operation in &applied.closed {
        touched.entry(operation.id()).or_default()[1] = true;
    }
    touched
}

fn write_places(
    transaction: &WriteTransaction,
    block: &SealedBlock,
    applied: &Applied,
) -> Result<(), StoreError> {
    let mut places = transaction.open_table(PLACES)?;
    for (operation, what) in touched(block, applied) {
        let row = places.get(operation.as_bytes())?;
        let row = row.map(|row| decode("places", row.value()));
        let mut row: PlacesRow = row.transpose()?.unwrap_or_default();
        add_place(&mut row, block.seal.height, what);
        places.insert(operation.as_bytes(), &codec::encode(&row)[..])?;
    }
    Ok(())
}

pub(super) fn add_place(
    (heights, closed): &mut PlacesRow,
    height: u64,
    [has_records, is_closed]: [bool; 2],
) {
    if has_records {
        heights.push(height);
    }
    if is_closed {
        *closed = Some(height);
    }
}

/// Writes the changes of a seal that are found by something else than its height.
fn write_changes(transaction: &WriteTransaction, applied: &Applied) -> Result<(), StoreError> {
    let height = applied.height;
    let mut evidence = transaction.open_table(EVIDENCE)?;
    for (row, place) in evidence_rows(applied).zip(0_u32..) {
        evidence.insert((height, place), &codec::encode(&row)[..])?;
    }
    let mut effects = transaction.open_table(EFFECTS)?;
    for effect in &applied.effects {
        let row: EffectRow = effect.result.err().map(Into::into);
        effects.insert(effect.operation.as_bytes(), &codec::encode(&row)[..])?;
    }
    let mut rejoins = transaction.open_table(REJOINS)?;
    for id in &applied.rejoins {
        rejoins.insert(id.as_bytes(), height)?;
    }
    Ok(())
}

/// The evidence of equivocations in a seal.
pub(super) fn evidence_rows(applied: &Applied) -> impl Iterator<Item = EvidenceRow> {
    applied.evidence.iter().map(|proof| {
        (
            ByteBuf::from(proof.first.encode()),
            ByteBuf::from(proof.second.encode()),
        )
    })
}
