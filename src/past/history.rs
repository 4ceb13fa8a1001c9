//! The sealed log in memory: blocks and the changes made by each. It answers queries about the past.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::digest::{Digest, NodeId, OperationId};
use crate::decision::open::OpenOperation;
use crate::ledger::{Applied, Closed, EffectEntry, Evidence, Ledger, MemberChange};
use crate::members::roster::MemberLine;
use crate::members::trust::TrustEntry;
use crate::past::archive::{
    Archive, ArchiveError, ClosedSummary, DecidedAt, DecidedOperation, Logs,
};
use crate::statement::genesis::Genesis;
use crate::statement::record::Seal;
use crate::statement::seal::SealedBlock;

/// The kept data of one height.
#[derive(Debug, Clone)]
struct Entry {
    block: Arc<SealedBlock>,
    rest: Digest,
    /// Who seals the next height, in the order of their keys, if these are others.
    sealers: Option<Vec<NodeId>>,
    members: Vec<MemberChange>,
}

/// A closed operation.
#[derive(Debug, Clone)]
struct ClosedEntry {
    operation: Arc<OpenOperation>,
    height: u64,
}

/// The sealed log from height 1 on. Grows with the ledger: blocks are shared, not copied.
#[derive(Debug, Clone)]
pub struct History {
    genesis: Genesis,
    entries: Vec<Entry>,
    closed: BTreeMap<OperationId, ClosedEntry>,
    trust: BTreeMap<NodeId, Vec<TrustEntry>>,
    evidence: Vec<Evidence>,
    effects: BTreeMap<OperationId, EffectEntry>,
    leaves: Vec<Digest>,
}

impl History {
    /// The log before its first seal.
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            genesis: genesis.clone(),
            entries: Vec::new(),
            closed: BTreeMap::new(),
            trust: BTreeMap::new(),
            evidence: Vec::new(),
            effects: BTreeMap::new(),
            leaves: Vec::new(),
        }
    }

    /// Adds the next height.
    ///
    /// # Panics
    ///
    /// If it is not the next one.
    pub fn push(&mut self, block: Arc<SealedBlock>, applied: &Applied) {
        assert_eq!(
            block.seal.height,
            self.height() + 1,
            "blocks are kept without gaps"
        );
        for operation in &applied.closed {
            let id = operation.id();
            let entry = ClosedEntry {
                operation: operation.clone(),
                height: applied.height,
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
        self.leaves.extend_from_slice(&applied.leaves);
        self.entries.push(Entry {
            block,
            rest: applied.parts.rest,
            sealers: applied.other_sealers.clone(),
            members: applied.members.clone(),
        });
    }

    /// The last height.
    pub fn height(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The blocks from a height on.
    pub fn blocks_from(&self, height: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        let skip = usize::try_from(height.saturating_sub(1)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).map(|entry| &entry.block)
    }

    fn line_of(&self, node: &NodeId, height: u64) -> Option<MemberLine> {
        let genesis = &self.genesis;
        let founder = genesis.members.iter().find(|member| member.node == *node);
        let start = founder.map(|founder| MemberLine::of_founder(founder, &genesis.params));
        let until = usize::try_from(height).unwrap_or(usize::MAX);
        self.entries
            .iter()
            .take(until)
            .rev()
            .flat_map(|entry| entry.members.iter().rev())
            .find(|change| change.node == *node)
            .map_or(start, |change| change.now.clone())
    }
}

impl Archive for History {
    fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, ArchiveError> {
        Ok(self.trust.get(node).cloned().unwrap_or_default())
    }

    fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<MemberLine>, ArchiveError> {
        Ok(self.line_of(node, height))
    }

    fn evidence(&self) -> Result<Vec<Evidence>, ArchiveError> {
        Ok(self.evidence.clone())
    }

    fn refused_effect(
        &self,
        operation: &OperationId,
    ) -> Result<Option<Cow<'static, str>>, ArchiveError> {
        let effect = self.effects.get(operation);
        Ok(effect.and_then(|effect| effect.result.err().map(Cow::Borrowed)))
    }

    fn all_closed(&self) -> Result<Vec<ClosedSummary>, ArchiveError> {
        self.closed
            .iter()
            .map(|(id, entry)| {
                let operation = &entry.operation;
                let decision = operation.decision();
                let decision = decision.expect("an operation closes only when it is decided");
                Ok(ClosedSummary {
                    operation: *id,
                    kind: operation.operation().kind().into(),
                    class: operation.class(),
                    proposer: operation.proposal().author(),
                    subject: operation.operation().subject(),
                    closed: Closed {
                        outcome: decision.outcome.clone(),
                        decided_height: decision.height,
                        closed_height: entry.height,
                    },
                    refused_effect: self.refused_effect(id)?,
                })
            })
            .collect()
    }

    fn closed(&self, operation: &OperationId) -> Result<Option<Arc<OpenOperation>>, ArchiveError> {
        let entry = self.closed.get(operation);
        Ok(entry.map(|entry| entry.operation.clone()))
    }

    fn closed_since(&self, height: u64) -> Result<Vec<DecidedAt>, ArchiveError> {
        let since = self.closed.iter().filter(|(_, it)| it.height >= height);
        let decided = since.filter_map(|(id, entry)| {
            Some(DecidedAt {
                operation: *id,
                kind: entry.operation.operation().kind().into(),
                height: entry.operation.decision()?.height,
            })
        });
        Ok(decided.collect())
    }

    fn decided(&self, operation: &OperationId) -> Result<Option<DecidedOperation>, ArchiveError> {
        let entry = self.closed.get(operation);
        Ok(entry.and_then(|entry| DecidedOperation::of(&entry.operation)))
    }

    fn header(&self, height: u64) -> Result<Option<Seal>, ArchiveError> {
        let at = height.checked_sub(1).map(usize::try_from);
        let entry = at.and_then(|at| self.entries.get(at.ok()?));
        Ok(entry.map(|entry| entry.block.seal.clone()))
    }

    fn logs(&self) -> Result<Option<Logs>, ArchiveError> {
        let Some(last) = self.entries.last() else {
            return Ok(None);
        };
        let genesis = Ledger::new(&self.genesis).genesis_seal().id();
        let seals = self.entries.iter().map(|entry| entry.block.seal.id());
        let parts = |block: &SealedBlock| (block.seal.clone(), block.certificate.clone());
        let changes = self.entries.iter().filter_map(|entry| {
            let sealers = entry.sealers.clone()?;
            let (seal, certificate) = parts(&entry.block);
            Some((seal, certificate, sealers))
        });
        Ok(Some(Logs {
            seals: std::iter::once(genesis).chain(seals).collect(),
            leaves: self.leaves.clone(),
            changes: changes.collect(),
            last: parts(&last.block),
            rest: last.rest,
        }))
    }

    fn block(&self, height: u64) -> Result<Option<Arc<SealedBlock>>, ArchiveError> {
        Ok(self.blocks_from(height.max(1)).next().cloned())
    }
}
