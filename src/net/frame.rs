//! Frames on the one stream of a connection: a kind, a length (`u32`, big-endian), and the body.
//!
//! The length is checked before memory is allocated, and memory grows only with the bytes that arrive. In the middle of a
//! frame, no pause may exceed the stall deadline.

use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use tokio::time::timeout;

use super::close::CloseCode;
use crate::base::codec;
use crate::base::limits::{
    BLOCK_BYTES_MAX, FRAME_BYTES_MAX, FRAME_ITEMS_MAX, GENESIS_BYTES_MAX, HELLO_BYTES_MAX,
};
use crate::exchange::message::Message;

/// Bytes of a frame's head.
const HEADER_BYTES: usize = 5;

/// Bytes per read or write. The stall deadline applies to each.
const CHUNK_BYTES: usize = 16 * 1024;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A part of the hello, or of a request for the genesis.
    Hello = 0,
    /// A [`Message`].
    Message = 1,
    /// The bytes of one sealed block that is too long for a [`Message`].
    LongBlock = 2,
    /// Cards of peers.
    Peers = 3,
    /// A genesis.
    Genesis = 4,
    /// What a node says of itself.
    Report = 5,
    /// A step of finding out whether two machines run with one key.
    Twin = 6,
    /// Why this node left the network that the dialler asks for: endorsements of a plan to found it anew.
    Endorsements = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        use Kind::{Endorsements, Genesis, Hello, LongBlock, Message, Peers, Report, Twin};
        let kinds = [
            Hello,
            Message,
            LongBlock,
            Peers,
            Genesis,
            Report,
            Twin,
            Endorsements,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }

    fn bytes_max(self) -> usize {
        match self {
            Self::Hello | Self::Report | Self::Twin => HELLO_BYTES_MAX,
            Self::Message | Self::Endorsements => FRAME_BYTES_MAX,
            Self::Genesis => GENESIS_BYTES_MAX,
            Self::LongBlock => BLOCK_BYTES_MAX,
            // The largest cards, as many as may be told at once.
            Self::Peers => 128 * 1024,
        }
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) length: usize,
}

/// Encodes a frame.
pub(super) fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("no kind of frame reaches four gigabytes");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.push(kind as u8);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A message that fits no frame. Only a bug of this node can produce one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong(pub(super) usize);

/// Bytes that CBOR adds to a list of blocks: a name, and the head of the list.
const AROUND: usize = 32;

/// Bytes that CBOR adds to each block: a head of at most five bytes.
const EACH: usize = 5;

/// The frames of a message: one, unless its blocks need more.
pub(super) fn frames(message: &Message) -> Result<Vec<Vec<u8>>, TooLong> {
    let Message::Blocks(blocks) = message else {
        return Ok(vec![message_frame(message)?]);
    };
    let mut frames = Vec::new();
    let mut rest = blocks.as_slice();
    while let Some(first) = rest.first() {
        if first.len() + AROUND + EACH > FRAME_BYTES_MAX {
            if first.len() > BLOCK_BYTES_MAX {
                return Err(TooLong(first.len()));
            }
            frames.push(frame(Kind::LongBlock, first));
            rest = &rest[1..];
            continue;
        }
        let mut bytes = AROUND;
        let fitting = rest
            .iter()
            .take(FRAME_ITEMS_MAX)
            .take_while(|block| {
                bytes += block.len() + EACH;
                bytes <= FRAME_BYTES_MAX
            })
            .count();
        let (now, later) = rest.split_at(fitting);
        frames.push(message_frame(&Message::Blocks(now.to_vec()))?);
        rest = later;
    }
    Ok(frames)
}

fn message_frame(message: &Message) -> Result<Vec<u8>, TooLong> {
    let bytes = message.encode();
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(TooLong(bytes.len()));
    }
    Ok(frame(Kind::Message, &bytes))
}

/// Decodes the body of a frame.
pub(super) fn read_message(kind: Kind, body: Vec<u8>) -> Result<Message, CloseCode> {
    if kind == Kind::LongBlock {
        return Ok(Message::Blocks(vec![ByteBuf::from(body)]));
    }
    let message = Message::decode(&body).map_err(|_| CloseCode::Malformed)?;
    match &message {
        Message::Records(items) | Message::Blocks(items) if items.len() > FRAME_ITEMS_MAX => {
            Err(CloseCode::Malformed)
        }
        _ => Ok(message),
    }
}

/// Waits for the next frame. `None` if the peer ended the stream between two frames.
///
/// The first byte has no deadline: a peer may have nothing to send.
pub(super) async fn read_head(
    stream: &mut RecvStream,
    stall: Duration,
) -> Result<Option<Head>, CloseCode> {
    let mut header = [0; HEADER_BYTES];
    // A broken connection reads as an ended stream. The connection itself knows the cause.
    let Ok(Some(first)) = stream.read(&mut header).await else {
        return Ok(None);
    };
    read_all(stream, &mut header[first..], stall).await?;
    let [kind, length @ ..] = header;
    let kind = Kind::from_byte(kind).ok_or(CloseCode::Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > kind.bytes_max() {
        return Err(CloseCode::FrameTooLong);
    }
    Ok(Some(Head { kind, length }))
}

/// An empty body with capacity for this length. Growing later would take twice the memory for a moment, and untouched memory
/// costs nothing.
pub(super) fn empty_body(length: usize) -> Vec<u8> {
    Vec::with_capacity(length.min(FRAME_BYTES_MAX))
}

/// Reads the body of a frame. The deadline applies to each piece.
pub(super) async fn read_body(
    stream: &mut RecvStream,
    length: usize,
    stall: Duration,
) -> Result<Vec<u8>, CloseCode> {
    let mut body = empty_body(length);
    read_until(stream, &mut body, length, stall).await?;
    Ok(body)
}

/// Reads until the body has `until` bytes.
pub(super) async fn read_until(
    stream: &mut RecvStream,
    body: &mut Vec<u8>,
    until: usize,
    stall: Duration,
) -> Result<(), CloseCode> {
    while body.len() < until {
        let start = body.len();
        body.resize(until.min(start + CHUNK_BYTES), 0);
        read_all(stream, &mut body[start..], stall).await?;
    }
    Ok(())
}

async fn read_all(
    stream: &mut RecvStream,
    buffer: &mut [u8],
    stall: Duration,
) -> Result<(), CloseCode> {
    match timeout(stall, stream.read_exact(buffer)).await {
        Ok(Ok(())) => Ok(()),
        // The stream ended inside a frame, or the connection broke and knows the cause itself.
        Ok(Err(_)) => Err(CloseCode::Malformed),
        Err(_) => Err(CloseCode::Deadline),
    }
}

/// Writes bytes. The deadline applies to each piece.
pub(super) async fn write(
    stream: &mut SendStream,
    bytes: &[u8],
    stall: Duration,
) -> Result<(), CloseCode> {
    for chunk in bytes.chunks(CHUNK_BYTES) {
        match timeout(stall, stream.write_all(chunk)).await {
            Ok(Ok(())) => {}
            // The connection broke and knows the cause itself, or the peer stopped the stream.
            Ok(Err(_)) => return Err(CloseCode::Malformed),
            Err(_) => return Err(CloseCode::SlowReader),
        }
    }
    Ok(())
}

/// Writes a value in a frame.
pub(super) async fn write_value<T: Serialize>(
    stream: &mut SendStream,
    kind: Kind,
    value: &T,
    stall: Duration,
) -> Result<(), CloseCode> {
    write(stream, &frame(kind, &codec::encode(value)), stall).await
}

/// Reads a frame of this kind and decodes its value.
pub(super) async fn read_value<T: Serialize + DeserializeOwned>(
    stream: &mut RecvStream,
    kind: Kind,
    stall: Duration,
) -> Result<T, CloseCode> {
    let head = read_head(stream, stall).await?;
    read_rest(head.ok_or(CloseCode::Malformed)?, stream, kind, stall).await
}

/// Reads the rest of a frame whose head is read, and decodes its value.
pub(super) async fn read_rest<T: Serialize + DeserializeOwned>(
    head: Head,
    stream: &mut RecvStream,
    kind: Kind,
    stall: Duration,
) -> Result<T, CloseCode> {
    if head.kind != kind {
        return Err(CloseCode::Malformed);
    }
    let body = read_body(stream, head.length, stall).await?;
    codec::decode(&body, kind.bytes_max()).map_err(|_| CloseCode::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::SealId;

    fn blocks(frames: &[Vec<u8>]) -> Vec<usize> {
        frames
            .iter()
            .flat_map(|bytes| {
                let kind = Kind::from_byte(bytes[0]).unwrap();
                let body = bytes[HEADER_BYTES..].to_vec();
                assert!(body.len() <= kind.bytes_max());
                match read_message(kind, body).unwrap() {
                    Message::Blocks(blocks) => blocks.into_iter().map(|block| block.len()),
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    }

    #[test]
    fn blocks_are_packed_in_order_and_long_ones_go_alone() {
        let lengths = [
            10,
            FRAME_BYTES_MAX - 60,
            20,
            30,
            FRAME_BYTES_MAX - 37,
            FRAME_BYTES_MAX - 36,
            3 * FRAME_BYTES_MAX,
            0,
        ];
        let message = Message::Blocks(
            lengths
                .iter()
                .map(|length| ByteBuf::from(vec![7; *length]))
                .collect(),
        );
        let frames = frames(&message).unwrap();
        assert_eq!(blocks(&frames), lengths);
        let kinds: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
        assert_eq!(
            kinds,
            [1, 1, 1, 2, 2, 1],
            "10 + large, 20 + 30, large, long, long, 0"
        );
    }

    #[test]
    fn what_fits_no_frame_is_refused() {
        let records = Message::Records(vec![ByteBuf::from(vec![0; FRAME_BYTES_MAX])]);
        assert!(frames(&records).is_err());
    }

    #[test]
    fn a_frame_of_many_empty_items_is_refused() {
        let many = |count| Message::Records(vec![ByteBuf::new(); count]).encode();
        assert!(read_message(Kind::Message, many(FRAME_ITEMS_MAX)).is_ok());
        let refused = read_message(Kind::Message, many(FRAME_ITEMS_MAX + 1));
        assert_eq!(refused, Err(CloseCode::Malformed));
        assert_eq!(
            read_message(Kind::Message, vec![0xff; 10]),
            Err(CloseCode::Malformed)
        );
    }

    #[test]
    fn a_message_is_one_frame() {
        let (height, seal) = (3, SealId::from_bytes([1; 32]));
        let message = Message::Status { height, seal };
        let frames = frames(&message).unwrap();
        assert_eq!(frames.len(), 1);
        let body = frames[0][HEADER_BYTES..].to_vec();
        assert_eq!(read_message(Kind::Message, body), Ok(message));
    }
}
