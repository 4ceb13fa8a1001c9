//! Nodes that never connect: a person carries all their records between them in bundles.

mod hostile;
mod order;

use std::sync::Arc;
use std::time::Duration;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::{
    BundleImport, BundleReader, Hub, ManualClock, Notice, Subscription,
};
use mycnet_consensus::internals::bundle::{Encoder, Kind, Part, Unsealed};
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ConsensusOperation, Consent, Genesis, MemberName, Outcome, Params,
    Signer, Spore, Standing, TrustEntry,
};
use tokio::time::timeout;

use crate::net::{APPROVED, claim, config, genesis, identity, node};

/// Nodes of one network, each in a hub of its own, by one clock that stands still.
fn apart(genesis: &Genesis, nodes: usize) -> (Vec<BFTConsensusEngine>, ManualClock) {
    let clock = ManualClock::new(genesis.time_ms);
    let engines = (0..nodes).map(|n| {
        let hub = Hub::with_clock(genesis.clone(), Arc::new(clock.clone())).unwrap();
        hub.join(identity(n)).unwrap()
    });
    (engines.collect(), clock)
}

fn exported(engine: &BFTConsensusEngine, from: u64) -> Vec<u8> {
    let mut bundle = Vec::new();
    let report = engine.export_bundle(from, &mut bundle).unwrap();
    assert_eq!(report.header.height, engine.height());
    bundle
}

/// Carries everything that one node has to another.
async fn carry(from: &BFTConsensusEngine, to: &BFTConsensusEngine) -> BundleImport {
    let bundle = exported(from, 1);
    to.import_bundle(bundle.as_slice()).await.unwrap()
}

/// Carries one stick round until this holds everywhere, at most `hops` times. Gives how often.
async fn pass_round(
    engines: &[&BFTConsensusEngine],
    hops: usize,
    holds: impl Fn(&BFTConsensusEngine) -> bool,
) -> usize {
    for hop in 0..hops {
        if engines.iter().all(|engine| holds(engine)) {
            return hop;
        }
        let (from, to) = (hop % engines.len(), (hop + 1) % engines.len());
        carry(engines[from], engines[to]).await;
    }
    panic!("not after {hops} hops: {:?}", engines[0].seal_status());
}

fn result(text: &str) -> Ballot {
    Ballot::Result(text.as_bytes().to_vec())
}

/// The parts of a bundle after its header.
fn parts_of(bundle: &[u8]) -> Vec<Part> {
    let mut reader = BundleReader::new(bundle).unwrap();
    std::iter::from_fn(|| reader.next_part().unwrap()).collect()
}

/// A bundle of these bodies, with good checks.
fn framed(bodies: &[(Kind, Vec<u8>)]) -> Vec<u8> {
    let (mut encoder, start) = Encoder::new();
    let mut bundle = start.to_vec();
    for (kind, body) in bodies {
        let around = encoder.part(*kind, body);
        bundle.extend(around.head);
        bundle.extend(body);
        bundle.extend(around.check);
    }
    bundle
}

/// The events so far.
async fn heard(events: &mut Subscription) -> Vec<Event> {
    let mut heard = Vec::new();
    while let Ok(Some(Notice::Event(event))) = timeout(Duration::ZERO, events.next()).await {
        heard.push(event);
    }
    heard
}

#[tokio::test]
async fn members_who_never_connect_decide_a_claim_and_an_admission() {
    for nodes in 2..=4 {
        let genesis = genesis(nodes);
        let (engines, _) = apart(&genesis, nodes);
        let all: Vec<&BFTConsensusEngine> = engines.iter().collect();
        let first = engines[1].propose_claim(claim(None), b"42".to_vec());
        let first = first.await.unwrap();
        let newcomer = identity(9);
        let admission = ConsensusOperation::NodeAdmission {
            candidate: newcomer.node_id(),
            role: Spore::Latent,
            consent: Consent::sign(
                &newcomer,
                genesis.network_id(),
                Spore::Latent,
                MemberName::of_key(&newcomer.node_id()),
                None,
            )
            .unwrap(),
        };
        let second = engines[0].propose_operation(admission).await.unwrap();
        let spread = |engine: &BFTConsensusEngine| {
            engine.status(&first).is_some() && engine.status(&second).is_some()
        };
        pass_round(&all, 4 * nodes, spread).await;
        for (n, engine) in engines.iter().enumerate() {
            if n != 1 {
                engine.vote(first, result("42")).await.unwrap();
            }
            if n != 0 {
                engine.vote(second, Ballot::Approve).await.unwrap();
            }
        }
        let closed = |engine: &BFTConsensusEngine| {
            [first, second].iter().all(|id| {
                let status = engine.status(id);
                status.is_some_and(|status| status.phase == "closed")
            })
        };
        let hops = pass_round(&all, 12 * nodes, closed).await;
        println!("{nodes} nodes: final everywhere after {hops} hops of one stick");
        for engine in &engines {
            let decided = Some(Outcome::Decided(result("42")));
            assert_eq!(engine.outcome(&first), decided);
            let decided = APPROVED;
            assert_eq!(engine.outcome(&second), decided);
            assert_eq!(engine.seal(), engines[0].seal());
            assert_eq!(engine.roster().len(), nodes + 1);
        }
        // The new member needs no more than a bundle either.
        let hub = Hub::with_clock(genesis, Arc::new(ManualClock::new(2_000_000))).unwrap();
        let newcomer = hub.join(newcomer).unwrap();
        let imported = carry(&engines[0], &newcomer).await;
        assert_eq!(imported.applied, engines[0].height());
        assert_eq!(newcomer.seal(), engines[0].seal());
    }
}

#[tokio::test]
async fn the_first_proposer_may_never_get_a_bundle() {
    let (engines, clock) = apart(&genesis(4), 4);
    let three: Vec<&BFTConsensusEngine> = engines[1..].iter().collect();
    let id = engines[1].propose_operation(config(b"x")).await.unwrap();
    for engine in &three[1..] {
        carry(three[0], engine).await;
        engine.vote(id, Ballot::Approve).await.unwrap();
    }
    let params = Params::dev();
    for hop in 0..120 {
        carry(three[hop % 3], three[(hop + 1) % 3]).await;
        if hop % 6 == 5 {
            clock.advance(params.step_patience_ms);
            for engine in &three {
                engine.tick();
            }
        }
        if three
            .iter()
            .all(|it| it.status(&id).unwrap().phase == "closed")
        {
            assert_eq!(engines[0].height(), 0);
            return;
        }
    }
    panic!("{:?}", engines[1].seal_status());
}

#[tokio::test]
async fn who_was_away_at_the_freeze_reveals_by_bundle() {
    let (engines, _) = apart(&genesis(4), 4);
    let id = engines[0]
        .propose_claim(claim(None), b"42".to_vec())
        .await
        .unwrap();
    for n in [1, 2, 3] {
        carry(&engines[n - 1], &engines[n]).await;
        engines[n].vote(id, result("42")).await.unwrap();
    }
    carry(&engines[3], &engines[0]).await;
    let present: Vec<&BFTConsensusEngine> = engines[..3].iter().collect();
    let decided = |engine: &BFTConsensusEngine| engine.outcome(&id).is_some();
    pass_round(&present, 40, decided).await;
    // Its commit is frozen, and without its reveal the operation does not close.
    assert_eq!(engines[3].height(), 0);
    for engine in &present {
        assert_ne!(engine.status(&id).unwrap().phase, "closed");
    }
    let imported = carry(&engines[0], &engines[3]).await;
    assert_eq!(imported.height, engines[0].height());
    assert!(imported.refused.is_empty(), "{imported:?}");
    let all: Vec<&BFTConsensusEngine> = [3, 0, 1, 2].map(|n| &engines[n]).to_vec();
    let closed =
        |engine: &BFTConsensusEngine| engine.status(&id).is_some_and(|it| it.phase == "closed");
    pass_round(&all, 40, closed).await;
    let reasons = |n: usize| -> Vec<TrustEntry> { engines[1].explain(&node(n)).unwrap() };
    assert_eq!(reasons(3).len(), 1);
    assert_eq!(reasons(3)[0].reason, reasons(0)[0].reason);
    assert_eq!(engines[1].trust(&node(3)), engines[1].trust(&node(0)));
    let line = engines[1].trust_at(&node(3), engines[1].height());
    let line = line.unwrap().unwrap();
    let expected = (engines[1].trust(&node(3)), Standing::Active);
    assert_eq!((line.trust_ppm, line.standing), expected);
}

#[tokio::test]
async fn importing_again_is_harmless() {
    let (engines, _) = apart(&genesis(3), 3);
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    let all: Vec<&BFTConsensusEngine> = engines.iter().collect();
    pass_round(&all, 40, |engine| engine.height() >= 1).await;
    engines[2]
        .propose_operation(config(b"later"))
        .await
        .unwrap();
    let bundle = exported(&engines[2], 1);
    let first = engines[0].import_bundle(bundle.as_slice()).await.unwrap();
    assert!(first.new > 0);
    let (seal, held) = (engines[0].seal(), exported(&engines[0], 1));
    let second = engines[0].import_bundle(bundle.as_slice()).await.unwrap();
    assert_eq!((second.new, second.applied), (0, 0), "{second:?}");
    assert_eq!(second.held, first.applied + first.held);
    assert_eq!(second.known, first.known + first.new);
    assert_eq!((engines[0].seal(), exported(&engines[0], 1)), (seal, held));
    // Outdated records are not refused either.
    let old = exported(&engines[1], 1);
    let done = |engine: &BFTConsensusEngine| engine.outcome(&id).is_some();
    for engine in &engines[1..] {
        let _ = engine.vote(id, Ballot::Approve).await;
    }
    pass_round(&all, 60, done).await;
    let seal = engines[0].seal();
    let late = engines[0].import_bundle(old.as_slice()).await.unwrap();
    assert_eq!((late.applied, engines[0].seal()), (0, seal));
    // Of oneself too.
    let own = carry(&engines[1], &engines[1]).await;
    assert_eq!((own.new, own.applied), (0, 0), "{own:?}");
}

/// A node that imports a bundle passes its content on to its connected neighbours.
#[tokio::test]
async fn what_one_imports_its_peers_get() {
    let genesis = genesis(4);
    let (engines, clock) = apart(&genesis, 2);
    let hub = Hub::with_clock(genesis, Arc::new(clock)).unwrap();
    let linked = [2, 3].map(|n| hub.join(identity(n)).unwrap());
    let id = engines[1].propose_operation(config(b"x")).await.unwrap();
    let stops = [&engines[1], &engines[0], &linked[0]];
    for engine in [&engines[0], &linked[0], &linked[1]] {
        carry(&engines[1], engine).await;
        engine.vote(id, Ballot::Approve).await.unwrap();
        carry(engine, &engines[1]).await;
    }
    pass_round(&stops, 60, |engine| engine.outcome(&id).is_some()).await;
    let seals = linked.each_ref().map(BFTConsensusEngine::seal);
    assert_eq!(seals, [engines[0].seal(); 2]);
    // One that only reads, with a neighbour of its own: blocks alone reach it too.
    let hub = Hub::with_clock(
        engines[0].genesis().clone(),
        Arc::new(ManualClock::new(2_000_000)),
    )
    .unwrap();
    let readers = [7, 8].map(|n| hub.join(identity(n)).unwrap());
    carry(&engines[0], &readers[0]).await;
    assert_eq!(readers[1].seal(), engines[0].seal());
}

/// A bundle may have only what the other lacks.
#[tokio::test]
async fn a_bundle_begins_where_it_was_asked_to() {
    let (engines, _) = apart(&genesis(2), 2);
    for value in [b"one", b"two"] {
        let id = engines[0].propose_operation(config(value)).await.unwrap();
        carry(&engines[0], &engines[1]).await;
        engines[1].vote(id, Ballot::Approve).await.unwrap();
        let all = [&engines[1], &engines[0]];
        pass_round(&all, 40, |engine| engine.outcome(&id).is_some()).await;
    }
    let height = engines[0].height();
    let (third, _) = apart(&genesis(2), 2);
    let mut taken = 0;
    while taken < height {
        let imported = third[0]
            .import_bundle(exported(&engines[0], taken + 1).as_slice())
            .await
            .unwrap();
        assert_eq!(imported.header.unwrap().from, taken + 1);
        assert_eq!((imported.applied, imported.held), (height - taken, 0));
        taken = imported.height;
    }
    assert_eq!(third[0].seal(), engines[0].seal());
    // Nothing but what no seal lists yet.
    let bundle = exported(&engines[0], u64::MAX);
    let header = *BundleReader::new(bundle.as_slice()).unwrap().header();
    assert_eq!((header.from, header.height), (height + 1, height));
    assert!(
        parts_of(&bundle)
            .iter()
            .all(|part| matches!(part, Part::Unsealed(Unsealed::Record(_)) | Part::End(_)))
    );
}
