//! A disk that fills up: nothing more is written, and committed data can still be read. Rules: C5.

use std::sync::Arc;

use mycnet_consensus::Ballot;
use mycnet_consensus::core::{Input, Write};
use mycnet_consensus::store::{Store, StoreError};

use super::disk::{Disk, EVERY_WAY, Survives};
use super::host::{Net, open};
use crate::net::{config, genesis, identity, node};

/// One operation decided by all; gives the writes of node 1's disk.
fn decide(net: &mut Net, value: u8) -> Option<u64> {
    let id = net.propose(0, config(&[value]), Some(Ballot::Approve), u64::from(value));
    let id = id.unwrap()?;
    net.pump().unwrap();
    for n in 1..4 {
        let ballot = Ballot::Approve;
        let operation = id;
        let _ = net.input(n, Input::Vote { operation, ballot }).unwrap();
    }
    net.pump().unwrap();
    for _ in 0..4 {
        net.pass(300).unwrap();
    }
    Some(net.hosts[1].disk.writes())
}

#[test]
fn after_a_full_disk_nothing_is_written_and_everything_is_read() {
    // Full at many places, also within a commit.
    for at in [1, 2, 3, 5, 8, 13, 40, 90] {
        let mut net = Net::new(4);
        let writes = decide(&mut net, 1).unwrap();
        let (height, before) = {
            let store = net.store(1);
            (
                store.height().unwrap(),
                store.blocks_from(1, usize::MAX).unwrap(),
            )
        };
        net.hosts[1].disk.full_at(Some(writes + at));
        decide(&mut net, 2);
        decide(&mut net, 3);
        let host = &net.hosts[1];
        let failed = host.failed.as_ref();
        assert!(
            matches!(failed, Some(StoreError::Redb(_))),
            "at {at}: {failed:?}"
        );
        let store = host.store.as_ref().unwrap();
        assert!(store.has_failed());
        for _ in 0..2 {
            let again = store.write(&[Write::Compromised]);
            assert!(
                matches!(again, Err(StoreError::Failed)),
                "at {at}: {again:?}"
            );
        }
        assert!(matches!(
            store.checkpoint(host.core.ledger()),
            Err(StoreError::Failed)
        ));
        // Reading goes on, from the last commit.
        assert!(store.height().unwrap() >= height);
        let blocks = store.blocks_from(1, usize::MAX).unwrap();
        assert_eq!(blocks[..before.len()], before);
        assert!(!store.explain(&node(1)).unwrap().is_empty());
        assert_eq!(store.all_closed().unwrap().len(), host_closed(store));
        store.saved().unwrap();
        store.ledger_document().unwrap();
        // With room again it starts as if nothing had been.
        net.hosts[1].disk.full_at(None);
        net.restart(1, Survives::All, at).unwrap();
        assert_eq!(net.hosts[1].lost, None);
        for _ in 0..4 {
            net.pass(300).unwrap();
        }
        decide(&mut net, 4).unwrap();
        let seal = net.hosts[0].core.ledger().state().seal();
        assert_eq!(net.hosts[1].core.ledger().state().seal(), seal, "at {at}");
    }
}

fn host_closed(store: &Store) -> usize {
    let loaded = store.load(Arc::new(identity(1)), 1_000_000).unwrap();
    loaded.core.ledger().past().all_closed().count()
}

#[test]
fn a_stop_while_the_store_is_made_is_made_good() {
    let genesis = genesis(4);
    let whole = Disk::default();
    drop(open(&whole, &genesis, 0).unwrap());
    for at in 1..=whole.writes() {
        for survives in EVERY_WAY {
            let mut disk = Disk::default();
            disk.stop_at(at);
            drop(open(&disk, &genesis, 0));
            disk.restart(survives, at);
            let mut store = open(&disk, &genesis, 0);
            if matches!(&store, Err(error) if error.contains("Not a redb database")) {
                // The making of a medium; for files, see below.
                disk = Disk::default();
                store = open(&disk, &genesis, 0);
            }
            let store = store.unwrap_or_else(|error| panic!("at {at}, {survives:?}: {error}"));
            let loaded = store.load(Arc::new(identity(0)), 0).unwrap();
            assert_eq!(loaded.journal_lost, None);
        }
    }
}

#[test]
fn files_that_were_not_made_to_the_end_are_made_again() {
    let directory = std::env::temp_dir().join(format!("mycnet-begun-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let genesis = genesis(4);
    for name in ["ledger.redb.new", "journal.redb.new"] {
        std::fs::write(directory.join(name), [0; 10_000]).unwrap();
    }
    let missing = Store::open(&directory);
    assert!(matches!(missing, Err(StoreError::Missing(_))));
    drop(Store::create(&directory, &genesis, node(0)).unwrap());
    // A new journal whose creation was not completed still counts as missing.
    let journal = directory.join("journal.redb");
    std::fs::rename(&journal, directory.join("journal.redb.new")).unwrap();
    drop(Store::open(&directory).unwrap());
    assert!(journal.exists());
    std::fs::remove_dir_all(&directory).unwrap();
}
