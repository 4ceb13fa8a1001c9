//! Coming back: crashes, new ports, suspicion, simultaneous dials.

use std::time::{Duration, Instant};

use mycnet_consensus::net::{CloseCode, CloseReason, Config, NetEvent, PeerCard};

use super::node::{Node, author, marked, pair};

/// Runs a node on a runtime of its own, and lets it die without a word.
fn crashing(name: &'static str, dial: PeerCard) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn(async move {
        let mut node = Node::new(name).await;
        node.transport.remember(&dial);
        while node.events.next().await.is_some() {}
    });
    runtime
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_crashed_is_back_at_once_on_another_port() {
    let mut ada = Node::new("ada").await;
    let card = PeerCard::new(&ada.address(), None);
    let mut ben = crashing("ben", card.clone());
    let mut before = ada.up().await;
    let mut slowest = Duration::ZERO;
    for pause_ms in [300, 0, 50, 0, 1000] {
        let seen_at = ada.transport.known_peers()[0].card.addresses[0].clone();
        ben.shutdown_background();
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let peers = ada.transport.peers();
        assert_eq!(peers.len(), 1, "the crash is not noticed yet");

        let start = Instant::now();
        ben = crashing("ben", card.clone());
        let after = ada.up().await;
        slowest = slowest.max(start.elapsed());
        assert_eq!(after.author, author("ben"));
        assert_ne!(after.peer, before.peer);
        let known = ada.transport.known_peers();
        assert_ne!(known[0].card.addresses[0], seen_at, "another port");
        before = after;
    }
    println!("a crashed node was back on a new port after {slowest:?} at most");
    assert!(slowest < Duration::from_secs(5));
    assert_eq!(ada.settled().await, 1, "the new one remains");
    assert_eq!(ada.transport.peers()[0].peer, before.peer);
    ben.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_noticed_by_silence() {
    let mut ada = Node::new("ada").await;
    let ben = crashing("ben", PeerCard::new(&ada.address(), None));
    ada.up().await;
    let start = Instant::now();
    ben.shutdown_background();
    let down = tokio::time::timeout(Duration::from_secs(20), ada.events.next()).await;
    let Ok(Some(NetEvent::PeerDown { reason, .. })) = down else {
        panic!("{down:?}");
    };
    println!("a crash was noticed after {:?}: {reason}", start.elapsed());
    assert!(matches!(reason, CloseReason::Lost(_)));
    assert!(start.elapsed() < Duration::from_secs(14));
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_keep_one_connection() {
    for round in 0..5 {
        let mut ada = Node::new("ada").await;
        let mut ben = Node::new("ben").await;
        ada.transport.dial(&ben.address());
        ben.transport.dial(&ada.address());
        ada.up().await;
        ben.up().await;
        assert_eq!(ada.settled().await, 1, "round {round}");
        assert_eq!(ben.transport.peers().len(), 1, "round {round}");
        let dialled = (
            ada.transport.peers()[0].dialled,
            ben.transport.peers()[0].dialled,
        );
        assert_ne!(dialled.0, dialled.1, "round {round}: the same one");
        let to_ben = ada.transport.peers()[0].peer;
        ada.transport.send(to_ben, &marked(round)).unwrap();
        assert_eq!(ben.message().await.1, marked(round), "round {round}");
        ada.router.shutdown().await.unwrap();
        ben.router.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_suspicious_connection_is_closed_and_dialled_anew() {
    let (mut ada, to_ben, mut ben, _) = pair(Config::default()).await;
    let start = Instant::now();
    ada.transport.suspect(to_ben);
    assert_eq!(
        ada.down().await,
        (to_ben, CloseReason::Here(CloseCode::Suspect))
    );
    assert_eq!(ben.down().await.1, CloseReason::There(CloseCode::Suspect));
    let again = ada.up().await;
    assert_ne!(again.peer, to_ben);
    println!("suspicion to a new connection: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_node_that_stops_says_so_and_is_dialled_until_it_is_back() {
    let (mut ada, to_ben, ben, to_ada) = pair(Config::default()).await;
    ben.transport.send(to_ada, &marked(9)).unwrap();
    ben.router.shutdown().await.unwrap();
    assert_eq!(ada.message().await, (to_ben, marked(9)), "what waited came");
    assert_eq!(
        ada.down().await,
        (to_ben, CloseReason::There(CloseCode::Shutdown))
    );
    let mut events = ben.events;
    while events.next().await.is_some() {}
    drop((ben.endpoint, ben.transport, ben.router));
    let start = Instant::now();
    while ada.transport.known_peers()[0].failures == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "it is dialled in vain"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It is back on another port and knows no peer: they only meet when its address is given by hand.
    let mut ben = Node::new("ben").await;
    ada.transport.dial(&ben.address());
    assert_eq!(ada.up().await.author, author("ben"));
    ben.up().await;
}

#[tokio::test]
async fn whoever_knows_one_gets_to_know_all() {
    let mut ada = Node::new("ada").await;
    let mut ben = Node::new("ben").await;
    ben.transport.dial(&ada.address());
    ben.up().await;
    ada.up().await;
    let mut cyd = Node::new("cyd").await;
    cyd.transport.dial(&ada.address());
    let mut met = [cyd.up().await.author, cyd.up().await.author];
    met.sort_unstable();
    let mut all = [author("ada"), author("ben")];
    all.sort_unstable();
    assert_eq!(met, all);
}

#[tokio::test]
async fn of_one_author_the_newer_connection_remains() {
    let mut ada = Node::new("ada").await;
    let ben = super::raw::Raw::member("ben", &ada.address()).await;
    let old = ada.up().await.peer;
    let _newer = super::raw::Raw::member("ben", &ada.address()).await;
    let newer = ada.up().await.peer;
    assert_eq!(ben.closed().await, CloseCode::Duplicate);
    let (down, _) = ada.down().await;
    assert_eq!(down, old);
    assert_eq!(ada.transport.peers()[0].peer, newer);
}

#[tokio::test]
async fn connections_have_a_cap() {
    let config = Config {
        connections_max: 2,
        degree: 0,
        ..Config::default()
    };
    let mut ada = Node::with("ada", config).await;
    let _ben = super::raw::Raw::member("ben", &ada.address()).await;
    let _cyd = super::raw::Raw::member("cyd", &ada.address()).await;
    ada.up().await;
    ada.up().await;
    let dot = Node::new("dot").await;
    dot.transport.dial(&ada.address());
    let start = Instant::now();
    let busy = Some(CloseReason::There(CloseCode::Busy).to_string());
    while dot.transport.known_peers()[0].last_fault != busy {
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A connected peer may still connect again.
    let _ben = super::raw::Raw::member("ben", &ada.address()).await;
    assert_eq!(ada.up().await.author, author("ben"));
}

/// The members of a network that dial a node must not decide whom it knows.
#[tokio::test]
async fn whoever_dials_a_node_takes_no_place_of_those_that_it_dials() {
    let config = Config {
        connections_max: 2,
        degree: 1,
        ..Config::default()
    };
    let mut ada = Node::with("ada", config).await;
    let _ben = super::raw::Raw::member("ben", &ada.address()).await;
    assert_eq!(ada.up().await.author, author("ben"));
    let mut cyd = super::raw::Raw::connect(&ada.address()).await;
    assert!(cyd.try_member("cyd").await.is_none(), "no place is left");
    assert_eq!(cyd.closed().await, CloseCode::Busy);
    let dot = Node::new("dot").await;
    let card = PeerCard::new(&dot.address(), None);
    ada.transport.remember(&card);
    assert_eq!(ada.up().await.author, author("dot"));
}

#[tokio::test]
async fn another_peer_is_dialled_beyond_the_degree_when_asked_for() {
    let config = Config {
        degree: 1,
        ..Config::default()
    };
    let mut ada = Node::with("ada", config).await;
    let (ben, cyd) = (Node::new("ben").await, Node::new("cyd").await);
    for node in [&ben, &cyd] {
        ada.transport
            .remember(&PeerCard::new(&node.address(), None));
    }
    ada.up().await;
    assert_eq!(ada.settled().await, 1);
    ada.transport.dial_another();
    ada.up().await;
    assert_eq!(ada.settled().await, 2);
}
