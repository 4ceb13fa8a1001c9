//! The hello: both sides prove their author before they exchange anything else.
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

use std::sync::Arc;
use std::time::Duration;

use iroh::EndpointId;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use super::address::{addresses_within_limits, dialable};
use super::close::CloseCode;
use super::frame::{Kind, read_value, write_value};
use super::membership::{Membership, Relation};
use super::twins::TwinSeen;
use crate::base::digest::signing::HELLO;
use crate::base::digest::{Digest, NetworkId, NodeId, SignatureBytes};
use crate::base::identity::{PublicKey, Signer};
use crate::core::SigningState;

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
        let challenge: Challenge = read_value(receive, Kind::Hello, self.stall).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::identity::Identity;
    use crate::net::Membership;

    type Spoil = fn(&mut Transcript);

    struct Everyone;

    impl Membership for Everyone {
        fn relation(&self, _: &NodeId) -> Relation {
            Relation::Member
        }

        fn height(&self) -> u64 {
            0
        }

        fn clock_ms(&self) -> u64 {
            1_000
        }

        fn signing(&self) -> SigningState {
            SigningState::Ready
        }
    }

    fn endpoint(byte: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[byte; 32]).public()
    }

    /// Whether the published CDDL describes the value so.
    fn described(rule: &str, value: &impl Serialize) -> bool {
        let forms = include_str!("../../schemas/records.cddl");
        cddl_cat::validate_cbor_bytes(rule, forms, &crate::base::codec::encode(value)).is_ok()
    }

    #[test]
    fn the_cddl_describes_the_hello_and_what_follows() {
        let (network, nonce) = (NetworkId::default(), Digest::from_bytes([3; 32]));
        let version = VERSION;
        let hello = Opening::Hello {
            version,
            network,
            nonce,
        };
        assert!(described("opening", &hello));
        assert!(described("opening", &Opening::Genesis { version, network }));
        assert!(described("challenge", &Challenge { nonce }));
        let signer = Identity::from_seed_label("acceptor");
        let proof = Proof {
            author: signer.node_id(),
            height: 0,
            instance: u64::MAX,
            report: SelfReport::of(&Everyone),
            listens: vec!["127.0.0.1:1".to_owned()],
            signature: SignatureBytes::from_bytes([0; 64]),
        };
        assert!(described("hello-proof", &proof));
        assert!(!described("challenge", &proof));
        let card = crate::net::PeerCard {
            endpoint: Digest::default(),
            author: None,
            addresses: proof.listens,
        };
        assert!(described("peers", &[&card]));
        let ticket = crate::net::Ticket {
            v: 1,
            network,
            name: "village".to_owned(),
            peers: vec![card],
            height: 0,
            seal: crate::base::digest::SealId::default(),
        };
        assert!(described("ticket", &ticket));
    }

    fn own() -> LocalSide {
        LocalSide {
            network: NetworkId::from_bytes([1; 32]),
            endpoint: endpoint(2),
            signer: Arc::new(Identity::from_seed_label("acceptor")),
            membership: Arc::new(Everyone),
            instance: 0,
            listens: Vec::new(),
            stall: Duration::from_secs(1),
        }
    }

    fn transcript() -> Transcript {
        Transcript {
            network: NetworkId::from_bytes([1; 32]),
            dialler: endpoint(1),
            acceptor: endpoint(2),
            dialler_nonce: Digest::from_bytes([3; 32]),
            acceptor_nonce: Digest::from_bytes([4; 32]),
        }
    }

    fn proof(signed: &Transcript, role: Role) -> Proof {
        proof_of("ada", signed, role)
    }

    fn proof_of(name: &str, signed: &Transcript, role: Role) -> Proof {
        let author = Identity::from_seed_label(name);
        Proof {
            author: author.node_id(),
            height: 7,
            instance: 9,
            report: SelfReport {
                clock_ms: 3_500,
                signing: SigningState::Rejoining,
            },
            listens: Vec::new(),
            signature: author.sign(&signed.signed_by(role, 9)).unwrap(),
        }
    }

    #[test]
    fn a_proof_holds_for_one_connection_and_role() {
        let judge = |proof| own().judge(proof, &transcript(), Role::Dialler, |_| false);
        let Ok(Met::Peer(proven)) = judge(proof(&transcript(), Role::Dialler)) else {
            panic!("a member is let in");
        };
        assert_eq!(
            (proven.signing, proven.ahead_ms),
            (SigningState::Rejoining, 2_500)
        );
        let mut other = proof(&transcript(), Role::Dialler);
        other.instance = 10;
        assert_eq!(judge(other).unwrap_err(), CloseCode::BadProof, "instance");
        let spoil: [(&str, Spoil); 5] = [
            ("network", |t| t.network = NetworkId::from_bytes([0; 32])),
            ("dialler", |t| t.dialler = endpoint(5)),
            ("acceptor", |t| t.acceptor = endpoint(5)),
            ("old nonce", |t| {
                t.acceptor_nonce = Digest::from_bytes([5; 32]);
            }),
            ("own nonce", |t| {
                t.dialler_nonce = Digest::from_bytes([5; 32]);
            }),
        ];
        for (what, spoil) in spoil {
            let mut other = transcript();
            spoil(&mut other);
            let refused = judge(proof(&other, Role::Dialler)).unwrap_err();
            assert_eq!(refused, CloseCode::BadProof, "{what}");
        }
        let mirrored = judge(proof(&transcript(), Role::Acceptor)).unwrap_err();
        assert_eq!(mirrored, CloseCode::BadProof, "the other role");
    }

    /// Only a fresh hello with the own key shows a twin, and not the node itself.
    #[test]
    fn a_valid_hello_with_the_own_key_is_a_twin() {
        let judge = |proof| own().judge(proof, &transcript(), Role::Dialler, |_| false);
        let twin = proof_of("acceptor", &transcript(), Role::Dialler);
        let Ok(Met::Twin(seen)) = judge(twin.clone()) else {
            panic!("it is a twin");
        };
        assert_eq!((seen.endpoint, seen.through), (endpoint(1), None));
        let mut old = transcript();
        old.acceptor_nonce = Digest::from_bytes([5; 32]);
        let replayed = proof_of("acceptor", &old, Role::Dialler);
        assert_eq!(judge(replayed).unwrap_err(), CloseCode::BadProof);
        let mut itself = own();
        (itself.endpoint, itself.instance) = (endpoint(1), 9);
        let judged = itself.judge(twin, &transcript(), Role::Dialler, |_| false);
        assert_eq!(judged.unwrap_err(), CloseCode::OwnAuthor);
    }

    #[test]
    fn weak_keys_are_refused_before_their_signature_is_looked_at() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let mut proof = proof(&transcript(), Role::Dialler);
        proof.author = NodeId::from_bytes(identity_point);
        let refused = own().judge(proof, &transcript(), Role::Dialler, |_| false);
        assert_eq!(refused.unwrap_err(), CloseCode::WeakKey);
    }
}
