//! A hello holds for one connection, and shows who is behind it.

use super::*;
use crate::base::codec::tests::{compared, every_change, strict};
use crate::base::identity::Identity;
use crate::net::Membership;
use crate::net::twins::{TwinMessage, TwinProof};

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
    let forms = include_str!("../../../schemas/records.cddl");
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
        addresses: proof.listens.clone(),
    };
    assert!(described("peers", &[&card]));
    let ticket = crate::net::Ticket {
        v: 1,
        network,
        name: "village".to_owned(),
        peers: vec![card],
        height: 0,
        seal: crate::base::digest::SealId::default(),
        follows: None,
    };
    assert!(described("ticket", &ticket));
    let follows = Some(crate::net::Followed {
        network,
        is_secession: true,
    });
    let ticket = crate::net::Ticket { follows, ..ticket };
    assert!(described("ticket", &ticket));
    every_change(&hello, strict);
    every_change(&proof, strict);
    every_change(&ticket.peers, strict);
    every_change(&ticket, compared);
    every_change(&TwinMessage::Ask, strict);
    let twin = TwinProof {
        nonce,
        endpoint: Digest::default(),
        instance: 0,
        listens: proof.listens,
        signature: proof.signature,
    };
    every_change(&TwinMessage::Proof(twin), strict);
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
