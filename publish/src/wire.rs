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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use automerge::sync::{BloomFilter, Have, MessageFlags, MessageVersion, State, SyncDoc as _};
    use automerge::transaction::Transactable as _;
    use automerge::{Automerge, AutomergeError, ROOT};
    use ciborium::Value;
    use ciborium::cbor;

    use super::*;

    fn document() -> Automerge {
        let mut document = Automerge::new();
        let written = document
            .transact::<_, _, AutomergeError>(|transaction| transaction.put(ROOT, "height", 1_i64));
        written.unwrap();
        document
    }

    fn bytes(message: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(message, &mut bytes).unwrap();
        bytes
    }

    fn sync(message: sync::Message) -> Vec<u8> {
        let data = Value::Bytes(message.encode());
        bytes(&cbor!({ "type" => "sync", "documentId" => "it", "data" => data }).unwrap())
    }

    fn message() -> sync::Message {
        sync::Message {
            heads: Vec::new(),
            need: Vec::new(),
            have: Vec::new(),
            changes: ChunkList::empty(),
            flags: Some(MessageFlags::new()),
            version: MessageVersion::V1,
        }
    }

    fn with_filter(filter: &[u8]) -> sync::Message {
        let have = Have {
            last_sync: Vec::new(),
            bloom: BloomFilter::try_from(filter).unwrap(),
        };
        sync::Message {
            have: vec![have],
            ..message()
        }
    }

    fn read_sync(bytes: &[u8]) -> Result<sync::Message, Refused> {
        match read(bytes)? {
            Said::Sync { message, .. } => Ok(message),
            said => panic!("{said:?}"),
        }
    }

    #[test]
    fn changes_are_dropped() {
        let document = document();
        let changes = ChunkList::from(document.save());
        let read = read_sync(&sync(sync::Message {
            changes,
            ..message()
        }));
        assert!(read.unwrap().changes.is_empty());
    }

    /// A change that is asked for a thousand times is sent once.
    #[test]
    fn what_is_needed_is_sent_once() {
        let mut document = document();
        let heads = document.get_heads();
        let need = vec![heads[0]; 1000];
        let read = read_sync(&sync(sync::Message { need, ..message() })).unwrap();
        assert_eq!(read.need, heads);
        let mut state = State::new_read_only();
        document.receive_sync_message(&mut state, read).unwrap();
        let answer = document.generate_sync_message(&mut state).unwrap();
        assert!(answer.encode().len() < 1000);
    }

    #[test]
    fn a_summary_that_stops_automerge_is_refused() {
        let mut document = document();
        // 1 entry, 0 bits for it, 7 probes. Who has nothing is sent everything, whatever it says.
        let crafted = sync::Message {
            heads: document.get_heads(),
            ..with_filter(&[1, 0, 7])
        };
        let refused = read_sync(&sync(crafted.clone())).unwrap_err();
        assert_eq!(refused, Refused::Summary { bits: 0, probes: 7 });
        // It is still needed.
        let mut state = State::new_read_only();
        let asked = catch_unwind(AssertUnwindSafe(|| {
            document.receive_sync_message(&mut state, crafted).unwrap();
            document.generate_sync_message(&mut state)
        }));
        assert!(asked.is_err(), "Automerge takes it now: drop the check");
    }

    #[test]
    fn a_summary_with_many_probes_is_refused() {
        // 1 entry, 1 bit for it, 2^32 - 1 probes, a byte.
        let crafted = with_filter(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
        let probes = u32::MAX.into();
        let refused = read_sync(&sync(crafted)).unwrap_err();
        assert_eq!(refused, Refused::Summary { bits: 1, probes });
    }

    #[test]
    fn a_summary_of_automerge_is_taken() {
        let document = document();
        let filter = BloomFilter::from_hashes(document.get_heads().into_iter());
        let message = with_filter(&filter.to_bytes());
        assert_eq!(read_sync(&sync(message.clone())).unwrap(), message);
    }

    #[test]
    fn too_many_summaries_are_refused() {
        let have = vec![Have::default(); 5];
        let refused = read_sync(&sync(sync::Message { have, ..message() }));
        assert_eq!(refused.unwrap_err(), Refused::Summaries(5));
    }

    #[test]
    fn what_is_no_message_is_refused_with_a_reason() {
        let long = "x".repeat(257);
        let deep = [vec![0x81; 100_000], vec![0]].concat();
        let join = |versions| {
            let message = cbor!({
                "type" => "join", "senderId" => "it", "supportedProtocolVersions" => versions
            });
            bytes(&message.unwrap())
        };
        for (bytes, said) in [
            (Vec::new(), "no message of automerge-repo"),
            (vec![0xff], "no message of automerge-repo"),
            (deep, "no message of automerge-repo"),
            (
                bytes(&cbor!({ "type" => 1 }).unwrap()),
                "no message of automerge-repo",
            ),
            (
                bytes(&cbor!({ "type" => "join" }).unwrap()),
                "without senderId",
            ),
            (
                bytes(&cbor!({ "type" => "join", "senderId" => long }).unwrap()),
                "257 bytes",
            ),
            (join(vec!["2"]), "expected \"1\""),
            (
                bytes(&cbor!({ "type" => "sync" }).unwrap()),
                "without documentId",
            ),
            (
                bytes(&cbor!({ "type" => "sync", "documentId" => "it" }).unwrap()),
                "without data",
            ),
        ] {
            let refused = read(&bytes).unwrap_err().to_string();
            assert!(refused.contains(said), "{said}: {refused}");
        }
        assert!(matches!(read(&join(vec!["1", "2"])), Ok(Said::Join(_))));
    }

    /// Messages that differ from a good one in some bytes are taken or refused, and nothing of them stops Automerge.
    #[test]
    fn crafted_messages_stop_nothing() {
        let mut document = document();
        let filter = BloomFilter::from_hashes(document.get_heads().into_iter());
        let good = sync::Message {
            heads: document.get_heads(),
            need: document.get_heads(),
            changes: ChunkList::from(document.save()),
            ..with_filter(&filter.to_bytes())
        };
        let good = good.encode();
        // As good as random, and the same with every run.
        let mut hash = blake3::Hasher::new().finalize_xof();
        let mut taken = BTreeMap::new();
        for number in 0..20_000 {
            let mut random = [0; 16];
            hash.fill(&mut random);
            let mut data = good.clone();
            for pair in random.chunks(4).take(1 + usize::from(random[15] % 3)) {
                let place = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % data.len();
                data[place] = pair[2];
            }
            let outcome = without_changes(&data).map(|message| {
                let mut state = State::new_read_only();
                document.receive_sync_message(&mut state, message).unwrap();
                let answer = document.generate_sync_message(&mut state);
                let bytes = answer.map_or(0, |answer| answer.encode().len());
                assert!(bytes < 4096, "message {number}: {bytes} bytes");
            });
            *taken.entry(outcome.is_ok()).or_insert(0) += 1;
        }
        assert_eq!(taken.len(), 2, "{taken:?}");
    }
}
