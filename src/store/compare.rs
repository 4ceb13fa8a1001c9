//! Compares the rows beside the blocks with the result of applying the blocks.

use std::borrow::Borrow;

use redb::{Key, ReadOnlyTable, ReadTransaction, ReadableTableMetadata as _};
use serde::Serialize;

use super::StoreError;
use super::rows::{
    CHANGES, EFFECTS, EVIDENCE, EffectRow, MEMBERS, OPERATIONS, REJOINS, SEALERS, SUMMARIES, TRUST,
};
use super::sealed::{closed_rows, evidence_rows, trust_by_member};
use crate::base::codec;
use crate::document::LedgerChange;
use crate::ledger::Applied;
use crate::statement::record::Seal;

/// The number of rows that the heights produced. A table with more has rows without a seal.
#[derive(Default)]
pub(super) struct Compared {
    changes: u64,
    trust: u64,
    members: u64,
    evidence: u64,
    effects: u64,
    rejoins: u64,
    closed: u64,
}

/// Checks that a table has this row, and counts it.
fn has<'a, K: Key + 'static, T: Serialize>(
    table: &ReadOnlyTable<K, &'static [u8]>,
    key: impl Borrow<K::SelfType<'a>>,
    row: &T,
    count: &mut u64,
) -> Result<bool, StoreError> {
    *count += 1;
    let found = table.get(key)?;
    Ok(found.is_some_and(|found| found.value() == codec::encode(row)))
}

impl Compared {
    /// Compares the rows of one height.
    pub(super) fn height(
        &mut self,
        reading: &ReadTransaction,
        seal: &Seal,
        applied: &Applied,
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let height = applied.height;
        let mut expect = |table: &str, is_same: bool| {
            if !is_same {
                faults.push(format!(
                    "{table}: height {height}: differs from what was sealed"
                ));
            }
        };
        let table = reading.open_table(TRUST)?;
        for (node, entries) in trust_by_member(applied) {
            let key = (node.as_bytes(), height);
            expect("trust", has(&table, key, &entries, &mut self.trust)?);
        }
        let table = reading.open_table(MEMBERS)?;
        for change in &applied.members {
            let key = (change.node.as_bytes(), height);
            expect("members", has(&table, key, &change.now, &mut self.members)?);
        }
        let table = reading.open_table(EVIDENCE)?;
        for (row, place) in evidence_rows(applied).zip(0_u32..) {
            let key = (height, place);
            expect("evidence", has(&table, key, &row, &mut self.evidence)?);
        }
        let table = reading.open_table(EFFECTS)?;
        for effect in &applied.effects {
            let row: EffectRow = effect.result.err().map(Into::into);
            let key = effect.operation.as_bytes();
            expect("effects", has(&table, key, &row, &mut self.effects)?);
        }
        let table = reading.open_table(REJOINS)?;
        for id in &applied.rejoins {
            let at = table.get(id.as_bytes())?.map(|at| at.value());
            expect("rejoins", at == Some(height));
            self.rejoins += 1;
        }
        let sealers = reading.open_table(SEALERS)?.get(height + 1)?;
        let sealers = sealers.map(|row| row.value().to_vec());
        let expected = applied.sealers.as_deref().map(codec::encode);
        expect("sealers", sealers == expected);
        let change = LedgerChange::from_applied(seal, applied);
        let table = reading.open_table(CHANGES)?;
        expect("changes", has(&table, height, &change, &mut self.changes)?);
        let operations = reading.open_table(OPERATIONS)?;
        let summaries = reading.open_table(SUMMARIES)?;
        for operation in &applied.closed {
            let (row, summary) = closed_rows(applied, operation, &change);
            let id = operation.id();
            let mut counted = 0;
            let is_same = has(&operations, id.as_bytes(), &row, &mut self.closed)?;
            expect("operations", is_same);
            let is_same = has(&summaries, id.as_bytes(), &summary, &mut counted)?;
            expect("summaries", is_same);
        }
        Ok(())
    }

    /// Reports tables with more rows than the compared heights produced.
    pub(super) fn surplus(
        &self,
        reading: &ReadTransaction,
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let counts = [
            ("changes", reading.open_table(CHANGES)?.len()?, self.changes),
            ("trust", reading.open_table(TRUST)?.len()?, self.trust),
            ("members", reading.open_table(MEMBERS)?.len()?, self.members),
            (
                "evidence",
                reading.open_table(EVIDENCE)?.len()?,
                self.evidence,
            ),
            ("effects", reading.open_table(EFFECTS)?.len()?, self.effects),
            ("rejoins", reading.open_table(REJOINS)?.len()?, self.rejoins),
            (
                "operations",
                reading.open_table(OPERATIONS)?.len()?,
                self.closed,
            ),
            (
                "summaries",
                reading.open_table(SUMMARIES)?.len()?,
                self.closed,
            ),
        ];
        for (table, found, sealed) in counts {
            if found > sealed {
                faults.push(format!(
                    "{table}: {found} rows, of which {sealed} were sealed"
                ));
            }
        }
        Ok(())
    }
}
