//! A node whose journal is deleted, or older than its signatures: it reports this, signs nothing but its `Rejoin`, and is back at
//! work after the seal that lists it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycnet_consensus::core::{Event, Refusal};
use mycnet_consensus::engine::{Clock, EngineError, Notice, Subscription, SystemClock};
use mycnet_consensus::internals::record::{Record, Statement};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Ballot, Genesis, OperationId, Outcome, RecordId};

use crate::federation::{
    Directory, PATIENCE, Running, claim, genesis, identity, node_id, start, until,
};
use crate::promises::{Promises, Slots, copy_files};

const NODES: usize = 5;

/// The node that loses its journal.
const LOSER: usize = 1;

fn result(text: &str) -> Ballot {
    Ballot::Result(text.into())
}

/// A clock that delays a node's first turn until the test listens.
#[derive(Default)]
struct Gate(AtomicBool);

impl Clock for Gate {
    fn now_ms(&self) -> u64 {
        let is_actor = std::thread::current().name() == Some("mycnet node");
        while is_actor && !self.0.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        SystemClock.now_ms()
    }
}

/// Five nodes, and all records that their disks ever had.
struct Five {
    directory: Directory,
    genesis: Genesis,
    nodes: Vec<Option<Running>>,
    promises: Vec<Promises>,
    slots: Slots,
}

impl Five {
    async fn new() -> Self {
        let (directory, genesis) = (Directory::new(), genesis(NODES));
        let nodes = start(directory.path(), &genesis, NODES).await;
        Self {
            directory,
            genesis,
            nodes: nodes.into_iter().map(Some).collect(),
            promises: (0..NODES).map(|_| Promises::default()).collect(),
            slots: Slots::default(),
        }
    }

    fn node(&self, n: usize) -> &Node {
        &self.nodes[n].as_ref().unwrap().node
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(LOSER.to_string())
    }

    /// Checks all disks, also those of stopped nodes.
    fn look(&mut self) -> Result<(), String> {
        for n in 0..NODES {
            let (promises, slots) = (&mut self.promises[n], &mut self.slots);
            if let Some(running) = &self.nodes[n] {
                promises.check(node_id(n), running.node.store(), slots)?;
            } else {
                let path = self.directory.path().join(n.to_string());
                promises.check(node_id(n), &Store::open(&path).unwrap(), slots)?;
            }
        }
        Ok(())
    }

    /// A claim that these decide.
    async fn decide(&self, by: usize, voters: &[usize]) -> OperationId {
        let engine = self.node(by).engine();
        let asked = engine.propose_claim(claim("6 * 7"), b"42".to_vec());
        let id = asked.await.unwrap();
        self.vote(id, voters).await;
        for n in voters {
            let waited = self.node(*n).engine().execute_reveal_phase(id);
            let outcome = tokio::time::timeout(PATIENCE, waited).await;
            let expected = Outcome::Decided(result("42"));
            assert_eq!(outcome.expect("in time").unwrap(), expected, "node {n}");
        }
        id
    }

    async fn vote(&self, id: OperationId, voters: &[usize]) {
        for n in voters {
            let engine = self.node(*n).engine();
            until("the claim is known", || engine.status(&id).is_some()).await;
            engine.vote(id, result("42")).await.unwrap();
        }
    }

    /// A claim that is open and waits for commits, to which the loser has committed.
    async fn leave_open(&self) -> OperationId {
        let engine = self.node(0).engine();
        let asked = engine.propose_with(claim("6 * 9"), mycnet_consensus::Priority::Normal, None);
        let id = asked.await.unwrap();
        self.vote(id, &[LOSER]).await;
        let has_committed = || {
            let status = engine.status(&id).unwrap();
            status.committed > 0
        };
        until("the commit is sealed", has_committed).await;
        id
    }

    async fn stop_loser(&mut self) {
        let running = self.nodes[LOSER].take().unwrap();
        running.stop().await;
    }

    /// Starts the loser, and listens from its first moment on.
    async fn start_loser(&mut self) -> Subscription {
        let gate = Arc::new(Gate::default());
        let clock = gate.clone();
        let with = |builder: mycnet_consensus::node::Builder| builder.clock(clock);
        let running = Running::start_with(self.directory.path(), &self.genesis, LOSER, with).await;
        let events = running.node.engine().subscribe();
        gate.0.store(true, Ordering::SeqCst);
        self.nodes[LOSER] = Some(running);
        events
    }

    /// Starts the loser without any peer.
    fn start_alone(&self) -> (Node, Subscription) {
        let gate = Arc::new(Gate::default());
        let store = Store::open(&self.path()).unwrap();
        let node = Node::builder(store, Arc::new(identity(LOSER)))
            .clock(gate.clone())
            .spawn()
            .unwrap();
        let events = node.engine().subscribe();
        gate.0.store(true, Ordering::SeqCst);
        (node, events)
    }

    /// The loser is back: it votes on new operations, and not on those it may have signed for before.
    async fn is_back(&mut self, mut events: Subscription, old: OperationId, kept: &Entries) {
        let rejoined = next(&mut events, |it| matches!(it, Event::Rejoined { .. })).await;
        let Event::Rejoined { height } = rejoined else {
            unreachable!("that was waited for")
        };
        let engine = self.node(LOSER).engine();
        assert_eq!(engine.seal_status().signing, "ready");
        let again = engine.vote(old, result("41")).await;
        let refused = if kept.1.contains(&old) {
            Refusal::AlreadySigned
        } else {
            Refusal::BeforeRejoin
        };
        assert_eq!(again, Err(EngineError::Refused(refused)));
        for (id, entry) in self.node(LOSER).store().saved().unwrap().journal {
            let is_kept = kept.0.contains(&id);
            assert!(is_kept || is_after(&entry.record, height, old), "{entry:?}");
        }
        let id = self.decide(LOSER, &[0, LOSER, 2, 3, 4]).await;
        let counts = || {
            let closed = self.node(0).store().closed(&id).unwrap();
            closed.is_some_and(|closed| closed.reveals().contains_key(&node_id(LOSER)))
        };
        until("its vote counts again", counts).await;
        self.look().unwrap();
        assert!(self.node(0).engine().evidence().unwrap().is_empty());
        for running in self.nodes.drain(..).flatten() {
            running.stop().await;
        }
        self.nodes = (0..NODES).map(|_| None).collect();
        self.look().unwrap();
    }
}

/// The content of an old journal: records, and the operations it committed to.
type Entries = (BTreeSet<RecordId>, BTreeSet<OperationId>);

fn entries(path: &Path) -> Entries {
    let journal = Store::open(path).unwrap().saved().unwrap().journal;
    let committed = journal.values().filter_map(|entry| {
        let what = &entry.record.body.what;
        let is_commit = matches!(what, Statement::Commit { .. });
        what.operation().filter(|_| is_commit)
    });
    (journal.keys().copied().collect(), committed.collect())
}

/// Whether a node that rejoined at this height may have signed the record.
fn is_after(record: &Record, height: u64, old: OperationId) -> bool {
    match &record.body.what {
        Statement::Rejoin { .. } => true,
        what => match what.slot() {
            Some(slot) => {
                slot.height().is_none_or(|at| at > height) && slot.operation() != Some(old)
            }
            None => what.operation() != Some(old),
        },
    }
}

/// The next event of a kind.
async fn next(events: &mut Subscription, is_it: impl Fn(&Event) -> bool) -> Event {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            match events.next().await {
                Some(Notice::Event(event)) if is_it(&event) => return event,
                Some(_) => {}
                None => panic!("the node is gone"),
            }
        }
    });
    waited.await.expect("the event comes in time")
}

fn is_loss(event: &Event) -> bool {
    matches!(event, Event::JournalLost)
}

/// Without peers it can sign its `Rejoin` and nothing else.
async fn signs_nothing_but_its_rejoin(node: &Node, old: OperationId) {
    let engine = node.engine();
    let lost = EngineError::Refused(Refusal::JournalLost);
    let voted = engine.vote(old, result("41")).await;
    assert_eq!(voted.unwrap_err(), lost);
    let proposed = engine.propose_claim(claim("1 + 1"), b"2".to_vec()).await;
    assert_eq!(proposed.unwrap_err(), lost);
    assert!(lost.to_string().contains("until a seal lists its Rejoin"));
    until("it is about to rejoin", || {
        engine.seal_status().signing == "rejoining"
    })
    .await;
    let signed = node.store().saved().unwrap().journal;
    let is_rejoin = |record: &Record| matches!(record.body.what, Statement::Rejoin { .. });
    assert!(
        signed.values().all(|entry| is_rejoin(&entry.record)),
        "{signed:?}"
    );
    assert_eq!(signed.len(), 1);
}

/// Removes the journal, or replaces it with an old one.
async fn lose(is_old_copy: bool) {
    let mut five = Five::new().await;
    five.decide(0, &[0, 1, 2, 3, 4]).await;
    let backup = Directory::new();
    if is_old_copy {
        five.stop_loser().await;
        copy_files(&five.path(), backup.path());
        five.start_loser().await;
    }
    five.decide(LOSER, &[0, 1, 2, 3, 4]).await;
    let old = five.leave_open().await;
    five.look().unwrap();
    five.stop_loser().await;
    five.look().unwrap();
    let journal = five.path().join("journal.redb");
    if is_old_copy {
        std::fs::copy(backup.path().join("journal.redb"), &journal).unwrap();
    } else {
        std::fs::remove_file(&journal).unwrap();
    }
    // The records that it had shown are gone from its journal, but they are in the blocks of other nodes.
    five.promises[LOSER] = Promises::default();
    let kept = entries(&five.path());

    // Each start reports the loss until the node has signed its Rejoin.
    for _ in 0..2 {
        let store = Store::open(&five.path()).unwrap();
        let loaded = store.load(Arc::new(identity(LOSER)), SystemClock.now_ms());
        let lost = loaded.unwrap().journal_lost.unwrap();
        assert!(
            lost.to_string()
                .contains("it was deleted, or is an old copy")
        );
    }
    let (node, mut events) = five.start_alone();
    assert!(node.opened().journal_lost.is_some());
    next(&mut events, is_loss).await;
    if is_old_copy {
        // The old copy still holds the old entries; the next record to be signed is its Rejoin.
        let voted = node.engine().vote(old, result("41")).await;
        assert_eq!(voted, Err(EngineError::Refused(Refusal::JournalLost)));
        until("it is about to rejoin", || {
            node.engine().seal_status().signing == "rejoining"
        })
        .await;
    } else {
        signs_nothing_but_its_rejoin(&node, old).await;
    }
    node.shutdown().await;
    drop((node, events));

    // After a stop between its Rejoin and the seal that lists it, it still waits for the seal.
    let (node, events) = five.start_alone();
    assert_eq!(node.opened().journal_lost, None, "the Rejoin stands in it");
    let voted = node.engine().vote(old, result("41")).await;
    assert_eq!(voted, Err(EngineError::Refused(Refusal::JournalLost)));
    assert_eq!(node.engine().seal_status().signing, "rejoining");
    node.shutdown().await;
    drop((node, events));

    five.decide(0, &[0, 2, 3, 4]).await;
    let events = five.start_loser().await;
    five.is_back(events, old, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_journal_rejoins() {
    lose(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_an_old_journal_rejoins() {
    lose(true).await;
}

/// The disk does not show that both databases are old. An open operation or sealed blocks from the network do.
async fn restore_both(is_all_closed: bool) {
    let mut five = Five::new().await;
    let old = five.leave_open().await;
    five.decide(0, &[0, 1, 2, 3, 4]).await;
    let backup = Directory::new();
    five.stop_loser().await;
    copy_files(&five.path(), backup.path());
    five.start_loser().await;
    let newer = if is_all_closed {
        five.decide(LOSER, &[0, 1, 2, 3, 4]).await
    } else {
        five.leave_open().await
    };
    five.look().unwrap();
    five.stop_loser().await;
    five.look().unwrap();
    copy_files(backup.path(), &five.path());
    five.promises[LOSER] = Promises::default();
    let kept = entries(&five.path());
    let mut events = five.start_loser().await;
    assert_eq!(five.node(LOSER).opened().journal_lost, None);
    next(&mut events, is_loss).await;
    // Its journal still knows one of these commits; the other comes from its peers.
    let old = if is_all_closed { old } else { newer };
    five.is_back(events, old, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_restored_as_a_whole_learns_from_an_open_operation_what_it_forgot() {
    restore_both(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_restored_as_a_whole_learns_from_blocks_what_it_forgot() {
    restore_both(true).await;
}

/// The limit of this protection, which also proves that the test would notice: a node restored as a whole, without peers
/// that show its old records, signs again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_signed_twice_is_caught() {
    let mut five = Five::new().await;
    let engine = five.node(0).engine();
    let asked = engine.propose_claim(claim("6 * 9"), b"42".to_vec());
    let id = asked.await.unwrap();
    let is_open = || {
        let status = five.node(LOSER).engine().status(&id);
        status.is_some_and(|status| status.phase == "committing")
    };
    until("the claim is open", is_open).await;
    five.stop_loser().await;
    let backup = Directory::new();
    copy_files(&five.path(), backup.path());
    for text in ["42", "41"] {
        let (node, _) = five.start_alone();
        node.engine().vote(id, result(text)).await.unwrap();
        node.shutdown().await;
        drop(node);
        let looked = five.look();
        match text {
            "42" => looked.unwrap(),
            _ => assert!(looked.unwrap_err().contains("signed Commit")),
        }
        copy_files(backup.path(), &five.path());
        five.promises[LOSER] = Promises::default();
    }
    for running in five.nodes.drain(..).flatten() {
        running.stop().await;
    }
}
