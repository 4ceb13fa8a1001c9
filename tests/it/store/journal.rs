//! A journal that was deleted or is an old copy: noticed at every start until the node has rejoined.

use std::sync::Arc;

use mycnet_consensus::core::{Event, Input, JournalEntry, Refusal, Write};
use mycnet_consensus::internals::record::{Statement, sign};
use mycnet_consensus::store::{Store, StoreError};
use mycnet_consensus::{Ballot, OperationId, Outcome};

use super::disk::Survives;
use super::host::Net;
use crate::net::{config, genesis, identity, node};

fn decide(net: &mut Net, by: usize, value: u8, voters: &[usize]) -> OperationId {
    let nonce = u64::from(value);
    let id = net.propose(by, config(&[value]), Some(Ballot::Approve), nonce);
    let id = id.unwrap().unwrap();
    net.pump().unwrap();
    for n in voters {
        let ballot = Ballot::Approve;
        let operation = id;
        let voted = net.input(*n, Input::Vote { operation, ballot }).unwrap();
        assert!(matches!(voted, Some(Ok(_))), "node {n}: {voted:?}");
    }
    net.pump().unwrap();
    for _ in 0..12 {
        net.pass(300).unwrap();
    }
    id
}

/// Takes node 1's journal away, or puts an old copy in its place, and lets it come back.
fn lose(old_copy: bool) {
    let mut net = Net::new(4);
    decide(&mut net, 0, 1, &[1, 2, 3]);
    let old = if old_copy {
        net.hosts[1].disk.copy_of(1)
    } else {
        Vec::new()
    };
    decide(&mut net, 0, 2, &[1, 2, 3]);
    net.hosts[1].store = None;
    net.hosts[1].disk.replace(1, old);
    // The journal lacks records that the node showed: it must notice this.
    net.hosts[1].forget_promises();
    for _ in 0..3 {
        net.restart(1, Survives::All, 0).unwrap();
        let lost = net.hosts[1].lost.unwrap();
        assert!(lost.journal < lost.ledger, "{lost}");
    }
    let _ = net.input(1, Input::JournalLost).unwrap();
    let refused = net.input(
        1,
        Input::Propose {
            operation: config(b"x"),
            priority: mycnet_consensus::Priority::Normal,
            ballot: None,
            nonce: 7,
        },
    );
    assert!(matches!(refused, Ok(Some(Err(Refusal::JournalLost)))));
    let _ = net.input(1, Input::Rejoin { nonce: [3; 32] }).unwrap();
    // It stops again before the Rejoin is sealed: that is in the journal now, which is complete again.
    net.restart(1, Survives::All, 0).unwrap();
    assert_eq!(net.hosts[1].lost, None);
    net.pump().unwrap();
    for _ in 0..8 {
        net.pass(300).unwrap();
    }
    let rejoined = |event: &Event| matches!(event, Event::Rejoined { .. });
    assert!(net.hosts[1].events.iter().any(rejoined));
    let id = decide(&mut net, 1, 3, &[0, 2, 3]);
    for n in 0..4 {
        let ledger = net.hosts[n].core.ledger();
        let outcome = ledger
            .past()
            .closed(&id)
            .and_then(|closed| closed.outcome().cloned());
        assert_eq!(outcome, Some(Outcome::Decided(Ballot::Approve)), "node {n}");
    }
    net.restart(1, Survives::All, 0).unwrap();
    assert_eq!(net.hosts[1].lost, None);
}

#[test]
fn a_deleted_journal_is_noticed_until_the_node_has_rejoined() {
    lose(false);
}

#[test]
fn an_old_copy_of_the_journal_is_noticed_until_the_node_has_rejoined() {
    lose(true);
}

/// The journal may have forgotten what an old ledger has open.
#[test]
fn an_old_copy_of_the_ledger_is_noticed_too() {
    let mut net = Net::new(4);
    decide(&mut net, 0, 1, &[1, 2, 3]);
    let old = net.hosts[1].disk.copy_of(0);
    decide(&mut net, 0, 2, &[1, 2, 3]);
    net.hosts[1].store = None;
    net.hosts[1].disk.replace(0, old);
    let genesis = net.genesis.clone();
    let store = super::host::open(&net.hosts[1].disk, &genesis, 1).unwrap();
    let loaded = store.load(Arc::new(identity(1)), net.now_ms).unwrap();
    let lost = loaded.journal_lost.unwrap();
    assert!(lost.ledger + 1 < lost.journal, "{lost}");
}

fn rejoin(net: &mut Net, n: usize, nonce: u8) {
    let nonce = [nonce; 32];
    let answer = net.input(n, Input::Rejoin { nonce }).unwrap();
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

fn signing(net: &Net, n: usize) -> &'static str {
    net.hosts[n].core.seal_status().signing
}

/// A journal with an old `Rejoin` is kept while its ledger, with a commit to reveal, is fetched again.
#[test]
fn a_ledger_lost_beside_a_journal_with_a_rejoin_takes_another_rejoin() {
    let mut net = Net::new(4);
    decide(&mut net, 0, 1, &[1, 2, 3]);
    let _ = net.input(1, Input::JournalLost).unwrap();
    net.store(1).note_journal_lost().unwrap();
    rejoin(&mut net, 1, 3);
    for _ in 0..8 {
        net.pass(300).unwrap();
    }
    assert_eq!(signing(&net, 1), "ready");
    // It commits to an operation that is frozen while it is away.
    let id = net.propose(0, config(b"x"), Some(Ballot::Approve), 9);
    let operation = id.unwrap().unwrap();
    net.pump().unwrap();
    let ballot = Ballot::Approve;
    let voted = net.input(1, Input::Vote { operation, ballot }).unwrap();
    assert!(matches!(voted, Some(Ok(_))));

    net.hosts[1].store = None;
    net.hosts[1].disk.replace(0, Vec::new());
    net.hosts[1].forget_ledger();
    for n in [2, 3] {
        let ballot = Ballot::Approve;
        let _ = net.input(n, Input::Vote { operation, ballot }).unwrap();
    }
    net.pump().unwrap();
    net.hosts[1].events.clear();
    net.restart(1, Survives::All, 0).unwrap();
    assert!(net.hosts[1].lost.is_some());
    for _ in 0..8 {
        net.pass(300).unwrap();
    }
    assert!(net.hosts[1].failed.is_none(), "{:?}", net.hosts[1].failed);
    let is_lost = |event: &&Event| matches!(event, Event::JournalLost);
    assert_eq!(net.hosts[1].events.iter().filter(is_lost).count(), 1);
    assert_eq!(signing(&net, 1), "journal_lost");

    // It stops before the block that lists the second one comes: the first is no answer to this loss.
    rejoin(&mut net, 1, 4);
    net.restart(1, Survives::All, 0).unwrap();
    assert_eq!(signing(&net, 1), "rejoining");
    for _ in 0..8 {
        net.pass(300).unwrap();
    }
    assert!(net.hosts[1].failed.is_none(), "{:?}", net.hosts[1].failed);
    assert_eq!(signing(&net, 1), "ready");
    decide(&mut net, 1, 4, &[0, 2, 3]);
    assert!(net.is_closed(1, &operation));
}

/// Both a `Rejoin` of long ago and a new one are in the journal while the ledger that lists the first is fetched again.
#[test]
fn a_rejoin_of_long_ago_does_not_end_the_wait_for_another() {
    let mut net = Net::new(4);
    let _ = net.input(1, Input::JournalLost).unwrap();
    net.store(1).note_journal_lost().unwrap();
    rejoin(&mut net, 1, 3);
    for _ in 0..8 {
        net.pass(300).unwrap();
    }
    for nonce in 4..12 {
        net.hosts[1].store = None;
        net.hosts[1].disk.replace(0, Vec::new());
        net.hosts[1].forget_ledger();
        net.hosts[1].events.clear();
        net.restart(1, Survives::All, 0).unwrap();
        rejoin(&mut net, 1, nonce);
        net.restart(1, Survives::All, 0).unwrap();
        for _ in 0..8 {
            net.pass(300).unwrap();
        }
        assert_eq!(signing(&net, 1), "ready");
        let rejoined = |event: &&Event| matches!(event, Event::Rejoined { .. });
        let events = net.hosts[1].events.iter().filter(rejoined);
        assert_eq!(
            events.count(),
            1,
            "with the last of them, after nonce {nonce}"
        );
        // So that the journal goes on, and the next loss shows.
        let proposed = net.propose(1, config(b"x"), None, u64::from(nonce));
        proposed.unwrap().unwrap();
        net.pump().unwrap();
    }
}

#[test]
fn without_its_journal_a_store_takes_nothing_but_a_rejoin() {
    let mut net = Net::new(4);
    decide(&mut net, 1, 1, &[0, 2, 3]);
    net.store(1).note_journal_lost().unwrap();
    net.restart(1, Survives::All, 0).unwrap();
    assert!(net.hosts[1].lost.is_some(), "what was noted stays noted");
    // The core knows it from the saved state.
    let refused = net.propose(1, config(b"x"), None, 9);
    assert!(refused.is_err_and(|said| said.contains("JournalLost")));
    // The store would stop a core that signed in spite of it.
    let net_id = net.genesis.network_id();
    let statement = Statement::Directive {
        operation: OperationId::from_bytes([7; 32]),
        approve: true,
    };
    let record = sign(&identity(1), net_id, statement).unwrap();
    let entry = JournalEntry {
        record: record.record().clone(),
        opening: None,
    };
    let refused = net.store(1).write(&[Write::Journal(entry)]);
    assert!(matches!(refused, Err(StoreError::JournalLost)));
}

/// An entry that a sealed block makes useless must outlive a stop before that block is durable.
#[test]
fn entries_go_only_after_the_block_that_ends_their_use() {
    let mut net = Net::new(4);
    let id = decide(&mut net, 1, 1, &[0, 2, 3]);
    let store = net.store(1);
    let own = |store: &Store| {
        let journal = store.saved().unwrap().journal;
        let about = |statement: &Statement| statement.operation() == Some(id);
        let mut entries = journal.values();
        entries.any(|entry| about(&entry.record.body.what))
    };
    // The close told the store to forget them, in the same write as the block.
    assert!(
        own(store),
        "they are there until the next write of own records"
    );
    let ledger = net.hosts[1].core.ledger();
    store.checkpoint(ledger).unwrap();
    assert!(
        !own(store),
        "and gone before a checkpoint, after which nobody asks for it again"
    );
}

#[test]
fn another_nodes_store_is_refused() {
    let directory = std::env::temp_dir().join(format!("mycnet-other-{}", std::process::id()));
    let genesis = genesis(4);
    let store = Store::create(&directory, &genesis, node(0)).unwrap();
    let other = store.load(Arc::new(identity(1)), 0);
    assert!(matches!(other, Err(StoreError::OtherNode { .. })));
    // A second process is refused, and so is a second ledger.
    assert!(matches!(
        Store::open(&directory),
        Err(StoreError::Locked(_))
    ));
    drop(store);
    let again = Store::create(&directory, &genesis, node(0));
    assert!(matches!(again, Err(StoreError::Exists(_))));
    drop(again);
    // A journal outlives its ledger, and belongs to one author.
    std::fs::remove_file(directory.join("ledger.redb")).unwrap();
    assert!(matches!(
        Store::open(&directory),
        Err(StoreError::Missing(_))
    ));
    let other = Store::create(&directory, &genesis, node(1));
    assert!(
        matches!(other, Err(StoreError::OtherNode { .. })),
        "{other:?}"
    );
    drop(other);
    let store = Store::create(&directory, &genesis, node(0)).unwrap();
    store.write(&[Write::Compromised]).unwrap();
    drop(store);
    let store = Store::open(&directory).unwrap();
    assert!(store.saved().unwrap().compromised);
    drop(store);
    std::fs::remove_dir_all(&directory).unwrap();
}
