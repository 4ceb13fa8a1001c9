//! One test per rule: the actions of sealer 3, given its journal and the records that arrived. Rules: S2.

use super::super::fixture::{
    HEIGHT, id, node, precommit, precommits, prevote, prevotes, proposal, seal, sealers, signed,
};
use super::super::{Action, Judge, Step, Verdict};
use super::Agreement;
use crate::base::digest::SealId;
use crate::base::limits::ROUND_MAX;
use crate::base::rejection::Rejection;
use crate::statement::record::{Seal, Statement, Verified, VoteKind};

/// Refuses and delays the seals of these names, and fresh ones of a third name; accepts all others. Fresh ones of a fourth name
/// are not worth joining.
#[derive(Default)]
struct Critic {
    refuse: Option<u8>,
    wait: Option<u8>,
    stale: Option<u8>,
    worthless: Option<u8>,
    asked: Vec<(SealId, u32, bool)>,
}

impl Judge for Critic {
    fn judge(&mut self, proposal: &Seal, round: u32, fresh: bool) -> Verdict {
        let seal = proposal.id();
        self.asked.push((seal, round, fresh));
        let is = |name: Option<u8>| name.map(id) == Some(seal);
        if is(self.wait) {
            Verdict::Wait
        } else if is(self.refuse) || fresh && is(self.stale) {
            Verdict::Refuse
        } else {
            Verdict::Accept
        }
    }

    fn is_worth_it(&mut self, proposal: &Seal) -> bool {
        self.worthless.map(id) != Some(proposal.id())
    }
}

/// What the node says in turn. The votes are not added, so that each case shows what follows from the records that arrived.
fn said(agreement: &mut Agreement, critic: &mut Critic) -> Vec<Action> {
    std::iter::from_fn(|| agreement.advance(critic, u32::MAX)).collect()
}

fn agreement(journal: &[Verified], arrived: Vec<Verified>) -> Agreement {
    let mut agreement = Agreement::new(HEIGHT, sealers(), Some(node(3)));
    agreement.recover(journal);
    for record in arrived {
        agreement.add(record).unwrap();
    }
    agreement
}

fn says(round: u32, kind: VoteKind, name: Option<u8>) -> Action {
    Action::Vote {
        round,
        kind,
        seal: name.map(id),
    }
}

fn all(parts: impl IntoIterator<Item = Vec<Verified>>) -> Vec<Verified> {
    parts.into_iter().flatten().collect()
}

const PREVOTE: VoteKind = VoteKind::Prevote;
const PRECOMMIT: VoteKind = VoteKind::Precommit;
const A: Option<u8> = Some(1);
const B: Option<u8> = Some(2);
const NIL: Option<u8> = None;

struct Case {
    desc: &'static str,
    journal: Vec<Verified>,
    arrived: Vec<Verified>,
    expected: Vec<Action>,
    round: u32,
    step: Step,
}

fn check(cases: Vec<Case>) {
    for case in cases {
        let mut agreement = agreement(&case.journal, case.arrived);
        let desc = case.desc;
        assert_eq!(
            said(&mut agreement, &mut Critic::default()),
            case.expected,
            "{desc}"
        );
        assert_eq!(
            (agreement.round(), agreement.step()),
            (case.round, case.step),
            "{desc}"
        );
        assert_eq!(
            said(&mut agreement, &mut Critic::default()),
            [],
            "{desc}: said once"
        );
    }
}

#[test]
fn prevotes_follow_lines_22_to_33() {
    let locked = || vec![prevote(3, 0, A), precommit(3, 0, A)];
    let to_round_1 = || precommits([0, 1, 2], 0, NIL);
    check(vec![
        Case {
            desc: "nothing is known",
            journal: vec![],
            arrived: vec![],
            expected: vec![],
            round: 0,
            step: Step::Propose,
        },
        Case {
            desc: "L24: a fresh proposal",
            journal: vec![],
            arrived: vec![proposal(0, None, 1)],
            expected: vec![says(0, PREVOTE, A)],
            round: 0,
            step: Step::Prevote,
        },
        Case {
            desc: "L26: a fresh one against the lock",
            journal: locked(),
            arrived: all([to_round_1(), vec![proposal(1, None, 12)]]),
            expected: vec![says(1, PREVOTE, NIL)],
            round: 1,
            step: Step::Prevote,
        },
        Case {
            desc: "L28: the stated proof of lock is not held",
            journal: vec![],
            arrived: all([
                to_round_1(),
                prevotes([0, 1], 0, B),
                vec![proposal(1, Some(0), 2)],
            ]),
            expected: vec![],
            round: 1,
            step: Step::Propose,
        },
        Case {
            desc: "L30: a proof of lock of the lock's own round is enough",
            journal: locked(),
            arrived: all([
                to_round_1(),
                prevotes([0, 1, 2], 0, B),
                vec![proposal(1, Some(0), 2)],
            ]),
            expected: vec![says(1, PREVOTE, B)],
            round: 1,
            step: Step::Prevote,
        },
        Case {
            desc: "L32: a proof of lock older than the lock",
            journal: vec![precommit(3, 1, A)],
            arrived: all([
                precommits([0, 1, 2], 1, NIL),
                prevotes([0, 1, 2], 0, B),
                vec![proposal(2, Some(0), 2)],
            ]),
            expected: vec![says(2, PREVOTE, NIL)],
            round: 2,
            step: Step::Prevote,
        },
        Case {
            desc: "S1: an equivocator helps any proof of lock",
            journal: vec![],
            arrived: all([
                to_round_1(),
                prevotes([0, 1], 0, B),
                vec![
                    prevote(2, 0, NIL),
                    prevote(2, 0, A),
                    proposal(1, Some(0), 2),
                ],
            ]),
            expected: vec![says(1, PREVOTE, B)],
            round: 1,
            step: Step::Prevote,
        },
    ]);
}

#[test]
fn precommits_follow_lines_36_to_46() {
    check(vec![
        Case {
            desc: "L40, in the same breath as the prevote",
            journal: vec![],
            arrived: all([vec![proposal(0, None, 1)], prevotes([0, 1, 2], 0, A)]),
            expected: vec![says(0, PREVOTE, A), says(0, PRECOMMIT, A)],
            round: 0,
            step: Step::Precommit,
        },
        Case {
            desc: "L36: the seal is not known",
            journal: vec![prevote(3, 0, NIL)],
            arrived: prevotes([0, 1, 2], 0, A),
            expected: vec![],
            round: 0,
            step: Step::Prevote,
        },
        Case {
            desc: "L36 after a prevote for nil",
            journal: vec![prevote(3, 0, NIL)],
            arrived: all([vec![proposal(0, None, 1)], prevotes([0, 1, 2], 0, A)]),
            expected: vec![says(0, PRECOMMIT, A)],
            round: 0,
            step: Step::Precommit,
        },
        Case {
            desc: "L45",
            journal: vec![prevote(3, 0, A)],
            arrived: prevotes([0, 1, 2], 0, NIL),
            expected: vec![says(0, PRECOMMIT, NIL)],
            round: 0,
            step: Step::Precommit,
        },
        Case {
            desc: "L34: mixed prevotes wait for a nudge",
            journal: vec![prevote(3, 0, A)],
            arrived: prevotes([0, 1], 0, NIL),
            expected: vec![],
            round: 0,
            step: Step::Prevote,
        },
    ]);
}

#[test]
fn rounds_follow_lines_47_and_55() {
    check(vec![
        Case {
            desc: "L47: precommits for nil",
            journal: vec![],
            arrived: precommits([0, 1, 2], 0, NIL),
            expected: vec![],
            round: 1,
            step: Step::Propose,
        },
        Case {
            desc: "L47: mixed precommits wait for a nudge",
            journal: vec![],
            arrived: all([precommits([0, 1], 0, NIL), precommits([2], 0, A)]),
            expected: vec![],
            round: 0,
            step: Step::Propose,
        },
        Case {
            desc: "L55: more than a third in a higher round, of whatever",
            journal: vec![],
            arrived: vec![prevote(0, 2, NIL), precommit(1, 2, NIL)],
            expected: vec![],
            round: 2,
            step: Step::Propose,
        },
        Case {
            desc: "L55: an equivocator counts once",
            journal: vec![],
            arrived: vec![prevote(0, 2, NIL), prevote(0, 2, A), precommit(0, 2, NIL)],
            expected: vec![],
            round: 0,
            step: Step::Propose,
        },
        Case {
            desc: "L55 counts who signed in that or any higher round",
            journal: vec![],
            arrived: vec![prevote(0, 9, NIL), precommit(1, 2, NIL)],
            expected: vec![],
            round: 2,
            step: Step::Propose,
        },
        Case {
            desc: "L55 leads to the highest such round",
            journal: vec![],
            arrived: all([prevotes([0, 1], 2, NIL), prevotes([0, 1], 5, NIL)]),
            expected: vec![],
            round: 5,
            step: Step::Propose,
        },
        Case {
            desc: "the last round has none after it",
            journal: vec![],
            arrived: precommits([0, 1, 2], ROUND_MAX, NIL),
            expected: vec![Action::Propose {
                round: ROUND_MAX,
                value: None,
            }],
            round: ROUND_MAX,
            step: Step::Propose,
        },
        Case {
            desc: "L49: who decided is silent",
            journal: vec![],
            arrived: all([vec![proposal(0, None, 1)], precommits([0, 1, 2], 0, A)]),
            expected: vec![],
            round: 0,
            step: Step::Propose,
        },
    ]);
}

#[test]
fn proposals_follow_lines_14_to_19() {
    let propose = |value: Option<(u8, u32)>| Action::Propose {
        round: 3,
        value: value.map(|(name, round)| (id(name), round)),
    };
    let to_round_3 = || precommits([0, 1, 2], 2, NIL);
    let known = || vec![proposal(0, None, 1), proposal(1, None, 12)];
    let at_3 = |desc, arrived, expected| Case {
        desc,
        journal: vec![precommit(3, 2, NIL)],
        arrived,
        expected,
        round: 3,
        step: Step::Propose,
    };
    check(vec![
        at_3("L18: a new value", to_round_3(), vec![propose(None)]),
        at_3(
            "L16: the highest proof of lock",
            all([
                to_round_3(),
                known(),
                prevotes([0, 1, 2], 0, A),
                prevotes([0, 1, 2], 1, Some(12)),
            ]),
            vec![propose(Some((12, 1)))],
        ),
        at_3(
            "a proof of lock for a seal that is not known is waited for",
            all([to_round_3(), prevotes([0, 1, 2], 1, B)]),
            vec![],
        ),
    ]);
}

#[test]
fn a_deferred_proposal_is_asked_for_again() {
    let mut agreement = Agreement::new(HEIGHT, sealers(), Some(node(0)));
    let judge = &mut Critic::default();
    let expected = [Action::Propose {
        round: 0,
        value: None,
    }];
    assert_eq!(said(&mut agreement, judge), expected);
    assert_eq!(said(&mut agreement, judge), []);
    agreement.defer_proposal();
    assert_eq!(said(&mut agreement, judge), expected);
    let mut restarted = Agreement::new(HEIGHT, sealers(), Some(node(0)));
    restarted.recover(&[proposal(0, None, 1)]);
    assert_eq!(
        said(&mut restarted, judge),
        [says(0, PREVOTE, A)],
        "the journal has the proposal"
    );
}

#[test]
fn the_judge_decides_what_it_is_asked() {
    let lock_on_a = || all([vec![proposal(0, None, 1)], prevotes([0, 1, 2], 0, A)]);
    let to_round_1 = || precommits([0, 1, 2], 0, NIL);
    for (desc, mut critic, arrived, expected) in [
        (
            "refused: nil",
            Critic {
                refuse: A,
                ..Critic::default()
            },
            vec![proposal(0, None, 1)],
            vec![says(0, PREVOTE, NIL)],
        ),
        (
            "records are missing: nothing yet",
            Critic {
                wait: A,
                ..Critic::default()
            },
            vec![proposal(0, None, 1)],
            vec![],
        ),
        (
            "a quorum does not make a seal valid",
            Critic {
                refuse: A,
                ..Critic::default()
            },
            lock_on_a(),
            vec![says(0, PREVOTE, NIL)],
        ),
        (
            "an old seal with a proof of lock is not fresh",
            Critic {
                stale: A,
                ..Critic::default()
            },
            all([lock_on_a(), to_round_1(), vec![proposal(1, Some(0), 1)]]),
            // The node passes round 0 on the way: the seal is fresh there, but a quorum precommits it anyway.
            vec![
                says(0, PREVOTE, NIL),
                says(0, PRECOMMIT, A),
                says(1, PREVOTE, A),
            ],
        ),
        (
            "of two proposals the acceptable one",
            Critic {
                refuse: A,
                ..Critic::default()
            },
            vec![proposal(0, None, 1), proposal(0, None, 2)],
            vec![says(0, PREVOTE, B)],
        ),
        (
            "of two proposals the refused one does not hide the one waited for",
            Critic {
                refuse: A,
                wait: B,
                ..Critic::default()
            },
            vec![proposal(0, None, 1), proposal(0, None, 2)],
            vec![],
        ),
    ] {
        assert_eq!(
            said(&mut agreement(&[], arrived), &mut critic),
            expected,
            "{desc}"
        );
    }
}

#[test]
fn what_is_not_fresh_is_judged_once() {
    let mut agreement = agreement(&[prevote(3, 0, NIL)], prevotes([0, 1, 2], 0, A));
    let mut critic = Critic {
        wait: A,
        ..Critic::default()
    };
    assert_eq!(agreement.wanted().into_iter().collect::<Vec<_>>(), [id(1)]);
    agreement.add_exempt(proposal(0, None, 1)).unwrap();
    assert!(agreement.wanted().is_empty());
    assert_eq!(said(&mut agreement, &mut critic), []);
    critic.wait = None;
    assert_eq!(said(&mut agreement, &mut critic), [says(0, PRECOMMIT, A)]);
    assert_eq!(critic.asked, [(id(1), 0, false); 2]);
    for record in all([precommits([0, 1, 2], 0, NIL), vec![proposal(1, Some(0), 1)]]) {
        agreement.add(record).unwrap();
    }
    assert_eq!(said(&mut agreement, &mut critic), [says(1, PREVOTE, A)]);
    assert_eq!(critic.asked.len(), 2);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn nudges_have_the_guards_of_lines_57_to_67() {
    let nil = |kind| Some(says(0, kind, NIL));
    for (desc, journal, arrived, expected, round) in [
        ("L57", vec![], vec![], nil(PREVOTE), 0),
        (
            "L61 without a quorum",
            vec![prevote(3, 0, A)],
            prevotes([0], 0, NIL),
            None,
            0,
        ),
        (
            "L61",
            vec![prevote(3, 0, A)],
            prevotes([0, 1], 0, NIL),
            nil(PRECOMMIT),
            0,
        ),
        (
            "L65 without a quorum",
            vec![precommit(3, 0, A)],
            precommits([0], 0, NIL),
            None,
            0,
        ),
        (
            "L65",
            vec![precommit(3, 0, A)],
            precommits([0, 1], 0, NIL),
            None,
            1,
        ),
        (
            "L65 in an earlier step",
            vec![],
            all([precommits([0, 1], 0, NIL), precommits([2], 0, A)]),
            None,
            1,
        ),
        (
            "after the decision",
            vec![],
            precommits([0, 1, 2], 0, A),
            None,
            0,
        ),
        (
            "S8: a quorum only with one who signed in a higher round is met there",
            vec![precommit(3, 0, NIL)],
            all([precommits([0], 0, NIL), prevotes([1], 2, NIL)]),
            None,
            2,
        ),
        (
            "S8: in the lowest such round",
            vec![precommit(3, 0, NIL)],
            all([
                precommits([0], 0, NIL),
                prevotes([1], 2, NIL),
                prevotes([1], 3, NIL),
            ]),
            None,
            2,
        ),
        (
            "S8: but not of one whose vote counts already",
            vec![precommit(3, 0, NIL)],
            all([
                precommits([0], 0, NIL),
                prevotes([0], 1, NIL),
                prevotes([1], 3, NIL),
            ]),
            None,
            3,
        ),
        (
            "S8: nor at or above the number of sealers: the guard is not met",
            vec![precommit(3, 0, NIL)],
            all([precommits([0], 0, NIL), prevotes([1], 4, NIL)]),
            None,
            0,
        ),
        (
            "S8: the same for the guard of prevotes",
            vec![prevote(3, 0, NIL)],
            all([prevotes([0], 0, NIL), prevotes([1], 2, NIL)]),
            None,
            2,
        ),
        (
            "S8: without such a round, the step's own rule holds",
            vec![],
            all([precommits([0, 2], 0, NIL), prevotes([1], 4, NIL)]),
            nil(PREVOTE),
            0,
        ),
    ] {
        let mut agreement = agreement(&journal, arrived);
        let expects_more = expected.is_some() || round > 0;
        assert_eq!(agreement.would_give_up(), expects_more, "{desc}");
        assert_eq!(agreement.nudge(), expected, "{desc}");
        assert_eq!(agreement.round(), round, "{desc}");
    }
}

#[test]
fn a_step_is_in_vain_if_too_few_are_left() {
    for (desc, journal, arrived, expected) in [
        ("nobody voted", vec![], vec![], false),
        ("one for nil", vec![], prevotes([0], 0, NIL), false),
        ("two for nil", vec![], prevotes([0, 1], 0, NIL), true),
        (
            "one for nil and one beyond",
            vec![],
            all([prevotes([0], 0, NIL), prevotes([1], 2, NIL)]),
            true,
        ),
        (
            "who voted and went on counts by its vote",
            vec![prevote(3, 0, A)],
            all([prevotes([0, 1], 0, A), prevotes([1], 2, NIL)]),
            false,
        ),
        (
            "precommits, after an own one",
            vec![precommit(3, 0, A)],
            all([prevotes([0, 1], 0, NIL), precommits([0], 0, NIL)]),
            false,
        ),
        (
            "two precommits for nil",
            vec![precommit(3, 0, A)],
            precommits([0, 1], 0, NIL),
            true,
        ),
    ] {
        assert_eq!(
            agreement(&journal, arrived).is_in_vain(),
            expected,
            "{desc}"
        );
    }
}

#[test]
fn who_waits_in_vain_or_for_a_proposal_may_lead() {
    let fresh = [Action::Propose {
        round: 3,
        value: None,
    }];
    let again = [Action::Propose {
        round: 3,
        value: Some((id(1), 0)),
    }];
    for (desc, journal, arrived, leads, expected) in [
        ("waits for a proposal", vec![], vec![], true, &fresh[..]),
        (
            "waits for votes",
            vec![prevote(3, 0, A)],
            vec![],
            false,
            &[],
        ),
        (
            "in vain",
            vec![prevote(3, 0, NIL)],
            prevotes([0, 1], 0, NIL),
            true,
            &fresh[..],
        ),
        (
            "the value of the highest proof of lock",
            vec![],
            all([
                vec![proposal(0, None, 1)],
                prevotes([0, 1, 2], 0, A),
                precommits([0, 1], 0, NIL),
            ]),
            true,
            &again[..],
        ),
        (
            "is in its own round",
            vec![prevote(3, 3, NIL)],
            vec![],
            false,
            &[],
        ),
        ("decided", vec![], precommits([0, 1, 2], 0, A), false, &[]),
    ] {
        let mut agreement = agreement(&journal, arrived);
        let has_value = agreement.has_value_below(3);
        assert_eq!(agreement.lead(), leads, "{desc}");
        assert_eq!(agreement.leads(), leads, "{desc}");
        assert_eq!(has_value, expected == again, "{desc}");
        if leads {
            assert_eq!(
                said(&mut agreement, &mut Critic::default()),
                expected,
                "{desc}"
            );
        }
    }
}

#[test]
fn a_node_joins_the_highest_round_that_it_would_prevote() {
    let critic = Critic::default;
    let other = Some(21);
    let one = || vec![proposal(2, None, 21)];
    for (desc, mut critic, journal, arrived, join_to, (round, expected)) in [
        (
            "a fresh one",
            critic(),
            vec![],
            one(),
            u32::MAX,
            (2, vec![says(2, PREVOTE, other)]),
        ),
        ("not yet", critic(), vec![], one(), 1, (0, vec![])),
        (
            "what is worth nothing is not joined",
            Critic {
                worthless: other,
                ..critic()
            },
            vec![],
            one(),
            u32::MAX,
            (0, vec![]),
        ),
        (
            "nor what is refused",
            Critic {
                refuse: other,
                ..critic()
            },
            vec![],
            one(),
            u32::MAX,
            (0, vec![]),
        ),
        (
            "nor what is not known whole",
            Critic {
                wait: other,
                ..critic()
            },
            vec![],
            one(),
            u32::MAX,
            (0, vec![]),
        ),
        (
            "nor at or above the number of sealers",
            critic(),
            vec![],
            vec![proposal(4, None, 41)],
            u32::MAX,
            (0, vec![]),
        ),
        (
            "nor against the lock",
            critic(),
            vec![precommit(3, 0, A)],
            vec![proposal(1, None, 12)],
            u32::MAX,
            (0, vec![]),
        ),
        (
            "nor with a proof of lock of its own round",
            critic(),
            vec![prevote(3, 0, A)],
            all([prevotes([0, 1], 0, A), vec![proposal(1, None, 12)]]),
            u32::MAX,
            (0, vec![]),
        ),
        (
            "fewer prevotes are no reason to stay, or two rounds could keep their sealers from each other",
            critic(),
            vec![prevote(3, 0, A)],
            all([prevotes([0], 0, A), vec![proposal(1, None, 12)]]),
            u32::MAX,
            (1, vec![says(1, PREVOTE, Some(12))]),
        ),
    ] {
        let mut agreement = agreement(&journal, arrived);
        let said: Vec<_> = std::iter::from_fn(|| agreement.advance(&mut critic, join_to)).collect();
        assert_eq!((agreement.round(), said), (round, expected), "{desc}");
    }
}

#[test]
fn lists_are_of_use_for_what_the_lock_allows_to_join() {
    let fresh = [
        proposal(1, None, 11),
        proposal(2, None, 21),
        proposal(4, None, 41),
    ];
    let free = agreement(&[], fresh.to_vec());
    assert!(
        free.joinable_seals().eq([id(21), id(11)]),
        "the highest first"
    );
    let again = vec![proposal(2, Some(0), 1)];
    let locked = agreement(&[precommit(3, 0, A)], all([fresh[..1].to_vec(), again]));
    assert!(locked.joinable_seals().eq([id(1)]), "only the locked seal");
}

#[test]
fn rounds_with_an_own_nil_vote_are_counted() {
    let journal = [
        prevote(3, 0, NIL),
        precommit(3, 0, NIL),
        prevote(3, 1, A),
        precommit(3, 2, NIL),
    ];
    let mut agreement = agreement(&journal, vec![]);
    assert_eq!(agreement.nil_rounds(), 2, "from the journal");
    for round in 3..9 {
        assert!(agreement.is_early(), "{round}");
        for record in precommits([0, 1, 2], round - 1, NIL) {
            agreement.add(record).unwrap();
        }
        said(&mut agreement, &mut Critic::default());
        assert!(agreement.nudge().is_some());
        assert_eq!(agreement.nil_rounds(), round);
    }
    assert!(!agreement.is_early());
}

#[test]
fn the_journal_gives_back_lock_round_and_step() {
    for (desc, journal, locked, round, step) in [
        ("nothing", vec![], None, 0, Step::Propose),
        (
            "its proposal",
            vec![proposal(3, None, 31)],
            None,
            3,
            Step::Propose,
        ),
        (
            "in any order",
            vec![
                prevote(3, 4, B),
                precommit(3, 1, A),
                precommit(3, 2, NIL),
                prevote(3, 1, A),
            ],
            Some((1, id(1))),
            4,
            Step::Prevote,
        ),
        (
            "the highest precommit for a seal",
            vec![precommit(3, 1, A), precommit(3, 4, B)],
            Some((4, id(2))),
            4,
            Step::Precommit,
        ),
        (
            "records of others are none",
            vec![precommit(2, 4, B)],
            None,
            0,
            Step::Propose,
        ),
    ] {
        let agreement = agreement(&journal, vec![]);
        assert_eq!(agreement.locked(), locked, "{desc}");
        assert_eq!(
            (agreement.round(), agreement.step()),
            (round, step),
            "{desc}"
        );
    }
}

/// Rules: C4.
#[test]
fn after_a_declared_journal_a_proof_of_lock_binds_like_an_own_precommit() {
    let own = [prevote(3, 2, A)];
    let mut arrived = prevotes(0..3, 2, A);
    for (desc, journal, first, locked) in [
        ("a whole journal", &own[..], 0, None),
        ("a proof shown", &own, 3, Some((2, id(1)))),
        ("one of a later round", &own, 2, None),
        (
            "a higher own lock",
            &[precommit(3, 3, B)],
            4,
            Some((3, id(2))),
        ),
    ] {
        let mut agreement = agreement(journal, arrived.clone());
        agreement.return_in(first);
        assert_eq!(agreement.locked(), locked, "{desc}");
    }
    arrived.push(proposal(3, None, 31));
    let mut agreement = agreement(&own, arrived);
    agreement.return_in(3);
    let refused = [says(3, VoteKind::Prevote, None)];
    assert_eq!(said(&mut agreement, &mut Critic::default()), refused);
}

#[test]
fn a_long_journal_keeps_its_lock() {
    let mut journal: Vec<_> = (0..100).map(|round| precommit(3, round, NIL)).collect();
    journal[0] = precommit(3, 0, A);
    journal.reverse();
    assert_eq!(agreement(&journal, vec![]).locked(), Some((0, id(1))));
}

#[test]
fn own_records_from_peers_move_nothing() {
    let agreement = agreement(&[], vec![prevote(3, 0, A), precommit(3, 0, A)]);
    assert_eq!(agreement.locked(), None);
    assert_eq!((agreement.round(), agreement.step()), (0, Step::Propose));
}

#[test]
fn observers_decide_and_say_nothing() {
    let stranger = signed(
        7,
        Statement::Rejoin {
            nonce: crate::base::digest::Digest::default(),
        },
    )
    .author();
    for me in [None, Some(stranger)] {
        let mut agreement = Agreement::new(HEIGHT, sealers(), me);
        agreement.add(proposal(0, None, 1)).unwrap();
        assert!(!agreement.is_active());
        assert_eq!(said(&mut agreement, &mut Critic::default()), []);
        assert_eq!(agreement.nudge(), None);
        assert_eq!(agreement.round_to_lead(), None);
        for record in precommits([0, 1, 2], 0, A) {
            agreement.add(record).unwrap();
        }
        assert_eq!(agreement.decided(), Some((id(1), 0)));
    }
}

#[test]
fn what_does_not_belong_here_is_rejected() {
    let mut agreement = agreement(&[], vec![]);
    let other_height = Statement::SealVote {
        height: HEIGHT + 1,
        round: 0,
        kind: PREVOTE,
        seal: None,
    };
    let rejoin = Statement::Rejoin {
        nonce: crate::base::digest::Digest::default(),
    };
    let out_of_turn = Statement::SealProposal {
        round: 0,
        lock: None,
        seal: seal(1),
    };
    let outsider = signed(7, rejoin.clone()).author();
    for (record, expected) in [
        (signed(0, rejoin), "malformed"),
        (signed(0, other_height), "impossible-seal"),
        (prevote(7, 0, A), "not-a-sealer"),
        (signed(1, out_of_turn), "wrong-role"),
    ] {
        assert_eq!(agreement.add(record.clone()).unwrap_err().code(), expected);
        assert_eq!(agreement.add_exempt(record).unwrap_err().code(), expected);
    }
    assert_eq!(
        agreement.add(prevote(7, 0, A)),
        Err(Rejection::NotASealer(outsider))
    );
    assert!(!agreement.is_under_way());
    assert_eq!(agreement.add(prevote(0, 0, A)), Ok(true));
    assert_eq!(agreement.add(prevote(0, 0, A)), Ok(false));
    assert!(
        agreement.has_voted(&node(0), 0, PREVOTE) && !agreement.has_voted(&node(0), 0, PRECOMMIT)
    );
}
