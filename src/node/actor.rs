//! The thread that owns the core: it takes inputs in turn, writes, and only then sends and answers.

mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::NodeError;
use super::address_book::AddressBook;
use super::handle::{Command, Shared, Signals, Stopped};
use super::rhythm::Rhythm;
use super::serving::Requests;
use super::shares::Shares;
use crate::base::digest::SealId;
use crate::base::identity::Signer;
use crate::base::limits::WINDOW_BYTES_MAX;
use crate::core::{Answer, Input, PeerId, Refusal};
use crate::engine::Clock;
use crate::exchange::message::Message;
use crate::net::{Events, NetEvent, Relation, Transport};

/// Inputs that share a turn: one write of the disk serves them all. More would let those wait who ask.
const INPUTS_MAX: usize = 64;

/// What is heard in one turn, or said, in bytes: beyond it a turn takes long enough by itself, or much memory.
const TURN_BYTES_MAX: usize = WINDOW_BYTES_MAX;

/// Nothing is looked at less often than this: clocks are set, and machines sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long nothing comes before documents of closed operations are written.
const QUIET: Duration = Duration::from_millis(50);

/// The connections of a node that has any. Dropped, also by a panic, it closes them and ends the thread that serves.
pub(super) struct Connected {
    pub(super) transport: Transport,
    pub(super) events: Events,
    pub(super) requests: Arc<Requests>,
    pub(super) serving: Option<JoinHandle<()>>,
}

/// Whether this node has to rejoin, because its journal is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejoin {
    NotOwed,
    /// At the next turn.
    Owed,
    /// It was refused, to somebody who is no member, say. Once the roster changes it is tried again.
    Refused,
}

type Inputs = VecDeque<(Input, Option<Reply>)>;

type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// What shares a turn, or a few if much is said.
#[derive(Default)]
struct Batch {
    inputs: Inputs,
    /// Bytes of messages in it.
    bytes: usize,
    /// Somebody ended the node.
    is_last: bool,
}

pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) connected: Option<Connected>,
    pub(super) rhythm: Rhythm,
    pub(super) shares: Shares,
    /// Peers that were parted from and are not gone yet: what they said is not heard any more.
    pub(super) parted: BTreeSet<PeerId>,
    pub(super) address_book: AddressBook,
    /// The seal that a ticket names.
    pub(super) expected: Option<(u64, SealId)>,
    pub(super) rejoin: Rejoin,
    pub(super) has_new_addresses: bool,
    /// Peers that were let in and were no members as far as was known: every seal may say whether they are.
    pub(super) strangers: BTreeSet<PeerId>,
    pub(super) has_documents_to_write: bool,
    /// Nothing came the last time.
    pub(super) was_idle: bool,
    /// The host's time of the last turn.
    pub(super) told_ms: u64,
}

/// Why a node stopped whose thread panicked.
const PANICKED: &str = "the node's own thread failed; its log says why";

/// Says that the node is no more, also if its thread panicked.
struct Ending(Arc<Signals>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(Stopped::Failed(PANICKED.to_owned()));
    }
}

impl Actor {
    /// Lives, in this thread, until it is stopped. `has_lost` says that the store noticed a lost journal.
    pub(super) fn run(mut self, has_lost: bool) {
        let ending = Ending(self.shared.signals.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let how = match runtime {
            Ok(runtime) => {
                let living = || runtime.block_on(self.live(has_lost));
                let lived = match catch_unwind(AssertUnwindSafe(living)) {
                    Ok(lived) => lived.map_err(|error| error.to_string()),
                    // What it was doing is not on the disk, and taken up anew from there.
                    Err(_) => Err(PANICKED.to_owned()),
                };
                runtime.block_on(self.die(lived))
            }
            Err(error) => Stopped::Failed(format!("no runtime: {error}")),
        };
        // Whoever asks from here on is refused; whoever waits for an answer is told why none comes. The disk is free for
        // the next node before anybody hears that this one is gone.
        self.commands.close();
        drop(self);
        ending.0.end(how);
    }

    async fn live(&mut self, has_lost: bool) -> Result<(), NodeError> {
        let mut batch = Batch::default();
        if has_lost {
            batch.inputs.push_back((Input::JournalLost, None));
        }
        loop {
            self.was_idle = batch.inputs.is_empty();
            self.turn(&mut batch.inputs)?;
            if !batch.inputs.is_empty() {
                continue;
            }
            if batch.is_last {
                return Ok(());
            }
            if self.was_idle && self.has_documents_to_write {
                self.has_documents_to_write = self.shared.store.write_documents(1)? > 0;
            }
            batch = self.next().await;
        }
    }

    /// Waits for something to do.
    async fn next(&mut self) -> Batch {
        let mut batch = Batch::default();
        let patience = self.patience();
        let event = async {
            match &mut self.connected {
                Some(connected) => connected.events.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv() => batch.take(command),
            event = event => self.take_event(event, &mut batch),
            () = tokio::time::sleep(patience) => {}
        }
        while batch.takes_more() {
            let before = batch.inputs.len();
            if let Ok(command) = self.commands.try_recv() {
                batch.take(Some(command));
            }
            let event = self.connected.as_mut().map(|it| it.events.try_next());
            if let Some(Some(event)) = event {
                self.take_event(Some(event), &mut batch);
            } else if batch.inputs.len() == before {
                break;
            }
        }
        batch
    }

    fn patience(&self) -> Duration {
        if self.rejoin == Rejoin::Owed {
            return Duration::ZERO;
        }
        let due_in = self.rhythm.due_in(self.clock.now_ms());
        let quiet = if self.was_idle { Duration::ZERO } else { QUIET };
        let quiet = self.has_documents_to_write.then_some(quiet);
        let soonest = due_in.into_iter().chain(quiet).min();
        // A peer could have something due at every moment; it is not looked at in a busy loop.
        soonest.map_or(LOOK_AGAIN, |soonest| {
            soonest.clamp(Duration::from_millis(1), LOOK_AGAIN)
        })
    }

    fn take_event(&mut self, event: Option<NetEvent>, batch: &mut Batch) {
        let Some(event) = event else {
            // The transport was shut down by whoever owns the endpoint: the node goes on without peers.
            self.connected = None;
            return;
        };
        let Some(connected) = &self.connected else {
            return;
        };
        match event {
            NetEvent::PeerUp(info) => {
                tracing::debug!(peer = %info.author, height = info.height, "met");
                self.rhythm.peer_up(info.peer, info.author);
                if info.relation == Relation::Stranger {
                    self.strangers.insert(info.peer);
                }
                batch.push(Input::PeerUp(info.peer));
                self.has_new_addresses = true;
            }
            NetEvent::PeerDown {
                peer,
                author,
                reason,
            } => {
                tracing::debug!(peer = %author, %reason, "parted");
                batch.push(Input::PeerDown(peer));
            }
            NetEvent::Message { peer, message } => {
                self.rhythm.answered(peer);
                batch.bytes += match &message {
                    // A seal is worth a turn, and a write, of its own.
                    Message::Blocks(_) => TURN_BYTES_MAX,
                    other => other.weight(),
                };
                if let Some(question) = self.shared.core().ask_ahead(peer, &message) {
                    connected.send(peer, &question);
                }
                let from = peer;
                batch.push(Input::Message { from, message });
            }
            NetEvent::Drained { peer } => connected.requests.drained(peer),
        }
    }

    /// Leaves the store as the next start wants it.
    async fn die(&mut self, mut lived: Result<(), String>) -> Stopped {
        if lived.is_err() {
            // What was not written is not shown, from now on.
            self.take_up_anew();
        }
        if let Some(mut connected) = self.connected.take() {
            let known = connected.transport.known_peers();
            connected.transport.shutdown().await;
            connected.requests.close();
            if let Some(serving) = connected.serving.take() {
                // Its panic was reported when it happened.
                let _ = serving.join();
            }
            lived = lived.and_then(|()| {
                let kept = self.address_book.keep(&self.shared.store, &known);
                kept.map_err(|error| error.to_string())
            });
        }
        let core = self.shared.core();
        let kept = || self.shared.store.checkpoint(core.ledger());
        match lived.and_then(|()| kept().map_err(|error| error.to_string())) {
            Ok(()) => Stopped::Orderly,
            Err(reason) => {
                tracing::error!(%reason, "the node stops");
                Stopped::Failed(reason)
            }
        }
    }

    /// Shows what is on the disk, whatever the core was in the middle of.
    fn take_up_anew(&self) {
        let mut core = self.shared.core();
        let store = &self.shared.store;
        match store.load(self.signer.clone(), self.told_ms) {
            Ok(loaded) => *core = loaded.core,
            Err(error) => tracing::error!(%error, "what is on the disk cannot be shown"),
        }
    }
}

impl Connected {
    fn send(&self, to: PeerId, message: &Message) {
        if let Err(error) = self.transport.send(to, message) {
            // What does not arrive is found by the next comparison.
            tracing::debug!(peer = to.0, %error, "not sent");
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.requests.close();
        self.transport.abort();
    }
}

impl Batch {
    fn takes_more(&self) -> bool {
        self.inputs.len() < INPUTS_MAX && self.bytes < TURN_BYTES_MAX && !self.is_last
    }

    fn push(&mut self, input: Input) {
        self.inputs.push_back((input, None));
    }

    fn take(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Input(input, reply)) => self.inputs.push_back((input, Some(reply))),
            Some(Command::Stop) | None => self.is_last = true,
        }
    }
}
