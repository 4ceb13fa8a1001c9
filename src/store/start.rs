//! What a start loads of the sealed past.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _};

use super::groups::seal_ids;
use super::heights::{Heights, check_sealers, sealers_after};
use super::load::checkpoint;
use super::queries::all_ends;
use super::rows::{REJOINS, SEALERS, SEALS, decode};
use super::{Store, StoreError};
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::EVIDENCE_HEIGHTS;
use crate::core::{Base, RecentSeal};
use crate::ledger::{Checkpoint, Ledger, StoredPast};
use crate::members::sealers::Sealers;
use crate::statement::record::Record;

impl Store {
    /// The last checkpoint, with the part of the past that the rules need.
    pub(super) fn base(&self, reading: &ReadTransaction) -> Result<Option<Base>, StoreError> {
        let Some(checkpoint) = checkpoint(reading)? else {
            return Ok(None);
        };
        let height = checkpoint.seal.height;
        Ok(Some(Base {
            past: past(reading, height)?,
            records: self.open_records(reading, &checkpoint)?,
            recent: self.recent(reading, height)?,
            checkpoint,
        }))
    }

    /// The records of the operations that are open in a checkpoint.
    fn open_records(
        &self,
        reading: &ReadTransaction,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for stored in &checkpoint.open {
            let ids = stored.snapshot.records();
            let found = self.records_of(reading, stored.snapshot.id, &ids)?;
            records.extend(found.into_values().map(|record| record.record().clone()));
        }
        Ok(records)
    }
}

/// Seals, closed operations and rejoins up to a height.
fn past(reading: &ReadTransaction, height: u64) -> Result<StoredPast, StoreError> {
    let mut past = StoredPast::default();
    for row in reading.open_table(SEALS)?.range(1..=height)? {
        let (first, row) = row?;
        if first.value() != past.seals.len() as u64 + 1 {
            return Err(StoreError::damaged("seals", "a height is missing"));
        }
        let ids = seal_ids(first.value(), row.value())?;
        past.seals
            .extend(ids.iter().copied().map(SealId::from_bytes));
    }
    past.seals
        .truncate(usize::try_from(height).unwrap_or(usize::MAX));
    let ends = all_ends(reading)?.into_iter();
    let ends = ends.filter(|end| end.ended.closed_height <= height);
    past.closed.extend(ends.map(|end| (end.id, end.ended)));
    past.closed.sort_by_key(|(id, _)| *id);
    for row in reading.open_table(REJOINS)?.iter()? {
        let (id, at) = row?;
        if at.value() <= height {
            past.rejoins.push(RecordId::from_bytes(*id.value()));
        }
    }
    Ok(past)
}

impl Store {
    /// The sealers of a height.
    pub(super) fn sealers_of(
        &self,
        reading: &ReadTransaction,
        heights: &mut Heights,
        height: u64,
    ) -> Result<Sealers, StoreError> {
        // Those that changed in the height's own group, or in no group yet; before, the table has them.
        let mut before = height;
        while before > 1 {
            before -= 1;
            if heights.group_of(before)? != heights.group_of(height)? {
                break;
            }
            if let Some(sealers) = sealers_after(heights, before)? {
                return Ok(sealers);
            }
        }
        let table = reading.open_table(SEALERS)?;
        let row = table.range(..=before + 1)?.next_back();
        let missing = || StoreError::damaged("sealers", "the first row is missing");
        let (from, row) = row.ok_or_else(missing)??;
        let from = from.value();
        let sealers = decode(&format!("sealers: from height {from}"), row.value())?;
        let stated = match from {
            0..=1 => Ledger::new(&self.genesis).genesis_seal().sealers,
            _ => heights.block(from - 1)?.seal()?.sealers,
        };
        check_sealers(&sealers, stated, from)?;
        Ok(sealers)
    }

    /// The last heights up to this one, whose late votes can be evidence.
    fn recent(
        &self,
        reading: &ReadTransaction,
        height: u64,
    ) -> Result<Vec<RecentSeal>, StoreError> {
        let first = height.saturating_sub(EVIDENCE_HEIGHTS) + 1;
        let mut heights = Heights::new(reading)?;
        let mut sealers = Arc::new(self.sealers_of(reading, &mut heights, first)?);
        let mut recent = Vec::new();
        for height in first..=height {
            let block = heights.block(height)?;
            recent.push(RecentSeal {
                seal: block.seal()?.id(),
                certificate: block.certificate()?,
                sealers: sealers.clone(),
            });
            if let Some(changed) = sealers_after(&mut heights, height)? {
                sealers = Arc::new(changed);
            }
        }
        Ok(recent)
    }
}
