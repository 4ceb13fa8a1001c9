//! A deep check for a suspect disk: computes everything again.

use redb::ReadTransaction;

use super::compare::Compared;
use super::height::place;
use super::heights::{Heights, last_height};
use super::load::checkpoint;
use super::queries::all_ends;
use super::read::block_at;
use super::records::Decoded;
use super::{Store, StoreError, lock};
use crate::base::digest::RecordId;
use crate::base::rejection::Rejection;
use crate::finality::verify_certificate;
use crate::ledger::{Applied, Checkpoint, Ledger};
use crate::statement::commitment::commitment;
use crate::statement::record::{Signed, Statement, Verified, Verifier};
use crate::statement::seal::SealedBlock;

/// The progress of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckStep {
    /// What is checked now: `pages`, `heights` or `operations`.
    pub what: &'static str,
    /// The number of checked ones.
    pub done: u64,
    /// The number of all.
    pub of: u64,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Heights with a correct seal, certificate, records and signatures.
    pub heights: u64,
    /// Records in these heights.
    pub records: u64,
    /// Closed operations that their records give, and that their closing seal proves.
    pub operations: u64,
    /// Whether redb had to repair pages.
    pub is_repaired: bool,
    /// Faults; empty if the store is sound.
    pub faults: Vec<String>,
}

impl Store {
    /// Checks everything: the pages of both databases, the chain of seals from the genesis with every certificate, record id
    /// and signature, the state after each height, what is stored beside it, the checkpoint, every closed operation, and what a start
    /// loads. Takes as long as a new node needs to catch up. It needs the whole store, because nothing may be read or
    /// written meanwhile; redb may repair its own pages.
    ///
    /// # Errors
    ///
    /// [`StoreError::Redb`] if the disk fails. Damage is reported in [`CheckReport::faults`].
    pub fn check(
        &mut self,
        mut progress: impl FnMut(CheckStep),
    ) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        self.unpacked.clear();
        *lock(&self.decoded) = Decoded::default();
        let sides = [&mut self.ledger, &mut self.journal];
        for (side, done) in sides.into_iter().zip(0..) {
            progress(step("pages", done, 2));
            match side.database_mut().check_integrity() {
                Ok(is_clean) => report.is_repaired |= !is_clean,
                Err(error) => {
                    let path = side.path.display();
                    report.faults.push(format!("{path}: {error}"));
                    return Ok(report);
                }
            }
        }
        let reading = self.reading()?;
        let mut replay = Replay::new(&self.genesis)?;
        if let Err(error) = self.check_heights(&reading, &mut replay, &mut report, &mut progress) {
            report.faults.push(error.to_string());
        }
        if let Err(error) = self.check_operations(&reading, &mut report, &mut progress) {
            report.faults.push(error.to_string());
        }
        if let Err(error) = self.check_saved(&mut replay.verifier, &mut report.faults) {
            report.faults.push(error.to_string());
        }
        Ok(report)
    }

    fn check_heights(
        &self,
        reading: &ReadTransaction,
        replay: &mut Replay,
        report: &mut CheckReport,
        progress: &mut impl FnMut(CheckStep),
    ) -> Result<(), StoreError> {
        let last = last_height(reading)?;
        let kept = checkpoint(reading)?;
        let mut heights = Heights::new(reading)?;
        let mut compared = Compared::new(&self.genesis);
        for height in 1..=last {
            progress(step("heights", height - 1, last));
            let block = block_at(&mut heights, height)?;
            let records = block.records.len() as u64;
            let applied = replay
                .apply(&block)
                .map_err(|error| StoreError::not_sealed(place(height), error))?;
            let sealed = (&block, &applied);
            compared.height(reading, &mut heights, sealed, &mut report.faults)?;
            if let Some(kept) = &kept
                && kept.seal.height == height
                && *kept != replay.ledger.checkpoint()
            {
                let fault = "meta: checkpoint: differs from the state at its height";
                report.faults.push(fault.to_owned());
            }
            report.heights += 1;
            report.records += records;
        }
        if kept.is_some_and(|kept: Checkpoint| kept.seal.height > last) {
            let fault = "meta: checkpoint: it is beyond the last height";
            report.faults.push(fault.to_owned());
        }
        compared.whole(reading, &mut report.faults)
    }

    /// Checks the unsealed part that a start loads: own records with what their commits bind to, and unsealed records.
    fn check_saved(
        &self,
        verifier: &mut Verifier,
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let saved = self.saved()?;
        let mut verify = |table: &str, id: RecordId, signed: Result<Signed, Rejection>| {
            match signed.and_then(|signed| verifier.verify(signed)) {
                // A candidate, which is not a member yet.
                Ok(_) | Err(Rejection::UnknownAuthor(_)) => {}
                Err(error) => faults.push(format!("{table}: record {id}: {error}")),
            }
        };
        for (table, records) in [("records", saved.records), ("votes", saved.votes)] {
            for (id, bytes) in records {
                verify(table, id, Signed::decode(&bytes));
            }
        }
        for (id, entry) in saved.journal {
            let body = &entry.record.body;
            if let (
                Statement::Commit {
                    operation,
                    commitment: committed,
                },
                Some((ballot, salt)),
            ) = (&body.what, &entry.opening)
                && commitment(body.net, *operation, body.by, ballot, salt) != *committed
            {
                verify("entries", id, Err(Rejection::DoesNotOpen(body.by)));
            }
            verify("entries", id, Signed::try_from(entry.record));
        }
        Ok(())
    }

    fn check_operations(
        &self,
        reading: &ReadTransaction,
        report: &mut CheckReport,
        progress: &mut impl FnMut(CheckStep),
    ) -> Result<(), StoreError> {
        let ends = all_ends(reading)?;
        for (end, done) in ends.iter().zip(0..) {
            progress(step("operations", done, ends.len() as u64));
            match self.closed_of(reading, &end.id) {
                Ok(Some(_)) => report.operations += 1,
                Ok(None) => report
                    .faults
                    .push(format!("operation {}: nothing says where it is", end.id)),
                Err(error) => report.faults.push(error.to_string()),
            }
        }
        if let Err(error) = self.ledger_document() {
            report.faults.push(format!("ledger document: {error}"));
        }
        Ok(())
    }
}

fn step(what: &'static str, done: u64, of: u64) -> CheckStep {
    CheckStep { what, done, of }
}

/// A ledger that is computed from the blocks alone.
struct Replay {
    ledger: Ledger,
    verifier: Verifier,
}

impl Replay {
    fn new(genesis: &crate::statement::genesis::Genesis) -> Result<Self, StoreError> {
        let mut verifier = Verifier::new(genesis.network_id());
        for member in &genesis.members {
            let known = verifier.add_author(member.node);
            known.map_err(|error| StoreError::not_sealed("meta: genesis", error))?;
        }
        let ledger = Ledger::new(genesis);
        verifier.set_successors(ledger.state().roster().successors());
        Ok(Self { ledger, verifier })
    }

    fn apply(&mut self, block: &SealedBlock) -> Result<Applied, Rejection> {
        let sealers = self.ledger.state().sealers().clone();
        let seal = &block.seal;
        verify_certificate(&block.certificate, seal, &sealers, &mut self.verifier)?;
        let records: Vec<Verified> = block
            .records
            .iter()
            .map(|record| self.verifier.verify(Signed::try_from(record.clone())?))
            .collect::<Result<_, _>>()?;
        let draft = self.ledger.check(seal, records)?;
        let applied = self.ledger.commit(draft);
        for change in &applied.members {
            if !self.verifier.knows(&change.node) {
                self.verifier.add_author(change.node)?;
            }
        }
        if !applied.members.is_empty() {
            let successors = self.ledger.state().roster().successors();
            self.verifier.set_successors(successors);
        }
        Ok(applied)
    }
}
