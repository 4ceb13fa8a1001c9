//! Identifiers and the domain strings of every hash and signature of the project ([R4]).
//!
//! Each hash is BLAKE3 in `derive_key` mode under its own context string, and each signed message starts with its own
//! string. So no value made for one purpose can be taken for another. All strings stand in this file ([`Domain`] for
//! hashes, [`signing`] for signatures).

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A hash domain: a context string whose derived key is computed once.
#[derive(Debug)]
pub struct Domain {
    context: &'static str,
    key: OnceLock<[u8; 32]>,
}

impl Domain {
    const fn new(context: &'static str) -> Self {
        Self {
            context,
            key: OnceLock::new(),
        }
    }

    /// The context string, as given to BLAKE3's `derive_key`.
    pub fn context(&self) -> &'static str {
        self.context
    }

    /// A hasher of this domain: equal to `blake3::Hasher::new_derive_key(context)`, but the context is hashed only once.
    pub fn hasher(&self) -> blake3::Hasher {
        use blake3::hazmat::HasherExt as _;
        let key = self
            .key
            .get_or_init(|| blake3::hazmat::hash_derive_key_context(self.context));
        blake3::Hasher::new_from_context_key(key)
    }

    /// Hashes `bytes` in this domain.
    pub fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        *self.hasher().update(bytes).finalize().as_bytes()
    }

    /// Hashes the parts in this domain, each preceded by its length as a little-endian `u64`.
    pub fn hash_parts(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = self.hasher();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
}

/// `NetworkId`: BLAKE3 of the canonical genesis.
pub static NETWORK: Domain = Domain::new("mycnet-consensus network v1");
/// `RecordId`: BLAKE3 of a canonical body.
pub static RECORD: Domain = Domain::new("mycnet-consensus record v1");
/// `SealId`: BLAKE3 of a canonical seal.
pub static SEAL: Domain = Domain::new("mycnet-consensus seal v1");
/// A commitment to a ballot.
pub static COMMITMENT: Domain = Domain::new("mycnet-consensus commitment v1");
/// A salt, derived from its author's signature.
pub static SALT: Domain = Domain::new("mycnet-consensus salt v1");
/// A leaf of a Merkle tree.
pub static MERKLE_LEAF: Domain = Domain::new("mycnet-consensus merkle leaf v1");
/// An inner node of a Merkle tree.
pub static MERKLE_NODE: Domain = Domain::new("mycnet-consensus merkle node v1");
/// The sorted list of records that a seal adds.
pub static RECORD_LIST: Domain = Domain::new("mycnet-consensus record list v1");
/// The state after a seal.
pub static STATE: Domain = Domain::new("mycnet-consensus state v2");
/// A part of the state (members' histories, parameters, configuration map).
pub static STATE_PART: Domain = Domain::new("mycnet-consensus state part v1");
/// The roster after a seal.
pub static ROSTER: Domain = Domain::new("mycnet-consensus roster v1");
/// One operation as the state holds it.
pub static OPERATION: Domain = Domain::new("mycnet-consensus operation state v1");
/// The result of a claim, where only its digest is kept.
pub static RESULT: Domain = Domain::new("mycnet-consensus result v1");
/// The key that follows a member's present one: a hash, because the key itself stays unknown until it is used.
pub static SUCCESSOR: Domain = Domain::new("mycnet-consensus successor v1");
/// A plan to found the network anew.
pub static PLAN: Domain = Domain::new("mycnet-consensus plan v1");
/// The sorted ids of the sealers of a height.
pub static SEALERS: Domain = Domain::new("mycnet-consensus sealers v1");
/// A set of documents, as `mycnet replay` compares it between replicas.
pub static DOCUMENTS: Domain = Domain::new("mycnet-consensus documents v1");
/// A row of a node's disk, so that a damaged one is noticed.
pub static STORED: Domain = Domain::new("mycnet-consensus stored v1");
/// Deterministic keys made from a seed, for replays, simulations and examples.
pub static SEEDED_KEY: Domain = Domain::new("mycnet-consensus seeded key v1");
/// The bytes of a bundle, from its start to a check mark.
pub static BUNDLE: Domain = Domain::new("mycnet-consensus bundle v1");
/// What a node announces on a LAN about its network: a hash, because the network's id itself stays private.
pub static ANNOUNCED: Domain = Domain::new("mycnet-consensus announced v1");

/// The strings that signed messages start with. None is a prefix of another.
pub mod signing {
    /// A batch of records: followed by network, Merkle root and size (`u32`, little-endian).
    pub const BATCH: &[u8] = b"mycnet-consensus sign batch v1\0";
    /// A candidate's consent: followed by network, candidate, role, successor (32 zero bytes for none) and name.
    pub const CONSENT: &[u8] = b"mycnet-consensus sign consent v1\0";
    /// What a salt is derived from: followed by network and operation. Never published.
    pub const SALT: &[u8] = b"mycnet-consensus sign salt v1\0";
    /// The author behind a connection: followed by the role of the signer (`d` dialled, `a` accepted), network, both
    /// endpoints (the dialler's first), both nonces (the dialler's first) and the signer's instance (`u64`, big-endian).
    pub const HELLO: &[u8] = b"mycnet-consensus sign hello v1\0";
    /// The answer to a nonce of a machine with the same key: followed by network, nonce, the signer's endpoint, its instance
    /// (`u64`, big-endian) and its encoded addresses.
    pub const TWIN: &[u8] = b"mycnet-consensus sign twin v1\0";
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 32 bytes; shown, parsed and put into JSON as 64 hexadecimal digits, and into CBOR as a byte string.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_fixed(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_fixed(deserializer).map(Self)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": "^[0-9a-f]{64}$",
                })
            }
        }
    };
}

id!(
    /// An author: an Ed25519 public key that signs records. Transport keys are something else.
    NodeId
);
id!(
    /// A network: BLAKE3 of its canonical genesis.
    NetworkId
);
id!(
    /// A record: BLAKE3 of its canonical body; the proof does not enter it.
    RecordId
);
id!(
    /// A seal: BLAKE3 of its canonical form.
    SealId
);
id!(
    /// Something to decide: the [`RecordId`] of its `Propose`.
    OperationId
);
id!(
    /// Any other BLAKE3 hash: of a state, a roster, a list of records, a Merkle root.
    Digest
);
impl Digest {
    /// The digest of these parts, for replays, simulations and examples: equal on every machine, and no secret.
    #[must_use]
    pub fn seeded(parts: &[&[u8]]) -> Self {
        Self(SEEDED_KEY.hash_parts(parts))
    }

    /// The digest by which a member names the key that may replace its present one.
    #[must_use]
    pub fn of_successor(key: &NodeId) -> Self {
        Self(SUCCESSOR.hash(key.as_bytes()))
    }
}

id!(
    /// A commitment to a ballot, see [`crate::statement::commitment`].
    Commitment
);
id!(
    /// The secret part of a commitment, without which nobody can guess the ballot; see [`crate::statement::commitment`].
    Salt
);

impl From<RecordId> for OperationId {
    fn from(id: RecordId) -> Self {
        Self(id.0)
    }
}

impl From<OperationId> for RecordId {
    fn from(id: OperationId) -> Self {
        Self(id.0)
    }
}

/// An Ed25519 signature, 64 bytes; hexadecimal in JSON, a byte string in CBOR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureBytes([u8; 64]);

impl SignatureBytes {
    /// Wraps 64 bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for SignatureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureBytes({})", hex::encode(&self.0[..4]))
    }
}

impl Serialize for SignatureBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fixed(&self.0, serializer)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SignatureBytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignatureBytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{128}$" })
    }
}

impl<'de> Deserialize<'de> for SignatureBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_fixed(deserializer).map(Self)
    }
}

fn serialize_fixed<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&hex::encode(bytes))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

fn deserialize_fixed<'de, const N: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Fixed<const N: usize>;

    impl<const N: usize> Visitor<'_> for Fixed<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
            bytes
                .try_into()
                .map_err(|_| E::invalid_length(bytes.len(), &self))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<[u8; N], E> {
            let mut bytes = [0; N];
            hex::decode_to_slice(text, &mut bytes)
                .map_err(|_| E::custom(format_args!("expected {} hexadecimal digits", 2 * N)))?;
            Ok(bytes)
        }
    }

    if deserializer.is_human_readable() {
        deserializer.deserialize_str(Fixed)
    } else {
        deserializer
            .deserialize_bytes(Fixed)
            .map_err(D::Error::custom)
    }
}

/// A byte string of any length: hexadecimal in JSON, a byte string in CBOR. For `#[serde(with = "hex_bytes")]`.
pub(crate) mod hex_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            hex::decode(text).map_err(D::Error::custom)
        } else {
            serde_bytes::ByteBuf::deserialize(deserializer).map(serde_bytes::ByteBuf::into_vec)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_blake3_derive_key() {
        assert_eq!(
            RECORD.hash(b"body"),
            blake3::derive_key("mycnet-consensus record v1", b"body")
        );
    }

    #[test]
    fn ids_round_trip_through_text_and_json() {
        let id = RecordId::from_bytes([7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("07".parse::<RecordId>(), Err(ParseIdError));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<RecordId>(&json).unwrap(), id);
    }

    #[test]
    fn parts_are_separated_by_their_lengths() {
        assert_ne!(
            STATE.hash_parts(&[b"ab", b"c"]),
            STATE.hash_parts(&[b"a", b"bc"])
        );
    }
}
