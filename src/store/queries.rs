//! Queries about the past that need no block's records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable as _};

use super::read::header_of;
use super::rows::{
    CERTIFICATES, CLOSED, EFFECTS, EVIDENCE, EffectRow, EvidenceRow, MEMBERS, MemberRow,
    OPERATIONS, OperationRow, SEALERS, SUMMARIES, SummaryRow, TRUST, decode,
};
use super::{Store, StoreError};
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::base::rejection::Rejection;
use crate::decision::open::OpenOperation;
use crate::ledger::{Closed, Evidence, Ledger, RememberedOperation, RememberedOutcome};
use crate::members::roster::MemberLine;
use crate::members::trust::TrustEntry;
use crate::past::archive::ClosedSummary;
use crate::past::certificate::{Certificate, PathStep};
use crate::statement::record::{Signed, Verified};

impl Store {
    /// Every change of a member's score, oldest first, with its reason.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, StoreError> {
        let table = self.reading()?.open_table(TRUST)?;
        let node = node.as_bytes();
        let mut entries = Vec::new();
        for row in table.range((node, 0)..=(node, u64::MAX))? {
            let of_height: Vec<TrustEntry> = decode("trust", row?.1.value())?;
            entries.extend(of_height);
        }
        Ok(entries)
    }

    /// A member's line after a height; `None` if it was not a member then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if a row cannot be decoded.
    pub fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<MemberLine>, StoreError> {
        let table = self.reading()?.open_table(MEMBERS)?;
        let key = node.as_bytes();
        if let Some(row) = table.range((key, 0)..=(key, height))?.next_back() {
            let row: MemberRow = decode("members", row?.1.value())?;
            return Ok(row);
        }
        let genesis = &self.genesis;
        let founder = genesis.members.iter().find(|member| member.node == *node);
        Ok(founder.map(|founder| MemberLine::of_founder(founder, &genesis.params)))
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
        let summaries = reading.open_table(SUMMARIES)?;
        reading
            .open_table(CLOSED)?
            .iter()?
            .map(|row| {
                let (id, row) = row?;
                let operation = OperationId::from_bytes(*id.value());
                let place = format!("operation {operation}");
                let closed = closed_as(&reading, &operation, decode(&place, row.value())?)?;
                let row = summaries.get(operation.as_bytes())?;
                let row =
                    row.ok_or_else(|| StoreError::damaged(&place, "its summary is missing"))?;
                let summary: SummaryRow = decode(&place, row.value())?;
                Ok(ClosedSummary {
                    operation,
                    kind: summary.kind,
                    class: summary.class,
                    proposer: summary.proposer,
                    subject: summary.subject,
                    closed,
                    refused_effect: effect_of(&reading, &operation)?.flatten(),
                })
            })
            .collect()
    }

    /// A closed operation with its records; `None` for any other.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::NotSealed`] if the data cannot be decoded or differs from what was sealed.
    pub fn closed(&self, operation: &OperationId) -> Result<Option<OpenOperation>, StoreError> {
        let reading = self.reading()?;
        let found = self.closed_of(&reading, operation)?;
        Ok(found.map(|(_, operation)| operation))
    }

    fn closed_of(
        &self,
        reading: &ReadTransaction,
        id: &OperationId,
    ) -> Result<Option<(OperationRow, OpenOperation)>, StoreError> {
        let place = format!("operation {id}");
        let Some(row) = reading.open_table(OPERATIONS)?.get(id.as_bytes())? else {
            return Ok(None);
        };
        let row: OperationRow = decode(&place, row.value())?;
        let ids = row.stored.snapshot.records();
        let records = self.records_of(reading, *id, &ids)?;
        let records: Result<BTreeMap<RecordId, Verified>, Rejection> = records
            .into_iter()
            .map(|(id, record)| Ok((id, Signed::try_from(record)?.trusted())))
            .collect();
        let not_sealed = |error| StoreError::not_sealed(&place, error);
        let records = records.map_err(not_sealed)?;
        let mut find = |id: &RecordId| records.get(id).cloned();
        let operation = OpenOperation::restore(&row.stored, &mut find).map_err(not_sealed)?;
        let state = header_of(reading, row.height)?.seal.state;
        if !row.proof.proves(&row.stored.snapshot, state) {
            let rejection = Rejection::BadCertificate("the closing seal does not contain it");
            return Err(not_sealed(rejection));
        }
        Ok(Some((row, operation)))
    }

    /// The certificate of a closed operation; `None` for any other. Reads the headers of all heights up to its close, and
    /// only this operation's records.
    ///
    /// # Errors
    ///
    /// [`StoreError::CertificateTooLong`]; [`StoreError::Damaged`] or [`StoreError::NotSealed`] if the data cannot be
    /// decoded or differs from what was sealed.
    pub fn certificate(&self, operation: &OperationId) -> Result<Option<Certificate>, StoreError> {
        let reading = self.reading()?;
        let Some((row, operation)) = self.closed_of(&reading, operation)? else {
            return Ok(None);
        };
        let frozen_height = operation.frozen().map(|frozen| frozen.height);
        let (certificates, sealers) = (
            reading.open_table(CERTIFICATES)?,
            reading.open_table(SEALERS)?,
        );
        let mut path = Vec::new();
        let mut stated = Ledger::new(&self.genesis).genesis_seal().sealers;
        for height in 1..=row.height {
            let header = header_of(&reading, height)?;
            let is_changed =
                std::mem::replace(&mut stated, header.seal.sealers) != header.seal.sealers;
            let changed = sealers.get(height + 1)?.filter(|_| is_changed);
            let changed = changed.map(|row| self.sealers_of(&reading, height + 1, row.value()));
            let is_certified =
                changed.is_some() || frozen_height == Some(height) || row.height == height;
            let certificate = match certificates.get(height)?.filter(|_| is_certified) {
                Some(row) => Some(decode(&super::load::place(height), row.value())?),
                None => None,
            };
            path.push(PathStep {
                seal: header.seal,
                sealers: changed.transpose()?.map(|sealers| sealers.sorted()),
                certificate,
            });
        }
        let certificate = Certificate {
            v: 2,
            net: self.network_id(),
            path,
            snapshot: operation.snapshot(),
            proof: row.proof,
            electorate: operation.electorate().iter().copied().collect(),
            records: operation
                .records()
                .map(|record| record.record().clone())
                .collect(),
        };
        let checked = certificate.check_length();
        checked.map_err(StoreError::CertificateTooLong)?;
        Ok(Some(certificate))
    }
}

/// The end of an operation, with a long result from its row.
fn closed_as(
    reading: &ReadTransaction,
    id: &OperationId,
    ended: RememberedOperation,
) -> Result<Closed, StoreError> {
    let (decided_height, closed_height) = (ended.decided_height, ended.closed_height);
    let outcome = match ended.outcome {
        RememberedOutcome::Whole(outcome) => outcome,
        RememberedOutcome::Result(_) => {
            let place = format!("operation {id}");
            let missing = || StoreError::damaged(&place, "its result is missing");
            let row = reading.open_table(OPERATIONS)?.get(id.as_bytes())?;
            let row: OperationRow = decode(&place, row.ok_or_else(missing)?.value())?;
            let (outcome, _) = row.stored.snapshot.decision.ok_or_else(missing)?;
            outcome
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
