//! What clients of automerge-repo and this side say to each other: its messages, version 1, each a map in CBOR.
//!
//! Whatever a client can send is checked here. Its changes are dropped before Automerge sees them, and what else a message asks for
//! costs no more than reading the document once.

use std::collections::BTreeSet;

use automerge::ChangeHash;
use automerge::sync::{self, ChunkList};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Bytes of a client's message at most. What a reader sends grows with the number of changes: ten bits for each that it has. So
/// this is for 800,000 changes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The only version of the protocol that there is.
const VERSION: &str = "1";

/// Bytes of a peer's id at most. Those of automerge-repo have 20.
const PEER_BYTES_MAX: usize = 256;

/// Summaries of what a client has, in one message. Automerge sends one.
const SUMMARIES_MAX: usize = 4;

/// Bits that are looked up in a summary for each change. Automerge asks for 7.
const PROBES_MAX: u64 = 64;

/// What a client says, as far as it matters here.
#[derive(Debug)]
pub(crate) enum Said {
    /// The first message: its id.
    Join(String),
    /// What it has of a document, and whether it waits for an answer in any case.
    Sync {
        document: String,
        /// In this form the message has no changes.
        message: sync::Message,
        is_request: bool,
    },
    Leave,
    /// What only matters to other readers, or says what a client has in store. Nothing follows from it.
    Nothing,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    sender_id: Option<String>,
    document_id: Option<String>,
    data: Option<ByteBuf>,
    supported_protocol_versions: Option<Vec<String>>,
}

/// Why a client's message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no message of automerge-repo: {0}")]
    Undecodable(String),
    #[error("a message of the type {0:?} without {1}")]
    Missing(String, &'static str),
    #[error("no version that is known here: expected {VERSION:?}")]
    Version,
    #[error("an id of {0} bytes: at most {PEER_BYTES_MAX} are expected")]
    PeerId(usize),
    #[error("no sync message of Automerge: {0}")]
    NoSync(String),
    #[error("{0} summaries of what you have: at most {SUMMARIES_MAX} are expected")]
    Summaries(usize),
    #[error("a summary with {bits} bits for each change and {probes} of them looked up")]
    Summary { bits: u64, probes: u64 },
}

/// Reads a client's message.
pub(crate) fn read(bytes: &[u8]) -> Result<Said, Refused> {
    let incoming: Incoming =
        ciborium::from_reader(bytes).map_err(|error| Refused::Undecodable(error.to_string()))?;
    let Incoming {
        kind,
        sender_id,
        document_id,
        data,
        supported_protocol_versions: versions,
    } = incoming;
    match kind.as_str() {
        "join" => {
            let peer = sender_id.ok_or(Refused::Missing(kind, "senderId"))?;
            if peer.len() > PEER_BYTES_MAX {
                return Err(Refused::PeerId(peer.len()));
            }
            // Clients before there were versions name none.
            if versions.is_some_and(|versions| !versions.iter().any(|it| it == VERSION)) {
                return Err(Refused::Version);
            }
            Ok(Said::Join(peer))
        }
        "sync" | "request" => {
            let is_request = kind == "request";
            let Some(document) = document_id else {
                return Err(Refused::Missing(kind, "documentId"));
            };
            let data = data.ok_or(Refused::Missing(kind, "data"))?;
            let message = without_changes(&data)?;
            Ok(Said::Sync {
                document,
                message,
                is_request,
            })
        }
        "leave" | "error" => Ok(Said::Leave),
        _ => Ok(Said::Nothing),
    }
}

/// A client's sync message without its changes, if it asks for nothing that costs too much.
fn without_changes(data: &[u8]) -> Result<sync::Message, Refused> {
    let message = sync::Message::decode(data);
    let mut message = message.map_err(|error| Refused::NoSync(error.to_string()))?;
    message.changes = ChunkList::empty();
    // Each change that it needs is sent once.
    message.need = once(message.need);
    message.heads = once(message.heads);
    if message.have.len() > SUMMARIES_MAX {
        return Err(Refused::Summaries(message.have.len()));
    }
    for have in &mut message.have {
        have.last_sync = once(std::mem::take(&mut have.last_sync));
        // Automerge divides by the number of bits, and reserves room for the probes.
        let filter = have.bloom.to_bytes();
        let mut rest = filter.as_slice();
        let [entries, bits, probes] = [(); 3].map(|()| number(&mut rest).unwrap_or(0));
        if entries != 0 && (bits == 0 || probes > PROBES_MAX) {
            return Err(Refused::Summary { bits, probes });
        }
    }
    Ok(message)
}

/// Each hash once, in order.
fn once(hashes: Vec<ChangeHash>) -> Vec<ChangeHash> {
    hashes
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// A number in LEB128.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// What this side says.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    /// The answer to [`Said::Join`].
    Peer,
    Sync {
        document: &'a str,
        message: sync::Message,
    },
    /// There is no such document here.
    Unavailable { document: &'a str },
    /// Why the connection ends.
    Error { message: String },
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sender_id: &'a str,
    target_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_protocol_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// What this side is to a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    /// Nothing is kept about it from one connection to the next.
    is_ephemeral: bool,
}

impl Answer<'_> {
    /// As bytes, from one peer to another.
    pub(crate) fn write(self, from: &str, to: &str) -> Vec<u8> {
        let mut outgoing = Outgoing {
            sender_id: from,
            target_id: to,
            ..Outgoing::default()
        };
        match self {
            Self::Peer => {
                outgoing.kind = "peer";
                outgoing.selected_protocol_version = Some(VERSION);
                outgoing.peer_metadata = Some(Metadata { is_ephemeral: true });
            }
            Self::Sync { document, message } => {
                outgoing.kind = "sync";
                outgoing.document_id = Some(document);
                outgoing.data = Some(ByteBuf::from(message.encode()));
            }
            Self::Unavailable { document } => {
                outgoing.kind = "doc-unavailable";
                outgoing.document_id = Some(document);
            }
            Self::Error { message } => {
                outgoing.kind = "error";
                outgoing.message = Some(message);
            }
        }
        let mut bytes = Vec::new();
        ciborium::into_writer(&outgoing, &mut bytes).expect("a buffer takes any bytes");
        bytes
    }
}
