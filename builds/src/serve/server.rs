//! HTTP within bounds: GET and HEAD, one question per connection.
//!
//! Whatever comes in, the server goes on: each connection has its own task, its own time and its share of the memory.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::question::{NoQuestion, Question};

/// Connections at a time, and so questions that can wait. Others wait in the system's queue.
pub const QUESTIONS_MAX: usize = 64;

/// The head of a request, in bytes: more is answered with 431.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header lines of a request: more are answered with 431.
const HEADERS_MAX: usize = 64;

/// The address in a request, in bytes: more is answered with 414. A package's name and version have less than 256.
const ADDRESS_BYTES_MAX: usize = 2048;

/// How long a request's head may take.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// How long a connection may take: also one that does not read its answer.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// How long to wait if the system gives no connection: it has too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A question that waits for its reply.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// Where the reply goes. If it is dropped, the client hears that the node did not answer.
    pub reply: oneshot::Sender<Reply>,
}

/// What a client is answered: always JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

#[derive(Serialize)]
struct Error {
    error: String,
}

impl Reply {
    /// An answer.
    pub fn json(answer: &impl Serialize) -> Self {
        match serde_json::to_vec(answer) {
            Ok(body) => Self::of(body),
            Err(error) => Self::failed(&error),
        }
    }

    /// A document that is JSON.
    pub fn of(body: Vec<u8>) -> Self {
        let status = StatusCode::OK;
        Self { status, body }
    }

    /// The node knows nothing of what was asked.
    pub fn unknown(what: &impl ToString) -> Self {
        Self::error(StatusCode::NOT_FOUND, what)
    }

    /// The node cannot answer now.
    pub fn failed(why: &impl ToString) -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    fn error(status: StatusCode, error: &impl ToString) -> Self {
        let error = error.to_string();
        let body = serde_json::to_vec(&Error { error }).unwrap_or_default();
        Self { status, body }
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
}

impl Server {
    /// Listens at these addresses.
    ///
    /// # Errors
    ///
    /// The address that cannot be used, and why.
    pub async fn bind(addresses: &[SocketAddr]) -> Result<Self, (SocketAddr, io::Error)> {
        let mut listeners = Vec::new();
        for address in addresses {
            let bound = TcpListener::bind(address).await;
            listeners.push(bound.map_err(|error| (*address, error))?);
        }
        Ok(Self { listeners })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Answers until nobody takes questions any more. With `is_public`, requests may name any host; else only this machine, so that no
    /// page in a browser can have a name of its own lead here and read the ledger.
    pub async fn run(self, asked: mpsc::Sender<Asked>, is_public: bool) {
        let (send, mut streams) = mpsc::channel::<TcpStream>(1);
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener, send.clone()));
        }
        let gate = Arc::new(Gate { asked, is_public });
        let slots = Arc::new(Semaphore::new(QUESTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let stream = tokio::select! {
                stream = streams.recv() => stream,
                () = gate.asked.closed() => None,
            };
            let Some(stream) = stream else { return };
            while connections.try_join_next().is_some() {}
            let gate = gate.clone();
            connections.spawn(async move {
                // What went wrong concerns the client alone.
                let _ = timeout(CONNECTION_TIME, connected(stream, gate)).await;
                drop(slot);
            });
        }
    }
}

async fn accept(listener: TcpListener, send: mpsc::Sender<TcpStream>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if send.send(stream).await.is_err() {
                    return;
                }
            }
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn connected(stream: TcpStream, gate: Arc<Gate>) -> Result<(), hyper::Error> {
    let service = service_fn(async |request| {
        let reply = gate.reply(&request).await;
        Ok::<_, Infallible>(response(reply))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, json);
    // No browser takes it for a page.
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    if reply.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// What requests pass on their way to the node.
#[derive(Debug)]
struct Gate {
    asked: mpsc::Sender<Asked>,
    is_public: bool,
}

impl Gate {
    async fn reply(&self, request: &Request<Incoming>) -> Reply {
        let question = match self.question(request) {
            Ok(question) => question,
            Err(refused) => return refused,
        };
        let (reply, answered) = oneshot::channel();
        let asked = Asked { question, reply };
        let answered = timeout(ANSWER_TIME, async {
            self.asked.send(asked).await.ok()?;
            answered.await.ok()
        });
        let answered = answered.await.ok().flatten();
        answered.unwrap_or_else(|| Reply::failed(&"the node did not answer in time"))
    }

    fn question(&self, request: &Request<Incoming>) -> Result<Question, Reply> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let error = "only GET and HEAD are answered";
            return Err(Reply::error(StatusCode::METHOD_NOT_ALLOWED, &error));
        }
        let address = request.uri();
        let query = address.query().unwrap_or_default();
        if address.path().len() + query.len() > ADDRESS_BYTES_MAX {
            let error = format!("the address has more than {ADDRESS_BYTES_MAX} bytes");
            return Err(Reply::error(StatusCode::URI_TOO_LONG, &error));
        }
        let host = address.authority().map(Authority::as_str);
        let host = host.or_else(|| request.headers().get(HOST)?.to_str().ok());
        if !self.is_public && !host.is_none_or(is_this_machine) {
            let error = "this server answers requests to this machine: localhost, 127.0.0.1";
            return Err(Reply::error(StatusCode::MISDIRECTED_REQUEST, &error));
        }
        Question::read(address.path(), query).map_err(|error| {
            let status = match error {
                NoQuestion::NotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::BAD_REQUEST,
            };
            Reply::error(status, &error)
        })
    }
}

/// Whether a host, with or without port, is this machine, whatever a name server says.
pub fn is_this_machine(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address = bare.unwrap_or(name).parse::<IpAddr>();
    let is_localhost = name == "localhost" || name.ends_with(".localhost");
    address.map_or(is_localhost, |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        for host in [
            "localhost",
            "localhost:8484",
            "ada.localhost",
            "127.0.0.3:1",
            "127.0.0.1",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8484",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0:1",
            "[::]:1",
            "evillocalhost",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
