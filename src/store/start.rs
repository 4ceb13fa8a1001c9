//! What a start loads of the sealed past.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _};

use super::load::{checkpoint, place};
use super::read::header_of;
use super::rows::{CERTIFICATES, CLOSED, REJOINS, SEALERS, SEALS, decode};
use super::{Store, StoreError};
use crate::base::digest::{OperationId, RecordId, SealId};
use crate::base::limits::EVIDENCE_HEIGHTS;
use crate::base::rejection::Rejection;
use crate::core::{Base, RecentSeal};
use crate::ledger::{Checkpoint, Ledger, RememberedOperation, StoredPast};
use crate::members::sealers::Sealers;
use crate::statement::record::Record;
use crate::statement::seal::sealers_digest;

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

    /// The records of the operations that are open in a checkpoint. Some operations may have closed since, with their
    /// records in a document.
    fn open_records(
        &self,
        reading: &ReadTransaction,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for stored in &checkpoint.open {
            let ids = stored.snapshot.records();
            let found = self.records_of(reading, stored.snapshot.id, &ids)?;
            records.extend(found.into_values());
        }
        Ok(records)
    }
}

/// Seals, closed operations and rejoins up to a height.
fn past(reading: &ReadTransaction, height: u64) -> Result<StoredPast, StoreError> {
    let mut past = StoredPast::default();
    for (row, expected) in reading.open_table(SEALS)?.range(1..=height)?.zip(1..) {
        let (at, seal) = row?;
        if at.value() != expected {
            return Err(StoreError::damaged("seals", "a height is missing"));
        }
        past.seals.push(SealId::from_bytes(*seal.value()));
    }
    for row in reading.open_table(CLOSED)?.iter()? {
        let (id, row) = row?;
        let id = OperationId::from_bytes(*id.value());
        let ended: RememberedOperation = decode(&format!("closed: {id}"), row.value())?;
        if ended.closed_height <= height {
            past.closed.push((id, ended));
        }
    }
    for row in reading.open_table(REJOINS)?.iter()? {
        let (id, at) = row?;
        if at.value() <= height {
            past.rejoins.push(RecordId::from_bytes(*id.value()));
        }
    }
    Ok(past)
}

impl Store {
    /// The sealers of a row, checked against their digest in the header before.
    pub(super) fn sealers_of(
        &self,
        reading: &ReadTransaction,
        from: u64,
        row: &[u8],
    ) -> Result<Sealers, StoreError> {
        let place = format!("sealers: from height {from}");
        let sealers: Sealers = decode(&place, row)?;
        let expected = match from {
            0..=1 => Ledger::new(&self.genesis).genesis_seal().sealers,
            _ => header_of(reading, from - 1)?.seal.sealers,
        };
        if sealers_digest(sealers.sorted()) == expected {
            Ok(sealers)
        } else {
            let rejection = Rejection::ImpossibleSeal("the sealers are not the sealed ones");
            Err(StoreError::not_sealed(place, rejection))
        }
    }

    /// The last heights up to this one, whose late votes can be evidence.
    fn recent(
        &self,
        reading: &ReadTransaction,
        height: u64,
    ) -> Result<Vec<RecentSeal>, StoreError> {
        let first = height.saturating_sub(EVIDENCE_HEIGHTS) + 1;
        let (seals, certificates) = (
            reading.open_table(SEALS)?,
            reading.open_table(CERTIFICATES)?,
        );
        let changes = reading.open_table(SEALERS)?;
        let before = changes.range(..=first)?.next_back();
        let before =
            before.ok_or_else(|| StoreError::damaged("sealers", "the first row is missing"))?;
        let mut sealers: Option<Arc<Sealers>> = None;
        let mut later = changes.range(before?.0.value()..=height)?.peekable();
        let mut recent = Vec::new();
        for height in first..=height {
            while let Some(row) = later.next_if(|row| {
                row.as_ref()
                    .map_or(true, |(from, _)| from.value() <= height)
            }) {
                let (from, row) = row?;
                let next = self.sealers_of(reading, from.value(), row.value())?;
                sealers = Some(Arc::new(next));
            }
            let missing = |table| StoreError::damaged(table, format!("no row of height {height}"));
            let seal = seals.get(height)?.ok_or_else(|| missing("seals"))?;
            let row = certificates.get(height)?;
            let row = row.ok_or_else(|| missing("certificates"))?;
            recent.push(RecentSeal {
                seal: SealId::from_bytes(*seal.value()),
                certificate: decode(&place(height), row.value())?,
                sealers: sealers.clone().ok_or_else(|| missing("sealers"))?,
            });
        }
        Ok(recent)
    }
}
