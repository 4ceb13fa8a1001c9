//! Keys that sign records, and the check of signatures ([R3]).
//!
//! The verdict is that of `verify_strict`, everywhere, on decoded keys. Every machine must accept the same signatures, and
//! implementations of the looser check differ. For the keys that sign most, the same verdict comes from tables (`table`).

mod check;
#[cfg(feature = "sim")]
mod memo;
mod public_key;
mod table;
mod tables;

use std::fmt;

use ed25519_dalek::SigningKey;

pub use check::{Check, verdicts};
#[cfg(feature = "sim")]
pub use memo::remember_verdicts;
pub use public_key::{KeyError, PublicKey};
pub use tables::Tables;

use crate::base::digest::{NodeId, SEEDED_KEY, SignatureBytes};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Something that signs for one author: an [`Identity`] in memory, a hardware key, an agent.
pub trait Signer: Send + Sync {
    /// The author it signs for.
    fn node_id(&self) -> NodeId;

    /// The Ed25519 signature of `message`.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if the key cannot be used now; then nothing is sent.
    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, SignerError>;
}

/// A key could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signer failed: {0}")]
pub struct SignerError(pub String);

/// An Ed25519 key pair in memory. The secret is wiped when it is dropped and never shown.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// The key pair of a 32-byte secret, which must come from a good source of randomness.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(secret),
        }
    }

    /// A key pair for replays, simulations and examples: anyone who knows the label knows the secret.
    pub fn from_seed_label(label: &str) -> Self {
        Self::from_secret(&SEEDED_KEY.hash(label.as_bytes()))
    }

    /// The 32-byte secret, to be stored where only its owner can read it.
    pub fn secret(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.node_id())
    }
}

impl Signer for Identity {
    fn node_id(&self) -> NodeId {
        NodeId::from_bytes(self.key.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, SignerError> {
        use ed25519_dalek::Signer as _;
        Ok(SignatureBytes::from_bytes(
            self.key.sign(message).to_bytes(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_signs_what_its_key_verifies() {
        let identity = Identity::from_seed_label("ada");
        let key = PublicKey::decode(&identity.node_id()).unwrap();
        let signature = identity.sign(b"message").unwrap();
        assert!(key.verifies(b"message", &signature));
        assert!(!key.verifies(b"another", &signature));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let identity = Identity::from_seed_label("ada");
        let shown = format!("{identity:?}");
        assert!(!shown.contains(&hex::encode(identity.secret())));
    }

    #[test]
    fn the_identity_point_is_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let node = NodeId::from_bytes(identity_point);
        assert_eq!(PublicKey::decode(&node), Err(KeyError::Weak));
    }
}
