//! The stored form of the sealed state, so that a start does not have to apply the whole past again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Config, Held, Ledger, Past, RememberedOperation, State, question_of};
use crate::base::digest::{NodeId, OperationId, RecordId, SealId};
use crate::base::merkle::Frontier;
use crate::base::rejection::Rejection;
use crate::decision::open::{OpenOperation, StoredOperation};
use crate::members::roster::{Member, Roster};
use crate::members::sealers::Sealers;
use crate::statement::genesis::Genesis;
use crate::statement::params::Params;
use crate::statement::record::{Seal, Verified};

/// The state after a seal, without records. Its size depends on members, configuration and open operations, not on the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The seal.
    pub seal: Seal,
    /// All members.
    pub members: Vec<(NodeId, Member)>,
    /// The keys of members that left.
    pub gone: BTreeSet<NodeId>,
    /// The parameters.
    pub params: Arc<Params>,
    /// The configuration map.
    pub config: BTreeMap<String, ByteBuf>,
    /// The sealers of the next height in the order of the queue.
    pub sealers: Arc<Sealers>,
    /// The seals in a row that the front of the queue proposed.
    pub tenure: u32,
    /// Open operations by id.
    pub open: Vec<StoredOperation>,
    /// The log of the ids of all seals before.
    pub seals: Frontier,
    /// The log of all decided operations.
    pub decided: Frontier,
}

impl Past {
    /// Takes up a stored past: the ids of all seals from height 1 on, in order, summaries of closed operations, and every
    /// `Rejoin`.
    pub(super) fn restore(
        &mut self,
        seals: impl IntoIterator<Item = SealId>,
        closed: impl IntoIterator<Item = (OperationId, RememberedOperation)>,
        rejoins: impl IntoIterator<Item = RecordId>,
    ) {
        self.seals.extend(seals.into_iter().zip(1..));
        self.closed.extend(closed);
        self.rejoins.extend(rejoins);
    }
}

impl Ledger {
    /// The state after the last seal, to be stored. The cost is proportional to its size.
    pub fn checkpoint(&self) -> Checkpoint {
        let state = &self.state;
        let config = state.config.map.iter();
        Checkpoint {
            seal: self.last.clone(),
            members: state
                .roster
                .iter()
                .map(|(node, member)| (node, member.clone()))
                .collect(),
            gone: state.roster.gone().clone(),
            params: state.params.clone(),
            config: config
                .map(|(key, value)| (key.clone(), ByteBuf::from(value.clone())))
                .collect(),
            sealers: state.sealers.clone(),
            tenure: state.tenure,
            open: state
                .open
                .values()
                .map(|held| held.operation.store())
                .collect(),
            seals: state.seals.clone(),
            decided: state.decided.clone(),
        }
    }

    /// Restores a stored state. The seal's digest tells whether it is the sealed one.
    ///
    /// `records` finds the records of open operations; `past` covers everything up to the checkpoint's seal.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the checkpoint belongs to another network, or differs from the state that its seal states.
    pub fn restore(
        genesis: &Genesis,
        checkpoint: &Checkpoint,
        records: &mut dyn FnMut(&RecordId) -> Option<Verified>,
        past: &StoredPast,
    ) -> Result<Self, Rejection> {
        let mut ledger = Self::new(genesis);
        let seal = &checkpoint.seal;
        if seal.net != ledger.genesis_seal.net {
            return Err(Rejection::WrongNetwork(seal.net));
        }
        let roster = Roster::restore(&checkpoint.members, &checkpoint.gone);
        let (mut open, mut asked) = (BTreeMap::new(), BTreeMap::new());
        let mut open_by_author: BTreeMap<NodeId, usize> = BTreeMap::new();
        for stored in &checkpoint.open {
            let held = Held::new(OpenOperation::restore(stored, records)?);
            let author = held.operation.proposal().author();
            *open_by_author.entry(author).or_default() += 1;
            if let Some(question) = question_of(held.operation.operation()) {
                asked.insert(question, held.operation.id());
            }
            open.insert(held.operation.id(), held);
        }
        let config = checkpoint.config.iter();
        let config = config.map(|(key, value)| (key.clone(), value.to_vec()));
        let mut state = State {
            height: seal.height,
            seal: seal.id(),
            time_ms: seal.time_ms,
            roster,
            params: checkpoint.params.clone(),
            config: Arc::new(Config::new(config.collect())),
            open,
            open_by_author,
            sealers: checkpoint.sealers.clone(),
            tenure: checkpoint.tenure,
            asked,
            due_ms: None,
            seals: checkpoint.seals.clone(),
            decided: checkpoint.decided.clone(),
            sealing: genesis.sealing,
            panel_scoring: genesis.panel_scoring,
        };
        state.due_ms = state.find_due_ms();
        let is_complete =
            past.seals.len() as u64 == seal.height && past.seals.last() == Some(&state.seal);
        if state.parts(state.roster.digest()).digest() != seal.state || !is_complete {
            return Err(Rejection::ImpossibleSeal(
                "the stored state is not the one that was sealed",
            ));
        }
        ledger.state = state;
        ledger.last = seal.clone();
        ledger.past.restore(
            past.seals.iter().copied(),
            past.closed.iter().cloned(),
            past.rejoins.iter().copied(),
        );
        Ok(ledger)
    }
}

/// The past that belongs to a [`Checkpoint`].
#[derive(Debug, Clone, Default)]
pub struct StoredPast {
    /// The ids of all seals from height 1 on, in order.
    pub seals: Vec<SealId>,
    /// Summaries of closed operations.
    pub closed: Vec<(OperationId, RememberedOperation)>,
    /// Every `Rejoin` that was sealed.
    pub rejoins: Vec<RecordId>,
}
