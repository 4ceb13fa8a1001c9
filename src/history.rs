//! The sealed log as a host keeps it: blocks and what each changed. Answers questions about the past and makes
//! certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agenda::{OpenOperation, Phase};
use crate::certificate::{Certificate, PathStep};
use crate::digest::{NodeId, OperationId};
use crate::genesis::Genesis;
use crate::ledger::{
    Applied, EffectEntry, Evidence, Ledger, MemberChange, OperationProof, StateParts,
};
use crate::params::Params;
use crate::record::{Signed, Verified, Verifier};
use crate::rejection::Rejection;
use crate::seal::SealedBlock;
use crate::sealers::Sealers;
use crate::trust::{Standing, TrustEntry};

/// What is kept of one height.
#[derive(Debug, Clone)]
struct Entry {
    block: Arc<SealedBlock>,
    parts: StateParts,
    sealers: Option<Arc<Sealers>>,
    members: Vec<MemberChange>,
}

/// A closed operation with its place in the closing seal's state.
#[derive(Debug, Clone)]
struct ClosedEntry {
    operation: Arc<OpenOperation>,
    height: u64,
    proof: OperationProof,
}

/// The sealed log from height 1 on. Grows with the ledger: blocks are shared, not copied.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    closed: BTreeMap<OperationId, ClosedEntry>,
    trust: BTreeMap<NodeId, Vec<TrustEntry>>,
    evidence: Vec<Evidence>,
    effects: BTreeMap<OperationId, EffectEntry>,
}

impl History {
    /// Adds the next height.
    ///
    /// # Panics
    ///
    /// If it is not the next.
    pub fn push(&mut self, block: Arc<SealedBlock>, applied: &Applied) {
        assert_eq!(
            block.seal.height,
            self.height() + 1,
            "blocks are kept without gaps"
        );
        for operation in &applied.closed {
            let id = operation.id();
            let proof = applied.proof(&id).expect("a seal can prove what it closed");
            let entry = ClosedEntry {
                operation: operation.clone(),
                height: applied.height,
                proof,
            };
            self.closed.insert(id, entry);
        }
        for (node, entry) in &applied.trust {
            self.trust.entry(*node).or_default().push(*entry);
        }
        self.evidence.extend(applied.evidence.iter().cloned());
        let effects = applied.effects.iter();
        self.effects
            .extend(effects.map(|effect| (effect.operation, effect.clone())));
        self.entries.push(Entry {
            block,
            parts: applied.parts.clone(),
            sealers: applied.sealers.clone(),
            members: applied.members.clone(),
        });
    }

    /// The last height.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The blocks from a height on.
    pub fn blocks_from(&self, height: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        let skip = usize::try_from(height.saturating_sub(1)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).map(|entry| &entry.block)
    }

    /// Why a member's score is what it is: every change, oldest first.
    #[must_use]
    pub fn explain(&self, node: &NodeId) -> &[TrustEntry] {
        self.trust.get(node).map_or(&[], Vec::as_slice)
    }

    /// A member's trust (parts per million) and standing after a height; `None` if it was no member then.
    #[must_use]
    pub fn trust_at(
        &self,
        genesis: &Genesis,
        node: &NodeId,
        height: u64,
    ) -> Option<(u32, Standing)> {
        let is_founder = genesis.members.iter().any(|member| member.node == *node);
        let start = is_founder.then_some((genesis.params.founder_trust_ppm, Standing::Active));
        let until = usize::try_from(height).unwrap_or(usize::MAX);
        self.entries
            .iter()
            .take(until)
            .rev()
            .flat_map(|entry| entry.members.iter().rev())
            .find(|change| change.node == *node)
            .map_or(start, |change| {
                change
                    .now
                    .map(|(_, trust_ppm, standing)| (trust_ppm, standing))
            })
    }

    /// Every proved equivocation, oldest first.
    #[must_use]
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// What became of an approved operation's effect.
    #[must_use]
    pub fn effect(&self, operation: &OperationId) -> Option<&EffectEntry> {
        self.effects.get(operation)
    }

    /// A closed operation with its records.
    #[must_use]
    pub fn closed(&self, operation: &OperationId) -> Option<&OpenOperation> {
        let entry = self.closed.get(operation)?;
        debug_assert!(matches!(entry.operation.phase(), Phase::Closed));
        Some(&entry.operation)
    }

    /// The certificate of a closed operation; `None` for any other.
    #[must_use]
    pub fn certificate(&self, genesis: &Genesis, operation: &OperationId) -> Option<Certificate> {
        let closed = self.closed.get(operation)?;
        let frozen_height = closed.operation.frozen().map(|frozen| frozen.height);
        let mut roster = Ledger::new(genesis).genesis_seal().roster;
        let until = usize::try_from(closed.height).ok()?;
        let path = self.entries[..until]
            .iter()
            .map(|entry| {
                let seal = &entry.block.seal;
                let is_new_roster = std::mem::replace(&mut roster, seal.roster) != seal.roster;
                let is_certified = entry.sealers.is_some()
                    || frozen_height == Some(seal.height)
                    || closed.height == seal.height;
                PathStep {
                    seal: seal.clone(),
                    parts: is_new_roster.then(|| entry.parts.clone()),
                    sealers: entry.sealers.as_deref().cloned(),
                    certificate: is_certified.then(|| entry.block.certificate.clone()),
                }
            })
            .collect();
        let operation = &closed.operation;
        Some(Certificate {
            v: 1,
            net: genesis.network_id(),
            path,
            snapshot: operation.snapshot(),
            proof: closed.proof.clone(),
            electorate: operation.electorate().iter().collect(),
            records: operation
                .records()
                .map(|record| record.record().clone())
                .collect(),
        })
    }

    /// What the members' trust would be if the network had started with other parameters: the sealed log is applied again,
    /// with the same records at the same times; what would not have been accepted under them is left out.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the parameters are not valid.
    pub fn what_if(
        &self,
        genesis: &Genesis,
        params: Params,
    ) -> Result<BTreeMap<NodeId, u32>, Rejection> {
        let changed = Genesis {
            params,
            ..genesis.clone()
        };
        changed.check()?;
        let mut verifier = Verifier::new(genesis.network_id());
        let mut ledger = Ledger::alternative(genesis, &changed);
        for entry in &self.entries {
            let records: Vec<Verified> = entry
                .block
                .records
                .iter()
                .filter_map(|record| {
                    // Sealed records were verified once; their authors' keys are good.
                    verifier.add_author(record.body.by).ok()?;
                    verifier.verify(Signed::try_from(record.clone()).ok()?).ok()
                })
                .collect();
            ledger.replay(&entry.block.seal, records);
        }
        let roster = ledger.state().roster();
        Ok(roster
            .iter()
            .map(|(node, member)| (node, member.trust.trust_ppm()))
            .collect())
    }
}
