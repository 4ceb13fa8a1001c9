//! A member commits and is away when the operation is frozen: its reveal still counts, without anybody's help. Rules: P2, P4.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use mycnet_consensus::core::Pending;
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Ballot, Genesis, OperationId};

use crate::federation::{
    Directory, PATIENCE, Running, claim, genesis, identity, node_id, patient_genesis, start, until,
};
use crate::process::{Order, Process, Setup, Told};

/// Who goes away.
const AWAY: usize = 3;

fn result() -> Ballot {
    Ballot::Result(b"42".to_vec())
}

struct Absence {
    directory: Directory,
    genesis: Genesis,
    nodes: Vec<Running>,
}

impl Absence {
    /// Three nodes that stay.
    async fn new() -> Self {
        let (directory, genesis) = (Directory::new(), patient_genesis(4));
        let nodes = start(directory.path(), &genesis, 3).await;
        Self {
            directory,
            genesis,
            nodes,
        }
    }

    async fn propose(&self) -> OperationId {
        let engine = self.nodes[0].node.engine();
        let asked = engine.propose_claim(claim("6 * 7"), b"42".to_vec());
        asked.await.unwrap()
    }

    /// Waits until the others have the commit of the leaving node.
    async fn has_committed(&self, id: OperationId) {
        for running in &self.nodes {
            until("the commit is sealed", || {
                let status = running.node.engine().status(&id);
                status.is_some_and(|status| match status.waits_for {
                    Pending::Commits(of) => !of.contains(&node_id(AWAY)),
                    _ => false,
                })
            })
            .await;
        }
    }

    /// The others go on until only the reveal of the absent node is missing.
    async fn freeze(&self, id: OperationId) {
        let [one, other] = [1, 2].map(|n| self.nodes[n].node.engine());
        // Together: once the grace is over, a quorum of commits is frozen without the others.
        let voted = tokio::join!(one.vote(id, result()), other.vote(id, result()));
        assert!(voted.0.is_ok() && voted.1.is_ok(), "{voted:?}");
        let engine = self.nodes[0].node.engine();
        until("only one reveal is missing", || {
            let status = engine.status(&id).unwrap();
            status.phase == "decided" && status.waits_for == Pending::Reveals(vec![node_id(AWAY)])
        })
        .await;
    }

    /// The reveal came and was sealed, which closes the operation long before its window ends.
    async fn is_revealed(&self, id: OperationId, since: Instant) {
        let (engine, store) = (self.nodes[0].node.engine(), self.nodes[0].node.store());
        until("the reveal is sealed", || {
            let closed = store.closed(&id).unwrap();
            closed.is_some_and(|closed| closed.reveals().contains_key(&node_id(AWAY)))
        })
        .await;
        println!("revealed {:?} after its return", since.elapsed());
        let trust_ppm = engine.trust(&node_id(AWAY));
        assert!(
            trust_ppm > engine.params().founder_trust_ppm,
            "a coherent vote"
        );
    }

    async fn end(self) {
        for running in self.nodes {
            running.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_stopped_before_the_freeze_reveals_when_it_is_back() {
    let absence = Absence::new().await;
    let peers = absence.nodes[0].node.ticket().unwrap().peers;
    let path = absence.directory.path();
    let away =
        Running::start_with(path, &absence.genesis, AWAY, |builder| builder.peers(peers)).await;
    let id = absence.propose().await;
    until("the claim is known", || {
        away.node.engine().status(&id).is_some()
    })
    .await;
    away.node.engine().vote(id, result()).await.unwrap();
    absence.has_committed(id).await;
    away.stop().await;
    absence.freeze(id).await;
    let since = Instant::now();
    let away = Running::start(path, &absence.genesis, AWAY).await;
    absence.is_revealed(id, since).await;
    away.stop().await;
    absence.end().await;
}

/// Starts the one that goes as a process of its own, and lets it commit.
async fn commit_in_a_process(
    absence: &Absence,
) -> (Setup, Process, Receiver<((), Told)>, OperationId) {
    let setup = Setup {
        directory: absence.directory.path().to_str().unwrap().to_owned(),
        n: AWAY,
        members: 4,
        port: 0,
        tickets: vec![absence.nodes[0].node.ticket().unwrap().to_string()],
        seed: 0,
        is_hasty: false,
        is_patient: true,
    };
    let (teller, told) = mpsc::channel();
    let mut away = Process::start(&setup, (), teller);
    let id = absence.propose().await;
    let result = "42".to_owned();
    until("it starts", || {
        matches!(told.try_recv(), Ok(((), Told::Started { .. })))
    })
    .await;
    until("it has heard of the claim", || {
        away.order(&Order::Vote {
            operation: id,
            result: result.clone(),
        });
        std::thread::sleep(Duration::from_millis(50));
        told.try_iter()
            .any(|((), told)| matches!(told, Told::Voted(_)))
    })
    .await;
    absence.has_committed(id).await;
    (setup, away, told, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_before_the_freeze_reveals_when_it_is_back() {
    let absence = Absence::new().await;
    let (mut setup, mut away, _told, id) = commit_in_a_process(&absence).await;
    away.kill();
    absence.freeze(id).await;
    let since = Instant::now();
    setup.tickets.clear();
    let (teller, _told) = mpsc::channel();
    let away = Process::start(&setup, (), teller);
    absence.is_revealed(id, since).await;
    drop(away);
    absence.end().await;
}

/// Like a laptop that is closed until all connections have timed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_through_the_freeze_reveals_when_it_wakes_up() {
    let absence = Absence::new().await;
    let (_setup, away, _told, id) = commit_in_a_process(&absence).await;
    away.signal("STOP");
    absence.freeze(id).await;
    for running in &absence.nodes {
        let transport = running.node.transport().unwrap();
        until("the connection times out", || {
            let peers = transport.peers();
            peers.iter().all(|peer| peer.author != node_id(AWAY))
        })
        .await;
    }
    let since = Instant::now();
    away.signal("CONT");
    absence.is_revealed(id, since).await;
    drop(away);
    absence.end().await;
}

/// Takes a node up that has no endpoint.
fn unconnected(path: &Path, genesis: &Genesis, n: usize) -> Node {
    let path = path.join(n.to_string());
    let store = Store::open(&path).or_else(|_| Store::create(&path, genesis, node_id(n)));
    let builder = Node::builder(store.unwrap(), Arc::new(identity(n)));
    builder.spawn().unwrap()
}

/// Somebody carries all that one node has to another.
async fn carry(from: &Node, to: &Node) {
    let mut bundle = Vec::new();
    from.engine().export_bundle(1, &mut bundle).unwrap();
    let imported = to.engine().import_bundle(bundle.as_slice()).await;
    imported.unwrap();
}

/// Carries a stick round until something holds.
async fn carry_round(nodes: &[&Node], what: &str, holds: impl Fn() -> bool) {
    let carried = tokio::time::timeout(PATIENCE, async {
        for hop in (0..nodes.len()).cycle() {
            if holds() {
                break;
            }
            carry(nodes[hop], nodes[(hop + 1) % nodes.len()]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let status = || nodes.iter().map(|node| node.engine().seal_status());
    assert!(
        carried.await.is_ok(),
        "not in time: {what}: {:#?}",
        status().collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_only_files_reach_reveals_in_the_next_one() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let stay: Vec<Node> = (0..3)
        .map(|n| unconnected(directory.path(), &genesis, n))
        .collect();
    let away = unconnected(directory.path(), &genesis, AWAY);
    let asked = stay[0].engine();
    let asked = asked.propose_claim(claim("6 * 7"), b"42".to_vec());
    let id = asked.await.unwrap();
    carry(&stay[0], &away).await;
    away.engine().vote(id, result()).await.unwrap();
    carry(&away, &stay[0]).await;
    away.shutdown().await;
    drop(away);

    carry(&stay[0], &stay[1]).await;
    carry(&stay[1], &stay[2]).await;
    for node in &stay[1..] {
        node.engine().vote(id, result()).await.unwrap();
    }
    let nodes: Vec<&Node> = stay.iter().collect();
    carry_round(&nodes, "only one reveal is missing", || {
        let status = stay[0].engine().status(&id).unwrap();
        status.phase == "decided" && status.waits_for == Pending::Reveals(vec![node_id(AWAY)])
    })
    .await;

    let away = unconnected(directory.path(), &genesis, AWAY);
    carry(&stay[0], &away).await;
    carry(&away, &stay[0]).await;
    carry_round(&nodes, "the reveal is sealed", || {
        let closed = stay[0].store().closed(&id).unwrap();
        closed.is_some_and(|closed| closed.reveals().contains_key(&node_id(AWAY)))
    })
    .await;
    for node in stay.into_iter().chain([away]) {
        node.shutdown().await;
    }
}

/// Its peer moved so often that all the addresses that it has are old: a ticket tells of another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_worth_more_than_what_was_kept() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let mut nodes = start(directory.path(), &genesis, 1).await;
    let path = directory.path().join("1");
    let store = Store::create(&path, &genesis, node_id(1)).unwrap();
    let ticket = nodes[0].card();
    let mut old = ticket.clone();
    // No process listens there.
    old.addresses = (1..=8).map(|port| format!("127.0.0.1:{port}")).collect();
    let row = mycnet_consensus::internals::codec::encode(&vec![old]);
    store.put_peer(&node_id(0), &row).unwrap();
    let with = |builder: mycnet_consensus::node::Builder| builder.peers([ticket]);
    nodes.push(Running::start_on(store, 1, 0, with).await);
    until("they meet", || {
        let transport = nodes[1].node.transport().unwrap();
        !transport.peers().is_empty()
    })
    .await;
    for running in nodes {
        running.stop().await;
    }
}

/// Stored addresses fill the address book: new ones still find a place, and those of former peers leave the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_has_a_place_whatever_was_kept() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let mut nodes = start(directory.path(), &genesis, 1).await;
    let path = directory.path().join("1");
    let store = Store::create(&path, &genesis, node_id(1)).unwrap();
    let ticket = nodes[0].card();
    let kept: Vec<_> = (1000..3100)
        .map(|n| {
            let mut card = ticket.clone();
            card.author = Some(node_id(n));
            card.endpoint = mycnet_consensus::Digest::from_bytes(*node_id(n).as_bytes());
            card.addresses = vec!["127.0.0.1:1".to_owned()];
            card
        })
        .collect();
    let row = mycnet_consensus::internals::codec::encode(&kept);
    store.put_peer(&node_id(1000), &row).unwrap();
    store
        .put_peer(&node_id(4000), b"nothing that reads")
        .unwrap();
    let with = |builder: mycnet_consensus::node::Builder| builder.peers([ticket]);
    nodes.push(Running::start_on(store, 1, 0, with).await);
    until("they meet", || {
        let transport = nodes[1].node.transport().unwrap();
        !transport.peers().is_empty()
    })
    .await;
    until("the row that leads nowhere is gone", || {
        let kept = nodes[1].node.store().peers().unwrap();
        !kept.contains_key(&node_id(4000))
    })
    .await;
    for running in nodes {
        running.stop().await;
    }
}
