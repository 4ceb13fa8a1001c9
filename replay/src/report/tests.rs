use mycnet_consensus::NodeId;
use serde_json::{Value, json};

use super::*;
use crate::answers::{Place, Task, Time};
use crate::replayed::{Moment, ScoreChange, Timeline, WaveResult};

fn answers() -> Answers {
    let given = ["1", "1", "0"].map(str::to_owned);
    let task = |gold: Option<&str>, workers| Task {
        name: "t".to_owned(),
        gold: gold.map(str::to_owned),
        answers: given.iter().cloned().enumerate().take(workers).collect(),
        places: Vec::new(),
    };
    Answers {
        tasks: vec![task(Some("1"), 3), task(Some("0"), 3), task(None, 2)],
        workers: ["ann", "bob", "cy"].map(str::to_owned).to_vec(),
        repeated: 4,
        ..Answers::default()
    }
}

fn member(name: &str, role: Spore, skill_ppm: u32) -> Member {
    Member {
        name: name.to_owned(),
        node: NodeId::from_bytes([7; 32]),
        role,
        trust_ppm: 500_000,
        skill_ppm,
        standing: "active".to_owned(),
        reasons: vec![
            ScoreChange {
                reason: "coherent".to_owned(),
                times: 12,
                change_ppm: 0,
                skill_change_ppm: 34_000,
            },
            ScoreChange {
                reason: "dissent".to_owned(),
                times: 1,
                change_ppm: 0,
                skill_change_ppm: -25_000,
            },
        ],
    }
}

fn replayed(workers: u32) -> Replayed {
    let replica = |name: &str| Replica {
        name: name.to_owned(),
        height: 9,
        state_digest: Digest::from_bytes([1; 32]),
        documents_digest: Digest::from_bytes([2; 32]),
    };
    let workers = (0..workers).map(|i| member(&format!("worker {i}"), Spore::Latent, 400_000 + i));
    Replayed {
        network: NetworkId::from_bytes([3; 32]),
        decisions: vec![
            Decision::Decided("1".to_owned()),
            Decision::NoQuorum,
            Decision::Decided("1".to_owned()),
        ],
        records: 3000,
        cost: Cost {
            single_claims: 3,
            sets: 0,
            largest_set: 0,
            sealed_records: 20,
            sealed_bytes: 8000,
            signatures: 12,
        },
        timeline: None,
        replicas: ["primary", "seed 1", "seed 2", "seed 3"].map(replica),
        members: workers
            .chain([member("primary", Spore::Primary, 500_000)])
            .collect(),
    }
}

fn report(answers: &Answers, replayed: Replayed) -> Report {
    let args = Args {
        seed: 5,
        delivery_seed: 6,
        tasks_per_seal: 16,
        ..Args::default()
    };
    Report::new(
        answers,
        &args,
        replayed,
        Duration::from_millis(1500),
        Some(123_456_789),
    )
}

fn json_of(report: &Report) -> Value {
    let text = report.json().unwrap();
    assert!(text.ends_with("}\n"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_json_holds_what_was_promised() {
    let member = |name: &str, role: &str, skill_ppm: u32| {
        json!({
            "name": name,
            "node": "07".repeat(32),
            "role": role,
            "trust_ppm": 500_000,
            "skill_ppm": skill_ppm,
            "standing": "active",
            "reasons": [
                { "reason": "coherent", "times": 12, "change_ppm": 0, "skill_change_ppm": 34_000 },
                { "reason": "dissent", "times": 1, "change_ppm": 0, "skill_change_ppm": -25_000 },
            ],
        })
    };
    let replicas = ["primary", "seed 1", "seed 2", "seed 3"].map(|name| {
        json!({
            "name": name,
            "height": 9,
            "state_digest": "01".repeat(32),
            "documents_digest": "02".repeat(32),
        })
    });
    let mut expected = json!({
        "network": "03".repeat(32),
        "seed": 5,
        "delivery_seed": 6,
        "tasks_per_seal": 16,
        "set": null,
        "in_order": false,
        "within_ms": null,
        "share_ppm": 0,
        "tasks": 3,
        "tasks_with_gold": 2,
        "tasks_with_foreign_gold": 0,
        "tasks_with_unknown_gold": 0,
        "workers": 3,
        "votes": 8,
        "repeated_answers": 4,
        "skipped_lines": 0,
        "decided": 2,
        "no_quorum": 1,
        "unscored": 1,
        "not_asked": 0,
        "accuracy": 0.75,
        "majority_accuracy": 0.5,
        "waves": null,
        "in_dispute": [{ "task": "t", "answers": 3, "different": 2 }],
        "dissent": [{ "worker": "cy", "differing": 1, "of": 1, "noticed": null }],
        "late_dissent": null,
        "falls": null,
        "copiable": null,
        "time_restarts": [],
        "cost": {
            "single_claims": 3,
            "sets": 0,
            "largest_set": 0,
            "sealed_records": 20,
            "sealed_bytes": 8000,
            "signatures": 12,
        },
        "cost_per_answer": {
            "sealed_records": 2.5,
            "sealed_bytes": 1000.0,
            "signatures": 1.5,
            "elapsed_ms": 187.5,
        },
        "records": 3000,
        "records_per_second": 2000.0,
        "elapsed_ms": 1500,
        "peak_memory_bytes": 123_456_789,
        "height": 9,
        "state_digest": "01".repeat(32),
        "replicas": replicas,
        "members": [
            member("primary", "primary", 500_000),
            member("worker 1", "latent", 400_001),
            member("worker 0", "latent", 400_000),
        ],
    });
    let answers = answers();
    // One macro does not take more.
    expected["remarks"] = json!(crate::remarks::of(&answers));
    assert_eq!(json_of(&report(&answers, replayed(2))), expected);
}

#[test]
fn what_is_not_known_is_null() {
    let mut answers = answers();
    for task in &mut answers.tasks {
        task.gold = None;
    }
    let mut report = report(&answers, replayed(2));
    report.peak_memory_bytes = None;
    let value = json_of(&report);
    for key in ["accuracy", "majority_accuracy", "peak_memory_bytes"] {
        assert_eq!(value.get(key), Some(&Value::Null), "{key}");
    }
    let text = report.to_string();
    assert!(
        !text.contains("accuracy") && !text.contains("memory"),
        "{text}"
    );
}

#[test]
fn people_are_told_the_same() {
    let text = report(&answers(), replayed(12)).to_string();
    for line in [
        "3 tasks, 8 answers of 3 workers",
        "4 answers left out: the worker had answered that task before",
        "decided          2",
        "no quorum        1",
        "unscored         1  (of these tasks one or two workers were asked: nobody's skill moves)",
        "accuracy    0.7500",
        "majority    0.5000  (plain, for comparison)",
        "Over 2 of 3 tasks, those whose true answer is known; no decision and ties count half.",
        "Skill of the 12 workers, in parts per million:",
        "   1  worker 11                  400011  active     12 coherent (+34000), 1 dissent (-25000)",
        "   … 2 more",
        "  12  worker 0                   400000  active     12 coherent (+34000), 1 dissent (-25000)",
        "3000 records in 1.500 s, 2000 records/s, 124 MB of memory at most",
        "an answer costs 2.50 sealed records of 1000 bytes in all, 1.50 signatures, 187.50 ms",
        "height          9",
        &format!("state digest    {}", "01".repeat(32)),
        "All 4 replicas agree.",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line:?} in\n{text}"
        );
    }
    assert_eq!(text.matches("coherent").count(), 2 * TABLE_LINES);
}

/// The answers as they would stand in a file with a time on each line: a day lies between two tasks.
fn in_order() -> (Answers, Replayed) {
    let place = |line: u64, ms: u64| Place {
        line,
        time: Some(Time {
            ms,
            text: format!("day {}", ms / 86_400_000).into(),
        }),
    };
    let (mut answers, mut replayed) = (answers(), replayed(2));
    for (day, task) in (0..).zip(&mut answers.tasks) {
        let lines = (2 + 3 * day..).take(task.answers.len());
        task.places = lines.map(|line| place(line, 86_400_000 * day)).collect();
    }
    let moment = |height, line, day: u64| Moment {
        height,
        place: place(line, 86_400_000 * day),
        ms: Some(86_400_000 * day),
    };
    let wave = |answers, verdict: Option<&str>| WaveResult {
        answers: 0..answers,
        moment: 0,
        is_scored: answers == 3,
        verdict: verdict.map(str::to_owned),
    };
    let fall = |recovered| Fall {
        name: "cy".to_owned(),
        fell: moment(2, 9, 2),
        from_ppm: 500_000,
        lowest_ppm: 475_000,
        recovered,
    };
    replayed.timeline = Some(Timeline {
        moments: vec![moment(2, 9, 2)],
        waves: vec![
            vec![wave(3, Some("1"))],
            vec![wave(3, None)],
            vec![wave(2, Some("1"))],
        ],
        falls: vec![fall(None), fall(Some(moment(4, 9, 2)))],
    });
    (answers, replayed)
}

#[test]
fn people_are_told_when_it_came_out() {
    let (answers, replayed) = in_order();
    let mut report = report(&answers, replayed);
    report.in_order = true;
    report.set = Some(512);
    report.copiable = Some(2);
    let text = report.to_string();
    for line in [
        "asked in 0 claim sets of up to 0 tasks and 3 single claims",
        "  t: 3 answers, 2 of them different",
        "  cy: 1 of 1, line 4 (time day 0)",
        "    noticed at line 9 (time day 2), height 2, 2.0 days later; by then it had differed on 1 of 1 occasions",
        "Skill fell 2 times, in parts per million:",
        "  cy: 500000 to 475000 from line 9 (time day 2), height 2 on, not back",
        "  cy: 500000 to 475000 from line 9 (time day 2), height 2 on, back at line 9 (time day 2), height 4",
        "2 of 8 answers (25.0 %) equal one further up in the file: they could have been copied.",
    ] {
        let mut lines = text.lines();
        assert!(lines.any(|found| found == line), "{line:?} in\n{text}");
    }
    let noticed = &json_of(&report)["dissent"][0]["noticed"];
    let expected = json!({
        "first": { "line": 4, "time": "day 0" },
        "last": { "line": 4, "time": "day 0" },
        "at": { "height": 2, "line": 9, "time": "day 2" },
        "after_ms": 172_800_000,
        "occasions": 1,
        "occasions_until": 1,
        "longest_ms": 172_800_000,
        "unscored": 0,
    });
    assert_eq!(*noticed, expected);
    let fall = &json_of(&report)["falls"][1];
    assert_eq!(fall["recovered"]["height"], 4);
}

/// The same where nobody waits for more than an hour: of each task the last answer comes in a wave of its own.
fn in_waves() -> Report {
    let (answers, mut replayed) = in_order();
    replayed.decisions[1] = Decision::NoQuorum;
    let timeline = replayed.timeline.as_mut().unwrap();
    for moment in &mut timeline.moments {
        moment.ms = moment.ms.map(|ms| ms + 3_600_000);
    }
    let verdicts = [
        [Some("1"), Some("1")],
        [Some("1"), None],
        [Some("1"), Some("1")],
    ];
    for (task, verdicts) in verdicts.into_iter().enumerate() {
        let last = answers.tasks[task].answers.len() - 1;
        let waves = [0..last, last..last + 1].into_iter().zip(verdicts);
        let waves = waves.map(|(answers, verdict)| WaveResult {
            is_scored: task == 0 && answers.start == 0,
            answers,
            moment: 0,
            verdict: verdict.map(str::to_owned),
        });
        timeline.waves[task] = waves.collect();
    }
    let args = Args {
        in_order: true,
        within: Some("1h".parse().unwrap()),
        ..Args::default()
    };
    Report::new(&answers, &args, replayed, Duration::from_secs(1), None)
}

#[test]
fn people_are_told_what_waves_say_of_one_another() {
    let text = in_waves().to_string();
    for line in [
        "waves            6  (5 of them, with 6 answers, had fewer than three workers with weight: nobody's skill moves)",
        "In dispute, since their waves together have no verdict:",
        "  cy: 1 of 1, line 4 (time day 0)",
        "    noticed at the end of the wait after line 9 (time day 2), height 2, 2.0 days later; by then it had differed on 1 of 1 occasions",
        "    each was noticed within 2.0 days; 1 moved no skill, since fewer than three with weight were asked with them",
        "Answers that differ from what an earlier wave had decided:",
        "  cy: 2, the first for t: 0, decided was 1",
        "    noticed at the end of the wait after line 9 (time day 2), height 2, 2.0 days later; the verdict stands for 1 of 2",
        "3 of 8 answers (37.5 %) equal one further up in the file: they could have been copied.",
        "With commit and reveal 1 (12.5 %): they equal one of an earlier wave, which was shown.",
    ] {
        let mut lines = text.lines();
        assert!(lines.any(|found| found == line), "{line:?} in\n{text}");
    }
    assert!(!text.contains("unscored"), "{text}");
}

#[test]
fn the_json_has_the_waves() {
    let value = json_of(&in_waves());
    assert_eq!(value["within_ms"], 3_600_000);
    let waves = json!({ "decided": 6, "unscored": 5, "unscored_answers": 6, "copiable": 1 });
    assert_eq!(value["waves"], waves);
    let answer = |line, time, verdict: Option<&str>| json!({ "task": "t", "line": line, "time": time, "answer": "0", "decided": "1", "verdict": verdict });
    let late = json!([{
        "worker": "cy",
        "at": { "height": 2, "line": 9, "time": "day 2" },
        "after_ms": 176_400_000,
        "answers": [answer(4, "day 0", Some("1")), answer(7, "day 1", None)],
    }]);
    assert_eq!(value["late_dissent"], late);
}

#[test]
fn of_many_falls_the_deepest_are_shown() {
    let (answers, mut replayed) = in_order();
    let timeline = replayed.timeline.as_mut().unwrap();
    let fall = timeline.falls[0].clone();
    timeline.falls = (0..30)
        .map(|n| Fall {
            name: format!("worker {n}"),
            lowest_ppm: 400_000 + n,
            ..fall.clone()
        })
        .collect();
    let mut report = report(&answers, replayed);
    report.in_order = true;
    let text = report.to_string();
    assert!(
        text.contains("  worker 19: ") && !text.contains("  worker 20: "),
        "{text}"
    );
    assert!(text.contains("… 10 more that are not so deep"), "{text}");
}

#[test]
fn few_workers_are_all_shown() {
    for workers in [1, 9, 10] {
        let text = report(&answers(), replayed(workers)).to_string();
        assert_eq!(text.matches("coherent").count(), workers as usize);
        assert!(!text.contains("more\n"), "{text}");
    }
}

#[test]
fn replicas_that_differ_are_shown_apart() {
    let breaks: [fn(&mut Replica); 3] = [
        |replica| replica.height += 1,
        |replica| replica.state_digest = Digest::default(),
        |replica| replica.documents_digest = Digest::default(),
    ];
    for broken in breaks {
        let mut replayed = replayed(3);
        broken(&mut replayed.replicas[2]);
        let report = report(&answers(), replayed);
        assert!(!report.replicas_agree());
        let text = report.to_string();
        assert!(
            text.contains("DO NOT AGREE (seed 5, delivery seed 6, 16 tasks per seal)"),
            "{text}"
        );
        assert!(text.contains("  seed 2: height"), "{text}");
    }
    assert!(report(&answers(), replayed(3)).replicas_agree());
}

#[test]
fn names_cannot_command_the_terminal() {
    assert_eq!(shown("ann\u{1b}[2J\n"), "ann\\u{1b}[2J\\n");
    assert_eq!(shown("\u{202e}ann"), "\\u{202e}ann");
    assert_eq!(shown(&"x".repeat(24)), "x".repeat(24));
    assert_eq!(shown(&"ä".repeat(25)), format!("{}…", "ä".repeat(23)));
}
