//! The network that this node has left for the one founded in its place. Members that were away still ask for the old one; they are
//! given the endorsements of the plan, so that they can follow ([F4]).

use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde_bytes::{ByteBuf, Bytes};
use tokio::time::timeout;

use super::close::CloseCode;
use super::frame::{Head, Kind, frame, read_body, read_head, write};
use crate::base::codec;
use crate::base::digest::NetworkId;
use crate::base::limits::{FRAME_BYTES_MAX, RECORD_BYTES_MAX};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Bytes of endorsements that are taken from a peer at once: a thousand of some 4 kB.
const ENDORSEMENTS_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;

/// The old network, and why this node left it.
#[derive(Debug)]
pub struct Left {
    /// The old network.
    pub network: NetworkId,
    /// The endorsements of the plan that founded the new one: records in canonical bytes.
    pub endorsements: Vec<Vec<u8>>,
}

impl Left {
    /// Sends the endorsements and waits until they have arrived.
    pub(super) async fn tell(
        &self,
        connection: &Connection,
        send: &mut SendStream,
        stall: Duration,
    ) -> CloseCode {
        // As many of the longest records as one frame takes.
        let in_a_frame = FRAME_BYTES_MAX / (RECORD_BYTES_MAX + 8);
        for some in self.endorsements.chunks(in_a_frame) {
            let some: Vec<&Bytes> = some.iter().map(|it| Bytes::new(it)).collect();
            let frame = frame(Kind::Endorsements, &codec::encode(&some));
            if let Err(code) = write(send, &frame, stall).await {
                return code;
            }
        }
        let _ = send.finish();
        // The other side closes when it has read them.
        let _ = timeout(stall, connection.closed()).await;
        CloseCode::Done
    }
}

/// Reads endorsements until the stream ends. The head of the first frame is read already.
pub(super) async fn read_endorsements(
    first: Head,
    receive: &mut RecvStream,
    stall: Duration,
) -> Result<Vec<Vec<u8>>, CloseCode> {
    let (mut found, mut left) = (Vec::new(), ENDORSEMENTS_BYTES_MAX);
    let mut head = Some(first);
    while let Some(next) = head {
        if next.kind != Kind::Endorsements {
            return Err(CloseCode::Malformed);
        }
        left = left
            .checked_sub(next.length)
            .ok_or(CloseCode::FrameTooLong)?;
        let body = read_body(receive, next.length, stall).await?;
        let some: Vec<ByteBuf> =
            codec::decode(&body, FRAME_BYTES_MAX).map_err(|_| CloseCode::Malformed)?;
        found.extend(some.into_iter().map(ByteBuf::into_vec));
        head = read_head(receive, stall).await?;
    }
    Ok(found)
}
