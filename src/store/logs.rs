//! The logs that a seal's state commits to, for proofs.

use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};

use super::groups::seal_ids;
use super::heights::{Heights, last_height};
use super::rows::{LEAVES, LEAVES_IN_ROW, REST, SEALER_CHANGES, SEALS, decode};
use super::{Store, StoreError};
use crate::base::codec;
use crate::base::digest::{Digest, NodeId, SealId};
use crate::ledger::{Applied, Ledger};
use crate::past::archive::Logs;

fn place_of(index: u64) -> (u64, usize) {
    let in_row = LEAVES_IN_ROW as u64;
    let place = usize::try_from(index % in_row).expect("a row is short");
    (index / in_row, place)
}

/// Writes what a seal adds to the logs, apart from its id, and what proofs need of the state after it.
pub(super) fn write(transaction: &WriteTransaction, applied: &Applied) -> Result<(), StoreError> {
    let mut rest = transaction.open_table(REST)?;
    rest.insert(applied.height, &applied.parts.rest.as_bytes()[..])?;
    rest.remove(applied.height - 1)?;
    if let Some(sealers) = &applied.other_sealers {
        let mut changes = transaction.open_table(SEALER_CHANGES)?;
        changes.insert(applied.height, &codec::encode(sealers)[..])?;
    }
    let mut index = applied.parts.decisions - applied.leaves.len() as u64;
    let mut table = transaction.open_table(LEAVES)?;
    let mut leaves = &applied.leaves[..];
    while !leaves.is_empty() {
        let (number, place) = place_of(index);
        let row = table.get(number)?.map(|row| row.value().to_vec());
        let mut row = row.unwrap_or_default();
        row.truncate(32 * place);
        if row.len() < 32 * place {
            return Err(StoreError::damaged("leaves", "a hash is missing"));
        }
        let (now, later) = leaves.split_at(leaves.len().min(LEAVES_IN_ROW - place));
        row.extend(now.iter().flat_map(|leaf| *leaf.as_bytes()));
        table.insert(number, &row[..])?;
        (leaves, index) = (later, index + now.len() as u64);
    }
    Ok(())
}

/// The hashes of the leaves of all decided operations.
pub(super) fn leaves(reading: &ReadTransaction) -> Result<Vec<Digest>, StoreError> {
    let damaged = || StoreError::damaged("leaves", "a hash is missing");
    let mut leaves = Vec::new();
    for row in reading.open_table(LEAVES)?.iter()? {
        let (number, row) = row?;
        if place_of(leaves.len() as u64) != (number.value(), 0) {
            return Err(damaged());
        }
        let (hashes, []) = row.value().as_chunks::<32>() else {
            return Err(damaged());
        };
        leaves.extend(hashes.iter().copied().map(Digest::from_bytes));
    }
    Ok(leaves)
}

/// The hash of one leaf.
pub(super) fn leaf(reading: &ReadTransaction, index: u64) -> Result<Option<Digest>, StoreError> {
    let (number, place) = place_of(index);
    let row = reading.open_table(LEAVES)?.get(number)?;
    let hash = row.and_then(|row| Some(*row.value().as_chunks::<32>().0.get(place)?));
    Ok(hash.map(Digest::from_bytes))
}

/// The heights of which the rest of the state is kept, with its digest: the last one.
pub(super) fn rests(reading: &ReadTransaction) -> Result<Vec<(u64, Digest)>, StoreError> {
    let table = reading.open_table(REST)?;
    let rows = table.iter()?.map(|row| {
        let (height, rest) = row?;
        let rest = rest.value().try_into();
        let rest = rest.map_err(|_| StoreError::damaged("rest", "not 32 bytes"))?;
        Ok((height.value(), Digest::from_bytes(rest)))
    });
    rows.collect()
}

/// The changes of sealers by the height after which others seal.
pub(super) fn sealer_changes(
    reading: &ReadTransaction,
) -> Result<Vec<(u64, Vec<NodeId>)>, StoreError> {
    let changes = reading.open_table(SEALER_CHANGES)?;
    let rows = changes.iter()?.map(|row| {
        let (height, row) = row?;
        let height = height.value();
        let sealers = decode(&format!("sealer-changes: height {height}"), row.value())?;
        Ok((height, sealers))
    });
    rows.collect()
}

impl Store {
    /// What proofs are made of, up to the last seal; `None` before the first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn logs(&self) -> Result<Option<Logs>, StoreError> {
        let reading = self.reading()?;
        let height = last_height(&reading)?;
        if height == 0 {
            return Ok(None);
        }
        let mut seals = vec![Ledger::new(&self.genesis).genesis_seal().id()];
        for row in reading.open_table(SEALS)?.iter()? {
            let (first, row) = row?;
            let ids = seal_ids(first.value(), row.value())?.iter().copied();
            seals.extend(ids.map(SealId::from_bytes));
        }
        let mut heights = Heights::new(&reading)?;
        let mut changes = Vec::new();
        for (at, sealers) in sealer_changes(&reading)? {
            let block = heights.block(at)?;
            changes.push((block.seal()?, block.certificate()?, sealers));
        }
        let rest = match rests(&reading)?[..] {
            [(at, rest)] if at == height => rest,
            _ => return Err(StoreError::damaged("rest", "it is not of the last height")),
        };
        let block = heights.block(height)?;
        let last = (block.seal()?, block.certificate()?);
        Ok(Some(Logs {
            seals,
            leaves: leaves(&reading)?,
            changes,
            last,
            rest,
        }))
    }
}
