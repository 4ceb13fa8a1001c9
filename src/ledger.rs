//! The ledger: the state after a seal, and how a seal changes it ([H2]).
//!
//! [`State`] is a value: applying a seal makes a new one that shares the unchanged parts, so a proposal can be tried without
//! side effects. [`Ledger`] holds the sealed state and the parts of the past that rules need.
//!
//! Nothing here knows a clock, a vote or a socket. `finality`, which agrees on seals, and this module do not import each other;
//! both use the sealers of [`crate::members`].

mod applied;
mod apply;
mod checkpoint;
mod closed;
mod digest;
mod effects;
mod filing;
mod queue;
mod refounding;
mod scores;
mod succession;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use applied::{Applied, Dropped, EffectEntry, Evidence, MemberChange, Mode};
pub use checkpoint::{Checkpoint, StoredPast};
pub use closed::{Closed, RememberedOperation, RememberedOutcome};
pub use digest::StateParts;
pub(crate) use filing::proposal_cap;
pub use refounding::{Founding, known_successions, refounded};
pub(crate) use work::SealRoom;

use crate::base::codec;
use crate::base::digest::{Digest, NodeId, OperationId, RecordId, STATE_PART, SealId};
use crate::base::merkle::Frontier;
use crate::base::rejection::Rejection;
use crate::decision::open::OpenOperation;
use crate::members::roster::Roster;
use crate::members::sealers::Sealers;
use crate::statement::genesis::{Genesis, PanelScoring, Sealing};
use crate::statement::operation::{Class, ConsensusOperation};
use crate::statement::params::Params;
use crate::statement::record::{Seal, Verified};
use crate::statement::seal::list_digest;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The configuration map with its digest, which is computed only when the map changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    map: BTreeMap<String, Vec<u8>>,
    digest: Digest,
}

impl Config {
    fn new(map: BTreeMap<String, Vec<u8>>) -> Self {
        let lines: Vec<(&String, &serde_bytes::Bytes)> = map
            .iter()
            .map(|(key, value)| (key, serde_bytes::Bytes::new(value)))
            .collect();
        let digest = Digest::from_bytes(STATE_PART.hash(&codec::encode(&lines)));
        Self { map, digest }
    }

    /// The map.
    pub fn map(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.map
    }
}

/// An open operation with the digest of its state, which is computed only when the operation changes.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) operation: Arc<OpenOperation>,
    pub(crate) digest: Digest,
}

impl Held {
    fn new(operation: OpenOperation) -> Self {
        let digest = operation.snapshot().digest();
        let operation = Arc::new(operation);
        Self { operation, digest }
    }
}

/// The ledger after one seal.
#[derive(Debug, Clone)]
pub struct State {
    height: u64,
    seal: SealId,
    time_ms: u64,
    roster: Roster,
    params: Arc<Params>,
    config: Arc<Config>,
    open: BTreeMap<OperationId, Held>,
    open_by_author: BTreeMap<NodeId, usize>,
    /// The sealers of the next height in the order of the queue ([S5]).
    sealers: Arc<Sealers>,
    /// The seals in a row that the front of the queue proposed.
    tenure: u32,
    /// The open claims by what they ask.
    asked: BTreeMap<Digest, OperationId>,
    due_ms: Option<u64>,
    /// The ids of all seals before the present one.
    seals: Frontier,
    /// The leaves of all decided operations.
    decided: Frontier,
    sealing: Sealing,
    panel_scoring: PanelScoring,
}

/// The digest of a claim; claims that ask exactly the same have the same one. `None` for other operations.
fn question_of(operation: &ConsensusOperation) -> Option<Digest> {
    (operation.class() == Class::Claim)
        .then(|| Digest::from_bytes(STATE_PART.hash(&codec::encode(operation))))
}

fn in_order(sealers: Vec<NodeId>) -> Arc<Sealers> {
    Arc::new(Sealers::new(sealers))
}

impl State {
    fn genesis(genesis: &Genesis) -> (Self, Seal) {
        let roster = Roster::founders(genesis);
        let taken_up = genesis.follows.iter().flat_map(|it| &it.config);
        let config = taken_up.map(|(name, value)| (name.clone(), value.0.clone()));
        let config = config.collect();
        let mut state = Self {
            height: 0,
            seal: SealId::default(),
            time_ms: genesis.time_ms,
            sealers: in_order(roster.sealers(genesis.sealing)),
            tenure: 0,
            asked: BTreeMap::new(),
            due_ms: None,
            roster,
            params: Arc::new(genesis.params.clone()),
            config: Arc::new(Config::new(config)),
            open: BTreeMap::new(),
            open_by_author: BTreeMap::new(),
            seals: Frontier::default(),
            decided: Frontier::default(),
            sealing: genesis.sealing,
            panel_scoring: genesis.panel_scoring,
        };
        let seal = Seal {
            net: genesis.network_id(),
            height: 0,
            prev: SealId::default(),
            time_ms: genesis.time_ms,
            count: 0,
            records: list_digest(&[]),
            state: state.parts(state.roster.digest()).digest(),
            roster: state.roster.digest(),
            sealers: state.sealers_digest(),
            round: 0,
        };
        state.seal = seal.id();
        (state, seal)
    }

    /// The height of the last seal.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The last seal.
    pub fn seal(&self) -> SealId {
        self.seal
    }

    /// Its time, milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The members.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The parameters of operations that open now.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The configuration map.
    pub fn config(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.config.map
    }

    /// The sealers of the next height, in the order in which they propose.
    pub fn sealers(&self) -> &Arc<Sealers> {
        &self.sealers
    }

    /// The seals in a row that the front of the queue proposed ([S5]).
    pub fn tenure(&self) -> u32 {
        self.tenure
    }

    /// An open operation.
    pub fn operation(&self, id: &OperationId) -> Option<&OpenOperation> {
        self.open.get(id).map(|held| held.operation.as_ref())
    }

    /// The open operations by id.
    pub fn operations(&self) -> impl Iterator<Item = &OpenOperation> {
        self.open.values().map(|held| held.operation.as_ref())
    }

    /// The number of open operations that this author proposed, with any of its keys.
    pub fn open_by(&self, author: &NodeId) -> usize {
        let keys = self.roster.keys_of(author);
        keys.filter_map(|key| self.open_by_author.get(&key)).sum()
    }

    /// The open claim that asks exactly the same.
    pub fn asked(&self, operation: &ConsensusOperation) -> Option<OperationId> {
        self.asked.get(&question_of(operation)?).copied()
    }

    /// The earliest seal time at which something changes without a further record ([S7]).
    pub fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    fn find_due_ms(&self) -> Option<u64> {
        let due = self.operations().map(|open| open.due_ms(&self.roster));
        due.flatten().min()
    }
}

/// The parts of the past that rules need: closed operations, the ids of seals, and `Rejoin`s.
#[derive(Debug, Clone, Default)]
pub struct Past {
    closed: BTreeMap<OperationId, RememberedOperation>,
    rejoins: BTreeSet<RecordId>,
    seals: BTreeMap<SealId, u64>,
}

impl Past {
    /// The summary of a closed operation.
    pub fn closed(&self, id: &OperationId) -> Option<&RememberedOperation> {
        self.closed.get(id)
    }

    /// The summaries of all closed operations by id.
    pub fn all_closed(&self) -> impl Iterator<Item = (OperationId, &RememberedOperation)> {
        self.closed.iter().map(|(id, closed)| (*id, closed))
    }

    /// Whether a seal listed this `Rejoin`.
    pub fn has_rejoined(&self, id: &RecordId) -> bool {
        self.rejoins.contains(id)
    }

    /// The height of a sealed seal.
    pub fn height_of(&self, seal: &SealId) -> Option<u64> {
        self.seals.get(seal).copied()
    }
}

/// The sealed state and the parts of the past that rules need.
#[derive(Debug, Clone)]
pub struct Ledger {
    state: State,
    past: Past,
    genesis_seal: Seal,
    last: Seal,
}

/// The result of trying records on a state: the seal for these records, and the state after it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The seal.
    pub seal: Seal,
    /// Its records in the order of their ids.
    pub records: Vec<Verified>,
    /// The changes.
    pub applied: Applied,
    state: State,
}

impl Draft {
    /// The earliest seal time at which something changes after it without a further record ([S7]).
    pub fn due_ms(&self) -> Option<u64> {
        self.state.due_ms()
    }
}

impl Ledger {
    /// The ledger at its genesis.
    pub fn new(genesis: &Genesis) -> Self {
        let (state, genesis_seal) = State::genesis(genesis);
        let mut past = Past::default();
        past.seals.insert(state.seal, 0);
        Self {
            state,
            past,
            last: genesis_seal.clone(),
            genesis_seal,
        }
    }

    /// The ledger at a changed genesis, which takes the records of the original network.
    pub(crate) fn alternative(original: &Genesis, changed: &Genesis) -> Self {
        let mut ledger = Self::new(changed);
        let original = Self::new(original);
        ledger.past.seals.extend(original.past.seals);
        ledger
    }

    /// The state after the last seal.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The parts of the past that rules need.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// The last seal.
    pub fn last_seal(&self) -> &Seal {
        &self.last
    }

    /// Seal 0.
    pub fn genesis_seal(&self) -> &Seal {
        &self.genesis_seal
    }

    /// Tries records on the state after the last seal, for a seal that is first proposed in this round. [`Mode::Strict`] fails at the first record that does not apply,
    /// [`Mode::Lenient`] leaves it out. The ledger does not change.
    ///
    /// # Errors
    ///
    /// The record and why it does not apply (in strict mode only).
    pub fn draft(
        &self,
        round: u32,
        time_ms: u64,
        records: Vec<Verified>,
        mode: Mode,
    ) -> Result<(Draft, Vec<Dropped>), Dropped> {
        let (mut state, applied, kept, dropped) =
            apply::apply(&self.state, &self.past, round, time_ms, records, mode)?;
        let ids: Vec<RecordId> = kept.iter().map(Verified::id).collect();
        let seal = Seal {
            net: self.genesis_seal.net,
            height: state.height,
            prev: self.state.seal,
            time_ms,
            count: u32::try_from(ids.len()).expect("a seal takes at most 10,000 records"),
            records: list_digest(&ids),
            state: applied.parts.digest(),
            roster: applied.roster,
            sealers: state.sealers_digest(),
            round,
        };
        state.seal = seal.id();
        let draft = Draft {
            seal,
            records: kept,
            applied,
            state,
        };
        Ok((draft, dropped))
    }

    /// Tries a stated seal with its records.
    ///
    /// # Errors
    ///
    /// [`Rejection::ImpossibleSeal`] if the seal does not follow the last one or states other digests; otherwise the rejection
    /// of a record.
    pub fn check(&self, seal: &Seal, records: Vec<Verified>) -> Result<Draft, Rejection> {
        if seal.net != self.genesis_seal.net {
            return Err(Rejection::WrongNetwork(seal.net));
        }
        if seal.height != self.state.height + 1 {
            return Err(Rejection::StaleSeal {
                height: seal.height,
                at: self.state.height,
            });
        }
        if seal.prev != self.state.seal {
            return Err(Rejection::ImpossibleSeal(
                "it does not follow the last seal",
            ));
        }
        if seal.time_ms <= self.state.time_ms {
            return Err(Rejection::ImpossibleSeal(
                "its time is not later than the last seal's",
            ));
        }
        if records.len() != seal.count as usize {
            return Err(Rejection::ImpossibleSeal("its record count is wrong"));
        }
        let (draft, _) = self
            .draft(seal.round, seal.time_ms, records, Mode::Strict)
            .map_err(|dropped| dropped.reason)?;
        if draft.seal != *seal {
            return Err(Rejection::ImpossibleSeal("its digests are wrong"));
        }
        if draft.records.is_empty() && !draft.applied.has_advanced {
            return Err(Rejection::ImpossibleSeal(
                "it has no records and changes nothing",
            ));
        }
        Ok(draft)
    }

    /// Applies a sealed list again under other parameters. Records that do not apply under them are left out, and the original
    /// seal's id stands for the new one.
    pub(crate) fn replay(&mut self, seal: &Seal, records: Vec<Verified>) -> Applied {
        let (draft, _) = self
            .draft(seal.round, seal.time_ms, records, Mode::Lenient)
            .expect("lenient drafts leave out records that do not apply");
        let applied = self.commit(draft);
        self.past.seals.insert(seal.id(), seal.height);
        applied
    }

    /// Moves to the state of a draft that was made from the current state.
    ///
    /// # Panics
    ///
    /// If the draft was made from another state.
    pub fn commit(&mut self, draft: Draft) -> Applied {
        assert_eq!(
            draft.seal.prev, self.state.seal,
            "a draft is committed to the state it was made from"
        );
        let Draft {
            seal,
            applied,
            state,
            ..
        } = draft;
        self.state = state;
        self.last = seal;
        self.past.seals.insert(self.state.seal, self.state.height);
        self.past.rejoins.extend(applied.rejoins.iter().copied());
        for operation in &applied.closed {
            let remembered = RememberedOperation::of(operation, self.state.height);
            self.past.closed.insert(operation.id(), remembered);
        }
        applied
    }
}
