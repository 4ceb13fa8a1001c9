//! The hello: who is let in, and what other peers learn.

use mycnet_consensus::net::{CloseCode, CloseReason, Config, NetEvent, PeerCard, Relation};
use mycnet_consensus::{Genesis, Identity, NetworkId, NodeId, Signer as _, Spore};

use super::node::{Node, author, genesis, hasty, marked, pair};
use super::raw::{self, Challenge, HELLO, PEERS, Proof, Raw};

#[tokio::test]
async fn two_members_meet_and_talk() {
    let mut ada = Node::new("ada").await;
    let mut ben = Node::new("ben").await;
    ada.transport.dial(&ben.address());
    let (of_ben, of_ada) = (ada.up().await, ben.up().await);
    assert_eq!(of_ben.author, author("ben"));
    assert_eq!(of_ada.author, author("ada"));
    assert_eq!(of_ben.endpoint, ben.endpoint.id());
    assert_eq!((of_ben.dialled, of_ada.dialled), (true, false));
    assert_eq!((of_ben.height, of_ben.relation), (41, Relation::Member));
    ada.transport.send(of_ben.peer, &marked(1)).unwrap();
    ben.transport.send(of_ada.peer, &marked(2)).unwrap();
    assert_eq!(ben.message().await, (of_ada.peer, marked(1)));
    assert_eq!(ada.message().await, (of_ben.peer, marked(2)));
    // Both know where to dial the other next time.
    let known = ben.transport.known_peers();
    assert_eq!(known[0].card.author, Some(author("ada")));
    assert!(!known[0].card.addresses.is_empty() && known[0].connected);
}

/// Dials as `name` with an honest hello; the close code, and that nothing but the challenge was shown.
async fn refused_as(name: &str, node: &Node) -> CloseCode {
    let mut raw = Raw::connect(&node.address()).await;
    let challenge = raw.open(0, genesis().network_id()).await;
    let proof = raw.proof(name, &challenge);
    raw.write(HELLO, &proof).await;
    assert!(raw.reads_nothing().await, "{name} sees nothing more");
    raw.closed().await
}

#[tokio::test]
async fn who_is_no_member_sees_nothing() {
    let mut ada = Node::new("ada").await;
    ada.roster.set("ben", Relation::Banned);
    assert_eq!(refused_as("eve", &ada).await, CloseCode::NotAMember);
    assert_eq!(refused_as("ben", &ada).await, CloseCode::Banned);
    assert!(ada.events.try_next().is_none(), "no event for any of them");
    ada.roster.set("eve", Relation::Leaving);
    let _eve = Raw::member("eve", &ada.address()).await;
    assert_eq!(ada.up().await.relation, Relation::Leaving);
}

#[tokio::test]
async fn other_versions_and_networks_are_refused_at_once() {
    let ada = Node::new("ada").await;
    let mut raw = Raw::connect(&ada.address()).await;
    raw.say_hello(1, genesis().network_id()).await;
    assert!(raw.reads_nothing().await);
    assert_eq!(raw.closed().await, CloseCode::Version);
    let mut raw = Raw::connect(&ada.address()).await;
    raw.say_hello(0, NetworkId::from_bytes([1; 32])).await;
    assert!(raw.reads_nothing().await);
    assert_eq!(raw.closed().await, CloseCode::WrongNetwork);
}

#[tokio::test]
async fn proofs_that_prove_nothing_are_refused() {
    let ada = Node::new("ada").await;
    let spoil: [(CloseCode, fn(&mut Proof)); 3] = [
        (CloseCode::BadProof, |proof| proof.author = author("cyd")),
        (CloseCode::WeakKey, |proof| {
            let mut identity_point = [0; 32];
            identity_point[0] = 1;
            proof.author = NodeId::from_bytes(identity_point);
        }),
        (CloseCode::Malformed, |proof| {
            proof.listens = vec![String::new(); 9];
        }),
    ];
    for (code, spoil) in spoil {
        let mut raw = Raw::connect(&ada.address()).await;
        let challenge = raw.open(0, genesis().network_id()).await;
        let mut proof = raw.proof("ben", &challenge);
        spoil(&mut proof);
        raw.write(HELLO, &proof).await;
        assert_eq!(raw.closed().await, code);
    }
}

#[tokio::test]
async fn a_proof_that_was_seen_is_worth_nothing() {
    let mut ada = Node::new("ada").await;
    let mut ben = Raw::connect(&ada.address()).await;
    let challenge = ben.open(0, genesis().network_id()).await;
    let proof = ben.proof("ben", &challenge);
    ben.write(HELLO, &proof).await;
    let _: Proof = ben.read(HELLO).await;
    assert_eq!(ada.up().await.author, author("ben"));
    // From another endpoint, and from the same one over another connection.
    for endpoint in [raw::endpoint().await, ben.endpoint.clone()] {
        let mut replay = Raw::connect_from(endpoint, &ada.address()).await;
        let _: Challenge = replay.open(0, genesis().network_id()).await;
        replay.write(HELLO, &proof).await;
        assert_eq!(replay.closed().await, CloseCode::BadProof);
    }
    assert!(ada.events.try_next().is_none(), "ben's connection stays");
}

#[tokio::test]
async fn silence_and_half_a_hello_have_a_deadline() {
    let ada = Node::with("ada", hasty()).await;
    let silent = Raw::connect(&ada.address()).await;
    let mut half = Raw::connect(&ada.address()).await;
    half.write_bytes(&[HELLO, 0, 0]).await;
    let mut later = Raw::connect(&ada.address()).await;
    let _: Challenge = later.open(0, genesis().network_id()).await;
    for raw in [&silent, &half, &later] {
        assert_eq!(raw.closed().await, CloseCode::Deadline);
    }
}

#[tokio::test]
async fn garbage_instead_of_a_hello_is_refused() {
    let ada = Node::new("ada").await;
    let cases: [(&[u8], CloseCode); 4] = [
        (b"GET / HTTP/1.1\r\n\r\n", CloseCode::Malformed),
        (&[HELLO, 0xff, 0xff, 0xff, 0xff], CloseCode::FrameTooLong),
        (&[HELLO, 0, 0, 0, 2, 0xff, 0xff], CloseCode::Malformed),
        (&[raw::MESSAGE, 0, 0, 0, 1, 0], CloseCode::Malformed),
    ];
    for (bytes, code) in cases {
        let mut raw = Raw::connect(&ada.address()).await;
        raw.write_bytes(bytes).await;
        assert_eq!(raw.closed().await, code, "{bytes:?}");
    }
}

#[tokio::test]
async fn the_dialler_checks_too_and_both_learn_why() {
    let mut other = Genesis::builder("another").nonce([8; 32]);
    for name in ["ada", "ben"] {
        other = other.member(Identity::from_seed_label(name).node_id(), Spore::Seed);
    }
    let other = other.build().unwrap();
    let ada = Node::new("ada").await;
    let ben = Node::of(&other, "ben", "ben", Config::default()).await;
    let cyd = Node::new("cyd").await;
    cyd.roster.set("ada", Relation::Banned);
    let second = Node::of(&genesis(), "ada", "second ada", Config::default()).await;
    let dot = Node::new("dot").await;
    ada.roster.set("dot", Relation::Banned);
    for (node, fault) in [
        (&ben, CloseReason::There(CloseCode::WrongNetwork)),
        (&cyd, CloseReason::There(CloseCode::Banned)),
        (&second, CloseReason::There(CloseCode::OwnAuthor)),
        (&dot, CloseReason::Here(CloseCode::Banned)),
    ] {
        ada.transport.dial(&node.address());
        let fault = Some(fault.to_string());
        let start = std::time::Instant::now();
        loop {
            let known = ada.transport.known_peers();
            let of_node = |known: &&mycnet_consensus::net::KnownPeer| {
                known.card.endpoint_id() == Some(node.endpoint.id())
            };
            let known = known.iter().find(of_node).unwrap();
            if known.last_fault == fault {
                break;
            }
            let seen = &known.last_fault;
            assert!(
                start.elapsed() < super::node::PATIENCE,
                "{fault:?}, not {seen:?}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert!(ada.transport.peers().is_empty());
}

#[tokio::test]
async fn a_fault_above_ends_one_connection_only() {
    let mut ada = Node::new("ada").await;
    assert_eq!(refused_as("panic", &ada).await, CloseCode::Internal);
    assert!(!ada.router.is_shutdown());
    let _ben = Raw::member("ben", &ada.address()).await;
    assert_eq!(ada.up().await.author, author("ben"));
}

#[tokio::test]
async fn the_roster_is_asked_again_when_it_changed() {
    let (mut ada, to_ben, mut ben, _) = pair(Config::default()).await;
    ada.transport.recheck();
    assert_eq!(ada.transport.peers().len(), 1);
    ada.roster.set("ben", Relation::Banned);
    ada.transport.recheck();
    assert_eq!(
        ada.down().await,
        (to_ben, CloseReason::Here(CloseCode::Banned))
    );
    assert_eq!(ben.down().await.1, CloseReason::There(CloseCode::Banned));
    assert!(matches!(
        ada.events.try_next(),
        None | Some(NetEvent::PeerDown { .. })
    ));
}

/// Waits for a fault of an endpoint that a node knows, and returns the last one.
async fn fault_of(node: &Node, endpoint: iroh::EndpointId) -> String {
    let start = std::time::Instant::now();
    loop {
        let known = node.transport.known_peers();
        let mut of_it = known
            .into_iter()
            .filter(|it| it.card.endpoint_id() == Some(endpoint));
        if let Some(fault) = of_it.next().and_then(|it| it.last_fault) {
            return fault;
        }
        assert!(start.elapsed() < super::node::PATIENCE, "it is dialled");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A card as a member tells of it.
fn card(node: &Node, author: Option<NodeId>) -> PeerCard {
    PeerCard::new(&node.address(), author)
}

#[tokio::test]
async fn a_stranger_that_somebody_told_of_is_not_let_in() {
    let mut ada = Node::new("ada").await;
    let eve = Node::new("eve").await;
    eve.roster.set_height(50);
    let mut ben = Raw::member("ben", &ada.address()).await;
    assert_eq!(ada.up().await.author, author("ben"));
    ben.write(PEERS, &vec![card(&eve, Some(author("cyd")))])
        .await;
    let refused = CloseReason::Here(CloseCode::NotAMember).to_string();
    assert_eq!(fault_of(&ada, eve.endpoint.id()).await, refused);
    assert!(ada.events.try_next().is_none(), "nobody came up");
}

#[tokio::test]
async fn a_stranger_is_let_in_if_the_program_gave_it_and_it_is_ahead() {
    let refused = CloseReason::Here(CloseCode::NotAMember).to_string();
    let eve = Node::new("eve").await;
    eve.roster.set_height(50);
    for (height, named, is_in) in [
        (49, None, true),
        (49, Some("eve"), true),
        (49, Some("zoe"), false),
        (50, None, false),
    ] {
        let mut ada = Node::new("ada").await;
        ada.roster.set_height(height);
        ada.transport.remember(&card(&eve, named.map(author)));
        if is_in {
            let info = ada.up().await;
            assert_eq!(
                (info.author, info.relation),
                (author("eve"), Relation::Stranger)
            );
            ada.transport.recheck();
            assert_eq!(ada.transport.peers().len(), 1, "still behind");
            ada.roster.set_height(50);
            ada.transport.recheck();
            assert_eq!(ada.down().await.1, CloseReason::Here(CloseCode::NotAMember));
        } else {
            let fault = fault_of(&ada, eve.endpoint.id()).await;
            assert_eq!(fault, refused, "{height}, {named:?}");
        }
        ada.router.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn who_is_no_member_any_more_is_not_dialled_again() {
    let (mut ada, _, _ben, _) = pair(Config::default()).await;
    assert_eq!(ada.transport.known_peers().len(), 1);
    ada.roster.set("ben", Relation::Stranger);
    ada.transport.recheck();
    ada.down().await;
    assert!(ada.transport.known_peers().is_empty());
}
