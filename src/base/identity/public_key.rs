//! Public keys of authors.

use ed25519_dalek::{Signature, VerifyingKey};

#[cfg(feature = "sim")]
use super::memo;
use crate::base::digest::{NodeId, SignatureBytes};

/// A member's decoded public key. Decoding costs a sixth of a verification, so it is done once per member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Why 32 bytes are not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a point of the curve.
    #[error("the key is not a point of the curve")]
    NotAPoint,
    /// A point of small order (the identity among them), under which anyone can sign.
    #[error("the key is weak: a point of small order")]
    Weak,
}

impl PublicKey {
    /// Decodes an author's key and refuses weak ones.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says which.
    pub fn decode(node: &NodeId) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(node.as_bytes()).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self(key))
    }

    pub(super) fn inner(&self) -> &VerifyingKey {
        &self.0
    }

    /// Whether `verify_strict` accepts `signature` as this key's signature of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        let check = || {
            let signature = Signature::from_bytes(signature.as_bytes());
            self.0.verify_strict(message, &signature).is_ok()
        };
        #[cfg(feature = "sim")]
        return memo::verdict(self.0.as_bytes(), message, signature, check);
        #[cfg(not(feature = "sim"))]
        check()
    }
}
