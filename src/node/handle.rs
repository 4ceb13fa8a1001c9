//! The handle, and what it shares with the thread that owns the core.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::actor::{Actor, Connected, Rejoin};
use super::address_book::AddressBook;
use super::rhythm::Rhythm;
use super::serving::{self, Requests};
use super::shares::Shares;
use super::standing::Standings;
use super::{Builder, NodeError};
use crate::base::digest::SealId;
use crate::base::identity::Signer;
use crate::core::{Answer, Core, Event, Input, Refusal};
use crate::engine::host::{Answered, Host};
use crate::engine::{BFTConsensusEngine, EngineError};
use crate::net::{Ticket, Transport};
use crate::past::archive::Archive;
use crate::statement::genesis::Genesis;
use crate::store::{Found, JournalLost, Store};

/// Events that a subscriber may fall behind before it is told that it lagged.
const EVENTS_KEPT: usize = 1024;

/// Inputs from handles that may wait; who has more to say waits itself.
const COMMANDS_MAX: usize = 256;

/// What opening the store found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// What there was.
    pub found: Found,
    /// Whether the journal lacks what this node has signed: it signs nothing but a `Rejoin` until a seal lists that.
    pub journal_lost: Option<JournalLost>,
}

/// How a node came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It was asked to, or the last handle went.
    Orderly,
    /// The disk failed, or the node is at fault; this is the reason. What was acknowledged is on the disk.
    Failed(String),
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Orderly => f.write_str("it was shut down"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// A question or an order of a handle.
pub(super) enum Command {
    Input(Input, oneshot::Sender<Result<Answer, Refusal>>),
    Stop,
}

/// What handles and the node's threads share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) standings: Arc<Standings>,
    pub(super) signals: Arc<Signals>,
    core: Mutex<Core>,
}

/// What a node tells of itself. It outlives what the node's threads hold of the disk: whoever is told that the node is no
/// more, and has let go of its handles, finds the disk free.
pub(super) struct Signals {
    stopped: watch::Sender<Option<Stopped>>,
    progress: watch::Sender<u64>,
    /// Gone once the node is, so that subscriptions end.
    events: Mutex<Option<broadcast::Sender<Event>>>,
}

impl Shared {
    /// A thread that panicked in the middle of a turn leaves a core whose turn was not written: it stops the node, and what
    /// is read afterwards is a core taken up anew.
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signals {
    fn new() -> Self {
        Self {
            stopped: watch::Sender::new(None),
            progress: watch::Sender::new(0),
            events: Mutex::new(Some(broadcast::Sender::new(EVENTS_KEPT))),
        }
    }

    fn events(&self) -> MutexGuard<'_, Option<broadcast::Sender<Event>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(events) = self.events().as_ref() {
            // Nobody may be listening.
            let _ = events.send(event);
        }
    }

    fn why_stopped(&self) -> Option<String> {
        self.stopped.borrow().as_ref().map(Stopped::to_string)
    }

    async fn stopped(&self) -> Stopped {
        let mut stopped = self.stopped.subscribe();
        let seen = stopped.wait_for(Option::is_some).await;
        seen.ok()
            .and_then(|how| how.clone())
            .unwrap_or(Stopped::Orderly)
    }

    /// A turn is done: those who wait look again.
    pub(super) fn turned(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// The node is no more; only questions are answered from here on.
    pub(super) fn end(&self, how: Stopped) {
        *self.events() = None;
        self.stopped.send_modify(|stopped| {
            stopped.get_or_insert(how);
        });
        self.turned();
    }
}

/// A place at the node, for handles.
struct Seat {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Seat {
    /// Why an input was not answered. That the node is no more may not have been said yet: it has to let go of its disk and
    /// its peers first.
    async fn why_stopped(&self) -> EngineError {
        EngineError::Stopped(self.shared.signals.stopped().await.to_string())
    }
}

impl Host for Seat {
    fn genesis(&self) -> &Genesis {
        self.shared.store.genesis()
    }

    fn input(&self, input: Input) -> Answered<'_> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let command = Command::Input(input, reply);
            if self.commands.send(command).await.is_err() {
                return Err(self.why_stopped().await);
            }
            match answer.await {
                Ok(answer) => answer.map_err(EngineError::from),
                Err(_) => Err(self.why_stopped().await),
            }
        })
    }

    fn tick(&self) {}

    fn due_in_ms(&self) -> Option<u64> {
        None
    }

    fn stopped(&self) -> Option<EngineError> {
        self.shared.signals.why_stopped().map(EngineError::Stopped)
    }

    fn progress(&self) -> watch::Receiver<u64> {
        self.shared.signals.progress.subscribe()
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        match self.shared.signals.events().as_ref() {
            Some(events) => events.subscribe(),
            // Its sender is gone already: the subscription ends at once.
            None => broadcast::channel(1).1,
        }
    }

    fn look(&self, read: &mut dyn FnMut(&Core, &dyn Archive)) {
        let core = self.shared.core();
        read(&core, &self.shared.store);
    }

    fn archive(&self, read: &mut dyn FnMut(&dyn Archive)) {
        // Each question is one transaction of the store, which changes nothing that is sealed.
        read(&self.shared.store);
    }
}

/// A running node. Cheap to clone; it stops when it is told to, or when the last handle goes, engines included.
#[derive(Clone)]
pub struct Node {
    seat: Arc<Seat>,
    engine: BFTConsensusEngine,
    transport: Option<Transport>,
    opened: Arc<Opened>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("engine", &self.engine)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Starts to put a node together. `signer` is the author whose store it is.
    #[must_use]
    pub fn builder(store: Store, signer: Arc<dyn Signer>) -> Builder {
        Builder::new(store, signer)
    }

    /// The handle that programs use, the same as in memory. It keeps time itself: `tick` does nothing.
    #[must_use]
    pub fn engine(&self) -> &BFTConsensusEngine {
        &self.engine
    }

    /// The connections, if there is an endpoint. It is to be registered with the endpoint's router, under
    /// [`crate::net::ALPN`]; without that the node dials, and nobody reaches it.
    #[must_use]
    pub fn transport(&self) -> Option<&Transport> {
        self.transport.as_ref()
    }

    /// The disk, for documents and certificates.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.seat.shared.store
    }

    /// What opening the store found.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// A ticket with which others can join through this node; `None` without an endpoint.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        let transport = self.transport.as_ref()?;
        let (height, seal) = {
            let core = self.seat.shared.core();
            let state = core.ledger().state();
            (state.height(), state.seal())
        };
        let name = &self.engine.genesis().name;
        Some(transport.ticket(name, height, seal))
    }

    /// Waits until the node is no more, and says why.
    pub async fn stopped(&self) -> Stopped {
        self.seat.shared.signals.stopped().await
    }

    /// Stops the node: what waits to be sent is sent as far as that takes no time, peers are told, the state is written so that
    /// the next start is quick. Questions are still answered. The databases stay locked until the last handle goes.
    pub async fn shutdown(&self) -> Stopped {
        // If it does not take the command it stopped before.
        let _ = self.seat.commands.send(Command::Stop).await;
        self.stopped().await
    }
}

/// Whether a height has the seal that a ticket names, as far as it is sealed.
pub(super) fn check_branch(
    height: u64,
    expected: SealId,
    found: Option<SealId>,
) -> Result<(), NodeError> {
    match found {
        Some(found) if found != expected => Err(NodeError::OtherBranch {
            height,
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

/// Takes a node up and starts its threads.
pub(super) fn spawn(builder: Builder) -> Result<Node, NodeError> {
    let Builder {
        store,
        signer,
        clock,
        endpoint,
        mdns,
        config,
        peers,
        expected,
    } = builder;
    if let Some((height, seal)) = expected {
        check_branch(height, seal, store.seal_at(height)?)?;
    }
    let now_ms = clock.now_ms();
    let loaded = store.load(signer.clone(), now_ms)?;
    let (core, me) = (loaded.core, signer.node_id());
    let opened = Opened {
        found: loaded.found,
        journal_lost: loaded.journal_lost,
    };
    let (address_book, kept) = AddressBook::load(&store)?;
    let standings = Arc::new(Standings::of(&core));
    let rhythm = Rhythm::new(me, core.ledger().state().params(), now_ms);
    let connected = endpoint
        .map(|endpoint| {
            Transport::builder(store.genesis(), signer.clone(), standings.clone())
                .config(config)
                .peers(peers)
                .kept(kept)
                .spawn(endpoint)
        })
        .transpose()?;
    let shared = Arc::new(Shared {
        store,
        standings,
        signals: Arc::new(Signals::new()),
        core: Mutex::new(core),
    });
    let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
    let transport = connected.as_ref().map(|(transport, _)| transport.clone());
    if let (Some(transport), Some(mdns)) = (&transport, mdns) {
        transport.discover(mdns);
    }
    let connected = connected
        .map(|(transport, events)| {
            let requests = Arc::new(Requests::default());
            let serving = {
                let (shared, transport) = (shared.clone(), transport.clone());
                let requests = requests.clone();
                thread("mycnet serving", move || {
                    serving::run(&shared.store, &transport, &requests);
                })?
            };
            Ok::<_, NodeError>(Connected {
                transport,
                events,
                requests,
                serving: Some(serving),
            })
        })
        .transpose()?;
    let actor = Actor {
        shared: shared.clone(),
        signer,
        clock,
        commands: receiver,
        connected,
        rhythm,
        shares: Shares::default(),
        parted: BTreeSet::new(),
        strangers: BTreeSet::new(),
        address_book,
        expected,
        rejoin: Rejoin::NotOwed,
        has_new_addresses: false,
        has_documents_to_write: true,
        was_idle: false,
        told_ms: now_ms,
    };
    let is_lost = opened.journal_lost.is_some();
    thread("mycnet node", move || actor.run(is_lost))?;
    let seat = Arc::new(Seat { shared, commands });
    let engine = BFTConsensusEngine::from_host(seat.clone(), me);
    Ok(Node {
        seat,
        engine,
        transport,
        opened: Arc::new(opened),
    })
}

fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, NodeError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map_err(NodeError::Thread)
}
