//! What the handles and the node's threads share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, oneshot, watch};

use super::NodeError;
use super::relations::Relations;
use crate::base::digest::SealId;
use crate::core::{Answer, Core, Event, Input, Refusal};
use crate::engine::Clock;
use crate::exchange::message::Message;
use crate::net::TwinSeen;
use crate::store::Store;

/// Most events that a subscriber may be behind before it gets `Lagged`.
const EVENTS_KEPT: usize = 1024;

/// Why a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It was asked to stop, or the last handle was dropped.
    Orderly,
    /// The disk or the node failed, for this reason. Acknowledged records are on the disk.
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

/// Where the answer to an input goes.
pub(super) type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// What a handle sends to the thread.
pub(super) enum Command {
    Input(Box<Input>, Reply),
    Stop,
}

/// What handles and the node's threads share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) relations: Arc<Relations>,
    pub(super) signals: Arc<Signals>,
    pub(super) core: Mutex<Core>,
    /// The last twin that proved itself since the start.
    pub(super) twin: Mutex<Option<TwinSeen>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sent: Arc<Sent>,
    /// The number of records in the seals since the start.
    pub(super) sealed_records: AtomicU64,
}

/// What was given to the transport.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) messages: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl Sent {
    pub(super) fn count(&self, message: &Message) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(message.weight() as u64, Ordering::Relaxed);
    }
}

/// The node's signals to its handles. They outlive the threads' use of the disk: after the end is reported, and the handles
/// are dropped, the disk is free.
pub(super) struct Signals {
    stopped: watch::Sender<Option<Stopped>>,
    pub(super) progress: watch::Sender<u64>,
    /// `None` after the end, so that subscriptions end.
    events: Mutex<Option<broadcast::Sender<Event>>>,
}

impl Shared {
    /// If the thread panicked during a turn, the node stops, and the core is loaded from the disk again.
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a twin that proved itself.
    pub(super) fn see_twin(&self, seen: TwinSeen) {
        *self.twin.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

impl Signals {
    pub(super) fn new() -> Self {
        Self {
            stopped: watch::Sender::new(None),
            progress: watch::Sender::new(0),
            events: Mutex::new(Some(broadcast::Sender::new(EVENTS_KEPT))),
        }
    }

    pub(super) fn events(&self) -> MutexGuard<'_, Option<broadcast::Sender<Event>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(events) = self.events().as_ref() {
            // There may be no listener.
            let _ = events.send(event);
        }
    }

    pub(super) fn why_stopped(&self) -> Option<String> {
        self.stopped.borrow().as_ref().map(Stopped::to_string)
    }

    pub(super) async fn stopped(&self) -> Stopped {
        let mut stopped = self.stopped.subscribe();
        let seen = stopped.wait_for(Option::is_some).await;
        seen.ok()
            .and_then(|how| how.clone())
            .unwrap_or(Stopped::Orderly)
    }

    /// A turn is done: wakes the waiting callers.
    pub(super) fn turned(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// The node has ended. From here on, only queries are answered.
    pub(super) fn end(&self, how: Stopped) {
        *self.events() = None;
        self.stopped.send_modify(|stopped| {
            stopped.get_or_insert(how);
        });
        self.turned();
    }
}

/// Checks that a sealed height has the seal that the ticket names.
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

/// Starts a thread of the node.
pub(super) fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, NodeError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map_err(NodeError::Thread)
}
