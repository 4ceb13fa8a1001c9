//! How a node stops, and how its users notice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::{EngineError, Notice};
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::node::{Node, Stopped};
use mycnet_consensus::store::{Store, StoreError};
use mycnet_consensus::{Ballot, Genesis, Identity, NodeId, Outcome, Signer, SignerError};

use crate::federation::{
    Directory, PATIENCE, Running, claim, genesis, identity, node_id, start, until,
};

fn result() -> Ballot {
    Ballot::Result(b"42".to_vec())
}

/// The only node of a network, without an endpoint.
fn alone(directory: &Path, genesis: &Genesis) -> Node {
    let store = if directory.join("ledger.redb").exists() {
        Store::open(directory).unwrap()
    } else {
        Store::create(directory, genesis, node_id(0)).unwrap()
    };
    Node::builder(store, Arc::new(identity(0))).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_what_waits_and_frees_the_disk_with_the_last_handle() {
    let (directory, genesis) = (Directory::new(), genesis(1));
    for round in 0..20 {
        let node = alone(directory.path(), &genesis);
        let engine = node.engine().clone();
        let id = engine.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
        let id = id.unwrap();
        let outcome = engine.execute_reveal_phase(id).await.unwrap();
        assert_eq!(outcome, Outcome::Decided(result()));
        let second = Store::open(directory.path());
        assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
        let mut events = engine.subscribe();
        assert_eq!(node.shutdown().await, Stopped::Orderly);
        assert_eq!(node.shutdown().await, Stopped::Orderly, "once is enough");
        while events.next().await.is_some() {}
        assert!(engine.subscribe().next().await.is_none());
        let refused = engine.propose_claim(claim("1 + 1"), b"2".to_vec()).await;
        let why = "it was shut down".to_owned();
        assert_eq!(refused, Err(EngineError::Stopped(why)));
        // Questions are still answered, by the engine and by the disk.
        assert_eq!(engine.outcome(&id), Some(Outcome::Decided(result())));
        assert!(node.store().closed(&id).unwrap().is_some());
        let second = Store::open(directory.path());
        assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
        drop((node, engine));
        let store = Store::open(directory.path());
        let store = store.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let loaded = store.load(Arc::new(identity(0)), 0).unwrap();
        let found = loaded.found;
        assert_eq!(
            found.applied_records, 0,
            "a checkpoint was written: {found}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_when_its_node_does() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let mut nodes = start(directory.path(), &genesis, 1).await;
    let running = nodes.remove(0);
    let engine = running.node.engine().clone();
    // Alone it has no quorum: the operation stays open.
    let id = engine.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
    let id = id.unwrap();
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.execute_reveal_phase(id).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop().await;
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    let waited = waited.expect("the wait ends").unwrap();
    assert!(matches!(waited, Err(EngineError::Stopped(_))), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_when_the_last_handle_goes() {
    let (directory, genesis) = (Directory::new(), genesis(1));
    let node = alone(directory.path(), &genesis);
    let engine = node.engine().clone();
    let mut events = engine.subscribe();
    drop(node);
    let id = engine.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
    let id = id.expect("an engine is a handle too");
    drop(engine);
    let ended = async { while events.next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it ends");
    // It writes and stops by itself, without a message.
    until("the disk is free", || Store::open(directory.path()).is_ok()).await;
    let node = alone(directory.path(), &genesis);
    let outcome = node.engine().execute_reveal_phase(id).await.unwrap();
    assert_eq!(
        outcome,
        Outcome::Decided(result()),
        "what was promised is kept"
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_is_cancelled_loses_nothing() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let nodes = start(directory.path(), &genesis, 4).await;
    let engine = nodes[0].node.engine();
    let id = engine.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
    let id = id.unwrap();
    for running in &nodes {
        let engine = running.node.engine();
        until("the claim is known", || engine.status(&id).is_some()).await;
        // An input whose caller has gone is still done, wholly or not at all.
        let _ = tokio::time::timeout(Duration::ZERO, engine.vote(id, result())).await;
        for patience_ms in [0, 1, 5] {
            let patience = Duration::from_millis(patience_ms);
            let _ = tokio::time::timeout(patience, engine.execute_reveal_phase(id)).await;
        }
    }
    for running in &nodes {
        let waited = running.node.engine().execute_reveal_phase(id);
        let outcome = tokio::time::timeout(PATIENCE, waited).await;
        assert_eq!(outcome.unwrap().unwrap(), Outcome::Decided(result()));
    }
    for running in nodes {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_listens_holds_nobody_up() {
    let (directory, genesis) = (Directory::new(), genesis(1));
    let node = alone(directory.path(), &genesis);
    let engine = node.engine();
    let (mut slow, mut quick) = (engine.subscribe(), engine.subscribe());
    let counting = tokio::spawn(async move {
        let (mut events, mut seals) = (0_u64, 0_u64);
        while let Some(notice) = quick.next().await {
            match notice {
                Notice::Event(Event::Sealed { height, .. }) => {
                    seals += 1;
                    assert_eq!(height, seals, "in order, and none missing");
                    events += 1;
                }
                Notice::Event(_) => events += 1,
                Notice::Lagged(missed) => panic!("missed {missed}"),
            }
        }
        events
    });
    let mut last = None;
    while engine.height() < 1_100 {
        let id = engine.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
        let id = id.unwrap();
        engine.execute_reveal_phase(id).await.unwrap();
        last = Some(id);
    }
    assert!(last.is_some());
    node.shutdown().await;
    let events = counting.await.unwrap();
    match slow.next().await {
        Some(Notice::Lagged(missed)) => assert_eq!(missed + 1024, events),
        other => panic!("{other:?}"),
    }
    let mut kept = 0;
    while let Some(notice) = slow.next().await {
        assert!(matches!(notice, Notice::Event(_)), "{notice:?}");
        kept += 1;
    }
    assert_eq!(kept, 1024, "it goes on with the oldest that is kept");
}

/// Panics after this number of signatures.
struct Failing {
    identity: Identity,
    left: AtomicI64,
}

impl Signer for Failing {
    fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }

    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, SignerError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        assert!(left > 0, "the test wants it so");
        self.identity.sign(message)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_its_thread_ends_a_node_as_a_broken_disk_does() {
    let (directory, genesis) = (Directory::new(), genesis(2));
    let other = Running::start(directory.path(), &genesis, 1).await;
    let path = directory.path().join("0");
    let store = Store::create(&path, &genesis, node_id(0)).unwrap();
    let signer = Arc::new(Failing {
        identity: identity(0),
        left: AtomicI64::new(i64::MAX),
    });
    let card = other.card();
    let with = |builder: mycnet_consensus::node::Builder| builder.peers([card]);
    let running = Running::start_signing(store, 0, 0, signer.clone(), with).await;
    let peers = |running: &Running| running.node.transport().unwrap().peers().len();
    until("they meet", || peers(&running) == 1 && peers(&other) == 1).await;

    // The first signature is for the proposal, the next ones are for its seal.
    signer.left.store(1, Ordering::SeqCst);
    let engine = running.node.engine();
    let proposed = engine.propose_claim(claim("6 * 7"), b"42".to_vec());
    let proposed = tokio::time::timeout(PATIENCE, proposed).await;
    let proposed = proposed.expect("the wait ends");
    assert!(
        matches!(proposed, Err(EngineError::Stopped(_))),
        "{proposed:?}"
    );
    assert!(signer.left.load(Ordering::SeqCst) < 0, "it panicked");
    let stopped = running.node.stopped().await;
    assert!(matches!(stopped, Stopped::Failed(_)), "{stopped:?}");
    // Records that the disk did not take are not shown.
    assert!(engine.export().is_empty());
    until("the other notices", || peers(&other) == 0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((peers(&running), peers(&other)), (0, 0), "nobody is let in");
    running.stop().await;
    until("the disk is free", || Store::open(&path).is_ok()).await;
    other.stop().await;
}
