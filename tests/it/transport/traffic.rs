//! What passes, and how fast.

use std::time::{Duration, Instant};

use mycnet_consensus::internals::limits::FRAME_BYTES_MAX;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::net::{Config, NetEvent, SendError};
use serde_bytes::ByteBuf;

use super::node::{marked, pair};

const TRIPS: u64 = 500;

#[tokio::test]
async fn blocks_longer_than_a_frame_pass_in_order() {
    let (mut ada, to_ben, mut ben, to_ada) = pair(Config::default()).await;
    ben.transport.send(to_ada, &marked(1)).unwrap();
    ada.message().await;
    let lengths = [
        100,
        3 * FRAME_BYTES_MAX + 1,
        200,
        300,
        5 * FRAME_BYTES_MAX,
        400,
    ];
    let blocks: Vec<ByteBuf> = (0..)
        .zip(lengths)
        .map(|(number, length)| ByteBuf::from(vec![number; length]))
        .collect();
    let (listening, sending) = (
        async {
            let mut got = Vec::new();
            while got.len() < blocks.len() {
                match ben.message().await {
                    (_, Message::Blocks(some)) => got.extend(some),
                    (_, other) => panic!("{other:?}"),
                }
            }
            got
        },
        async {
            let mut drained = 0;
            for block in &blocks {
                // More than the queue holds: the rest is sent when there is room again.
                while ada.transport.room(to_ben) == Some(0) {
                    let event = ada.next().await;
                    drained += usize::from(event == NetEvent::Drained { peer: to_ben });
                }
                let message = Message::Blocks(vec![block.clone()]);
                ada.transport.send(to_ben, &message).unwrap();
            }
            drained
        },
    );
    let (got, drained) = tokio::join!(listening, sending);
    assert!(drained > 0, "it had to wait");
    assert!(got == blocks);
}

#[tokio::test]
async fn a_message_that_fits_no_frame_is_an_error() {
    let (ada, to_ben, _ben, _) = pair(Config::default()).await;
    let message = Message::Records(vec![ByteBuf::from(vec![0; FRAME_BYTES_MAX])]);
    let sent = ada.transport.send(to_ben, &message);
    assert!(matches!(sent, Err(SendError::TooLong(_))), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throughput_is_printed() {
    let (ada, to_ben, mut ben, _) = pair(Config::default()).await;
    for (what, bytes, count) in [("64 KiB", 64 * 1024, 1600), ("1 KiB", 1024, 20_000)] {
        let message = Message::Records(vec![ByteBuf::from(vec![7; bytes])]);
        let start = Instant::now();
        let transport = ada.transport.clone();
        let sender = tokio::spawn(async move {
            for _ in 0..count {
                while transport.send(to_ben, &message) == Err(SendError::Full) {
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            }
        });
        for _ in 0..count {
            ben.message().await;
        }
        sender.await.unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let megabytes = f64::from(count) * bytes as f64 / 1e6;
        println!(
            "{what} messages: {:.0} MB/s, {:.0} messages/s",
            megabytes / seconds,
            f64::from(count) / seconds
        );
    }
    let start = Instant::now();
    let mut ada = ada;
    let to_ada = ben.transport.peers()[0].peer;
    for number in 0..TRIPS {
        ada.transport.send(to_ben, &marked(number)).unwrap();
        ben.message().await;
        ben.transport.send(to_ada, &marked(number)).unwrap();
        ada.message().await;
    }
    println!(
        "round trip: {:?}",
        start.elapsed() / u32::try_from(TRIPS).unwrap()
    );
}
