//! The attacks of hostile peers, without end and as fast as they can.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iroh::endpoint::{Connection, Endpoint};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::Commitment;
use mycnet_consensus::internals::limits::{FRAME_BYTES_MAX, WANT_IDS_MAX};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::reconciliation::Snapshot;
use mycnet_consensus::internals::record::{Statement, Verified, VoteKind, sign, sign_batch};
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::net::ALPN;
use mycnet_consensus::{Digest, NetworkId, OperationId, Priority, RecordId, Signer as _};
use serde_bytes::ByteBuf;

use super::child::{obey, say};
use super::target::{BANNED, Target};
use super::{genesis, is_long};
use crate::federation::claim;
use crate::network::member;
use crate::raw::{self, LONG_BLOCK, MESSAGE, Raw};

/// The kinds of attack, by name.
pub const KINDS: [&str; 12] = [
    "wrong network",
    "non-member",
    "banned member",
    "oversize frames",
    "truncated frames",
    "endless streams",
    "slow readers",
    "1,000 connections",
    "forged records",
    "refused records",
    "questions",
    "impossible blocks",
];

/// How long an attacker waits before its next try; it repeats ignored attempts after a second.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// What an attacker counts.
#[derive(Default)]
struct Count {
    connections: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
}

fn add(count: &AtomicU64, number: usize) {
    count.fetch_add(number as u64, Ordering::Relaxed);
}

/// One attacker, with an address of its own, as if it were another machine.
#[derive(Clone)]
struct Attacker {
    target: Arc<Target>,
    ip: Ipv4Addr,
    endpoint: Endpoint,
    count: Arc<Count>,
}

/// Attacks until the parent is gone. On request it reports what it did so far.
pub async fn attack(target: Target, kind: &str) -> ! {
    let (target, count) = (Arc::new(target), Arc::new(Count::default()));
    let number = |kind: &str| match kind {
        "slow readers" | "wrong network" | "non-member" | "banned member" => 8,
        _ => 4,
    };
    let kinds: Vec<&str> = match kind {
        "all" => KINDS.to_vec(),
        some => some.split(" + ").collect(),
    };
    let mut attackers = Vec::new();
    // All of 127.0.0.0/8 is this machine; the honest nodes are at 127.0.0.1.
    let mut ips = (0..).map(|n| Ipv4Addr::from_bits(0x7f00_0101 + n));
    for kind in kinds {
        for n in 0..number(kind) {
            let ip = ips.next().unwrap();
            let attacker = Attacker {
                target: target.clone(),
                ip,
                endpoint: raw::endpoint_at(ip).await,
                count: count.clone(),
            };
            attackers.push((attacker, kind.to_owned(), n, flood(kind, n, &target)));
        }
    }
    say("ready");
    for (attacker, kind, n, flood) in attackers {
        tokio::spawn(attacker.run(kind, n, flood));
    }
    obey(async || {
        format!(
            "connections {} records {} bytes {}",
            count.connections.load(Ordering::Relaxed),
            count.records.load(Ordering::Relaxed),
            count.bytes.load(Ordering::Relaxed),
        )
    })
    .await
}

impl Attacker {
    async fn run(self, kind: String, n: usize, flood: Vec<(usize, Message)>) {
        match kind.as_str() {
            "wrong network" => self.wrong_network().await,
            "non-member" => self.knocks(&format!("stranger {n}")).await,
            "banned member" => self.knocks(&format!("bench {BANNED}")).await,
            "oversize frames" => self.bad_frames(&oversize(), false, 10 + n).await,
            "truncated frames" => {
                let half = [MESSAGE, 0, 0, 1, 0, 7];
                self.bad_frames(&half, n.is_multiple_of(2), 14 + n).await;
            }
            "endless streams" => self.endless_streams(18 + n).await,
            "slow readers" => self.reads_nothing(22 + n).await,
            "1,000 connections" => self.crowd().await,
            _ => self.floods(flooder(&kind, n), &flood).await,
        }
    }

    /// Another, unknown endpoint.
    async fn renew(&mut self) {
        self.endpoint.close().await;
        self.endpoint = raw::endpoint_at(self.ip).await;
    }

    async fn connect(&self) -> Option<Raw> {
        add(&self.count.connections, 1);
        let connecting = Raw::try_connect_from(self.endpoint.clone(), &self.target.address);
        tokio::time::timeout(CONNECT_PATIENCE, connecting)
            .await
            .ok()?
    }

    /// Connects as a member. `None` if it is not let in.
    async fn meet(&self, n: usize) -> Option<Raw> {
        let mut raw = self.connect().await?;
        let name = format!("bench {n}");
        let met = tokio::time::timeout(Duration::from_secs(10), raw.try_member(&name));
        met.await.ok()??;
        Some(raw)
    }

    async fn wrong_network(self) {
        loop {
            if let Some(mut raw) = self.connect().await {
                raw.say_hello(0, NetworkId::from_bytes([9; 32])).await;
                raw.connection.closed().await;
            }
        }
    }

    /// Proves an identity that is not let in.
    async fn knocks(self, name: &str) {
        loop {
            if let Some(mut raw) = self.connect().await {
                assert!(raw.try_member(name).await.is_none(), "{name} is not let in");
            }
        }
    }

    async fn bad_frames(mut self, bytes: &[u8], stays: bool, n: usize) {
        loop {
            if let Some(mut raw) = self.meet(n).await {
                raw.write_bytes(bytes).await;
                if !stays {
                    let _ = raw.send.finish();
                }
                raw.connection.closed().await;
            }
            self.renew().await;
        }
    }

    /// Opens as many streams as it can, and writes without end on each.
    async fn endless_streams(self, n: usize) {
        loop {
            let Some(mut raw) = self.meet(n).await else {
                continue;
            };
            let mut streams = Vec::new();
            let patience = Duration::from_millis(200);
            while let Ok(Ok(stream)) =
                tokio::time::timeout(patience, raw.connection.open_bi()).await
            {
                let count = self.count.clone();
                let (mut send, receive) = stream;
                streams.push((
                    receive,
                    tokio::spawn(async move {
                        while send.write_all(&[7; 4096]).await.is_ok() {
                            add(&count.bytes, 4096);
                        }
                    }),
                ));
            }
            // The last byte of a block never comes.
            let head = [LONG_BLOCK, 0, 0x0f, 0xff, 0xff];
            let message = Message::AskBlocks { from: u64::MAX }.encode();
            let mut endless = raw::frame(MESSAGE, &message).repeat(1000);
            if n.is_multiple_of(2) {
                endless = [head.to_vec(), vec![7; 1 << 16]].concat();
            }
            while raw.send.write_all(&endless).await.is_ok() {
                add(&self.count.bytes, endless.len());
            }
        }
    }

    /// Asks for all blocks and reads no answer.
    async fn reads_nothing(self, n: usize) {
        loop {
            let Some(mut raw) = self.meet(n).await else {
                continue;
            };
            let heights = (1..=self.target.height).cycle();
            for from in heights {
                let ask = raw::frame(MESSAGE, &Message::AskBlocks { from }.encode());
                if raw.send.write_all(&ask).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// 250 silent connections; closed ones are dialled again.
    async fn crowd(self) {
        let mut crowd: Vec<Connection> = Vec::new();
        loop {
            crowd.retain(|connection| connection.close_reason().is_none());
            let dials = (crowd.len()..250).map(|_| {
                let (endpoint, address) = (self.endpoint.clone(), self.target.address.clone());
                async move {
                    let dial = endpoint.connect(address, ALPN);
                    tokio::time::timeout(CONNECT_PATIENCE, dial).await
                }
            });
            for dial in dials.map(tokio::spawn).collect::<Vec<_>>() {
                add(&self.count.connections, 1);
                crowd.extend(dial.await.ok().and_then(Result::ok).and_then(Result::ok));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Sends messages, discards the answers, and reconnects when it is closed.
    async fn floods(mut self, n: usize, messages: &[(usize, Message)]) {
        let frames: Vec<(usize, Vec<u8>)> = messages
            .iter()
            .map(|(records, message)| (*records, raw::frame(MESSAGE, &message.encode())))
            .collect();
        loop {
            if let Some(Raw {
                mut send,
                mut receive,
                connection,
                ..
            }) = self.meet(n).await
            {
                let reading = tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(Some(_)) = receive.read(&mut buffer).await {}
                });
                for (records, frame) in frames.iter().cycle() {
                    if send.write_all(frame).await.is_err() {
                        break;
                    }
                    add(&self.count.records, *records);
                    add(&self.count.bytes, frame.len());
                }
                connection.closed().await;
                reading.abort();
            }
            self.renew().await;
        }
    }
}

/// Which member floods.
fn flooder(kind: &str, n: usize) -> usize {
    n + match kind {
        "forged records" => 30,
        "refused records" => 34,
        "questions" => 38,
        "impossible blocks" => 42,
        other => panic!("no attack {other}"),
    }
}

/// The messages that a flooding attack repeats, with the number of records in each.
fn flood(kind: &str, n: usize, target: &Target) -> Vec<(usize, Message)> {
    match kind {
        "forged records" => forged(flooder(kind, n)),
        "refused records" => refused(flooder(kind, n), n, target),
        "questions" => questions(n, target),
        "impossible blocks" => blocks(flooder(kind, n), target),
        _ => Vec::new(),
    }
}

fn oversize() -> Vec<u8> {
    let length = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    [&[MESSAGE][..], &length.to_be_bytes()].concat()
}

/// Records in frames of the largest size.
fn in_frames(records: Vec<ByteBuf>) -> Vec<(usize, Message)> {
    let mut frames = Vec::new();
    let (mut frame, mut bytes) = (Vec::new(), 0);
    for record in records {
        if bytes + record.len() + 8 > FRAME_BYTES_MAX - 64 {
            frames.push((frame.len(), Message::Records(std::mem::take(&mut frame))));
            bytes = 0;
        }
        bytes += record.len() + 8;
        frame.push(record);
    }
    frames.push((frame.len(), Message::Records(frame)));
    frames
}

/// Records of a member with signatures of another.
fn forged(n: usize) -> Vec<(usize, Message)> {
    let net = genesis().network_id();
    let records = (0..4000_u64).map(|number| {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let mut record = sign_none(
            n,
            Statement::Rejoin {
                nonce: Digest::from_bytes(nonce),
            },
        );
        record.body.net = net;
        ByteBuf::from(record.encode())
    });
    in_frames(records.collect())
}

/// A record with the signature of another record: checking it costs as much as checking a good one.
fn sign_none(n: usize, what: Statement) -> mycnet_consensus::internals::record::Record {
    let other = Statement::Rejoin {
        nonce: Digest::from_bytes([7; 32]),
    };
    let mut record = sign(&member(n), genesis().network_id(), other)
        .unwrap()
        .record()
        .clone();
    record.body.what = what;
    record
}

/// Well signed records that are refused for another reason.
fn refused(n: usize, kind: usize, target: &Target) -> Vec<(usize, Message)> {
    let net = genesis().network_id();
    let count: u64 = if is_long() { 65_536 } else { 4096 };
    let bytes = |number: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    let statement = |number: u64| match kind {
        // More than the two that a pool takes.
        0 => Statement::Rejoin {
            nonce: Digest::from_bytes(bytes(number)),
        },
        // More than the proposals that may be open.
        1 => Statement::Propose {
            operation: claim("x"),
            priority: Priority::Normal,
            last: target.seal,
            nonce: number,
        },
        // About an unknown operation.
        2 => Statement::Commit {
            operation: OperationId::from_bytes(bytes(number)),
            commitment: Commitment::from_bytes([0; 32]),
        },
        // Signed by a member that does not seal.
        _ => Statement::SealVote {
            height: target.height + 1,
            round: u32::try_from(number).unwrap(),
            kind: VoteKind::Prevote,
            seal: None,
        },
    };
    let records = sign_batch(&member(n), net, (0..count).map(statement).collect()).unwrap();
    in_frames(
        records
            .iter()
            .map(Verified::encode)
            .map(ByteBuf::from)
            .collect(),
    )
}

/// Questions of every kind.
fn questions(kind: usize, target: &Target) -> Vec<(usize, Message)> {
    let ids = |first: usize| {
        (first..first + WANT_IDS_MAX).map(|number| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
            RecordId::from_bytes(bytes)
        })
    };
    let ranges = Snapshot::new(ids(0).map(|id| (0, id))).open();
    let messages: Vec<Message> = match kind {
        0 => (1..=target.height)
            .map(|from| Message::AskBlocks { from })
            .collect(),
        1 => vec![Message::Reconcile {
            height: target.height,
            seal: target.seal,
            session: 1,
            round: 0,
            ranges: ByteBuf::from(ranges),
        }],
        2 => vec![
            Message::Want(ids(0).collect()),
            Message::Offer(ids(5000).collect()),
            Message::Repeated(ids(9000).collect()),
        ],
        _ => vec![
            Message::Status {
                height: target.height + 9,
                seal: target.seal,
            },
            Message::Status {
                height: target.height - 1,
                seal: target.seal,
            },
        ],
    };
    messages.into_iter().map(|message| (0, message)).collect()
}

/// Long blocks with an invalid certificate.
fn blocks(n: usize, target: &Target) -> Vec<(usize, Message)> {
    let block = std::fs::read(target.directory.join("block")).unwrap();
    let mut block: SealedBlock = codec::decode(&block, usize::MAX).unwrap();
    let room = FRAME_BYTES_MAX - 100_000;
    let (mut kept, mut bytes) = (0, 0);
    for record in &block.records {
        bytes += record.encode().len();
        kept += usize::from(bytes <= room);
    }
    block.records.truncate(kept);
    let ids: Vec<RecordId> = block
        .records
        .iter()
        .map(|record| record.body.id())
        .collect();
    block.seal.records = mycnet_consensus::internals::seal::list_digest(&ids);
    block.seal.count = u32::try_from(kept).unwrap();
    block.seal.height = target.height + 1;
    block.seal.prev = target.seal;
    let vote = Statement::SealVote {
        height: target.height + 1,
        round: 0,
        kind: VoteKind::Precommit,
        seal: Some(block.seal.id()),
    };
    let vote = sign(&member(n), block.seal.net, vote).unwrap();
    assert_eq!(vote.author(), member(n).node_id());
    block.certificate.votes = vec![vote.record().clone()];
    let message = Message::Blocks(vec![ByteBuf::from(codec::encode(&block))]);
    vec![(kept, message)]
}
