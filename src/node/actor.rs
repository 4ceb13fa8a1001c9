//! The thread that owns the core. It takes inputs in turn, writes, and only then sends and answers.

mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::NodeError;
use super::block_server::BlockRequests;
use super::cpu_budget::CpuBudget;
use super::hold::Hold;
use super::packer::Packer;
use super::peer_clocks::PeerClocks;
use super::saved_peers::SavedPeers;
use super::shared::{Command, Reply, Sent, Shared, Signals, Stopped};
use super::timers::Timers;
use crate::base::digest::SealId;
use crate::base::identity::Signer;
use crate::base::limits::WINDOW_BYTES_MAX;
use crate::core::{Input, PeerId};
use crate::engine::Clock;
use crate::exchange::message::Message;
use crate::net::{Events, NetEvent, Relation, Transport};

/// Inputs in one turn, which share one commit. More of them would delay callers.
const INPUTS_MAX: usize = 64;

/// Bytes of messages in one turn, in each direction. It bounds the turn's time and memory.
const TURN_BYTES_MAX: usize = WINDOW_BYTES_MAX;

/// Longest wait between two turns, because clocks are set and machines sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The connections of a node. Dropping it, also by a panic, closes them and ends the serving thread.
pub(super) struct Connected {
    pub(super) transport: Transport,
    pub(super) events: Events,
    pub(super) requests: Arc<BlockRequests>,
    pub(super) serving: Option<JoinHandle<()>>,
    pub(super) sent: Arc<Sent>,
}

/// Whether this node must rejoin because its journal is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejoin {
    NotOwed,
    /// The node signs a `Rejoin` at the next turn.
    Owed,
    /// Refused, because the node is not a member, for example. It is tried again when the roster changes.
    Refused,
}

type Inputs = VecDeque<(Input, Option<Reply>)>;

/// The inputs of one turn, or of a few if they lead to long messages.
#[derive(Default)]
struct Batch {
    inputs: Inputs,
    /// Bytes of the messages in it.
    bytes: usize,
    /// The node was asked to stop.
    is_last: bool,
}

pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) peer_clocks: PeerClocks,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) connected: Option<Connected>,
    pub(super) packer: Packer,
    pub(super) timers: Timers,
    pub(super) cpu_budget: CpuBudget,
    /// Peers that misbehaved and whose connection is not closed yet. Their messages are dropped.
    pub(super) misbehaved: BTreeSet<PeerId>,
    pub(super) saved_peers: SavedPeers,
    /// The seal that the ticket names.
    pub(super) expected: Option<(u64, SealId)>,
    pub(super) rejoin: Rejoin,
    pub(super) hold: Hold,
    pub(super) has_new_addresses: bool,
    /// Connected peers that are not members yet. Every seal may admit them.
    pub(super) strangers: BTreeSet<PeerId>,
    /// The host's time of the last turn.
    pub(super) last_turn_ms: u64,
}

/// The reason that is given after a panic.
const PANICKED: &str = "the node's own thread failed; its log says why";

/// Reports the end of the node, also after a panic.
struct EndGuard(Arc<Signals>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(Stopped::Failed(PANICKED.to_owned()));
    }
}

impl Actor {
    /// Runs in this thread until the node stops. `has_lost`: the store found that the journal is lost. `has_past`: this is not
    /// the node's first start.
    pub(super) fn run(mut self, has_lost: bool, has_past: bool) {
        let ending = EndGuard(self.shared.signals.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let how = match runtime {
            Ok(runtime) => {
                let living = || runtime.block_on(self.run_turns(has_lost, has_past));
                let lived = match catch_unwind(AssertUnwindSafe(living)) {
                    Ok(lived) => lived.map_err(|error| error.to_string()),
                    // The unfinished turn is not on the disk; the core is loaded from there again.
                    Err(_) => Err(PANICKED.to_owned()),
                };
                runtime.block_on(self.wind_down(lived))
            }
            Err(error) => Stopped::Failed(format!("no runtime: {error}")),
        };
        // From here on inputs are refused, and waiting callers learn why no answer comes. The disk is released before
        // anybody hears that the node has stopped.
        self.commands.close();
        drop(self);
        ending.0.end(how);
    }

    async fn run_turns(&mut self, has_lost: bool, has_past: bool) -> Result<(), NodeError> {
        let mut batch = Batch::default();
        if has_past && self.connected.is_some() {
            self.hold.start(Instant::now());
            batch.push(Input::Hold(true));
        }
        if has_lost {
            batch.inputs.push_back((Input::JournalLost, None));
        }
        loop {
            self.turn(&mut batch.inputs)?;
            if !batch.inputs.is_empty() {
                continue;
            }
            if batch.is_last {
                return Ok(());
            }
            batch = self.next().await;
        }
    }

    /// Waits for the next inputs or the next timer.
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
        let due_in = self.timers.due_in(self.clock.now_ms());
        let held = self.hold.due_in(Instant::now());
        let soonest = due_in.into_iter().chain(held).min();
        // A peer can make something due at every moment. The lower limit prevents a busy loop.
        soonest.map_or(LOOK_AGAIN, |soonest| {
            soonest.clamp(Duration::from_millis(1), LOOK_AGAIN)
        })
    }

    fn take_event(&mut self, event: Option<NetEvent>, batch: &mut Batch) {
        let Some(event) = event else {
            // The owner of the endpoint shut the transport down. The node continues without peers.
            self.connected = None;
            return;
        };
        let Some(connected) = &self.connected else {
            return;
        };
        match event {
            NetEvent::PeerUp(info) => {
                tracing::debug!(peer = %info.author, height = info.height, "met");
                self.timers.peer_up(info.peer, info.author);
                if info.relation == Relation::Stranger {
                    self.strangers.insert(info.peer);
                }
                batch.push(Input::Author {
                    peer: info.peer,
                    author: info.author,
                });
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
                self.timers.answered(peer);
                batch.bytes += match &message {
                    // A block gets a turn and a commit of its own.
                    Message::Blocks(_) => TURN_BYTES_MAX,
                    other => other.weight(),
                };
                if let Some(question) = self.shared.core().ask_ahead(peer, &message) {
                    connected.send(peer, &question);
                }
                let from = peer;
                batch.push(Input::Message { from, message });
            }
            NetEvent::Endorsements(records) => batch.push(Input::Import { records }),
            NetEvent::Twin(seen) => {
                self.shared.see_twin(seen);
                batch.push(Input::TwinMet);
            }
            NetEvent::TwinAsked { peer } => {
                if self.hold.ask(Instant::now()) {
                    tracing::info!(peer = peer.0, "a peer asks whether there is a twin");
                    batch.push(Input::Hold(true));
                }
            }
            NetEvent::Drained { peer } => connected.requests.drained(peer),
        }
    }

    /// Stops the peers and leaves the store ready for the next start.
    async fn wind_down(&mut self, mut lived: Result<(), String>) -> Stopped {
        if lived.is_err() {
            // From now on, queries must not see the unwritten turn.
            self.reload();
        }
        if let Some(mut connected) = self.connected.take() {
            let known = connected.transport.known_peers();
            connected.transport.shutdown().await;
            connected.requests.close();
            if let Some(serving) = connected.serving.take() {
                // A panic of it was reported when it happened.
                let _ = serving.join();
            }
            lived = lived.and_then(|()| {
                let kept = self.saved_peers.keep(&self.shared.store, &known);
                kept.map_err(|error| error.to_string())
            });
        }
        self.packer.stop();
        let core = self.shared.core();
        let kept = || {
            self.shared.store.checkpoint(core.ledger())?;
            self.shared.store.give_back()
        };
        match lived.and_then(|()| kept().map_err(|error| error.to_string())) {
            Ok(()) => Stopped::Orderly,
            Err(reason) => {
                tracing::error!(%reason, "the node stops");
                Stopped::Failed(reason)
            }
        }
    }

    /// Loads the core from the disk again, whatever state it was in.
    fn reload(&self) {
        let mut core = self.shared.core();
        let store = &self.shared.store;
        match store.load(self.signer.clone(), self.last_turn_ms) {
            Ok(loaded) => *core = loaded.core,
            Err(error) => tracing::error!(%error, "the core cannot be loaded again"),
        }
    }
}

impl Connected {
    fn send(&self, to: PeerId, message: &Message) {
        match self.transport.send(to, message) {
            Ok(()) => self.sent.count(message),
            // The next comparison finds what did not arrive.
            Err(error) => tracing::debug!(peer = to.0, %error, "not sent"),
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
            Some(Command::Input(input, reply)) => self.inputs.push_back((*input, Some(reply))),
            Some(Command::Stop) | None => self.is_last = true,
        }
    }
}
