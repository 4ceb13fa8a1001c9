//! Public keys of in-toto: Ed25519 in PEM, and their ids.

use ed25519_dalek::{Signature, VerifyingKey};
use mycnet_consensus::NodeId;
use pem_rfc7468::LineEnding;
use sha2::{Digest, Sha256};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::json::Json;

/// The label of a public key in PEM.
const LABEL: &str = "PUBLIC KEY";

/// Ed25519 (RFC 8410).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What stands before the key in the DER that in-toto writes. It has parameters that are `NULL`, where RFC 8410 has none; in-toto
/// for Rust, and so `repro-threshold`, reads only this form.
const DER_HEAD: [u8; 14] = *b"\x30\x2c\x30\x07\x06\x03\x2b\x65\x70\x05\x00\x03\x21\x00";

/// An Ed25519 key that signs links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Text or bytes that are no such key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// No PEM, or something before or after it.
    #[error(
        "is no key in PEM (one block from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----): {0}"
    )]
    NotPem(String),
    /// PEM of something else.
    #[error("is a PEM of {0:?}, not a PUBLIC KEY")]
    OtherLabel(String),
    /// No `SubjectPublicKeyInfo`.
    #[error("holds no public key (SubjectPublicKeyInfo): {0}")]
    NotSpki(String),
    /// A key for another algorithm.
    #[error("is a key for the algorithm {0}; only Ed25519 (1.3.101.112) is read")]
    OtherAlgorithm(String),
    /// No point of the curve, or one of small order, for which anyone can sign.
    #[error("is no usable Ed25519 key: not a point of the curve, or a weak one")]
    Unusable,
}

impl PublicKey {
    /// The key of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyFault::Unusable`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyFault> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyFault::Unusable)?;
        if key.is_weak() {
            return Err(KeyFault::Unusable);
        }
        Ok(Self(key))
    }

    /// A node's own key.
    ///
    /// # Errors
    ///
    /// [`KeyFault::Unusable`].
    pub fn from_node(node: &NodeId) -> Result<Self, KeyFault> {
        Self::from_bytes(node.as_bytes())
    }

    /// Reads a PEM with one key, as RFC 8410 or as in-toto writes it.
    ///
    /// # Errors
    ///
    /// [`KeyFault`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        let (label, der) =
            pem_rfc7468::decode_vec(pem).map_err(|error| KeyFault::NotPem(error.to_string()))?;
        if label != LABEL {
            return Err(KeyFault::OtherLabel(label.to_owned()));
        }
        let not_spki = |error: spki::Error| KeyFault::NotSpki(error.to_string());
        let key = SubjectPublicKeyInfoRef::try_from(&*der).map_err(not_spki)?;
        if key.algorithm.oid != ED25519 {
            return Err(KeyFault::OtherAlgorithm(key.algorithm.oid.to_string()));
        }
        if key.algorithm.parameters.is_some_and(|with| !with.is_null()) {
            let with = "an Ed25519 key has no parameters".to_owned();
            return Err(KeyFault::NotSpki(with));
        }
        let bytes = key.subject_public_key.as_bytes();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Self::from_bytes(bytes.ok_or(KeyFault::Unusable)?)
    }

    /// The key in PEM, as in-toto writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [&DER_HEAD[..], self.0.as_bytes()].concat();
        pem_rfc7468::encode_string(LABEL, LineEnding::LF, &der).expect("46 bytes fit a PEM")
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Its id in links: the SHA-256 of the canonical JSON of the key object of in-toto, 64 digits. This one has
    /// `keyid_hash_algorithms`, as in-toto for Rust (and so rebuilderd) makes it.
    pub fn key_id(&self) -> String {
        self.id_of(true)
    }

    /// All its ids: also the one without `keyid_hash_algorithms`, as later versions of in-toto for Python make it.
    pub(crate) fn key_ids(&self) -> [String; 2] {
        [self.id_of(true), self.id_of(false)]
    }

    fn id_of(&self, with_algorithms: bool) -> String {
        let public = hex::encode(self.0.as_bytes());
        let mut key = vec![
            ("keytype".to_owned(), "ed25519".into()),
            ("scheme".to_owned(), "ed25519".into()),
            (
                "keyval".to_owned(),
                Json::object_of([("public", Json::Text(public))]),
            ),
        ];
        if with_algorithms {
            let algorithms = Json::List(vec!["sha256".into(), "sha512".into()]);
            key.push(("keyid_hash_algorithms".to_owned(), algorithms));
        }
        let key = Json::Object(key.into_iter().collect());
        hex::encode(Sha256::digest(key.canonical()))
    }

    /// Whether it signed the message. Strictly: forms of a signature that not all implementations accept are refused.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use mycnet_consensus::{Identity, Signer as _};
    use proptest::prelude::*;

    use super::super::tests::link_example;
    use super::*;

    #[test]
    fn the_keys_of_real_rebuilders_are_read_and_written() {
        for (file, id) in [
            (
                "reproduce-debian-net-amd64.pub",
                "2980aa6249ad89ce0ef0f0f5e6d0896214301b2818aad33443444cf460df6ed6",
            ),
            (
                "reproducible-archlinux.pub",
                "1ae6d32cb5bb8a98312106de28e50af7e09a9b294d51df459537908ac1288b8f",
            ),
        ] {
            let Some(pem) = link_example(file) else {
                return;
            };
            let key = PublicKey::from_pem(&pem).unwrap();
            assert_eq!(key.key_id(), id, "{file}");
            // One of them has the line ends of Windows.
            let pem = String::from_utf8(pem).unwrap().replace('\r', "");
            assert_eq!(key.to_pem(), pem, "{file}");
        }
    }

    /// A PEM around DER given by its digits.
    fn pem(label: &'static str, der: &str) -> String {
        pem_rfc7468::encode_string(label, LineEnding::LF, &hex::decode(der).unwrap()).unwrap()
    }

    #[test]
    fn other_keys_are_refused_each_with_its_error() {
        let key = "4b35c11c804ad0d6b673f68224527cdcddf3eea891002ebdb6acd6eb04aee2a9";
        let rfc8410 = pem(LABEL, &format!("302a300506032b6570032100{key}"));
        let good = PublicKey::from_pem(rfc8410.as_bytes());
        assert!(good.is_ok(), "without parameters: {good:?}");
        for (desc, text, why) in [
            ("nothing", String::new(), "is no key in PEM"),
            (
                "rubbish",
                "ssh-ed25519 AAAA ada".to_owned(),
                "is no key in PEM",
            ),
            ("cut off", rfc8410[..60].to_owned(), "is no key in PEM"),
            ("two keys", rfc8410.repeat(2), "is no key in PEM"),
            (
                "a private key",
                pem("PRIVATE KEY", "3000"),
                r#"is a PEM of "PRIVATE KEY""#,
            ),
            ("no key inside", pem(LABEL, "3000"), "holds no public key"),
            (
                "bytes after the key",
                pem(LABEL, &format!("302a300506032b6570032100{key}00")),
                "holds no public key",
            ),
            (
                "X25519",
                pem(LABEL, &format!("302a300506032b656e032100{key}")),
                "is a key for the algorithm 1.3.101.110",
            ),
            (
                "other parameters",
                pem(LABEL, &format!("302d300806032b6570020100032100{key}")),
                "holds no public key",
            ),
            (
                "31 bytes",
                pem(LABEL, &format!("3029300506032b6570032000{}", &key[..62])),
                "is no usable Ed25519 key",
            ),
            (
                "a point of small order",
                pem(
                    LABEL,
                    &format!("302a300506032b657003210001{}", "00".repeat(31)),
                ),
                "is no usable Ed25519 key",
            ),
        ] {
            let error = PublicKey::from_pem(text.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(why), "{desc}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_key_that_is_written_is_read_again(secret: [u8; 32]) {
            let identity = Identity::from_secret(&secret);
            let key = PublicKey::from_node(&identity.node_id()).unwrap();
            prop_assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()), Ok(key));
            let signature = identity.sign(b"message").unwrap();
            prop_assert!(key.verifies(b"message", signature.as_bytes()));
            prop_assert!(!key.verifies(b"massage", signature.as_bytes()));
        }
    }
}
