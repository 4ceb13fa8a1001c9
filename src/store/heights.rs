//! Reads sealed heights: from rows of their own, and out of groups.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::StoreError;
use super::groups::{Group, seal_ids};
use super::height::{Beside, Block, Latest, place};
use super::rows::{GROUPS, HEIGHTS, SEALS};
use super::unpacked::{ClosedRows, Unpacked};
use crate::base::digest::{Digest, SealId};
use crate::base::rejection::Rejection;
use crate::members::sealers::Sealers;
use crate::statement::seal::sealers_digest;

/// Reads heights. Whoever reads them in order unpacks each group once.
pub(super) struct Heights<'a> {
    rows: ReadOnlyTable<u64, &'static [u8]>,
    groups: ReadOnlyTable<(u64, u32), &'static [u8]>,
    seals: ReadOnlyTable<u64, &'static [u8]>,
    /// The group that was read last.
    last: Option<Arc<Group>>,
    unpacked: Option<&'a Unpacked>,
}

impl<'a> Heights<'a> {
    /// Reads them from the disk.
    pub(super) fn new(reading: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            rows: reading.open_table(HEIGHTS)?,
            groups: reading.open_table(GROUPS)?,
            seals: reading.open_table(SEALS)?,
            last: None,
            unpacked: None,
        })
    }

    /// Reads them from the disk, unless a query has unpacked them just before.
    pub(super) fn with(
        reading: &ReadTransaction,
        unpacked: &'a Unpacked,
    ) -> Result<Self, StoreError> {
        let unpacked = Some(unpacked);
        Ok(Self {
            unpacked,
            ..Self::new(reading)?
        })
    }

    /// The block of a height, checked against the id of its seal that a start reads.
    pub(super) fn block(&mut self, height: u64) -> Result<Block, StoreError> {
        let found = match self.latest_at(height)? {
            Some(latest) => latest.block,
            None => self.group_at(height)?.block(height)?.clone(),
        };
        let seal = seal_at(&self.seals, height)?;
        if Some(found.seal()?.id()) == seal {
            return Ok(found);
        }
        let rejection = Rejection::ImpossibleSeal("the header is not the sealed one");
        Err(StoreError::not_sealed(place(height), rejection))
    }

    /// What the seal of a height changed.
    pub(super) fn beside(&mut self, height: u64) -> Result<Beside, StoreError> {
        if let Some(latest) = self.latest_at(height)? {
            return Ok(latest.beside);
        }
        let first = self.group_at(height)?.first;
        let group = self.beside_of(first)?.iter();
        let mut found = group.filter(|beside| beside.height == height);
        let found = found.next().cloned();
        found.ok_or_else(|| StoreError::damaged(place(height), "its changes are missing"))
    }

    /// The operations that closed at a height.
    pub(super) fn closed(&mut self, height: u64) -> Result<Arc<ClosedRows>, StoreError> {
        if let Some(rows) = self.unpacked.and_then(|kept| kept.closed(height)) {
            return Ok(rows);
        }
        let rows = self.beside(height)?.closed()?.into_iter();
        let rows = rows.map(|row| (row.snapshot.id, row));
        let rows = Arc::new(rows.collect::<ClosedRows>());
        if let Some(unpacked) = self.unpacked {
            unpacked.keep_closed(height, rows.clone());
        }
        Ok(rows)
    }

    fn latest_at(&self, height: u64) -> Result<Option<Latest>, StoreError> {
        let row = self.rows.get(height)?;
        row.map(|row| Latest::read(height, row.value())).transpose()
    }

    /// The group that has a height.
    fn group_at(&mut self, height: u64) -> Result<&Group, StoreError> {
        let is_here = self.last.as_ref().is_some_and(|it| it.has(height));
        if !is_here {
            let missing = || StoreError::damaged(place(height), "it is missing");
            let before = self.groups.range(..=(height, u32::MAX))?.next_back();
            let (first, _) = before.ok_or_else(missing)??.0.value();
            let group = self.group(first)?;
            if !group.has(height) {
                return Err(missing());
            }
            self.last = Some(group);
        }
        Ok(self.last.as_ref().expect("it was read now"))
    }

    fn group(&self, first: u64) -> Result<Arc<Group>, StoreError> {
        if let Some(group) = self.unpacked.and_then(|kept| kept.group(first)) {
            return Ok(group);
        }
        let group = Arc::new(Group::read(&self.groups, first)?);
        if let Some(unpacked) = self.unpacked {
            unpacked.keep_group(group.clone());
        }
        Ok(group)
    }

    /// What the seals of the group that begins at a height changed, in order.
    pub(super) fn beside_of(&mut self, first: u64) -> Result<&[Beside], StoreError> {
        self.group_at(first)?.beside()
    }

    /// The first height of the group in which a height is, if it is in one.
    pub(super) fn group_of(&mut self, height: u64) -> Result<Option<u64>, StoreError> {
        if self.rows.get(height)?.is_some() {
            return Ok(None);
        }
        Ok(Some(self.group_at(height)?.first))
    }

    /// The heights that are in no group yet, in order.
    pub(super) fn latest(&self) -> Result<Vec<Latest>, StoreError> {
        let rows = self.rows.iter()?.map(|row| {
            let (height, row) = row?;
            Latest::read(height.value(), row.value())
        });
        rows.collect()
    }
}

/// The seal of a height; `None` if it is not sealed.
pub(super) fn seal_at(
    seals: &impl ReadableTable<u64, &'static [u8]>,
    height: u64,
) -> Result<Option<SealId>, StoreError> {
    let Some(row) = seals.range(..=height)?.next_back() else {
        return Ok(None);
    };
    let (first, row) = row?;
    let ids = seal_ids(first.value(), row.value())?;
    let place = usize::try_from(height - first.value()).unwrap_or(usize::MAX);
    Ok(ids.get(place).copied().map(SealId::from_bytes))
}

/// The last sealed height; 0 before the first.
pub(super) fn last_height(reading: &ReadTransaction) -> Result<u64, StoreError> {
    let seals = reading.open_table(SEALS)?;
    let Some((first, row)) = seals.last()? else {
        return Ok(0);
    };
    let ids = seal_ids(first.value(), row.value())?;
    Ok(first.value() + ids.len() as u64 - 1)
}

/// The sealers of the height after this one, if they changed at it, checked against their digest in its seal.
pub(super) fn sealers_after(
    heights: &mut Heights,
    height: u64,
) -> Result<Option<Sealers>, StoreError> {
    let block = heights.block(height)?;
    let sealers = block.sealers()?;
    if let Some(sealers) = &sealers {
        check_sealers(sealers, block.seal()?.sealers, height + 1)?;
    }
    Ok(sealers)
}

/// Checks sealers against their digest in the seal before.
pub(super) fn check_sealers(
    sealers: &Sealers,
    stated: Digest,
    from: u64,
) -> Result<(), StoreError> {
    if sealers_digest(sealers.sorted()) == stated {
        return Ok(());
    }
    let place = format!("sealers: from height {from}");
    let rejection = Rejection::ImpossibleSeal("the sealers are not the sealed ones");
    Err(StoreError::not_sealed(place, rejection))
}
