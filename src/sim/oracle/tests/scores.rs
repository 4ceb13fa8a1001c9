//! Trust and skill, by numbers worked out by hand.

use super::*;
use crate::base::digest::Digest;
use Ballot::{Abstain, Approve, Reject};
use Spore::Latent;

#[test]
fn gains_are_rounded_down_and_losses_up() {
    let params = Params {
        founder_trust_ppm: 500_001,
        ..params()
    };
    let mut world = World::new(&[Latent; 4], params);
    let votes = [(0, Approve), (1, Approve), (2, Approve), (3, Reject)];
    world.decide(10, config("k", "v"), &votes);
    // 2 % of 499,999 is 9,999.98; 1 % of 500,001 is 5,000.01.
    assert_eq!(world.trusts([0, 3]), [510_000, 495_000]);
    world.decide(20, config("k", "v"), &votes);
    assert_eq!(world.trusts([0, 3]), [519_800, 490_050]);
    let votes = [(0, Approve), (1, Approve), (2, Approve), (3, Abstain)];
    world.decide(30, config("k", "v"), &votes);
    assert_eq!((world.trust(3), world.row(3)), (490_050, 0));
    assert_eq!(world.skills([0, 3]), [500_000; 2], "skill is for claims");
}

#[test]
fn a_row_grows_once_per_commit_window_and_ends_by_dissent() {
    let mut world = latents(4);
    let all = [0, 1, 2, 3].map(|who| (who, Approve));
    // These close at 11, 1010 and 1012; the commit window is 1000.
    for (opened, row) in [(10, 1), (1009, 1), (1011, 2)] {
        world.decide(opened, config("k", "v"), &all);
        assert_eq!(world.row(0), row, "{opened}");
    }
    let votes = [(0, Reject), (1, Approve), (2, Approve), (3, Abstain)];
    world.decide(1500, config("k", "v"), &votes);
    assert_eq!(world.row(0), 2, "two of four decide nothing");
    let votes = [(0, Reject), (1, Approve), (2, Approve), (3, Approve)];
    world.decide(1510, config("k", "v"), &votes);
    assert_eq!((world.row(0), world.row(1)), (0, 2));
    // The end of a row does not open the window of its last step.
    world.decide(1520, config("k", "v"), &all);
    assert_eq!((world.row(0), world.row(1)), (0, 2));
    world.decide(2011, config("k", "v"), &all);
    assert_eq!((world.row(0), world.row(1)), (1, 3));
}

#[test]
fn dissent_on_claims_suspends_nobody() {
    let mut world = latents(5);
    let votes = "aaaab".chars().map(|answer| result(&answer.to_string()));
    let votes: Vec<(usize, Ballot)> = votes.enumerate().collect();
    world.decide(10, claim(None), &votes);
    world.decide(20, claim(None), &votes);
    assert_eq!((world.trust(4), world.skill(4)), (490_050, 451_250));
    // 500,000 * 0.99^22 is 400,817; the next step would lead below the 400,000 that make a member active.
    for round in 3..=30 {
        world.decide(10 * round, claim(None), &votes);
    }
    assert_eq!((world.trust(4), world.standing(4)), (400_000, "active"));
    assert!(world.skill(4) < 110_000, "500,000 * 0.95^30 is 107,319");
    // Below that limit already, dissent on claims takes nothing.
    let lower = ConsensusOperation::TrustScoreModification {
        node: world.id(4),
        delta_ppm: -50_000,
        reason: String::new(),
    };
    let votes_for = [0, 1, 2, 3, 4].map(|who| (who, Approve));
    world.decide(400, lower, &votes_for);
    // 2 % of 600,000 first.
    assert_eq!(world.trust(4), 362_000);
    world.decide(410, claim(None), &votes);
    assert_eq!(world.trust(4), 362_000);
    // On critical matters it does, and can suspend: 362,000 * 0.99 is 358,380.
    let votes = [
        (0, Approve),
        (1, Approve),
        (2, Approve),
        (3, Approve),
        (4, Reject),
    ];
    world.decide(420, config("k", "v"), &votes);
    assert_eq!(world.trust(4), 358_380);
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
    // More than a reveal window after that charge: charged again.
    withhold(&mut world, 2000, 1, &[0, 1, 2]);
    world.seal(3000, &[]);
    world.seal(3100, &[]);
    assert_eq!((world.trust(3), world.skill(3)), (423_200, 500_000));
}

#[test]
fn a_member_that_reveals_elsewhere_is_charged_each_time() {
    let mut world = latents(4);
    let ids = withhold(&mut world, 10, 3, &[0, 1, 2]);
    world.seal(500, &[world.reveal(3, ids[0], &Approve)]);
    assert_eq!((world.trust(3), world.row(3)), (510_000, 1));
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    // It revealed 610 ms before: 510,000 * 0.92 * 0.92.
    assert_eq!((world.trust(3), world.row(3)), (431_664, 0));
}

#[test]
fn withholding_is_never_cheaper_than_being_wrong() {
    let params = Params {
        critical_dissent_ppm: 200_000,
        skill_dissent_ppm: 100_000,
        ..params()
    };
    let mut world = World::new(&[Latent; 4], params.clone());
    withhold(&mut world, 10, 1, &[0, 1, 2]);
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    assert_eq!((world.trust(3), world.skill(3)), (400_000, 500_000));
    // On a claim being wrong costs 1 % of trust and 10 % of skill, withholding 8 % and 10 %.
    let mut world = World::new(&[Latent; 4], params);
    let id = world.open(20, 0, claim(None), &[0, 1, 2, 3], &result("a"));
    world.reveal_all(30, id, &[0, 1, 2], &result("a"));
    world.seal(1020, &[]);
    world.seal(1120, &[]);
    assert_eq!((world.trust(3), world.skill(3)), (460_000, 450_000));
}

/// One operation of proposer 0, which freezes by the grace at the latest, without person 3: 101 ms from opening to close.
fn vote_without_the_fourth(world: &mut World, after_ms: u64) {
    let votes = [(0, Approve), (1, Approve), (2, Approve)];
    world.decide_late(after_ms, config("k", "v"), &votes);
}

fn rejoin(world: &World, who: usize, number: u64) -> Verified {
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    let nonce = Digest::from_bytes(nonce);
    world.says(who, Statement::Rejoin { nonce })
}

#[test]
fn absence_costs_after_half_a_hundred_missed_chances_of_a_member_that_is_never_seen() {
    let mut world = latents(4);
    for round in 1..=50 {
        vote_without_the_fourth(&mut world, round * 1000);
    }
    assert_eq!((world.member(3).missed, world.trust(3)), (50, 500_000));
    vote_without_the_fourth(&mut world, 51_000);
    assert_eq!((world.member(3).missed, world.trust(3)), (51, 490_000));
    vote_without_the_fourth(&mut world, 52_000);
    assert_eq!((world.member(3).missed, world.trust(3)), (52, 480_200));
    // Something of its own is sealed 601 ms before the close.
    let sign_of_life = rejoin(&world, 3, 1);
    world.seal(52_500, &[sign_of_life]);
    vote_without_the_fourth(&mut world, 53_000);
    assert_eq!((world.member(3).missed, world.trust(3)), (53, 480_200));
}

#[test]
fn a_proposer_gives_one_chance_per_commit_window() {
    let mut world = latents(5);
    let votes = [(0, Approve), (1, Approve), (2, Approve), (3, Approve)];
    for (opened, missed) in [(100, 1), (300, 1), (1099, 1), (1300, 2)] {
        world.decide_late(opened, config("k", "v"), &votes);
        assert_eq!(world.member(4).missed, missed, "closed at {}", opened + 101);
    }
    // Another proposer, at the same time.
    let votes = [(1, Approve), (0, Approve), (2, Approve), (3, Approve)];
    world.decide_late(1500, config("k", "v"), &votes);
    assert_eq!(world.member(4).missed, 3);
}

#[test]
fn a_chance_needs_two_thirds_of_all_votes() {
    // Six members, one of them suspended: five votes. A claim freezes by five of six heads.
    let mut world = latents(6);
    let lower = ConsensusOperation::TrustScoreModification {
        node: world.id(5),
        delta_ppm: -250_000,
        reason: String::new(),
    };
    let all: Vec<(usize, Ballot)> = (0..6).map(|who| (who, Approve)).collect();
    world.decide(10, lower, &all);
    assert_eq!(world.standing(5), "suspended");
    for (opened, voters, missed) in [
        // Four of five votes are more than two thirds.
        (2000, [1, 2, 3, 4, 5], 1),
        (4000, [0, 1, 2, 3, 5], 1),
    ] {
        let votes = voters.map(|who| (who, result("a")));
        world.decide_late(opened, claim(None), &votes);
        assert_eq!(world.member(0).missed, missed);
    }
}

#[test]
fn the_thresholds_belong_to_the_upper_side() {
    use crate::sim::oracle::roster::{Member, Standing};
    use crate::statement::name::MemberName;
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
    for (was, trust, row, is) in cases {
        let name = MemberName::new("ada").unwrap();
        let mut member = Member::new(name, Latent, trust, 500_000, was, 0);
        member.row = row;
        member.restand(&params);
        assert_eq!(member.standing, is, "{was:?} {trust} {row}");
    }
}

#[test]
fn only_the_last_hundred_chances_count() {
    use crate::sim::oracle::roster::{Member, Standing};
    use crate::statement::name::MemberName;
    let name = MemberName::new("ada").unwrap();
    let mut member = Member::new(name, Latent, 500_000, 500_000, Standing::Active, 0);
    for number in 0..130 {
        member.count_chance(number < 60);
    }
    assert_eq!(member.missed(), 30);
}
