//! K2 on a disk: the databases go over to the key that replaces the node's, whatever stops the machine.

use std::sync::Arc;

use mycnet_consensus::store::StoreError;

use super::disk::{Disk, EVERY_WAY};
use super::host::open;
use crate::net::{genesis, identity, node};

const NOW_MS: u64 = 1_000_000;

#[test]
fn a_stop_while_databases_are_handed_over_leaves_one_of_the_two_keys() {
    let genesis = genesis(4);
    let whole = Disk::default();
    let mut store = open(&whole, &genesis, 1).unwrap();
    let first = whole.writes();
    store.hand_over(node(4)).unwrap();
    let last = whole.writes();
    drop(store);
    let (mut old, mut new) = (0, 0);
    for stop_at in first + 1..=last {
        for (seed, survives) in EVERY_WAY.into_iter().enumerate() {
            let disk = Disk::default();
            let mut store = open(&disk, &genesis, 1).unwrap();
            disk.stop_at(stop_at);
            let done = store.hand_over(node(4));
            drop(store);
            disk.restart(survives, seed as u64);
            let mut store = open(&disk, &genesis, 1).unwrap();
            let owner = [1, 4].into_iter().find(|n| node(*n) == store.node_id());
            let owner = owner.expect("one of the two");
            if done.is_ok() {
                assert_eq!(owner, 4);
            }
            *[&mut old, &mut new][usize::from(owner == 4)] += 1;
            let loaded = store.load(Arc::new(identity(owner)), NOW_MS).unwrap();
            assert_eq!(loaded.journal_lost, None, "stopped at write {stop_at}");
            // Again, and to the end.
            store.hand_over(node(4)).unwrap();
            drop(store);
            let store = open(&disk, &genesis, 1).unwrap();
            assert!(store.load(Arc::new(identity(4)), NOW_MS).is_ok());
        }
    }
    println!(
        "{} stops: {old} left the old key, {new} the new one",
        old + new
    );
    assert!(old > 0 && new > 0);
}

#[test]
fn a_twin_and_a_lost_journal_stay_with_the_old_key() {
    let genesis = genesis(4);
    let disk = Disk::default();
    let mut store = open(&disk, &genesis, 1).unwrap();
    store.note_journal_lost().unwrap();
    let lost = store.load(Arc::new(identity(1)), NOW_MS).unwrap();
    assert!(lost.journal_lost.is_some());
    store.hand_over(node(4)).unwrap();
    let old = store.load(Arc::new(identity(1)), NOW_MS);
    assert!(matches!(old, Err(StoreError::OtherNode { .. })));
    drop(store);
    let store = open(&disk, &genesis, 1).unwrap();
    let loaded = store.load(Arc::new(identity(4)), NOW_MS).unwrap();
    assert_eq!(loaded.journal_lost, None);
}
