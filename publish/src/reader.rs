//! One reader: its connection, and what it has of the documents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use automerge::sync::{self, SyncDoc as _};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::document::Shared;
use crate::serve::Documents;
use crate::wire::{Answer, Said, read};

/// The id of this side in the protocol. It says nothing, and readers tell connections apart by it only if they have several.
const OWN_ID: &str = "mycnet-publish";

/// How long the first message may take.
const JOINING: Duration = Duration::from_secs(10);

/// How long a message may take to be sent. A slow link gets a document of several megabytes in it.
const SENDING: Duration = Duration::from_mins(1);

/// Between two signs that the connection is alive, and without one from the other side.
const SIGN: Duration = Duration::from_secs(30);
const NO_SIGN: Duration = Duration::from_secs(75);

/// What a message about a document costs, in time: so many times what it took to answer it, and at most this. It can take the
/// reading of a whole large document, and most take next to nothing.
const SYNC_COST_TIMES: u32 = 50;
const SYNC_COST_MAX: Duration = Duration::from_millis(500);

/// What it costs to read a message: a client may have many documents of its own, and tells of each.
const READ_COST: Duration = Duration::from_millis(1);
const BYTE_COST: Duration = Duration::from_nanos(10);

/// How far the costs may be ahead of the clock before the next message waits. A reader that keeps up answers each change of each of
/// its documents with one message, and begins with a few.
const CREDIT: Duration = Duration::from_secs(5);

/// What a reader has of a document.
struct Read {
    document: Arc<Shared>,
    state: sync::State,
    /// The version of the document when it was sent what it lacks.
    version: u64,
}

/// Why a connection ends.
enum Ended {
    /// The other side closed it, or is not there any more.
    Gone,
    /// The reader broke a rule, and is told which.
    Refused(String),
}

pub(crate) struct Reader {
    socket: WebSocketStream<TcpStream>,
    documents: Arc<Documents>,
    /// Its id, which it chose itself.
    peer: String,
    reads: BTreeMap<String, Read>,
    /// The time up to which its messages have used up what they may cost.
    used_until: Instant,
}

impl Reader {
    pub(crate) fn new(socket: WebSocketStream<TcpStream>, documents: Arc<Documents>) -> Self {
        Self {
            socket,
            documents,
            peer: String::new(),
            reads: BTreeMap::new(),
            used_until: Instant::now(),
        }
    }

    /// Answers until the connection ends.
    pub(crate) async fn answer(mut self) {
        let ended = match self.join().await {
            Ok(()) => self.go_on().await,
            Err(ended) => ended,
        };
        match ended {
            Ended::Gone => tracing::debug!("a reader is gone"),
            Ended::Refused(why) => {
                tracing::info!("a reader was refused: {why}");
                let message = why.clone();
                let _ = self.send(Answer::Error { message }).await;
                let close = CloseFrame {
                    code: CloseCode::Policy,
                    // A frame that closes has room for 123 bytes.
                    reason: why.chars().take(30).collect::<String>().into(),
                };
                let _ = timeout(SENDING, self.socket.close(Some(close))).await;
            }
        }
    }

    /// Waits for the first message.
    async fn join(&mut self) -> Result<(), Ended> {
        let until = Instant::now() + JOINING;
        loop {
            let message = timeout_at(until, self.socket.next()).await;
            let message =
                message.map_err(|_| Ended::Refused("no message \"join\" in time".to_owned()))?;
            let Some(bytes) = binary(message)? else {
                continue;
            };
            match read(&bytes).map_err(|refused| Ended::Refused(refused.to_string()))? {
                Said::Join(peer) => {
                    self.peer = peer;
                    return self.send(Answer::Peer).await;
                }
                Said::Leave => return Err(Ended::Gone),
                Said::Sync { .. } | Said::Nothing => {
                    let why = "the first message is no \"join\"";
                    return Err(Ended::Refused(why.to_owned()));
                }
            }
        }
    }

    async fn go_on(&mut self) -> Ended {
        let mut changes = self.documents.changes();
        let mut next_sign = Instant::now() + SIGN;
        let mut alive_until = Instant::now() + NO_SIGN;
        loop {
            // Whoever sends too much waits here, unread.
            let ready = self.used_until.checked_sub(CREDIT);
            let is_ready = ready.is_none_or(|ready| ready <= Instant::now());
            let done = tokio::select! {
                message = self.socket.next(), if is_ready => {
                    alive_until = Instant::now() + NO_SIGN;
                    self.take(message).await
                }
                () = sleep_until(ready.unwrap_or(self.used_until)), if !is_ready => Ok(()),
                Ok(()) = changes.changed() => self.send_changes().await,
                () = sleep_until(next_sign) => {
                    next_sign = Instant::now() + SIGN;
                    self.send_message(Message::Ping(Bytes::new())).await
                }
                () = sleep_until(alive_until) => Err(Ended::Gone),
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    async fn take(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), Ended> {
        self.used_until = self.used_until.max(Instant::now()) + READ_COST;
        let Some(bytes) = binary(message)? else {
            return Ok(());
        };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.used_until += BYTE_COST * length;
        let said = read(&bytes).map_err(|refused| Ended::Refused(refused.to_string()))?;
        drop(bytes);
        match said {
            Said::Sync {
                document,
                message,
                is_request,
            } => self.sync(document, message, is_request).await,
            Said::Leave => Err(Ended::Gone),
            // automerge-repo joins again when it is not sure that it was heard.
            Said::Join(_) | Said::Nothing => Ok(()),
        }
    }

    async fn sync(
        &mut self,
        id: String,
        message: sync::Message,
        is_request: bool,
    ) -> Result<(), Ended> {
        let Some(document) = self.documents.get(&id) else {
            // A document of its own, which it tells of, or asks others for. Nothing is kept of it.
            return if is_request {
                self.send(Answer::Unavailable { document: &id }).await
            } else {
                Ok(())
            };
        };
        let read = self.reads.entry(id.clone()).or_insert_with(|| Read {
            document,
            state: sync::State::new_read_only(),
            version: 0,
        });
        let mut automerge = read.document.automerge.clone().lock_owned().await;
        let begun = Instant::now();
        let answer = block_in_place(|| {
            // It is read-only, and the message has no changes: this notes what the reader has.
            let received = automerge.receive_sync_message(&mut read.state, message);
            received.map(|()| automerge.generate_sync_message(&mut read.state))
        });
        read.version = read.document.version();
        drop(automerge);
        self.used_until += SYNC_COST_MAX.min(SYNC_COST_TIMES * begun.elapsed());
        match answer {
            Ok(Some(message)) => {
                let document = &id;
                self.send(Answer::Sync { document, message }).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(Ended::Refused(format!("no sync message: {error}"))),
        }
    }

    /// Sends what has changed of the documents that it reads.
    async fn send_changes(&mut self) -> Result<(), Ended> {
        // What nobody can ask for any more takes no room for those that once did.
        let documents = &self.documents;
        self.reads.retain(|id, _| documents.get(id).is_some());
        let old = self.reads.iter();
        let old = old.filter(|(_, read)| read.version != read.document.version());
        let old: Vec<String> = old.map(|(id, _)| id.clone()).collect();
        for id in old {
            let Some(read) = self.reads.get_mut(&id) else {
                continue;
            };
            let automerge = read.document.automerge.clone().lock_owned().await;
            let message = block_in_place(|| automerge.generate_sync_message(&mut read.state));
            read.version = read.document.version();
            drop(automerge);
            if let Some(message) = message {
                let document = &id;
                self.send(Answer::Sync { document, message }).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, answer: Answer<'_>) -> Result<(), Ended> {
        let bytes = answer.write(OWN_ID, &self.peer);
        self.send_message(Message::Binary(bytes.into())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(SENDING, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Gone),
        }
    }
}

/// The bytes of a message; `None` of one that only shows that the connection is alive.
fn binary(
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Result<Option<Bytes>, Ended> {
    match message {
        Some(Ok(Message::Binary(bytes))) => Ok(Some(bytes)),
        Some(Ok(Message::Text(_))) => Err(Ended::Refused(
            "a text: expected binary messages".to_owned(),
        )),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(tokio_tungstenite::tungstenite::Error::Capacity(error))) => {
            Err(Ended::Refused(error.to_string()))
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Ended::Gone),
    }
}
