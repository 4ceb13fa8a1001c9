//! A node's disk with 100,000 sealed records and 1,000 closed operations: the cost of writing, closing, serving and starting,
//! each compared with a raw baseline of the same run.
//!
//! Fifty members decide 1,000 claims, ten at a time: a commit and a reveal of each member, signed in batches. Starts are measured
//! in a process of their own, which reports its memory. `STORE_ROUNDS` sets the number of rounds, a hundred by default.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
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
#[path = "common/usage.rs"]
mod usage;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mycnet_consensus::core::{JournalEntry, Write};
use mycnet_consensus::internals::ledger::Ledger;
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Genesis, OperationId, Signer as _};
use network::{Signature, claim, member, verify_all};
use past::{MEMBERS, Past, Signed, past};
use usage::kilobytes;

const CLAIMS: usize = 10;

/// Writes of one record each.
const SINGLE: usize = 300;

/// Any time will do; starts do not depend on windows.
const NOW_MS: u64 = 1_000_000_000_000;

fn rounds() -> usize {
    past::rounds("STORE_ROUNDS", 2, 100)
}

fn say(what: &str, items: usize, took: Duration, bare: Duration, baseline: &str) {
    let (took, bare) = (took.as_secs_f64(), bare.as_secs_f64());
    println!(
        "store  {what}: {items} in {took:.3} s, {:.1} µs each; {:.2} times {baseline} ({:.1} µs)",
        took * 1e6 / items as f64,
        took / bare,
        bare * 1e6 / items as f64,
    );
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    entries
        .map(|entry| entry.and_then(|entry| entry.metadata()))
        .map(|metadata| metadata.expect("the file is there").len())
        .sum()
}

/// Bare appending, with a sync after each of `parts`.
fn append(directory: &Path, parts: &[Vec<u8>]) -> Duration {
    let path = directory.join("baseline");
    let mut file = File::create(&path).expect("the disk has room");
    let (took, ()) = timed(|| {
        for part in parts {
            file.write_all(part).expect("the disk has room");
            file.sync_data().expect("the disk works");
        }
    });
    std::fs::remove_file(path).expect("the file is there");
    took
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, what, directory] = &arguments[..]
        && (what == "start" || what == "stop-at-once")
    {
        return start(Path::new(directory), what == "stop-at-once");
    }
    let directory = std::env::temp_dir().join(format!("mycnet-store-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("the disk has room");
    measure(&directory);
    std::fs::remove_dir_all(&directory).expect("the directory is there");
}

fn measure(directory: &Path) {
    let Past {
        genesis,
        ledger,
        writes,
        records,
    } = past(rounds(), CLAIMS, Signed::InBatches);
    let encoded: Vec<Vec<u8>> = records.iter().map(Verified::encode).collect();
    let wire: usize = encoded.iter().map(Vec::len).sum();
    println!(
        "store  {} records in {} seals, {} bytes each",
        records.len(),
        writes.len(),
        wire / records.len()
    );
    let home = directory.join("node");
    let store = Store::create(&home, &genesis, member(0).node_id()).expect("a new directory");
    store.set_whole_bytes(0);
    write_blocks(directory, &store, &writes, &ledger, &encoded);
    let (whole, served) = timed(|| serve(&store));
    assert_eq!(served.0, writes.len(), "every height is served");
    let before = bytes_in(&home);
    let (took, left) = timed(|| store.write_documents(usize::MAX).expect("the disk works"));
    assert_eq!(left, 0, "all documents are written");
    let signatures: Vec<Signature> = records.iter().take(500).map(Signature::of).collect();
    let (bare, ()) = timed(|| verify_all(&signatures));
    let bare = bare * u32::try_from(records.len() / 500 + 1).expect("few");
    say(
        "serving before documents",
        records.len(),
        whole,
        bare,
        "verify_strict",
    );
    say("documents", records.len(), took, bare, "verify_strict");
    println!(
        "store  {} bytes a record on disk with documents, {before} bytes in all before them",
        bytes_in(&home) / records.len() as u64,
    );
    let (took, served) = timed(|| serve(&store));
    assert_eq!(served.0, writes.len(), "every height is served");
    say(
        "serving from documents",
        records.len(),
        took,
        bare,
        "verify_strict",
    );
    println!(
        "store  {:.3} times the records' bytes served",
        served.1 as f64 / wire as f64
    );
    single_writes(directory, &store, &genesis);
    let id = OperationId::from(records[0].id());
    let (took, certificate) = timed(|| store.certificate(&id).expect("the disk works"));
    assert!(certificate.is_some());
    println!("store  certificate of the first operation: {took:?}");
    let (took, document) = timed(|| store.ledger_document().expect("the disk works"));
    println!(
        "store  ledger document at height {}: {took:?}",
        document.height()
    );
    drop(store);
    for what in ["start", "stop-at-once", "start"] {
        child(what, &home);
    }
}

fn write_blocks(
    directory: &Path,
    store: &Store,
    writes: &[Write],
    ledger: &Ledger,
    encoded: &[Vec<u8>],
) {
    let (took, ()) = timed(|| {
        for write in writes {
            store
                .write(std::slice::from_ref(write))
                .expect("the disk works");
        }
    });
    let mut parts = Vec::new();
    let size = encoded.len() / writes.len();
    for part in encoded.chunks(size) {
        parts.push(part.concat());
    }
    let bare = append(directory, &parts);
    say(
        "blocks",
        encoded.len(),
        took,
        bare,
        "appending and syncing as much",
    );
    let (took, ()) = timed(|| store.checkpoint(ledger).expect("the disk works"));
    println!("store  checkpoint: {took:?}");
}

fn serve(store: &Store) -> (usize, usize) {
    let (mut height, mut bytes) = (1, 0);
    let mut blocks = 0;
    loop {
        let part = store.blocks_from(height, 1 << 20).expect("the disk works");
        if part.is_empty() {
            return (blocks, bytes);
        }
        height += part.len() as u64;
        blocks += part.len();
        bytes += part.iter().map(Vec::len).sum::<usize>();
    }
}

/// Writes of one record each: another member's, which share a sync, and an own one.
fn single_writes(directory: &Path, store: &Store, genesis: &Genesis) {
    let net = genesis.network_id();
    let records: Vec<Verified> = (0..SINGLE as u64)
        .map(|nonce| claim(&member(0), net, ledger_seal(store), nonce, None))
        .collect();
    let parts: Vec<Vec<u8>> = records.iter().map(Verified::encode).collect();
    let bare = append(directory, &parts);
    let (took, ()) = timed(|| {
        for record in &records {
            let write = Write::Record(record.clone());
            store.write(&[write]).expect("the disk works");
        }
        store.sync().expect("the disk works");
    });
    say(
        "single records",
        SINGLE,
        took,
        bare,
        "appending and syncing one",
    );
    let (took, ()) = timed(|| {
        for record in &records {
            let entry = JournalEntry {
                record: record.record().clone(),
                opening: None,
            };
            let writes = [Write::Journal(entry), Write::Record(record.clone())];
            store.write(&writes).expect("the disk works");
        }
    });
    say(
        "single own records",
        SINGLE,
        took,
        bare,
        "appending and syncing one",
    );
    let ids: Vec<_> = records.iter().map(Verified::id).collect();
    let writes = [Write::Forget(ids.clone()), Write::Unjournal(ids)];
    store.write(&writes).expect("the disk works");
    store.sync().expect("the disk works");
}

fn ledger_seal(store: &Store) -> mycnet_consensus::SealId {
    let height = store.height().expect("the disk works");
    let seal = store.seal_at(height).expect("the disk works");
    seal.expect("there are heights")
}

fn child(what: &str, home: &PathBuf) {
    let program = std::env::current_exe().expect("this program is a file");
    let status = Command::new(program).arg(what).arg(home).status();
    assert!(status.expect("the program starts").success());
}

/// Starts a node from its disk and prints the cost. `at_once`: stops without closing the databases.
fn start(home: &Path, at_once: bool) {
    let begin = Instant::now();
    let store = Store::open(home).expect("the store opens");
    let opened = begin.elapsed();
    let loaded = store.load(Arc::new(member(0)), NOW_MS).expect("it loads");
    let answer = loaded.core.trust();
    let took = begin.elapsed();
    assert_eq!(answer.len(), MEMBERS);
    if at_once {
        let write = Write::Forget(Vec::new());
        store.write(&[write]).expect("the disk works");
        std::process::exit(0);
    }
    println!(
        "store  start: first answer after {took:?} (open {opened:?}); {}; {} kB resident, at most {}",
        loaded.found,
        kilobytes("self", "VmRSS"),
        kilobytes("self", "VmHWM")
    );
}
