//! Twins: two machines that run with one author key, and how each finds out.
//!
//! Somebody copies a node's directory to a new machine and leaves the old node running, or copies `author.key` alone. Each of
//! the two has a journal of its own, so each may sign in a slot that the other has signed, and the member is banned. Both must
//! learn of each other before that. But nobody else may be able to make a node believe in a twin, because a node with a twin
//! signs nothing.
//!
//! # What proves a twin
//!
//! A signature of this node's own key over a nonce that this process made a moment ago, and that it did not make itself.
//! Nobody without the key can give it. A close code proves nothing, nor does a hello or an answer made for somebody else's
//! nonce, which a liar could have kept.
//!
//! - *Directly.* With a copied `author.key` the endpoints differ, and the two can dial each other. Then the hello is the
//!   proof, in both directions (`net/hello.rs`).
//! - *Passed on.* With a copied directory the endpoint's key is the same too, and an endpoint does not dial itself. But a peer
//!   sees two connections with one author and different instances. It asks both for a nonce ([`TwinMessage::Ask`]), gives each
//!   nonce to the other one, and the answer back. It can refuse to, or pass on rubbish, and gains nothing by either.
//!
//! A node never answers a nonce of its own that still waits for an answer ([`Challenges::is_own`]), so a peer that hands a
//! node's nonce back to it gets nothing. That also tells machines apart whose memory was copied while they ran, and which
//! have the same instance. A nonce is good for one answer, through the peer that asked for it, for [`ANSWER_IN`]; so an answer
//! that a peer kept for later is worth nothing, also after a person has said which of the two lives.
//!
//! # The instance
//!
//! It is random for each start of the process, not kept in the directory: a copy of the directory must have another one. A
//! restarted node has another one too, and its old connection may still stand at a peer. The peer then asks both, but the old
//! process is gone and answers no fresh nonce. So a restart, on whatever port, is no twin.
//!
//! # Costs
//!
//! A peer compares one author's connections at most every [`COMPARE_EVERY`], and keeps the older one for [`COMPARE_FOR`]
//! meanwhile. A node makes one nonce and one answer per connection and [`ANSWER_IN`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iroh::EndpointId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::base::codec;
use crate::base::digest::signing::TWIN;
use crate::base::digest::{Digest, NetworkId, NodeId, SignatureBytes};
use crate::base::identity::PublicKey;
use crate::core::PeerId;

/// How long a nonce waits for its answer, and the shortest time between two nonces, or two answers, on one connection.
pub(super) const ANSWER_IN: Duration = Duration::from_secs(5);

/// How long a peer keeps the older of two connections, so that the two can prove themselves to each other.
pub(super) const COMPARE_FOR: Duration = Duration::from_secs(3);

/// The shortest time between two comparisons of one author's connections.
const COMPARE_EVERY: Duration = Duration::from_secs(8);

/// Another machine that has proved that it runs with this node's author key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TwinSeen {
    /// Its endpoint. It is this node's own if the whole directory was copied.
    pub endpoint: EndpointId,
    /// The addresses at which it says it listens.
    pub addresses: Vec<String>,
    /// The peer that passed the proof on; `None` if the two met directly.
    pub through: Option<NodeId>,
}

/// A step of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum TwinMessage {
    /// From a peer that has two connections of the receiver's author: "make a nonce".
    Ask,
    /// The answer: a nonce to be given to the other one.
    Pass(Digest),
    /// From the peer: the other one's nonce.
    Prove(Digest),
    /// The answer: a proof for that nonce.
    Proof(TwinProof),
    /// From the peer: the other one's proof.
    Proved(TwinProof),
}

/// A signature over a nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TwinProof {
    pub(super) nonce: Digest,
    /// The signer's endpoint.
    pub(super) endpoint: Digest,
    pub(super) instance: u64,
    /// The signer's addresses.
    pub(super) listens: Vec<String>,
    pub(super) signature: SignatureBytes,
}

impl TwinProof {
    /// The signed bytes. Only the last field has no fixed length.
    pub(super) fn signed(&self, network: &NetworkId) -> Vec<u8> {
        let mut bytes = TWIN.to_vec();
        for part in [
            network.as_bytes(),
            self.nonce.as_bytes(),
            self.endpoint.as_bytes(),
        ] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.instance.to_be_bytes());
        bytes.extend_from_slice(&codec::encode(&self.listens));
        bytes
    }

    /// Whether this author signed it.
    pub(super) fn is_by(&self, author: &NodeId, network: &NetworkId) -> bool {
        PublicKey::decode(author)
            .is_ok_and(|key| key.verifies(&self.signed(network), &self.signature))
    }
}

/// This node's nonces that wait for an answer, by the connection whose peer asked for them.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<BTreeMap<PeerId, (Digest, Instant)>>);

impl Challenges {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, (Digest, Instant)>> {
        // Nothing in this file panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a new nonce for a peer; `false` if its last one still waits.
    pub(super) fn begin(&self, peer: PeerId, nonce: Digest, now: Instant) -> bool {
        let mut open = self.lock();
        open.retain(|_, (_, since)| now < *since + ANSWER_IN);
        if open.contains_key(&peer) {
            return false;
        }
        open.insert(peer, (nonce, now));
        true
    }

    pub(super) fn is_own(&self, nonce: &Digest) -> bool {
        self.lock().values().any(|(own, _)| own == nonce)
    }

    /// Whether a nonce waits for an answer through this peer. It waits no longer.
    pub(super) fn end(&self, peer: PeerId, nonce: &Digest, now: Instant) -> bool {
        let mut open = self.lock();
        let is_it = |(own, since): &mut (Digest, Instant)| own == nonce && now < *since + ANSWER_IN;
        open.get_mut(&peer).is_some_and(is_it) && open.remove(&peer).is_some()
    }
}

/// When the connections of an author were compared last. The roster bounds their number.
#[derive(Debug, Default)]
pub(super) struct Compared(BTreeMap<NodeId, Instant>);

impl Compared {
    pub(super) fn may_compare(&mut self, author: NodeId, now: Instant) -> bool {
        self.0.retain(|_, at| now < *at + COMPARE_EVERY);
        if self.0.contains_key(&author) {
            return false;
        }
        self.0.insert(author, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::identity::{Identity, Signer as _};

    fn signed_by(name: &str) -> TwinProof {
        let mut proof = TwinProof {
            nonce: Digest::from_bytes([1; 32]),
            endpoint: Digest::from_bytes([2; 32]),
            instance: 3,
            listens: vec!["127.0.0.1:4".to_owned()],
            signature: SignatureBytes::from_bytes([0; 64]),
        };
        let message = proof.signed(&NetworkId::from_bytes([5; 32]));
        proof.signature = Identity::from_seed_label(name).sign(&message).unwrap();
        proof
    }

    #[test]
    fn a_proof_holds_for_what_it_says_and_no_other_key() {
        let ada = Identity::from_seed_label("ada").node_id();
        let is_by = |proof: &TwinProof| proof.is_by(&ada, &NetworkId::from_bytes([5; 32]));
        assert!(is_by(&signed_by("ada")));
        assert!(!is_by(&signed_by("eve")));
        assert!(!signed_by("ada").is_by(&ada, &NetworkId::from_bytes([6; 32])));
        let spoil: [fn(&mut TwinProof); 4] = [
            |proof| proof.nonce = Digest::from_bytes([9; 32]),
            |proof| proof.endpoint = Digest::from_bytes([9; 32]),
            |proof| proof.instance = 9,
            |proof| proof.listens.clear(),
        ];
        for spoil in spoil {
            let mut proof = signed_by("ada");
            spoil(&mut proof);
            assert!(!is_by(&proof));
        }
    }

    #[test]
    fn a_nonce_takes_one_answer_in_time_through_the_peer_that_asked() {
        let (challenges, now) = (Challenges::default(), Instant::now());
        let (ben, eve, nonce) = (PeerId(1), PeerId(2), Digest::from_bytes([1; 32]));
        assert!(challenges.begin(ben, nonce, now));
        assert!(!challenges.begin(ben, Digest::from_bytes([2; 32]), now));
        assert!(challenges.is_own(&nonce), "it is not answered here");
        assert!(!challenges.end(eve, &nonce, now));
        assert!(!challenges.end(ben, &Digest::from_bytes([2; 32]), now));
        assert!(challenges.end(ben, &nonce, now));
        assert!(!challenges.end(ben, &nonce, now), "once");
        assert!(challenges.begin(ben, nonce, now));
        assert!(!challenges.end(ben, &nonce, now + ANSWER_IN), "too late");
        assert!(challenges.begin(ben, nonce, now + ANSWER_IN));
    }

    #[test]
    fn the_cddl_describes_every_step() {
        let forms = include_str!("../../schemas/records.cddl");
        let nonce = Digest::from_bytes([1; 32]);
        for message in [
            TwinMessage::Ask,
            TwinMessage::Pass(nonce),
            TwinMessage::Prove(nonce),
            TwinMessage::Proof(signed_by("ada")),
            TwinMessage::Proved(signed_by("ada")),
        ] {
            let bytes = codec::encode(&message);
            let described = cddl_cat::validate_cbor_bytes("twin-message", forms, &bytes);
            assert!(described.is_ok(), "{message:?}");
        }
    }

    #[test]
    fn an_author_is_compared_now_and_then() {
        let (mut compared, now) = (Compared::default(), Instant::now());
        let ada = NodeId::from_bytes([1; 32]);
        assert!(compared.may_compare(ada, now));
        assert!(!compared.may_compare(ada, now));
        assert!(compared.may_compare(NodeId::from_bytes([2; 32]), now));
        assert!(compared.may_compare(ada, now + COMPARE_EVERY));
    }
}
