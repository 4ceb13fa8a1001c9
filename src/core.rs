//! The core: one node's ledger, agreement, pool and promises, without I/O, clock, randomness or threads.
//!
//! [`Core::handle`] takes one [`Input`] and the host's clock and returns what the host has to do, in order. The host's part:
//!
//! 1. do the outputs in the order given; an [`Output::Persist`] is durable before the next output is done, because it
//!    protects the [`Output::Send`]s after it (DESIGN section 8);
//! 2. call `handle` with [`Input::Tick`] when [`Core::next_due_ms`] is reached, and with [`Input::Nudge`] when it gives up
//!    waiting for a seal (a timer, a peer that appeared, a person);
//! 3. keep sealed blocks and answer [`Output::Serve`] from them;
//! 4. after a start, [`Core::restore`] what was persisted ([`Saved`] says what each [`Write`] means).
//!
//! The state changes only through seals; whatever a peer sends is bounded, verified and either admitted, kept as an orphan
//! or refused with a [`Rejection`].

mod admit;
mod applying;
mod forks;
mod interface;
mod journal;
mod judging;
mod naming;
mod network;
pub(crate) mod patience;
pub(crate) mod pool;
mod proposing;
mod query;
pub(crate) mod reconciliation;
mod saved;
mod sealing;
mod statements;
mod sync;
mod voting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use admit::Admission;
pub use interface::{Answer, Event, Input, Output, Outputs, Pace, PeerId};
pub use journal::{JournalEntry, Refusal};
pub use network::Network;
pub use query::{OperationStatus, Pending, SealStatus, Waiting, WindowStatus};
pub use saved::{Base, RecentSeal, Saved, Write};

pub use crate::exchange::message::Message;
pub use crate::ledger::Applied;
pub use crate::past::{archive::Archive, history::History};
pub use crate::statement::commitment::sign_votes;
pub use crate::statement::seal::SealedBlock;

use journal::Journal;
use sync::{Held, Link};

use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::base::identity::Signer;
use crate::base::rejection::Rejection;
use crate::core::pool::{Orphans, Pool};
use crate::finality::Agreement;
use crate::ledger::{Draft, Ledger};
use crate::statement::genesis::Genesis;
use crate::statement::operation::Ballot;
use crate::statement::record::{Signed, Verified, Verifier};

/// A height that is decided, kept for late votes: evidence of equivocation and of forks.
struct Decided {
    seal: SealId,
    agreement: Agreement,
    reported: bool,
}

/// Whether this node may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// It may. Votes on seals only above this height, commits only to operations that name it or a later one.
    Above(u64),
    /// The journal is lost.
    Lost,
    /// The journal is lost, and this `Rejoin` is to be sealed.
    Rejoining(RecordId),
}

/// One node.
pub struct Core {
    net: NetworkId,
    me: NodeId,
    signer: Arc<dyn Signer>,
    verifier: Verifier,
    ledger: Ledger,
    pool: Pool,
    orphans: Orphans,
    agreement: Agreement,
    /// The lists that travel beside proposals of the next height.
    lists: BTreeMap<SealId, Vec<RecordId>>,
    /// Those of the lists that are persisted.
    saved_lists: BTreeSet<SealId>,
    /// Proposals of the next height that were found to apply.
    drafts: BTreeMap<SealId, Draft>,
    /// Proposals of the next height that were found not to apply.
    refused: BTreeSet<SealId>,
    /// Proposals and votes that are kept whatever the limits say, although no list names them.
    named: BTreeSet<RecordId>,
    /// The last [`crate::base::limits::EVIDENCE_HEIGHTS`] heights, the latest last.
    recent: VecDeque<Decided>,
    journal: Journal,
    signing: Signing,
    /// `Rejoin`s that need no seal, on the word of a person.
    declared: BTreeSet<RecordId>,
    compromised: bool,
    /// Ballots for operations that take no commit yet.
    intents: BTreeMap<OperationId, Ballot>,
    peers: BTreeSet<PeerId>,
    /// What is remembered about peers; as many as the host says there are.
    links: BTreeMap<PeerId, Link>,
    snapshot: Option<Held>,
    pace: Pace,
    now_ms: u64,
    sealed_at_ms: u64,
    out: Vec<Output>,
    /// What was told to be refused in this input already, by peer and code.
    told: BTreeSet<(Option<PeerId>, &'static str)>,
    relay: Vec<(Option<PeerId>, Verified)>,
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

    /// A node that takes up a kept past.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the genesis is not valid, or the past is not the one that was sealed: the store is damaged, or
    /// another network's.
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
            // Who left since can still be shown to have signed twice.
            for (node, _) in recent.sealers.iter() {
                core.verifier.add_author(node)?;
            }
            let mut agreement = Agreement::new(height, recent.sealers, Some(core.me));
            for vote in recent.certificate.votes {
                agreement.add_named(Signed::try_from(vote)?.trusted())?;
            }
            core.recent.push_front(Decided {
                seal: recent.seal,
                agreement,
                reported: false,
            });
        }
        let own = core.ledger.state().roster().get(&core.me);
        let rejoined = own.and_then(|member| member.rejoined);
        core.signing = Signing::Above(rejoined.unwrap_or(0));
        Ok(core)
    }

    fn at(genesis: &Genesis, signer: Arc<dyn Signer>, ledger: Ledger) -> Result<Self, Rejection> {
        let net = genesis.network_id();
        let mut verifier = Verifier::new(net);
        // Who left still reveals what it committed to.
        let state = ledger.state();
        let members = state.roster().iter().map(|(node, _)| node);
        let electors = state
            .operations()
            .flat_map(|open| open.electorate().iter().map(|(node, _)| node));
        // So do those whose second statement would be evidence.
        let authors = state
            .operations()
            .flat_map(|open| open.records().map(Verified::author));
        let known: BTreeSet<NodeId> = members.chain(electors).chain(authors).collect();
        for node in known {
            verifier.add_author(node)?;
        }
        let me = signer.node_id();
        let height = state.height() + 1;
        let agreement = Agreement::new(height, state.sealers().clone(), Some(me));
        Ok(Self {
            net,
            me,
            signer,
            verifier,
            ledger,
            pool: Pool::default(),
            orphans: Orphans::default(),
            agreement,
            lists: BTreeMap::new(),
            saved_lists: BTreeSet::new(),
            drafts: BTreeMap::new(),
            refused: BTreeSet::new(),
            named: BTreeSet::new(),
            recent: VecDeque::new(),
            journal: Journal::default(),
            signing: Signing::Above(0),
            declared: BTreeSet::new(),
            compromised: false,
            intents: BTreeMap::new(),
            peers: BTreeSet::new(),
            links: BTreeMap::new(),
            snapshot: None,
            pace: Pace::of(&genesis.params),
            now_ms: genesis.time_ms,
            sealed_at_ms: 0,
            out: Vec::new(),
            told: BTreeSet::new(),
            relay: Vec::new(),
        })
    }

    /// Sets how patient the node is.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Takes up after a start, at the host's time `now_ms`, what was persisted: sealed blocks in order (those after the
    /// checkpoint, if there was one), and what was saved beside them. Blocks are this node's own: their signatures were
    /// verified before they were written.
    ///
    /// If blocks or records have a statement of this node that the journal does not know, the journal is lost
    /// ([`Event::JournalLost`] comes with the first input). If the journal has a `Rejoin` that no block lists, the node goes on
    /// waiting for it, unless [`Saved::journal_lost`] says that the journal was lost since. Patience with records begins anew.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if a journalled record is malformed, or a block does not follow or does not give the state that it
    /// states: the store is damaged, or another network's.
    pub fn restore(
        &mut self,
        saved: Saved,
        blocks: impl IntoIterator<Item = SealedBlock>,
        now_ms: u64,
    ) -> Result<(), Rejection> {
        self.now_ms = self.now_ms.max(now_ms);
        self.compromised = saved.compromised;
        self.declared = saved.declared;
        for entry in saved.journal.into_values() {
            self.journal.restore(entry)?;
        }
        for block in blocks {
            self.apply_block(block.try_into()?, true)?;
        }
        let intents = saved.intents.into_iter();
        self.intents
            .extend(intents.filter(|(id, _)| self.ledger.past().closed(id).is_none()));
        self.recover_agreement();
        for (seal, list) in saved.lists {
            self.name(&list);
            self.saved_lists.insert(seal);
            self.lists.insert(seal, list);
        }
        // Whatever the limits would make of the votes in this order, they were kept before.
        self.named.extend(saved.votes.keys());
        self.restore_records(saved.records);
        for bytes in saved.votes.into_values() {
            let _ = self.admit_bytes(None, &bytes);
        }
        self.recover_signing();
        if saved.journal_lost {
            // Whatever `Rejoin` the journal has answers an earlier loss: the journalling of one ends this flag.
            self.signing = Signing::Lost;
        }
        // What has to be done because of the restart is given with the first input; the rest is persisted already. A loss
        // that a `Rejoin` answers is none any more: nothing else would be written after it is told.
        self.out.retain(|output| match output {
            Output::Persist(write) => matches!(
                write,
                Write::Forget(_) | Write::Unjournal(_) | Write::Intent { .. }
            ),
            _ => false,
        });
        self.relay.clear();
        if self.signing == Signing::Lost {
            self.event(Event::JournalLost);
        }
        self.keep_promises();
        Ok(())
    }

    /// Takes up unsealed records, own ones too, what they refer to first. Those that no longer fit go.
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

    /// Has the host forget records that no block has and that are held no more.
    fn forget(&mut self, mut ids: Vec<RecordId>) {
        ids.retain(|id| self.find(id).is_none());
        if !ids.is_empty() {
            self.out.push(Output::Persist(Write::Forget(ids)));
        }
    }

    /// Takes one input at the host's time `now_ms` (milliseconds since 1970; the core's time never goes back).
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
            Input::Direct { operation, approve } => self.direct(operation, approve),
            Input::Object { operation, reason } => self.object(operation, reason),
            Input::Resolve { operation, approve } => self.resolve(operation, approve),
            Input::JournalLost => {
                self.lose_journal();
                Ok(Answer::Done)
            }
            Input::Rejoin { nonce } => self.rejoin(nonce),
            Input::DeclareJournal => self.declare_journal(),
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
            Input::PeerUp(peer) => {
                self.peers.insert(peer);
                // A new connection: whatever was on its way is lost.
                self.links.remove(&peer);
                self.greet(peer);
                Ok(Answer::Done)
            }
            Input::PeerDown(peer) => {
                self.peers.remove(&peer);
                self.links.remove(&peer);
                // It offers them again when it comes back; a number of a connection does not.
                self.orphans.forget_source(peer.0);
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
            Input::Tick => Ok(Answer::Done),
        }
    }

    fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    /// Tells that a record was refused, once for each reason and peer in one input: a message full of bad records must not
    /// crowd out what else there is to tell.
    fn tell_refused(&mut self, from: Option<PeerId>, rejection: Rejection) {
        if self.told.insert((from, rejection.code())) {
            self.event(Event::Refused { from, rejection });
        }
    }

    /// This node's author key.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.me
    }

    /// The network.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        self.net
    }

    /// The sealed ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A record that this node holds and no seal lists: unsealed, or about the agreement on the next seal.
    #[must_use]
    pub fn record(&self, id: &RecordId) -> Option<&Verified> {
        self.find(id)
    }

    /// The unsealed records.
    #[must_use]
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
