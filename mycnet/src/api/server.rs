//! The side of the node that answers.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use axum::routing::{MethodFilter, get, on};
use axum::{Extension, Router};
use futures_util::stream;
use http_body_util::{BodyExt as _, Limited};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mycnet_consensus::node::Node;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::check_path;
use super::events::{EventId, Reader};
use super::gate::Gate;
use super::reply::{reply, with_headers};
use super::route::{ROUTES, Route, VERSION, Verb};
use super::{metrics, openapi, page};
use crate::answer::answer;
use crate::builds::Keeper;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::request::{REQUEST_BYTES_MAX, Request};
use crate::settings::Settings;

/// Connections at the same time. Those that ask nothing are closed after [`REQUEST_DEADLINE`], and sooner where they are many, so that
/// thousands of them delay the next one by seconds.
const CONNECTIONS_MAX: usize = 640;

/// Requests that are answered at the same time; the next one waits.
const ANSWERS_MAX: usize = 32;

/// Requests that wait for an operation. Waiting can take days and costs the node almost nothing, so they are counted apart.
const WAITS_MAX: usize = 256;

/// Streams of events. Each keeps a few dozen heights at most, however slowly it is read.
const STREAMS_MAX: usize = 64;

/// How long a program may take to send its request: its head, and its body.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// The same while more than half of the connections are taken, so that those that ask nothing soon make room.
const CROWDED_DEADLINE: Duration = Duration::from_secs(1);

/// How long a program may take to read its reply, which can have megabytes.
const REPLY_DEADLINE: Duration = Duration::from_mins(1);

/// The head of a request, in bytes: the longest address, and a browser's headers.
const HEAD_BYTES_MAX: usize = 32 * 1024;

const HEADERS_MAX: usize = 64;

/// Where a running node answers. The socket is removed when the node stops.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
    home: Home,
    tcp: Option<(TcpListener, Gate)>,
}

/// What all requests share.
#[derive(Debug, Clone)]
struct Shared {
    node: Node,
    keeper: Arc<Keeper>,
    answers: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    home: Home,
    news: broadcast::Sender<Arc<Value>>,
}

/// How long the program of a request may take to send it.
#[derive(Debug, Clone, Copy)]
struct Patience(Duration);

impl Patience {
    fn with(slots: &Semaphore) -> Self {
        Self(if slots.available_permits() < CONNECTIONS_MAX / 2 {
            CROWDED_DEADLINE
        } else {
            REQUEST_DEADLINE
        })
    }
}

/// Marks the response that has no end.
#[derive(Debug, Clone, Copy)]
struct Endless;

impl Control {
    /// Makes the socket, and listens at the address that the settings name. The caller must have the node's databases open: their lock
    /// says that no other node runs here, so that an old socket is left from a node that was killed.
    pub(crate) async fn bind(home: &Home, settings: &Settings) -> anyhow::Result<Self> {
        let path = home.socket();
        check_path(&path)?;
        let bound = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => UnixListener::bind(&path),
        };
        let listener =
            bound.with_context(|| format!("cannot make the socket {}", path.display()))?;
        let secured = fs::set_permissions(&path, Permissions::from_mode(0o600));
        let owner = secured.and_then(|()| fs::metadata(&path)).map(|m| m.uid());
        let owner = owner.with_context(|| format!("the socket {}", path.display()))?;
        let tcp = match settings.api.listen {
            None => None,
            Some(address) => {
                let gate = Gate::open(&home.api_token())?;
                let listener = TcpListener::bind(address).await;
                let listener =
                    listener.with_context(|| format!("cannot listen at {address} (api.listen)"))?;
                Some((listener, gate))
            }
        };
        Ok(Self {
            listener,
            path,
            owner,
            home: home.clone(),
            tcp,
        })
    }

    /// Where it answers over TCP.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let (listener, _) = self.tcp.as_ref()?;
        listener.local_addr().ok()
    }

    /// Answers until the future is dropped. After `closing` nothing more is accepted, and the future ends with the last answer;
    /// requests that come later wait for the next call.
    pub(crate) async fn serve(
        &self,
        node: &Node,
        keeper: &Arc<Keeper>,
        news: &broadcast::Sender<Arc<Value>>,
        closing: &Notify,
    ) {
        let app = app(Shared {
            node: node.clone(),
            keeper: keeper.clone(),
            answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            waits: Arc::new(Semaphore::new(WAITS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            home: self.home.clone(),
            news: news.clone(),
        });
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // This is dropped with the future, which cuts off requests that are not answered yet.
        let mut answering = JoinSet::new();
        loop {
            let accepting = async {
                let slot = slots.clone().acquire_owned().await;
                let slot = slot.expect("the semaphore is never closed");
                tokio::select! {
                    accepted = self.listener.accept() => {
                        (slot, accepted.map(|(stream, _)| Accepted::Socket(stream)))
                    }
                    accepted = accept_tcp(self.tcp.as_ref()) => (slot, accepted),
                }
            };
            let (slot, accepted) = tokio::select! {
                accepted = accepting => accepted,
                () = closing.notified() => break,
            };
            let patience = Patience::with(&slots);
            match accepted {
                Err(error) => {
                    // For example no free file descriptor: a pause keeps this loop from spinning until there is one.
                    tracing::warn!(%error, "the node's interface");
                    sleep(Duration::from_millis(100)).await;
                }
                Ok(Accepted::Socket(stream)) => {
                    let user = stream.peer_cred().map(|credentials| credentials.uid());
                    if user.is_ok_and(|user| user == self.owner || user == 0) {
                        answering.spawn(connected(stream, app.clone(), None, slot, patience));
                    } else {
                        tracing::warn!(
                            "another user than the owner connected to the node's socket"
                        );
                    }
                }
                Ok(Accepted::Tcp(stream, gate)) => {
                    answering.spawn(connected(stream, app.clone(), Some(gate), slot, patience));
                }
            }
            while answering.try_join_next().is_some() {}
        }
        while answering.join_next().await.is_some() {}
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket that stays does no harm: the next node replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// A connection, and what guards it.
enum Accepted {
    Socket(UnixStream),
    Tcp(tokio::net::TcpStream, Gate),
}

async fn accept_tcp(tcp: Option<&(TcpListener, Gate)>) -> io::Result<Accepted> {
    match tcp {
        None => std::future::pending().await,
        Some((listener, gate)) => {
            let (stream, _) = listener.accept().await?;
            Ok(Accepted::Tcp(stream, gate.clone()))
        }
    }
}

/// All paths.
fn app(shared: Shared) -> Router {
    let mut app = Router::new();
    for route in ROUTES {
        let method = match route.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
        };
        let handler = move |State(shared): State<Shared>,
                            path: RawPathParams,
                            RawQuery(query): RawQuery,
                            headers: HeaderMap,
                            Extension(patience): Extension<Patience>,
                            body: Body| async move {
            let path = path.iter();
            let path = path.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let asked = Asked {
                path: path.collect(),
                query: query.unwrap_or_default(),
                headers,
                patience,
                body,
            };
            handle(route, &shared, asked).await
        };
        app = app.route(&format!("{VERSION}{}", route.path), on(method, handler));
    }
    app = app.route(&format!("{VERSION}/events"), get(events));
    app = app.route("/metrics", get(metrics));
    for (path, content_type, text) in page::FILES {
        app = app.route(path, get(async || page::response(content_type, text)));
    }
    let described = get(async || reply(&Ok::<_, Failure>(openapi::document()), None));
    app = app.route(&format!("{VERSION}/openapi.json"), described);
    app.fallback(async || {
        let failure = Failure::new(
            Kind::NotFound,
            format!("nothing is here: {VERSION}/status tells the node's state, {VERSION}/openapi.json all paths"),
        );
        reply(&Err::<Value, _>(failure), None)
    })
    .method_not_allowed_fallback(async || {
        let failure = Failure::usage("this path is asked with another method: GET reads, POST changes");
        reply(&Err::<Value, _>(failure), None)
    })
    .with_state(shared)
}

async fn metrics(State(shared): State<Shared>) -> Response<Body> {
    /// What a text in this form is called.
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let _permit = shared.answers.clone().acquire_owned().await;
    let (node, home) = (shared.node, shared.home);
    let text = tokio::task::spawn_blocking(move || metrics::text(&node, &home)).await;
    match text.unwrap_or_else(|error| Err(Failure::failed(error))) {
        Ok(text) => with_headers(StatusCode::OK, OPENMETRICS, Body::from(text)),
        Err(failure) => reply(&Err::<Value, _>(failure), None),
    }
}

/// A stream of events, after that of the parameter `since`, or of the header with which browsers connect again.
async fn events(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let begun = shared.streams.clone().try_acquire_owned();
    let begun = begun.map_err(|_| {
        let why = format!("{STREAMS_MAX} programs follow the events already");
        Failure::new(Kind::Busy, why)
    });
    let reader = begun.and_then(|permit| {
        let since = since(&query.unwrap_or_default(), &headers)?;
        let reader = Reader::new(&shared.node, shared.news.subscribe(), since)?;
        Ok((reader, permit))
    });
    let (reader, permit) = match reader {
        Ok(reader) => reader,
        Err(failure) => return reply(&Err::<Value, _>(failure), None),
    };
    let frames = stream::unfold(Some((reader, permit)), async |reader| {
        let (mut reader, permit) = reader?;
        let (frame, rest) = match reader.next().await {
            Ok(None) => return None,
            Ok(Some(sent)) => (sent.frame(), Some((reader, permit))),
            Err(failure) => {
                let value = serde_json::to_string(&failure).unwrap_or_default();
                (format!("event: failed\ndata: {value}\n\n"), None)
            }
        };
        Some((Ok::<_, Infallible>(frame), rest))
    });
    let body = Body::from_stream(frames);
    let mut response = with_headers(StatusCode::OK, "text/event-stream", body);
    response.extensions_mut().insert(Endless);
    response
}

fn since(query: &str, headers: &HeaderMap) -> Result<Option<EventId>, Failure> {
    let mut given = None;
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        if name != "since" || given.is_some() {
            return Err(Failure::usage(format!(
                "{name}: the only parameter is since, once"
            )));
        }
        given = Some(text.into_owned());
    }
    // The header is of later than the address.
    let last = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let text = last.map(str::to_owned).or(given);
    text.map(|text| text.parse().map_err(Failure::usage))
        .transpose()
}

/// The parts of a request that its answer depends on.
struct Asked {
    path: Vec<(String, String)>,
    query: String,
    headers: HeaderMap,
    patience: Patience,
    body: Body,
}

async fn handle(route: &'static Route, shared: &Shared, asked: Asked) -> Response<Body> {
    let request = match request(route, asked).await {
        Ok(request) => request,
        Err(failure) => return reply(&Err::<Value, _>(failure), None),
    };
    let is_wait = matches!(request, Request::Wait { .. });
    let permit = if is_wait {
        shared.waits.clone().try_acquire_owned()
    } else {
        let permit = shared.answers.clone().acquire_owned().await;
        Ok(permit.expect("the semaphore is never closed"))
    };
    match permit {
        Err(_) => {
            let failure = Failure::new(
                Kind::Busy,
                format!(
                    "{WAITS_MAX} commands are waiting for operations already; the operation goes on, and this command does not wait"
                ),
            );
            reply(&Err::<Value, _>(failure), None)
        }
        Ok(permit) => {
            let answer = answer(&shared.node, &shared.keeper, request).await;
            reply(&answer, Some(permit))
        }
    }
}

async fn request(route: &Route, asked: Asked) -> Result<Request, Failure> {
    let query = form_urlencoded::parse(asked.query.as_bytes()).into_owned();
    let body = Limited::new(asked.body, REQUEST_BYTES_MAX).collect();
    let body = timeout(asked.patience.0, body).await;
    let body = body.map_err(|_| Failure::usage("the request's body took too long"))?;
    let body = body.map_err(|_| {
        Failure::usage(format!(
            "the request's body is longer than {REQUEST_BYTES_MAX} bytes, or was cut off"
        ))
    })?;
    let body = body.to_bytes();
    let body = if body.is_empty() {
        None
    } else {
        let content_type = asked.headers.get(CONTENT_TYPE);
        // A form of a page can send no JSON without being asked first.
        if !content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/json")) {
            return Err(Failure::usage(
                "the body must be JSON, with `Content-Type: application/json`",
            ));
        }
        let body = serde_json::from_slice(&body);
        Some(body.map_err(|error| Failure::usage(format!("the body is no JSON: {error}")))?)
    };
    route.request(asked.path, query.collect(), body)
}

/// Answers one request of a connection.
async fn connected(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    app: Router,
    gate: Option<Gate>,
    slot: OwnedSemaphorePermit,
    patience: Patience,
) {
    let app = TowerToHyperService::new(app);
    let answered = Notify::new();
    let service = service_fn(|mut request: HttpRequest<hyper::body::Incoming>| {
        request.extensions_mut().insert(patience);
        let passed = gate.as_ref().map_or(Ok(()), |gate| {
            gate.check(request.headers(), page::is_page(request.uri().path()))
        });
        let (app, answered) = (&app, &answered);
        async move {
            let response = match passed {
                Ok(()) => app.call(request).await?,
                Err(denied) => reply(&Err::<Value, _>(denied), None),
            };
            if response.extensions().get::<Endless>().is_none() {
                answered.notify_one();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.0)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let late = async {
        answered.notified().await;
        sleep(REPLY_DEADLINE).await;
    };
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a program went away");
            }
        }
        () = late => tracing::debug!("a program does not read its reply"),
    }
    drop(slot);
}
