//! A reader, or somebody who would write: the protocol of automerge-repo over Automerge's own sync protocol.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use automerge::sync::{Message as SyncMessage, State, SyncDoc as _};
use automerge::{AutoSerde, Automerge};
use ciborium::{Value as Cbor, cbor};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use crate::harness::DEADLINE;

pub struct Reader {
    socket: WebSocket<TcpStream>,
    /// The document's id.
    id: String,
    pub document: Automerge,
    state: State,
}

/// Opens a websocket, with an `Origin` if one is given. Fails with the status of a refusal, or with none if the connection is closed.
pub fn open(
    address: &str,
    origin: Option<&str>,
) -> Result<WebSocket<TcpStream>, Option<StatusCode>> {
    let stream = TcpStream::connect(address.trim_start_matches("ws://")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut request = address.into_client_request().unwrap();
    if let Some(origin) = origin {
        let origin = origin.parse().unwrap();
        request.headers_mut().insert("Origin", origin);
    }
    match client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(Error::Http(response))) => Err(Some(response.status())),
        Err(_) => Err(None),
    }
}

/// The message as bytes.
pub fn encoded(message: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(message, &mut bytes).unwrap();
    bytes
}

/// The value of a key.
pub fn field<'a>(message: &'a Cbor, key: &str) -> &'a Cbor {
    let mut fields = message.as_map().unwrap().iter();
    let found = fields.find(|(it, _)| it.as_text() == Some(key));
    &found.unwrap_or_else(|| panic!("{key} in {message:?}")).1
}

/// Whether the ledger's document says that an operation is closed.
pub fn is_closed(id: &str) -> impl Fn(&Value) -> bool + use<> {
    let id = id.to_owned();
    move |it: &Value| it["operations"][&id]["phase"] == "closed"
}

impl Reader {
    /// Connects as soon as there is such a document.
    pub fn once_there(address: &str, url: &str) -> Self {
        let end = Instant::now() + DEADLINE;
        loop {
            let mut reader = Self::connect(address, url);
            let answer = reader.receive(DEADLINE).unwrap();
            if field(&answer, "type").as_text() == Some("sync") {
                reader.take_in(&answer);
                return reader;
            }
            assert!(Instant::now() < end, "there is no {url}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Connects, and says that it wants to know the document.
    pub fn connect(address: &str, url: &str) -> Self {
        Self::connect_with(address, url, Automerge::new())
    }

    /// The same, with the document as it was.
    pub fn connect_with(address: &str, url: &str, document: Automerge) -> Self {
        let mut reader = Self {
            socket: open(address, None).unwrap(),
            id: url.strip_prefix("automerge:").unwrap().to_owned(),
            document,
            state: State::new(),
        };
        reader.send(
            &cbor!({
                "type" => "join", "senderId" => "reader",
                "peerMetadata" => { "isEphemeral" => true }, "supportedProtocolVersions" => ["1"],
            })
            .unwrap(),
        );
        let peer = reader.receive(DEADLINE).unwrap();
        assert_eq!(field(&peer, "type").as_text(), Some("peer"));
        assert_eq!(field(&peer, "targetId").as_text(), Some("reader"));
        reader.sync("request");
        reader
    }

    pub fn send(&mut self, message: &Cbor) {
        self.send_raw(Message::Binary(encoded(message).into()));
    }

    pub fn send_raw(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// The next message; `None` if the other side closes, or says nothing for so long.
    pub fn receive(&mut self, for_so_long: Duration) -> Option<Cbor> {
        let end = Instant::now() + for_so_long;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.get_mut().set_read_timeout(Some(left)).unwrap();
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => {
                    return Some(ciborium::from_reader(bytes.as_ref()).unwrap());
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Sends what the sync protocol wants to say.
    pub fn sync(&mut self, kind: &str) {
        if let Some(message) = self.document.generate_sync_message(&mut self.state) {
            self.send_sync(kind, message);
        }
    }

    pub fn send_sync(&mut self, kind: &str, message: SyncMessage) {
        let data = Cbor::Bytes(message.encode());
        let id = self.id.clone();
        self.send(
            &cbor!({
                "type" => kind, "senderId" => "reader", "targetId" => "mycnet-publish",
                "documentId" => id, "data" => data,
            })
            .unwrap(),
        );
    }

    /// Takes the next message in, if one comes so soon.
    pub fn take(&mut self, for_so_long: Duration) -> bool {
        let Some(message) = self.receive(for_so_long) else {
            return false;
        };
        self.take_in(&message);
        true
    }

    fn take_in(&mut self, message: &Cbor) {
        assert_eq!(
            field(message, "type").as_text(),
            Some("sync"),
            "{message:?}"
        );
        assert_eq!(
            field(message, "documentId").as_text(),
            Some(self.id.as_str())
        );
        let data = field(message, "data").as_bytes().unwrap();
        let message = SyncMessage::decode(data).unwrap();
        let received = self.document.receive_sync_message(&mut self.state, message);
        received.unwrap();
        self.sync("sync");
    }

    pub fn content(&self) -> Value {
        serde_json::to_value(AutoSerde::from(&self.document)).unwrap()
    }

    /// Reads on until the document is as it should be.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let content = self.content();
            if is_so(&content) {
                return content;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && self.take(left), "{what}: {content:#}");
        }
    }
}
