//! A host's disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::digest::{OperationId, RecordId};
use crate::base::limits::EVIDENCE_HEIGHTS;
use crate::core::{Base, RecentSeal, Saved, Write};
use crate::ledger::{Checkpoint, Ledger, RememberedOperation, StoredPast};
use crate::members::sealers::Sealers;
use crate::statement::genesis::Genesis;
use crate::statement::record::{Record, Statement};
use crate::statement::seal::SealedBlock;

/// What survives a crash.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Sealed blocks by height, from 1 on.
    pub blocks: Vec<Arc<SealedBlock>>,
    /// The rest of what a core keeps.
    pub saved: Saved,
    /// Writes that can wait, and are lost if the machine stops.
    waiting: Vec<Write>,
    /// Whether a write of this input could not wait: then all of them are durable.
    is_firm: bool,
    /// The sealers of each block, and of the next.
    sealers: Vec<Arc<Sealers>>,
    /// A stored state, and the outcomes of the operations up to it.
    checkpoint: Option<(Checkpoint, Vec<(OperationId, RememberedOperation)>)>,
}

impl Disk {
    /// The writes of another input follow.
    pub(super) fn begin(&mut self) {
        self.is_firm = false;
    }

    /// Stores a write of a core.
    pub fn write(&mut self, write: &Write) {
        self.is_firm |= !write.can_wait();
        self.waiting.push(write.clone());
        if self.is_firm {
            for write in std::mem::take(&mut self.waiting) {
                self.store(&write);
            }
        }
    }

    fn store(&mut self, write: &Write) {
        self.saved.write(write);
        if let Write::Block { block, applied } = write {
            self.blocks.push(block.clone());
            let next = applied.sealers.as_ref().or(self.sealers.last());
            self.sealers.extend(next.cloned());
        }
    }

    /// The machine stopped: what waited is lost.
    pub(super) fn stop(&mut self) {
        self.waiting.clear();
    }

    /// The disk of a node that starts for the first time.
    pub(super) fn new(genesis: &Genesis) -> Self {
        Self {
            sealers: vec![Ledger::new(genesis).state().sealers().clone()],
            ..Self::default()
        }
    }

    /// The state from which a core starts again, and the number of blocks it replaces.
    pub(super) fn base(&self) -> Option<(Base, usize)> {
        let (checkpoint, closed) = self.checkpoint.clone()?;
        let height = usize::try_from(checkpoint.seal.height).ok()?;
        let blocks = &self.blocks[..height];
        let open: BTreeSet<RecordId> = checkpoint
            .open
            .iter()
            .flat_map(|stored| stored.snapshot.records())
            .collect();
        let records = blocks.iter().flat_map(|block| &block.records);
        let first = height.saturating_sub(usize::try_from(EVIDENCE_HEIGHTS).ok()?);
        let recent = blocks.iter().zip(&self.sealers).skip(first);
        let is_rejoin = |record: &&Record| matches!(record.body.what, Statement::Rejoin { .. });
        let base = Base {
            past: StoredPast {
                seals: blocks.iter().map(|block| block.seal.id()).collect(),
                closed,
                rejoins: records
                    .clone()
                    .filter(is_rejoin)
                    .map(|record| record.body.id())
                    .collect(),
            },
            records: records
                .filter(|record| open.contains(&record.body.id()))
                .cloned()
                .collect(),
            recent: recent
                .map(|(block, sealers)| RecentSeal {
                    seal: block.seal.id(),
                    certificate: block.certificate.clone(),
                    sealers: sealers.clone(),
                })
                .collect(),
            checkpoint,
        };
        Some((base, height))
    }

    /// Stores the state for the next start.
    pub(super) fn keep(&mut self, ledger: &Ledger) {
        let closed = ledger.past().all_closed();
        let closed = closed.map(|(id, closed)| (id, closed.clone())).collect();
        self.checkpoint = Some((ledger.checkpoint(), closed));
    }

    /// The blocks from a height on.
    pub fn blocks_from(&self, height: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        let blocks = self.blocks.iter();
        blocks.filter(move |block| block.seal.height >= height)
    }
}
