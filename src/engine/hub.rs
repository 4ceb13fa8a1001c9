//! Nodes of one network in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};

use super::host::{Answered, Host};
use super::{BFTConsensusEngine, EngineError};
use crate::base::identity::Signer;
use crate::core::{
    Answer, Archive, Core, Event, History, Input, Message, Network, Refusal, SealedBlock, Write,
};
use crate::statement::genesis::Genesis;

/// Events kept for a slow subscriber. One that falls further behind is told that it lagged.
const EVENTS_KEPT: usize = 1024;

/// Tells the time in milliseconds since 1970.
pub trait Clock: Send + Sync {
    /// The time now. If it goes back, nodes wait until it has caught up.
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

/// A clock that a program moves by hand, for tests and demonstrations.
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

/// A node with its past and its events. Nothing outlives the process, so no journal is kept beside the core.
struct Node {
    core: Core,
    history: History,
    events: broadcast::Sender<Event>,
}

/// A node's place in a hub.
struct Seat {
    hub: Arc<Hub>,
    at: usize,
}

impl Host for Seat {
    fn genesis(&self) -> &Genesis {
        &self.hub.genesis
    }

    fn input(&self, input: Input) -> Answered<'_> {
        // Everything that the input leads to is done before the answer.
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

struct InMemory {
    nodes: Vec<Node>,
    clock: Arc<dyn Clock>,
    /// Messages under way: from, to.
    mail: VecDeque<(usize, usize, Message)>,
    /// When the nodes give up waiting in the current step of sealing, if they wait in one.
    nudge_at_ms: Option<u64>,
}

impl Network for InMemory {
    fn core(&mut self, node: usize) -> Option<(&mut Core, u64)> {
        Some((&mut self.nodes[node].core, self.clock.now_ms()))
    }

    fn persist(&mut self, node: usize, write: Write) {
        if let Write::Block { block, applied } = write {
            self.nodes[node].history.push(block, &applied);
        }
    }

    fn blocks(&self, node: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        self.nodes[node].history.blocks_from(from)
    }

    fn event(&mut self, node: usize, event: Event) {
        // An event without a subscriber is dropped.
        let _ = self.nodes[node].events.send(event);
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        self.mail.push_back((from, to, message));
    }
}

/// A network in memory. A message between its nodes arrives at once.
pub struct Hub {
    genesis: Genesis,
    clock: Arc<dyn Clock>,
    nodes: Mutex<InMemory>,
    /// Counts inputs, so that waiting futures look again.
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
    /// A network in memory with the system's clock and no nodes.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] if the genesis is not valid.
    pub fn new(genesis: Genesis) -> Result<Arc<Self>, EngineError> {
        Self::with_clock(genesis, Arc::new(SystemClock))
    }

    /// A network in memory with the caller's clock.
    ///
    /// # Errors
    ///
    /// As [`Hub::new`].
    pub fn with_clock(genesis: Genesis, clock: Arc<dyn Clock>) -> Result<Arc<Self>, EngineError> {
        genesis.check()?;
        Ok(Arc::new(Self {
            genesis,
            nodes: Mutex::new(InMemory {
                nodes: Vec::new(),
                clock: clock.clone(),
                mail: VecDeque::new(),
                nudge_at_ms: None,
            }),
            clock,
            progress: watch::Sender::new(0),
        }))
    }

    /// Adds a node. A node that is no member only reads until it is admitted.
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
        for other in 0..at {
            nodes.introduce(other, at, Input::PeerUp);
        }
        self.settle(&mut nodes);
        drop(nodes);
        let seat = Seat {
            hub: self.clone(),
            at,
        };
        Ok(BFTConsensusEngine::from_host(Arc::new(seat), node))
    }

    /// Ignores that another thread panicked while it held the lock: a core judges an input before it changes anything.
    fn lock(&self) -> MutexGuard<'_, InMemory> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a node an input, and delivers what follows.
    fn input(&self, at: usize, input: Input) -> Result<Answer, Refusal> {
        let mut nodes = self.lock();
        let answer = nodes.input(at, input);
        self.settle(&mut nodes);
        answer
    }

    /// Lets windows end and steps time out that are due.
    fn tick(&self) {
        let mut nodes = self.lock();
        let now_ms = self.clock.now_ms();
        let is_given_up = nodes.nudge_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        for at in 0..nodes.nodes.len() {
            let nudge = is_given_up.then_some(Input::Nudge);
            for input in [Input::Tick].into_iter().chain(nudge) {
                nodes.notify(at, input);
            }
        }
        if is_given_up {
            nodes.nudge_at_ms = None;
        }
        self.settle(&mut nodes);
    }

    /// How long until something is due, in milliseconds.
    fn due_in_ms(&self) -> Option<u64> {
        let nodes = self.lock();
        let due = nodes.nodes.iter();
        let due = due.filter_map(|node| node.core.next_due_ms());
        let due_ms = due.chain(nodes.nudge_at_ms).min()?;
        Some(due_ms.saturating_sub(self.clock.now_ms()))
    }

    /// Delivers messages until none is under way.
    fn settle(&self, nodes: &mut InMemory) {
        while let Some((from, to, message)) = nodes.mail.pop_front() {
            nodes.arrive(from, to, message);
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
}
