//! A full or broken disk stops its node, which gives the reason. No record is sent before it is written. Rules: C2, C5.

use std::collections::BTreeSet;
use std::time::Duration;

use mycnet_consensus::engine::{EngineError, OperationFilter};
use mycnet_consensus::internals::record::{Record, Signed};
use mycnet_consensus::node::{Builder, Node, Stopped};
use mycnet_consensus::store::Store;
use mycnet_consensus::{Ballot, Genesis, NodeId, OperationId, RecordId};

use crate::federation::{
    Directory, PATIENCE, Running, claim, genesis, node_id, settled, start, until,
};
use crate::medium::{Disk, Survives};

/// The node whose disk fails.
const VICTIM: usize = 1;

fn result() -> Ballot {
    Ballot::Result(b"42".to_vec())
}

/// All nodes vote on all open operations, the victim too until it stops.
async fn vote(nodes: &[Running]) {
    let is_open = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    for running in nodes {
        let engine = running.node.engine();
        for view in engine.operations(&is_open).unwrap() {
            // The vote may come too late.
            let _ = engine.vote(view.operation, result()).await;
        }
    }
}

/// Three nodes with good disks, and one on this disk.
async fn network(directory: &Directory, genesis: &Genesis, disk: &Disk) -> Vec<Running> {
    let mut nodes = start(directory.path(), genesis, 1).await;
    let [ledger, journal] = disk.files();
    let store = Store::create_on(ledger, journal, genesis, node_id(VICTIM)).unwrap();
    let card = nodes[0].card();
    let with = |builder: Builder| builder.peers([card]);
    nodes.push(Running::start_on(store, VICTIM, 0, with).await);
    for n in 2..4 {
        let running = Running::start(directory.path(), genesis, n).await;
        for other in &nodes {
            running.node.transport().unwrap().remember(&other.card());
        }
        nodes.push(running);
    }
    nodes
}

/// The records of this author that other nodes hold and its disk must hold too: unsealed ones, and those of heights it lacks.
fn shown(others: &[&Running], author: NodeId, above: u64) -> BTreeSet<RecordId> {
    let mut shown = BTreeSet::new();
    let mut see = |record: &Record| {
        if record.body.by == author {
            shown.insert(record.body.id());
        }
    };
    for running in others {
        let store = running.node.store();
        let saved = store.saved().unwrap();
        for bytes in saved.records.values().chain(saved.votes.values()) {
            see(Signed::decode(bytes).unwrap().record());
        }
        for height in above + 1..=store.height().unwrap() {
            let block = store.block(height).unwrap().unwrap();
            block.records.iter().for_each(&mut see);
            block.certificate.votes.iter().for_each(&mut see);
        }
    }
    shown
}

/// A network whose victim's disk fails.
struct Failing {
    directory: Directory,
    disk: Disk,
    nodes: Vec<Running>,
    /// The operations that closed before.
    closed: OperationId,
    height: u64,
}

impl Failing {
    async fn new() -> Self {
        let (directory, disk) = (Directory::new(), Disk::default());
        let nodes = network(&directory, &genesis(4), &disk).await;
        let asked = nodes[0].node.engine();
        let closed = asked.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
        let closed = closed.unwrap();
        until("the claim is open everywhere", || {
            nodes.iter().all(|it| it.node.engine().height() > 0)
        })
        .await;
        vote(&nodes).await;
        settled(&nodes).await;
        let height = nodes[VICTIM].node.engine().height();
        Self {
            directory,
            disk,
            nodes,
            closed,
            height,
        }
    }

    fn others(&self) -> Vec<&Running> {
        [0, 2, 3].map(|n| &self.nodes[n]).into()
    }

    /// Goes on until the victim stops. Returns its last answer and the reason of its stop.
    async fn until_it_stops(&self, victim: &Node) -> (EngineError, Stopped) {
        loop {
            let asked = self.nodes[0].node.engine();
            // It may have too many open proposals.
            let _ = asked.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
            vote(&self.nodes).await;
            let unanswered = victim
                .engine()
                .propose_claim(claim("7 * 6"), b"42".to_vec());
            if let Err(error @ EngineError::Stopped(_)) = unanswered.await {
                return (error, victim.stopped().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its connections are closed, on both ends.
    async fn is_gone(&self, victim: &Node) {
        assert_eq!(victim.transport().unwrap().peers(), []);
        until("the others see it go", || {
            self.others().iter().all(|it| {
                let peers = it.node.transport().unwrap().peers();
                peers.iter().all(|peer| peer.author != node_id(VICTIM))
            })
        })
        .await;
    }

    /// It shows the state of the last write, and sent nothing later.
    fn shows_what_is_written(&self, victim: &Node) {
        let (engine, store) = (victim.engine(), victim.store());
        let reading = store.height().unwrap();
        assert_eq!(engine.height(), reading, "what the disk last took");
        assert!(reading >= self.height);
        assert_eq!(engine.status(&self.closed).unwrap().phase, "closed");
        let all = engine.operations(&OperationFilter::default());
        assert!(!all.unwrap().is_empty());
        let journal = store.saved().unwrap().journal;
        let mut own: BTreeSet<RecordId> = journal.into_keys().collect();
        for height in 1..=reading {
            let block = store.block(height).unwrap().unwrap();
            own.extend(block.records.iter().map(|record| record.body.id()));
        }
        let shown = shown(&self.others(), engine.node_id(), reading);
        assert!(
            shown.is_subset(&own),
            "nothing was sent that was not written"
        );
    }

    /// With free space again it goes on.
    async fn mend(mut self, at: u64) {
        self.nodes.remove(VICTIM).stop().await;
        self.disk.full_at(None);
        self.disk.restart(Survives::All, at);
        let [ledger, journal] = self.disk.files();
        let store = Store::open_on(ledger, journal).unwrap();
        let card = self.nodes[0].card();
        let with = |builder: Builder| builder.peers([card]);
        let back = Running::start_on(store, VICTIM, 0, with).await;
        assert_eq!(back.node.opened().journal_lost, None);
        self.nodes.push(back);
        let nodes = &self.nodes;
        until("all are at one seal", || {
            let first = nodes[0].digest();
            nodes.iter().all(|it| it.digest() == first)
        })
        .await;
        assert_eq!(nodes[0].node.engine().evidence().unwrap(), []);
        for running in self.nodes {
            running.stop().await;
        }
        drop(self.directory);
    }
}

/// Lets the disk of a node fail from this write on, and checks the consequences.
async fn fail(at: u64, is_readable: bool) {
    let failing = Failing::new().await;
    let victim = failing.nodes[VICTIM].node.clone();
    let mut events = victim.engine().subscribe();
    let from = failing.disk.writes() + at;
    if is_readable {
        failing.disk.full_at(Some(from));
    } else {
        failing.disk.stop_at(from);
    }
    let stopped = tokio::time::timeout(PATIENCE, failing.until_it_stops(&victim)).await;
    let (error, stopped) = stopped.expect("the node stops");
    let Stopped::Failed(reason) = &stopped else {
        panic!("{stopped:?}");
    };
    assert!(reason.contains("the disk failed"), "{reason}");
    assert_eq!(error, EngineError::Stopped(reason.clone()));
    let again = victim.engine().propose_claim(claim("1 + 1"), b"2".to_vec());
    assert_eq!(again.await, Err(EngineError::Stopped(reason.clone())));
    assert_eq!(victim.shutdown().await, stopped, "once is enough");
    while events.next().await.is_some() {}
    failing.is_gone(&victim).await;
    if is_readable {
        failing.shows_what_is_written(&victim);
    } else {
        // Nothing can be read, but no caller waits for ever and nothing panics.
        assert!(victim.engine().height() >= failing.height);
        let _ = victim.engine().operations(&OperationFilter::default());
    }
    drop((events, victim));
    failing.mend(at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_its_node_with_the_reason() {
    for at in [1, 30] {
        fail(at, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_disk_stops_its_node_with_the_reason() {
    fail(12, false).await;
}
