//! Two machines with one key find out, whatever was copied; and nobody else can make a node believe in a twin.

use std::time::Duration;

use mycnet_consensus::core::SigningState;
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::net::{CloseCode, Config, NetEvent, PeerCard, TwinSeen};
use mycnet_consensus::{Digest, Identity, Signer as _};
use serde::{Deserialize, Serialize};

use super::node::{Node, author, genesis};
use super::raw::{Raw, SelfReport};

const REPORT: u8 = 5;
const TWIN: u8 = 6;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TwinMessage {
    Ask,
    Pass(Digest),
    Prove(Digest),
    Proof(TwinProof),
    Proved(TwinProof),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TwinProof {
    nonce: Digest,
    endpoint: Digest,
    instance: u64,
    listens: Vec<String>,
    signature: SignatureBytes,
}

fn proof(signer: &str, nonce: Digest) -> TwinProof {
    let (endpoint, instance, listens) = (endpoint_key(), 77_u64, vec!["127.0.0.1:9".to_owned()]);
    let mut signed = b"mycnet-consensus sign twin v1\0".to_vec();
    signed.extend(genesis().network_id().as_bytes());
    signed.extend(nonce.as_bytes());
    signed.extend(endpoint.as_bytes());
    signed.extend(instance.to_be_bytes());
    signed.extend(codec::encode(&listens));
    TwinProof {
        nonce,
        endpoint,
        instance,
        listens,
        signature: Identity::from_seed_label(signer).sign(&signed).unwrap(),
    }
}

fn endpoint_key() -> Digest {
    Digest::from_bytes(
        *Identity::from_seed_label("an endpoint")
            .node_id()
            .as_bytes(),
    )
}

/// The next twin of which a node hears, if that is soon.
async fn twin(node: &mut Node, within: Duration) -> Option<TwinSeen> {
    let seen = async {
        loop {
            if let Some(NetEvent::Twin(seen)) = node.events.next().await {
                return seen;
            }
        }
    };
    tokio::time::timeout(within, seen).await.ok()
}

const SOON: Duration = Duration::from_secs(10);

async fn twins_through_a_peer(transport_keys: [&str; 2]) {
    let mut ben = Node::new("ben").await;
    let [one, other] = transport_keys;
    let mut one = Node::of(&genesis(), "ada", one, Config::default()).await;
    one.transport.dial(&ben.address());
    ben.up().await;
    let mut other = Node::of(&genesis(), "ada", other, Config::default()).await;
    other.transport.dial(&ben.address());
    ben.up().await;
    let places = [&one, &other].map(Node::address);
    for (node, place) in [(&mut one, &places[1]), (&mut other, &places[0])] {
        let seen = twin(node, SOON).await.expect("it hears of the other one");
        assert_eq!(seen.endpoint, place.id);
        assert_eq!(seen.through, Some(author("ben")));
        let addresses: Vec<String> = place.ip_addrs().map(ToString::to_string).collect();
        assert_eq!(seen.addresses, addresses);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_directory_is_found_out_through_a_peer() {
    twins_through_a_peer(["ada", "ada"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_author_key_is_found_out_through_a_peer() {
    twins_through_a_peer(["ada", "second ada"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_that_dial_each_other_both_know() {
    let mut one = Node::new("ada").await;
    let mut other = Node::of(&genesis(), "ada", "second ada", Config::default()).await;
    one.transport.dial(&other.address());
    let places = [&one, &other].map(|node| node.endpoint.id());
    for (node, place) in [(&mut one, places[1]), (&mut other, places[0])] {
        let seen = twin(node, SOON).await.expect("it hears of the other one");
        assert_eq!((seen.endpoint, seen.through), (place, None));
    }
    assert!(one.transport.peers().is_empty() && other.transport.peers().is_empty());
}

/// A node that crashed is back on another port, and its old connection still stands at its peer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_is_no_twin() {
    let mut ben = Node::new("ben").await;
    let card = PeerCard::new(&ben.address(), None);
    let crashing = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    crashing.spawn(async move {
        let mut node = Node::new("ada").await;
        node.transport.remember(&card);
        while node.events.next().await.is_some() {}
    });
    ben.up().await;
    crashing.shutdown_background();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut ada = Node::new("ada").await;
    ada.transport.dial(&ben.address());
    ben.up().await;
    let mut was_asked = false;
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            match ada.events.next().await {
                Some(NetEvent::Twin(seen)) => panic!("{seen:?}"),
                Some(NetEvent::TwinAsked { .. }) => was_asked = true,
                _ => {}
            }
        }
    });
    assert!(waited.await.is_err());
    assert!(was_asked, "the peer cannot tell by itself");
    assert_eq!(ada.transport.peers().len(), 1);
}

/// Reads the next message about twins.
async fn heard(raw: &mut Raw) -> TwinMessage {
    loop {
        let (kind, body) = raw.read_frame().await;
        if kind == TWIN {
            return codec::decode(&body, 4096).unwrap();
        }
    }
}

async fn asked_nonce(raw: &mut Raw) -> Digest {
    raw.write(TWIN, &TwinMessage::Ask).await;
    match heard(raw).await {
        TwinMessage::Pass(nonce) => nonce,
        other => panic!("{other:?}"),
    }
}

/// Rules: C1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_without_the_key_can_make_a_twin() {
    let mut ada = Node::new("ada").await;
    let mut ben = Raw::member("ben", &ada.address()).await;
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    let (for_ben, for_cyd) = (asked_nonce(&mut ben).await, asked_nonce(&mut cyd).await);
    // A node does not answer its own nonces, whoever hands them back. Of other nonces it answers one in a while.
    let other = Digest::from_bytes([8; 32]);
    for nonce in [for_ben, for_cyd] {
        ben.write(TWIN, &TwinMessage::Prove(nonce)).await;
    }
    cyd.write(TWIN, &TwinMessage::Prove(other)).await;
    let TwinMessage::Proof(kept) = heard(&mut cyd).await else {
        panic!("it answers a nonce that is not its own");
    };
    assert_eq!(kept.nonce, other);
    // An answer to somebody else's nonce proves nothing; nor does that nonce under it.
    cyd.write(TWIN, &TwinMessage::Proved(kept.clone())).await;
    let moved = TwinProof {
        nonce: for_cyd,
        ..kept
    };
    cyd.write(TWIN, &TwinMessage::Proved(moved)).await;
    // Nor does an answer that came another way, or with another key.
    ben.write(TWIN, &TwinMessage::Proved(proof("ada", for_cyd)))
        .await;
    ben.write(TWIN, &TwinMessage::Proved(proof("ben", for_ben)))
        .await;
    // Whoever has no other connection of an author has nothing to pass on.
    ben.write(TWIN, &TwinMessage::Pass(other)).await;
    ben.write(TWIN, &TwinMessage::Proof(proof("ada", other)))
        .await;
    assert_eq!(twin(&mut ada, Duration::from_secs(1)).await, None);
    // A second nonce comes only after the first is worthless. The key makes the difference.
    let mut dot = Raw::member("dot", &ada.address()).await;
    let nonce = asked_nonce(&mut dot).await;
    dot.write(TWIN, &TwinMessage::Proved(proof("ada", nonce)))
        .await;
    let seen = twin(&mut ada, SOON).await.expect("it is the key");
    assert_eq!(seen.through, Some(author("dot")));
    assert_eq!(seen.addresses, ["127.0.0.1:9"]);
}

#[tokio::test]
async fn what_does_not_decode_ends_the_connection() {
    let ada = Node::new("ada").await;
    for (kind, body) in [(TWIN, &[0xff][..]), (REPORT, &[0xa0]), (TWIN, &[])] {
        let mut ben = Raw::member("ben", &ada.address()).await;
        ben.write_bytes(&super::raw::frame(kind, body)).await;
        assert_eq!(ben.closed().await, CloseCode::Malformed);
    }
}

/// Peers say what their clocks show, and whether they sign.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_and_states_are_told() {
    const HOUR_MS: i64 = 3_600_000;
    let mut ada = Node::new("ada").await;
    let says = |clock_ms: i64, signing: &str| SelfReport {
        clock_ms: u64::try_from(super::node::CLOCK_MS.cast_signed() + clock_ms).unwrap(),
        signing: signing.to_owned(),
    };
    let mut ben = Raw::member("ben", &ada.address()).await;
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    ada.up().await;
    ada.up().await;
    assert!(ada.transport.clocks(500).is_fine());
    // Of the last two figures the larger one counts: the other was longer on its way.
    cyd.write(REPORT, &says(-HOUR_MS, "twin")).await;
    cyd.write(REPORT, &says(-HOUR_MS, "twin")).await;
    ben.write(REPORT, &says(-HOUR_MS, "rejoining")).await;
    let of = |name| {
        let peers = ada.transport.peers().into_iter();
        let mut peers = peers.filter(|peer| peer.author == author(name));
        peers.next().unwrap()
    };
    let start = std::time::Instant::now();
    while of("cyd").ahead_ms == 0 || of("ben").signing == SigningState::Ready {
        assert!(start.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(of("cyd").signing, SigningState::Twin);
    assert_eq!(
        (of("ben").signing, of("ben").ahead_ms),
        (SigningState::Rejoining, 0)
    );
    let clocks = ada.transport.clocks(500);
    assert_eq!((clocks.peers, clocks.own_off_ms), (2, None));
    assert_eq!(clocks.off, [(author("cyd"), -HOUR_MS)]);
}
