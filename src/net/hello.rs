//! The hello ([N1]): both sides prove their author before they exchange anything else.
//!
//! The transport has authenticated both endpoints. The dialler opens the connection's one stream, and on it follow
//!
//! 1. dialler: version, network, nonce;
//! 2. acceptor: nonce;
//! 3. dialler: author, instance, height, clock and state, and its signature over (role, network, both endpoints, both nonces,
//!    instance);
//! 4. acceptor: the same.
//!
//! The acceptor shows its author only to a proven member. Its proof also tells the dialler that it was accepted: QUIC's
//! `connect` returns before a refusal can arrive. A proof for other endpoints, another connection, the other role or another
//! network does not verify. Early data of the transport can be replayed; it is not used, and could not contain the fresh
//! nonce.
//!
//! An author that meets its own key in a valid hello has a twin (`net/twins.rs`): the nonces are fresh, and an endpoint does not
//! dial itself. The acceptor then proves itself all the same, so that both know.
//!
//! The dialler shows the network's id, and then its author, to an endpoint that has proved nothing yet. The id opens the
//! genesis. So a machine on the local network that repeats mDNS announcements, or an endpoint that a hostile member names,
//! can learn both, like the holder of a ticket. It gets no further. mDNS is off by default.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use iroh::EndpointId;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use super::address::{addresses_within_limits, dialable};
use super::close::CloseCode;
use super::frame::{Kind, read_head, read_rest, read_value, write_value};
use super::left::read_endorsements;
use super::membership::{Membership, Relation};
use super::twins::TwinSeen;
use crate::base::digest::signing::HELLO;
use crate::base::digest::{Digest, NetworkId, NodeId, SignatureBytes};
use crate::base::identity::{PublicKey, Signer};
use crate::core::SigningState;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The version of the protocol, which is the digit in its ALPN.
pub(super) const VERSION: u16 = 0;

/// The signer's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Dialler,
    Acceptor,
}

/// The dialler's first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Opening {
    /// A request to exchange messages.
    Hello {
        /// [`VERSION`].
        version: u16,
        network: NetworkId,
        nonce: Digest,
    },
    /// A request for the genesis of a network that a ticket names.
    Genesis { version: u16, network: NetworkId },
}

/// The acceptor's contribution to the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Challenge {
    pub(super) nonce: Digest,
}

/// What a node says of itself, in the hello and whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SelfReport {
    /// Its clock: milliseconds since 1970.
    pub(super) clock_ms: u64,
    pub(super) signing: SigningState,
}

impl SelfReport {
    pub(super) fn of(membership: &dyn Membership) -> Self {
        Self {
            clock_ms: membership.clock_ms(),
            signing: membership.signing(),
        }
    }

    /// How far its clock is ahead of the reader's, in milliseconds; too little by the time that it was on its way.
    pub(super) fn ahead_ms(&self, membership: &dyn Membership) -> i64 {
        let signed = |clock_ms| i64::try_from(clock_ms).unwrap_or(i64::MAX);
        signed(self.clock_ms).saturating_sub(signed(membership.clock_ms()))
    }
}

/// One side's proof of its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    pub(super) author: NodeId,
    /// The last sealed height.
    pub(super) height: u64,
    /// Random for each start of the process (`net/twins.rs` says why).
    pub(super) instance: u64,
    pub(super) report: SelfReport,
    /// The sender's addresses.
    pub(super) listens: Vec<String>,
    pub(super) signature: SignatureBytes,
}

/// What both signatures cover, beside the role.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transcript {
    pub(super) network: NetworkId,
    pub(super) dialler: EndpointId,
    pub(super) acceptor: EndpointId,
    pub(super) dialler_nonce: Digest,
    pub(super) acceptor_nonce: Digest,
}

impl Transcript {
    /// The signed bytes. Every field has a fixed length.
    pub(super) fn signed_by(&self, role: Role, instance: u64) -> Vec<u8> {
        let mut bytes = HELLO.to_vec();
        bytes.push(match role {
            Role::Dialler => b'd',
            Role::Acceptor => b'a',
        });
        for part in [
            self.network.as_bytes(),
            self.dialler.as_bytes(),
            self.acceptor.as_bytes(),
            self.dialler_nonce.as_bytes(),
            self.acceptor_nonce.as_bytes(),
        ] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&instance.to_be_bytes());
        bytes
    }

    /// The endpoint of the side with this role.
    fn endpoint_of(&self, role: Role) -> EndpointId {
        match role {
            Role::Dialler => self.dialler,
            Role::Acceptor => self.acceptor,
        }
    }
}

/// This node's side of a hello.
pub(super) struct LocalSide {
    pub(super) network: NetworkId,
    pub(super) endpoint: EndpointId,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) membership: Arc<dyn Membership>,
    pub(super) instance: u64,
    pub(super) listens: Vec<String>,
    pub(super) stall: Duration,
}

/// What the hello proved about the other side.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    pub(super) author: NodeId,
    pub(super) relation: Relation,
    pub(super) height: u64,
    pub(super) instance: u64,
    pub(super) signing: SigningState,
    /// How far its clock is ahead of this node's, in milliseconds.
    pub(super) ahead_ms: i64,
    pub(super) listens: Vec<String>,
}

/// Who the other side is.
#[derive(Debug)]
pub(super) enum Met {
    Peer(Proven),
    /// Another machine with this node's author key.
    Twin(TwinSeen),
    /// A node that has left the network, with the endorsements by which it did.
    HasLeft(Vec<Vec<u8>>),
}

impl LocalSide {
    /// Signs outside the executor: a key may live in hardware and wait for a person.
    async fn prove(&self, transcript: &Transcript, role: Role) -> Result<Proof, CloseCode> {
        let (signer, message) = (
            self.signer.clone(),
            transcript.signed_by(role, self.instance),
        );
        let work = tokio::task::spawn_blocking(move || signer.sign(&message));
        let signature = work
            .await
            .map_err(|_| CloseCode::Internal)?
            .map_err(|_| CloseCode::Internal)?;
        Ok(Proof {
            author: self.signer.node_id(),
            height: self.membership.height(),
            instance: self.instance,
            report: SelfReport::of(self.membership.as_ref()),
            listens: self.listens.clone(),
            signature,
        })
    }

    /// Checks the other side's proof. `is_chosen`: whether the program gave this node the peer with this author.
    fn judge(
        &self,
        proof: Proof,
        transcript: &Transcript,
        role: Role,
        is_chosen: impl FnOnce(&NodeId) -> bool,
    ) -> Result<Met, CloseCode> {
        let ahead_ms = proof.report.ahead_ms(self.membership.as_ref());
        let key = PublicKey::decode(&proof.author).map_err(|_| CloseCode::WeakKey)?;
        if !key.verifies(
            &transcript.signed_by(role, proof.instance),
            &proof.signature,
        ) {
            return Err(CloseCode::BadProof);
        }
        if !addresses_within_limits(&proof.listens) {
            return Err(CloseCode::Malformed);
        }
        if proof.author == self.signer.node_id() {
            let endpoint = transcript.endpoint_of(role);
            if (endpoint, proof.instance) == (self.endpoint, self.instance) {
                return Err(CloseCode::OwnAuthor);
            }
            return Ok(Met::Twin(TwinSeen {
                endpoint,
                addresses: dialable(&proof.listens),
                through: None,
            }));
        }
        let relation = self.membership.relation(&proof.author);
        match relation {
            Relation::Banned => return Err(CloseCode::Banned),
            // A new node knows only the founders. It learns of later members from a peer whose address the program gave, if
            // that peer is ahead.
            Relation::Stranger
                if proof.height <= self.membership.height() || !is_chosen(&proof.author) =>
            {
                return Err(CloseCode::NotAMember);
            }
            _ => {}
        }
        Ok(Met::Peer(Proven {
            author: proof.author,
            relation,
            height: proof.height,
            instance: proof.instance,
            signing: proof.report.signing,
            ahead_ms,
            listens: proof.listens,
        }))
    }

    /// The dialler's side. `is_chosen` as in [`Self::judge`].
    pub(super) async fn dialled(
        &self,
        connection: &Connection,
        send: &mut SendStream,
        receive: &mut RecvStream,
        is_chosen: impl FnOnce(&NodeId) -> bool,
    ) -> Result<Met, CloseCode> {
        let nonce = nonce()?;
        let opening = Opening::Hello {
            version: VERSION,
            network: self.network,
            nonce,
        };
        write_value(send, Kind::Hello, &opening, self.stall).await?;
        let head = read_head(receive, self.stall).await?;
        let head = head.ok_or(CloseCode::Malformed)?;
        if head.kind == Kind::Endorsements {
            let endorsements = read_endorsements(head, receive, self.stall).await?;
            return Ok(Met::HasLeft(endorsements));
        }
        let challenge: Challenge = read_rest(head, receive, Kind::Hello, self.stall).await?;
        let transcript = Transcript {
            network: self.network,
            dialler: self.endpoint,
            acceptor: connection.remote_id(),
            dialler_nonce: nonce,
            acceptor_nonce: challenge.nonce,
        };
        let proof = self.prove(&transcript, Role::Dialler).await?;
        write_value(send, Kind::Hello, &proof, self.stall).await?;
        let proof: Proof = read_value(receive, Kind::Hello, self.stall).await?;
        self.judge(proof, &transcript, Role::Acceptor, is_chosen)
    }

    /// The acceptor's side up to the dialler's proof. [`Self::welcome`] follows once the session exists.
    pub(super) async fn accepted(
        &self,
        connection: &Connection,
        dialler_nonce: Digest,
        send: &mut SendStream,
        receive: &mut RecvStream,
    ) -> Result<(Met, Transcript), CloseCode> {
        let challenge = Challenge { nonce: nonce()? };
        let transcript = Transcript {
            network: self.network,
            dialler: connection.remote_id(),
            acceptor: self.endpoint,
            dialler_nonce,
            acceptor_nonce: challenge.nonce,
        };
        write_value(send, Kind::Hello, &challenge, self.stall).await?;
        let proof: Proof = read_value(receive, Kind::Hello, self.stall).await?;
        let met = self.judge(proof, &transcript, Role::Dialler, |_| false)?;
        Ok((met, transcript))
    }

    /// Sends the acceptor's proof, which tells the dialler that it was accepted.
    pub(super) async fn welcome(
        &self,
        transcript: &Transcript,
        send: &mut SendStream,
    ) -> Result<(), CloseCode> {
        let proof = self.prove(transcript, Role::Acceptor).await?;
        write_value(send, Kind::Hello, &proof, self.stall).await
    }

    /// Checks an opening.
    pub(super) fn check(&self, version: u16, network: &NetworkId) -> Result<(), CloseCode> {
        if version != VERSION {
            return Err(CloseCode::Version);
        }
        if *network != self.network {
            return Err(CloseCode::WrongNetwork);
        }
        Ok(())
    }
}

/// 32 random bytes.
pub(super) fn nonce() -> Result<Digest, CloseCode> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| CloseCode::Internal)?;
    Ok(Digest::from_bytes(nonce))
}
