//! What approved operations change, and what is refused.

use super::*;
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use Ballot::Approve;
use Spore::{Latent, Primary, Seed};

fn admission(world: &World, who: usize, role: Spore) -> ConsensusOperation {
    let candidate = &world.people[who];
    ConsensusOperation::NodeAdmission {
        candidate: candidate.node_id(),
        role,
        consent: Consent::sign(
            candidate,
            world.genesis.network_id(),
            role,
            MemberName::of_key(&candidate.node_id()),
            None,
        )
        .unwrap(),
    }
}

fn exclusion(world: &World, who: usize) -> ConsensusOperation {
    let reason = String::new();
    ConsensusOperation::NodeExclusion {
        node: world.id(who),
        reason,
    }
}

fn modification(world: &World, who: usize, delta_ppm: i32) -> ConsensusOperation {
    let reason = String::new();
    ConsensusOperation::TrustScoreModification {
        node: world.id(who),
        delta_ppm,
        reason,
    }
}

fn assignment(world: &World, who: usize, role: Spore) -> ConsensusOperation {
    ConsensusOperation::SporeAssignment {
        node: world.id(who),
        role,
    }
}

/// The first three members approve; returns whether the effect was applied.
fn approved(world: &mut World, after_ms: u64, operation: ConsensusOperation) -> bool {
    let id = world.decide(
        after_ms,
        operation,
        &[(0, Approve), (1, Approve), (2, Approve)],
    );
    world.operation(id).effect.unwrap()
}

fn three() -> World {
    World::new(&[Primary, Seed, Latent], params())
}

#[test]
fn the_admitted_are_on_probation_and_vote_in_shadow() {
    let mut world = three();
    let unasked = ConsensusOperation::NodeAdmission {
        candidate: world.id(3),
        role: Latent,
        consent: Consent::sign(
            &world.people[4],
            world.genesis.network_id(),
            Latent,
            MemberName::of_key(&world.people[4].node_id()),
            None,
        )
        .unwrap(),
    };
    world.refuses(10, &[world.propose(0, unasked)], "consent");
    let operation = admission(&world, 3, Latent);
    assert!(approved(&mut world, 10, operation.clone()));
    assert_eq!(
        (world.standing(3).as_str(), world.trust(3)),
        ("probation", 200_000)
    );
    assert!(
        !approved(&mut world, 20, operation),
        "it is a member already"
    );
    // It missed the second vote (frozen by the members with weight), which costs nothing yet.
    assert_eq!(world.member(3).missed, 1);
    let all: Vec<(usize, Ballot)> = (0..4).map(|who| (who, Approve)).collect();
    let id = world.decide(30, config("k", "v"), &all);
    assert_eq!(world.operation(id).electors[&world.id(3)], 0);
    assert!(world.operation(id).revealed.contains(&world.id(3)));
    // 2 % of the missing 800,000.
    assert_eq!((world.trust(3), world.member(3).streak), (216_000, 1));
    assert!(!world.oracle.view().sealers.contains_key(&world.id(3)));
}

#[test]
fn a_shadow_voter_keeps_the_operation_open_until_it_reveals() {
    let mut world = three();
    let operation = admission(&world, 3, Latent);
    assert!(approved(&mut world, 10, operation));
    let id = world.open(20, 3, config("k", "v"), &[0, 1, 2, 3], &Approve);
    world.reveal_all(30, id, &[0, 1, 2], &Approve);
    assert_eq!(world.phase(id), "decided");
    world.seal(40, &[world.reveal(3, id, &Approve)]);
    assert_eq!(world.phase(id), "closed");
    // A member on probation may have four open proposals.
    let five: Vec<Verified> = (0..5)
        .map(|n| world.propose_as(3, config("k", "v"), Priority::Normal, n))
        .collect();
    world.refuses(50, &five, "cap");
    world.seal(50, &five[1..]);
}

#[test]
fn ten_coherent_votes_and_enough_trust_end_probation() {
    let params = Params {
        admitted_trust_ppm: 390_000,
        ..params()
    };
    let mut world = World::new(&[Primary, Seed, Latent], params);
    let operation = admission(&world, 3, Latent);
    assert!(approved(&mut world, 10, operation));
    let all: Vec<(usize, Ballot)> = (0..4).map(|who| (who, Approve)).collect();
    for round in 1..=10 {
        assert_eq!(world.standing(3), "probation");
        world.decide(10 + 10 * round, config("k", "v"), &all);
    }
    assert_eq!(
        (world.standing(3).as_str(), world.member(3).streak),
        ("active", 10)
    );
    assert_eq!(
        world.oracle.view().sealers[&world.id(3)],
        u64::from(world.trust(3))
    );
}

#[test]
fn exclusion_takes_the_weight_but_not_the_last() {
    let mut world = three();
    let stranger = exclusion(&world, 4);
    assert!(!approved(&mut world, 10, stranger));
    let operation = exclusion(&world, 2);
    assert!(approved(&mut world, 20, operation));
    assert!(!world.oracle.view().members.contains_key(&world.id(2)));
    let operation = exclusion(&world, 1);
    let id = world.decide(30, operation, &[(0, Approve), (1, Approve)]);
    assert_eq!(world.operation(id).effect, Some(true));
    let operation = exclusion(&world, 0);
    let id = world.decide(40, operation, &[(0, Approve)]);
    assert_eq!(world.operation(id).effect, Some(false), "nobody would seal");
    let operation = modification(&world, 0, -1_000_000);
    let id = world.decide(50, operation, &[(0, Approve)]);
    assert_eq!(world.operation(id).effect, Some(false));
}

#[test]
fn an_excluded_elector_keeps_its_vote_and_is_not_scored() {
    let mut world = World::new(&[Latent; 4], params());
    let id = world.open(10, 0, config("k", "v"), &[], &Approve);
    let operation = exclusion(&world, 3);
    let all: Vec<(usize, Ballot)> = (0..4).map(|who| (who, Approve)).collect();
    world.decide(20, operation, &all);
    let commits: Vec<Verified> = (0..4).map(|who| world.commit(who, id, &Approve)).collect();
    world.seal(30, &commits[..3]);
    assert_eq!(world.phase(id), "committing", "it is still waited for");
    world.seal(40, &commits[3..]);
    let reveals: Vec<Verified> = (0..4).map(|who| world.reveal(who, id, &Approve)).collect();
    world.seal(50, &reveals);
    assert_eq!(world.phase(id), "closed");
    assert_eq!(world.reasons(id, 3), [""; 0]);
}

#[test]
fn a_new_primary_makes_the_former_one_a_seed() {
    let mut world = three();
    let operation = assignment(&world, 2, Primary);
    assert!(approved(&mut world, 10, operation.clone()));
    let roles = [0, 1, 2].map(|who| world.member(who).role);
    assert_eq!(roles, [Seed, Seed, Primary]);
    assert!(!approved(&mut world, 20, operation), "it changes nothing");
    let stranger = assignment(&world, 4, Seed);
    assert!(!approved(&mut world, 30, stranger));
}

#[test]
fn trust_can_be_modified_within_its_range() {
    let mut world = three();
    let operation = modification(&world, 1, 1_000_000);
    assert!(approved(&mut world, 10, operation));
    assert_eq!(world.trust(1), 1_000_000);
    let operation = modification(&world, 2, -400_000);
    assert!(approved(&mut world, 20, operation));
    // Two votes gained 10,000 and 9,800 first.
    assert_eq!(
        (world.trust(2), world.standing(2).as_str()),
        (119_800, "suspended")
    );
}

#[test]
fn parameters_change_for_operations_opened_later() {
    let mut world = three();
    let before = world.propose_as(0, config("k", "v"), Priority::Normal, 77);
    let old = OperationId::from(before.id());
    world.seal(5, &[before]);
    assert!(approved(
        &mut world,
        10,
        config("param.coherent_gain_ppm", "100000")
    ));
    assert_eq!(world.oracle.view().params.coherent_gain_ppm, 100_000);
    world.seal(20, &[0, 1, 2].map(|who| world.commit(who, old, &Approve)));
    world.reveal_all(30, old, &[0, 1, 2], &Approve);
    assert_eq!(world.trust(0), 519_800, "2 % twice");
    assert!(approved(
        &mut world,
        40,
        config("param.commit_window_ms", "0")
    ));
    assert_eq!(world.trust(0), 567_820, "10 %");
    // Against the rule of genesis as a whole: a grace no longer than the step patience.
    assert!(!approved(
        &mut world,
        50,
        config("param.claim_grace_ms", "1")
    ));
    assert!(!approved(&mut world, 60, config("param.drift_ms", "26")));
    assert!(approved(&mut world, 70, config("param.drift_ms", "25")));
}

#[test]
fn every_parameter_has_a_name() {
    // 24 is valid for each of them: four drifts and the step patience fit into the graces of 100.
    for name in Params::NAMES {
        let mut world = three();
        let change = config(&format!("param.{name}"), "24");
        assert!(approved(&mut world, 10, change), "{name}");
        assert_ne!(world.oracle.view().params, params(), "{name}");
    }
}

#[test]
fn an_absent_key_cannot_be_removed() {
    let mut world = three();
    assert!(!approved(&mut world, 10, config("k", "")));
    assert!(approved(&mut world, 20, config("k", "v")));
    assert!(approved(&mut world, 30, config("k", "")));
    assert!(world.oracle.view().config.is_empty());
}

#[test]
fn authorities_seal_alone_if_four_of_them_have_weight() {
    let roles = [Primary, Seed, Seed, Seed, Latent];
    let mut world = World::with(&roles, params(), Sealing::Authorities, PanelScoring::Quorum);
    assert_eq!(world.oracle.view().sealers.len(), 4);
    let operation = exclusion(&world, 3);
    let all: Vec<(usize, Ballot)> = (0..5).map(|who| (who, Approve)).collect();
    world.decide(10, operation, &all);
    assert_eq!(
        world.oracle.view().sealers.len(),
        4,
        "three authorities and the Latent"
    );
    assert!(world.oracle.view().sealers.contains_key(&world.id(4)));
}
