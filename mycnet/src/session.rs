//! Whom a command asks: the running node, or one that it starts itself, without a network, for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mycnet_consensus::node::{Builder, Node, NodeError};
use mycnet_consensus::store::Store;
use mycnet_consensus::{NodeId, OperationId, Signer as _};
use serde_json::Value;

use crate::answer::answer;
use crate::arguments::{NodeArg, OperationArg};
use crate::databases::{damaged, open_store, rejoins};
use crate::home::Home;
use crate::output::note;
use crate::request::Request;
use crate::socket;

/// How often, and how many times, it is looked again whether another process has let the databases go.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 30;

/// How long a wait lasts unless told otherwise, where nobody else can be heard: a network of one needs less.
const ALONE_MS: u64 = 2000;

/// How long a wait lasts unless told otherwise, beside a running node. Members may be asleep.
const DEFAULT_WAIT_MS: u64 = 24 * 3600 * 1000;

/// A runtime for one command.
///
/// # Errors
///
/// If the platform gives no threads.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the command's threads")
}

/// Does something with a node, and lets it go in good order whatever comes of it.
///
/// # Errors
///
/// What the work gives, or that there is nobody to ask.
pub(crate) fn with<T>(
    home: &Home,
    work: impl AsyncFnOnce(&Session) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    runtime()?.block_on(async {
        let session = Session::open(home).await?;
        let result = work(&session).await;
        if let Some(node) = &session.node {
            node.shutdown().await;
        }
        result
    })
}

/// A node to ask.
#[derive(Debug)]
pub(crate) struct Session {
    home: Home,
    /// The node, if this command started it itself.
    node: Option<Node>,
}

impl Session {
    async fn open(home: &Home) -> anyhow::Result<Self> {
        let home = home.clone();
        for _ in 0..LOOKS {
            if socket::is_answered(&home).await? {
                return Ok(Self { home, node: None });
            }
            match open_store(&home)? {
                Some(store) => {
                    let node = alone(&home, store)?;
                    let node = Some(node);
                    return Ok(Self { home, node });
                }
                // A node that starts or stops, or another command: that passes.
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        bail!(
            "another process has the databases in {} open and does not answer at {}: a `mycnet doctor` that is still \
             checking, or a node that hangs. Wait for it, or stop it, and try again",
            home.path().display(),
            home.socket().display()
        )
    }

    /// Whether a node runs, so that what is signed goes out at once.
    pub(crate) fn is_running(&self) -> bool {
        self.node.is_none()
    }

    /// The node, if this command started it itself.
    pub(crate) fn own_node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Asks.
    ///
    /// # Errors
    ///
    /// [`Failure`](crate::failure::Failure)
    pub(crate) async fn ask(&self, request: Request) -> anyhow::Result<Value> {
        let answered = match &self.node {
            Some(node) => answer(node, request).await,
            None => socket::ask(&self.home, &request).await,
        };
        Ok(answered?)
    }

    /// Waits until an operation is closed: so many milliseconds at most, or as long as makes sense.
    ///
    /// # Errors
    ///
    /// [`Failure`](crate::failure::Failure), of kind `Undecided` if it takes longer.
    pub(crate) async fn wait(
        &self,
        operation: OperationId,
        timeout_ms: Option<u64>,
    ) -> anyhow::Result<Value> {
        let default_ms = if self.is_running() {
            DEFAULT_WAIT_MS
        } else {
            note("no node is running here: nobody else is heard while this command waits");
            ALONE_MS
        };
        let timeout_ms = timeout_ms.unwrap_or(default_ms);
        let request = Request::Wait {
            operation,
            timeout_ms,
        };
        self.ask(request).await
    }

    /// The node that an argument means.
    ///
    /// # Errors
    ///
    /// If none or several known ids begin so.
    pub(crate) async fn node(&self, given: &NodeArg) -> anyhow::Result<NodeId> {
        if let Ok(id) = given.digits().parse() {
            return Ok(id);
        }
        let prefix = given.digits().to_owned();
        self.found(Request::FindNode { prefix }).await
    }

    /// The operation that an argument means.
    ///
    /// # Errors
    ///
    /// If none or several known ids begin so.
    pub(crate) async fn operation(&self, given: &OperationArg) -> anyhow::Result<OperationId> {
        if let Ok(id) = given.digits().parse() {
            return Ok(id);
        }
        let prefix = given.digits().to_owned();
        self.found(Request::FindOperation { prefix }).await
    }

    async fn found<T: std::str::FromStr>(&self, request: Request) -> anyhow::Result<T> {
        let found = self.ask(request).await?;
        let id = found["id"].as_str().and_then(|id| id.parse().ok());
        id.context("the node's answer has no id")
    }
}

/// A node on these databases, with this directory's key, that accepts no other branch than its ticket's.
///
/// # Errors
///
/// If the key or the ticket cannot be read.
pub(crate) fn builder(home: &Home, store: Store) -> anyhow::Result<Builder> {
    let author = home.author()?;
    home.check_author(store.node_id(), author.node_id())?;
    let mut builder = Node::builder(store, Arc::new(author));
    if let Some(ticket) = home.ticket()? {
        builder = builder.expect_seal(ticket.height, ticket.seal);
    }
    Ok(builder)
}

/// Starts a node.
///
/// # Errors
///
/// If its databases cannot be read, with what to do about it.
pub(crate) fn spawn(home: &Home, builder: Builder) -> anyhow::Result<Node> {
    builder.spawn().map_err(|error| match error {
        NodeError::Store(error) => damaged(home, &error),
        error => error.into(),
    })
}

fn alone(home: &Home, store: Store) -> anyhow::Result<Node> {
    let node = spawn(home, builder(home, store)?)?;
    let lost = node.opened().journal_lost.map(|lost| lost.to_string());
    let is_rejoining = node.engine().seal_status().signing == "rejoining";
    let lost = lost.or_else(|| is_rejoining.then(|| "the journal was lost".to_owned()));
    if let Some(lost) = lost {
        note(&format!("{lost}. {}", rejoins(home)));
    }
    Ok(node)
}

/// Ends at Ctrl-C, and where there is one at SIGTERM, which service managers send.
///
/// # Errors
///
/// If the system does not tell of signals.
pub(crate) fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            let _ = tokio::signal::ctrl_c().await;
        })
    }
}
