//! Writing a sealed block with its changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::{ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::StoreError;
use super::rows::{
    CERTIFICATES, CHANGES, CLOSED, CONTENTS, ContentsRow, EFFECTS, EVIDENCE, EffectRow,
    EvidenceRow, HEADERS, HeaderRow, Key, LISTS, MEMBERS, MemberRow, OPERATIONS, OperationRow,
    PENDING, PLACES, RECORDS, REJOINS, SEALERS, SEALS, SUMMARIES, SummaryRow, TRUST, VOTES,
    WAITING, decode,
};
use crate::base::codec;
use crate::base::digest::{NodeId, OperationId};
use crate::decision::open::OpenOperation;
use crate::document::LedgerChange;
use crate::ledger::{Applied, RememberedOperation};
use crate::members::trust::TrustEntry;
use crate::statement::record::{Record, Statement};
use crate::statement::seal::SealedBlock;

/// The operation of a record; a proposal's is its own id.
pub(super) fn about(record: &Record) -> Option<OperationId> {
    match &record.body.what {
        Statement::Propose { .. } => Some(record.body.id().into()),
        statement => statement.operation(),
    }
}

/// Writes a block. Returns the bytes of its records.
pub(super) fn write_block(
    transaction: &WriteTransaction,
    block: &Arc<SealedBlock>,
    applied: &Arc<Applied>,
) -> Result<u64, StoreError> {
    let height = block.seal.height;
    {
        let mut records = transaction.open_table(RECORDS)?;
        if !records.is_empty()? {
            for record in &block.records {
                records.remove(record.body.id().as_bytes())?;
            }
        }
    }
    let header = HeaderRow {
        seal: block.seal.clone(),
        parts: applied.parts.clone(),
    };
    insert(transaction.open_table(HEADERS)?, height, &header)?;
    let certificates = transaction.open_table(CERTIFICATES)?;
    insert(certificates, height, &block.certificate)?;
    let contents = ContentsRow::whole(&block.records);
    transaction
        .open_table(CONTENTS)?
        .insert(height, &contents[..])?;
    let length = contents.len() as u64;
    write_places(transaction, block, length)?;
    let seal = block.seal.id();
    transaction
        .open_table(SEALS)?
        .insert(height, seal.as_bytes())?;
    if let Some(sealers) = &applied.sealers {
        insert(
            transaction.open_table(SEALERS)?,
            height + 1,
            sealers.as_ref(),
        )?;
    }
    transaction.open_table(VOTES)?.retain(|_, _| false)?;
    transaction.open_table(LISTS)?.retain(|_, _| false)?;
    write_changes(transaction, height, applied)?;
    let change = LedgerChange::from_applied(&block.seal, applied);
    insert(transaction.open_table(CHANGES)?, height, &change)?;
    for operation in &applied.closed {
        write_closed(transaction, height, applied, operation, &change)?;
    }
    Ok(length)
}

/// Lists the operations with records at the height, until their documents hold them.
fn write_places(
    transaction: &WriteTransaction,
    block: &SealedBlock,
    length: u64,
) -> Result<(), StoreError> {
    let height = block.seal.height;
    let operations: BTreeSet<OperationId> = block.records.iter().filter_map(about).collect();
    let mut places = transaction.open_table(PLACES)?;
    for operation in &operations {
        let row = places.get(operation.as_bytes())?;
        let row = row.map(|row| decode("places", row.value()));
        let mut heights: Vec<u64> = row.unwrap_or_else(|| Ok(Vec::new()))?;
        heights.push(height);
        places.insert(operation.as_bytes(), &codec::encode(&heights)[..])?;
    }
    let mut waiting = transaction.open_table(WAITING)?;
    waiting.insert(height, (operations.len() as u64, length))?;
    Ok(())
}

/// Writes the changes of a seal, each into the table of its later query.
fn write_changes(
    transaction: &WriteTransaction,
    height: u64,
    applied: &Applied,
) -> Result<(), StoreError> {
    let mut trust = transaction.open_table(TRUST)?;
    for (node, entries) in trust_by_member(applied) {
        let key = (node.as_bytes(), height);
        trust.insert(key, &codec::encode(&entries)[..])?;
    }
    let mut members = transaction.open_table(MEMBERS)?;
    for change in &applied.members {
        let row: &MemberRow = &change.now;
        let key = (change.node.as_bytes(), height);
        members.insert(key, &codec::encode(row)[..])?;
    }
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

/// Writes changes of trust by member, each member's in order.
pub(super) fn trust_by_member(applied: &Applied) -> BTreeMap<NodeId, Vec<&TrustEntry>> {
    let mut by_member: BTreeMap<NodeId, Vec<&TrustEntry>> = BTreeMap::new();
    for (node, entry) in &applied.trust {
        by_member.entry(*node).or_default().push(entry);
    }
    by_member
}

/// Writes a closed operation; its document follows later.
fn write_closed(
    transaction: &WriteTransaction,
    height: u64,
    applied: &Applied,
    operation: &OpenOperation,
    change: &LedgerChange,
) -> Result<(), StoreError> {
    let id = operation.id();
    let ended = RememberedOperation::of(operation, height);
    insert_id(transaction.open_table(CLOSED)?, id.as_bytes(), &ended)?;
    let (row, summary) = closed_rows(applied, operation, change);
    insert_id(transaction.open_table(OPERATIONS)?, id.as_bytes(), &row)?;
    insert_id(transaction.open_table(SUMMARIES)?, id.as_bytes(), &summary)?;
    let mut pending = transaction.open_table(PENDING)?;
    pending.insert((height, id.as_bytes()), ())?;
    Ok(())
}

/// The rows of an operation that this seal closed.
pub(super) fn closed_rows(
    applied: &Applied,
    operation: &OpenOperation,
    change: &LedgerChange,
) -> (OperationRow, SummaryRow) {
    let id = operation.id();
    let row = OperationRow {
        stored: operation.store(),
        height: applied.height,
        proof: applied.proof(&id).expect("a seal can prove what it closed"),
    };
    let shown = change.operations.iter().find(|(shown, _)| *shown == id);
    let summary = SummaryRow {
        kind: operation.operation().kind().into(),
        class: operation.class(),
        proposer: operation.proposal().author(),
        subject: shown.map_or_else(String::new, |(_, entry)| entry.subject.clone()),
    };
    (row, summary)
}

/// Writes the evidence of equivocations in a seal.
pub(super) fn evidence_rows(applied: &Applied) -> impl Iterator<Item = EvidenceRow> {
    applied.evidence.iter().map(|proof| {
        (
            ByteBuf::from(proof.first.encode()),
            ByteBuf::from(proof.second.encode()),
        )
    })
}

fn insert<T: Serialize>(
    mut table: Table<'_, u64, &'static [u8]>,
    height: u64,
    row: &T,
) -> Result<(), StoreError> {
    table.insert(height, &codec::encode(row)[..])?;
    Ok(())
}

fn insert_id<T: Serialize>(
    mut table: Table<'_, Key, &'static [u8]>,
    id: &[u8; 32],
    row: &T,
) -> Result<(), StoreError> {
    table.insert(id, &codec::encode(row)[..])?;
    Ok(())
}
