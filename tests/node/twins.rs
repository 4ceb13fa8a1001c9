//! A copy of a node's directory is started beside it: neither signs, nobody is banned, and a person ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mycnet_consensus::core::Refusal;
use mycnet_consensus::engine::{Clock, EngineError, SystemClock};
use mycnet_consensus::{Ballot, Outcome};

use crate::federation::{Directory, PATIENCE, Running, claim, genesis, node_id, start, until};
use crate::promises::copy_files;

/// The system's clock, and more.
#[derive(Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() + self.0.load(Ordering::SeqCst)
    }
}

fn result() -> Ballot {
    Ballot::Result(b"42".to_vec())
}

fn signing(running: &Running) -> String {
    running.node.engine().seal_status().signing.into_owned()
}

fn met(running: &Running) -> usize {
    running.node.transport().unwrap().peers().len()
}

/// A claim that the first of these nodes makes and all of them decide.
async fn decide(nodes: &[&Running]) {
    let asked = nodes[0].node.engine();
    let id = asked.propose_claim(claim("6 * 7"), b"42".to_vec()).await;
    let id = id.unwrap();
    for running in &nodes[1..] {
        let engine = running.node.engine();
        until("the claim is known", || engine.status(&id).is_some()).await;
        engine.vote(id, result()).await.unwrap();
    }
    let last = nodes[nodes.len() - 1].node.engine();
    let outcome = tokio::time::timeout(PATIENCE, last.execute_reveal_phase(id)).await;
    assert_eq!(
        outcome.expect("in time").unwrap(),
        Outcome::Decided(result())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_machines_with_one_key_neither_signs_until_one_is_said_to_live() {
    let (directory, copy, genesis) = (Directory::new(), Directory::new(), genesis(4));
    let mut nodes = start(directory.path(), &genesis, 4).await;
    // Otherwise its directory names nobody, and its copies would wait for somebody whom they do not know either.
    until("all have met", || {
        nodes.iter().all(|running| met(running) == 3)
    })
    .await;
    nodes.remove(0).stop().await;
    let place = copy.path().join("0");
    std::fs::create_dir_all(&place).unwrap();
    copy_files(&directory.path().join("0"), &place);
    let clock = Arc::new(Ahead::default());
    let with = clock.clone();
    let one = Running::start_with(directory.path(), &genesis, 0, |it| it.clock(with)).await;
    let other = Running::start(copy.path(), &genesis, 0).await;
    for running in [&one, &other] {
        until("it knows of its twin", || signing(running) == "twin").await;
        let seen = running.node.twin().expect("it has seen it");
        assert!(seen.through.is_some(), "an endpoint does not dial itself");
        let proposed = running
            .node
            .engine()
            .propose_claim(claim("1 + 1"), b"2".to_vec());
        let refused = EngineError::Refused(Refusal::Twin);
        assert_eq!(proposed.await.unwrap_err(), refused);
    }
    let says_so = || {
        let peers = nodes[0].node.transport().unwrap().peers().into_iter();
        let mut primary = peers.filter(|peer| peer.author == node_id(0));
        primary.any(|peer| peer.signing.name() == "twin")
    };
    until("its peers hear of it", says_so).await;
    let others: Vec<&Running> = nodes.iter().collect();
    decide(&others).await;

    // The copy is stopped. It takes a minute of silence and a person's word until the other one goes on.
    other.stop().await;
    one.stop().await;
    let with = clock.clone();
    let one = Running::start_with(directory.path(), &genesis, 0, |it| it.clock(with)).await;
    assert_eq!(signing(&one), "twin", "a restart does not end it");
    let engine = one.node.engine();
    let refused = engine.outlive_twin().await.unwrap_err();
    assert!(
        matches!(refused, EngineError::Refused(Refusal::TwinAnswers(_))),
        "{refused}"
    );
    until("it met the others", || met(&one) > 0).await;
    clock.0.store(61_000, Ordering::SeqCst);
    let start = std::time::Instant::now();
    while let Err(refused) = engine.outlive_twin().await {
        assert_eq!(refused, EngineError::Refused(Refusal::NobodyMet));
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    until("its Rejoin is sealed", || signing(&one) == "ready").await;
    let all: Vec<&Running> = nodes.iter().chain([&one]).collect();
    // It votes on nothing that was asked before its Rejoin was sealed.
    until("all know of its Rejoin", || {
        all.iter().all(|running| running.digest() == one.digest())
    })
    .await;
    decide(&all).await;
    for running in &all {
        assert!(running.node.engine().evidence().unwrap().is_empty());
        assert!(
            running.node.engine().trust(&node_id(0)) > 0,
            "nobody is banned"
        );
    }
}
