use mycnet_consensus::NodeId;
use serde_json::{Value, json};

use super::*;
use crate::answers::Task;
use crate::replayed::ScoreChange;

fn answers() -> Answers {
    let given = ["1", "1", "0"].map(str::to_owned);
    let task = |gold: Option<&str>, workers| Task {
        name: "t".to_owned(),
        gold: gold.map(str::to_owned),
        answers: given.iter().cloned().enumerate().take(workers).collect(),
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
    let expected = json!({
        "network": "03".repeat(32),
        "seed": 5,
        "delivery_seed": 6,
        "tasks_per_seal": 16,
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
    assert_eq!(json_of(&report(&answers(), replayed(2))), expected);
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
        "Over 2 tasks whose true answer is known; no decision and ties count half.",
        "Skill of the 12 workers, in parts per million:",
        "   1  worker 11                  400011  active     12 coherent (+34000), 1 dissent (-25000)",
        "   … 2 more",
        "  12  worker 0                   400000  active     12 coherent (+34000), 1 dissent (-25000)",
        "3000 records in 1.500 s, 2000 records/s, 124 MB of memory at most",
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
