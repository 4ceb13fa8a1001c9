//! Claims, their rules, and panels (P5, P9).

use super::*;
use Ballot::{Abstain, Approve};
use Spore::{Latent, Primary, Seed};

const fn rule(share_ppm: u32, electors: u32) -> ClaimRule {
    ClaimRule {
        share_ppm,
        electors,
    }
}

/// Everybody gives one of these answers; `-` stands for an abstention.
fn asked(rule: ClaimRule, answers: &str) -> (World, OperationId) {
    let mut world = latents(answers.len());
    let votes: Vec<(usize, Ballot)> = answers
        .chars()
        .map(|answer| match answer {
            '-' => Abstain,
            _ => result(&answer.to_string()),
        })
        .enumerate()
        .collect();
    let id = world.decide(10, claim_by(rule, None), &votes);
    (world, id)
}

#[test]
fn every_rule_decides_as_it_says() {
    let majority = ClaimRule::MAJORITY;
    for (rule, answers, outcome) in [
        (ClaimRule::PLURALITY, "aabc-", "a"),
        (ClaimRule::PLURALITY, "aabbc", ""),
        (ClaimRule::PLURALITY, "a--", "a"),
        // Two of four that answered are not more than half.
        (majority, "aabc-", ""),
        (majority, "aaab", "a"),
        (majority, "ab-", ""),
        (majority, "a--", "a"),
        // Three of five are less than two thirds, four of five are more.
        (rule(666_667, 1), "aaabb", ""),
        (rule(666_667, 1), "aaaab", "a"),
        (rule(999_999, 1), "aaaa-", "a"),
        (rule(500_000, 3), "aaa--", "a"),
        (rule(500_000, 4), "aaa--", ""),
        (rule(0, 2), "aabc-", "a"),
        (rule(0, 3), "aabc-", ""),
    ] {
        let (world, id) = asked(rule, answers);
        let expected = if outcome.is_empty() {
            Outcome::NoQuorum
        } else {
            decided(result(outcome))
        };
        assert_eq!(world.outcome(id), Some(expected), "{rule} {answers}");
        assert_eq!(world.phase(id), "closed");
    }
}

#[test]
fn a_plurality_is_tallied_when_no_reveal_can_change_it() {
    let mut world = latents(5);
    let proposal = world.propose(0, claim_by(ClaimRule::PLURALITY, None));
    let id = OperationId::from(proposal.id());
    let ballots = [result("a"), result("a"), result("b"), result("c"), Approve];
    let mut records = vec![proposal];
    records.extend((0..5).map(|who| world.commit(who, id, &ballots[who])));
    world.seal(10, &records);
    let reveals: Vec<Verified> = (0..5)
        .map(|who| world.reveal(who, id, &ballots[who]))
        .collect();
    world.seal(20, &reveals[..3]);
    // a: 2, b: 1, unrevealed 2: b could still win.
    assert_eq!(world.phase(id), "revealing");
    world.seal(30, &reveals[3..4]);
    // a: 2, b: 1, c: 1, unrevealed 1: b could still draw level.
    assert_eq!(world.phase(id), "revealing");
    world.seal(40, &reveals[4..]);
    // `Approve` does not fit a claim: an abstention.
    assert_eq!(world.outcome(id), Some(decided(result("a"))));
    // Two of five are no half: nobody gains or loses.
    assert_eq!(world.trusts([0, 1, 2, 3, 4]), [500_000; 5]);
    assert_eq!(world.skills([0, 1, 2, 3, 4]), [500_000; 5]);
    assert_eq!((world.row(0), world.operation(id).effect), (0, None));
}

#[test]
fn scores_move_by_how_many_agree() {
    // Three of five: more than half of the votes and of the weight, not two thirds of the votes.
    let (world, _) = asked(ClaimRule::MAJORITY, "aaabb");
    assert_eq!((world.trust(0), world.skill(0)), (510_000, 510_000));
    assert_eq!((world.trust(3), world.skill(3)), (500_000, 475_000));
    // Four of five: 1 % of trust, 5 % of skill.
    let (world, _) = asked(ClaimRule::MAJORITY, "aaaab");
    assert_eq!((world.trust(0), world.row(0)), (510_000, 1));
    assert_eq!((world.trust(4), world.skill(4)), (495_000, 475_000));
    // Two against one, and two abstain: decided, but two of five votes are no half of all.
    let (world, id) = asked(ClaimRule::MAJORITY, "aab--");
    assert_eq!(world.outcome(id), Some(decided(result("a"))));
    assert_eq!(world.trusts([0, 2]), [500_000; 2]);
    assert_eq!(world.skills([0, 2]), [500_000; 2]);
}

#[test]
fn a_claim_needs_more_than_half_of_the_weight_revealed() {
    let mut world = latents(4);
    let id = world.open(10, 0, claim(None), &[0, 1, 2], &result("a"));
    world.seal(110, &[]);
    world.reveal_all(120, id, &[0, 1], &result("a"));
    // a weighs 2, unrevealed 1: a has its majority, but two of four are not more than half.
    assert_eq!(world.phase(id), "revealing");
    world.seal(1110, &[]);
    world.seal(1210, &[]);
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
}

#[test]
fn weight_is_skill_but_at_least_the_floor() {
    for (floor, low, high) in [(500_000, 500_000, 510_000), (0, 475_000, 510_000)] {
        let params = Params {
            skill_floor_ppm: floor,
            ..params()
        };
        let mut world = World::new(&[Latent; 5], params);
        let votes = "aaaab".chars().map(|answer| result(&answer.to_string()));
        let votes: Vec<(usize, Ballot)> = votes.enumerate().collect();
        world.decide(10, claim(None), &votes);
        let id = world.open(20, 0, claim(None), &[], &Approve);
        let weight = |who| world.operation(id).electors[&world.id(who)].weight;
        assert_eq!((weight(4), weight(0)), (low, high));
    }
}

#[test]
fn what_is_asked_already_is_not_asked_again() {
    let mut world = latents(3);
    let twice = [0, 1].map(|who| world.propose(who, claim(None)));
    world.refuses(10, &twice, "an equal claim");
    let id = world.open(10, 0, claim(None), &[0, 1, 2], &result("a"));
    let again = world.propose(1, claim(None));
    world.refuses(20, std::slice::from_ref(&again), "an equal claim");
    world.seal(
        20,
        &[world.propose(1, claim_by(ClaimRule::PLURALITY, None))],
    );
    world.reveal_all(30, id, &[0, 1, 2], &result("a"));
    // It closed.
    world.seal(40, &[again]);
}

#[test]
fn a_rule_asks_for_no_more_electors_than_there_are() {
    let mut world = latents(3);
    let four = world.propose(0, claim_by(rule(500_000, 4), None));
    world.refuses(10, &[four], "more electors");
    let three = world.propose(0, claim_by(rule(500_000, 3), None));
    world.seal(10, &[three]);
}

const ROLES: [Spore; 6] = [Primary, Latent, Latent, Latent, Latent, Latent];

#[allow(clippy::unnecessary_wraps, reason = "as the field has it")]
fn some(world: &World, who: &[usize]) -> Option<Vec<NodeId>> {
    Some(who.iter().map(|who| world.id(*who)).collect())
}

#[test]
fn a_small_panel_moves_skill_by_withholding_only() {
    let mut world = World::new(&ROLES, params());
    let panel = some(&world, &[1, 2, 3]);
    let proposal = world.propose(0, claim(panel));
    let id = OperationId::from(proposal.id());
    let mut records = vec![proposal];
    world.refuses(
        10,
        &[records[0].clone(), world.commit(4, id, &result("a"))],
        "no elector",
    );
    records.extend([1, 2, 3].map(|who| world.commit(who, id, &result("a"))));
    world.seal(10, &records);
    assert_eq!(world.operation(id).electors.len(), 3);
    world.reveal_all(20, id, &[1, 2], &result("a"));
    assert_eq!(world.outcome(id), Some(decided(result("a"))));
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    assert_eq!(world.skills([1, 2, 3]), [500_000, 500_000, 460_000]);
    assert_eq!(world.trusts([1, 2, 3]), [500_000; 3]);
    assert_eq!((world.row(1), world.member(4).missed), (0, 0));
    assert_eq!(world.member(0).times_ms["chance"], None);
}

#[test]
fn a_panel_that_weighs_a_quorum_moves_skill() {
    let mut world = World::new(&ROLES, params());
    // Five of six are more than two thirds, four are not.
    for (panel, skill) in [(vec![1, 2, 3, 4], 500_000), (vec![1, 2, 3, 4, 5], 510_000)] {
        let start = world.chain.time_ms() - START_MS;
        let operation = claim(some(&world, &panel));
        let id = world.open(start + 10, 0, operation, &panel, &result("a"));
        world.reveal_all(start + 20, id, &panel, &result("a"));
        assert_eq!((world.skill(1), world.trust(1)), (skill, 500_000));
    }
}

#[test]
fn a_trusted_task_giver_scores_panels_of_three_and_decides_by_panels_of_one() {
    let mut world = World::with(
        &ROLES,
        params(),
        Sealing::Members,
        PanelScoring::Authorities,
    );
    let operation = claim(some(&world, &[1, 2, 3]));
    let id = world.open(10, 0, operation, &[1, 2, 3], &result("a"));
    world.reveal_all(20, id, &[1, 2, 3], &result("a"));
    assert_eq!((world.skill(1), world.trust(1)), (510_000, 500_000));
    for panel in [vec![4], vec![4, 5]] {
        let start = world.chain.time_ms() - START_MS;
        let operation = claim(some(&world, &panel));
        let id = world.open(start + 10, 0, operation, &panel, &result("a"));
        world.reveal_all(start + 20, id, &panel, &result("a"));
        assert_eq!(world.outcome(id), Some(decided(result("a"))));
        assert_eq!(world.skill(4), 500_000);
    }
}

#[test]
fn who_may_name_which_panel() {
    let roles = [Primary, Seed, Latent, Latent];
    let mut world = World::new(&roles, params());
    let cases: [(usize, &[usize], &str); 3] = [
        (2, &[0, 1, 2, 3], "a panel from a Latent"),
        (1, &[0, 1], "a panel of too few"),
        (1, &[0, 1, 2, 4], "a stranger"),
    ];
    for (author, panel, why) in cases {
        let proposal = world.propose(author, claim(some(&world, panel)));
        world.refuses(10, &[proposal], why);
    }
    let proposal = world.propose(1, claim(some(&world, &[0, 1, 2])));
    world.seal(10, &[proposal]);
}
