//! Asks a running node over the socket in its directory: HTTP/1.1 with JSON, as `docs/INTERFACE.md` describes it.
//!
//! [`ask`] sends one request. [`Events`] is what happens, from a place on. Neither knows what is asked; that is said in
//! `schemas/openapi.json`.

#![cfg(unix)]

use std::io;
use std::path::Path;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
pub use hyper::{Method, StatusCode};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

/// Bytes of an answer at most: far more than the longest list.
pub const ANSWER_BYTES_MAX: usize = 160 * 1024 * 1024;

/// Bytes of an event at most.
pub const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of the refusal of a stream at most.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Why there is no answer, or no event more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The socket cannot be opened. No node runs in the directory if it is not there, or refuses.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The address is none.
    #[error("the address of the request: {0}")]
    Address(#[from] hyper::http::Error),
    /// The node stopped while it answered, or does not speak HTTP.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
    /// The answer is longer than [`ANSWER_BYTES_MAX`], or the node stopped within it.
    #[error("{0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// An event is longer than [`EVENT_BYTES_MAX`].
    #[error("an event of the node is too long")]
    TooLong,
    /// The node has stopped.
    #[error("the node has stopped")]
    Ended,
    /// There is no stream of events. The body is a failure as JSON, if the node is of this version.
    #[error("the node refuses to tell events: {0}")]
    Refused(StatusCode, Bytes),
}

/// An answer that has begun, and its connection, which ends with it.
#[derive(Debug)]
struct Begun {
    response: Response<Incoming>,
    connection: Connection,
}

#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn begin(socket: &Path, method: Method, address: &str, body: String) -> Result<Begun, Error> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = Connection(tokio::spawn(async move {
        // The answer says what went wrong.
        let _ = connection.await;
    }));
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    Ok(Begun {
        response,
        connection,
    })
}

/// Sends a request to the node with this socket, and waits for the whole answer: its status and its body. An `address` is a
/// path with its parameters, such as `/v1/operations?limit=3`; a `body` is JSON, or empty.
///
/// # Errors
///
/// The node does not run, or stops before it has answered. That it refuses is an answer.
pub async fn ask(
    socket: &Path,
    method: Method,
    address: &str,
    body: String,
) -> Result<(StatusCode, Bytes), Error> {
    let begun = begin(socket, method, address, body).await?;
    whole(begun, ANSWER_BYTES_MAX).await
}

async fn whole(begun: Begun, bytes_max: usize) -> Result<(StatusCode, Bytes), Error> {
    let Begun {
        response,
        connection,
    } = begun;
    let status = response.status();
    let body = Limited::new(response.into_body(), bytes_max)
        .collect()
        .await;
    drop(connection);
    Ok((status, body.map_err(Error::Body)?.to_bytes()))
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    begun: Begun,
    /// What was received and is no whole event yet.
    rest: Vec<u8>,
}

impl Events {
    /// Begins after an event or a height of the node with this socket; after the present events unless one is named.
    ///
    /// # Errors
    ///
    /// The node does not run, or refuses ([`Error::Refused`]): it has no such event, or too many follow it.
    pub async fn begin(socket: &Path, since: Option<&str>) -> Result<Self, Error> {
        let query = since.map_or_else(String::new, |since| format!("?since={since}"));
        let address = format!("/v1/events{query}");
        let begun = begin(socket, Method::GET, &address, String::new()).await?;
        if begun.response.status().is_success() {
            return Ok(Self {
                begun,
                rest: Vec::new(),
            });
        }
        let (status, body) = whole(begun, REFUSAL_BYTES_MAX).await?;
        Err(Error::Refused(status, body))
    }

    /// The next event, as JSON; `None` if the node only shows that it is there, which it does when it has nothing to tell for 15
    /// seconds. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// The node has stopped, or says what is no event.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.rest.drain(..end + 2).collect();
                let mut lines = block.split(|byte| *byte == b'\n');
                // An event of this node has one line of data; a comment has none.
                let data = lines.find_map(|line| line.strip_prefix(b"data: "));
                return Ok(data.map(<[u8]>::to_vec));
            }
            if self.rest.len() > EVENT_BYTES_MAX {
                return Err(Error::TooLong);
            }
            let frame = self.begun.response.body_mut().frame().await;
            if let Some(data) = frame.ok_or(Error::Ended)??.data_ref() {
                self.rest.extend_from_slice(data);
            }
        }
    }
}
