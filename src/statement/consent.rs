//! A candidate's consent to its admission.

use serde::{Deserialize, Serialize};

use crate::base::digest::{NetworkId, NodeId, SignatureBytes, signing};
use crate::base::identity::{PublicKey, Signer, SignerError};
use crate::base::rejection::Rejection;
use crate::statement::spore::Spore;

/// The candidate's signature over the network, its own key and the role it agrees to. Nobody becomes a member without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The candidate's signature.
    pub sig: SignatureBytes,
}

impl Consent {
    /// The candidate signs that it wants to be a member of `network` with `role`.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if its key cannot be used.
    pub fn sign(
        candidate: &dyn Signer,
        network: NetworkId,
        role: Spore,
    ) -> Result<Self, SignerError> {
        let sig = candidate.sign(&message(network, candidate.node_id(), role))?;
        Ok(Self { sig })
    }

    /// Checks the signature and the candidate's key.
    ///
    /// # Errors
    ///
    /// [`Rejection::WeakKey`] or [`Rejection::BadSignature`].
    pub fn verify(
        &self,
        network: NetworkId,
        candidate: NodeId,
        role: Spore,
    ) -> Result<(), Rejection> {
        let key = PublicKey::decode(&candidate).map_err(|_| Rejection::WeakKey(candidate))?;
        if key.verifies(&message(network, candidate, role), &self.sig) {
            Ok(())
        } else {
            Err(Rejection::BadSignature(candidate))
        }
    }
}

fn message(network: NetworkId, candidate: NodeId, role: Spore) -> Vec<u8> {
    let role = match role {
        Spore::Primary => 0,
        Spore::Seed => 1,
        Spore::Latent => 2,
    };
    [
        signing::CONSENT,
        network.as_bytes(),
        candidate.as_bytes(),
        &[role],
    ]
    .concat()
}
