//! Going on in a new network, in the same directory, whatever moment the power fails at. Rules: F4, C5.

use std::fs;
use std::path::{Path, PathBuf};

use mycnet_consensus::core::{Backing, Endorsed, Plan, Write};
use mycnet_consensus::internals::ledger::{Ledger, refounded};
use mycnet_consensus::internals::record::{Statement, sign};
use mycnet_consensus::store::{Store, StoreError};
use mycnet_consensus::{NetworkId, NodeId};

use crate::net::{genesis, identity, node};

const FILES: [&str; 2] = ["journal.redb", "ledger.redb"];

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("mycnet-moving-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The databases of a node that has just left its network. Returns the old and the new one.
fn has_left(directory: &Path) -> (NetworkId, NetworkId) {
    let genesis = genesis(4);
    let ledger = Ledger::new(&genesis);
    let mut plan = Plan {
        without: vec![node(2), node(3)],
        ..Plan::new(0, ledger.genesis_seal().id())
    };
    plan.sort();
    let founding = refounded(&genesis, ledger.state(), &plan).unwrap();
    let new = founding.genesis().network_id();
    let store = Store::create(directory, &genesis, node(0)).unwrap();
    let statement = Statement::Refound {
        plan: Some(plan),
        attempt: 0,
    };
    let [own, other] =
        [0, 1].map(|n| sign(&identity(n), genesis.network_id(), statement.clone()).unwrap());
    let entry = mycnet_consensus::core::JournalEntry {
        record: own.record().clone(),
        opening: None,
    };
    let backing = Backing {
        votes: 2,
        all_votes: 2,
        sealers: 2,
        all_sealers: 2,
        old_votes: 2,
        all_old_votes: 4,
    };
    let endorsed = Endorsed {
        founding,
        height: 0,
        in_force: Some(backing),
    };
    store
        .write(&[
            Write::Journal(entry),
            Write::Record(other),
            Write::Endorsed(Some(endorsed.into())),
        ])
        .unwrap();
    store.put_peer(&node(1), b"card").unwrap();
    (genesis.network_id(), new)
}

fn moved(directory: &Path, (old, new): (NetworkId, NetworkId), what: &str) {
    let store = Store::open(directory).unwrap();
    assert_eq!(store.network_id(), new, "{what}");
    let me: NodeId = node(0);
    assert_eq!(store.node_id(), me, "{what}");
    let founded = store.founded().unwrap().unwrap();
    assert_eq!(founded.endorsements.len(), 2, "{what}");
    assert!(founded.backing.is_secession(), "{what}");
    assert_eq!(store.peer(&node(1)).unwrap().unwrap(), b"card", "{what}");
    let loaded = store.load(std::sync::Arc::new(identity(0)), 0).unwrap();
    assert_eq!(loaded.journal_lost, None, "{what}");
    assert_eq!(loaded.core.left_for(), None, "{what}");
    assert!(store.left_for().unwrap().is_none(), "{what}");
    drop(store);
    assert_eq!(Store::past_networks(directory).unwrap(), [old], "{what}");
    let past = Store::open(&Store::past_directory(directory, &old)).unwrap();
    assert_eq!(past.network_id(), old, "{what}");
    let loaded = past.load(std::sync::Arc::new(identity(0)), 0).unwrap();
    assert_eq!(loaded.journal_lost, None, "{what}");
    assert_eq!(loaded.core.left_for(), Some(new), "{what}");
    for left in ["next", "next.new"] {
        assert!(!directory.join(left).exists(), "{what}: {left}");
    }
}

#[test]
fn a_node_that_has_left_goes_on_in_the_new_network() {
    let directory = Directory::new("whole");
    let networks = has_left(&directory.0);
    for what in ["at once", "again"] {
        drop(Store::open_present(&directory.0).unwrap());
        moved(&directory.0, networks, what);
    }
}

#[test]
fn a_node_that_has_not_left_stays() {
    let directory = Directory::new("stays");
    let genesis = genesis(4);
    drop(Store::create(&directory.0, &genesis, node(0)).unwrap());
    let store = Store::open_present(&directory.0).unwrap();
    assert_eq!(store.network_id(), genesis.network_id());
    let second = Store::open_present(&directory.0);
    assert!(matches!(second, Err(StoreError::Locked(_))));
    let nowhere = Store::open_present(&directory.0.join("nowhere"));
    assert!(matches!(nowhere, Err(StoreError::Missing(_))));
}

/// The steps of the move are renames. Each prefix of them is a directory that the next start completes.
#[test]
fn a_stop_at_any_step_is_completed() {
    // What the whole move makes of the same databases.
    let done = Directory::new("done");
    let networks = has_left(&done.0);
    let before = Directory::new("before");
    for file in FILES {
        fs::copy(done.0.join(file), before.0.join(file)).unwrap();
    }
    drop(Store::open_present(&done.0).unwrap());
    let (old, _) = networks;
    for step in 0..=7 {
        let directory = Directory::new(&format!("step-{step}"));
        let here = &directory.0;
        for file in FILES {
            fs::copy(before.0.join(file), here.join(file)).unwrap();
        }
        let next = here.join("next").join(old.to_string());
        let past = Store::past_directory(here, &old);
        if step == 0 {
            // The new databases are half made.
            let begun = here.join("next.new").join(old.to_string());
            fs::create_dir_all(&begun).unwrap();
            fs::copy(done.0.join("ledger.redb"), begun.join("ledger.redb.new")).unwrap();
        } else {
            fs::create_dir_all(&next).unwrap();
            for file in FILES {
                fs::copy(done.0.join(file), next.join(file)).unwrap();
            }
        }
        let renames = [
            (here.join(FILES[0]), past.join(FILES[0])),
            (next.join(FILES[0]), here.join(FILES[0])),
            (here.join(FILES[1]), past.join(FILES[1])),
            (next.join(FILES[1]), here.join(FILES[1])),
        ];
        if step >= 2 {
            fs::create_dir_all(&past).unwrap();
        }
        for (from, to) in renames.iter().take(usize::max(step, 2) - 2) {
            fs::rename(from, to).unwrap();
        }
        if step == 7 {
            fs::remove_dir(&next).unwrap();
        }
        drop(Store::open_present(here).unwrap());
        moved(here, networks, &format!("step {step}"));
    }
}
