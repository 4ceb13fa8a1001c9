//! The member's last chances to take part ([T4]), and which of them it missed.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::base::digest::hex_bytes;
use crate::base::limits::CHANCES;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Bytes of the encoding: one bit per chance.
const BYTES: usize = CHANCES.div_ceil(8) as usize;

/// One bit per chance, the latest lowest; a set bit is a missed chance. Chances before the first one count as taken.
const MASK: u128 = (1 << CHANCES) - 1;

/// The last [`CHANCES`] chances. Encoded as a byte string, big-endian, because DAG-CBOR has no integers of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chances(u128);

impl Chances {
    /// Remembers a chance and forgets the oldest.
    pub(crate) fn push(&mut self, missed: bool) {
        self.0 = ((self.0 << 1) | u128::from(missed)) & MASK;
    }

    /// The number of missed chances, 0..=[`CHANCES`].
    pub(crate) fn missed(self) -> u32 {
        self.0.count_ones()
    }
}

impl Serialize for Chances {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.to_be_bytes();
        hex_bytes::serialize(&bytes[bytes.len() - BYTES..], serializer)
    }
}

impl<'de> Deserialize<'de> for Chances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tail = hex_bytes::deserialize(deserializer)?;
        if tail.len() != BYTES {
            return Err(D::Error::invalid_length(tail.len(), &"13 bytes of chances"));
        }
        let mut bytes = [0; size_of::<u128>()];
        let start = bytes.len() - BYTES;
        bytes[start..].copy_from_slice(&tail);
        let bits = u128::from_be_bytes(bytes);
        if bits & !MASK != 0 {
            return Err(D::Error::custom("more chances than are remembered"));
        }
        Ok(Self(bits))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Chances {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Chances".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{26}$",
            "description": "The last chances to take part, a bit each; 1 is a missed one",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec;

    #[test]
    fn only_the_last_hundred_count() {
        let mut chances = Chances::default();
        for _ in 0..CHANCES + 7 {
            chances.push(true);
        }
        assert_eq!(chances.missed(), CHANCES);
        for taken in 1..=CHANCES {
            chances.push(false);
            assert_eq!(chances.missed(), CHANCES - taken);
        }
    }

    #[test]
    fn the_encoding_is_canonical_and_bounded() {
        let mut chances = Chances::default();
        for index in 0..CHANCES {
            chances.push(index % 3 == 0);
        }
        let bytes = codec::encode(&chances);
        assert_eq!(bytes.len(), 1 + BYTES, "a byte string of 13");
        assert_eq!(codec::decode::<Chances>(&bytes, 64), Ok(chances));
        for (name, wrong) in [
            ("12 bytes", vec![0; 12]),
            ("a bit beyond the hundredth", vec![0x10; 13]),
        ] {
            let wrong = codec::encode(&serde_bytes::ByteBuf::from(wrong));
            assert!(codec::decode::<Chances>(&wrong, 64).is_err(), "{name}");
        }
    }
}
