//! A node's disk with 100,000 sealed records and 1,000 closed operations: the cost of writing, closing, serving and starting,
//! each compared with a raw baseline of the same run.
//!
//! Fifty members decide 1,000 claims, ten at a time: a commit and a reveal of each member, signed in batches. Starts are measured
//! in a process of their own, which reports its memory. `STORE_ROUNDS` sets the number of rounds, a hundred by default.
//!
//! Then four members decide ten times as many claims, one after the other and ten at a time, every record signed alone: what a vote
//! takes on the disk.

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
#[allow(dead_code, reason = "each bench takes what it needs")]
mod past;
#[path = "common/usage.rs"]
mod usage;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mycnet_consensus::core::{JournalEntry, Prover, Write};
use mycnet_consensus::internals::ledger::Ledger;
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Identity, OperationId, Sealing, Signer as _};
use network::{Signature, claim, member, verify_all};
use past::{MEMBERS, Signed, round};
use usage::kilobytes;

const CLAIMS: usize = 10;

/// Members of the small federation.
const ELECTORS: usize = 4;

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
    files_in(directory).map(|file| file.len()).sum()
}

/// What the files take of the disk: redb makes a full file twice as long, and the new half is empty at first.
#[cfg(unix)]
fn taken_in(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    files_in(directory).map(|file| file.blocks() * 512).sum()
}

#[cfg(not(unix))]
fn taken_in(directory: &Path) -> u64 {
    bytes_in(directory)
}

fn files_in(directory: &Path) -> impl Iterator<Item = std::fs::Metadata> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    entries
        .map(|entry| entry.and_then(|entry| entry.metadata()))
        .map(|metadata| metadata.expect("the file is there"))
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
    for claims in [1, CLAIMS] {
        votes(&directory.join(format!("votes-{claims}")), claims);
    }
    std::fs::remove_dir_all(&directory).expect("the directory is there");
}

fn measure(directory: &Path) {
    let home = directory.join("node");
    let (store, filled) = fill(&home, MEMBERS, rounds(), CLAIMS, Signed::InBatches);
    let Filled {
        ledger,
        records,
        seals,
        took,
        longest,
        last,
        taken,
    } = filled;
    let encoded: Vec<Vec<u8>> = records.iter().map(Verified::encode).collect();
    let wire: usize = encoded.iter().map(Vec::len).sum();
    println!(
        "store  {} records in {seals} seals, {} bytes each",
        records.len(),
        wire / records.len()
    );
    let parts: Vec<Vec<u8>> = encoded
        .chunks(encoded.len() / seals)
        .map(<[Vec<u8>]>::concat)
        .collect();
    let bare = append(directory, &parts);
    say(
        "blocks",
        encoded.len(),
        took,
        bare,
        "appending and syncing as much",
    );
    let stop = stop(&store, &ledger);
    println!(
        "store  {} bytes a record on disk after a stop ({stop:?}), {last:.0} before it, at most {longest:.0} in the second half, of which {taken:.0} take space",
        bytes_in(&home) / records.len() as u64,
    );
    let (took, served) = timed(|| serve(&store));
    assert_eq!(served.0, seals, "every height is served");
    let signatures: Vec<Signature> = records.iter().take(500).map(Signature::of).collect();
    let (bare, ()) = timed(|| verify_all(&signatures));
    let bare = bare * u32::try_from(records.len() / 500 + 1).expect("few");
    say("serving", records.len(), took, bare, "verify_strict");
    println!(
        "store  {:.3} times the records' bytes served",
        served.1 as f64 / wire as f64
    );
    single_writes(directory, &store);
    let id = OperationId::from(records[0].id());
    let (took, certificate) = timed(|| {
        let prover = Prover::new(&store, store.genesis()).expect("the disk works");
        let prover = prover.expect("something is sealed");
        prover.certificate(&id, None).expect("the disk works")
    });
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

/// A store with its sealed past.
struct Filled {
    ledger: Ledger,
    records: Vec<Verified>,
    seals: usize,
    took: Duration,
    /// The most bytes for each record in the second half.
    longest: f64,
    last: f64,
    /// What of these bytes takes space on the disk.
    taken: f64,
}

/// Writes rounds of claims, two seals each, as a node does.
fn fill(
    home: &Path,
    members: usize,
    rounds: usize,
    claims: usize,
    signed: Signed,
) -> (Store, Filled) {
    let members: Vec<Identity> = (0..members).map(member).collect();
    let genesis = network::genesis(members.len(), Sealing::Authorities);
    let store = Store::create(home, &genesis, members[0].node_id()).expect("a new directory");
    let mut filled = Filled {
        ledger: Ledger::new(&genesis),
        records: Vec::new(),
        seals: 0,
        took: Duration::ZERO,
        longest: 0.0,
        last: 0.0,
        taken: 0.0,
    };
    for n in 0..rounds {
        for list in round(&members, &filled.ledger, n, claims, signed) {
            filled.records.extend(list.iter().cloned());
            let write = past::seal(&mut filled.ledger, list);
            let (took, ()) = timed(|| {
                store.write(&[write]).expect("the disk works");
                let is_due = store.checkpoint_if_due(&filled.ledger);
                if is_due.expect("the disk works") {
                    store.pack().expect("the disk works");
                }
            });
            filled.took += took;
            filled.seals += 1;
        }
        filled.last = bytes_in(home) as f64 / filled.records.len() as f64;
        if 2 * n > rounds {
            filled.longest = filled.longest.max(filled.last);
            let taken = taken_in(home) as f64 / filled.records.len() as f64;
            filled.taken = filled.taken.max(taken);
        }
    }
    (store, filled)
}

/// An orderly stop.
fn stop(store: &Store, ledger: &Ledger) -> Duration {
    let (took, ()) = timed(|| {
        store.checkpoint(ledger).expect("the disk works");
        store.give_back().expect("the disk works");
    });
    took
}

/// What a vote of a small federation takes, while it runs and after an orderly stop.
fn votes(home: &Path, claims: usize) {
    let rounds = 10 * rounds() / claims;
    let (store, filled) = fill(home, ELECTORS, rounds, claims, Signed::Alone);
    let stop = stop(&store, &filled.ledger);
    drop(store);
    let votes = ELECTORS * claims * rounds;
    let records = filled.records.len() as f64 / votes as f64;
    println!(
        "store  {votes} votes on claims, {claims} at a time: {} bytes a vote after a stop ({stop:?}), {:.0} before it, at most {:.0} \
         in the second half, of which {:.0} take space; {:.1} ms a seal",
        bytes_in(home) / votes as u64,
        filled.last * records,
        filled.longest * records,
        filled.taken * records,
        filled.took.as_secs_f64() * 1e3 / filled.seals as f64,
    );
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
fn single_writes(directory: &Path, store: &Store) {
    let net = store.network_id();
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
