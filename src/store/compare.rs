//! Compares what is stored beside the blocks with the result of applying them.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use super::height::{Beside, Block, Latest, ends_of, place, write_row};
use super::heights::Heights;
use super::queries::all_ends;
use super::rows::{
    EFFECTS, EVIDENCE, EffectRow, EndRow, MEMBERS, PLACES, PlacesRow, REJOINS, SEALERS, decode,
};
use super::sealed::{add_place, evidence_rows, touched};
use super::{StoreError, logs};
use crate::base::codec;
use crate::base::digest::{Digest, NodeId, OperationId};
use crate::ledger::{Applied, Ledger};
use crate::members::sealers::Sealers;
use crate::statement::genesis::Genesis;
use crate::statement::seal::SealedBlock;

/// What the heights so far have to leave beside them.
pub(super) struct Compared {
    sealers: BTreeMap<u64, Sealers>,
    sealer_changes: Vec<(u64, Vec<NodeId>)>,
    leaves: Vec<Digest>,
    rest: Vec<(u64, Digest)>,
    ends: Vec<EndRow>,
    places: BTreeMap<OperationId, PlacesRow>,
    members: BTreeSet<(NodeId, u64)>,
    evidence: u64,
    effects: u64,
    rejoins: u64,
}

impl Compared {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let first = Ledger::new(genesis).state().sealers().as_ref().clone();
        Self {
            sealers: [(1, first)].into(),
            sealer_changes: Vec::new(),
            leaves: Vec::new(),
            rest: Vec::new(),
            ends: Vec::new(),
            places: BTreeMap::new(),
            members: BTreeSet::new(),
            evidence: 0,
            effects: 0,
            rejoins: 0,
        }
    }

    /// Compares a height with what its block does.
    pub(super) fn height(
        &mut self,
        reading: &ReadTransaction,
        heights: &mut Heights,
        (block, applied): (&SealedBlock, &Applied),
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let height = applied.height;
        let mut expect = |table: &str, is_same: bool| {
            if !is_same {
                let fault = format!("{table}: {}: differs from what was sealed", place(height));
                faults.push(fault);
            }
        };
        let mut row = Vec::new();
        write_row(block, applied, &mut row);
        let expected = Latest::of(height, row)?;
        let (found, group) = (heights.beside(height)?, heights.group_of(height)?);
        let parts = |it: &Beside| [it.changes.bytes().to_vec(), it.closed.bytes().to_vec()];
        expect("changes", parts(&found) == parts(&expected.beside));
        let found = heights.block(height)?;
        let parts = |it: &Block| [it.encoded(), it.sealers.bytes().to_vec()];
        expect("blocks", parts(&found) == parts(&expected.block));
        self.ends.extend(ends_of(applied));
        let others = applied.other_sealers.iter();
        self.sealer_changes
            .extend(others.map(|sealers| (height, sealers.clone())));
        self.leaves.extend_from_slice(&applied.leaves);
        self.rest = vec![(height, applied.parts.rest)];
        for (operation, what) in touched(block, applied) {
            add_place(self.places.entry(operation).or_default(), height, what);
        }
        if let Some(first) = group {
            let members = applied.members.iter().map(|change| change.node);
            let scored = applied.trust.iter().map(|(node, _)| *node);
            self.members
                .extend(members.chain(scored).map(|node| (node, first)));
            if let Some(sealers) = &applied.sealers {
                // A later one of the same group takes its place.
                self.sealers.retain(|from, _| *from <= first);
                self.sealers.insert(height + 1, sealers.as_ref().clone());
            }
        }
        let table = reading.open_table(EVIDENCE)?;
        for (row, place) in evidence_rows(applied).zip(0_u32..) {
            let stored = table.get((height, place))?;
            let is_same = stored.is_some_and(|stored| stored.value() == codec::encode(&row));
            expect("evidence", is_same);
            self.evidence += 1;
        }
        let table = reading.open_table(EFFECTS)?;
        for effect in &applied.effects {
            let row: EffectRow = effect.result.err().map(Into::into);
            let stored = table.get(effect.operation.as_bytes())?;
            let is_same = stored.is_some_and(|stored| stored.value() == codec::encode(&row));
            expect("effects", is_same);
            self.effects += 1;
        }
        let table = reading.open_table(REJOINS)?;
        for id in &applied.rejoins {
            let at = table.get(id.as_bytes())?.map(|at| at.value());
            expect("rejoins", at == Some(height));
            self.rejoins += 1;
        }
        Ok(())
    }

    /// Compares the tables that are about all heights, and reports those with more rows than the heights produced.
    pub(super) fn whole(
        &self,
        reading: &ReadTransaction,
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        if all_ends(reading)? != self.ends {
            faults.push("ends: the ends of operations differ".to_owned());
        }
        if logs::sealer_changes(reading)? != self.sealer_changes {
            faults.push("sealer-changes: the changes of sealers differ".to_owned());
        }
        if logs::rests(reading)? != self.rest {
            faults.push("rest: the rest of the last state differs".to_owned());
        }
        if logs::leaves(reading)? != self.leaves {
            faults.push("leaves: the decided operations differ".to_owned());
        }
        let mut sealers = BTreeMap::new();
        for row in reading.open_table(SEALERS)?.iter()? {
            let (from, row) = row?;
            let place = format!("sealers: from height {}", from.value());
            sealers.insert(from.value(), decode(&place, row.value())?);
        }
        if sealers != self.sealers {
            faults.push("sealers: the sealers differ".to_owned());
        }
        let mut places = BTreeMap::new();
        for row in reading.open_table(PLACES)?.iter()? {
            let (id, row) = row?;
            let id = OperationId::from_bytes(*id.value());
            places.insert(id, decode(&format!("places: operation {id}"), row.value())?);
        }
        if places != self.places {
            faults.push("places: the places of operations differ".to_owned());
        }
        let mut members = BTreeSet::new();
        for row in reading.open_table(MEMBERS)?.iter()? {
            let (key, ()) = row.map(|(key, _)| (key, ()))?;
            let (node, first) = key.value();
            members.insert((NodeId::from_bytes(*node), first));
        }
        if members != self.members {
            faults.push("members: the heights of their changes differ".to_owned());
        }
        let counts = [
            (
                "evidence",
                reading.open_table(EVIDENCE)?.len()?,
                self.evidence,
            ),
            ("effects", reading.open_table(EFFECTS)?.len()?, self.effects),
            ("rejoins", reading.open_table(REJOINS)?.len()?, self.rejoins),
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
