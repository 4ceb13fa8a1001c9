//! A minority farms and slanders by claims, panels and proposals. On the first edition two members of ten held all sealing
//! weight after ten claims, and three of ten came to half of the weight in claims by answers that only they knew.

use mycnet_consensus::{Ballot, ClaimRule, ConsensusOperation, Outcome, Standing};

use super::log::Log;
use crate::net::{config, genesis, node};

fn claim(subject: String, rule: ClaimRule, panel: Option<Vec<usize>>) -> ConsensusOperation {
    let panel = panel.map(|members| {
        let mut panel: Vec<_> = members.into_iter().map(node).collect();
        panel.sort();
        panel
    });
    ConsensusOperation::Claim {
        subject,
        input: Vec::new(),
        panel,
        rule,
    }
}

#[allow(clippy::unnecessary_wraps, reason = "a ballot or none")]
fn result(text: &str) -> Option<Ballot> {
    Some(Ballot::Result(text.into()))
}

const RULES: [ClaimRule; 2] = [ClaimRule::PLURALITY, ClaimRule::MAJORITY];

/// Every member still has its vote, and the coalition weighs less than half in claims.
fn check(log: &Log, n: usize, coalition: std::ops::Range<usize>) {
    assert_eq!(log.ledger.state().sealers().len(), n, "one vote each");
    for member in 0..n {
        assert_eq!(log.standing(member), Standing::Active, "member {member}");
    }
    assert!(!log.weigh_half(coalition));
}

/// "What is my number?" Nobody else knows, so the others abstain.
#[test]
fn answers_that_only_the_coalition_knows_earn_nothing() {
    for rule in RULES {
        let mut log = Log::new(&genesis(10));
        for k in 0..120 {
            let question = claim(format!("my {k}th number?"), rule, None);
            let secret = format!("secret {k}");
            let outcome = log.ask(9, question, |n| match n {
                7..10 => result(&secret),
                _ => Some(Ballot::Abstain),
            });
            let expected = Outcome::Decided(result(&secret).unwrap());
            assert_eq!(outcome, Some(expected), "they decide the claim");
        }
        for n in 0..10 {
            assert_eq!((log.trust(n), log.skill(n)), (500_000, 500_000), "{n}");
        }
        check(&log, 10, 7..10);
    }
}

/// Measurements scatter, so by plurality two liars that agree decide what is true.
#[test]
fn a_plurality_of_two_among_scattered_answers_costs_nobody_anything() {
    let mut log = Log::new(&genesis(10));
    for k in 0..120 {
        let question = claim(format!("measure {k}"), ClaimRule::PLURALITY, None);
        log.ask(9, question, |n| match n {
            8..10 => result("lie"),
            _ => result(&format!("{n} measured {k}")),
        });
    }
    for n in 0..8 {
        assert_eq!((log.trust(n), log.skill(n)), (500_000, 500_000), "{n}");
    }
    check(&log, 10, 8..10);
}

/// Questions to which one honest member's answer differs (its clock, its place, its compiler), for months.
#[test]
fn one_singled_out_member_keeps_its_vote() {
    let mut log = Log::new(&genesis(10));
    for k in 0..150 {
        let question = claim(format!("what do you see? {k}"), ClaimRule::MAJORITY, None);
        log.ask(9, question, |n| match n {
            0 => result("something else"),
            _ => result("the same"),
        });
    }
    assert_eq!(log.trust(0), 400_000, "it stops at the threshold");
    assert!(log.skill(0) < 10_000, "its answers are not believed");
    check(&log, 10, 7..10);
}

/// Claims that split the honest answers in two, with the coalition always on the larger side.
#[test]
fn a_coalition_that_joins_each_majority_never_weighs_half() {
    let mut log = Log::new(&genesis(10));
    for k in 0..150_usize {
        let question = claim(format!("this or that? {k}"), ClaimRule::MAJORITY, None);
        // Three of the seven honest members differ from the other four, each time others.
        log.ask(9, question, |n| match n {
            7..10 => result("this"),
            _ if (n + 7 - k % 7) % 7 < 3 => result("that"),
            _ => result("this"),
        });
    }
    assert!(log.skill(9) > 900_000, "it is always right");
    check(&log, 10, 7..10);
}

/// The same in a network that takes the floor of skill back: three of ten come to weigh half.
#[test]
fn without_the_floor_of_skill_a_coalition_weighs_half() {
    let mut genesis = genesis(10);
    genesis.params.skill_floor_ppm = 0;
    let mut log = Log::new(&genesis);
    let is_half = (0..300_usize).any(|k| {
        let question = claim(format!("this or that? {k}"), ClaimRule::MAJORITY, None);
        log.ask(9, question, |n| match n {
            7..10 => result("this"),
            _ if (n + 7 - k % 7) % 7 < 3 => result("that"),
            _ => result("this"),
        });
        log.weigh_half(7..10)
    });
    assert!(is_half);
}

/// On the first edition one Seed drained a victim by panels of friends.
#[test]
fn panels_of_friends_move_nobody() {
    let mut log = Log::new(&genesis(10));
    for k in 0..120 {
        let panel = vec![0, 1, 2, 3];
        let question = claim(format!("ours {k}"), ClaimRule::PLURALITY, Some(panel));
        log.ask(1, question, |n| match n {
            0 => result("the truth"),
            1..4 => result("a lie"),
            _ => None,
        });
    }
    for n in 0..10 {
        assert_eq!((log.trust(n), log.skill(n)), (500_000, 500_000), "{n}");
    }
}

/// On the first edition one member that was always right came to weigh a third, and its crash stopped the network.
#[test]
fn who_is_always_right_can_be_away() {
    let mut log = Log::new(&genesis(4));
    for k in 0..150 {
        let question = claim(format!("guess {k}"), ClaimRule::PLURALITY, None);
        log.ask(3, question, |n| match n {
            3 | 2 => result("right"),
            n => result(&format!("{n} is wrong")),
        });
    }
    let outcome = log.ask(1, config(b"without it"), |n| {
        (n != 3).then_some(Ballot::Approve)
    });
    assert_eq!(outcome, crate::net::APPROVED);
    assert_eq!(log.ledger.state().sealers().len(), 4, "three of four seal");
}

/// Junk proposals to which only the coalition commits, and freezes that shut others out, make nobody miss its chances.
#[test]
fn junk_proposals_make_nobody_miss_its_chances() {
    let mut log = Log::new(&genesis(4));
    for k in 0..80_u8 {
        // Node 3 proposes; node 0 never answers, but is about: it answers what it is asked by others.
        log.ask(3, config(&[k]), |n| (n != 0).then_some(Ballot::Approve));
    }
    let state = log.ledger.state();
    let member = state.roster().get(&node(0)).unwrap();
    let window_ms = state.params().commit_window_ms;
    let windows = (state.time_ms() - 1_000_000).div_ceil(window_ms) + 1;
    let missed = u64::from(member.trust.missed_chances());
    assert!(missed <= windows, "{missed} of 80 in {windows} windows");
}

/// Who reveals only when the outcome suits it pays 8 % of its trust each time it does not, whatever the outcome, and has no vote
/// after seven such windows. Being wrong costs 1 %, and suspends nobody. On the first edition withholding was the cheaper one.
#[test]
fn revealing_only_when_the_outcome_suits_costs_the_vote() {
    let mut log = Log::new(&genesis(10));
    let mut asked = 0;
    while log.standing(0) == Standing::Active {
        asked += 1;
        assert!(asked <= 7, "trust {}", log.trust(0));
        let question = claim(format!("{asked}"), ClaimRule::MAJORITY, None);
        let answers = |n| result(if n < 3 { "lie" } else { "42" });
        let outcome = log.ask_withholding(9, question, answers, &[0, 1]);
        let expected = Outcome::Decided(result("42").unwrap());
        assert_eq!(outcome, Some(expected), "they prevent nothing");
    }
    assert_eq!(asked, 7);
    assert_eq!(
        log.standing(2),
        Standing::Active,
        "who is wrong has its vote"
    );
    assert!(log.trust(2) > 460_000, "{}", log.trust(2));
}
