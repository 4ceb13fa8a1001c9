//! Lets readers connect: websockets, as the package `automerge-repo-network-websocket` opens them.
//!
//! Nothing that a reader sends changes a document: its changes are dropped (see `wire`), and all that is kept of it is what it said that
//! it has, until its connection ends. Each reader is answered by a task of its own, with one message at a time: whoever does not
//! read is sent nothing more, and is closed after a while.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::document::Shared;
use crate::reader::Reader;
use crate::wire::MESSAGE_BYTES_MAX;

/// How long the request that opens a connection may take.
const OPENING: Duration = Duration::from_secs(10);

/// Before the next connection, if this process has too many files open.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// What is received at once.
const READ_BYTES: usize = 16 * 1024;

/// The documents that readers can ask for.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    by_id: RwLock<BTreeMap<String, Arc<Shared>>>,
    changed: watch::Sender<()>,
}

impl Documents {
    pub(crate) fn add(&self, document: Arc<Shared>) {
        // A poisoned lock: nothing is left half done in a map.
        let by_id = self.by_id.write();
        let mut by_id = by_id.unwrap_or_else(PoisonError::into_inner);
        by_id.insert(document.id.clone(), document);
    }

    pub(crate) fn remove(&self, id: &str) {
        let by_id = self.by_id.write();
        let mut by_id = by_id.unwrap_or_else(PoisonError::into_inner);
        by_id.remove(id);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Shared>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(id).cloned()
    }

    /// Wakes the readers of documents that have changed.
    pub(crate) fn changed(&self) {
        self.changed.send_replace(());
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// Who may connect.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Pages of these origins. Programs name none, and are always let in.
    pub(crate) origins: Vec<String>,
}

/// Answers readers for ever.
pub(crate) async fn serve(
    listener: TcpListener,
    documents: Arc<Documents>,
    admission: Admission,
) -> Infallible {
    let free = Arc::new(Semaphore::new(admission.connections));
    let origins: Arc<[String]> = admission.origins.into();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot take a connection: {error}");
                sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let Ok(place) = free.clone().try_acquire_owned() else {
            tracing::info!(
                connections = admission.connections,
                "no place is free: a connection was closed"
            );
            continue;
        };
        let (documents, origins) = (documents.clone(), origins.clone());
        tokio::spawn(async move {
            match timeout(OPENING, open(stream, &origins)).await {
                Ok(Ok(socket)) => Reader::new(socket, documents).answer().await,
                Ok(Err(error)) => tracing::debug!("no connection: {error}"),
                Err(_) => tracing::debug!("no connection: it takes too long"),
            }
            drop(place);
        });
    }
}

async fn open(
    stream: TcpStream,
    origins: &[String],
) -> Result<WebSocketStream<TcpStream>, tokio_tungstenite::tungstenite::Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    #[allow(
        clippy::result_large_err,
        reason = "the type is that of the function that asks"
    )]
    let admit = |request: &Request, response: Response| match request.headers().get(ORIGIN) {
        // A browser lets any page connect to this machine: only its word about the page keeps others out.
        Some(origin) if !origins.iter().any(|it| it.as_bytes() == origin.as_bytes()) => {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            let why = format!(
                "pages of the origin {origin:?} may not read here: start mycnet-publish with --origin and this origin"
            );
            let mut refusal = ErrorResponse::new(Some(why));
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            Err(refusal)
        }
        _ => Ok(response),
    };
    accept_hdr_async_with_config(stream, admit, Some(config)).await
}
