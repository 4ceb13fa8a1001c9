//! The handle of a running node.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::shared::{Command, Shared, Stopped};
use crate::core::{Answer, Core, Event, Input, Refusal};
use crate::engine::host::{Answered, Host};
use crate::engine::{BFTConsensusEngine, EngineError};
use crate::net::{ClockReport, Followed, Ticket, Transport, TwinSeen};
use crate::past::archive::Archive;
use crate::statement::genesis::Genesis;
use crate::store::{Found, JournalLost, Store};

/// The findings of opening the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The content of the store.
    pub found: Found,
    /// Set if the journal lacks records that this node has signed. Then the node signs only a `Rejoin`, until a seal lists
    /// it.
    pub journal_lost: Option<JournalLost>,
}

/// What a node has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// How often it synced the disk.
    pub syncs: u64,
    /// Messages that it sent, to one peer each.
    pub messages: u64,
    /// The approximate bytes of these messages.
    pub message_bytes: u64,
    /// Records that the seals list which it took.
    pub records: u64,
}

/// What the engine's handles speak to.
pub(super) struct NodeHost {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
}

/// How often an order that came during a pause is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Whether a person or program wants something signed.
fn is_order(input: &Input) -> bool {
    matches!(
        input,
        Input::Propose { .. }
            | Input::Vote { .. }
            | Input::Direct { .. }
            | Input::Object { .. }
            | Input::Resolve { .. }
            | Input::DeclareJournal
            | Input::Endorse { .. }
            | Input::Abandon
    )
}

impl NodeHost {
    async fn answer(&self, input: Input) -> Result<Answer, EngineError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Input(Box::new(input), reply);
        if self.commands.send(command).await.is_err() {
            return Err(self.why_stopped().await);
        }
        match answer.await {
            Ok(answer) => answer.map_err(EngineError::from),
            Err(_) => Err(self.why_stopped().await),
        }
    }

    /// Asks again until the pause is over, which is a matter of a second.
    async fn answer_order(&self, order: Input) -> Result<Answer, EngineError> {
        loop {
            match self.answer(order.clone()).await {
                Err(EngineError::Refused(Refusal::OnHold)) => tokio::time::sleep(AGAIN).await,
                answer => return answer,
            }
        }
    }

    /// Why an input was not answered. It waits for the report of the end, which comes after the disk and the peers are
    /// released.
    async fn why_stopped(&self) -> EngineError {
        EngineError::Stopped(self.shared.signals.stopped().await.to_string())
    }
}

impl Host for NodeHost {
    fn genesis(&self) -> &Genesis {
        self.shared.store.genesis()
    }

    fn input(&self, input: Input) -> Answered<'_> {
        if is_order(&input) {
            Box::pin(self.answer_order(input))
        } else {
            Box::pin(self.answer(input))
        }
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
            // The node has ended, and so the subscription ends at once.
            None => broadcast::channel(1).1,
        }
    }

    fn look(&self, read: &mut dyn FnMut(&Core, &dyn Archive)) {
        let core = self.shared.core();
        read(&core, &self.shared.store);
    }

    fn archive(&self, read: &mut dyn FnMut(&dyn Archive)) {
        // Each query is one transaction of the store, and sealed data does not change.
        read(&self.shared.store);
    }
}

/// A running node. Cheap to clone. It stops on request, or when the last handle is dropped, including the engine's.
#[derive(Clone)]
pub struct Node {
    pub(super) host: Arc<NodeHost>,
    pub(super) engine: BFTConsensusEngine,
    pub(super) transport: Option<Transport>,
    pub(super) opened: Arc<Opened>,
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
    /// The handle that programs use, as in memory. The node keeps time by itself: `tick` does nothing.
    pub fn engine(&self) -> &BFTConsensusEngine {
        &self.engine
    }

    /// The transport, if there is an endpoint. Register it with the endpoint's router under [`crate::net::ALPN`];
    /// otherwise the node dials, but no peer can reach it.
    pub fn transport(&self) -> Option<&Transport> {
        self.transport.as_ref()
    }

    /// The store, for documents and certificates.
    pub fn store(&self) -> &Store {
        &self.host.shared.store
    }

    /// What this node has done since its start.
    pub fn work(&self) -> Work {
        let shared = &self.host.shared;
        Work {
            syncs: shared.store.syncs(),
            messages: shared.sent.messages.load(Ordering::Relaxed),
            message_bytes: shared.sent.bytes.load(Ordering::Relaxed),
            records: shared.sealed_records.load(Ordering::Relaxed),
        }
    }

    /// The findings of opening the store.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The other machine that runs with this node's key, if one has proved itself since this node's start. The node signs
    /// nothing while its [`SigningState`](crate::core::SigningState) is `Twin`, which outlasts a restart.
    pub fn twin(&self) -> Option<TwinSeen> {
        let twin = self.host.shared.twin.lock();
        twin.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the clocks of this node and its connected peers compare, and the last seal's time with this node's clock.
    pub fn clocks(&self) -> ClockReport {
        let drift_ms = self.engine.params().drift_ms;
        let clocks = self.transport.as_ref().map(|it| it.clocks(drift_ms));
        let now_ms = self.host.shared.clock.now_ms();
        let ahead_ms = self.engine.last_seal().time_ms.saturating_sub(now_ms);
        ClockReport {
            seal_ahead_ms: (ahead_ms > drift_ms).then_some(ahead_ms),
            ..clocks.unwrap_or_default()
        }
    }

    /// A ticket to join through this node; `None` without an endpoint.
    pub fn ticket(&self) -> Option<Ticket> {
        let transport = self.transport.as_ref()?;
        let (height, seal) = {
            let core = self.host.shared.core();
            let state = core.ledger().state();
            (state.height(), state.seal())
        };
        let genesis = self.engine.genesis();
        let mut ticket = transport.ticket(&genesis.name, height, seal);
        ticket.follows = self.follows();
        Some(ticket)
    }

    /// The network that this node's takes up. A node that joined later was not there when the plan came in force, and does not know
    /// whether it was a secession.
    pub fn follows(&self) -> Option<Followed> {
        let follows = self.engine.genesis().follows.as_ref()?;
        let founded = self.store().founded().ok().flatten();
        Some(Followed {
            network: follows.net,
            is_secession: founded.is_some_and(|it| it.backing.is_secession()),
        })
    }

    /// Waits until the node has stopped, and returns why.
    pub async fn stopped(&self) -> Stopped {
        self.host.shared.signals.stopped().await
    }

    /// Stops the node: sends waiting messages as far as that is quick, tells the peers, and writes the state for a quick
    /// next start. Queries are still answered. The databases stay locked until the last handle is dropped.
    pub async fn shutdown(&self) -> Stopped {
        // If the command is not taken, the node has already stopped.
        let _ = self.host.commands.send(Command::Stop).await;
        self.stopped().await
    }
}
