//! Asks a running node, over the socket in its directory (`docs/INTERFACE.md`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes of an answer at most, as the command has it: a set of 512 claims that 1,024 members have answered.
const ANSWER_BYTES_MAX: usize = 160 * 1024 * 1024;

/// Bytes of an event at most.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// How long a stream of events may be silent. A node that has nothing to tell shows itself every 15 seconds.
const SILENCE: Duration = Duration::from_mins(1);

/// A node's socket.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    socket: PathBuf,
}

/// The answer to a request, and the connection that it comes over.
#[derive(Debug)]
struct Answer {
    response: Response<Incoming>,
    connection: JoinHandle<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
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

    async fn request(&self, path: &str) -> anyhow::Result<Answer> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.with_context(|| format!("no node at {}", self.socket.display()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move {
            // The answer says what went wrong.
            let _ = connection.await;
        });
        let request = hyper::Request::get(format!("/v1{path}")).header(HOST, "localhost");
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?);
        match response.await {
            Ok(response) => Ok(Answer {
                response,
                connection,
            }),
            Err(error) => {
                connection.abort();
                Err(error.into())
            }
        }
    }

    /// Asks. `None` if there is no such thing.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let answer = async {
            let mut answer = self.request(path).await?;
            let status = answer.response.status();
            let body = Limited::new(answer.response.body_mut(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(anyhow::Error::from_boxed)?;
            anyhow::Ok((status, body.to_bytes()))
        };
        let (status, body) = timeout(ANSWER_TIME, answer)
            .await
            .map_err(|_| anyhow!("the node gave no answer to /v1{path} within a minute"))??;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Some)
                .with_context(|| format!("the answer to /v1{path}; is the node of this version?")),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(path, status, &body)),
        }
    }

    /// Asks for what is always there.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let found = self.find(path).await?;
        found.with_context(|| format!("the node does not know /v1{path}: is it of this version?"))
    }

    /// What happens after a height.
    pub(crate) async fn events(&self, since: u64) -> anyhow::Result<Events> {
        let path = format!("/events?since={since}");
        let answer = self.request(&path).await?;
        let mut events = Events {
            answer,
            rest: Vec::new(),
        };
        let status = events.answer.response.status();
        if status.is_success() {
            return Ok(events);
        }
        let body = Limited::new(events.answer.response.body_mut(), EVENT_BYTES_MAX);
        let body = body.collect().await.map_err(anyhow::Error::from_boxed)?;
        Err(refusal(&path, status, &body.to_bytes()))
    }
}

fn refusal(path: &str, status: StatusCode, body: &[u8]) -> anyhow::Error {
    let failure = serde_json::from_slice::<Failure>(body);
    let message = failure.map_or_else(|_| status.to_string(), |failure| failure.message);
    anyhow!("the node refuses /v1{path}: {message}")
}

/// What happened, as far as it says what to ask for.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Sealed {
        height: u64,
        seal: String,
        time_ms: u64,
    },
    Operation {
        operation: String,
    },
    Member {},
    #[serde(other)]
    Other,
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Events {
    answer: Answer,
    /// What was received and is no whole event yet.
    rest: Vec<u8>,
}

impl Events {
    /// The next event. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.rest.drain(..end + 2).collect();
                let mut lines = block.split(|byte| *byte == b'\n');
                // A node's event has one line of data; a comment has none.
                let data = lines.find_map(|line| line.strip_prefix(b"data: "));
                let Some(data) = data else { continue };
                return serde_json::from_slice(data).context("an event of the node");
            }
            if self.rest.len() > EVENT_BYTES_MAX {
                bail!("an event of the node is longer than {EVENT_BYTES_MAX} bytes");
            }
            let frame = timeout(SILENCE, self.answer.response.body_mut().frame()).await;
            let frame = frame.map_err(|_| anyhow!("the node has been silent for a minute"))?;
            let frame = frame.context("the node has stopped")??;
            if let Some(data) = frame.data_ref() {
                self.rest.extend_from_slice(data);
            }
        }
    }
}
