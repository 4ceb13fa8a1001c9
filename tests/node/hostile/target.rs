//! The node under attack, its sealed past, and honest members that catch up with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::EndpointAddr;
use iroh::protocol::Router;
use mycnet_consensus::core::Write;
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::record::{Statement, VoteKind, sign_batch};
use mycnet_consensus::net::{self, ALPN, EndpointSettings, PeerCard};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Identity, SealId, Signer as _};

use super::child::{obey, say};
use super::genesis;
use crate::network::member;
use crate::past::{Past, Signed, past, seal};
use crate::usage::processor_time;

/// The node under attack.
pub const SERVER: usize = 4;

/// Members that catch up: each time another member, from an unknown endpoint.
const NEWCOMERS: std::ops::Range<usize> = 5..10;

/// A member that the past has banned.
pub const BANNED: usize = 49;

/// The facts that attackers and newcomers need.
pub struct Target {
    pub directory: PathBuf,
    pub address: EndpointAddr,
    pub height: u64,
    pub seal: SealId,
}

/// Writes the server's past: rounds of claims, and the ban of a member. Returns records, height and seal.
pub fn prepare(directory: &Path, rounds: usize, claims: usize) -> (usize, u64, SealId) {
    let Past {
        genesis,
        mut ledger,
        mut writes,
        records,
    } = past(rounds, claims, Signed::Alone);
    assert_eq!(genesis, *super::genesis_ref());
    let vote = |seal| Statement::SealVote {
        height: 1,
        round: 7,
        kind: VoteKind::Prevote,
        seal,
    };
    let votes = vec![vote(None), vote(Some(SealId::from_bytes([1; 32])))];
    let evidence = sign_batch(&member(BANNED), genesis.network_id(), votes).unwrap();
    writes.push(seal(&mut ledger, evidence));
    let store = Store::create(
        &directory.join("server"),
        &genesis,
        member(SERVER).node_id(),
    )
    .unwrap();
    for write in &writes {
        store.write(std::slice::from_ref(write)).unwrap();
    }
    store.checkpoint(&ledger).unwrap();
    let largest = writes.iter().filter_map(|write| match write {
        Write::Block { block, .. } => Some(codec::encode(block.as_ref())),
        _ => None,
    });
    let largest = largest.max_by_key(Vec::len).unwrap();
    std::fs::write(directory.join("block"), largest).unwrap();
    let state = ledger.state();
    (records.len(), state.height(), state.seal())
}

/// A node as a program embeds it.
async fn start(home: &Path, n: usize, secret: [u8; 32], peers: Vec<PeerCard>) -> (Node, Router) {
    let store = if home.join("ledger.redb").exists() {
        Store::open(home).unwrap()
    } else {
        Store::create(home, &genesis(), member(n).node_id()).unwrap()
    };
    let settings = EndpointSettings {
        secret,
        ..EndpointSettings::default()
    };
    let bound = net::bind(&settings, &genesis().network_id()).await.unwrap();
    let builder = Node::builder(store, Arc::new(member(n)));
    let builder = builder.endpoint(bound.endpoint.clone()).peers(peers);
    let node = builder.spawn().unwrap();
    let transport = node.transport().unwrap();
    let router = Router::builder(bound.endpoint)
        .incoming_filter(transport.incoming_filter())
        .accept(ALPN, transport.clone())
        .spawn();
    (node, router)
}

fn secret(label: &str) -> [u8; 32] {
    Identity::from_seed_label(label).secret()
}

/// Serves until the parent is gone. On request it reports how long its own thread took to answer, in microseconds.
pub async fn serve(directory: &Path) -> ! {
    let home = directory.join("server");
    let (node, _router) = start(&home, SERVER, secret("server"), Vec::new()).await;
    let endpoint = node.transport().unwrap().endpoint();
    say(&format!(
        "{}@{}",
        endpoint.id(),
        endpoint.bound_sockets()[0]
    ));
    obey(async || {
        let asked = Instant::now();
        node.engine().import(Vec::new()).await.unwrap();
        let peers = node.transport().unwrap().peers().len();
        format!("micros {} peers {peers}", asked.elapsed().as_micros())
    })
    .await
}

/// Catches up as a member without any peer yet, and returns how long that took.
pub async fn catch_up(target: &Target, run: usize) {
    let n = NEWCOMERS.start + run % NEWCOMERS.len();
    let home = target.directory.join(format!("newcomer {run}"));
    let card = PeerCard::new(&target.address, Some(member(SERVER).node_id()));
    let began = Instant::now();
    let (node, _router) = start(&home, n, secret(&format!("newcomer {run}")), vec![card]).await;
    while node.engine().height() < target.height {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = began.elapsed();
    assert_eq!(node.engine().seal(), target.seal);
    let processor = processor_time("self");
    let _ = std::fs::remove_dir_all(home);
    say(&format!(
        "micros {} processor {}",
        took.as_micros(),
        processor.as_micros()
    ));
}
