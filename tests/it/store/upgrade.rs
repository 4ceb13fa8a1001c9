//! A ledger that an earlier version wrote.

use std::sync::Arc;

use mycnet_consensus::store::Store;

use super::damage::live;
use super::disk::{Disk, EVERY_WAY};
use super::host::GROUP_HEIGHTS;
use crate::net::{genesis, identity};

/// Two of the nodes of one network that decided 12 operations, as the first version with a store wrote them. One has the records of
/// all heights in documents, the other in its blocks.
const EARLIER: [[&[u8]; 2]; 2] = [
    [
        include_bytes!("../../data/ledger-format-1-listed.redb.zst"),
        include_bytes!("../../data/journal-format-1-listed.redb.zst"),
    ],
    [
        include_bytes!("../../data/ledger-format-1-whole.redb.zst"),
        include_bytes!("../../data/journal-format-1-whole.redb.zst"),
    ],
];

const HEIGHT: u64 = 19;

fn earlier(files: [&[u8]; 2]) -> Disk {
    let disk = Disk::default();
    for (at, frame) in files.into_iter().enumerate() {
        disk.replace(at, zstd::bulk::decompress(frame, 16 << 20).unwrap());
    }
    disk
}

fn open(disk: &Disk) -> Result<Store, String> {
    let [ledger, journal] = disk.files();
    Store::open_on(ledger, journal).map_err(|error| error.to_string())
}

fn blocks(store: &Store) -> Vec<Vec<u8>> {
    store.blocks_from(1, usize::MAX).unwrap()
}

#[test]
fn a_ledger_of_the_first_format_is_taken_over() {
    let [listed, whole] = EARLIER.map(|files| {
        let disk = earlier(files);
        let store = open(&disk).unwrap();
        assert_eq!(store.genesis(), &genesis(4));
        assert_eq!(store.height().unwrap(), HEIGHT);
        assert_eq!(store.all_closed().unwrap().len(), 12);
        let (before, seal) = (blocks(&store), store.seal_at(HEIGHT).unwrap());
        drop(store);
        let report = open(&disk).unwrap().check(|_| ()).unwrap();
        assert_eq!(report.faults, Vec::<String>::new());
        assert_eq!((report.heights, report.operations), (HEIGHT, 12));
        (disk, before, seal)
    });
    assert_eq!(listed.2, whole.2, "they are of one network");
    // The node of the first one goes on, and its heights come into groups.
    let store = open(&listed.0).unwrap();
    store.set_group_heights(GROUP_HEIGHTS);
    let loaded = store.load(Arc::new(identity(0)), 1_000_000).unwrap();
    assert_eq!(loaded.journal_lost, None);
    store.checkpoint(loaded.core.ledger()).unwrap();
    assert!(blocks(&store) == listed.1);
    drop(store);
    assert_eq!(live(&listed.0), Vec::<String>::new());
}

#[test]
fn a_stop_while_a_ledger_is_taken_over_leaves_it_as_it_was_or_as_it_becomes() {
    let before = earlier(EARLIER[0]);
    let whole = before.copy();
    let expected = blocks(&open(&whole).unwrap());
    let writes = whole.writes();
    assert!(writes > 20, "{writes} writes");
    for at in (1..=writes).step_by(usize::try_from(writes / 20).unwrap()) {
        for survives in EVERY_WAY {
            let disk = before.copy();
            disk.stop_at(at);
            drop(open(&disk));
            disk.restart(survives, at);
            let store = open(&disk);
            let store = store.unwrap_or_else(|error| panic!("at {at}, {survives:?}: {error}"));
            assert!(blocks(&store) == expected, "at {at}, {survives:?}");
        }
    }
}
