//! Asks a running node, over the socket in its directory (`docs/INTERFACE.md`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use mycnet_ask::{Error, Method, StatusCode, ask};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// How long a stream of events may be silent. A node that has nothing to tell shows itself every 15 seconds.
const SILENCE: Duration = Duration::from_mins(1);

/// A node's socket.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    socket: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Failure {
    message: String,
}

impl Node {
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            socket: directory.join("control.sock"),
        }
    }

    /// Asks. `None` if there is no such thing.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let address = format!("/v1{path}");
        let answer = ask(&self.socket, Method::GET, &address, String::new());
        let answer = timeout(ANSWER_TIME, answer).await;
        let answer =
            answer.map_err(|_| anyhow!("the node gave no answer to {address} within a minute"))?;
        let (status, body) = answer.map_err(|error| self.unanswered(error))?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Some)
                .with_context(|| format!("the answer to {address}: is the node of this version?")),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(&address, status, &body)),
        }
    }

    /// Asks for what is always there.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let found = self.find(path).await?;
        found.with_context(|| format!("the node does not know /v1{path}: is it of this version?"))
    }

    /// What happens from now on.
    pub(crate) async fn events(&self) -> anyhow::Result<Events> {
        let begun = mycnet_ask::Events::begin(&self.socket, None).await;
        begun.map(Events).map_err(|error| match error {
            Error::Refused(status, body) => refusal("/v1/events", status, &body),
            error => self.unanswered(error),
        })
    }

    fn unanswered(&self, error: Error) -> anyhow::Error {
        anyhow::Error::from(error).context(format!("no node at {}", self.socket.display()))
    }
}

fn refusal(address: &str, status: StatusCode, body: &[u8]) -> anyhow::Error {
    let failure = serde_json::from_slice::<Failure>(body);
    let message = failure.map_or_else(|_| status.to_string(), |failure| failure.message);
    anyhow!("the node refuses {address}: {message}")
}

/// What happened, as far as it says when to ask.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Sealed {},
    #[serde(other)]
    Other,
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Events(mycnet_ask::Events);

impl Events {
    /// The next event. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            let next = timeout(SILENCE, self.0.next()).await;
            let next = next.map_err(|_| anyhow!("the node has been silent for a minute"))?;
            if let Some(data) = next.context("the node tells nothing any more")? {
                return serde_json::from_slice(&data).context("an event of the node");
            }
        }
    }
}
