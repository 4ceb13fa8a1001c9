//! Why a connection ends. Both sides see the code and its text.

use iroh::endpoint::{Connection, ConnectionError, VarInt};

/// The code with which a connection is closed. Codes never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u32)]
pub enum CloseCode {
    /// The node stops.
    Shutdown = 1,
    /// Another version of the protocol.
    Version = 2,
    /// Another network.
    WrongNetwork = 3,
    /// The signature does not prove that the author stands behind this connection.
    BadProof = 4,
    /// The author's key is of small order or not a curve point, so anyone could sign under it.
    WeakKey = 5,
    /// The author is not a member.
    NotAMember = 6,
    /// The author is banned.
    Banned = 7,
    /// The author is this node's own.
    OwnAuthor = 8,
    /// There is no room for another connection.
    Busy = 9,
    /// A step took too long.
    Deadline = 10,
    /// Another connection with the same author stays open.
    Duplicate = 11,
    /// A frame is longer than its kind allows.
    FrameTooLong = 12,
    /// A frame that does not decode, or is out of place.
    Malformed = 13,
    /// The peer read none of the data that was sent to it.
    SlowReader = 14,
    /// The connection may be dead; a new one is dialled.
    Suspect = 15,
    /// The peer sent a long block that was not requested.
    Unasked = 16,
    /// The node failed to serve the connection: its key, its randomness or one of its tasks failed.
    Internal = 17,
    /// The program above the transport ended the connection.
    Application = 18,
    /// The requested data is served.
    Done = 19,
    /// The peer sent a forged or malformed record or message, or one for another network.
    Misbehaved = 20,
    /// The node has left that network for the one founded in its place.
    HasLeft = 21,
}

/// All codes with their texts.
const CODES: &[(CloseCode, &str)] = {
    use CloseCode as Code;
    &[
        (Code::Shutdown, "the node stops"),
        (Code::Version, "another version of the protocol"),
        (Code::WrongNetwork, "another network"),
        (Code::BadProof, "the signature does not prove the author"),
        (Code::WeakKey, "the author's key is weak"),
        (Code::NotAMember, "the author is not a member"),
        (Code::Banned, "the author is banned"),
        (Code::OwnAuthor, "the author is this node's own"),
        (Code::Busy, "no room for another connection"),
        (Code::Deadline, "a step took too long"),
        (
            Code::Duplicate,
            "another connection with the same author remains",
        ),
        (Code::FrameTooLong, "a frame is too long"),
        (
            Code::Malformed,
            "a frame does not decode or is out of place",
        ),
        (Code::SlowReader, "nothing was read for too long"),
        (Code::Suspect, "the connection seemed dead"),
        (Code::Unasked, "a long block that nobody asked for"),
        (Code::Internal, "the node failed to serve it"),
        (Code::Application, "ended by the program above"),
        (Code::Done, "served"),
        (Code::Misbehaved, "it sent what no honest node passes on"),
        (
            Code::HasLeft,
            "it has left that network for the one founded in its place: ask for a new ticket",
        ),
    ]
};

impl CloseCode {
    /// The code on the wire.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The code with this number, if this protocol has one.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        CODES
            .iter()
            .map(|(known, _)| *known)
            .find(|known| u64::from(known.code()) == code)
    }

    /// Its meaning, as text that is sent along.
    pub fn reason(self) -> &'static str {
        CODES
            .iter()
            .find(|(known, _)| *known == self)
            .map_or("", |(_, reason)| reason)
    }

    /// Whether a new attempt soon would fail too, because one side rejected the other's identity or behaviour.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Version
                | Self::WrongNetwork
                | Self::BadProof
                | Self::WeakKey
                | Self::NotAMember
                | Self::Banned
                | Self::OwnAuthor
                | Self::Misbehaved
        )
    }

    pub(super) fn close(self, connection: &Connection) {
        connection.close(VarInt::from_u32(self.code()), self.reason().as_bytes());
    }
}

impl std::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This node closed it.
    #[error("closed here: {0}")]
    Here(CloseCode),
    /// The peer closed it, with a code of this protocol.
    #[error("closed by the peer: {0}")]
    There(CloseCode),
    /// It broke: a timeout, a closed endpoint, or a code that this protocol does not have.
    #[error("lost: {0}")]
    Lost(String),
}

impl CloseReason {
    /// The code of this protocol, if one was used.
    pub fn code(&self) -> Option<CloseCode> {
        match self {
            Self::Here(code) | Self::There(code) => Some(*code),
            Self::Lost(_) => None,
        }
    }
}

impl From<ConnectionError> for CloseReason {
    fn from(error: ConnectionError) -> Self {
        match &error {
            ConnectionError::ApplicationClosed(close) => {
                match CloseCode::from_code(close.error_code.into_inner()) {
                    Some(code) => Self::There(code),
                    // The peer's own text may be anything, so it is not repeated.
                    None if close.error_code.into_inner() == 0 => {
                        Self::Lost("the peer's endpoint was closed".to_owned())
                    }
                    None => Self::Lost(format!("unknown code {}", close.error_code.into_inner())),
                }
            }
            ConnectionError::ConnectionClosed(close) => {
                Self::Lost(format!("closed by the transport: {}", close.error_code))
            }
            _ => Self::Lost(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_with_a_text() {
        for (at, (code, reason)) in CODES.iter().enumerate() {
            assert_eq!(code.code() as usize, at + 1, "codes have no gaps");
            assert_eq!(CloseCode::from_code(u64::from(code.code())), Some(*code));
            assert_eq!(code.reason(), *reason);
        }
        assert_eq!(CloseCode::from_code(0), None);
        assert_eq!(CloseCode::from_code(CODES.len() as u64 + 1), None);
    }
}
