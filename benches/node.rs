//! Whole nodes, each in a process of its own, over real connections on loopback: catching up on 100,000 sealed records,
//! compared with bare `verify_strict` of 100,000 signatures, and a start with these records.
//!
//! Fifty members decided 1,024 claims, 64 at a time, with a commit and a reveal of each member: signed one by one, and in batches
//! of 64. `NODE_ROUNDS` sets the number of rounds, sixteen by default.

#![allow(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, and waits"
)]
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and ratios are for the reader"
)]

#[path = "common/network.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod network;
#[path = "common/past.rs"]
mod past;
#[path = "common/ratio.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod ratio;
#[path = "common/usage.rs"]
mod usage;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::protocol::Router;
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::net::{self, ALPN, EndpointSettings, Ticket};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Genesis, Identity, Signer as _};
use network::{Signature, member, verify_all};
use past::{MEMBERS, Past, Signed, past};
use usage::{kilobytes, processor_time};

/// Claims that are decided together; a member signs its records about them at once, or one by one.
const CLAIMS: usize = 64;

/// A sample of signatures, for the cost of checking all.
const SAMPLE: usize = 2000;

fn rounds() -> usize {
    past::rounds("NODE_ROUNDS", 1, 16)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [_, "serve", home] => run(serve(Path::new(home))),
        [_, "catch-up", home, ticket, height] => {
            let ticket = ticket.parse().expect("a ticket");
            run(catch_up(
                Path::new(home),
                &ticket,
                height.parse().expect("a height"),
            ));
        }
        [_, "start", home] => run(start(Path::new(home))),
        _ => {
            let directory =
                std::env::temp_dir().join(format!("mycnet-node-{}", std::process::id()));
            measure(
                &directory.join("batches"),
                Signed::InBatches,
                "in batches of 64",
            );
            measure(&directory.join("alone"), Signed::Alone, "one by one");
            std::fs::remove_dir_all(&directory).expect("the directory is there");
        }
    }
}

fn run(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.expect("threads start").block_on(work);
}

fn measure(directory: &Path, signed: Signed, how: &str) {
    let Past {
        genesis,
        ledger,
        writes,
        records,
    } = past(rounds(), CLAIMS, signed);
    let (old, new) = (directory.join("old"), directory.join("new"));
    let store = Store::create(&old, &genesis, member(4).node_id()).expect("a new directory");
    for write in &writes {
        store
            .write(std::slice::from_ref(write))
            .expect("the disk works");
    }
    store.checkpoint(&ledger).expect("the disk works");
    drop(store);
    Store::create(&new, &genesis, member(5).node_id()).expect("a new directory");
    let wire: usize = records.iter().map(|record| record.encode().len()).sum();
    println!(
        "node  {} records signed {how}, {} bytes each, {} seals, {} closed operations",
        records.len(),
        wire / records.len(),
        writes.len(),
        ledger.past().all_closed().count(),
    );
    let bare = baseline(&records);
    let mut server = child(&["serve".as_ref(), old.as_os_str()]);
    let ticket = line(&mut server);
    let height = writes.len().to_string();
    let arguments = [
        "catch-up".as_ref(),
        new.as_os_str(),
        ticket.as_ref(),
        height.as_ref(),
    ];
    let mut catching_up = child(&arguments);
    let said = line(&mut catching_up);
    let numbers: Vec<u64> = said
        .split(' ')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let numbers: [u64; 4] = numbers.try_into().expect("the child says four numbers");
    let [micros, received, resident, busy_ms] = numbers;
    assert!(catching_up.wait().expect("it was started").success());
    server.kill().expect("it runs");
    server.wait().expect("it was started");
    let took = Duration::from_micros(micros);
    // Once more, after the machine was busy with the other side of the comparison.
    let bare = (bare + baseline(&records)) / 2;
    println!(
        "node  catching up: {:.3} s, {:.1} us a record; {:.2} of the rate of verify_strict ({:.1} us); received {:.3} \
         times the records; {resident} kB resident; {:.2} of the rate by processor time ({busy_ms} ms)",
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / records.len() as f64,
        bare.as_secs_f64() / took.as_secs_f64(),
        bare.as_secs_f64() * 1e6 / records.len() as f64,
        received as f64 / wire as f64,
        bare.as_secs_f64() / Duration::from_millis(busy_ms).as_secs_f64(),
    );
    for _ in 0..2 {
        let mut started = child(&["start".as_ref(), old.as_os_str()]);
        println!("node  start: {}", line(&mut started));
        assert!(started.wait().expect("it was started").success());
    }
}

/// The processor time of bare checks of one signature for each record, without that of other programs.
fn baseline(records: &[Verified]) -> Duration {
    let step = (records.len() / SAMPLE).max(1);
    let sample: Vec<Signature> = records.iter().step_by(step).map(Signature::of).collect();
    let took = ratio::timed(|| verify_all(&sample));
    let each = took.as_secs_f64() / sample.len() as f64;
    Duration::from_secs_f64(each * records.len() as f64)
}

fn child(arguments: &[&std::ffi::OsStr]) -> Child {
    let program = std::env::current_exe().expect("this program is a file");
    let mut command = Command::new(program);
    let child = command.args(arguments).stdout(Stdio::piped()).spawn();
    child.expect("the program starts")
}

fn line(child: &mut Child) -> String {
    let output = child.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .expect("it speaks");
    line.trim().to_owned()
}

/// A node as a program embeds it.
async fn node(home: &Path, by: &Identity, peers: Option<&Ticket>) -> (Node, Router) {
    let store = Store::open(home).expect("the store opens");
    let genesis: Genesis = store.genesis().clone();
    let settings = EndpointSettings {
        secret: by.secret().map(|byte| !byte),
        ..EndpointSettings::default()
    };
    let bound = net::bind(&settings, &genesis.network_id()).await;
    let endpoint = bound.expect("loopback works").endpoint;
    let builder = Node::builder(store, Arc::new(by.clone()))
        .endpoint(endpoint.clone())
        .peers(peers.into_iter().flat_map(|ticket| ticket.peers.clone()));
    let node = builder.spawn().expect("the node starts");
    let transport = node.transport().expect("it has an endpoint").clone();
    let router = Router::builder(endpoint)
        .incoming_filter(transport.incoming_filter())
        .accept(ALPN, transport)
        .spawn();
    (node, router)
}

async fn serve(home: &Path) {
    let (node, _router) = node(home, &member(4), None).await;
    println!("{}", node.ticket().expect("it has an endpoint"));
    // Until it is killed.
    node.stopped().await;
}

async fn catch_up(home: &Path, ticket: &Ticket, height: u64) {
    let begin = Instant::now();
    let (node, _router) = node(home, &member(5), Some(ticket)).await;
    let transport = node.transport().expect("it has an endpoint");
    let mut received = 0;
    while node.engine().height() < height {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let peers = transport.peers();
        let traffic = peers.first().and_then(|peer| transport.traffic(peer.peer));
        received = traffic.map_or(received, |traffic| traffic.received_bytes);
    }
    let took = begin.elapsed();
    let (resident, busy) = (
        kilobytes("self", "VmRSS"),
        processor_time("self").as_millis(),
    );
    println!("{} {received} {resident} {busy}", took.as_micros());
    node.shutdown().await;
}

async fn start(home: &Path) {
    let begin = Instant::now();
    let (node, _router) = node(home, &member(4), None).await;
    let answer = node.engine().roster();
    let took = begin.elapsed();
    assert_eq!(answer.len(), MEMBERS);
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!(
        "first answer after {took:?}; {}; {} kB resident when idle",
        node.opened().found,
        kilobytes("self", "VmRSS")
    );
    node.shutdown().await;
}
