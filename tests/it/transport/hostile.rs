//! Members that misbehave, and crowds of strangers.

use std::time::{Duration, Instant};

use mycnet_consensus::internals::limits::FRAME_BYTES_MAX;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::net::{ALPN, CloseCode, CloseReason, Config, SendError};
use serde_bytes::ByteBuf;

use super::node::{Node, author, genesis, hasty, marked};
use super::raw::{self, HELLO, LONG_BLOCK, MESSAGE, PEERS, Raw};
#[cfg(target_os = "linux")]
use crate::usage::kilobytes;

#[tokio::test]
async fn bad_frames_close_the_connection_with_their_code() {
    let mut ada = Node::with("ada", hasty()).await;
    let too_long = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes();
    let oversize = [&[MESSAGE][..], &too_long].concat();
    let many = Message::Records(vec![ByteBuf::new(); 20_000]).encode();
    let cases: [(&str, Vec<u8>, CloseCode); 8] = [
        ("oversize", oversize, CloseCode::FrameTooLong),
        (
            "endless block",
            [&[LONG_BLOCK][..], &[0xff; 4]].concat(),
            CloseCode::FrameTooLong,
        ),
        ("unknown kind", vec![77, 0, 0, 0, 0], CloseCode::Malformed),
        (
            "garbage",
            raw::frame(MESSAGE, &[0xff; 99]),
            CloseCode::Malformed,
        ),
        (
            "a second hello",
            raw::frame(HELLO, &[0]),
            CloseCode::Malformed,
        ),
        (
            "garbage peers",
            raw::frame(PEERS, &[1]),
            CloseCode::Malformed,
        ),
        (
            "many empty records",
            raw::frame(MESSAGE, &many),
            CloseCode::Malformed,
        ),
        (
            "a frame that stops",
            vec![MESSAGE, 0, 0, 1, 0, 7],
            CloseCode::Deadline,
        ),
    ];
    for (what, bytes, code) in cases {
        let mut ben = Raw::member("ben", &ada.address()).await;
        ada.up().await;
        ben.write_bytes(&bytes).await;
        assert_eq!(ben.closed().await, code, "{what}");
        assert_eq!(ada.down().await.1, CloseReason::Here(code), "{what}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_or_between_frames_closes() {
    let mut ada = Node::with("ada", hasty()).await;
    let cases = [
        (&[MESSAGE, 0, 0][..], CloseCode::Malformed),
        (&[], CloseCode::Done),
    ];
    for (half, code) in cases {
        let mut ben = Raw::member("ben", &ada.address()).await;
        ben.write_bytes(half).await;
        ben.send.finish().unwrap();
        assert_eq!(ben.closed().await, code);
        assert_eq!(ada.down().await.1, CloseReason::Here(code));
    }
}

#[tokio::test]
async fn long_blocks_come_only_when_asked_for() {
    let mut ada = Node::new("ada").await;
    let mut ben = Raw::member("ben", &ada.address()).await;
    let peer = ada.up().await.peer;
    let block = vec![7; 2 * FRAME_BYTES_MAX];
    // A peer that stands elsewhere answers a comparison with blocks too.
    let comparison = Message::Reconcile {
        height: 7,
        seal: mycnet_consensus::SealId::default(),
        session: 0,
        round: 0,
        ranges: ByteBuf::new(),
    };
    ada.transport.send(peer, &comparison).unwrap();
    ben.write_bytes(&raw::frame(LONG_BLOCK, &block)).await;
    ada.message().await;
    ada.transport.send(peer, &marked(1)).unwrap();
    for _ in 0..16 {
        ben.write_bytes(&raw::frame(LONG_BLOCK, &block)).await;
        let (_, message) = ada.message().await;
        assert_eq!(message, Message::Blocks(vec![ByteBuf::from(block.clone())]));
    }
    ben.write_bytes(&raw::frame(LONG_BLOCK, &block)).await;
    assert_eq!(ben.closed().await, CloseCode::Unasked);
}

#[tokio::test]
async fn endless_streams_fill_only_their_own_window() {
    let mut ada = Node::new("ada").await;
    let ben = Raw::member("ben", &ada.address()).await;
    ada.up().await;
    let mut sent = 0;
    let mut streams = Vec::new();
    let filler = vec![7; 64 * 1024];
    let mut opened = 0;
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(200), ben.connection.open_bi()).await
    {
        opened += 1;
        let (mut send, receive) = stream.unwrap();
        let write = async {
            while let Ok(bytes) = send.write(&filler).await {
                sent += bytes;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(50), write).await;
        streams.push((send, receive));
    }
    println!("{opened} streams opened, {sent} bytes taken by the transport unread");
    assert_eq!(opened + 1, 16, "beside the one in use");
    assert!(
        ben.connection.open_uni().await_briefly().await,
        "no stream of that kind"
    );
    assert!(sent <= 32 * 1024, "{sent} bytes");
    // No other peer notices.
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    cyd.say(&marked(5)).await;
    let (_, message) = ada.message().await;
    assert_eq!(message, marked(5));
}

/// Whether a future stays pending for a moment.
trait Briefly: Future + Sized {
    async fn await_briefly(self) -> bool {
        tokio::time::timeout(Duration::from_millis(100), self)
            .await
            .is_err()
    }
}

impl<F: Future> Briefly for F {}

#[tokio::test]
async fn who_reads_nothing_blocks_nobody_and_is_closed() {
    let config = Config {
        stall_deadline: Duration::from_millis(500),
        outgoing_bytes_max: 1024 * 1024,
        ..Config::default()
    };
    let mut ada = Node::with("ada", config).await;
    let ben = Raw::member("ben", &ada.address()).await;
    let to_ben = ada.up().await.peer;
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    let to_cyd = ada.up().await.peer;
    let large = Message::Records(vec![ByteBuf::from(vec![7; 60_000])]);
    let start = Instant::now();
    let mut queued = 0;
    loop {
        match ada.transport.send(to_ben, &large) {
            Ok(()) => queued += 1,
            Err(error) => break assert_eq!(error, SendError::Full),
        }
        tokio::task::yield_now().await;
    }
    println!("{queued} messages of 60 kB were taken for a peer that reads nothing");
    assert!(queued < 60, "one queue and the transport's window");
    assert_eq!(ada.transport.room(to_ben), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "sending never blocks"
    );
    ada.transport.send(to_cyd, &marked(3)).unwrap();
    loop {
        let (kind, body) = cyd.read_frame().await;
        if kind == MESSAGE {
            break assert_eq!(Message::decode(&body).unwrap(), marked(3));
        }
    }
    let (down, reason) = ada.down().await;
    assert_eq!(
        (down, reason),
        (to_ben, CloseReason::Here(CloseCode::SlowReader))
    );
    assert_eq!(ben.closed().await, CloseCode::SlowReader);
    assert_eq!(
        ada.transport.send(to_ben, &large),
        Err(SendError::NotConnected)
    );
}

#[tokio::test]
async fn a_flood_slows_only_itself() {
    let mut ada = Node::new("ada").await;
    let mut ben = Raw::member("ben", &ada.address()).await;
    let flooder = ada.up().await.peer;
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    let honest = ada.up().await.peer;
    // No event is taken while ben sends as much as he can.
    let flood: Vec<u8> = (0..1000)
        .flat_map(|number| raw::frame(MESSAGE, &marked(number).encode()))
        .collect();
    let mut sent = 0;
    let flooding = async {
        loop {
            ben.send.write_all(&flood).await.unwrap();
            sent += 1000;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), flooding).await;
    println!("{sent} messages were sent before the flood was held up");
    cyd.say(&marked(7)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut before = 0;
    loop {
        let (peer, _) = ada.message().await;
        if peer == honest {
            break;
        }
        assert_eq!(peer, flooder);
        before += 1;
    }
    assert!(before <= 1, "{before} messages of the flood came first");
    let mut waiting = 0;
    while ada.events.try_next().is_some() {
        waiting += 1;
    }
    assert!(waiting <= 1100, "{waiting} messages waited");
}

/// Sends the head and the first bytes of long frames, and then nothing: no other peer's long frames wait for long.
#[tokio::test]
async fn frames_that_stop_keep_nobody_from_sending_long_ones() {
    let config = Config {
        incoming_bytes_max: FRAME_BYTES_MAX,
        ..Config::default()
    };
    let mut ada = Node::with("ada", config).await;
    let mut ben = Raw::member("ben", &ada.address()).await;
    ada.up().await;
    let half = raw::frame(MESSAGE, &vec![7; FRAME_BYTES_MAX]);
    ben.write_bytes(&half[..FRAME_BYTES_MAX / 2]).await;
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    let honest = ada.up().await.peer;
    let long = Message::Records(vec![ByteBuf::from(vec![7; 60_000]); 3]);
    let start = Instant::now();
    cyd.say(&marked(1)).await;
    assert_eq!(ada.message().await, (honest, marked(1)), "short ones pass");
    assert!(start.elapsed() < Duration::from_secs(1));
    cyd.say(&long).await;
    assert_eq!(ben.closed().await, CloseCode::Deadline);
    ada.down().await;
    assert_eq!(ada.message().await, (honest, long));
    assert!(start.elapsed() < Duration::from_secs(6));
}

/// An author that is slowed down or in quarantine stays so on a new connection.
#[tokio::test]
async fn pauses_are_the_authors_and_not_the_connections() {
    let mut ada = Node::new("ada").await;
    let mut ben = Raw::member("ben", &ada.address()).await;
    ada.up().await;
    let pause = Duration::from_secs(1);
    let start = Instant::now();
    ada.transport.slow(author("ben"), pause);
    ben.say(&marked(1)).await;
    let mut again = Raw::member("ben", &ada.address()).await;
    again.say(&marked(2)).await;
    let (peer, heard) = ada.message().await;
    assert_eq!(heard, marked(2), "the old connection is heard no more");
    assert!(start.elapsed() >= pause, "{:?}", start.elapsed());
    // Its verdict comes after it left.
    again.connection.close(0_u32.into(), b"");
    ada.down().await;
    ada.transport.quarantine(peer, author("ben"));
    let mut raw = Raw::connect(&ada.address()).await;
    assert!(raw.try_member("ben").await.is_none());
    assert_eq!(raw.closed().await, CloseCode::Misbehaved);
    let mut cyd = Raw::member("cyd", &ada.address()).await;
    cyd.say(&marked(3)).await;
    assert_eq!(ada.message().await.1, marked(3), "nobody else notices");
}

#[tokio::test]
async fn a_closed_peer_is_heard_no_more() {
    let mut ada = Node::new("ada").await;
    let mut ben = Raw::member("ben", &ada.address()).await;
    let peer = ada.up().await.peer;
    for number in 0..100 {
        ben.say(&marked(number)).await;
    }
    ada.message().await;
    ada.transport.close(peer, CloseCode::Application);
    ben.say(&marked(100)).await;
    assert_eq!(ben.closed().await, CloseCode::Application);
    let next = ada.next().await;
    let is_down = matches!(
        next,
        mycnet_consensus::net::NetEvent::PeerDown {
            reason: CloseReason::Here(CloseCode::Application),
            ..
        }
    );
    assert!(is_down, "{next:?}");
    assert!(ada.events.try_next().is_none());
    assert_eq!(
        ada.transport.send(peer, &marked(1)),
        Err(SendError::NotConnected)
    );
}

#[tokio::test]
async fn at_the_door_the_silent_give_way_and_the_known_do_not() {
    let config = Config {
        strangers_max: 2,
        ..Config::default()
    };
    let mut ada = Node::with("ada", config).await;
    let met = Raw::member("ben", &ada.address()).await;
    ada.up().await;
    let ben = Raw::connect_from(met.endpoint.clone(), &ada.address()).await;
    let mut named = Raw::connect(&ada.address()).await;
    named.open(0, genesis().network_id()).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Raw::connect(&ada.address()).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for raw in &silent[..3] {
        assert_eq!(raw.closed().await, CloseCode::Busy, "for the next one");
    }
    for raw in [&ben, &named, &silent[3]] {
        assert!(raw.connection.close_reason().is_none());
    }
}

#[cfg(target_os = "linux")]
const CROWD: &str = "MYCNET_TEST_CROWD";

/// The crowd, in a process of its own, so that only the node's memory is measured. On Linux all its addresses are this machine.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test below"]
async fn the_crowd() {
    let Ok(target) = std::env::var(CROWD) else {
        return;
    };
    let (id, socket) = target.split_once('@').unwrap();
    let address =
        iroh::EndpointAddr::new(id.parse().unwrap()).with_ip_addr(socket.parse().unwrap());
    let mut endpoints = Vec::new();
    for n in 0..4 {
        // As if each were another machine.
        endpoints.push(raw::endpoint_at([127, 0, 1, n].into()).await);
    }
    // Twenty attempts every 100 ms; each is patient enough for a machine that does other work.
    let mut dials = Vec::new();
    for _ in 0..50 {
        for endpoint in endpoints.iter().cycle().take(20) {
            let (endpoint, address) = (endpoint.clone(), address.clone());
            dials.push(tokio::spawn(tokio::time::timeout(
                Duration::from_secs(3),
                async move { endpoint.connect(address, ALPN).await },
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let crowd = futures_util::future::join_all(dials).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(crowd.len(), 1000);
    // Most are turned away before their handshakes are done.
    let met: Vec<_> = crowd.iter().flatten().flatten().flatten().collect();
    let open = met
        .iter()
        .filter(|connection| connection.close_reason().is_none())
        .count();
    assert!(met.len() > 100, "only {} connected", met.len());
    assert!(open <= 32, "{open} of the crowd are still open");
}

#[cfg(target_os = "linux")]
/// A visit of a member from an unknown endpoint and a new address, with one message. Not every attempt has to succeed: a
/// node tries again.
async fn visit(ada: &mut Node, number: u64) -> bool {
    let place = [127, 0, 2, u8::try_from(number % 250).unwrap()];
    let endpoint = raw::endpoint_at(place.into()).await;
    let Some(mut ben) = Raw::try_connect_from(endpoint, &ada.address()).await else {
        return false;
    };
    let opening = ben.try_member("ben").await;
    if opening.is_none() {
        return false;
    }
    assert_eq!(ada.up().await.author, author("ben"));
    ben.say(&marked(number)).await;
    assert_eq!(ada.message().await.1, marked(number));
    true
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_keep_no_member_out() {
    let mut ada = Node::new("ada").await;
    let socket = ada.endpoint.bound_sockets()[0];
    let before = kilobytes("self", "VmRSS");
    let start = Instant::now();
    let mut crowd = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "transport::hostile::the_crowd"])
        .env(CROWD, format!("{}@{socket}", ada.endpoint.id()))
        .spawn()
        .unwrap();
    let (mut grown, mut hellos, mut tries, mut slowest) = (0, 0, 0, Duration::ZERO);
    let passed = loop {
        let hello = Instant::now();
        loop {
            tries += 1;
            if visit(&mut ada, hellos).await {
                break;
            }
        }
        slowest = slowest.max(hello.elapsed());
        hellos += 1;
        grown = grown.max(kilobytes("self", "VmRSS").saturating_sub(before));
        if let Some(status) = crowd.try_wait().unwrap() {
            break status.success();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    println!(
        "1,000 connections in {:?}: {hellos} hellos of a member among them took {tries} tries and at most {slowest:?}; the node grew by {grown} kB",
        start.elapsed()
    );
    assert!(passed, "at most 32 of the crowd remain");
    assert!(slowest < Duration::from_secs(5));
}
