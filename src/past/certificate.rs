//! Certificates of operations ([H3]): proof of an outcome for someone who holds only the genesis.
//!
//! A certificate has every seal header from the genesis to the one that closed the operation. Each header names the one before,
//! so the last proves them all; the steps only have to show which nodes may certify. A header states the digest of the sealers
//! of the next height. Where that differs from the one before, the certificate shows those sealers and has the precommits of
//! the old ones for that header. So a quorum of former sealers cannot stand in for the real ones.
//!
//! The closing seal's state digest commits to the operation's [`Snapshot`]: electors, weights, frozen commits, reveals and
//! outcome. The certificate contains the records as well, and the outcome is computed from them again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::base::limits::CERTIFICATE_BYTES_MAX;
use crate::base::rejection::Rejection;
use crate::decision::open::Snapshot;
use crate::decision::tally::Tally;
use crate::finality::verify_certificate;
use crate::ledger::{Ledger, OperationProof};
use crate::members::roster::Elector;
use crate::members::sealers::Sealers;
use crate::statement::commitment::commitment;
use crate::statement::genesis::Genesis;
use crate::statement::operation::Outcome;
use crate::statement::record::{Record, Seal, Signed, Statement, Verified, Verifier};
use crate::statement::seal::{SealCertificate, sealers_digest};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// One height on the path from the genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathStep {
    /// The header.
    pub seal: Seal,
    /// The sealers of the next height in the order of their keys, if they changed.
    pub sealers: Option<Vec<NodeId>>,
    /// Its certificate: needed where the sealers changed, and at the freezing and the closing seal.
    pub certificate: Option<SealCertificate>,
}

/// Proof of an operation's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The version of this form: 2.
    pub v: u8,
    /// The network.
    pub net: NetworkId,
    /// Heights 1 to the closing one.
    pub path: Vec<PathStep>,
    /// The operation after the closing seal.
    pub snapshot: Snapshot,
    /// The proof that the closing seal's state contains it.
    pub proof: OperationProof,
    /// The electors in the order of their keys.
    pub electorate: Vec<Elector>,
    /// All sealed records about it, with the proposal.
    pub records: Vec<Record>,
}

/// The facts that a certificate proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// The operation.
    pub operation: OperationId,
    /// Its outcome.
    pub outcome: Outcome,
    /// The height that made it final.
    pub decided_height: u64,
    /// The height that closed it.
    pub closed_height: u64,
    /// The closing seal.
    pub seal: SealId,
}

fn bad(reason: &'static str) -> Rejection {
    Rejection::BadCertificate(reason)
}

impl Certificate {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Checks that [`Certificate::decode`] will read it.
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`] if it is longer than [`CERTIFICATE_BYTES_MAX`].
    pub fn check_length(&self) -> Result<(), Rejection> {
        let (what, limit) = ("bytes of a certificate", CERTIFICATE_BYTES_MAX);
        let is_within = self.encode().len() <= limit;
        is_within
            .then_some(())
            .ok_or(Rejection::OverLimit { what, limit })
    }

    /// Reads a certificate from its canonical bytes, without verifying it ([`Certificate::verify`]).
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`] or [`Rejection::NonCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        Ok(codec::decode(bytes, CERTIFICATE_BYTES_MAX)?)
    }

    /// Verifies the certificate, given only the genesis. The cost is a hash per height and a signature per precommit and batch.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] with the failing step, or the rejection of a record.
    pub fn verify(&self, genesis: &Genesis) -> Result<Proved, Rejection> {
        genesis.check()?;
        if self.v != 2 {
            return Err(bad("a version other than 2"));
        }
        if self.net != genesis.network_id() {
            return Err(Rejection::WrongNetwork(self.net));
        }
        let mut verifier = Verifier::new(self.net);
        for founder in &genesis.members {
            verifier.add_author(founder.node)?;
        }
        let closing = self.walk(genesis, &mut verifier)?;
        if !self.proof.proves(&self.snapshot, closing.state) {
            return Err(bad("the closing seal's state does not have the operation"));
        }
        let (outcome, decided_height) = self
            .snapshot
            .decision
            .clone()
            .ok_or(bad("the operation is not decided"))?;
        self.recount(&mut verifier, &outcome)?;
        Ok(Proved {
            operation: self.snapshot.id,
            outcome,
            decided_height,
            closed_height: closing.height,
            seal: closing.id(),
        })
    }

    /// Follows headers and sealers from the genesis; returns the closing header.
    fn walk(&self, genesis: &Genesis, verifier: &mut Verifier) -> Result<&Seal, Rejection> {
        let ledger = Ledger::new(genesis);
        let mut sealers: Sealers = ledger.state().sealers().as_ref().clone();
        let mut before = ledger.genesis_seal();
        let frozen_height = self.snapshot.frozen.as_ref().map(|frozen| frozen.height);
        for (at, step) in self.path.iter().enumerate() {
            let seal = &step.seal;
            if seal.net != self.net || seal.height != before.height + 1 || seal.prev != before.id()
            {
                return Err(bad("a header does not follow the one before"));
            }
            let is_last = at + 1 == self.path.len();
            let is_needed = is_last || step.sealers.is_some() || frozen_height == Some(seal.height);
            match &step.certificate {
                Some(certificate) => {
                    verify_certificate(certificate, seal, &sealers, verifier)?;
                }
                None if is_needed => return Err(bad("a seal's certificate is missing")),
                None => {}
            }
            match &step.sealers {
                Some(next) if seal.sealers != before.sealers => {
                    sealers = next_sealers(seal, next, verifier)?;
                }
                None if seal.sealers == before.sealers => {}
                _ => return Err(bad("a change of sealers is not shown where it happened")),
            }
            before = seal;
        }
        match self.path.last() {
            Some(last) => Ok(&last.seal),
            None => Err(bad("it has no headers")),
        }
    }

    /// Computes the outcome again from the records.
    fn recount(&self, verifier: &mut Verifier, outcome: &Outcome) -> Result<(), Rejection> {
        let snapshot = &self.snapshot;
        if Snapshot::electorate_digest(&self.electorate) != snapshot.electorate {
            return Err(bad("the electorate is not the sealed one"));
        }
        let records = self.verified_records(verifier)?;
        if records.len() != self.records.len() || !records.keys().eq(&snapshot.records()) {
            return Err(bad("its records are not those that were sealed"));
        }
        let proposal = records
            .get(&RecordId::from(snapshot.id))
            .ok_or(bad("the proposal is missing"))?;
        let Statement::Propose { operation, .. } = proposal.statement() else {
            return Err(bad("the proposal is another kind of record"));
        };
        let Some(frozen) = &snapshot.frozen else {
            // The spore hierarchy decided, or commits were lacking: the state says so, and there is nothing to count.
            return Ok(());
        };
        let electors = self.electorate.iter();
        let weights: BTreeMap<NodeId, u64> = electors.map(|it| (it.node, it.weight)).collect();
        let mut commits = BTreeMap::new();
        for id in &frozen.commits {
            let record = records.get(id).ok_or(bad("a frozen commit is missing"))?;
            let Statement::Commit { commitment, .. } = record.statement() else {
                return Err(bad("a frozen commit is another kind of record"));
            };
            commits.insert(record.author(), *commitment);
        }
        let heirs: BTreeMap<NodeId, NodeId> = snapshot.heirs.iter().copied().collect();
        let weight_of = |author: &NodeId| {
            let elector = heirs.get(author).unwrap_or(author);
            weights.get(elector).copied().unwrap_or(0)
        };
        let frozen_weight = commits.keys().map(weight_of).sum();
        let total = weights.values().sum();
        let mut tally = Tally::of(snapshot.class, operation, total, frozen_weight);
        for id in &snapshot.reveals {
            let record = records.get(id).ok_or(bad("a reveal is missing"))?;
            let Statement::Reveal { ballot, salt, .. } = record.statement() else {
                return Err(bad("a reveal is another kind of record"));
            };
            let author = record.author();
            let opened = commitment(self.net, snapshot.id, author, ballot, salt);
            // Each commit opens once.
            if commits.remove(&author) != Some(opened) {
                return Err(Rejection::DoesNotOpen(author));
            }
            tally.reveal(weight_of(&author), ballot);
        }
        let counted = tally.outcome().unwrap_or_else(|| tally.forfeited());
        if counted != *outcome {
            return Err(bad("the reveals give another outcome"));
        }
        Ok(())
    }

    fn verified_records(
        &self,
        verifier: &mut Verifier,
    ) -> Result<BTreeMap<RecordId, Verified>, Rejection> {
        let mut records = BTreeMap::new();
        for record in &self.records {
            // The state digest commits to the ids of records, and an id includes the author.
            if !verifier.knows(&record.body.by) {
                verifier.add_author(record.body.by)?;
            }
            let record = verifier.verify(Signed::try_from(record.clone())?)?;
            records.insert(record.id(), record);
        }
        Ok(records)
    }
}

/// The sealers of the height after a header that changed them.
fn next_sealers(
    seal: &Seal,
    next: &[NodeId],
    verifier: &mut Verifier,
) -> Result<Sealers, Rejection> {
    if sealers_digest(next.iter().copied()) != seal.sealers {
        return Err(bad("the sealers are not the stated ones"));
    }
    for node in next {
        if !verifier.knows(node) {
            verifier.add_author(*node)?;
        }
    }
    Ok(Sealers::new(next.to_vec()))
}
