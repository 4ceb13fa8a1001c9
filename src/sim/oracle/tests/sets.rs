//! Claim sets: outcomes item by item, and scores in proportion (P5, P9, T3).

use super::*;
use crate::statement::operation::ClaimItem;
use Ballot::{Abstain, Approve};
use Spore::{Latent, Primary};

fn set_by(rule: ClaimRule, items: usize, panel: Option<Vec<NodeId>>) -> ConsensusOperation {
    let item = |number| ClaimItem {
        subject: format!("item {number}"),
        input: Vec::new(),
    };
    ConsensusOperation::ClaimSet {
        subject: "s".to_owned(),
        items: (0..items).map(item).collect(),
        panel: panel.map(|mut panel| {
            panel.sort_unstable();
            panel
        }),
        rule,
    }
}

fn set(items: usize) -> ConsensusOperation {
    set_by(ClaimRule::MAJORITY, items, None)
}

/// One letter for the result of each item; `-` stands for none.
fn results(text: &str) -> Ballot {
    let result = |letter: char| (letter != '-').then(|| letter.to_string().into_bytes());
    Ballot::Results(text.chars().map(result).collect())
}

fn votes(ballots: &[&str]) -> Vec<(usize, Ballot)> {
    ballots
        .iter()
        .map(|text| results(text))
        .enumerate()
        .collect()
}

#[test]
fn each_item_is_decided_by_the_rule() {
    let thirds = ClaimRule {
        share_ppm: 666_667,
        electors: 1,
    };
    let three = ClaimRule {
        electors: 3,
        ..ClaimRule::MAJORITY
    };
    let ballots = ["aaaa-", "aaab-", "aab--", "ab---", "bc---"];
    for (rule, outcome) in [
        // Four of five; three of five; two of three that answered; one of two; nobody answered.
        (ClaimRule::MAJORITY, "aaa--"),
        // In the second item b and c have one each.
        (ClaimRule::PLURALITY, "aaa--"),
        (thirds, "a----"),
        (three, "aa---"),
    ] {
        let mut world = latents(5);
        let id = world.decide(10, set_by(rule, 5, None), &votes(&ballots));
        assert_eq!(world.outcome(id), Some(decided(results(outcome))), "{rule}");
        assert_eq!(world.phase(id), "closed");
        assert_eq!(world.operation(id).effect, None);
    }
}

#[test]
fn a_set_of_which_no_item_is_decided_has_no_quorum() {
    let mut world = latents(4);
    let id = world.decide(10, set(3), &votes(&["aa-", "ab-", "ba-", "bb-"]));
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
    for who in 0..4 {
        assert_eq!((world.trust(who), world.skill(who)), (500_000, 500_000));
        assert_eq!(
            (world.row(who), world.reasons(id, who)),
            (0, vec!["neutral"])
        );
    }
}

#[test]
fn a_ballot_that_does_not_fit_abstains_on_every_item() {
    let mut world = latents(6);
    let votes = [
        results("ab"),
        results("ab"),
        results("cba"),
        results("c"),
        result("c"),
        Approve,
    ];
    let votes: Vec<(usize, Ballot)> = votes.into_iter().enumerate().collect();
    let id = world.decide(10, set(2), &votes);
    assert_eq!(world.outcome(id), Some(decided(results("ab"))));
    assert_eq!(world.reasons(id, 0), ["coherent"]);
    for who in 2..6 {
        assert_eq!(world.reasons(id, who), ["neutral"]);
    }
    // Two of six are no half: nobody gains.
    assert_eq!(world.trusts([0, 2, 5]), [500_000; 3]);
    assert_eq!(world.skills([0, 2, 5]), [500_000; 3]);
    // Results are no answer to a single claim, nor to a critical question.
    let votes = [(0, result("a")), (1, results("b")), (2, results("bb"))];
    let mut world = latents(3);
    let id = world.decide(10, claim(None), &votes);
    assert_eq!(world.outcome(id), Some(decided(result("a"))));
    let votes = [0, 1, 2].map(|who| (who, results("b")));
    let id = world.decide(20, config("k", "v"), &votes);
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
}

/// Five commit to a set of two items; the ballots are revealed one per seal.
fn revealing(ballots: [&str; 5]) -> (World, OperationId, Vec<Verified>) {
    let mut world = latents(5);
    let proposal = world.propose(0, set(2));
    let id = OperationId::from(proposal.id());
    let ballots = ballots.map(results);
    let mut records = vec![proposal];
    records.extend((0..5).map(|who| world.commit(who, id, &ballots[who])));
    world.seal(10, &records);
    let reveals = (0..5).map(|who| world.reveal(who, id, &ballots[who]));
    let reveals = reveals.collect();
    (world, id, reveals)
}

#[test]
fn a_set_is_decided_once_every_item_is() {
    let (mut world, id, reveals) = revealing(["aa", "aa", "ab", "aa", "a-"]);
    world.seal(20, &reveals[..3]);
    // The first item has three of five, the second two of five.
    assert_eq!(world.phase(id), "revealing");
    world.seal(30, &reveals[3..4]);
    assert_eq!(world.phase(id), "decided");
    assert_eq!(world.outcome(id), Some(decided(results("aa"))));
    assert_eq!(world.skill(0), 500_000);
    world.seal(40, &reveals[4..]);
    assert_eq!((world.phase(id), world.skill(0)), ("closed", 510_000));
}

#[test]
fn what_is_not_revealed_is_forfeited_in_every_item() {
    let (mut world, id, reveals) = revealing(["aa", "aa", "ab", "ab", "aa"]);
    world.seal(20, &reveals[..4]);
    world.seal(1010, &[]);
    assert_eq!(world.phase(id), "revealing");
    world.seal(1110, &[]);
    assert_eq!(world.outcome(id), Some(decided(results("a-"))));
    assert_eq!(world.phase(id), "closed");
    // Half of 2 % of the missing half.
    assert_eq!(world.trusts([0, 1, 2, 3]), [505_000; 4]);
    assert_eq!(world.skills([0, 1, 2, 3]), [505_000; 4]);
    assert_eq!((world.row(0), world.row(2)), (1, 1));
    // 8 % of all.
    assert_eq!((world.trust(4), world.skill(4)), (460_000, 460_000));
    assert_eq!(world.reasons(id, 4), ["withheld"]);
}

#[test]
fn one_seconded_item_makes_withholding_end_a_row() {
    for (ballots, row) in [(["aa", "aa", "ab", "ab"], 0), (["aa", "a-", "b-", "--"], 1)] {
        let mut world = latents(5);
        let all = [0, 1, 2, 3, 4].map(|who| (who, Approve));
        world.decide(10, config("k", "v"), &all);
        assert_eq!(world.row(4), 1);
        let proposal = world.propose(0, set(2));
        let id = OperationId::from(proposal.id());
        let mut records = vec![proposal];
        records.extend((0..4).map(|who| world.commit(who, id, &results(ballots[who]))));
        records.push(world.commit(4, id, &results("aa")));
        world.seal(20, &records);
        let reveals = (0..4).map(|who| world.reveal(who, id, &results(ballots[who])));
        let reveals: Vec<Verified> = reveals.collect();
        world.seal(30, &reveals);
        world.seal(1020, &[]);
        world.seal(1120, &[]);
        let outcome = world.outcome(id).unwrap();
        assert!(matches!(outcome, Outcome::Decided(_)), "{outcome:?}");
        assert_eq!((world.phase(id), world.row(4)), ("closed", row));
    }
}

#[test]
fn scores_move_in_proportion_and_are_rounded_once() {
    let params = Params {
        founder_trust_ppm: 500_001,
        ..params()
    };
    let mut world = World::new(&[Latent; 6], params);
    // Of six votes the first item has five, the second four, which are no more than two thirds, and the third too.
    let ballots = ["aaa", "aaa", "aaa", "aab", "b--", "a-a"];
    let id = world.decide(10, set(3), &votes(&ballots));
    assert_eq!(world.outcome(id), Some(decided(results("aaa"))));
    // 2 % of 499,999 is 9,999.98; of that two thirds are 6,666.65.
    assert_eq!(world.trusts([0, 3, 5]), [510_000, 506_667, 506_667]);
    // A third of 1 % of 500,001 is 1,666.67.
    assert_eq!(world.trust(4), 498_334);
    // Two thirds of 10,000 are 6,666.67; a third of 5 % of 506,666 is 8,444.43, and of 500,000 it is 8,333.33.
    assert_eq!(
        world.skills([0, 3, 4, 5]),
        [510_000, 498_221, 491_666, 506_666]
    );
    assert_eq!([0, 3, 4, 5].map(|who| world.row(who)), [1, 0, 0, 1]);
    for (who, reason) in [(0, "coherent"), (3, "dissent_claim"), (4, "dissent_claim")] {
        assert_eq!(world.reasons(id, who), [reason]);
    }
}

#[test]
fn what_only_a_few_agree_on_moves_nothing() {
    let mut world = latents(5);
    // The second item is decided by two against one; two of five are no half.
    let id = world.decide(10, set(2), &votes(&["aa", "aa", "ab", "a-", "--"]));
    assert_eq!(world.outcome(id), Some(decided(results("aa"))));
    assert_eq!(
        world.trusts([0, 2, 3, 4]),
        [505_000, 505_000, 505_000, 500_000]
    );
    assert_eq!(
        world.skills([0, 2, 3, 4]),
        [505_000, 505_000, 505_000, 500_000]
    );
    assert_eq!([0, 2, 3, 4].map(|who| world.row(who)), [1, 1, 1, 0]);
    assert_eq!(world.reasons(id, 2), ["coherent"]);
    assert_eq!(world.reasons(id, 4), ["neutral"]);
}

#[test]
fn a_row_grows_by_half_a_set_and_ends_by_one_item() {
    let mut world = latents(5);
    for (after_ms, fourth, fifth, rows) in [
        (10, "aa--", "a---", [1, 0]),
        // At most once per commit window.
        (20, "aaaa", "-aaa", [1, 1]),
        (2000, "a---", "aaaa", [1, 2]),
        (4000, "aaab", "----", [0, 2]),
    ] {
        let votes = votes(&["aaaa", "aaaa", "aaaa", fourth, fifth]);
        world.decide(after_ms, set(4), &votes);
        assert_eq!([3, 4].map(|who| world.row(who)), rows, "{after_ms}");
        if after_ms == 10 {
            // Two of four and one of four of 10,000.
            assert_eq!(world.trusts([3, 4]), [505_000, 502_500]);
        }
    }
}

#[test]
fn wrong_items_suspend_nobody() {
    // 500,000 + 10,000 for approving, less the modification.
    for (delta_ppm, before, after) in [
        // Half of 2 % of what is missing: 5,999; then half of 1 % of 406,099: 2,030.5.
        (-109_900, 400_100, 404_068),
        // 401,050 less 2,006 would be below 400,000.
        (-115_000, 395_000, 400_000),
        // After the gain it is still below.
        (-210_000, 300_000, 307_000),
    ] {
        let mut world = latents(5);
        let lower = ConsensusOperation::TrustScoreModification {
            node: world.id(4),
            delta_ppm,
            reason: String::new(),
        };
        let all = [0, 1, 2, 3, 4].map(|who| (who, Approve));
        world.decide(10, lower, &all);
        assert_eq!((world.trust(4), world.standing(4)), (before, "active"));
        world.decide(20, set(2), &votes(&["aa", "aa", "aa", "aa", "ab"]));
        assert_eq!((world.trust(4), world.row(4)), (after, 0));
    }
}

#[test]
fn a_panel_moves_skill_by_sets_but_no_trust() {
    let roles = [Primary, Latent, Latent, Latent, Latent, Latent];
    for (panel, skills) in [
        // Five of six weigh a quorum: 500,000 + 5,000 - 12,625.
        (vec![1, 2, 3, 4, 5], [510_000, 492_375]),
        (vec![1, 2, 3, 5], [500_000, 500_000]),
    ] {
        let mut world = World::new(&roles, params());
        let nodes = panel.iter().map(|who| world.id(*who)).collect();
        let proposal = world.propose(0, set_by(ClaimRule::MAJORITY, 2, Some(nodes)));
        let id = OperationId::from(proposal.id());
        let ballot = |who: usize| results(if who == 5 { "ab" } else { "aa" });
        let commits = panel
            .iter()
            .map(|who| world.commit(*who, id, &ballot(*who)));
        let records: Vec<Verified> = [proposal].into_iter().chain(commits).collect();
        world.seal(10, &records);
        let reveals = panel
            .iter()
            .map(|who| world.reveal(*who, id, &ballot(*who)));
        let reveals: Vec<Verified> = reveals.collect();
        world.seal(20, &reveals);
        assert_eq!(world.outcome(id), Some(decided(results("aa"))));
        assert_eq!(world.skills([1, 5]), skills);
        assert_eq!(world.trusts([1, 5]), [500_000; 2]);
        assert_eq!((world.row(1), world.row(5)), (0, 0));
    }
}

#[test]
fn which_sets_are_refused() {
    let mut world = latents(3);
    let first = world.propose(0, set(2));
    world.seal(10, &[first]);
    let equal = world.propose(1, set(2));
    world.refuses(20, &[equal], "an equal claim is open");
    let four = ClaimRule {
        electors: 4,
        ..ClaimRule::MAJORITY
    };
    let four = world.propose(1, set_by(four, 3, None));
    world.refuses(20, &[four], "more electors");
    let panel = Some(vec![world.id(0), world.id(1), world.id(2)]);
    let panel = world.propose(1, set_by(ClaimRule::MAJORITY, 3, panel));
    world.refuses(20, &[panel], "a panel from a Latent");
    let other = world.propose(1, set(3));
    world.seal(20, &[other]);
}

#[test]
fn an_abstention_on_all_of_a_set_moves_nothing() {
    let mut world = latents(5);
    let mut votes = votes(&["a", "a", "a", "a", "-"]);
    votes[3].1 = Abstain;
    let id = world.decide(10, set(1), &votes);
    assert_eq!(world.outcome(id), Some(decided(results("a"))));
    for who in [3, 4] {
        assert_eq!(world.reasons(id, who), ["neutral"]);
        assert_eq!((world.trust(who), world.skill(who)), (500_000, 500_000));
    }
    assert_eq!((world.trust(0), world.row(0)), (510_000, 1));
}
