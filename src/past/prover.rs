//! Makes certificates and indexes out of an archive.

use std::collections::BTreeMap;

use crate::base::digest::{Digest, OperationId};
use crate::base::limits::{CERTIFICATE_BYTES_MAX, INDEX_BYTES_MAX};
use crate::base::merkle::Tree;
use crate::base::rejection::Rejection;
use crate::decision::leaf::{LeafOutcome, items_tree};
use crate::ledger::{Ledger, StateParts};
use crate::members::roster::Elector;
use crate::past::archive::{Archive, ArchiveError, DecidedOperation};
use crate::past::certificate::{CERTIFICATE_VERSION, Certificate, ShownItems};
use crate::past::chain::{Chain, ChangeOfSealers, seal_leaf};
use crate::past::index::{INDEX_VERSION, Index, Indexed};
use crate::past::precommits::Precommits;
use crate::statement::genesis::Genesis;

/// What the certificates of one seal have in common. Making it reads the ids of all seals and the hashes of all leaves, 32 bytes each;
/// a certificate then reads its operation.
pub struct Prover<'a> {
    archive: &'a dyn Archive,
    genesis: &'a Genesis,
    chain: Chain,
    log: Tree,
}

fn damaged(what: &str) -> ArchiveError {
    ArchiveError(what.to_owned())
}

fn over(what: &'static str, limit: usize) -> ArchiveError {
    ArchiveError(Rejection::OverLimit { what, limit }.to_string())
}

impl<'a> Prover<'a> {
    /// Leads to the last seal of an archive; `None` before the first.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`].
    pub fn new(
        archive: &'a dyn Archive,
        genesis: &'a Genesis,
    ) -> Result<Option<Self>, ArchiveError> {
        let Some(logs) = archive.logs()? else {
            return Ok(None);
        };
        let (head, certificate) = logs.last;
        let before = logs
            .seals
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        let seals = Tree::new(before.iter().map(|id| seal_leaf(*id)).collect());
        let mut sealers = Ledger::new(genesis).state().sealers().sorted();
        let mut changes = Vec::new();
        for (seal, certificate, next) in logs.changes {
            if seal.height >= head.height {
                break;
            }
            let index = usize::try_from(seal.height);
            let index = index.map_err(|_| damaged("a height is too large"))?;
            changes.push(ChangeOfSealers {
                precommits: Precommits::of(&certificate, &seal, &sealers),
                seal,
                sealers: next.clone(),
                path: seals.path(index),
            });
            sealers = next;
        }
        let (decisions, log) = (logs.leaves.len() as u64, Tree::new(logs.leaves));
        let parts = StateParts {
            seals: seals.root(),
            decisions,
            decided: log.root(),
            rest: logs.rest,
        };
        if parts.digest() != head.state {
            return Err(damaged("the logs are not those that the last seal states"));
        }
        let chain = Chain {
            changes,
            precommits: Precommits::of(&certificate, &head, &sealers),
            head,
            parts,
        };
        Ok(Some(Self {
            archive,
            genesis,
            chain,
            log,
        }))
    }

    /// The certificate of a closed operation, or of one item of a claim set; `None` for an operation that is not closed, and for an item that
    /// has no outcome of its own.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]; also if the certificate would be longer than [`CERTIFICATE_BYTES_MAX`].
    pub fn certificate(
        &self,
        operation: &OperationId,
        item: Option<usize>,
    ) -> Result<Option<Certificate>, ArchiveError> {
        let Some(decided) = self.archive.decided(operation)? else {
            return Ok(None);
        };
        let DecidedOperation {
            index: place,
            leaf,
            items,
            electors,
        } = decided;
        let shown = match (&leaf.decided, item) {
            (LeafOutcome::Whole { .. }, None) => ShownItems::None,
            (LeafOutcome::Whole { .. }, Some(_)) => return Ok(None),
            (LeafOutcome::Items { .. }, None) => ShownItems::All(items),
            (LeafOutcome::Items { .. }, Some(at)) => {
                let Some(leaf) = items.get(at).cloned() else {
                    return Ok(None);
                };
                let index = u32::try_from(at).map_err(|_| damaged("an item's place"))?;
                let path = items_tree(&items).path(at);
                ShownItems::One { index, path, leaf }
            }
        };
        let at = usize::try_from(place).map_err(|_| damaged("a place in the log"))?;
        if at >= self.log.leaves().len() {
            // It was decided since the logs were read.
            return Ok(None);
        }
        let certificate = Certificate {
            v: CERTIFICATE_VERSION,
            net: self.genesis.network_id(),
            chain: self.chain.clone(),
            index: place,
            path: self.log.path(at),
            leaf,
            electors,
            items: shown,
        };
        if certificate.encode().len() > CERTIFICATE_BYTES_MAX {
            return Err(over("bytes of a certificate", CERTIFICATE_BYTES_MAX));
        }
        Ok(Some(certificate))
    }

    /// The index of the operations for which `is_shown` says so, by id and deciding height; of the others it has the hashes. An operation that is
    /// not closed yet is hidden.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]; also if the index would be longer than [`INDEX_BYTES_MAX`].
    pub fn index(
        &self,
        is_shown: &mut dyn FnMut(&OperationId, u64) -> bool,
    ) -> Result<Index, ArchiveError> {
        let hidden = self.log.leaves().iter().copied().map(Indexed::Hidden);
        let mut log: Vec<Indexed> = hidden.collect();
        let mut electorates: BTreeMap<Digest, Vec<Elector>> = BTreeMap::new();
        for closed in self.archive.closed_since(0)? {
            if !is_shown(&closed.operation, closed.height) {
                continue;
            }
            let decided = self.archive.decided(&closed.operation)?;
            let decided = decided.ok_or_else(|| damaged("a closed operation is missing"))?;
            // It may have been decided since the logs were read.
            let place = usize::try_from(decided.index);
            let place = place.ok().and_then(|at| log.get_mut(at));
            let Some(place) = place else { continue };
            let (leaf, items) = (decided.leaf, decided.items);
            electorates.entry(leaf.electors).or_insert(decided.electors);
            *place = Indexed::Shown(leaf, items);
        }
        let index = Index {
            v: INDEX_VERSION,
            net: self.genesis.network_id(),
            chain: self.chain.clone(),
            log,
            electorates: electorates.into_values().collect(),
        };
        if index.encode().len() > INDEX_BYTES_MAX {
            return Err(over("bytes of an index", INDEX_BYTES_MAX));
        }
        Ok(index)
    }
}
