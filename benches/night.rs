//! A night of rebuilds: 30,000 items in claim sets, ten builders that are all sealers. Three per cent of the items are not deterministic,
//! one builder is lazy and gives what the first one has, one is wrong in two per cent.
//!
//! First with all nodes in memory; then with a process for each node, with its disk, over real connections on loopback; last the
//! proofs. `NIGHT_ITEMS` sets the number of items; `NIGHT_HEIGHTS` how far the ledger of the proofs grows.

#![allow(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, and waits"
)]
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and ratios are for the reader"
)]

#[path = "common/usage.rs"]
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::protocol::Router;
use mycnet_consensus::core::{Index, Indexed, Prover};
use mycnet_consensus::engine::{Hub, OperationFilter};
use mycnet_consensus::limits::SET_ITEMS_MAX;
use mycnet_consensus::net::{self, ALPN, EndpointSettings, Ticket};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimItem, ClaimRule, ConsensusOperation, Genesis, Identity,
    NodeId, OperationId, Params, Signer as _, Spore,
};
use usage::{kilobytes, processor_time};

const BUILDERS: usize = 10;
/// Gives what the first builder has.
const LAZY: usize = 8;
/// Is wrong in two per cent.
const WRONG: usize = 9;

fn setting(name: &str, default: usize) -> usize {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

fn items() -> usize {
    setting("NIGHT_ITEMS", 30_000)
}

fn builder(n: usize) -> Identity {
    Identity::from_seed_label(&format!("builder {n}"))
}

fn genesis() -> Genesis {
    let builders = (0..BUILDERS).map(|n| (builder(n).node_id(), n));
    let mut genesis = Genesis::builder("builds").params(Params::builds());
    for (node, n) in builders {
        let role = if n == 0 { Spore::Primary } else { Spore::Seed };
        genesis = genesis.member(node, role);
    }
    genesis.build().expect("it is valid")
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().as_bytes().to_vec()
}

/// A package as a distribution names it, and the hash of what it is built from.
fn item(n: usize) -> ClaimItem {
    ClaimItem {
        subject: format!("pkg:deb/debian/package-{n:05}@1.{}-1?arch=amd64", n % 17),
        input: hash(&[b"source", &n.to_le_bytes()]),
    }
}

/// What a builder gets for an item. The input is all that it has in common with the others.
fn result(item: &ClaimItem, by: usize) -> Vec<u8> {
    let seed = u64::from_le_bytes(item.input[..8].try_into().expect("a hash"));
    let by = if by == LAZY { 0 } else { by };
    let is_odd = seed % 1000 < 30 || by == WRONG && seed % 50 == 7;
    if is_odd {
        hash(&[b"odd", &item.input, &by.to_le_bytes()])
    } else {
        hash(&[b"built", &item.input])
    }
}

fn results(set: &ConsensusOperation, by: usize) -> Vec<Option<Vec<u8>>> {
    let ConsensusOperation::ClaimSet { items, .. } = set else {
        unreachable!("all operations are sets");
    };
    items.iter().map(|item| Some(result(item, by))).collect()
}

fn sets() -> Vec<ConsensusOperation> {
    let all: Vec<ClaimItem> = (0..items()).map(item).collect();
    let sets = all.chunks(SET_ITEMS_MAX).zip(0..);
    let sets = sets.map(|(items, n)| ConsensusOperation::ClaimSet {
        subject: format!("2026-11-30 {n}"),
        items: items.to_vec(),
        panel: None,
        rule: ClaimRule {
            share_ppm: 666_667,
            electors: 3,
        },
    });
    sets.collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [_, "builder", n, home] => run(build(n, home, None)),
        [_, "builder", n, home, ticket] => run(build(n, home, Some(ticket))),
        _ => {
            in_memory();
            let directory =
                std::env::temp_dir().join(format!("mycnet-night-{}", std::process::id()));
            on_loopback(&directory);
            std::fs::remove_dir_all(&directory).expect("the directory is there");
            proofs();
        }
    }
}

fn run(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.expect("threads start").block_on(work);
}

fn now<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// All ten nodes in one process, one after the other.
fn in_memory() {
    let hub = Hub::new(genesis()).expect("it is valid");
    let engines: Vec<BFTConsensusEngine> = (0..BUILDERS)
        .map(|n| hub.join(builder(n)).expect("a founder"))
        .collect();
    let (begin, busy) = (Instant::now(), processor_time("self"));
    let mut asked = Vec::new();
    for set in sets() {
        let own = results(&set, 0);
        let id = now(engines[0].propose_claim_set(set.clone(), own)).expect("it is valid");
        for (engine, n) in engines.iter().zip(0..).skip(1) {
            now(engine.vote(id, Ballot::Results(results(&set, n)))).expect("it fits");
        }
        asked.push(id);
    }
    for id in &asked {
        now(engines[1].execute_reveal_phase(*id)).expect("it is decided");
    }
    let took = begin.elapsed();
    let busy = processor_time("self").saturating_sub(busy);
    let states: BTreeSet<_> = engines.iter().map(|it| it.last_seal().state).collect();
    assert_eq!(states.len(), 1, "all nodes have one state");
    let index = engines[0].prove(|prover| prover.index(&mut |_, _| true));
    let index = index.expect("memory works").expect("something is sealed");
    println!(
        "night  in memory: {} items, {} sets, height {}; {took:.1?}, {:.2?} of processor time a node",
        items(),
        asked.len(),
        engines[0].height(),
        busy / 10,
    );
    judge(&index, engines[0].genesis());
}

/// What the index says of the night.
fn judge(index: &Index, genesis: &Genesis) {
    let encoded = index.encode();
    let begin = Instant::now();
    let shown = index.verify(genesis).expect("it is good");
    let took = begin.elapsed();
    let (mut decided, mut disputed) = (0, 0);
    let mut dissent: BTreeMap<NodeId, usize> = BTreeMap::new();
    for operation in &shown {
        for item in operation.items {
            let Some(result) = &item.result else {
                disputed += 1;
                continue;
            };
            decided += 1;
            for answer in item.answers.iter().filter(|it| it.result != *result) {
                for (place, elector) in operation.electors.iter().enumerate() {
                    if answer.by[place / 8] >> (place % 8) & 1 == 1 {
                        *dissent.entry(elector.node).or_default() += 1;
                    }
                }
            }
        }
    }
    let frame = zstd::bulk::compress(&encoded, 3).expect("memory suffices");
    println!(
        "night  {decided} decided, {disputed} in dispute; index of {} bytes, {} compressed, verified in {took:.1?}",
        encoded.len(),
        frame.len(),
    );
    let wrong = builder(WRONG).node_id();
    println!(
        "night  the wrong builder differs {} times, all others {} times",
        dissent.remove(&wrong).unwrap_or(0),
        dissent.values().sum::<usize>(),
    );
}

fn child(arguments: &[&std::ffi::OsStr]) -> Child {
    let program = std::env::current_exe().expect("this program is a file");
    let mut command = Command::new(program);
    let child = command.args(arguments).stdout(Stdio::piped()).spawn();
    child.expect("the program starts")
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = child.stdout.take().expect("it is piped");
    let lines = BufReader::new(output).lines();
    lines.map(|line| line.expect("it speaks"))
}

fn on_loopback(directory: &Path) {
    let genesis = genesis();
    let homes: Vec<_> = (0..BUILDERS)
        .map(|n| directory.join(n.to_string()))
        .collect();
    for (home, n) in homes.iter().zip(0..) {
        Store::create(home, &genesis, builder(n).node_id()).expect("a new directory");
    }
    let begin = Instant::now();
    let mut first = child(&["builder".as_ref(), "0".as_ref(), homes[0].as_os_str()]);
    let mut said = lines(&mut first);
    let ticket = said.next().expect("a ticket");
    let mut children = vec![(first, Box::new(said) as Box<dyn Iterator<Item = String>>)];
    for (home, n) in homes.iter().zip(0..).skip(1) {
        let n: usize = n;
        let number = n.to_string();
        let arguments = [
            "builder".as_ref(),
            number.as_ref(),
            home.as_os_str(),
            ticket.as_ref(),
        ];
        let mut child = child(&arguments);
        let said = lines(&mut child);
        children.push((child, Box::new(said)));
    }
    let votes = (items() * BUILDERS) as f64;
    let (mut received, mut busy, mut states) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (mut child, mut said) in children {
        let line = said.next().expect("figures");
        let mut words = line.split(' ');
        let mut number = || -> u64 {
            let word = words.next().expect("a figure");
            word.parse().expect("a number")
        };
        received.push(number() as f64 / votes);
        busy.push(number());
        let (resident, height) = (number(), number());
        states.insert(words.next().expect("a state").to_owned());
        assert!(child.wait().expect("it was started").success());
        println!("night  a node: height {height}, {resident} kB resident at the end");
    }
    assert_eq!(states.len(), 1, "all nodes have one state");
    let taken = homes.iter().map(|home| {
        let ledger = std::fs::metadata(home.join("ledger.redb"));
        ledger.expect("it is there").len() as f64 / votes
    });
    let most = |figures: &[f64]| figures.iter().copied().fold(0.0, f64::max);
    println!(
        "night  on loopback, {:.1?}: at most {:.1} bytes a vote received, {:.1} on the disk, {} ms of processor time",
        begin.elapsed(),
        most(&received),
        most(&taken.collect::<Vec<_>>()),
        busy.iter().max().expect("ten nodes"),
    );
    let store = Store::open(&homes[1]).expect("it opens");
    let prover = Prover::new(&store, &genesis).expect("the disk works");
    let prover = prover.expect("something is sealed");
    let begin = Instant::now();
    let index = prover.index(&mut |_, _| true).expect("the disk works");
    println!("night  index made in {:.1?}", begin.elapsed());
    judge(&index, &genesis);
}

/// A builder's node as a program embeds it: it answers every set that is asked, and says at the end what it took.
async fn build(n: &str, home: &str, ticket: Option<&str>) {
    let n: usize = n.parse().expect("a number");
    let ticket: Option<Ticket> = ticket.map(|ticket| ticket.parse().expect("a ticket"));
    let by = builder(n);
    let store = Store::open(Path::new(home)).expect("the store opens");
    let settings = EndpointSettings {
        secret: by.secret().map(|byte| !byte),
        ..EndpointSettings::default()
    };
    let bound = net::bind(&settings, &store.network_id()).await;
    let endpoint = bound.expect("loopback works").endpoint;
    let node = Node::builder(store, Arc::new(by))
        .endpoint(endpoint.clone())
        .peers(ticket.iter().flat_map(|ticket| ticket.peers.clone()))
        .spawn()
        .expect("the node starts");
    let transport = node.transport().expect("it has an endpoint").clone();
    let _router = Router::builder(endpoint)
        .incoming_filter(transport.incoming_filter())
        .accept(ALPN, transport.clone())
        .spawn();
    let engine = node.engine();
    let all = sets();
    if ticket.is_none() {
        println!("{}", node.ticket().expect("it has an endpoint"));
        while transport.peers().len() < BUILDERS - 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for set in all.clone() {
            let own = results(&set, n);
            engine
                .propose_claim_set(set, own)
                .await
                .expect("it is valid");
        }
    }
    let mut answered: BTreeSet<OperationId> = BTreeSet::new();
    let is_open = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let open = engine.operations(&is_open).expect("the disk works");
        for operation in open.iter().map(|view| view.operation) {
            if n > 0 && answered.insert(operation) {
                let proposal = engine.proposal(&operation).expect("the disk works");
                let what = proposal.expect("it is open").what;
                let ballot = Ballot::Results(results(&what, n));
                engine.vote(operation, ballot).await.expect("it fits");
            }
        }
        let is_asked = n == 0 || answered.len() == all.len();
        if is_asked && open.is_empty() && engine.unsealed_proposals().is_empty() {
            break;
        }
    }
    // The others need what this node has.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let peers = transport.peers().into_iter();
    let traffic = peers.filter_map(|peer| transport.traffic(peer.peer));
    let received: u64 = traffic.map(|traffic| traffic.received_bytes).sum();
    let state = engine.last_seal().state;
    node.shutdown().await;
    println!(
        "{received} {} {} {} {state}",
        processor_time("self").as_millis(),
        kilobytes("self", "VmRSS"),
        engine.height(),
    );
}

/// The lengths of proofs with ten electors, and how they grow.
fn proofs() {
    let hub = Hub::new(genesis()).expect("it is valid");
    let engines: Vec<BFTConsensusEngine> = (0..BUILDERS)
        .map(|n| hub.join(builder(n)).expect("a founder"))
        .collect();
    let ask = |claim: ConsensusOperation, ballot: &dyn Fn(usize) -> Ballot| {
        let id = now(engines[0].propose_with(
            claim,
            mycnet_consensus::Priority::Normal,
            Some(ballot(0)),
        ));
        let id = id.expect("it is valid");
        for (engine, n) in engines.iter().zip(0..).skip(1) {
            now(engine.vote(id, ballot(n))).expect("it fits");
        }
        id
    };
    let claim = |n: usize| ConsensusOperation::Claim {
        subject: item(n).subject,
        input: item(n).input,
        panel: None,
        rule: ClaimRule::MAJORITY,
    };
    let first = ask(claim(0), &|by| Ballot::Result(result(&item(0), by)));
    let set = sets().swap_remove(0);
    let of_set = ask(set.clone(), &|by| Ballot::Results(results(&set, by)));
    let say = || {
        let lengths = engines[1].prove(|prover| {
            let whole = prover.certificate(&first, None)?;
            let one = prover.certificate(&of_set, Some(100))?;
            let length = |certificate: Option<mycnet_consensus::Certificate>| {
                let certificate = certificate.expect("it is closed");
                certificate
                    .verify(engines[0].genesis())
                    .expect("it is good");
                certificate.encode().len()
            };
            Ok((length(whole), length(one)))
        });
        let (whole, one) = lengths.expect("memory works").expect("something is sealed");
        println!(
            "night  at height {}: certificate of a claim {whole} bytes, of an item {one}",
            engines[0].height()
        );
    };
    say();
    let (begin, mut n) = (Instant::now(), 1);
    while engines[0].height() < setting("NIGHT_HEIGHTS", 10_000) as u64 {
        ask(claim(n), &|by| Ballot::Result(result(&item(n), by)));
        n += 1;
    }
    say();
    let index = engines[0].prove(|prover| prover.index(&mut |id, _| *id == of_set));
    let index = index.expect("memory works").expect("something is sealed");
    let hidden = index
        .log
        .iter()
        .filter(|it| matches!(it, Indexed::Hidden(_)));
    println!(
        "night  index with {} hidden operations: {} bytes ({:.1?})",
        hidden.count(),
        index.encode().len(),
        begin.elapsed(),
    );
}
