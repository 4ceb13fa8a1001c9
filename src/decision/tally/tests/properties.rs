//! The tally against an independent reading of P5, and P-mono.

use proptest::prelude::*;

use super::super::*;

/// A frozen operation: electors without a frozen commit, and the frozen commits in the order of their reveals.
#[derive(Debug, Clone)]
struct Case {
    class: Class,
    rule: ClaimRule,
    absent: u64,
    frozen: Vec<(u64, Ballot)>,
}

/// Outcome and forfeited outcome after each number of reveals, 0 included.
type History = Vec<(Option<Outcome>, Outcome)>;

impl Case {
    fn frozen_weight(&self) -> u64 {
        self.frozen.iter().map(|(weight, _)| weight).sum()
    }

    fn total(&self) -> u64 {
        self.absent + self.frozen_weight()
    }

    /// The tally after the first `count` reveals.
    fn tally(&self, count: usize) -> Tally {
        let (total, frozen) = (self.total(), self.frozen_weight());
        let mut tally = match self.class {
            Class::Claim => Tally::claim(self.rule, total, frozen),
            Class::Critical | Class::Standard => Tally::critical(total, frozen),
        };
        for (weight, ballot) in &self.frozen[..count] {
            tally.reveal(*weight, ballot);
        }
        tally
    }

    fn history(&self) -> History {
        (0..=self.frozen.len())
            .map(|count| {
                let tally = self.tally(count);
                (tally.outcome(), tally.forfeited())
            })
            .collect()
    }

    /// The history if another rule found outcomes, and the right one forfeits.
    fn history_under(&self, rule: impl Fn(&Case, usize) -> Option<Outcome>) -> History {
        let mut history = self.history();
        for (count, (outcome, _)) in history.iter_mut().enumerate() {
            *outcome = rule(self, count);
        }
        history
    }

    /// `w(v)` after the first `count` reveals, abstentions left out, in no particular order.
    fn sums(&self, count: usize) -> Vec<(Ballot, u64)> {
        let mut sums: Vec<(Ballot, u64)> = Vec::new();
        for (weight, ballot) in &self.frozen[..count] {
            let fits = match ballot {
                Ballot::Result(_) => self.class == Class::Claim,
                Ballot::Approve | Ballot::Reject => self.class != Class::Claim,
                Ballot::Abstain | Ballot::Results(_) => false,
            };
            match sums.iter_mut().find(|(other, _)| other == ballot) {
                _ if !fits => {}
                Some((_, sum)) => *sum += weight,
                None => sums.push((ballot.clone(), *weight)),
            }
        }
        sums
    }

    fn unrevealed(&self, count: usize) -> u64 {
        self.frozen[count..].iter().map(|(weight, _)| weight).sum()
    }

    /// P5 with `U = 0`, read from the text.
    fn final_outcome(&self, revealed: usize) -> Outcome {
        let sums = self.sums(revealed);
        let all: u64 = self.frozen[..revealed]
            .iter()
            .map(|(weight, _)| weight)
            .sum();
        for (ballot, weight) in &sums {
            let decided = if self.class == Class::Claim {
                let valued: u64 = sums.iter().map(|(_, weight)| weight).sum();
                let electors = self.frozen[..revealed].iter();
                let electors = electors.filter(|(weight, it)| *weight > 0 && it == ballot);
                let has_share = match self.rule.share_ppm {
                    0 => sums
                        .iter()
                        .all(|(other, rival)| other == ballot || weight > rival),
                    share => 1_000_000 * weight > u64::from(share) * valued,
                };
                *weight > 0
                    && has_share
                    && electors.count() >= self.rule.electors as usize
                    && 2 * all > self.total()
            } else {
                3 * weight > 2 * self.total()
            };
            if decided {
                return Outcome::Decided(ballot.clone());
            }
        }
        Outcome::NoQuorum
    }

    /// Everything that can still happen: each unrevealed commit opens to any value, seen or not, to an abstention, or never.
    fn possible_finals(&self, revealed: usize) -> Vec<Outcome> {
        let mut worlds = vec![Case {
            frozen: self.frozen[..revealed].to_vec(),
            ..self.clone()
        }];
        for (weight, _) in &self.frozen[revealed..] {
            worlds = worlds
                .iter()
                .flat_map(|world| {
                    let mut next: Vec<Case> = values(self.class)
                        .into_iter()
                        .map(|ballot| {
                            let mut world = world.clone();
                            world.frozen.push((*weight, ballot));
                            world
                        })
                        .collect();
                    let mut never = world.clone();
                    never.absent += weight;
                    next.push(never);
                    next
                })
                .collect();
        }
        worlds
            .iter()
            .map(|world| world.final_outcome(world.frozen.len()))
            .collect()
    }
}

fn result(byte: u8) -> Ballot {
    Ballot::Result(vec![byte])
}

/// Ballots that fit the class, `Abstain`, and for claims a result (the last) that the generator never votes for.
fn values(class: Class) -> Vec<Ballot> {
    match class {
        Class::Claim => (0..4).map(result).chain([Ballot::Abstain]).collect(),
        Class::Critical | Class::Standard => vec![Ballot::Approve, Ballot::Reject, Ballot::Abstain],
    }
}

/// P-mono over a history: an outcome never changes, and it equals the tally in which the rest is forfeited; at the end there is
/// one.
fn check_mono(history: &History) -> Result<(), String> {
    let mut tallied: Option<&Outcome> = None;
    for (count, (outcome, forfeited)) in history.iter().enumerate() {
        if let Some(before) = tallied
            && outcome.as_ref() != Some(before)
        {
            return Err(format!(
                "after {count} reveals, {before} became {outcome:?}"
            ));
        }
        tallied = outcome.as_ref();
        if let Some(tallied) = tallied
            && tallied != forfeited
        {
            return Err(format!(
                "after {count} reveals, {tallied} but forfeited {forfeited}"
            ));
        }
    }
    tallied
        .map(|_| ())
        .ok_or_else(|| "all is revealed and there is no outcome".into())
}

fn cases(electors: usize) -> impl Strategy<Value = Case> {
    let class = prop_oneof![
        Just(Class::Critical),
        Just(Class::Claim),
        Just(Class::Standard)
    ];
    let ballot = prop_oneof![
        2 => Just(Ballot::Approve),
        1 => Just(Ballot::Reject),
        1 => Just(Ballot::Abstain),
        3 => (0..3_u8).prop_map(result),
    ];
    let frozen = proptest::collection::vec((0..8_u64, ballot), 0..=electors);
    let rule = prop_oneof![
        2 => Just(ClaimRule::PLURALITY),
        2 => Just(ClaimRule::MAJORITY),
        1 => Just(ClaimRule { share_ppm: 666_667, electors: 2 }),
        1 => (500_000..1_000_000_u32, 1..4_u32)
            .prop_map(|(share_ppm, electors)| ClaimRule { share_ppm, electors }),
    ];
    (class, rule, 0..6_u64, frozen).prop_map(|(class, rule, absent, frozen)| Case {
        class,
        rule,
        absent,
        frozen,
    })
}

proptest! {
    #[test]
    fn p_mono(case in cases(12)) {
        prop_assert_eq!(check_mono(&case.history()), Ok(()));
    }

    #[test]
    fn the_order_of_reveals_is_of_no_consequence(
        (case, shuffled) in cases(12).prop_flat_map(|case| {
            let shuffled = Just(case.frozen.clone()).prop_shuffle();
            (Just(case), shuffled)
        })
    ) {
        let all = case.frozen.len();
        let other = Case { frozen: shuffled, ..case.clone() };
        prop_assert_eq!(case.tally(all), other.tally(all));
    }

    /// P5 uses inequalities; this tries every continuation: an operation is decided iff all of them decide it alike.
    #[test]
    fn an_outcome_is_what_nothing_can_change(case in cases(4)) {
        for revealed in 0..=case.frozen.len() {
            let possible = case.possible_finals(revealed);
            let settled = possible.iter().all(|outcome| *outcome == possible[0]);
            let expected = match &possible[0] {
                _ if !settled => None,
                // For claims P5 waits for all reveals before it gives up.
                Outcome::NoQuorum if case.class == Class::Claim && case.unrevealed(revealed) > 0 => None,
                outcome => Some(outcome.clone()),
            };
            let tally = case.tally(revealed);
            prop_assert_eq!(tally.outcome(), expected, "after {} reveals", revealed);
            prop_assert_eq!(tally.forfeited(), case.final_outcome(revealed));
        }
    }

    #[test]
    fn the_weights_add_up(case in cases(12)) {
        for revealed in 0..=case.frozen.len() {
            let tally = case.tally(revealed);
            prop_assert_eq!(tally.revealed() + tally.unrevealed(), case.frozen_weight());
            let mut sums = case.sums(revealed);
            sums.sort();
            let values = tally.values().flatten();
            let weights: Vec<_> = values.map(|(ballot, count)| (ballot.clone(), count.weight)).collect();
            prop_assert_eq!(weights, sums);
        }
    }
}

/// Electors of a claim set of some items: each with its weight and ballot.
fn sets() -> impl Strategy<Value = (usize, ClaimRule, u64, Vec<(u64, Ballot)>)> {
    let rule = prop_oneof![
        Just(ClaimRule::MAJORITY),
        Just(ClaimRule::PLURALITY),
        Just(ClaimRule {
            share_ppm: 666_667,
            electors: 2,
        }),
    ];
    (1_usize..6, rule, 0_u64..6).prop_flat_map(|(items, rule, absent)| {
        let answer = proptest::option::weighted(0.8, (0_u8..3).prop_map(|value| vec![value]));
        let results = move |count: usize| {
            proptest::collection::vec(answer.clone(), count).prop_map(Ballot::Results)
        };
        let ballot = prop_oneof![
            8 => results(items),
            1 => results(items + 1),
            1 => Just(Ballot::Approve),
            1 => Just(result(0)),
        ];
        let electors = proptest::collection::vec((0_u64..5, ballot), 0..8);
        (Just(items), Just(rule), Just(absent), electors)
    })
}

proptest! {
    #[test]
    fn a_claim_set_is_decided_item_by_item((items, rule, absent, frozen) in sets()) {
        let of_item = |item: usize| Case {
            class: Class::Claim,
            rule,
            absent,
            frozen: frozen
                .iter()
                .map(|(weight, ballot)| {
                    let answer = match ballot {
                        Ballot::Results(results) if results.len() == items => results[item].clone(),
                        _ => None,
                    };
                    (*weight, answer.map_or(Ballot::Abstain, Ballot::Result))
                })
                .collect(),
        };
        let items_alone: Vec<Case> = (0..items).map(of_item).collect();
        let together = |outcomes: Vec<Outcome>| {
            let results = outcomes.into_iter().map(|outcome| match outcome {
                Outcome::Decided(Ballot::Result(result)) => Some(result),
                _ => None,
            });
            let results: Vec<_> = results.collect();
            if results.iter().any(Option::is_some) {
                Outcome::Decided(Ballot::Results(results))
            } else {
                Outcome::NoQuorum
            }
        };
        let first = &items_alone[0];
        let mut tally = Tally::claim_set(rule, items, first.total(), first.frozen_weight());
        for revealed in 0..=frozen.len() {
            if let Some((weight, ballot)) = revealed.checked_sub(1).map(|last| &frozen[last]) {
                tally.reveal(*weight, ballot);
            }
            let alone = items_alone.iter().map(|case| case.tally(revealed).outcome());
            let alone: Vec<Option<Outcome>> = alone.collect();
            prop_assert_eq!(tally.item_outcomes().collect::<Vec<_>>(), alone.clone());
            let expected = alone.into_iter().collect::<Option<Vec<_>>>().map(together);
            prop_assert_eq!(tally.outcome(), expected, "after {} reveals", revealed);
            let forfeited = items_alone.iter().map(|case| case.final_outcome(revealed));
            prop_assert_eq!(tally.forfeited(), together(forfeited.collect()));
        }
    }
}

#[test]
fn p_mono_fires_when_the_rule_is_broken() {
    let claim = Case {
        class: Class::Claim,
        rule: ClaimRule::PLURALITY,
        absent: 3,
        frozen: vec![(4, result(0)), (5, result(1)), (1, result(0))],
    };
    let critical = Case {
        class: Class::Critical,
        rule: ClaimRule::MAJORITY,
        absent: 3,
        frozen: vec![
            (2, Ballot::Approve),
            (4, Ballot::Approve),
            (1, Ballot::Approve),
        ],
    };
    let two_thirds = Case {
        absent: 3,
        frozen: vec![(6, Ballot::Approve)],
        ..critical.clone()
    };
    for case in [&claim, &critical, &two_thirds] {
        assert_eq!(check_mono(&case.history()), Ok(()));
    }

    let leader = |case: &Case, count: usize| {
        case.sums(count)
            .into_iter()
            .max_by_key(|(_, weight)| *weight)
    };
    let plurality = claim.history_under(|case, count| {
        leader(case, count).map(|(ballot, _)| Outcome::Decided(ballot))
    });
    let no_majority = claim.history_under(|case, count| {
        let (ballot, weight) = leader(case, count)?;
        (3 * weight > case.unrevealed(count)).then_some(Outcome::Decided(ballot))
    });
    let gives_up_early = critical.history_under(|case, count| {
        let (ballot, weight) = leader(case, count)?;
        let decided = 3 * weight > 2 * case.total();
        Some(if decided {
            Outcome::Decided(ballot)
        } else {
            Outcome::NoQuorum
        })
    });
    let at_two_thirds = two_thirds.history_under(|case, count| {
        let (ballot, weight) = leader(case, count)?;
        (3 * weight >= 2 * case.total()).then_some(Outcome::Decided(ballot))
    });
    let never = critical.history_under(|_, _| None);
    for (name, history) in [
        ("a claim goes to whoever leads", plurality),
        ("a claim needs no majority of reveals", no_majority),
        ("what is unrevealed is not counted for hope", gives_up_early),
        ("two thirds are a quorum", at_two_thirds),
        ("nothing is ever decided", never),
    ] {
        assert!(check_mono(&history).is_err(), "{name}: {history:?}");
    }
}
