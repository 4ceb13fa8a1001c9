//! A journal that was deleted or is an old copy: noticed at every start until the node has rejoined.

use std::sync::Arc;

use mycnet_consensus::core::{Event, Input, JournalEntry, Refusal, Write};
use mycnet_consensus::internals::ledger::Ledger;
use mycnet_consensus::internals::record::{Signed, Statement, Verifier, sign};
use mycnet_consensus::store::{Store, StoreError};
use mycnet_consensus::{Ballot, NetworkId, OperationId, Outcome};

use super::disk::{Disk, EVERY_WAY, Survives};
use super::host::{LATE, Net, open};
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
    net.hosts[1].stop();
    let old = if old_copy {
        net.hosts[1].disk.copy_of(1)
    } else {
        Vec::new()
    };
    net.restart(1, Survives::All, 0).unwrap();
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
    net.hosts[1].stop();
    let old = net.hosts[1].disk.copy_of(0);
    net.restart(1, Survives::All, 0).unwrap();
    decide(&mut net, 0, 2, &[1, 2, 3]);
    net.hosts[1].store = None;
    net.hosts[1].disk.replace(0, old);
    let genesis = net.genesis.clone();
    let store = super::host::open(&net.hosts[1].disk, &genesis, 1).unwrap();
    let loaded = store.load(Arc::new(identity(1)), net.now_ms).unwrap();
    let lost = loaded.journal_lost.unwrap();
    assert!(lost.ledger < lost.journal, "{lost}");
}

fn rejoin(net: &mut Net, n: usize, nonce: u8) {
    let nonce = [nonce; 32];
    let answer = net.input(n, Input::Rejoin { nonce }).unwrap();
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

fn signing(net: &Net, n: usize) -> std::borrow::Cow<'static, str> {
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

    net.hosts[1].stop();
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
        net.hosts[1].stop();
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
    let entry = entry(net.genesis.network_id(), 1, 7);
    let refused = net.store(1).write(&[Write::Journal(entry)]);
    assert!(matches!(refused, Err(StoreError::JournalLost)));
}

/// An entry that a sealed block makes useless must outlive a stop before that block is durable.
#[test]
fn entries_go_only_after_the_block_that_ends_their_use() {
    let mut net = Net::new(4);
    let id = decide(&mut net, LATE, 1, &[0, 1, 2]);
    let store = net.store(LATE);
    let own = |store: &Store| {
        let journal = store.saved().unwrap().journal;
        let about = |statement: &Statement| statement.operation() == Some(id);
        let mut entries = journal.values();
        entries.any(|entry| about(&entry.record.body.what))
    };
    // The close told the store to forget them, in the same write as the block.
    assert!(
        own(store),
        "they are there until own records move there again"
    );
    let ledger = net.hosts[LATE].core.ledger();
    store.checkpoint(ledger).unwrap();
    assert!(
        !own(store),
        "and gone before a checkpoint, after which nobody asks for it again"
    );
}

/// An own record that no block is about.
pub fn entry(net: NetworkId, n: usize, operation: u8) -> JournalEntry {
    let statement = Statement::Directive {
        operation: OperationId::from_bytes([operation; 32]),
        approve: true,
    };
    let record = sign(&identity(n), net, statement).unwrap();
    JournalEntry {
        record: record.record().clone(),
        opening: None,
    }
}

/// Writes two own records, the first of which moves to the journal at once, and stops in good order. Gives how many were written.
fn write_two(store: &Store) -> usize {
    let written = [1, 2].map(|operation| {
        let entry = entry(store.network_id(), 0, operation);
        usize::from(store.write(&[Write::Journal(entry)]).is_ok())
    });
    let _ = store.checkpoint(&Ledger::new(store.genesis()));
    written.iter().sum()
}

#[test]
fn a_stop_while_own_records_move_to_the_journal_loses_none_and_is_no_loss() {
    let (genesis, whole) = (genesis(4), Disk::default());
    let store = open(&whole, &genesis, 0).unwrap();
    let begun = whole.writes();
    assert_eq!(write_two(&store), 2);
    let writes = whole.writes() - begun;
    let mut stops = [0; 3];
    for at in 1..=writes {
        for survives in EVERY_WAY {
            let disk = Disk::default();
            let store = open(&disk, &genesis, 0).unwrap();
            disk.stop_at(disk.writes() + at);
            let written = write_two(&store);
            drop(store);
            disk.restart(survives, at);
            let store = open(&disk, &genesis, 0).unwrap();
            let at = format!("at {at}, {survives:?}");
            let loaded = store.load(Arc::new(identity(0)), 0).unwrap();
            assert_eq!(loaded.journal_lost, None, "{at}");
            let kept = store.saved().unwrap().journal.len();
            assert!(kept >= written, "{at}: {kept} of {written}");
            stops[written] += 1;
            // It goes on from there.
            assert_eq!(write_two(&store), 2, "{at}");
            drop(store);
            let store = open(&disk, &genesis, 0).unwrap();
            let loaded = store.load(Arc::new(identity(0)), 0).unwrap();
            assert_eq!(loaded.journal_lost, None, "{at}");
            assert_eq!(store.saved().unwrap().journal.len(), 2, "{at}");
        }
    }
    assert!(stops.iter().all(|stops| *stops > 0), "{stops:?}");
}

/// Only unsealed records and votes of others wait for a later commit.
#[test]
fn what_others_say_costs_no_sync_and_is_durable_with_the_next_own_record() {
    let (genesis, disk) = (genesis(4), Disk::default());
    let store = open(&disk, &genesis, 0).unwrap();
    let net = store.network_id();
    store.write(&[Write::Journal(entry(net, 0, 1))]).unwrap();
    let heard = |operation: u8| {
        let record = Signed::try_from(entry(net, 1, operation).record).unwrap();
        let mut verifier = Verifier::new(net);
        verifier.add_author(node(1)).unwrap();
        Write::Record(verifier.verify(record).unwrap())
    };
    let records = |disk: &Disk| {
        let copy = disk.copy();
        let [ledger, journal] = copy.files();
        let store = Store::open_on(ledger, journal).unwrap();
        store.saved().unwrap().records.len()
    };
    let syncs = store.syncs();
    for operation in 2..12 {
        store.write(&[heard(operation)]).unwrap();
    }
    assert_eq!((store.syncs(), records(&disk)), (syncs, 0));
    store.write(&[Write::Journal(entry(net, 0, 12))]).unwrap();
    assert_eq!((store.syncs(), records(&disk)), (syncs + 1, 10));
    store.write(&[heard(13)]).unwrap();
    store.sync().unwrap();
    assert_eq!((store.syncs(), records(&disk)), (syncs + 2, 11));
    store.sync().unwrap();
    assert_eq!(store.syncs(), syncs + 2, "nothing waits");
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
        matches!(other, Err(StoreError::OtherJournal(_))),
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
