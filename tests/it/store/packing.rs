//! The past is compressed beside writes and reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mycnet_consensus::core::{Ledger, Write};
use mycnet_consensus::internals::commitment::vote;
use mycnet_consensus::internals::ledger::Mode;
use mycnet_consensus::internals::record::{Verified, sign};
use mycnet_consensus::store::Store;
use mycnet_consensus::{Ballot, Genesis};

use super::disk::Disk;
use super::host::{GROUP_HEIGHTS, claim};
use crate::net::{block, genesis, identity, node, proposal_of};

const MEMBERS: usize = 4;

fn seal(ledger: &mut Ledger, records: Vec<Verified>) -> Write {
    let time_ms = ledger.state().time_ms() + 1;
    let (draft, _) = ledger.draft(0, time_ms, records, Mode::Strict).unwrap();
    let block = block(draft.seal.net, &draft.seal, &draft.records, 0, &[0, 1, 2]);
    Write::Block {
        block: Arc::new(block),
        applied: Arc::new(ledger.commit(draft)),
    }
}

/// Claims that all decide, one after the other, two seals each.
fn past(genesis: &Genesis, claims: u64) -> (Ledger, Vec<Write>) {
    let mut ledger = Ledger::new(genesis);
    let net = genesis.network_id();
    let mut writes = Vec::new();
    for nonce in 0..claims {
        let asked = proposal_of(claim("6 * 7"), ledger.state().seal(), nonce);
        let proposal = sign(&identity(0), net, asked).unwrap();
        let (mut first, mut second) = (vec![proposal.clone()], Vec::new());
        for n in 0..MEMBERS {
            let ballot = Ballot::Result(vec![1]);
            let voted = vote(&identity(n), net, proposal.id().into(), ballot).unwrap();
            let [commit, reveal] = voted.map(|it| sign(&identity(n), net, it).unwrap());
            first.push(commit);
            second.push(reveal);
        }
        writes.push(seal(&mut ledger, first));
        writes.push(seal(&mut ledger, second));
    }
    (ledger, writes)
}

fn blocks(store: &Store, from: u64) -> Vec<Vec<u8>> {
    store.blocks_from(from, usize::MAX).unwrap()
}

#[test]
fn packing_beside_writes_and_reads_changes_nothing_that_is_read() {
    let genesis = genesis(MEMBERS);
    let (ledger, writes) = past(&genesis, 40);
    let expected = writes.iter().map(|write| match write {
        Write::Block { block, .. } => block.encode(),
        other => panic!("no block: {other:?}"),
    });
    let expected: Vec<Vec<u8>> = expected.collect();
    let disk = Disk::default();
    let [ledger_file, journal_file] = disk.files();
    let store = Store::create_on(ledger_file, journal_file, &genesis, node(3)).unwrap();
    store.set_group_heights(GROUP_HEIGHTS);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (store, is_done, expected) = (&store, &is_done, &expected);
        let packing = scope.spawn(move || {
            while !is_done.load(Ordering::SeqCst) {
                store.pack().unwrap();
            }
        });
        let reading = scope.spawn(move || {
            let mut reads = 0_u64;
            while !is_done.load(Ordering::SeqCst) {
                let read = blocks(store, 1);
                assert!(read == expected[..read.len()], "read {reads}");
                reads += 1;
            }
            reads
        });
        for write in &writes {
            store.write(std::slice::from_ref(write)).unwrap();
        }
        is_done.store(true, Ordering::SeqCst);
        packing.join().unwrap();
        assert!(reading.join().unwrap() > 0);
    });
    store.checkpoint(&ledger).unwrap();
    drop(store);
    let [ledger_file, journal_file] = disk.files();
    let mut store = Store::open_on(ledger_file, journal_file).unwrap();
    assert!(blocks(&store, 1) == expected);
    assert_eq!(store.check(|_| ()).unwrap().faults, [""; 0]);
}
