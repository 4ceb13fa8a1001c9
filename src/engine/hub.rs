//! Nodes of one network in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};

use super::host::{Answered, Host};
use super::{BFTConsensusEngine, EngineError};
use crate::base::identity::Signer;
use crate::core::{Answer, Core, Event, Input, Output, PeerId, Refusal, Write};
use crate::exchange::message::Message;
use crate::past::archive::Archive;
use crate::past::history::History;
use crate::statement::genesis::Genesis;

/// Events that a subscriber may fall behind before it is told that it lagged.
const EVENTS_KEPT: usize = 1024;

/// Tells the time, milliseconds since 1970.
pub trait Clock: Send + Sync {
    /// The time now. It may go back; nodes then wait until it has caught up.
    fn now_ms(&self) -> u64;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the edge that gives the core its time"
    )]
    fn now_ms(&self) -> u64 {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since_1970.map_or(0, |duration| {
            u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
        })
    }
}

/// A clock that only moves when it is told to, for tests and demonstrations.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock at this time, milliseconds since 1970.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_ms)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A node with what its host keeps for it. In memory nothing outlives the process, so the journal is the core's own.
struct Node {
    core: Core,
    history: History,
    events: broadcast::Sender<Event>,
}

/// One node's place in a hub.
struct Seat {
    hub: Arc<Hub>,
    at: usize,
}

impl Host for Seat {
    fn genesis(&self) -> &Genesis {
        &self.hub.genesis
    }

    fn input(&self, input: Input) -> Answered<'_> {
        // All that follows happens before it is answered.
        let answer = self.hub.input(self.at, input);
        Box::pin(std::future::ready(answer.map_err(EngineError::from)))
    }

    fn tick(&self) {
        self.hub.tick();
    }

    fn due_in_ms(&self) -> Option<u64> {
        self.hub.due_in_ms()
    }

    fn stopped(&self) -> Option<EngineError> {
        None
    }

    fn progress(&self) -> watch::Receiver<u64> {
        self.hub.progress.subscribe()
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.hub.lock().nodes[self.at].events.subscribe()
    }

    fn look(&self, read: &mut dyn FnMut(&Core, &dyn Archive)) {
        let nodes = self.hub.lock();
        let node = &nodes.nodes[self.at];
        read(&node.core, &node.history);
    }

    fn archive(&self, read: &mut dyn FnMut(&dyn Archive)) {
        self.look(&mut |_, past| read(past));
    }
}

struct Nodes {
    nodes: Vec<Node>,
    /// When the step that nobody finished is given up, if there is one.
    nudge_at_ms: Option<u64>,
}

/// A network in memory: its nodes hear each other at once.
pub struct Hub {
    genesis: Genesis,
    clock: Arc<dyn Clock>,
    nodes: Mutex<Nodes>,
    /// Counts what was done, so that those who wait look again.
    progress: watch::Sender<u64>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("network", &self.genesis.network_id())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// A network in memory without nodes yet, with the system's clock.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] if the genesis is not valid.
    pub fn new(genesis: Genesis) -> Result<Arc<Self>, EngineError> {
        Self::with_clock(genesis, Arc::new(SystemClock))
    }

    /// A network in memory with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Hub::new`].
    pub fn with_clock(genesis: Genesis, clock: Arc<dyn Clock>) -> Result<Arc<Self>, EngineError> {
        genesis.check()?;
        Ok(Arc::new(Self {
            genesis,
            clock,
            nodes: Mutex::new(Nodes {
                nodes: Vec::new(),
                nudge_at_ms: None,
            }),
            progress: watch::Sender::new(0),
        }))
    }

    /// Adds a node. It need not be a member: then it only reads, until it is admitted.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] if the genesis is not valid.
    pub fn join(
        self: &Arc<Self>,
        signer: impl Signer + 'static,
    ) -> Result<BFTConsensusEngine, EngineError> {
        let node = signer.node_id();
        let core = Core::new(&self.genesis, Arc::new(signer))?;
        let mut nodes = self.lock();
        let at = nodes.nodes.len();
        nodes.nodes.push(Node {
            core,
            history: History::new(&self.genesis),
            events: broadcast::Sender::new(EVENTS_KEPT),
        });
        let mut work = VecDeque::new();
        for other in 0..at {
            work.push_back((other, Input::PeerUp(PeerId(at as u64))));
            work.push_back((at, Input::PeerUp(PeerId(other as u64))));
        }
        self.drive(&mut nodes, work);
        drop(nodes);
        let seat = Seat {
            hub: self.clone(),
            at,
        };
        Ok(BFTConsensusEngine::from_host(Arc::new(seat), node))
    }

    /// A thread that panicked while it held the lock cannot have left a core half changed in a way that matters: inputs
    /// are judged before anything changes.
    fn lock(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives one node an input, and everybody what follows from it.
    fn input(&self, at: usize, input: Input) -> Result<Answer, Refusal> {
        let mut nodes = self.lock();
        let mut work = VecDeque::new();
        let answer = self.give(&mut nodes, at, input, &mut work);
        self.drive(&mut nodes, work);
        answer
    }

    /// Lets windows end and steps time out that are due.
    fn tick(&self) {
        let mut nodes = self.lock();
        let is_given_up = nodes
            .nudge_at_ms
            .is_some_and(|nudge_at_ms| nudge_at_ms <= self.clock.now_ms());
        let mut work = VecDeque::new();
        for at in 0..nodes.nodes.len() {
            work.push_back((at, Input::Tick));
            if is_given_up {
                work.push_back((at, Input::Nudge));
            }
        }
        if is_given_up {
            nodes.nudge_at_ms = None;
        }
        self.drive(&mut nodes, work);
    }

    /// How long until something is due, in milliseconds.
    fn due_in_ms(&self) -> Option<u64> {
        let nodes = self.lock();
        let due = nodes
            .nodes
            .iter()
            .filter_map(|node| node.core.next_due_ms());
        let due_ms = due.chain(nodes.nudge_at_ms).min()?;
        Some(due_ms.saturating_sub(self.clock.now_ms()))
    }

    /// Delivers everything that follows, until nobody has anything to say.
    fn drive(&self, nodes: &mut Nodes, mut work: VecDeque<(usize, Input)>) {
        while let Some((at, input)) = work.pop_front() {
            // Messages and ticks are answered by outputs only.
            let _ = self.give(nodes, at, input, &mut work);
        }
        let is_waiting = nodes.nodes.iter().any(|node| node.core.wants_to_seal());
        if is_waiting {
            let patience_ms = self.genesis.params.step_patience_ms;
            let now_ms = self.clock.now_ms();
            nodes.nudge_at_ms.get_or_insert(now_ms + patience_ms);
        } else {
            nodes.nudge_at_ms = None;
        }
        self.progress.send_modify(|count| *count += 1);
    }

    fn give(
        &self,
        nodes: &mut Nodes,
        at: usize,
        input: Input,
        work: &mut VecDeque<(usize, Input)>,
    ) -> Result<Answer, Refusal> {
        let from = PeerId(at as u64);
        let node = &mut nodes.nodes[at];
        let outputs = node.core.handle(input, self.clock.now_ms());
        for output in outputs.list {
            match output {
                Output::Send { to, message } => {
                    work.extend(deliver(from, to, message));
                }
                Output::Serve {
                    to,
                    from: height,
                    bytes,
                } => {
                    let blocks = node.history.blocks_from(height);
                    let encoded = blocks.map(|block| block.encode());
                    let message = Message::blocks(encoded, bytes);
                    work.extend(message.and_then(|message| deliver(from, to, message)));
                }
                Output::Persist(Write::Block { block, applied }) => {
                    node.history.push(block, &applied);
                }
                // Engines in one process are one person's: nobody is parted from.
                Output::Persist(_) | Output::Part(_) => {}
                Output::Event(event) => {
                    // Nobody may be listening.
                    let _ = node.events.send(event);
                }
            }
        }
        outputs.answer
    }
}

fn deliver(from: PeerId, to: PeerId, message: Message) -> Option<(usize, Input)> {
    let at = usize::try_from(to.0).ok()?;
    Some((at, Input::Message { from, message }))
}
