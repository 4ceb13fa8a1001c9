//! Trust, by numbers worked out by hand.

use super::*;
use Ballot::{Abstain, Approve, Reject};
use Spore::Latent;

#[test]
fn gains_are_rounded_down_and_losses_up() {
    let params = Params {
        founder_trust_ppm: 500_001,
        coherent_gain_ppm: 20_000,
        critical_dissent_ppm: 10_000,
        ..params()
    };
    let mut world = World::new(&[Latent; 4], params);
    let votes = [(0, Approve), (1, Approve), (2, Approve), (3, Reject)];
    world.decide(10, config("k", "v"), &votes);
    // 2 % of 499,999 is 9,999.98; 1 % of 500,001 is 5,000.01.
    assert_eq!((world.trust(0), world.trust(3)), (510_000, 495_000));
    world.decide(20, config("k", "v"), &votes);
    assert_eq!((world.trust(0), world.trust(3)), (519_800, 490_050));
    assert_eq!((world.member(0).streak, world.member(3).streak), (2, 0));
    let votes = [(0, Approve), (1, Approve), (2, Approve), (3, Abstain)];
    world.decide(30, config("k", "v"), &votes);
    assert_eq!((world.trust(3), world.member(3).streak), (490_050, 0));
}

#[test]
fn dissent_on_claims_suspends_in_the_end() {
    let mut world = latents(5);
    let votes = [
        (0, result("a")),
        (1, result("a")),
        (2, result("a")),
        (3, result("a")),
        (4, result("b")),
    ];
    // 500,000 * 0.95^10 is 299,368 before rounding: nine times it stays.
    for round in 0..9 {
        world.decide(10 + 10 * round, claim(None), &votes);
        assert_eq!(world.standing(4), "active");
    }
    world.decide(200, claim(None), &votes);
    assert_eq!(world.standing(4), "suspended");
    assert_eq!(world.trust(4), 299_364);
    let proposal = world.propose(0, claim(None));
    let critical = world.propose(0, config("k", "v"));
    world.seal(300, &[proposal.clone(), critical.clone()]);
    let weight = |id| world.operation(id).electors[&world.id(4)];
    assert_eq!(
        weight(OperationId::from(proposal.id())),
        u64::from(world.trust(4))
    );
    assert_eq!(weight(OperationId::from(critical.id())), 0);
}

/// Opens `count` operations at once, to which all commit; the voters of `revealing` reveal.
fn withhold(world: &mut World, after_ms: u64, count: u64, revealing: &[usize]) -> Vec<OperationId> {
    let everybody = world.genesis.members.len();
    let mut records = Vec::new();
    let mut ids = Vec::new();
    for number in 0..count {
        let nonce = after_ms * 100 + number;
        let proposal = world.propose_as(0, config("k", "v"), Priority::Normal, nonce);
        let id = OperationId::from(proposal.id());
        records.push(proposal);
        records.extend((0..everybody).map(|who| world.commit(who, id, &Approve)));
        ids.push(id);
    }
    world.seal(after_ms, &records);
    let reveals: Vec<Verified> = ids
        .iter()
        .flat_map(|id| {
            revealing
                .iter()
                .map(|who| world.reveal(*who, *id, &Approve))
        })
        .collect();
    world.seal(after_ms + 1, &reveals);
    ids
}

#[test]
fn a_member_that_revealed_nothing_is_charged_once_per_window() {
    let mut world = latents(4);
    let ids = withhold(&mut world, 10, 3, &[0, 1, 2]);
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    assert_eq!(world.trust(3), 460_000, "8 % once for three");
    let reasons: Vec<&str> = ids.iter().flat_map(|id| world.reasons(*id, 3)).collect();
    let mut sorted = reasons.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["withheld", "withheld_uncharged", "withheld_uncharged"]
    );
    // Frozen after that charge: charged again.
    withhold(&mut world, 2000, 1, &[0, 1, 2]);
    world.seal(3000, &[]);
    world.seal(3100, &[]);
    assert_eq!(world.trust(3), 423_200);
}

#[test]
fn a_member_that_reveals_elsewhere_is_charged_each_time() {
    let mut world = latents(4);
    let ids = withhold(&mut world, 10, 3, &[0, 1, 2]);
    world.seal(20, &[world.reveal(3, ids[0], &Approve)]);
    assert_eq!(world.trust(3), 510_000);
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    // 510,000 * 0.92 * 0.92.
    assert_eq!(world.trust(3), 431_664);
}

/// One operation that freezes by the grace without person 3: 101 ms from opening to close.
fn vote_without_the_fourth(world: &mut World, after_ms: u64) {
    let voters = [0, 1, 2];
    let proposal = world.propose_as(0, config("k", "v"), Priority::Normal, after_ms);
    let id = OperationId::from(proposal.id());
    let mut records = vec![proposal];
    records.extend(voters.map(|who| world.commit(who, id, &Approve)));
    world.seal(after_ms, &records);
    world.seal(after_ms + 100, &[]);
    world.reveal_all(after_ms + 101, id, &voters, &Approve);
}

#[test]
fn absence_costs_after_half_a_hundred_missed_chances_and_once_per_window() {
    // The second fine is possible 1,100 ms after the first, neither a seal earlier nor a millisecond before the window.
    for (commit_window_ms, trust) in [(1100, 480_200), (1101, 490_000)] {
        let params = Params {
            commit_window_ms,
            ..params()
        };
        let mut world = World::new(&[Latent; 4], params);
        for number in 0..50 {
            vote_without_the_fourth(&mut world, number * 110 + 10);
        }
        assert_eq!((world.member(3).missed, world.trust(3)), (50, 500_000));
        vote_without_the_fourth(&mut world, 50 * 110 + 10);
        assert_eq!((world.member(3).missed, world.trust(3)), (51, 490_000));
        for number in 51..60 {
            vote_without_the_fourth(&mut world, number * 110 + 10);
            assert_eq!(world.trust(3), 490_000);
        }
        vote_without_the_fourth(&mut world, 60 * 110 + 10);
        assert_eq!(world.trust(3), trust, "{commit_window_ms}");
    }
}

#[test]
fn the_thresholds_belong_to_the_upper_side() {
    use crate::sim::oracle::roster::{Member, Standing};
    let params = Params::default();
    let cases = [
        (Standing::Active, 300_000, 0, Standing::Active),
        (Standing::Active, 299_999, 99, Standing::Suspended),
        (Standing::Suspended, 400_000, 10, Standing::Active),
        (Standing::Suspended, 399_999, 10, Standing::Suspended),
        (Standing::Probation, 400_000, 10, Standing::Active),
        (Standing::Probation, 1_000_000, 9, Standing::Probation),
        (Standing::Probation, 100_000, 0, Standing::Probation),
        (Standing::Banned, 0, 99, Standing::Banned),
    ];
    for (was, trust, streak, is) in cases {
        let mut member = Member::new(Latent, trust, was);
        member.streak = streak;
        member.restand(&params);
        assert_eq!(member.standing, is, "{was:?} {trust} {streak}");
    }
}

#[test]
fn only_the_last_hundred_chances_count() {
    use crate::sim::oracle::roster::{Member, Standing};
    let mut member = Member::new(Latent, 500_000, Standing::Active);
    member.chances = [vec![true; 60], vec![false; 70]].concat();
    assert_eq!(member.missed(), 30);
}
