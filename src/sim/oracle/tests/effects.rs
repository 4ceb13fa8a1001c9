//! What approved operations change, and what is refused.

use super::*;
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use Ballot::Approve;
use Spore::{Latent, Primary, Seed};

fn admission(world: &World, who: usize, role: Spore) -> ConsensusOperation {
    admission_of(world, who, role, who, who)
}

/// An admission with the consent of `signer`, under the name of `named`.
fn admission_of(
    world: &World,
    who: usize,
    role: Spore,
    signer: usize,
    named: usize,
) -> ConsensusOperation {
    let net = world.genesis.network_id();
    let name = MemberName::of_key(&world.id(named));
    ConsensusOperation::NodeAdmission {
        candidate: world.id(who),
        role,
        consent: Consent::sign(&world.people[signer], net, role, name, None).unwrap(),
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

/// The first three members approve, the others have until the grace; returns whether the effect was applied. Takes 101 ms.
fn approved(world: &mut World, after_ms: u64, operation: ConsensusOperation) -> bool {
    let id = world.decide_late(
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
    let unasked = admission_of(&world, 3, Latent, 4, 3);
    world.refuses(10, &[world.propose(0, unasked)], "consent");
    let operation = admission(&world, 3, Latent);
    assert!(approved(&mut world, 10, operation.clone()));
    let member = world.member(3);
    assert_eq!((member.standing, member.trust_ppm), ("probation", 200_000));
    assert_eq!(member.skill_ppm, 500_000);
    assert_eq!(member.name, MemberName::of_key(&world.id(3)).to_string());
    assert_eq!(member.times_ms["seen"], Some(START_MS + 111));
    assert!(
        !approved(&mut world, 1500, operation),
        "it is a member already"
    );
    // It missed the second vote, which costs nothing yet.
    assert_eq!(world.member(3).missed, 1);
    let all: Vec<(usize, Ballot)> = (0..4).map(|who| (who, Approve)).collect();
    let id = world.decide(1700, config("k", "v"), &all);
    let elector = world.operation(id).electors[&world.id(3)];
    assert_eq!((elector.weight, elector.vote), (0, false));
    assert!(world.operation(id).revealed.contains(&world.id(3)));
    // 2 % of the missing 800,000.
    assert_eq!((world.trust(3), world.row(3)), (216_000, 1));
    assert!(!world.oracle.view().sealers.contains(&world.id(3)));
}

#[test]
fn no_two_members_have_one_name() {
    let mut world = three();
    let operation = admission(&world, 3, Latent);
    assert!(approved(&mut world, 10, operation));
    let taken = admission_of(&world, 4, Latent, 4, 3);
    assert!(!approved(&mut world, 200, taken));
    let own = admission(&world, 4, Latent);
    assert!(approved(&mut world, 400, own));
}

/// P8: who has no weight keeps an operation open for a grace, not for the reveal window.
#[test]
fn a_shadow_voter_keeps_the_operation_open_for_a_grace() {
    let mut world = three();
    let operation = admission(&world, 3, Latent);
    assert!(approved(&mut world, 10, operation));
    let id = world.open(200, 3, config("k", "v"), &[0, 1, 2, 3], &Approve);
    world.reveal_all(210, id, &[0, 1, 2], &Approve);
    assert_eq!(world.phase(id), "decided");
    world.seal(220, &[world.reveal(3, id, &Approve)]);
    assert_eq!((world.phase(id), world.row(3)), ("closed", 1));
    let id = world.open(2000, 3, config("k", "w"), &[0, 1, 2, 3], &Approve);
    world.reveal_all(2010, id, &[0, 1, 2], &Approve);
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 2100));
    world.seal(2099, &[]);
    assert_eq!(world.phase(id), "decided");
    world.seal(2100, &[]);
    assert_eq!(world.phase(id), "closed");
    assert_eq!(world.reasons(id, 3), ["late"]);
    // It lost its row and missed a chance, but did not withhold.
    let member = world.member(3);
    assert_eq!(
        (member.trust_ppm, member.row, member.missed),
        (216_000, 0, 1)
    );
    assert_eq!(member.times_ms["withheld"], None);
    world.refuses(2110, &[world.reveal(3, id, &Approve)], "closed");
    // A member on probation may have four open proposals.
    let five: Vec<Verified> = (0..5)
        .map(|n| world.propose_as(3, config("k", "v"), Priority::Normal, n))
        .collect();
    world.refuses(2200, &five, "cap");
    world.seal(2200, &five[1..]);
}

/// P3: those without weight are waited for no longer than the grace of claims.
#[test]
fn a_freeze_waits_for_the_weightless_for_the_grace_of_claims() {
    let params = Params {
        critical_grace_ms: 400,
        ..params()
    };
    let mut world = World::new(&[Primary, Seed, Latent], params);
    let all: Vec<(usize, Ballot)> = (0..3).map(|who| (who, Approve)).collect();
    let operation = admission(&world, 3, Latent);
    world.decide(10, operation, &all);
    let id = world.open(200, 0, config("k", "v"), &[0, 1, 2], &Approve);
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 300));
    world.seal(299, &[]);
    assert_eq!(world.phase(id), "committing");
    world.seal(300, &[]);
    assert_eq!(world.phase(id), "revealing");
}

#[test]
fn ten_coherent_outcomes_and_enough_trust_end_probation() {
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
        world.decide(1000 * round, config("k", "v"), &all);
        // Within the same commit window it does not count for the row.
        world.decide(1000 * round + 100, config("k", "v"), &all);
    }
    assert_eq!((world.standing(3), world.row(3)), ("active", 10));
    let view = world.oracle.view();
    assert!(view.sealers.contains(&world.id(3)));
    assert!(view.queue.contains(&world.id(3)));
}

#[test]
fn exclusion_takes_the_vote_but_not_the_last() {
    let mut world = three();
    let stranger = exclusion(&world, 4);
    assert!(!approved(&mut world, 10, stranger));
    let operation = exclusion(&world, 2);
    assert!(approved(&mut world, 200, operation));
    assert!(!world.oracle.view().members.contains_key(&world.id(2)));
    let operation = exclusion(&world, 1);
    let id = world.decide(400, operation, &[(0, Approve), (1, Approve)]);
    assert_eq!(world.operation(id).effect, Some(true));
    let operation = exclusion(&world, 0);
    let id = world.decide(500, operation, &[(0, Approve)]);
    assert_eq!(world.operation(id).effect, Some(false), "nobody would seal");
    let operation = modification(&world, 0, -1_000_000);
    let id = world.decide(600, operation, &[(0, Approve)]);
    assert_eq!(world.operation(id).effect, Some(false));
}

/// P7: of five with a vote, four may be left, three not.
#[test]
fn no_effect_but_an_exclusion_takes_more_than_a_third_of_the_votes() {
    let mut world = latents(5);
    let all: Vec<(usize, Ballot)> = (0..5).map(|who| (who, Approve)).collect();
    let mut step = |operation| {
        let now = world.chain.time_ms() - START_MS;
        let id = world.decide(now + 10, operation, &all);
        let suspended = (0..5).filter(|who| world.standing(*who) == "suspended");
        (world.operation(id).effect, suspended.count())
    };
    let ids: Vec<NodeId> = (0..5)
        .map(|who| Identity::from_seed_label(&format!("person {who}")).node_id())
        .collect();
    let modify = |who: usize, delta_ppm| ConsensusOperation::TrustScoreModification {
        node: ids[who],
        delta_ppm,
        reason: String::new(),
    };
    assert_eq!(step(modify(3, -200_000)), (Some(true), 0));
    assert_eq!(step(modify(4, -200_000)), (Some(true), 0));
    // By now they have gained to 337,324 and 333,404.
    let threshold = |value| config("param.suspend_below_ppm", value);
    assert_eq!(step(threshold("360000")), (Some(false), 0));
    assert_eq!(step(modify(4, 200_000)), (Some(true), 0));
    // 363,566 and more than 500,000.
    assert_eq!(step(threshold("390000")), (Some(true), 1));
}

#[test]
fn an_excluded_elector_keeps_its_vote_and_is_not_scored() {
    for votes in [true, false] {
        let mut world = World::new(&[Latent; 4], params());
        let id = world.open(10, 0, config("k", "v"), &[], &Approve);
        let operation = exclusion(&world, 3);
        let all: Vec<(usize, Ballot)> = (0..4).map(|who| (who, Approve)).collect();
        world.decide(20, operation, &all);
        let commits: Vec<Verified> = (0..4).map(|who| world.commit(who, id, &Approve)).collect();
        if votes {
            world.seal(30, &commits);
            let reveals: Vec<Verified> =
                (0..4).map(|who| world.reveal(who, id, &Approve)).collect();
            world.seal(40, &reveals);
        } else {
            world.seal(30, &commits[..3]);
            // It is not waited for, but the quarter of the grace is not over.
            assert_eq!(world.phase(id), "committing");
            world.seal(35, &[]);
            world.reveal_all(40, id, &[0, 1, 2], &Approve);
        }
        assert_eq!(world.phase(id), "closed");
        assert_eq!(world.reasons(id, 3), [""; 0]);
    }
}

#[test]
fn a_new_primary_makes_the_former_one_a_seed() {
    let mut world = three();
    let operation = assignment(&world, 2, Primary);
    assert!(approved(&mut world, 10, operation.clone()));
    let roles = [0, 1, 2].map(|who| world.member(who).role);
    assert_eq!(roles, [Seed, Seed, Primary]);
    assert!(!approved(&mut world, 200, operation), "it changes nothing");
    let stranger = assignment(&world, 4, Seed);
    assert!(!approved(&mut world, 400, stranger));
}

#[test]
fn trust_can_be_modified_within_its_range() {
    let mut world = three();
    let operation = modification(&world, 1, 1_000_000);
    assert!(approved(&mut world, 10, operation));
    assert_eq!(world.trust(1), 1_000_000);
    let operation = modification(&world, 2, -400_000);
    assert!(approved(&mut world, 200, operation));
    // Two votes gained 10,000 and 9,800 first.
    assert_eq!((world.trust(2), world.standing(2)), (119_800, "suspended"));
    // To 400,000 and more, whatever the row. The third vote, without weight, gains 17,604.
    let operation = modification(&world, 2, 262_596);
    assert!(approved(&mut world, 400, operation));
    assert_eq!((world.trust(2), world.standing(2)), (400_000, "active"));
}

#[test]
fn parameters_change_for_operations_opened_later() {
    let mut world = three();
    let before = world.propose_as(0, config("k", "v"), Priority::Normal, 77);
    let old = OperationId::from(before.id());
    world.seal(5, &[before]);
    let gain = config("param.coherent_gain_ppm", "100000");
    assert!(approved(&mut world, 10, gain));
    assert_eq!(world.oracle.view().params.coherent_gain_ppm, 100_000);
    world.seal(120, &[0, 1, 2].map(|who| world.commit(who, old, &Approve)));
    world.reveal_all(130, old, &[0, 1, 2], &Approve);
    assert_eq!(world.trust(0), 519_800, "2 % twice");
    let window = config("param.commit_window_ms", "2000");
    assert!(approved(&mut world, 200, window));
    assert_eq!(world.trust(0), 567_820, "10 %");
    // A grace shorter than four drifts, and a drift longer than a quarter of the graces.
    for (name, value) in [("claim_grace_ms", "3"), ("drift_ms", "26")] {
        let change = config(&format!("param.{name}"), value);
        world.refuses(400, &[world.propose(0, change)], "out of bounds");
    }
}

/// Each is valid when it is proposed, but not after the other.
#[test]
fn a_parameter_that_is_out_of_bounds_by_now_is_not_changed() {
    let mut world = three();
    let changes = [
        config("param.drift_ms", "25"),
        config("param.claim_grace_ms", "90"),
    ];
    let proposals = changes.map(|change| world.propose(0, change));
    let mut ids: Vec<OperationId> = proposals.iter().map(|it| it.id().into()).collect();
    let mut records = proposals.to_vec();
    for id in &ids {
        records.extend([0, 1, 2].map(|who| world.commit(who, *id, &Approve)));
    }
    world.seal(10, &records);
    let reveals = ids
        .iter()
        .map(|id| [0, 1, 2].map(|who| world.reveal(who, *id, &Approve)));
    let reveals: Vec<Verified> = reveals.flatten().collect();
    world.seal(20, &reveals);
    ids.sort_unstable();
    let effects: Vec<_> = ids.iter().map(|id| world.operation(*id).effect).collect();
    assert_eq!(effects, [Some(true), Some(false)]);
}

/// The bounds stand twice, in the wire form and in the oracle.
#[test]
fn every_parameter_has_its_bounds() {
    let values: [u64; 34] = [
        0,
        1,
        2,
        24,
        25,
        26,
        99,
        100,
        101,
        400,
        1000,
        1001,
        1024,
        1025,
        10_000,
        10_001,
        49_999,
        50_000,
        200_000,
        200_001,
        299_999,
        300_000,
        400_000,
        400_001,
        499_999,
        500_000,
        500_001,
        900_000,
        900_001,
        999_999,
        1_000_000,
        1_000_001,
        2_678_400_000,
        2_678_400_001,
    ];
    let mut valid = 0;
    for name in Params::NAMES {
        for value in values {
            let digits = value.to_string();
            let expected = params().with_change(name, digits.as_bytes()).ok();
            let found = super::super::effects::set_param(&params(), name, digits.as_bytes(), None);
            assert_eq!(found, expected, "{name} {value}");
            valid += usize::from(found.is_some());
        }
    }
    assert!(valid > 200, "{valid}");
}

#[test]
fn an_absent_key_cannot_be_removed() {
    let mut world = three();
    assert!(!approved(&mut world, 10, config("k", "")));
    assert!(approved(&mut world, 200, config("k", "v")));
    assert!(approved(&mut world, 400, config("k", "")));
    assert!(world.oracle.view().config.is_empty());
}

#[test]
fn authorities_seal_alone_if_four_of_them_have_a_vote() {
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
    assert!(world.oracle.view().sealers.contains(&world.id(4)));
}
