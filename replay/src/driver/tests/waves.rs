//! Answers that come after the wait, asked in waves of their own.

use super::*;
use crate::dissent::{self, Dissent};
use crate::late;

const HOUR_MS: u64 = 3_600_000;

/// For each task what each worker answers, and in which hour. The wait is ten hours.
fn given(tasks: &[&[(&str, u64)]]) -> Answers {
    let mut lines: Vec<(u64, usize, usize, &str)> = Vec::new();
    for (task, given) in tasks.iter().enumerate() {
        for (worker, (answer, hour)) in given.iter().enumerate() {
            lines.push((*hour, worker, task, answer));
        }
    }
    lines.sort_unstable();
    let workers = tasks.iter().map(|given| given.len()).max().unwrap_or(0);
    let mut answers = Answers {
        tasks: (0..tasks.len())
            .map(|task| Task {
                name: format!("t{task}"),
                gold: None,
                answers: Vec::new(),
                places: Vec::new(),
            })
            .collect(),
        workers: (0..workers).map(|worker| format!("w{worker}")).collect(),
        ..Answers::default()
    };
    for (line, (hour, worker, task, answer)) in (2..).zip(lines) {
        let task = &mut answers.tasks[task];
        task.answers.push((worker, answer.to_owned()));
        task.places.push(Place {
            line,
            time: Some(Time {
                ms: 1000 + HOUR_MS * hour,
                text: hour.to_string().into(),
            }),
        });
    }
    answers
}

fn waiting(answers: &Answers, set: Option<u16>) -> Replayed {
    let args = Args {
        within: Some("10h".parse().unwrap()),
        set,
        ..in_sets(true)
    };
    let replayed = replay(answers, &args);
    let first = &replayed.replicas[0];
    for replica in &replayed.replicas {
        let held = (replica.state_digest, replica.documents_digest);
        assert_eq!(held, (first.state_digest, first.documents_digest));
    }
    // Every answer was asked for.
    let waves = replayed.timeline.as_ref().unwrap().waves.iter().flatten();
    let asked: usize = waves.map(|wave| wave.answers.len()).sum();
    assert_eq!(asked, answers.votes());
    replayed
}

fn dissent_of(answers: &Answers, replayed: &Replayed) -> Vec<Dissent> {
    dissent::of(answers, &replayed.decisions, replayed.timeline.as_ref())
}

fn decided(answer: &str) -> Decision {
    Decision::Decided(answer.to_owned())
}

/// Nobody waits for the one who comes last, and it is named although its wave is too small to move skill.
#[test]
fn who_differs_late_and_alone_is_named_when_its_wave_ends() {
    let three = [("1", 0), ("1", 2), ("1", 9)];
    let late = [&three[..], &[("2", 100)]].concat();
    let agrees = [&three[..], &[("1", 100)]].concat();
    for set in [None, Some(512)] {
        let answers = given(&[&late, &agrees]);
        let replayed = waiting(&answers, set);
        assert_eq!(replayed.decisions, [decided("1"), decided("1")]);
        let [one] = &dissent_of(&answers, &replayed)[..] else {
            panic!("one worker differs");
        };
        let notice = one.noticed.as_ref().unwrap();
        assert_eq!((one.worker.as_str(), one.differing, one.of), ("w3", 1, 2));
        assert_eq!(notice.after_ms, Some(10 * HOUR_MS));
        assert_eq!(notice.longest_ms, Some(10 * HOUR_MS));
        assert_eq!(notice.unscored, 1);
        let timeline = replayed.timeline.as_ref().unwrap();
        assert_eq!(timeline.falls, []);
        let [late] = &late::of(&answers, timeline)[..] else {
            panic!("one is late and differs");
        };
        assert_eq!((late.worker.as_str(), late.standing()), ("w3", 1));
        assert_eq!(late.at, notice.at);
        let answer = &late.answers[0];
        assert_eq!(
            (answer.answer.as_str(), answer.decided.as_str()),
            ("2", "1")
        );
        // The first wave alone moved skill.
        let skill = |name: &str| {
            let mut members = replayed.members.iter();
            members.find(|it| it.name == name).unwrap().skill_ppm
        };
        assert!(skill("w0") > 500_000);
        assert_eq!(skill("w3"), 500_000);
    }
}

/// Each wave has a result of its own, and together they have none.
#[test]
fn what_scatters_over_waves_is_in_dispute() {
    let rows: [(&str, &[(&str, u64)]); 5] = [
        (
            "each alone",
            &[("a", 0), ("b", 20), ("c", 40), ("d", 60), ("e", 80)],
        ),
        (
            "all at once, then alone",
            &[("a", 0), ("b", 1), ("c", 2), ("d", 20), ("e", 40)],
        ),
        ("two, then two", &[("a", 0), ("a", 1), ("b", 20), ("b", 21)]),
        (
            "three, then three",
            &[
                ("a", 0),
                ("a", 0),
                ("a", 0),
                ("b", 20),
                ("b", 20),
                ("b", 20),
            ],
        ),
        (
            "two, and one after the other differs",
            &[("a", 0), ("a", 0), ("b", 20), ("c", 40)],
        ),
    ];
    for (what, row) in rows {
        let answers = given(&[row]);
        let replayed = waiting(&answers, Some(512));
        assert_eq!(replayed.decisions, [Decision::NoQuorum], "{what}");
        let [dispute] = &dissent::in_dispute(&answers, &replayed.decisions)[..] else {
            panic!("{what}: one task is in dispute");
        };
        assert_eq!(dispute.answers, row.len(), "{what}");
        assert_eq!(dissent_of(&answers, &replayed), [], "{what}");
        let moved = replayed.members.iter();
        let moved = moved.filter(|member| member.skill_ppm != 500_000).count();
        // The ledger scores each wave of three that agree by itself.
        let expected = if what.starts_with("three") { 6 } else { 0 };
        assert_eq!(moved, expected, "{what}");
    }
}

/// What one alone had said first falls when more say otherwise: it is the one who differs, and the others are named as against it.
#[test]
fn a_verdict_of_few_falls_when_more_come() {
    let answers = given(&[&[("a", 0), ("b", 20), ("b", 21), ("b", 22)]]);
    let replayed = waiting(&answers, None);
    assert_eq!(replayed.decisions, [decided("b")]);
    let [one] = &dissent_of(&answers, &replayed)[..] else {
        panic!("one worker differs");
    };
    let notice = one.noticed.as_ref().unwrap();
    assert_eq!((one.worker.as_str(), notice.unscored), ("w0", 1));
    // Not when it answered, since nobody knew better.
    assert_eq!(notice.after_ms, Some(30 * HOUR_MS));
    let late = late::of(&answers, replayed.timeline.as_ref().unwrap());
    let named: Vec<(&str, usize)> = late
        .iter()
        .map(|late| (late.worker.as_str(), late.standing()))
        .collect();
    assert_eq!(named.len(), 3);
    assert!(
        named.iter().all(|(_, standing)| *standing == 0),
        "{named:?}"
    );
}

#[test]
fn a_wait_for_all_decides_as_no_wait() {
    let answers = built(&[
        &["1", "a", "1", "v"],
        &["1", "b", "1", "v"],
        &["1", "c", "1", "w"],
        &["1", "d", "2", "w"],
    ]);
    let without = replay(&answers, &in_sets(true));
    let waited = waiting(&answers, Some(512));
    assert_eq!(waited.decisions, without.decisions);
    assert_eq!(waited.cost.sets, without.cost.sets);
    let skill = |replayed: &Replayed| -> Vec<u32> {
        let members = replayed.members.iter();
        members.map(|member| member.skill_ppm).collect()
    };
    assert_eq!(skill(&waited), skill(&without));
}
