//! Queries about the past.

use std::borrow::Cow;
use std::cmp::Reverse;

use redb::{ReadTransaction, ReadableTable as _};

use super::groups::read_ends;
use super::height::{Beside, place};
use super::heights::{Heights, last_height};
use super::records::places_of;
use super::rows::{
    EFFECTS, ENDS, EVIDENCE, EffectRow, EndRow, EvidenceRow, MEMBERS, PLACES, SealChanges, decode,
};
use super::{Store, StoreError, logs};
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::base::rejection::Rejection;
use crate::decision::open::{OpenOperation, StoredOperation};
use crate::ledger::{Closed, Evidence, RememberedOutcome};
use crate::members::roster::MemberLine;
use crate::members::trust::TrustEntry;
use crate::past::archive::{ClosedSummary, DecidedAt, DecidedOperation};
use crate::statement::record::{Signed, Verified};

/// Entries that seals changed, after which no further seal is read with them.
const CHANGES_TOGETHER: usize = 4096;

impl Store {
    /// Every change of a member's score, oldest first, with its reason.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, StoreError> {
        let reading = self.reading()?;
        let mut heights = self.heights(&reading)?;
        let mut entries = Vec::new();
        let mut take = |beside: &Beside| -> Result<(), StoreError> {
            let trust = beside.changes()?.trust.into_iter();
            entries.extend(trust.filter_map(|(of, entry)| (of == *node).then_some(entry)));
            Ok(())
        };
        for first in changed_in(&reading, node, u64::MAX)? {
            heights.beside_of(first?)?.iter().try_for_each(&mut take)?;
        }
        for latest in heights.latest()? {
            take(&latest.beside)?;
        }
        Ok(entries)
    }

    /// A member's line after a height; `None` if it was not a member then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<MemberLine>, StoreError> {
        let reading = self.reading()?;
        let mut heights = self.heights(&reading)?;
        // The last change up to the height, if there is one.
        let line_in = |found: &Beside| -> Result<Option<Option<MemberLine>>, StoreError> {
            if found.height > height {
                return Ok(None);
            }
            let mut roster = found.changes()?.ledger.roster.into_iter();
            let change = roster.find(|(of, _)| of == node);
            Ok(change.map(|(_, line)| line))
        };
        for latest in heights.latest()?.iter().rev() {
            if let Some(line) = line_in(&latest.beside)? {
                return Ok(line);
            }
        }
        for first in changed_in(&reading, node, height)?.rev() {
            for beside in heights.beside_of(first?)?.iter().rev() {
                if let Some(line) = line_in(beside)? {
                    return Ok(line);
                }
            }
        }
        let genesis = &self.genesis;
        let founder = genesis.members.iter().find(|member| member.node == *node);
        Ok(founder.map(|founder| MemberLine::of_founder(founder, &genesis.params)))
    }

    /// What the seals from a height on changed, in order: at least one seal if there is one, at most `max`, and no further one once
    /// they changed 4,096 entries. Whoever follows the ledger reads the same at any time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn changes_from(&self, height: u64, max: usize) -> Result<Vec<SealChanges>, StoreError> {
        let reading = self.reading()?;
        let last = last_height(&reading)?;
        let mut heights = self.heights(&reading)?;
        let (mut changes, mut entries) = (Vec::new(), 0);
        for height in (height.max(1)..=last).take(max) {
            let change = heights.beside(height)?.changes()?;
            entries += change.ledger.entries() + change.trust.len();
            changes.push(change);
            if entries >= CHANGES_TOGETHER {
                break;
            }
        }
        Ok(changes)
    }

    /// Every proved equivocation, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        let table = self.reading()?.open_table(EVIDENCE)?;
        let read = |bytes: &[u8]| -> Result<Verified, StoreError> {
            let record = Signed::decode(bytes);
            let record = record.map_err(|error| StoreError::damaged("evidence", error))?;
            Ok(record.trusted())
        };
        table
            .iter()?
            .map(|row| {
                let (first, second): EvidenceRow = decode("evidence", row?.1.value())?;
                let (first, second) = (read(&first)?, read(&second)?);
                Ok(Evidence {
                    author: first.author(),
                    first,
                    second,
                })
            })
            .collect()
    }

    /// The effect of an approved operation; `Err` with the reason if a rule refused it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the row cannot be decoded.
    #[allow(
        clippy::type_complexity,
        reason = "a result within an option is what there is to say"
    )]
    pub fn effect(
        &self,
        operation: &OperationId,
    ) -> Result<Option<Result<(), Cow<'static, str>>>, StoreError> {
        let effect = effect_of(&self.reading()?, operation)?;
        Ok(effect.map(|refused| refused.map_or(Ok(()), Err)))
    }

    /// Closed operations by id, without their records.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn all_closed(&self) -> Result<Vec<ClosedSummary>, StoreError> {
        let reading = self.reading()?;
        let mut heights = self.heights(&reading)?;
        let mut all = Vec::new();
        for end in all_ends(&reading)? {
            all.push(summary_of(&reading, &mut heights, end)?);
        }
        all.sort_by_key(|closed| closed.operation);
        Ok(all)
    }

    /// Closed operations from the last ones on, those of one height by id, until `take` has enough and returns `false`. After one of them
    /// if it is named. Reads no more than that.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn newest_closed(
        &self,
        after: Option<&OperationId>,
        take: &mut dyn FnMut(ClosedSummary) -> bool,
    ) -> Result<(), StoreError> {
        let reading = self.reading()?;
        let mut heights = self.heights(&reading)?;
        let after = match after {
            None => None,
            Some(id) => places_of(&reading, id)?
                .1
                .map(|height| (Reverse(height), *id)),
        };
        let order = |end: &EndRow| (Reverse(end.ended.closed_height), end.id);
        let mut pass = |mut ends: Vec<EndRow>| -> Result<bool, StoreError> {
            ends.retain(|end| after.is_none_or(|after| order(end) > after));
            ends.sort_by_key(order);
            for end in ends {
                let closed = summary_of(&reading, &mut heights, end)?;
                if !take(closed) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let mut latest = Vec::new();
        for height in Heights::new(&reading)?.latest()? {
            latest.extend(height.ends()?);
        }
        if !pass(latest)? {
            return Ok(());
        }
        let last = after.map_or(u64::MAX, |(Reverse(height), _)| height);
        for row in reading.open_table(ENDS)?.range(..=last)?.rev() {
            let (first, row) = row?;
            if !pass(read_ends(first.value(), row.value())?)? {
                break;
            }
        }
        Ok(())
    }

    /// The operations with sealed records whose ids begin with these hexadecimal digits, in order. Reads no others. Without digits:
    /// all; for anything else than digits: none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`].
    pub fn operations_with(&self, digits: &str) -> Result<Vec<OperationId>, StoreError> {
        // The lowest id and the highest with these digits.
        let padded = |with: &str| {
            let mut id = [0; 32];
            let text = digits.to_owned() + &with.repeat(64_usize.saturating_sub(digits.len()));
            hex::decode_to_slice(&text, &mut id).is_ok().then_some(id)
        };
        let (Some(first), Some(last)) = (padded("0"), padded("f")) else {
            return Ok(Vec::new());
        };
        let places = self.reading()?.open_table(PLACES)?;
        let rows = places.range::<&[u8; 32]>(&first..=&last)?;
        rows.map(|row| Ok(OperationId::from_bytes(*row?.0.value())))
            .collect()
    }

    /// A closed operation with its records; `None` for any other.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::NotSealed`] if the data cannot be decoded or differs from what was sealed.
    pub fn closed(&self, operation: &OperationId) -> Result<Option<OpenOperation>, StoreError> {
        let reading = self.reading()?;
        self.closed_of(&reading, operation)
    }

    /// The operations that closed at a height or later, in the order of these heights. Reads the groups since then, without records.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn closed_since(&self, height: u64) -> Result<Vec<DecidedAt>, StoreError> {
        let reading = self.reading()?;
        let ends = reading.open_table(ENDS)?;
        let first = ends.range(..=height)?.next_back().transpose()?;
        let first = first.map_or(0, |(first, _)| first.value());
        let since = |end: &EndRow| end.ended.closed_height >= height;
        Ok(ends_from(&reading, first)?
            .into_iter()
            .filter(since)
            .map(|end| DecidedAt {
                operation: end.id,
                kind: end.kind,
                height: end.ended.decided_height,
            })
            .collect())
    }

    /// What a closed operation left in the log of decided operations, which is compared with the sealed one; `None` for any other.
    ///
    /// # Errors
    ///
    /// As [`Store::closed`].
    pub fn decided(&self, operation: &OperationId) -> Result<Option<DecidedOperation>, StoreError> {
        let reading = self.reading()?;
        let closed = self.closed_and_decided(&reading, operation)?;
        Ok(closed.map(|(_, decided)| decided))
    }

    /// A closed operation with its records, which its leaf in the log of decided operations proves; `None` for any other.
    pub(super) fn closed_of(
        &self,
        reading: &ReadTransaction,
        id: &OperationId,
    ) -> Result<Option<OpenOperation>, StoreError> {
        let closed = self.closed_and_decided(reading, id)?;
        Ok(closed.map(|(operation, _)| operation))
    }

    fn closed_and_decided(
        &self,
        reading: &ReadTransaction,
        id: &OperationId,
    ) -> Result<Option<(OpenOperation, DecidedOperation)>, StoreError> {
        let place = format!("operation {id}");
        let (_, Some(height)) = places_of(reading, id)? else {
            return Ok(None);
        };
        let mut heights = self.heights(reading)?;
        let row = closed_row(&mut heights, height, id)?;
        let ids = row.snapshot.records();
        let records = self.records_of(reading, *id, &ids)?;
        let not_sealed = |error| StoreError::not_sealed(&place, error);
        let mut find = |id: &RecordId| records.get(id).cloned();
        let operation = OpenOperation::restore(&row, &mut find).map_err(not_sealed)?;
        let decided = DecidedOperation::of(&operation);
        if let Some(decided) = decided
            && logs::leaf(reading, decided.index)? == Some(decided.leaf.hash())
        {
            return Ok(Some((operation, decided)));
        }
        let rejection = Rejection::BadCertificate("the log of decisions does not contain it");
        Err(not_sealed(rejection))
    }
}

/// The first heights of the groups, up to this height, in which a member changed, in order.
fn changed_in(
    reading: &ReadTransaction,
    node: &NodeId,
    height: u64,
) -> Result<impl DoubleEndedIterator<Item = Result<u64, StoreError>> + use<>, StoreError> {
    let members = reading.open_table(MEMBERS)?;
    let key = node.as_bytes();
    let rows = members.range((key, 0)..=(key, height))?;
    Ok(rows.map(|row| Ok(row?.0.value().1)))
}

/// The ends of all closed operations, in the order of the heights that closed them.
pub(super) fn all_ends(reading: &ReadTransaction) -> Result<Vec<EndRow>, StoreError> {
    ends_from(reading, 0)
}

/// The ends of the operations that closed in the group that begins at a height, and later.
fn ends_from(reading: &ReadTransaction, first: u64) -> Result<Vec<EndRow>, StoreError> {
    let mut ends = Vec::new();
    for row in reading.open_table(ENDS)?.range(first..)? {
        let (first, row) = row?;
        ends.extend(read_ends(first.value(), row.value())?);
    }
    for latest in Heights::new(reading)?.latest()? {
        ends.extend(latest.ends()?);
    }
    Ok(ends)
}

fn closed_row(
    heights: &mut Heights,
    height: u64,
    id: &OperationId,
) -> Result<StoredOperation, StoreError> {
    let row = heights.closed(height)?.get(id).cloned();
    row.ok_or_else(|| {
        let reason = format!("operation {id} did not close at it");
        StoreError::damaged(place(height), reason)
    })
}

fn summary_of(
    reading: &ReadTransaction,
    heights: &mut Heights,
    end: EndRow,
) -> Result<ClosedSummary, StoreError> {
    Ok(ClosedSummary {
        operation: end.id,
        closed: closed_as(heights, &end)?,
        kind: end.kind,
        class: end.class,
        proposer: end.proposer,
        subject: end.subject,
        refused_effect: effect_of(reading, &end.id)?.flatten(),
    })
}

/// The end of an operation, with a long result from its row.
fn closed_as(heights: &mut Heights, end: &EndRow) -> Result<Closed, StoreError> {
    let (decided_height, closed_height) = (end.ended.decided_height, end.ended.closed_height);
    let outcome = match &end.ended.outcome {
        RememberedOutcome::Whole(outcome) => outcome.clone(),
        RememberedOutcome::Result(_) => {
            let row = closed_row(heights, closed_height, &end.id)?;
            let decision = row.snapshot.decision;
            let missing = || StoreError::damaged(place(closed_height), "a result is missing");
            decision.ok_or_else(missing)?.outcome
        }
    };
    Ok(Closed {
        outcome,
        decided_height,
        closed_height,
    })
}

fn effect_of(
    reading: &ReadTransaction,
    operation: &OperationId,
) -> Result<Option<EffectRow>, StoreError> {
    let row = reading.open_table(EFFECTS)?.get(operation.as_bytes())?;
    row.map(|row| decode(&format!("effects: {operation}"), row.value()))
        .transpose()
}
