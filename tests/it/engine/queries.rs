//! Local queries.

use super::*;
use mycnet_consensus::internals::record::sign;
use mycnet_consensus::{Class, Reason, Standing};

use crate::net::{APPROVED, commit_of};

#[tokio::test]
async fn status_names_who_is_waited_for_and_what_the_window_does() {
    let (engines, clock) = linked(&genesis(4), 4);
    assert_eq!(engines[0].status(&OperationId::default()), None);
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    let status = engines[3].status(&id).unwrap();
    assert_eq!(
        (status.phase, status.opened_height),
        ("committing", Some(1))
    );
    assert_eq!(
        (status.total_weight, status.electors, status.committed),
        (4, 4, 1)
    );
    let mut others = vec![node(1), node(2), node(3)];
    others.sort();
    assert_eq!(status.waits_for, Pending::Commits(others));
    assert_eq!(status.class, Some(Class::Critical));

    for n in [1, 2] {
        engines[n].vote(id, Ballot::Approve).await.unwrap();
    }
    let status = engines[0].status(&id).unwrap();
    assert_eq!(status.waits_for, Pending::Commits(vec![node(3)]));
    let window = status.window.unwrap();
    assert!(!window.is_marked);
    assert!(window.due_ms <= clock_ms(&engines) + Params::dev().critical_grace_ms + 10);
    assert!(window.then.contains("the grace freezes them"));
    clock.advance(Params::dev().critical_grace_ms + 10);
    engines[0].tick();
    let status = engines[0].status(&id).unwrap();
    assert_eq!(status.phase, "closed");
    assert_eq!(status.waits_for, Pending::Nothing);
    assert_eq!(engines[0].seal_status().waits_for, Vec::new());
    assert_eq!(engines[0].seal_status().signing, "ready");
}

fn clock_ms(engines: &[BFTConsensusEngine]) -> u64 {
    engines[0].genesis().time_ms
}

/// Two of four members are away: the status of the others shows that agreement waits for them.
#[tokio::test]
async fn seal_status_names_who_is_waited_for() {
    let genesis = genesis(4);
    let clock = ManualClock::new(genesis.time_ms);
    let hub = Hub::with_clock(genesis.clone(), Arc::new(clock.clone())).unwrap();
    let engines: Vec<_> = [0, 1].map(|n| hub.join(identity(n)).unwrap()).into();
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    let status = engines[1].seal_status();
    assert_eq!((status.height, &*status.step), (1, "prevote"));
    assert_eq!(status.proposer, Some(node(0)));
    let mut away = status.waits_for;
    away.sort();
    let mut expected = vec![node(2), node(3)];
    expected.sort();
    assert_eq!(away, expected);
    assert_eq!(engines[1].status(&id).unwrap().waits_for, Pending::Seal);
}

#[tokio::test]
async fn trust_is_explained_and_can_be_asked_for_at_any_height() {
    let (engines, _) = linked(&genesis(4), 4);
    for answer in ["42", "7", "42"] {
        let id = engines[0]
            .propose_claim(claim(None), b"42".to_vec())
            .await
            .unwrap();
        for (n, engine) in engines.iter().enumerate().skip(1) {
            let own = if n == 3 { answer } else { "42" };
            engine.vote(id, result(own)).await.unwrap();
        }
        engines[0].execute_reveal_phase(id).await.unwrap();
    }
    let entries = engines[1].explain(&node(3)).unwrap();
    let reasons: Vec<_> = entries.iter().map(|entry| entry.reason).collect();
    assert_eq!(
        reasons,
        [Reason::Coherent, Reason::ClaimDissent, Reason::Coherent]
    );
    let steps: Vec<_> = entries
        .iter()
        .map(|e| (e.before_ppm, e.after_ppm))
        .collect();
    assert_eq!(
        steps,
        [(500_000, 510_000), (510_000, 504_900), (504_900, 514_802)]
    );
    for engine in &engines {
        assert_eq!(engine.trust(&node(3)), 514_802);
        let at = |height| {
            let line = engine.trust_at(&node(3), height).unwrap();
            line.map(|line| (line.trust_ppm, line.standing))
        };
        assert_eq!(at(0), Some((500_000, Standing::Active)));
        for entry in &entries {
            assert_eq!(
                at(entry.height - 1),
                Some((entry.before_ppm, Standing::Active))
            );
            assert_eq!(at(entry.height), Some((entry.after_ppm, Standing::Active)));
        }
        assert_eq!(at(u64::MAX), Some((514_802, Standing::Active)));
        assert_eq!(engine.trust_at(&node(9), 1).unwrap(), None);
        assert_eq!(engine.trust(&node(9)), 0);
        assert!(engine.explain(&node(9)).unwrap().is_empty());
    }

    let now: std::collections::BTreeMap<_, _> = (0..4)
        .map(|n| {
            let line = engines[0].trust_at(&node(n), engines[0].height());
            (node(n), line.unwrap().unwrap())
        })
        .collect();
    assert_eq!(
        engines[2].what_if(Params::dev()),
        Ok(now.clone()),
        "the same parameters"
    );
    let mut harsh = Params::dev();
    harsh.critical_dissent_ppm = 500_000;
    let other = engines[2].what_if(harsh).unwrap();
    assert!(other[&node(3)].trust_ppm < now[&node(3)].trust_ppm);
    assert_eq!(other[&node(0)], now[&node(0)]);
    let mut invalid = Params::dev();
    invalid.drift_ms = 1_000_000;
    assert!(engines[2].what_if(invalid).is_err());
}

#[tokio::test]
async fn roster_config_and_operations_are_listed() {
    let (engines, _) = linked(&genesis(4), 4);
    let closed = approve(&engines, 1, config(b"hello"), &[0, 2, 3]).await;
    let open = engines[2]
        .propose_operation(config(b"later"))
        .await
        .unwrap();
    let standard = engines[3].propose_operation(deployment()).await.unwrap();
    let stranger = ConsensusOperation::NodeExclusion {
        node: node(9),
        reason: "never seen".into(),
    };
    let refused = approve(&engines, 1, stranger, &[0, 2, 3]).await;
    let engine = &engines[3];

    let roster = engine.roster();
    assert_eq!(roster.len(), 4);
    let own = roster.iter().find(|member| member.node == node(0)).unwrap();
    assert_eq!((own.role, own.standing), (Spore::Primary, Standing::Active));
    assert!(own.has_vote);
    assert_eq!(engine.config().len(), 1);
    assert_eq!(engine.params(), Params::dev());

    let list = |filter: OperationFilter| {
        let views = engine.operations(&filter).unwrap();
        let mut ids: Vec<_> = views.iter().map(|view| view.operation).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<OperationId>| {
        ids.sort();
        ids
    };
    let all = OperationFilter::default;
    assert_eq!(list(all()), sorted(vec![closed, open, standard, refused]));
    let is_open = |is_open| OperationFilter {
        is_open: Some(is_open),
        ..all()
    };
    assert_eq!(list(is_open(true)), sorted(vec![open, standard]));
    assert_eq!(list(is_open(false)), sorted(vec![closed, refused]));
    let class = Some(Class::Standard);
    assert_eq!(list(OperationFilter { class, ..all() }), [standard]);
    let kind = Some("node_exclusion".to_owned());
    assert_eq!(list(OperationFilter { kind, ..all() }), [refused]);
    let proposer = Some(node(2));
    assert_eq!(list(OperationFilter { proposer, ..all() }), [open]);
    let nobody = OperationFilter {
        proposer: Some(node(9)),
        ..all()
    };
    assert!(list(nobody).is_empty());

    let views = engine.operations(&all()).unwrap();
    let view = |id| views.iter().find(|view| view.operation == id).unwrap();
    assert_eq!(view(refused).outcome, APPROVED);
    assert_eq!(
        view(refused).refused_effect.as_deref(),
        Some("it is not a member")
    );
    assert_eq!(view(closed).refused_effect, None);
    assert_eq!(view(open).phase, "committing");
}

#[tokio::test]
async fn evidence_is_kept() {
    let (engines, _) = linked(&genesis(5), 4);
    let id = engines[1].propose_operation(config(b"x")).await.unwrap();
    let net = engines[0].network_id();
    let records: Vec<Vec<u8>> = [Ballot::Approve, Ballot::Reject]
        .iter()
        .map(|ballot| {
            sign(&identity(4), net, commit_of(net, id, 4, ballot))
                .unwrap()
                .encode()
        })
        .collect();
    assert!(engines[0].evidence().unwrap().is_empty());
    for record in records {
        engines[2].import(vec![record]).await.unwrap()[0]
            .clone()
            .unwrap();
    }
    for engine in &engines {
        let evidence = engine.evidence().unwrap();
        let [pair] = evidence.as_slice() else {
            panic!("{evidence:?}");
        };
        assert_eq!(pair.author, node(4));
        assert_ne!(pair.first, pair.second);
        assert_eq!(
            pair.first.statement().slot(),
            pair.second.statement().slot()
        );
        assert_eq!(engine.trust(&node(4)), 0);
        let entry = engine.explain(&node(4)).unwrap()[0];
        assert_eq!(
            (entry.reason, entry.standing),
            (Reason::Equivocation, Standing::Banned)
        );
    }
}

/// The core remembers no more of it than a digest.
#[tokio::test]
async fn a_long_result_is_an_outcome_like_any_other() {
    let (engines, _) = linked(&genesis(4), 4);
    let result = vec![7; 32 * 1024];
    let id = engines[0].propose_claim(claim(None), result.clone());
    let id = id.await.unwrap();
    for engine in &engines[1..] {
        let ballot = Ballot::Result(result.clone());
        engine.vote(id, ballot).await.unwrap();
    }
    let outcome = Outcome::Decided(Ballot::Result(result));
    assert_eq!(engines[1].outcome(&id), Some(outcome.clone()));
    let waited = engines[0].execute_reveal_phase(id).await.unwrap();
    assert_eq!(waited, outcome);
}
