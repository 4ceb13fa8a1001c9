//! The core: one node's ledger, agreement, pool and journal, without I/O, clock, randomness or threads.
//!
//! [`Core::handle`] takes one [`Input`] and the host's clock, and returns what the host has to do, in order. The host must:
//!
//! 1. do the outputs in the order given; an [`Output::Persist`] must be durable before the next output is done, because it
//!    protects the [`Output::Send`]s after it ([C2]);
//! 2. call `handle` with [`Input::Tick`] at [`Core::next_due_ms`], and with [`Input::Nudge`] when it gives up waiting for a
//!    seal (after a timer, a new peer, or a person's request), and with [`Input::Lead`] when it shall not wait for its turn;
//! 3. keep sealed blocks and answer [`Output::Serve`] from them;
//! 4. after a start, [`Core::restore`] the persisted data ([`Saved`] gives the meaning of each [`Write`]).
//!
//! The state changes only through seals. Everything that a peer sends is bounded and verified, and then admitted, kept
//! as an orphan, or refused with a [`Rejection`]. Among the files, `admit.rs` takes records in, `statements.rs` signs
//! this node's records (each slot once, guarded by `journal.rs`), `sealing.rs` drives the agreement, `apply_seal.rs`
//! applies a seal, and `sync.rs` talks to peers.

mod admit;
mod apply_seal;
mod declaring;
mod endorsed;
mod exempt;
mod forks;
mod former;
mod gathering;
mod interface;
mod journal;
mod network;
mod orphans;
pub(crate) mod patience;
pub(crate) mod pool;
mod proposing;
mod query;
pub(crate) mod reconciliation;
mod refounding;
mod saved;
mod seal_judge;
mod seal_votes;
mod sealing;
mod statements;
mod sync;
mod twin;
mod worth;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use endorsed::{Backing, Endorsed, EndorsedPlan, Founded};
pub use former::sign_succession;
pub use interface::{Admission, Answer, Event, Input, Output, Outputs, PeerId, Timing};
pub use journal::{JournalEntry, Refusal};
pub use network::Network;
pub use query::{
    ItemStatus, OperationStatus, Pending, SealStatus, SigningState, Waiting, WindowStatus,
};
pub use refounding::sign_endorsement;
pub use saved::{Base, Declared, RecentSeal, Saved, Write};

// What inputs, outputs and answers consist of.
pub use crate::base::{codec::CodecError, digest::Commitment, digest::Salt};
pub use crate::decision::leaf::{ItemAnswer, ItemLeaf, Leaf, LeafAnswer, LeafOutcome};
pub use crate::decision::open::{OpenOperation, Snapshot};
pub use crate::exchange::{bundle::Unsealed, message::Message};
pub use crate::finality::{Blame, Sealers, Step};
pub use crate::ledger::{
    Applied, Checkpoint, Closed, EffectEntry, Founding, Ledger, MemberChange, StateParts,
    StoredPast,
};
pub use crate::members::trust::{Change, TrustState};
pub use crate::past::archive::{Archive, ArchiveError};
pub use crate::past::{
    archive::DecidedAt, archive::DecidedOperation, archive::Logs, certificate::ProvedItem,
    certificate::ShownItems, chain::Chain, chain::ChangeOfSealers, history::History, index::Index,
    index::Indexed, index::ShownOperation, precommits::Precommits, prover::Prover,
};
pub use crate::statement::commitment::sign_votes;
pub use crate::statement::record::{
    Body, KnownSuccession, Plan, Proof, Record, Seal, SignError, Slot, VoteKind,
};
pub use crate::statement::seal::{SealCertificate, SealedBlock};
pub use pool::Pool;

use gathering::Pace;
use journal::Journal;
use refounding::Refounding;
use sync::{CachedSnapshot, Link, Relaying};
use twin::Twin;

use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::base::identity::Signer;
use crate::base::rejection::Rejection;
use crate::core::orphans::Orphans;
use crate::finality::Agreement;
use crate::ledger::Draft;
use crate::statement::genesis::Genesis;
use crate::statement::operation::Ballot;
use crate::statement::record::{Signed, Statement, Verified, Verifier};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A decided height, kept for late votes: they can be evidence of equivocation and of forks.
struct Decided {
    seal: SealId,
    agreement: Agreement,
    reported: bool,
}

/// Whether this node may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// It may sign: votes on seals only above this height, and commits only to operations whose proposal names the seal
    /// of this height or a later one.
    Above(u64),
    /// The journal is lost.
    Lost,
    /// The journal is lost, and this `Rejoin` waits to be sealed.
    Rejoining(RecordId),
}

/// One node.
pub struct Core {
    net: NetworkId,
    me: NodeId,
    signer: Arc<dyn Signer>,
    /// The keys that this node's key replaced, as far as it holds them.
    former: Vec<Arc<dyn Signer>>,
    verifier: Verifier,
    ledger: Ledger,
    pool: Pool,
    orphans: Orphans,
    agreement: Agreement,
    /// The lists that travel beside proposals of the next height.
    lists: BTreeMap<SealId, Vec<RecordId>>,
    /// The seals whose lists are persisted.
    saved_lists: BTreeSet<SealId>,
    /// Proposals of the next height that apply.
    drafts: BTreeMap<SealId, Draft>,
    /// Proposals of the next height that do not apply.
    refused: BTreeSet<SealId>,
    /// Proposals and votes of the agreement that are exempt from the limits although no list has them.
    exempt_votes: BTreeSet<RecordId>,
    /// The last [`crate::base::limits::EVIDENCE_HEIGHTS`] heights, the latest last.
    recent: VecDeque<Decided>,
    /// The records of the last seal. A peer that does not have it yet may offer or send them.
    last_sealed: BTreeSet<RecordId>,
    journal: Journal,
    signing: Signing,
    /// The last declaration of a person that the journal is complete.
    declared: Declared,
    twin: Twin,
    refounding: Refounding,
    compromised: bool,
    /// Ballots for operations that do not take commits yet.
    intents: BTreeMap<OperationId, Ballot>,
    peers: BTreeSet<PeerId>,
    /// The authors of connections, as far as the host has told.
    authors: BTreeMap<PeerId, NodeId>,
    /// Authors of whose records this node lacked nothing at some time since its start.
    shown_by: BTreeSet<NodeId>,
    /// The state per peer; the host bounds their number.
    links: BTreeMap<PeerId, Link>,
    snapshot: Option<CachedSnapshot>,
    timing: Timing,
    now_ms: u64,
    correction_ms: i64,
    pace: Pace,
    /// Since when there is something to seal at this height ([S11]).
    waits_since_ms: Option<u64>,
    out: Vec<Output>,
    /// Rejections already reported in this input, by peer and code.
    told: BTreeSet<(Option<PeerId>, &'static str)>,
    relay: Vec<(Option<PeerId>, Verified)>,
    relaying: Relaying,
}

impl Core {
    /// A node at the genesis of its network.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the genesis is not valid.
    pub fn new(genesis: &Genesis, signer: Arc<dyn Signer>) -> Result<Self, Rejection> {
        genesis.check()?;
        Self::at(genesis, signer, Ledger::new(genesis))
    }

    /// A node that continues from a stored past.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the genesis is not valid, or the past is not the sealed one: the store is damaged, or belongs to
    /// another network.
    pub fn resume(
        genesis: &Genesis,
        signer: Arc<dyn Signer>,
        base: Base,
    ) -> Result<Self, Rejection> {
        genesis.check()?;
        let mut records = BTreeMap::new();
        for record in base.records {
            let record = Signed::try_from(record)?.trusted();
            records.insert(record.id(), record);
        }
        let mut find = |id: &RecordId| records.get(id).cloned();
        let ledger = Ledger::restore(genesis, &base.checkpoint, &mut find, &base.past)?;
        let mut core = Self::at(genesis, signer, ledger)?;
        let height = base.checkpoint.seal.height;
        for (recent, height) in base.recent.into_iter().rev().zip((1..=height).rev()) {
            // A sealer that left since can still be convicted of signing twice.
            for node in recent.sealers.iter() {
                core.verifier.add_author(node)?;
            }
            let mut agreement = Agreement::new(height, recent.sealers, Some(core.me));
            for vote in recent.certificate.votes {
                agreement.add_exempt(Signed::try_from(vote)?.trusted())?;
            }
            core.recent.push_front(Decided {
                seal: recent.seal,
                agreement,
                reported: false,
            });
        }
        let own = core.ledger.state().roster().get(&core.me);
        // A `Rejoin` by a former key says nothing about this one.
        let rejoined = own.and_then(|member| {
            let after = member.succeeded_ms.unwrap_or(0);
            member.rejoined.filter(|(_, time_ms)| *time_ms > after)
        });
        core.signing = Signing::Above(rejoined.map_or(0, |(height, _)| height));
        Ok(core)
    }

    fn at(genesis: &Genesis, signer: Arc<dyn Signer>, ledger: Ledger) -> Result<Self, Rejection> {
        let net = genesis.network_id();
        let mut verifier = Verifier::new(net);
        // An elector that left still reveals its commits.
        let state = ledger.state();
        let members = state.roster().iter().map(|(node, _)| node);
        let electors = state
            .operations()
            .flat_map(|open| open.electorate().iter().map(|it| it.node));
        // An author's second statement can still be evidence.
        let authors = state
            .operations()
            .flat_map(|open| open.records().map(Verified::author));
        let former = state.roster().former_keys();
        // Members that left may endorse a plan that goes on from a time when they were there.
        let gone = state.roster().gone().iter().copied();
        let known = members
            .chain(former)
            .chain(gone)
            .chain(electors)
            .chain(authors);
        let known: BTreeSet<NodeId> = known.collect();
        for node in known {
            verifier.add_author(node)?;
        }
        verifier.set_successors(state.roster().successors());
        verifier.set_sealers(state.sealers().iter());
        let me = signer.node_id();
        let height = state.height() + 1;
        let agreement = Agreement::new(height, state.sealers().clone(), Some(me));
        Ok(Self {
            net,
            me,
            signer,
            former: Vec::new(),
            verifier,
            ledger,
            pool: Pool::default(),
            orphans: Orphans::default(),
            agreement,
            lists: BTreeMap::new(),
            saved_lists: BTreeSet::new(),
            drafts: BTreeMap::new(),
            refused: BTreeSet::new(),
            exempt_votes: BTreeSet::new(),
            recent: VecDeque::new(),
            last_sealed: BTreeSet::new(),
            journal: Journal::default(),
            signing: Signing::Above(0),
            declared: Declared::default(),
            twin: Twin::default(),
            refounding: Refounding::default(),
            compromised: false,
            intents: BTreeMap::new(),
            peers: BTreeSet::new(),
            authors: BTreeMap::new(),
            shown_by: BTreeSet::new(),
            links: BTreeMap::new(),
            snapshot: None,
            timing: Timing::of(&genesis.params),
            now_ms: genesis.time_ms,
            correction_ms: 0,
            pace: Pace::default(),
            waits_since_ms: None,
            out: Vec::new(),
            told: BTreeSet::new(),
            relay: Vec::new(),
            relaying: Relaying::default(),
        })
    }

    /// Sets the node's times.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Sets how far the time by which this node judges and states the times of seals is ahead of the host's, in milliseconds;
    /// below zero if it is behind ([S6]). Waits are in the host's time, which never goes back.
    pub fn set_correction(&mut self, correction_ms: i64) {
        self.correction_ms = correction_ms;
    }

    /// The clock that this node goes by ([S6]).
    fn clock_ms(&self) -> u64 {
        self.now_ms.saturating_add_signed(self.correction_ms)
    }

    /// After a start, takes up the persisted data at the host's time `now_ms`: sealed blocks in order (those after the
    /// checkpoint, if there was one), and the rest. Blocks are this node's own: their signatures were verified before they were
    /// written.
    ///
    /// If blocks or records contain a statement of this node that the journal does not have, the journal is lost
    /// ([`Event::JournalLost`] comes with the first input). If the journal has a `Rejoin` that no block lists, the node
    /// continues to wait for it, unless [`Saved::journal_lost`] says that the journal was lost again. The time that records
    /// were held starts at zero.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if a journalled record is malformed, or a block does not follow or does not give its stated state: the
    /// store is damaged, or belongs to another network.
    pub fn restore(
        &mut self,
        saved: Saved,
        blocks: impl IntoIterator<Item = SealedBlock>,
        now_ms: u64,
    ) -> Result<(), Rejection> {
        self.now_ms = self.now_ms.max(now_ms);
        self.compromised = saved.compromised;
        self.declared = saved.declared;
        self.twin = Twin::restored(saved.twin, self.now_ms);
        self.refounding = Refounding::restored(saved.endorsed);
        for entry in saved.journal.into_values() {
            self.journal.restore(entry, &self.me)?;
        }
        for block in blocks {
            self.apply_block(block.try_into()?, true)?;
        }
        let intents = saved.intents.into_iter();
        self.intents
            .extend(intents.filter(|(id, _)| self.ledger.past().closed(id).is_none()));
        self.recover_agreement();
        for (seal, list) in saved.lists {
            self.exempt_listed(&list);
            self.saved_lists.insert(seal);
            self.lists.insert(seal, list);
        }
        // The limits kept these votes when they arrived. In the order of this restart, the limits might drop them.
        self.exempt_votes.extend(saved.votes.keys());
        self.restore_records(saved.records);
        for bytes in saved.votes.into_values() {
            let _ = self.admit_bytes(None, &bytes);
        }
        self.recover_signing();
        if saved.journal_lost {
            // The journal's `Rejoin`s answer earlier losses; the next one to be journalled ends this flag.
            self.signing = Signing::Lost;
        }
        // Only output that the restart caused is kept for the first input; everything else is persisted already.
        // `JournalLost` is told again below, if no `Rejoin` answered it.
        self.out.retain(|output| match output {
            Output::Persist(write) => matches!(
                write,
                Write::Forget(_)
                    | Write::Unjournal(_)
                    | Write::Intent { .. }
                    // A plan takes effect at the start, if the node stopped before it could note that.
                    | Write::Endorsed(_)
            ),
            _ => false,
        });
        self.relay.clear();
        if self.has_twin() {
            self.event(Event::TwinMet);
        }
        if self.signing == Signing::Lost {
            self.event(Event::JournalLost);
        }
        self.tell_refounded();
        self.keep_promises();
        Ok(())
    }

    /// Takes up unsealed records, including this node's, in the order in which they refer to one another. Forgets those
    /// that no longer apply.
    fn restore_records(&mut self, records: BTreeMap<RecordId, Vec<u8>>) {
        let own = self.journal.unsealed(&self.ledger);
        let mut all: Vec<Verified> = own.cloned().collect();
        let mut spent = Vec::new();
        for (id, bytes) in records {
            match self.verify_bytes(&bytes) {
                Ok(record) => all.push(record),
                Err(_) => spent.push(id),
            }
        }
        all.sort_by_key(|record| (record.statement().rank(), record.id()));
        for record in all {
            let id = record.id();
            if self.admit(None, record).is_err() && !self.journal.knows(&id) {
                spent.push(id);
            }
        }
        self.forget(spent);
    }

    /// Makes the host forget records that this node no longer holds and that no block contains.
    fn forget(&mut self, mut ids: Vec<RecordId>) {
        ids.retain(|id| self.find(id).is_none());
        if !ids.is_empty() {
            self.out.push(Output::Persist(Write::Forget(ids)));
        }
    }

    /// Handles one input at the host's time `now_ms` (milliseconds since 1970; the core's time never goes back).
    pub fn handle(&mut self, input: Input, now_ms: u64) -> Outputs {
        self.now_ms = self.now_ms.max(now_ms);
        let is_part_of_more = matches!(
            input,
            Input::ImportBlocks { .. } | Input::ImportUnsealed { .. }
        );
        self.told.clear();
        let answer = self.dispatch(input);
        if !is_part_of_more {
            self.run();
        }
        self.flush();
        let list = std::mem::take(&mut self.out);
        Outputs { answer, list }
    }

    fn dispatch(&mut self, input: Input) -> Result<Answer, Refusal> {
        match input {
            Input::Propose {
                operation,
                priority,
                ballot,
                nonce,
            } => self.propose(operation, priority, ballot, nonce),
            Input::Vote { operation, ballot } => self.vote(operation, ballot),
            Input::Direct { operation, approve } => {
                self.say_as_authority(Statement::Directive { operation, approve })
            }
            Input::Object { operation, reason } => {
                self.say_as_authority(Statement::Objection { operation, reason })
            }
            Input::Resolve { operation, approve } => {
                self.say_as_authority(Statement::Resolution { operation, approve })
            }
            Input::JournalLost => {
                self.lose_journal();
                Ok(Answer::Done)
            }
            Input::Rejoin { nonce } => self.rejoin(nonce),
            Input::Succeed { next } => self.succeed(next),
            Input::DeclareJournal => self.declare_journal(),
            Input::Endorse {
                plan,
                founding,
                is_sure,
            } => self.endorse(plan, *founding, is_sure),
            Input::Abandon => self.abandon(),
            Input::TwinMet => {
                self.meet_twin();
                Ok(Answer::Done)
            }
            Input::OutliveTwin => self.outlive_twin(),
            Input::Hold(is_asked) => {
                self.hold(is_asked);
                Ok(Answer::Done)
            }
            Input::Import { records } => Ok(Answer::Imported(
                records
                    .iter()
                    .map(|bytes| self.admit_bytes(None, bytes))
                    .collect(),
            )),
            Input::ImportBlocks { blocks } => Ok(self.import_blocks(&blocks)),
            Input::ImportUnsealed { parts } => Ok(Answer::Imported(
                parts
                    .into_iter()
                    .map(|part| self.import_unsealed(part))
                    .collect(),
            )),
            Input::Author { peer, author } => {
                self.authors.insert(peer, author);
                Ok(Answer::Done)
            }
            Input::PeerUp(peer) => {
                self.peers.insert(peer);
                // A new connection: messages on their way are lost.
                self.links.remove(&peer);
                self.greet(peer);
                Ok(Answer::Done)
            }
            Input::PeerDown(peer) => {
                self.peers.remove(&peer);
                self.links.remove(&peer);
                self.authors.remove(&peer);
                // The peer will offer these orphans again under a new connection number.
                self.orphans.forget_source(peer.0);
                self.ask_instead_of(peer);
                Ok(Answer::Done)
            }
            Input::Message { from, message } => {
                self.receive(from, message);
                Ok(Answer::Done)
            }
            Input::Sync(peer) => {
                self.greet(peer);
                Ok(Answer::Done)
            }
            Input::Nudge => {
                self.nudge();
                Ok(Answer::Done)
            }
            Input::Lead => {
                self.lead();
                Ok(Answer::Done)
            }
            Input::Tick => Ok(Answer::Done),
        }
    }

    /// The index in `recent` of a sealed height, if its votes are still kept.
    fn recent_index(&self, height: u64) -> Option<usize> {
        let back = usize::try_from(self.ledger.state().height().checked_sub(height)?).ok()?;
        self.recent.len().checked_sub(back + 1)
    }

    /// The `Propose` with this id, of an open operation or in the pool.
    fn proposal(&self, id: &RecordId) -> Option<&Verified> {
        let open = self.ledger.state().operation(&(*id).into());
        open.map(OpenOperation::proposal)
            .or_else(|| self.pool.get(id).map(|pooled| &pooled.record))
    }

    fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    /// Reports a refused record, once per reason and peer in one input, so that a message full of bad records cannot crowd out
    /// other events.
    fn tell_refused(&mut self, from: Option<PeerId>, rejection: Rejection) {
        if self.told.insert((from, rejection.code())) {
            self.event(Event::Refused { from, rejection });
        }
    }

    /// This node's author key.
    pub fn node_id(&self) -> NodeId {
        self.me
    }

    /// The network.
    pub fn network_id(&self) -> NetworkId {
        self.net
    }

    /// The sealed ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A record that this node holds and no seal lists: an unsealed one, or one of the agreement on the next seal.
    pub fn record(&self, id: &RecordId) -> Option<&Verified> {
        self.find(id)
    }

    /// The unsealed records.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("me", &self.me)
            .field("height", &self.ledger.state().height())
            .field("pool", &self.pool.len())
            .finish_non_exhaustive()
    }
}
