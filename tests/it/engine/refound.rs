//! Founding anew through the public handle: plans from the last and from an earlier height. Rules: F1, F2, F4.

use std::collections::BTreeSet;

use mycnet_consensus::core::Refusal;
use mycnet_consensus::engine::{EngineError, Hub, PlanWish};
use mycnet_consensus::{BFTConsensusEngine, Outcome, Spore};

use super::{approve, linked};
use crate::net::{config, genesis, identity, node};

async fn decide(engines: &[BFTConsensusEngine], value: &[u8]) {
    let id = approve(engines, 0, config(value), &[1, 2, 3]).await;
    for engine in engines {
        assert!(matches!(
            engine.execute_reveal_phase(id).await,
            Ok(Outcome::Decided(_))
        ));
    }
}

#[tokio::test]
async fn three_of_four_go_on_from_before_what_they_regret() {
    let (engines, clock) = linked(&genesis(4), 4);
    decide(&engines, b"good").await;
    let (height, scores) = (engines[0].height(), engines[0].roster());
    decide(&engines, b"regretted").await;
    let wish = PlanWish {
        height: Some(height),
        without: vec![node(3)],
        roles: vec![(node(0), Spore::Seed), (node(1), Spore::Primary)],
    };
    let planned = engines[0].plan_refounding(&wish).unwrap();
    assert_eq!(planned.losses.members, [node(3)]);
    assert_eq!(planned.losses.seals, engines[0].height() - height);
    assert_eq!((planned.losses.decided, planned.losses.open), (1, 0));
    assert_eq!(planned.backing.all_votes, 3);
    for engine in &engines[1..] {
        // R-same: whoever makes it, whatever it holds.
        let same = engine.plan_refounding(&wish).unwrap();
        assert_eq!(same.founding, planned.founding);
    }
    let left_out = engines[3].endorse(&planned.plan, false).await;
    assert_eq!(left_out, Err(EngineError::Refused(Refusal::LeftOut)));
    for engine in &engines[..3] {
        assert_eq!(engine.left_for(), None);
        engine.endorse(&planned.plan, false).await.unwrap();
    }
    let genesis = planned.founding.genesis();
    for engine in &engines[..3] {
        assert_eq!(engine.left_for(), Some(genesis.network_id()));
    }
    assert_eq!(engines[3].left_for(), None);
    let known = engines[3].refounding().unwrap();
    assert_eq!(known.plans.len(), 1);
    let by: BTreeSet<_> = [0, 1, 2].into_iter().map(node).collect();
    assert_eq!(known.plans[0].by, by);

    let hub = Hub::with_clock(genesis.clone(), std::sync::Arc::new(clock)).unwrap();
    let anew: Vec<_> = (0..3).map(|n| hub.join(identity(n)).unwrap()).collect();
    assert_eq!(anew[0].config()["motd"], b"good");
    for line in anew[0].roster() {
        let before = scores.iter().find(|it| it.node == line.node).unwrap();
        assert_eq!(
            (line.trust_ppm, line.skill_ppm, line.row),
            (before.trust_ppm, before.skill_ppm, before.row)
        );
    }
    assert_eq!(
        anew[1]
            .roster()
            .iter()
            .find(|it| it.node == node(1))
            .unwrap()
            .role,
        Spore::Primary
    );
    let id = approve(&anew, 1, config(b"better"), &[0, 2]).await;
    assert!(matches!(
        anew[2].execute_reveal_phase(id).await,
        Ok(Outcome::Decided(_))
    ));
}

#[tokio::test]
async fn plans_for_what_is_not_here_are_refused() {
    let (engines, _) = linked(&genesis(4), 4);
    decide(&engines, b"one").await;
    let height = Some(engines[0].height() + 1);
    for wish in [
        PlanWish {
            height,
            ..PlanWish::default()
        },
        PlanWish {
            without: vec![node(9)],
            ..PlanWish::default()
        },
    ] {
        assert!(matches!(
            engines[0].plan_refounding(&wish),
            Err(EngineError::Refused(Refusal::Rejected(_)))
        ));
    }
    let nothing = engines[0].abandon_refounding().await;
    assert_eq!(nothing, Err(EngineError::Refused(Refusal::NothingEndorsed)));
}
