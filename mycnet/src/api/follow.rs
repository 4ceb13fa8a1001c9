//! The side that follows the events of a running node.

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::route::VERSION;
use crate::failure::Failure;
use crate::home::Home;

/// Bytes of one event at most.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a refusal at most.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Following {
    body: Incoming,
    connection: JoinHandle<()>,
    /// What was received and is no whole event yet.
    rest: Vec<u8>,
}

/// Why there are no more events.
#[derive(Debug)]
pub(crate) enum Over {
    /// The node is not there, or not any more.
    Gone,
    Refused(Failure),
}

impl Drop for Following {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Following {
    /// Begins after an event; after the present ones unless one is named.
    pub(crate) async fn begin(home: &Home, since: Option<&str>) -> Result<Self, Over> {
        let gone = |_| Over::Gone;
        let stream = UnixStream::connect(home.socket()).await.map_err(gone)?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| Over::Gone)?;
        let connection = tokio::spawn(async move {
            // The answer says what went wrong.
            let _ = connection.await;
        });
        let query = since.map_or_else(String::new, |since| format!("?since={since}"));
        let request = hyper::Request::get(format!("{VERSION}/events{query}"))
            .header(HOST, "localhost")
            .body(Empty::<Bytes>::new());
        let request = request.map_err(|error| Over::Refused(Failure::failed(error)))?;
        let response = sender.send_request(request).await.map_err(|_| Over::Gone)?;
        if response.status().is_success() {
            return Ok(Self {
                body: response.into_body(),
                connection,
                rest: Vec::new(),
            });
        }
        let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX);
        let body = body.collect().await.map_err(|_| Over::Gone)?.to_bytes();
        let failure = serde_json::from_slice(&body);
        Err(Over::Refused(failure.unwrap_or_else(|_| {
            Failure::failed("the node has no events: it may be of another version than this command; restart it")
        })))
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Result<Value, Over> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.rest.drain(..end + 2).collect();
                let mut lines = block.split(|byte| *byte == b'\n');
                // An event of this node has one line of data; a comment has none.
                let data = lines.find_map(|line| line.strip_prefix(b"data: "));
                let Some(data) = data else { continue };
                let value = serde_json::from_slice(data);
                return value.map_err(|error| Over::Refused(Failure::failed(error)));
            }
            if self.rest.len() > EVENT_BYTES_MAX {
                let what = "an event of the node is too long";
                return Err(Over::Refused(Failure::failed(what)));
            }
            let frame = self.body.frame().await;
            let frame = frame.ok_or(Over::Gone)?.map_err(|_| Over::Gone)?;
            if let Some(data) = frame.data_ref() {
                self.rest.extend_from_slice(data);
            }
        }
    }
}
