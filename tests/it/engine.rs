//! `BFTConsensusEngine`: what programs see, alone and with several linked.

mod certificates;
mod queries;
mod refound;
mod sets;

use std::sync::Arc;
use std::time::Duration;

use mycnet_consensus::core::{Admission, Event, Pending, Refusal};
use mycnet_consensus::engine::{
    EngineError, Hub, ManualClock, Notice, OperationFilter, new_identity,
};
use mycnet_consensus::internals::limits::PAYLOAD_BYTES_MAX;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ConsensusOperation, Consent, Genesis, MemberName, OperationId,
    Outcome, Params, Priority, Signer, Spore,
};

use crate::net::{APPROVED, claim, config, deployment, genesis, identity, node};

/// The members of a network of this genesis, with a clock that stands still.
fn linked(genesis: &Genesis, nodes: usize) -> (Vec<BFTConsensusEngine>, ManualClock) {
    let clock = ManualClock::new(genesis.time_ms);
    let hub = Hub::with_clock(genesis.clone(), Arc::new(clock.clone())).unwrap();
    let engines = (0..nodes).map(|n| hub.join(identity(n)).unwrap()).collect();
    (engines, clock)
}

/// Proposes by node `by` and lets everybody named approve.
async fn approve(
    engines: &[BFTConsensusEngine],
    by: usize,
    operation: ConsensusOperation,
    voters: &[usize],
) -> OperationId {
    let id = engines[by].propose_operation(operation).await.unwrap();
    for n in voters {
        engines[*n].vote(id, Ballot::Approve).await.unwrap();
    }
    id
}

fn result(text: &str) -> Ballot {
    Ballot::Result(text.as_bytes().to_vec())
}

#[tokio::test]
async fn one_node_decides_alone() {
    let engine = BFTConsensusEngine::new(new_identity().unwrap());
    let id = engine.propose_operation(config(b"hello")).await.unwrap();
    let outcome = engine.execute_reveal_phase(id).await;
    assert_eq!(outcome, Ok(Outcome::Decided(Ballot::Approve)));
    assert_eq!(engine.config().get("motd"), Some(&b"hello".to_vec()));
    let id = engine
        .propose_claim(claim(None), b"42".to_vec())
        .await
        .unwrap();
    let outcome = engine.execute_reveal_phase(id).await;
    assert_eq!(outcome, Ok(Outcome::Decided(result("42"))));
    let id = engine.propose_operation(deployment()).await.unwrap();
    assert_eq!(engine.status(&id).unwrap().phase, "authority");
}

#[tokio::test]
async fn several_decide_together_and_agree() {
    let (engines, _) = linked(&genesis(4), 4);
    let id = approve(&engines, 1, config(b"hello"), &[0, 2, 3]).await;
    for engine in &engines {
        let outcome = engine.execute_reveal_phase(id).await;
        assert_eq!(outcome, Ok(Outcome::Decided(Ballot::Approve)));
        assert_eq!(engine.seal(), engines[0].seal());
    }
    let panel = claim(Some(&[1, 2, 3]));
    let id = engines[0]
        .propose_claim(panel, b"42".to_vec())
        .await
        .unwrap();
    for (n, engine) in engines.iter().enumerate().skip(1) {
        let answer = if n == 3 { "41" } else { "42" };
        engine.vote(id, result(answer)).await.unwrap();
    }
    let outcome = engines[3].execute_reveal_phase(id).await;
    assert_eq!(outcome, Ok(Outcome::Decided(result("42"))));
}

#[tokio::test]
async fn refusals_are_errors() {
    let (engines, _) = linked(&genesis(5), 5);
    let unknown = OperationId::from_bytes([1; 32]);
    let nothing = engines[0].execute_reveal_phase(unknown).await;
    assert_eq!(nothing, Err(EngineError::UnknownOperation(unknown)));
    let not_a_claim = engines[0].propose_claim(config(b"x"), Vec::new()).await;
    assert_eq!(
        not_a_claim,
        Err(EngineError::NotAClaim("network_configuration"))
    );
    let high = engines[4]
        .propose_with(config(b"x"), Priority::High, None)
        .await;
    let Err(EngineError::Refused(Refusal::Rejected(rejection))) = high else {
        panic!("{high:?}");
    };
    assert_eq!(rejection.code(), "wrong-role");
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    let again = engines[0].vote(id, Ballot::Reject).await;
    assert_eq!(again, Err(EngineError::Refused(Refusal::AlreadySigned)));
    assert_eq!(engines[0].vote(id, Ballot::Approve).await, Ok(()));
}

#[tokio::test]
async fn no_quorum_is_a_result() {
    let (engines, clock) = linked(&genesis(4), 4);
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    let params = Params::dev();
    let waiting = tokio::spawn({
        let engine = engines[2].clone();
        async move { engine.execute_reveal_phase(id).await }
    });
    tokio::task::yield_now().await;
    for ms in [params.commit_window_ms + 1, params.critical_grace_ms + 1] {
        assert!(!waiting.is_finished());
        clock.advance(ms);
        engines[3].tick();
    }
    let outcome = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert_eq!(outcome.unwrap().unwrap(), Ok(Outcome::NoQuorum));
    assert_eq!(engines[1].outcome(&id), Some(Outcome::NoQuorum));
}

/// A split vote is one too, found by counting and not by waiting.
#[tokio::test]
async fn a_split_vote_is_no_quorum_at_once() {
    let (engines, _) = linked(&genesis(4), 4);
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    for (n, ballot) in [
        (1, Ballot::Approve),
        (2, Ballot::Reject),
        (3, Ballot::Reject),
    ] {
        engines[n].vote(id, ballot).await.unwrap();
    }
    assert_eq!(
        engines[3].execute_reveal_phase(id).await,
        Ok(Outcome::NoQuorum)
    );
    assert_eq!(engines[3].trust(&node(3)), 500_000, "nobody is to blame");
    assert!(engines[3].config().is_empty());
}

#[tokio::test]
async fn waiting_can_be_cancelled_and_loses_nothing() {
    let (engines, _) = linked(&genesis(4), 4);
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    for _ in 0..3 {
        let wait = engines[0].execute_reveal_phase(id);
        let waited = tokio::time::timeout(Duration::from_millis(20), wait).await;
        assert!(waited.is_err(), "three commits are missing");
    }
    for engine in &engines[1..] {
        engine.vote(id, Ballot::Approve).await.unwrap();
    }
    // The reveal happened by itself, so that nothing is left to wait for.
    let wait = engines[0].execute_reveal_phase(id);
    let waited = tokio::time::timeout(Duration::from_millis(20), wait).await;
    assert_eq!(waited, Ok(Ok(Outcome::Decided(Ballot::Approve))));
}

/// The waiting future advances the time itself: no test calls `tick`.
#[tokio::test]
async fn who_waits_lets_the_grace_pass() {
    let mut params = Params::dev();
    params.drift_ms = 10;
    params.step_patience_ms = 40;
    params.critical_grace_ms = 2_000;
    params.claim_grace_ms = 2_000;
    let mut genesis = genesis(4);
    genesis.params = params;
    genesis.time_ms = 0;
    let hub = Hub::new(genesis).unwrap();
    let engines: Vec<_> = (0..4).map(|n| hub.join(identity(n)).unwrap()).collect();
    let id = approve(&engines, 1, config(b"x"), &[0, 2]).await;
    assert_eq!(engines[1].outcome(&id), None, "node 3 has not committed");
    let wait = engines[1].execute_reveal_phase(id);
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert_eq!(waited, Ok(Ok(Outcome::Decided(Ballot::Approve))));
}

#[tokio::test]
async fn a_missing_primary_is_stepped_over_by_time() {
    // Node 0, the Primary, never joins.
    let genesis = genesis(4);
    let clock = ManualClock::new(genesis.time_ms);
    let hub = Hub::with_clock(genesis.clone(), Arc::new(clock.clone())).unwrap();
    let engines: Vec<_> = (1..4).map(|n| hub.join(identity(n)).unwrap()).collect();
    let id = approve(&engines, 0, config(b"x"), &[1, 2]).await;
    for _ in 0..40 {
        clock.advance(genesis.params.step_patience_ms);
        engines[0].tick();
    }
    assert_eq!(engines[2].outcome(&id), APPROVED);
    assert_eq!(engines[2].status(&id).unwrap().phase, "closed");
}

/// Operations may be large, and a seal may take many: a block of them does not fit a frame.
#[tokio::test]
async fn who_comes_late_catches_up_over_a_large_block() {
    let genesis = genesis(4);
    let clock = ManualClock::new(genesis.time_ms);
    let hub = Hub::with_clock(genesis.clone(), Arc::new(clock.clone())).unwrap();
    let engines: Vec<_> = (1..4).map(|n| hub.join(identity(n)).unwrap()).collect();
    // Without the Primary nothing is sealed until somebody loses patience.
    for _ in 0..40 {
        let large = config(&[7; PAYLOAD_BYTES_MAX]);
        engines[0].propose_operation(large).await.unwrap();
    }
    for _ in 0..10 {
        clock.advance(genesis.params.step_patience_ms);
        engines[0].tick();
    }
    assert_eq!(
        engines[0]
            .operations(&OperationFilter::default())
            .unwrap()
            .len(),
        40
    );
    assert!(engines[0].height() < 5, "many in one seal");
    let late = hub.join(identity(0)).unwrap();
    assert_eq!(late.seal(), engines[0].seal());
}

#[tokio::test]
async fn a_standard_operation_goes_through_the_hierarchy() {
    let (engines, clock) = linked(&genesis(5), 5);
    let id = engines[0].propose_operation(deployment()).await.unwrap();
    let status = engines[4].status(&id).unwrap();
    assert_eq!(status.window.unwrap().then, "the directive takes effect");
    engines[1].object(id, "it is down").await.unwrap();
    for n in [1, 2] {
        engines[n].resolve(id, true).await.unwrap();
    }
    let outcome = engines[4].execute_reveal_phase(id).await;
    assert_eq!(outcome, Ok(Outcome::Decided(Ballot::Approve)));
    assert!(engines[4].config().contains_key("service.mail"));

    let id = engines[4].propose_operation(deployment()).await.unwrap();
    engines[0].direct(id, false).await.unwrap();
    for _ in 0..2 {
        clock.advance(Params::dev().objection_window_ms + 100);
        engines[4].tick();
    }
    assert_eq!(
        engines[3].outcome(&id),
        Some(Outcome::Decided(Ballot::Reject))
    );
}

#[tokio::test]
async fn a_subscriber_hears_what_happens_in_order() {
    let (engines, _) = linked(&genesis(4), 4);
    let mut events = engines[3].subscribe();
    let id = approve(&engines, 1, config(b"x"), &[0, 2, 3]).await;
    let mut tallied = None;
    let mut heights = Vec::new();
    while heights.last() != Some(&engines[3].height()) {
        match events.next().await {
            Some(Notice::Event(Event::Sealed { height, .. })) => heights.push(height),
            Some(Notice::Event(Event::Tallied { operation, outcome })) => {
                tallied = Some((operation, outcome, heights.len()));
            }
            Some(_) => {}
            None => panic!("the node is there"),
        }
    }
    assert!(heights.iter().copied().eq(1..=engines[3].height()));
    let (operation, outcome, at) =
        tallied.expect("the reveals were counted before they were sealed");
    assert_eq!(
        (operation, outcome),
        (id, Outcome::Decided(Ballot::Approve))
    );
    assert!(at < heights.len());
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_missed_and_blocks_nobody() {
    let engine = BFTConsensusEngine::new(new_identity().unwrap());
    let mut events = engine.subscribe();
    while engine.height() < 1100 {
        engine.propose_operation(config(b"x")).await.unwrap();
    }
    let Some(Notice::Lagged(missed)) = events.next().await else {
        panic!("nothing was missed");
    };
    assert!(missed > 0);
    let mut heard = 0;
    let last = loop {
        match events.next().await {
            Some(Notice::Event(Event::Sealed { height, .. })) if height == engine.height() => {
                break height;
            }
            Some(Notice::Event(_)) => heard += 1,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(last, engine.height(), "it goes on to the end");
    assert!(heard >= 1000, "what was kept is heard: {heard}");
    drop(engine);
    assert!(events.next().await.is_none(), "the node is gone");
}

/// A program carries records from one engine to another.
#[tokio::test]
async fn records_travel_outside_a_hub() {
    let genesis = genesis(4);
    let alone = |n: usize| {
        let clock = ManualClock::new(genesis.time_ms);
        let hub = Hub::with_clock(genesis.clone(), Arc::new(clock)).unwrap();
        hub.join(identity(n)).unwrap()
    };
    let (one, two) = (alone(1), alone(2));
    let id = one.propose_operation(config(b"x")).await.unwrap();
    assert!(two.status(&id).is_none());
    let results = two.import(one.export()).await.unwrap();
    assert_eq!(results.len(), 2, "the proposal and a commit");
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(two.status(&id).unwrap().phase, "proposed");
    assert!(
        two.import(one.export())
            .await
            .unwrap()
            .contains(&Ok(Admission::Known))
    );
    two.vote(id, Ballot::Approve).await.unwrap();
    assert_eq!(
        one.import(two.export())
            .await
            .unwrap()
            .iter()
            .filter(|r| **r == Ok(Admission::New))
            .count(),
        1
    );
    assert_eq!(one.export(), two.export());
    let refused = one.import(vec![b"noise".to_vec()]).await.unwrap();
    assert_eq!(refused[0].as_ref().unwrap_err().code(), "non-canonical");
}

#[tokio::test]
async fn a_candidate_reads_and_then_takes_part() {
    let (engines, _) = linked(&genesis(4), 5);
    let consent = Consent::sign(
        &identity(4),
        engines[0].network_id(),
        Spore::Latent,
        MemberName::of_key(&identity(4).node_id()),
        None,
    )
    .unwrap();
    let admission = ConsensusOperation::NodeAdmission {
        candidate: identity(4).node_id(),
        role: Spore::Latent,
        consent,
    };
    let too_early = engines[4].propose_operation(config(b"x")).await;
    assert!(too_early.is_err());
    let id = approve(&engines, 0, admission, &[1, 2, 3]).await;
    let outcome = engines[4].execute_reveal_phase(id).await;
    assert_eq!(outcome, Ok(Outcome::Decided(Ballot::Approve)));
    assert_eq!(engines[4].roster().len(), 5);
    let id = engines[4].propose_operation(config(b"x")).await.unwrap();
    let status = engines[0].status(&id).unwrap();
    let Pending::Commits(waits_for) = status.waits_for else {
        panic!("{status:?}");
    };
    assert_eq!(waits_for.len(), 4, "its own commit has no weight");
}
