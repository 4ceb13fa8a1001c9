//! The node that a command asks: a running one, or one of its own without peers, for as long as the command takes.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::node::Node;
use mycnet_consensus::{NodeId, OperationId, Standing};
use serde::de::DeserializeOwned;

use crate::answer::{self, answer};
use crate::arguments::{IdPrefix, NodeRef};
use crate::builds::Keeper;
use crate::databases::{open_store, rejoins};
use crate::failure::{Failure, Kind};
use crate::home::last_run::LastRun;
use crate::home::{Common, Home};
use crate::output::note;
use crate::reply::{FoundId, SealTime};
use crate::request::Request;
use crate::start::{RETRIES, RETRY_AFTER, builder, runtime, spawn};
use crate::{api, warnings};

/// How long `--wait` lasts by default without a running node. A network of one needs less; other nodes are not heard.
const ALONE_MS: u64 = 2000;

/// How long `--wait` lasts by default with a running node. Members may be asleep.
const DEFAULT_WAIT_MS: u64 = 24 * 3600 * 1000;

/// A node to ask.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) home: Home,
    /// The command's own node, if no other runs.
    own_node: Option<Node>,
    /// The book and index of that node.
    keeper: Arc<Keeper>,
}

/// Does something with a node, and stops the command's own node in good order afterwards.
pub(crate) fn with<T>(
    common: &Common,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let home = common.home()?;
    runtime()?.block_on(async {
        let client = Client::open(home).await?;
        let result = work(&client).await;
        if let Some(node) = &client.own_node {
            node.shutdown().await;
        }
        result
    })
}

/// Asks a node one question.
pub(crate) fn ask<T: DeserializeOwned>(common: &Common, request: Request) -> anyhow::Result<T> {
    with(common, async |client| client.ask(request).await)
}

impl Client {
    async fn open(home: Home) -> anyhow::Result<Self> {
        let keeper = Arc::new(Keeper::new(&home));
        for _ in 0..RETRIES {
            // No node runs in a network that this one has left.
            if !home.is_past() && api::is_answered(&home).await? {
                return Ok(Self {
                    home,
                    own_node: None,
                    keeper,
                });
            }
            if let Some(store) = open_store(&home)? {
                let node = spawn(&home, builder(&home, store, &[])?)?;
                if let Some(twin) = answer::reads::twin(&node) {
                    note(&warnings::twin(&twin, &home.option()));
                }
                let me = node.engine().node_id();
                let mut roster = node.engine().roster().into_iter();
                if roster.any(|it| it.node == me && it.standing == Standing::Banned) {
                    note(warnings::banned());
                }
                let lost = node.opened().journal_lost.map(|lost| lost.to_string());
                let is_rejoining = node.engine().seal_status().signing == "rejoining";
                if lost.is_some() || is_rejoining {
                    let lost = lost.unwrap_or_else(|| "the journal was lost".to_owned());
                    note(&format!("{lost}. {}", rejoins(&home)));
                }
                return Ok(Self {
                    home,
                    own_node: Some(node),
                    keeper,
                });
            }
            // A node that starts or stops, or another command, has the databases open for a moment.
            tokio::time::sleep(RETRY_AFTER).await;
        }
        bail!(
            "another process has the databases in {} open and does not answer at {}: a `mycnet doctor` that is still \
             checking, or a node that hangs. Wait for it, or stop it, and try again",
            home.path().display(),
            home.socket().display()
        )
    }

    /// Whether a node runs. A running node sends records to its peers at once.
    pub(crate) fn is_running(&self) -> bool {
        self.own_node.is_none()
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: Request) -> anyhow::Result<T> {
        let answer = match &self.own_node {
            Some(node) => answer(node, &self.keeper, request).await?,
            None => api::ask(&self.home, &request).await?,
        };
        serde_json::from_value(answer).context(
            "the running node's answer is not understood: it may be of another version than this command; restart it",
        )
    }

    /// Waits until an operation is closed, or until the timeout.
    pub(crate) async fn wait<T: DeserializeOwned>(
        &self,
        operation: OperationId,
        timeout_ms: Option<u64>,
    ) -> anyhow::Result<T> {
        let default_ms = if self.is_running() {
            DEFAULT_WAIT_MS
        } else {
            note("no node is running here: the command hears nobody else while it waits");
            ALONE_MS
        };
        let timeout_ms = timeout_ms.unwrap_or(default_ms);
        self.ask(Request::Wait {
            operation,
            timeout_ms,
        })
        .await
    }

    /// Before something is signed without a running node: refuses if this directory seems to be a copy, unless the user insists,
    /// and warns if nothing was heard for long. A running node hears from others what it has signed; a command alone does not.
    pub(crate) async fn check_before_signing(&self, from_copy: bool) -> anyhow::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let option = self.home.option();
        // In a network that this node has left, nothing is signed anyway.
        if !self.home.is_past() && LastRun::read(&self.home).is_elsewhere(&self.home) {
            if !from_copy {
                return Err(Failure::new(Kind::Refused, warnings::copy(&option)).into());
            }
            note("signed from a directory that seems to be a copy, as --from-copy asks");
        }
        let last: SealTime = self.ask(Request::SealTime).await?;
        let old_ms = SystemClock.now_ms().saturating_sub(last.time_ms);
        if last.height > 0 && old_ms > last.commit_window_ms {
            note(&format!(
                "the last seal known here, of height {}, is {} old. If this directory is an old copy, its node may have signed \
                 since, and a member that signs twice is banned: then run `mycnet run{option}` first",
                last.height,
                warnings::span(old_ms)
            ));
        }
        Ok(())
    }

    /// If no node runs, says that a record that was signed stays on this machine.
    pub(crate) fn note_unsent(&self) {
        if !self.is_running() {
            note(&format!(
                "no node is running here: the record goes out at the next `mycnet run{}`",
                self.home.option()
            ));
        }
    }

    /// The node that an argument means.
    pub(crate) async fn node(&self, given: &NodeRef) -> anyhow::Result<NodeId> {
        let aliases = self.home.settings()?.aliases;
        let Some(meant) = aliases.get(&given.0) else {
            return self.node_called(&given.0).await;
        };
        let node = self.node_called(meant).await?;
        // Whoever takes the word as its name does not become the one that it stands for here.
        let same = self.node_called(&given.0).await;
        if same.is_ok_and(|same| same != node) {
            return Err(Failure::usage(format!(
                "{word}: your alias stands for {meant}, and another node answers to that word too: name the node by its id",
                word = given.0
            ))
            .into());
        }
        Ok(node)
    }

    /// The node with this name, or whose id begins with these digits.
    async fn node_called(&self, given: &str) -> anyhow::Result<NodeId> {
        // A name is shorter than an id.
        if let Ok(id) = given.parse() {
            return Ok(id);
        }
        let given = given.to_owned();
        let found: FoundId<_> = self.ask(Request::FindNode { given }).await?;
        Ok(found.id)
    }

    /// The operation that an argument means.
    pub(crate) async fn operation(&self, given: &IdPrefix) -> anyhow::Result<OperationId> {
        let prefix = given.0.clone();
        if let Ok(id) = prefix.parse() {
            return Ok(id);
        }
        let found: FoundId<_> = self.ask(Request::FindOperation { prefix }).await?;
        Ok(found.id)
    }
}
