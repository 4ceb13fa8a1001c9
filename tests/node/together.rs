//! Nodes that are connected decide together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mycnet_consensus::engine::{Clock, SystemClock};
use mycnet_consensus::node::Builder;
use mycnet_consensus::{Ballot, ConsensusOperation, Outcome};

use crate::federation::{Directory, Running, claim, genesis, settled, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_decide_a_claim_and_a_configuration() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let nodes = start(directory.path(), &genesis, 4).await;
    let begun = Instant::now();
    let result = |text: &str| Ballot::Result(text.as_bytes().to_vec());
    let id = nodes[0]
        .node
        .engine()
        .propose_claim(claim("6 * 7"), b"42".to_vec())
        .await
        .unwrap();
    for (node, text) in nodes[1..].iter().zip(["42", "42", "41"]) {
        until("the claim is known", || {
            node.node.engine().status(&id).is_some()
        })
        .await;
        node.node.engine().vote(id, result(text)).await.unwrap();
    }
    for node in &nodes {
        let outcome = node.node.engine().execute_reveal_phase(id).await.unwrap();
        assert_eq!(outcome, Outcome::Decided(result("42")));
    }
    println!("claim: {:?}", begun.elapsed());
    let motd = ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: b"welcome".to_vec(),
    };
    let id = nodes[3]
        .node
        .engine()
        .propose_operation(motd)
        .await
        .unwrap();
    for node in &nodes[..3] {
        until("the change is known", || {
            node.node.engine().status(&id).is_some()
        })
        .await;
        node.node.engine().vote(id, Ballot::Approve).await.unwrap();
    }
    for node in &nodes {
        let outcome = node.node.engine().execute_reveal_phase(id).await.unwrap();
        assert_eq!(outcome, Outcome::Decided(Ballot::Approve));
        assert_eq!(node.node.engine().config()["motd"], b"welcome");
    }
    settled(&nodes).await;
    println!("both: {:?}", begun.elapsed());
    for node in nodes {
        node.stop().await;
    }
}

/// A clock that was set back by this number of milliseconds.
#[derive(Default)]
struct SetBack(AtomicU64);

impl Clock for SetBack {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() - self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_set_back_make_nobody_wait_for_as_long() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let clock = Arc::new(SetBack::default());
    let mut nodes: Vec<Running> = Vec::new();
    // The first proposer is away: the others have to stop waiting for it.
    for n in 1..4 {
        let with = |builder: Builder| builder.clock(clock.clone());
        let running = Running::start_with(directory.path(), &genesis, n, with).await;
        for other in &nodes {
            running.node.transport().unwrap().remember(&other.card());
        }
        nodes.push(running);
    }
    for running in &nodes {
        let transport = running.node.transport().unwrap();
        until("they meet", || transport.peers().len() == 2).await;
    }
    clock.0.store(3_600_000, Ordering::SeqCst);
    let engine = nodes[0].node.engine();
    let proposed = engine.propose_claim(claim("6 * 7"), b"42".to_vec());
    proposed.await.unwrap();
    until("it is sealed", || {
        nodes.iter().all(|it| it.node.engine().height() > 0)
    })
    .await;
    for running in nodes {
        running.stop().await;
    }
}
