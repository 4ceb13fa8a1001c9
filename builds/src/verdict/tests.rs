use mycnet_consensus::{Elector, MemberName, NodeId, OperationId, Standing};

use super::*;
use crate::builders::Builder;
use crate::evidence::Answer;
use crate::policy::Policy;

fn key(name: char) -> NodeId {
    NodeId::from_bytes([name as u8; 32])
}

fn builder(name: &str, former: &str, standing: Standing) -> Builder {
    Builder {
        node: key(name.chars().next().unwrap()),
        name: MemberName::new(name).unwrap(),
        skill_ppm: None,
        standing: Some(standing),
        former: former.chars().map(key).collect(),
    }
}

/// Ada, ben, cyd and dan; eve is banned, fay has replaced her key G, new on probation. Zoe was excluded.
fn builders() -> Builders {
    let active = |name| builder(name, "", Standing::Active);
    Builders::new(vec![
        active("ada"),
        active("ben"),
        active("cyd"),
        active("dan"),
        builder("eve", "", Standing::Banned),
        builder("fay", "G", Standing::Active),
        builder("new", "", Standing::Probation),
    ])
}

fn policy(text: &str) -> Resolved {
    let zoe = key('z').to_string();
    let text = text.replace("ZOE", &zoe);
    let find = |name: &str| builders().find(name).map_err(|error| error.to_string());
    let policy: Policy = text.parse().unwrap();
    policy
        .resolve(|name| find(name).map_err(|_| crate::PolicyFault::Empty))
        .unwrap()
}

fn result(byte: char) -> Hex {
    Hex(vec![byte as u8; 32])
}

/// A set that was decided: who gave what, as `"x:ab y:c"`, and the ledger's result. Everybody was asked; only `n` has no weight.
fn set(height: u64, answers: &str, ledger: Option<char>) -> Evidence {
    let mut electors: Vec<Elector> = "abcdefGnz"
        .chars()
        .map(|name| Elector {
            node: key(name),
            weight: if name == 'n' { 0 } else { 500_000 },
            has_vote: name != 'n',
        })
        .collect();
    electors.sort_by_key(|it| it.node);
    let answers = answers.split_whitespace().map(|given| {
        let (what, by) = given.split_once(':').unwrap();
        Answer {
            result: result(what.chars().next().unwrap()),
            by: by.chars().map(key).collect(),
        }
    });
    Evidence {
        operation: OperationId::from_bytes([height.to_le_bytes()[0]; 32]),
        item: 0,
        subject: "a".into(),
        input: Hex::default(),
        decided: Some(Decision {
            height,
            result: ledger.map(result),
            answers: answers.collect(),
            electors,
        }),
    }
}

fn open(of: &Evidence) -> Evidence {
    Evidence {
        decided: None,
        ..of.clone()
    }
}

fn judged(about: Vec<Evidence>, policy_text: &str, expected: Option<char>) -> Judged {
    let question = Question {
        subject: Some("a".into()),
        is_certain: true,
        result: expected.map(result),
    };
    let found = Found {
        about,
        known_as: Vec::new(),
    };
    judge(&question, found, &policy(policy_text), &builders())
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn policies_confirm_what_enough_say() {
    use Verdict::{Confirmed, InDispute, NotEnough};
    type Row<'a> = (
        &'a str,
        &'a str,
        Option<char>,
        &'a str,
        Option<char>,
        Verdict,
    );
    let rows: &[Row<'_>] = &[
        // What, answers, ledger, policy, expected, verdict.
        (
            "enough",
            "x:abc",
            Some('x'),
            "3 of ada,ben,cyd",
            None,
            Confirmed,
        ),
        (
            "of more",
            "x:ab",
            Some('x'),
            "2 of ada,ben,cyd",
            None,
            Confirmed,
        ),
        (
            "too few",
            "x:ab",
            Some('x'),
            "3 of ada,ben,cyd",
            None,
            NotEnough,
        ),
        (
            "only others",
            "x:bcd",
            Some('x'),
            "1 of ada",
            None,
            NotEnough,
        ),
        ("nobody", "", None, "1 of any", None, NotEnough),
        (
            "one differs, enough agree",
            "x:abc y:d",
            Some('x'),
            "3 of any",
            None,
            Confirmed,
        ),
        (
            "one of the policy differs",
            "x:ab y:c",
            Some('x'),
            "2 of ada,ben,cyd",
            None,
            Confirmed,
        ),
        (
            "too few, as one differs",
            "x:ab y:c",
            Some('x'),
            "3 of ada,ben,cyd",
            None,
            InDispute,
        ),
        (
            "who differs is not of the policy",
            "x:ab y:d",
            Some('x'),
            "3 of ada,ben,cyd",
            None,
            NotEnough,
        ),
        (
            "enough for two results",
            "x:ab y:cd",
            None,
            "2 of any",
            None,
            InDispute,
        ),
        (
            "the ledger's verdict",
            "x:abc",
            Some('x'),
            "ledger",
            None,
            Confirmed,
        ),
        (
            "no verdict, different answers",
            "x:ab y:cd",
            None,
            "ledger",
            None,
            InDispute,
        ),
        (
            "no verdict, one answer",
            "x:a",
            None,
            "ledger",
            None,
            NotEnough,
        ),
        ("no verdict, no answer", "", None, "ledger", None, NotEnough),
        (
            "both",
            "x:abc",
            Some('x'),
            "3 of ada,ben,cyd and ledger",
            None,
            Confirmed,
        ),
        (
            "no verdict of the ledger",
            "x:abc",
            None,
            "3 of ada,ben,cyd and ledger",
            None,
            NotEnough,
        ),
        (
            "two rules, two results",
            "x:abc y:de",
            Some('x'),
            "1 of dan and ledger",
            None,
            InDispute,
        ),
        (
            "the expected",
            "x:abc",
            Some('x'),
            "3 of any",
            Some('x'),
            Confirmed,
        ),
        (
            "another than expected",
            "x:abc",
            Some('x'),
            "3 of any",
            Some('y'),
            InDispute,
        ),
        (
            "the ledger's is another",
            "x:abc",
            Some('x'),
            "ledger",
            Some('y'),
            InDispute,
        ),
        (
            "one gave another than expected",
            "y:a",
            None,
            "2 of any",
            Some('x'),
            InDispute,
        ),
        (
            "one gave the expected",
            "x:a",
            None,
            "2 of any",
            Some('x'),
            NotEnough,
        ),
        (
            "expected by one, others differ",
            "x:a y:bcd",
            Some('y'),
            "3 of any",
            Some('x'),
            InDispute,
        ),
        // Members that are not as the others.
        (
            "a banned one counts in no rule",
            "x:ae",
            Some('x'),
            "2 of any",
            None,
            NotEnough,
        ),
        (
            "also by its name",
            "x:ae",
            Some('x'),
            "2 of ada,eve",
            None,
            NotEnough,
        ),
        (
            "nor does it make a dispute",
            "x:a y:e",
            Some('x'),
            "2 of any",
            None,
            NotEnough,
        ),
        (
            "a replaced key is the member's",
            "x:aG",
            Some('x'),
            "2 of ada,fay",
            None,
            Confirmed,
        ),
        (
            "a member counts once",
            "x:fG",
            Some('x'),
            "2 of any",
            None,
            NotEnough,
        ),
        (
            "one without weight",
            "x:an",
            Some('x'),
            "2 of any",
            None,
            NotEnough,
        ),
        (
            "but by its name",
            "x:an",
            Some('x'),
            "2 of ada,new",
            None,
            Confirmed,
        ),
        (
            "an excluded one by its id",
            "x:az",
            Some('x'),
            "2 of ada,ZOE",
            None,
            Confirmed,
        ),
    ];
    for (desc, answers, ledger, policy, expected, verdict) in rows {
        let judged = judged(vec![set(5, answers, *ledger)], policy, *expected);
        assert_eq!(judged.verdict, *verdict, "{desc}: {judged:#?}");
        let case = &judged.cases[0];
        assert_eq!(case.result.is_some(), *verdict == Confirmed, "{desc}");
    }
}

#[test]
fn of_sets_with_the_same_item_the_last_counts() {
    let (first, second) = (set(5, "x:abc", Some('x')), set(9, "y:abc", Some('y')));
    for about in [
        vec![first.clone(), second.clone()],
        vec![second.clone(), first.clone()],
    ] {
        let judged = judged(about, "2 of any", Some('x'));
        assert_eq!(judged.verdict, Verdict::InDispute);
        let [case] = &judged.cases[..] else {
            panic!("{judged:?}")
        };
        assert_eq!(case.counts, second);
        assert_eq!(case.before, std::slice::from_ref(&first));
    }
    // One that is open does not count yet.
    let third = open(&set(10, "", None));
    let with_open = judged(vec![third.clone(), first.clone()], "2 of any", None);
    assert_eq!(with_open.verdict, Verdict::Confirmed);
    assert_eq!(with_open.cases[0].open, std::slice::from_ref(&third));
    let only_open = judged(vec![third.clone()], "2 of any", None);
    assert_eq!(only_open.verdict, Verdict::NotEnough);
    assert_eq!(
        (&only_open.cases[0].counts, &only_open.cases[0].open[..]),
        (&third, &[][..])
    );
    assert_eq!(judged(vec![], "2 of any", None).verdict, Verdict::Unknown);
}

#[test]
fn different_inputs_are_different_builds() {
    use Verdict::{Confirmed, InDispute, NotEnough};
    let with = |input: u8, answers: &str, ledger| Evidence {
        input: Hex(vec![input]),
        ..set(5, answers, ledger)
    };
    let good = with(1, "x:abc", Some('x'));
    for (desc, other, expected, verdict) in [
        (
            "another result",
            with(2, "y:abc", Some('y')),
            None,
            Confirmed,
        ),
        (
            "the expected is one",
            with(2, "y:abc", Some('y')),
            Some('x'),
            Confirmed,
        ),
        (
            "the expected is the other",
            with(2, "y:abc", Some('y')),
            Some('y'),
            Confirmed,
        ),
        (
            "the expected is neither",
            with(2, "y:abc", Some('y')),
            Some('z'),
            InDispute,
        ),
        ("nobody built the other", with(2, "", None), None, Confirmed),
        (
            "the other is in dispute",
            with(2, "x:ab y:cd", None),
            None,
            InDispute,
        ),
        (
            "and the expected is confirmed",
            with(2, "x:ab y:cd", None),
            Some('x'),
            Confirmed,
        ),
        (
            "the other confirms it",
            with(2, "z:a", None),
            Some('z'),
            InDispute,
        ),
    ] {
        let judged = judged(vec![good.clone(), other], "2 of any", expected);
        assert_eq!(judged.verdict, verdict, "{desc}");
        assert_eq!(judged.cases.len(), 2, "{desc}");
    }
    let few = judged(
        vec![with(1, "x:a", None), with(2, "", None)],
        "2 of any",
        None,
    );
    assert_eq!(few.verdict, NotEnough);
}
