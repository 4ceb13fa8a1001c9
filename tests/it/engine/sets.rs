//! Claim sets: one vote answers many questions, each is decided by itself, and all count as one event. Rules: P5, P9, T3.

use std::collections::BTreeMap;

use super::*;
use mycnet_consensus::core::{ItemLeaf, ProvedItem, ShownItems};
use mycnet_consensus::limits::{ITEM_BYTES_MAX, SET_ITEMS_MAX};
use mycnet_consensus::{Certificate, ClaimItem, ClaimRule, Digest, Reason};
use serde_bytes::ByteBuf;

fn set(subjects: impl IntoIterator<Item = String>) -> ConsensusOperation {
    let item = |subject| ClaimItem {
        subject,
        input: Vec::new(),
    };
    ConsensusOperation::ClaimSet {
        subject: "a night of builds".into(),
        items: subjects.into_iter().map(item).collect(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    }
}

fn abc() -> ConsensusOperation {
    set(["a", "b", "c"].map(String::from))
}

fn results<const N: usize>(results: [Option<&str>; N]) -> Vec<Option<Vec<u8>>> {
    let results = results.into_iter();
    results.map(|it| Some(it?.as_bytes().to_vec())).collect()
}

/// A set of which the first item has one answer, the second a dissent, and the third as many answers as voters.
async fn answered(engines: &[BFTConsensusEngine]) -> OperationId {
    let own = results([Some("1"), Some("1"), None]);
    let id = engines[0].propose_claim_set(abc(), own).await.unwrap();
    let votes = [
        results([Some("1"), Some("1"), Some("x")]),
        results([Some("1"), Some("2"), Some("y")]),
        results([Some("1"), Some("1"), Some("z")]),
    ];
    for (engine, vote) in engines[1..].iter().zip(votes) {
        engine.vote(id, Ballot::Results(vote)).await.unwrap();
    }
    id
}

fn skill(engine: &BFTConsensusEngine, n: usize) -> u32 {
    let mut roster = engine.roster().into_iter();
    roster
        .find(|member| member.node == node(n))
        .unwrap()
        .skill_ppm
}

#[tokio::test]
async fn a_set_is_decided_item_by_item_and_scored_as_one_event() {
    let (engines, clock) = linked(&genesis(4), 4);
    let id = answered(&engines).await;
    let expected = Outcome::Decided(Ballot::Results(results([Some("1"), Some("1"), None])));
    for engine in &engines {
        assert_eq!(engine.execute_reveal_phase(id).await.unwrap(), expected);
    }
    clock.advance(1);
    engines[0].tick();
    let states = engines.iter().map(|engine| engine.last_seal().state);
    let states: std::collections::BTreeSet<_> = states.collect();
    assert_eq!(states.len(), 1);
    // All items count, also the one without a verdict: two of three right, one of three wrong.
    let skill = |n: usize| skill(&engines[0], n);
    assert_eq!([0, 1, 3].map(skill), [506_666; 3]);
    assert_eq!(skill(2), 494_944);
    let why = engines[0].explain(&node(2)).unwrap();
    assert_eq!(why.last().unwrap().reason, Reason::Mixed);
    // The certificate carries every answer.
    let certificate = engines[1].certificate(&id).unwrap().unwrap().encode();
    let certificate = Certificate::decode(&certificate).unwrap();
    let proved = certificate.verify(engines[0].genesis()).unwrap();
    assert_eq!((proved.operation, proved.outcome), (id, Some(expected)));
}

/// The certificate of a set has all its items, that of an item only this one, and both say who answered what.
#[tokio::test]
async fn every_item_of_a_set_has_a_proof_of_its_own() {
    let (engines, _) = linked(&genesis(4), 4);
    let id = answered(&engines).await;
    engines[0].execute_reveal_phase(id).await.unwrap();
    let genesis = engines[0].genesis();
    let prove = |item| {
        let made = engines[1].prove(|prover| prover.certificate(&id, item));
        made.unwrap().flatten()
    };
    let answered = |item: &ProvedItem| {
        let answers = item.answers.iter();
        let answers = answers.map(|(result, by)| (result.clone().into_vec(), by.clone()));
        answers.collect::<BTreeMap<_, _>>()
    };
    let by = |voters: &[usize]| {
        let mut nodes: Vec<_> = voters.iter().map(|n| node(*n)).collect();
        nodes.sort();
        nodes
    };
    let expected = [
        ("a", Some("1"), vec![("1", by(&[0, 1, 2, 3]))]),
        ("b", Some("1"), vec![("1", by(&[0, 1, 3])), ("2", by(&[2]))]),
        (
            "c",
            None,
            vec![("x", by(&[1])), ("y", by(&[2])), ("z", by(&[3]))],
        ),
    ];
    let whole = prove(None).unwrap();
    let proved = whole.verify(genesis).unwrap();
    assert_eq!(proved.items.len(), 3);
    for (at, (subject, result, answers)) in expected.into_iter().enumerate() {
        let certificate = prove(Some(at)).unwrap();
        let alone = certificate.verify(genesis).unwrap();
        assert_eq!((alone.operation, &alone.outcome), (id, &None));
        let [item] = &alone.items[..] else {
            panic!("one item is shown");
        };
        assert_eq!(*item, proved.items[at]);
        assert_eq!(item.subject, subject);
        let result = result.map(|it| it.as_bytes().to_vec());
        assert_eq!(item.result.clone().map(ByteBuf::into_vec), result);
        let answers = answers.into_iter();
        let answers = answers.map(|(result, by)| (result.as_bytes().to_vec(), by));
        assert_eq!(answered(item), answers.collect());
        assert!(certificate.encode().len() < whole.encode().len());
        for (desc, bad) in tampered(&certificate) {
            assert!(bad.verify(genesis).is_err(), "{subject}: {desc}");
        }
    }
    assert_eq!(prove(Some(3)), None);
    let mut bad = whole.clone();
    let ShownItems::All(items) = &mut bad.items else {
        panic!("all items are shown");
    };
    items.pop();
    assert!(bad.verify(genesis).is_err(), "an item is missing");
}

fn tampered(good: &Certificate) -> Vec<(&'static str, Certificate)> {
    type Tamper = fn(&mut u32, &mut Vec<Digest>, &mut ItemLeaf);
    let tampers: [(&str, Tamper); 9] = [
        ("another place", |index, _, _| *index ^= 1),
        ("no such place", |index, _, _| *index = 3),
        ("a short path", |_, path, _| path.truncate(path.len() - 1)),
        ("another path", |_, path, _| {
            path[0] = Digest::from_bytes([1; 32]);
        }),
        ("subject", |_, _, leaf| leaf.subject.push('s')),
        ("input", |_, _, leaf| leaf.input.push(1)),
        ("result", |_, _, leaf| leaf.result = Some(vec![7].into())),
        ("who answered", |_, _, leaf| leaf.answers[0].by[0] ^= 1),
        ("an answer less", |_, _, leaf| {
            leaf.answers.truncate(leaf.answers.len() - 1);
        }),
    ];
    let tampers = tampers.into_iter();
    let mut all: Vec<_> = tampers
        .map(|(desc, tamper)| {
            let mut bad = good.clone();
            if let ShownItems::One { index, path, leaf } = &mut bad.items {
                tamper(index, path, leaf);
            }
            (desc, bad)
        })
        .collect();
    let mut none = good.clone();
    none.items = ShownItems::None;
    all.push(("no item", none));
    all
}

#[tokio::test]
async fn an_item_in_dispute_gets_no_verdict_and_costs_nobody_anything() {
    let (engines, clock) = linked(&genesis(4), 4);
    let own = results([Some("1"), Some("1"), Some("1")]);
    let id = engines[0].propose_claim_set(abc(), own).await.unwrap();
    for (n, second) in [(1, "1"), (2, "2"), (3, "2")] {
        let vote = results([Some("1"), Some(second), None]);
        engines[n].vote(id, Ballot::Results(vote)).await.unwrap();
    }
    let outcome = engines[0].execute_reveal_phase(id).await.unwrap();
    // Two against two on the second item; on the third, three have no result.
    let expected = results([Some("1"), None, Some("1")]);
    assert_eq!(outcome, Outcome::Decided(Ballot::Results(expected)));
    clock.advance(1);
    engines[0].tick();
    for n in 0..4 {
        assert_eq!(
            skill(&engines[0], n),
            503_333,
            "a third of a gain, for the first item"
        );
    }
}

#[tokio::test]
async fn a_ballot_that_does_not_fit_is_an_abstention_on_every_item() {
    let (engines, clock) = linked(&genesis(4), 4);
    let id = engines[0].propose_operation(abc()).await.unwrap();
    let ballots = [
        Ballot::Results(results([Some("1"), Some("1"), Some("1")])),
        Ballot::Results(results([Some("1"), Some("1"), Some("1"), Some("1")])),
        Ballot::Result(b"1".to_vec()),
        Ballot::Approve,
    ];
    for (engine, ballot) in engines.iter().zip(ballots) {
        engine.vote(id, ballot).await.unwrap();
    }
    let outcome = engines[0].execute_reveal_phase(id).await.unwrap();
    // All revealed, and the only results are those of one.
    let expected = results([Some("1"), Some("1"), Some("1")]);
    assert_eq!(outcome, Outcome::Decided(Ballot::Results(expected)));
    clock.advance(1);
    engines[0].tick();
    for n in 0..4 {
        let skill = skill(&engines[0], n);
        assert_eq!(skill, 500_000, "a quarter of the weight carries nothing");
    }
}

#[tokio::test]
async fn results_go_with_sets_only() {
    let (engines, _) = linked(&genesis(4), 4);
    let refused = engines[0].propose_claim(abc(), b"1".to_vec()).await;
    assert_eq!(refused.unwrap_err(), EngineError::NotAClaim("claim_set"));
    let short = engines[0]
        .propose_claim_set(abc(), results([None, None]))
        .await;
    let expected = EngineError::NotOfTheSet {
        kind: "claim_set",
        count: 2,
    };
    assert_eq!(short.unwrap_err(), expected);
    let no_set = engines[0].propose_claim_set(config(b"x"), Vec::new()).await;
    let expected = EngineError::NotOfTheSet {
        kind: "network_configuration",
        count: 0,
    };
    assert_eq!(no_set.unwrap_err(), expected);
}

/// A commit is in time until then, and not later. Rules: P3.
#[tokio::test]
async fn a_node_knows_until_when_it_can_commit() {
    let genesis = genesis(4);
    let (engines, clock) = linked(&genesis, 4);
    let params = &genesis.params;
    let (grace_ms, window_ms) = (params.claim_grace_ms, params.commit_window_ms);
    let ask = async |set: ConsensusOperation| {
        let id = engines[0].propose_operation(set).await.unwrap();
        clock.advance(1);
        engines[0].tick();
        (id, engines[0].last_seal().time_ms)
    };
    let vote = async |id, n: usize| {
        let all = Ballot::Results(results([Some("1"); 3]));
        engines[n].vote(id, all).await.unwrap();
    };
    let (id, opened_ms) = ask(abc()).await;
    let whole = Some(opened_ms..opened_ms + grace_ms);
    for engine in &engines {
        assert_eq!(engine.time_to_commit_ms(&id), whole);
    }
    for (n, engine) in engines[..3].iter().enumerate() {
        vote(id, n).await;
        assert_eq!(engine.time_to_commit_ms(&id), None, "it has committed");
    }
    // The others are a quorum, and wait no longer.
    clock.advance(grace_ms - 2);
    engines[0].tick();
    assert_eq!(engines[3].time_to_commit_ms(&id), whole);
    clock.advance(3);
    engines[0].tick();
    assert_ne!(engines[0].status(&id).unwrap().phase, "committing");
    assert_eq!(engines[3].time_to_commit_ms(&id), None, "it is too late");

    // Nobody waits for who was silent for long.
    clock.advance(window_ms);
    let (id, opened_ms) = ask(set(["d", "e", "f"].map(String::from))).await;
    let quarter = Some(opened_ms..opened_ms + grace_ms.div_ceil(4));
    assert_eq!(engines[3].time_to_commit_ms(&id), quarter);
    for n in 0..3 {
        vote(id, n).await;
    }
    clock.advance(grace_ms.div_ceil(4) + 1);
    engines[0].tick();
    assert_eq!(engines[3].time_to_commit_ms(&id), None);
    // Who is not asked has nothing to commit.
    let mut only = set(["g".to_owned()]);
    if let ConsensusOperation::ClaimSet { panel, .. } = &mut only {
        *panel = Some([0, 1, 2].map(node).into_iter().collect());
        panel.as_mut().unwrap().sort_unstable();
    }
    let (id, _) = ask(only).await;
    assert!(engines[1].time_to_commit_ms(&id).is_some());
    assert_eq!(engines[3].time_to_commit_ms(&id), None);
}

/// The largest set, with all results of the longest kind, goes through.
#[tokio::test]
async fn a_full_set_is_decided() {
    let (engines, _) = linked(&genesis(4), 4);
    let full = set((0..SET_ITEMS_MAX).map(|n| format!("{n:0192}")));
    let all = vec![Some(vec![7; ITEM_BYTES_MAX]); SET_ITEMS_MAX];
    let id = engines[0]
        .propose_claim_set(full.clone(), all.clone())
        .await
        .unwrap();
    // What is asked is not asked twice.
    let again = engines[1].propose_operation(full).await.unwrap_err();
    assert!(again.to_string().contains(&id.to_string()), "{again}");
    for engine in &engines[1..] {
        engine.vote(id, Ballot::Results(all.clone())).await.unwrap();
    }
    let outcome = engines[3].execute_reveal_phase(id).await.unwrap();
    assert_eq!(outcome, Outcome::Decided(Ballot::Results(all)));
}
