//! A candidate's consent to its admission.

use serde::{Deserialize, Serialize};

use crate::base::digest::{Digest, NetworkId, NodeId, SignatureBytes, signing};
use crate::base::identity::{PublicKey, Signer, SignerError};
use crate::base::rejection::Rejection;
use crate::statement::name::MemberName;
use crate::statement::spore::Spore;

/// The candidate's signature over the network, its own key, the role it agrees to, its name and its successor. Nobody
/// becomes a member without it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The name it wants to have.
    pub name: MemberName,
    /// The digest of the key that may replace its key later, see [`Digest::of_successor`]; `None` for none.
    #[serde(deserialize_with = "Option::deserialize")] // Even `None` is written.
    pub successor: Option<Digest>,
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
        name: MemberName,
        successor: Option<Digest>,
    ) -> Result<Self, SignerError> {
        let message = message(network, candidate.node_id(), role, &name, successor);
        let sig = candidate.sign(&message)?;
        Ok(Self {
            name,
            successor,
            sig,
        })
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
        let message = message(network, candidate, role, &self.name, self.successor);
        if key.verifies(&message, &self.sig) {
            Ok(())
        } else {
            Err(Rejection::BadSignature(candidate))
        }
    }
}

/// All parts but the last have a fixed length. No key has the digest of zeros.
fn message(
    network: NetworkId,
    candidate: NodeId,
    role: Spore,
    name: &MemberName,
    successor: Option<Digest>,
) -> Vec<u8> {
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
        successor.unwrap_or_default().as_bytes(),
        name.as_str().as_bytes(),
    ]
    .concat()
}
