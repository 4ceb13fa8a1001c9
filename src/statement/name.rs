//! The names of members ([R9]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::digest::NodeId;
use crate::base::limits::MEMBER_NAME_BYTES_MAX;
use crate::base::rejection::Rejection;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A member's name: 1 to 32 of `a-z`, `0-9` and `-`. In a roster no two members have the same one.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName(String);

impl MemberName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] for an empty or too long name, and for any other character.
    pub fn new(name: impl Into<String>) -> Result<Self, Rejection> {
        let name = name.into();
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if name.is_empty() || name.len() > MEMBER_NAME_BYTES_MAX || !name.bytes().all(is_allowed) {
            return Err(Rejection::Malformed(
                "a member's name is not 1 to 32 of a-z, 0-9 and -",
            ));
        }
        Ok(Self(name))
    }

    /// The first eight hexadecimal digits of the key: the name of a member for whom nobody chose one.
    pub fn of_key(node: &NodeId) -> Self {
        Self(hex::encode(&node.as_bytes()[..4]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for MemberName {
    type Err = Rejection;

    fn from_str(text: &str) -> Result<Self, Rejection> {
        Self::new(text)
    }
}

impl TryFrom<String> for MemberName {
    type Error = Rejection;

    fn try_from(text: String) -> Result<Self, Rejection> {
        Self::new(text)
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules: R9.
    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "ada-2", "-", &"x".repeat(32)] {
            assert!(MemberName::new(name).is_ok(), "{name}");
        }
        for name in ["", "Ada", "a b", "ä", "a_b", "a\n", &"x".repeat(33)] {
            assert!(MemberName::new(name).is_err(), "{name:?}");
        }
        let node = NodeId::from_bytes([0xab; 32]);
        assert_eq!(MemberName::of_key(&node).as_str(), "abababab");
    }
}
