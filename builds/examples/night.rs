//! A night of rebuilds, in memory: 30,000 items in claim sets, ten rebuilders of whom one is lazy and one is wrong in 2 %, and 3 % of the
//! items in dispute. Prints how large its index is, and how long it takes to check it and to ask it.
//!
//! `cargo run -p mycnet-builds --example night -- [ITEMS [DIRECTORY]]`
//!
//! In the directory it leaves the genesis, the index, and a bundle that a node can import, to look at such a ledger on a disk.

#![allow(
    clippy::disallowed_methods,
    reason = "it measures, and the core never sees the clock"
)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use mycnet_builds::index_file::{find, pack, unpack, verified};
use mycnet_builds::{Question, sha256_of};
use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::limits::SET_ITEMS_MAX;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimItem, ClaimRule, ConsensusOperation, Genesis, Signer as _,
    Spore,
};

const REBUILDERS: usize = 10;

fn purl(number: usize) -> String {
    let version = number % 97;
    format!("pkg:deb/debian/lib-{number:05}@1.{version}-1?arch=amd64")
}

fn hash(of: &str) -> Vec<u8> {
    let hash = sha256_of(of.as_bytes());
    hash.map(|hash| hash.to_vec()).unwrap_or_default()
}

/// What a rebuilder gives for an item.
fn given(builder: usize, number: usize) -> Option<Vec<u8>> {
    match builder {
        9 if number.is_multiple_of(3) => None,
        8 if number % 50 == 7 => Some(hash(&format!("wrong {number}"))),
        _ if number % 33 == 5 => Some(hash(&format!("result {number} of {}", builder % 5))),
        _ => Some(hash(&format!("result {number}"))),
    }
}

fn network() -> Result<Vec<BFTConsensusEngine>, Box<dyn Error>> {
    let mut genesis = Genesis::builder("rebuilders");
    let mut identities = Vec::new();
    for _ in 0..REBUILDERS {
        let identity = new_identity()?;
        genesis = genesis.member(identity.node_id(), Spore::Seed);
        identities.push(identity);
    }
    let hub = Hub::new(genesis.build()?)?;
    let mut engines = Vec::new();
    for identity in identities {
        engines.push(hub.join(identity)?);
    }
    Ok(engines)
}

async fn night(engines: &[BFTConsensusEngine], items: usize) -> Result<(), Box<dyn Error>> {
    for first in (0..items).step_by(SET_ITEMS_MAX) {
        let numbers = first..(first + SET_ITEMS_MAX).min(items);
        let asked = numbers.clone().map(|number| ClaimItem {
            subject: purl(number),
            input: hash(&format!("input {number}")),
        });
        let set = ConsensusOperation::ClaimSet {
            subject: format!("night, from {first}"),
            items: asked.collect(),
            panel: None,
            rule: ClaimRule::MAJORITY,
        };
        let results = |builder| numbers.clone().map(|it| given(builder, it)).collect();
        let id = engines[0].propose_claim_set(set, results(0)).await?;
        for (engine, builder) in engines.iter().zip(0..).skip(1) {
            engine.vote(id, Ballot::Results(results(builder))).await?;
        }
        engines[0].execute_reveal_phase(id).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let items = arguments.next().map_or(Ok(30_000), |items| items.parse())?;
    let directory = arguments.next();
    let print = |what: &str, since: Instant| println!("{what:26}{:?}", since.elapsed());

    let start = Instant::now();
    let engines = network()?;
    night(&engines, items).await?;
    print("decided by ten nodes", start);
    let genesis = engines[0].genesis();
    let start = Instant::now();
    let index = engines[0].prove(|prover| prover.index(&mut |_, _| true))?;
    let index = index.ok_or("nothing was decided")?;
    print("index made", start);
    let start = Instant::now();
    let packed = pack(&index)?;
    print("packed", start);
    println!(
        "{} bytes, {} before they were packed; {} of an item",
        packed.len(),
        index.encode().len(),
        packed.len() / items.max(1)
    );
    let start = Instant::now();
    let index = unpack(&packed[..], genesis.network_id())?;
    print("unpacked", start);
    let start = Instant::now();
    let shown = verified(&index, genesis)?;
    print("verified", start);
    let question = |number| Question {
        subject: Some(purl(number)),
        ..Question::default()
    };
    let start = Instant::now();
    let found = find(&shown, &[question(items / 2)])?;
    print("one question", start);
    println!("{} sets asked about it", found[0].about.len());
    let all: Vec<Question> = (0..items).map(question).collect();
    let start = Instant::now();
    find(&shown, &all)?;
    print("all questions", start);

    if let Some(directory) = directory {
        let at = |name: &str| Path::new(&directory).join(name);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(at("genesis.cbor"), genesis.encode())?;
        std::fs::write(at("index"), &packed)?;
        let mut bundle = std::fs::File::create(at("bundle"))?;
        engines[0].export_bundle(1, &mut bundle)?;
    }
    Ok(())
}
