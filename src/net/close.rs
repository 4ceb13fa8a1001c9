//! Why a connection ends. Both sides see the code and its text.

use iroh::endpoint::{ConnectionError, VarInt};

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
    /// The author's key is of small order or no point at all: anyone could sign under it.
    WeakKey = 5,
    /// The author is not a member.
    NotAMember = 6,
    /// The author is banned.
    Banned = 7,
    /// The author is this node's own.
    OwnAuthor = 8,
    /// No room for another connection.
    Busy = 9,
    /// A step took too long.
    Deadline = 10,
    /// Another connection with the same author remains.
    Duplicate = 11,
    /// A frame longer than its kind may be.
    FrameTooLong = 12,
    /// A frame that does not decode, or is out of place.
    Malformed = 13,
    /// The peer took nothing of what was sent to it.
    SlowReader = 14,
    /// The connection may be dead; a new one is dialled.
    Suspect = 15,
    /// A block longer than a frame, without having been asked for.
    Unasked = 16,
    /// The node could not serve the connection: its key, its randomness or a part of it failed.
    Internal = 17,
    /// The program above the transport ended it.
    Application = 18,
    /// What was asked for is served.
    Done = 19,
    /// A record or message that no honest node passes on: forged, malformed or for another network.
    Misbehaved = 20,
}

/// All codes with their texts.
const CODES: &[(CloseCode, &str)] = &[
    (CloseCode::Shutdown, "the node stops"),
    (CloseCode::Version, "another version of the protocol"),
    (CloseCode::WrongNetwork, "another network"),
    (
        CloseCode::BadProof,
        "the signature does not prove the author",
    ),
    (CloseCode::WeakKey, "the author's key is weak"),
    (CloseCode::NotAMember, "the author is not a member"),
    (CloseCode::Banned, "the author is banned"),
    (CloseCode::OwnAuthor, "the author is this node's own"),
    (CloseCode::Busy, "no room for another connection"),
    (CloseCode::Deadline, "a step took too long"),
    (
        CloseCode::Duplicate,
        "another connection with the same author remains",
    ),
    (CloseCode::FrameTooLong, "a frame is too long"),
    (
        CloseCode::Malformed,
        "a frame does not decode or is out of place",
    ),
    (CloseCode::SlowReader, "nothing was read for too long"),
    (CloseCode::Suspect, "the connection seemed dead"),
    (CloseCode::Unasked, "a long block that nobody asked for"),
    (CloseCode::Internal, "the node failed to serve it"),
    (CloseCode::Application, "ended by the program above"),
    (CloseCode::Done, "served"),
    (
        CloseCode::Misbehaved,
        "it sent what no honest node passes on",
    ),
];

impl CloseCode {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The code of this number, if it is one of this protocol's.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        CODES
            .iter()
            .map(|(known, _)| *known)
            .find(|known| u64::from(known.code()) == code)
    }

    /// What it means, as sent along with it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        CODES
            .iter()
            .find(|(known, _)| *known == self)
            .map_or("", |(_, reason)| reason)
    }

    /// Whether trying again soon could not help: one has judged who the other is, or what it does.
    #[must_use]
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

    pub(super) fn var_int(self) -> VarInt {
        VarInt::from_u32(self.code())
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
pub enum Closed {
    /// This node closed it.
    #[error("closed here: {0}")]
    Here(CloseCode),
    /// The peer closed it, with a code of this protocol.
    #[error("closed by the peer: {0}")]
    There(CloseCode),
    /// It broke: nothing was heard for too long, the peer's endpoint was closed, or the peer's code is none of this protocol's.
    #[error("lost: {0}")]
    Lost(String),
}

impl Closed {
    /// The code, if it was closed with one of this protocol's.
    #[must_use]
    pub fn code(&self) -> Option<CloseCode> {
        match self {
            Self::Here(code) | Self::There(code) => Some(*code),
            Self::Lost(_) => None,
        }
    }
}

impl From<ConnectionError> for Closed {
    fn from(error: ConnectionError) -> Self {
        match &error {
            ConnectionError::ApplicationClosed(close) => {
                match CloseCode::from_code(close.error_code.into_inner()) {
                    Some(code) => Self::There(code),
                    // The peer's own text is not repeated: it may be anything.
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
