//! Spore authority.

use super::*;
use Ballot::{Approve, Reject};
use Spore::{Latent, Primary, Seed};

fn service() -> ConsensusOperation {
    ConsensusOperation::ServiceDeployment {
        service: "web".to_owned(),
        manifest: b"m".to_vec(),
    }
}

fn routine() -> ConsensusOperation {
    ConsensusOperation::RoutineMaintenance {
        task: "backup".to_owned(),
        details: b"now".to_vec(),
    }
}

const ROLES: [Spore; 5] = [Primary, Seed, Seed, Seed, Latent];

#[test]
fn a_directive_takes_effect_after_the_objection_window() {
    let mut world = World::new(&ROLES, params());
    let id = world.open(10, 4, service(), &[], &Approve);
    assert_eq!(
        (world.phase(id), world.operation(id).electors.len()),
        ("authority", 0)
    );
    world.refuses(20, &[world.direct(1, id, true)], "not an active primary");
    world.seal(500, &[world.direct(0, id, true)]);
    world.seal(1500, &[]);
    assert_eq!(world.phase(id), "authority");
    world.seal(1600, &[]);
    assert_eq!(
        (world.phase(id), world.outcome(id)),
        ("closed", Some(decided(Approve)))
    );
    assert_eq!(world.oracle.view().config["service.web"], b"m");
    assert_eq!(world.trust(0), 500_000);
    world.refuses(1700, &[world.object(1, id)], "closed");
}

#[test]
fn routine_directives_take_effect_at_once() {
    let mut world = World::new(&ROLES, params());
    let proposal = world.propose(0, routine());
    let id = OperationId::from(proposal.id());
    world.seal(10, &[proposal, world.direct(0, id, true)]);
    assert_eq!(
        (world.phase(id), world.operation(id).effect),
        ("closed", Some(true))
    );
}

#[test]
fn an_objection_leaves_it_to_the_seeds() {
    let mut world = World::new(&ROLES, params());
    let proposal = world.propose(0, service());
    let id = OperationId::from(proposal.id());
    world.seal(10, &[proposal, world.direct(0, id, true)]);
    world.refuses(20, &[world.object(4, id)], "not an active seed");
    world.seal(1010, &[]);
    // An objection in the seal at which the window passes still counts.
    world.seal(1110, &[world.object(1, id), world.resolve(1, id, false)]);
    assert_eq!(world.phase(id), "authority");
    // One of three is not more than half.
    world.seal(1120, &[world.resolve(2, id, false)]);
    assert_eq!(world.outcome(id), Some(decided(Reject)));
    assert_eq!(world.operation(id).effect, None);
}

#[test]
fn an_objection_stops_even_what_is_routine_if_it_comes_with_the_directive() {
    let mut world = World::new(&ROLES, params());
    let proposal = world.propose(0, routine());
    let id = OperationId::from(proposal.id());
    world.seal(
        10,
        &[proposal, world.direct(0, id, true), world.object(1, id)],
    );
    assert_eq!(world.phase(id), "authority");
    let resolutions = [2, 3].map(|who| world.resolve(who, id, true));
    world.seal(20, &resolutions);
    assert_eq!(world.operation(id).effect, Some(true));
}

#[test]
fn a_seed_that_resolves_both_ways_counts_for_none() {
    let mut world = World::new(&[Primary, Seed, Seed, Seed, Latent], params());
    let proposal = world.propose(4, service());
    let id = OperationId::from(proposal.id());
    world.seal(
        10,
        &[proposal, world.object(1, id), world.resolve(1, id, true)],
    );
    world.seal(
        20,
        &[world.resolve(1, id, false), world.resolve(2, id, true)],
    );
    assert_eq!(
        (world.standing(1), world.phase(id)),
        ("banned", "authority")
    );
    // Of the two Seeds left, one is exactly half.
    world.seal(30, &[]);
    assert_eq!(world.phase(id), "authority");
    world.seal(40, &[world.resolve(3, id, true)]);
    assert_eq!(world.outcome(id), Some(decided(Approve)));
}

#[test]
fn a_silent_primary_and_silent_seeds_fall_back_to_everybody() {
    let mut world = World::new(&ROLES, params());
    let id = world.open(10, 4, service(), &[], &Approve);
    world.refuses(20, &[world.commit(0, id, &Approve)], "no elector");
    world.seal(1010, &[]);
    world.seal(1110, &[]); // the primary window passes
    world.seal(2110, &[]);
    let early = world.commit(0, id, &Approve);
    world.refuses(2210, &[early], "no elector");
    world.seal(2210, &[]); // the resolution window passes
    assert_eq!(
        (world.phase(id), world.operation(id).electors.len()),
        ("committing", 5)
    );
    world.refuses(2220, &[world.resolve(1, id, true)], "spore authority");
    let commits: Vec<Verified> = (0..5).map(|who| world.commit(who, id, &Approve)).collect();
    world.seal(2220, &commits);
    let reveals: Vec<Verified> = (0..5).map(|who| world.reveal(who, id, &Approve)).collect();
    world.seal(2230, &reveals);
    assert_eq!(
        (world.phase(id), world.operation(id).effect),
        ("closed", Some(true))
    );
    assert_eq!((world.trust(4), world.skill(4)), (510_000, 500_000));
}

#[test]
fn without_primary_and_seeds_everybody_votes_at_once() {
    let mut world = latents(3);
    let proposal = world.propose(0, service());
    let id = OperationId::from(proposal.id());
    // The seal that opens it also lets it fall back: commits can be sealed only later.
    world.refuses(
        10,
        &[proposal.clone(), world.commit(0, id, &Approve)],
        "no elector",
    );
    world.seal(10, &[proposal]);
    assert_eq!(world.phase(id), "committing");
}

#[test]
fn a_suspended_primary_directs_nothing() {
    let mut world = World::new(&ROLES, params());
    let proposal = world.propose(4, service());
    let id = OperationId::from(proposal.id());
    world.seal(10, &[proposal, world.direct(0, id, true)]);
    let lower = ConsensusOperation::TrustScoreModification {
        node: world.id(0),
        delta_ppm: -250_000,
        reason: String::new(),
    };
    let all: Vec<(usize, Ballot)> = (0..5).map(|who| (who, Approve)).collect();
    world.decide(20, lower, &all);
    assert_eq!(world.standing(0), "suspended");
    // Judged by the roster before the seal: the next seal moves it.
    world.seal(30, &[]);
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    assert_eq!(
        world.phase(id),
        "authority",
        "the directive no longer stands"
    );
    world.seal(1120, &[2, 3].map(|who| world.resolve(who, id, true)));
    assert_eq!(world.outcome(id), Some(decided(Approve)));
}

/// Directive, objection, and the Seeds' decision, two seals 10 ms apart; the objector is Seed 1.
fn objected(world: &mut World, after_ms: u64, directive: Option<bool>, resolution: bool) {
    let proposal = world.propose_as(4, service(), Priority::Normal, after_ms);
    let id = OperationId::from(proposal.id());
    let mut records = vec![proposal, world.object(1, id)];
    records.extend(directive.map(|approve| world.direct(0, id, approve)));
    world.seal(after_ms, &records);
    let resolutions = [2, 3].map(|who| world.resolve(who, id, resolution));
    world.seal(after_ms + 10, &resolutions);
    assert_eq!(world.phase(id), "closed");
}

#[test]
fn an_objection_that_is_overruled_costs_a_hundredth() {
    for (directive, resolution, trust) in [
        (Some(true), true, 495_000),
        (Some(true), false, 500_000),
        (Some(false), false, 495_000),
        (Some(false), true, 500_000),
        (None, true, 495_000),
        (None, false, 500_000),
    ] {
        let mut world = World::new(&ROLES, params());
        objected(&mut world, 10, directive, resolution);
        assert_eq!(world.trust(1), trust, "{directive:?} {resolution}");
        assert_eq!(world.trusts([0, 2, 3, 4]), [500_000; 4]);
    }
}

#[test]
fn objections_are_charged_once_per_objection_window() {
    let mut world = World::new(&ROLES, params());
    objected(&mut world, 10, Some(true), true);
    // Charged at 20; the next possible charge is at 1020.
    objected(&mut world, 1009, Some(true), true);
    assert_eq!(world.trust(1), 495_000);
    objected(&mut world, 1020, Some(true), true);
    assert_eq!(world.trust(1), 490_050, "1 % of 495,000 is 4,950");
}

/// A window shorter than the grace has a second step as short as itself.
#[test]
fn the_second_step_is_no_longer_than_the_window() {
    let params = Params {
        primary_window_ms: 40,
        ..params()
    };
    let mut world = World::new(&ROLES, params);
    let id = world.open(10, 4, service(), &[], &Approve);
    world.seal(50, &[]); // marks
    world.seal(90, &[]); // 40 later it passes: now the Seeds decide, within 1000
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 1090));
    assert_eq!(world.phase(id), "authority");
}
