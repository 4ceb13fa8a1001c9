//! `mycnet replay` from outside: what it prints, where, and its exit codes.

use std::fs;
use std::path::PathBuf;

use mycnet_consensus::document::{LedgerDocument, OperationDocument};
use mycnet_consensus::{Certificate, Genesis, NodeId, Outcome};
use serde_json::Value;

use crate::harness::{Directory, assert_fails, mycnet_fed, said};

/// Three answers to one task: the least that can be decided.
const LEAST: &str = "task,worker,answer\nt,a,1\nt,b,1\nt,c,0\n";

/// 800 real answers.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/rte.csv");

/// Asserts that a run fails with nothing else on stderr than the error.
fn fails(arguments: &[&str], input: &[u8], code: i32, says: &[&str]) {
    let output = mycnet_fed(arguments, input);
    assert_fails(&output, code, says);
    assert!(said(&output).starts_with("error: "));
}

/// Runs `mycnet replay --json`, and gives what it says.
fn replayed(arguments: &[&str], input: &[u8]) -> Value {
    let arguments = [&["replay", "--json"], arguments].concat();
    let output = mycnet_fed(&arguments, input);
    let stderr = said(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.is_empty(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// What the replicas hold, which must be the same for all of them.
fn held(report: &Value) -> Value {
    let replicas = report["replicas"].as_array().expect("a list");
    let held = |replica: &Value| {
        let fields = ["height", "state_digest", "documents_digest"];
        Value::from_iter(fields.map(|field| replica[field].clone()))
    };
    assert_eq!(replicas.len(), 4);
    for replica in replicas {
        assert_eq!(held(replica), held(&replicas[0]), "{}", replica["name"]);
    }
    assert_eq!(replicas[0]["state_digest"], report["state_digest"]);
    held(&replicas[0])
}

#[test]
fn real_answers_are_decided_the_same_whatever_the_delivery() {
    let report = replayed(&[EXAMPLE], b"");
    for (field, expected) in [
        ("tasks", 80),
        ("votes", 800),
        ("workers", 28),
        ("not_asked", 0),
        ("unscored", 0),
        // Two seals for each of ten groups of 8.
        ("height", 20),
    ] {
        assert_eq!(report[field], expected, "{field}");
    }
    let number = |field: &str| report[field].as_f64().expect("a number");
    assert!((number("decided") + number("no_quorum") - 80.0).abs() < 0.5);
    assert!((0.8..=1.0).contains(&number("accuracy")));
    assert!((0.8..=1.0).contains(&number("majority_accuracy")));
    // A proposal for each task, a commit and a reveal for each answer, and something for each seal.
    assert!(number("records") > 1680.0);
    assert!(number("records_per_second") > 0.0);
    assert!(number("elapsed_ms") > 0.0);
    let peak = &report["peak_memory_bytes"];
    assert_eq!(peak.is_null(), !cfg!(target_os = "linux"));
    let members = report["members"].as_array().expect("a list");
    assert_eq!(members.len(), 28 + 4);
    for member in members {
        assert!(member["name"].is_string() && member["skill_ppm"].is_u64());
        let standing = member["standing"].as_str().expect("a text");
        assert_eq!(standing, "active", "claims alone suspend nobody");
    }
    let again = replayed(&[EXAMPLE, "--delivery-seed", "7"], b"");
    assert_eq!(held(&again), held(&report));
    assert_eq!(again["members"], report["members"]);
    let other = replayed(&[EXAMPLE, "--seed", "2"], b"");
    assert_ne!(held(&other), held(&report));
}

#[test]
fn an_export_can_be_read_and_checked_by_others() {
    let directory = Directory::new();
    let export = directory.path().join("export");
    let report = replayed(&[EXAMPLE, "--export", &directory.file("export")], b"");
    let read = |file: PathBuf| fs::read(file).expect("the file is there");
    let genesis = read(export.join("genesis.json"));
    let genesis: Genesis = serde_json::from_slice(&genesis).expect("a genesis");
    assert_eq!(report["network"], genesis.network_id().to_string());

    let ledger = LedgerDocument::load(&genesis, &read(export.join("ledger.automerge")))
        .expect("the ledger document");
    assert_eq!(report["height"], ledger.height());
    for member in report["members"].as_array().expect("a list") {
        let node: NodeId = member["node"]
            .as_str()
            .expect("a key")
            .parse()
            .expect("a key");
        let roster = ledger.roster_at(ledger.height()).expect("a height");
        let line = &roster[&node];
        for (field, score) in [("trust_ppm", line.trust_ppm), ("skill_ppm", line.skill_ppm)] {
            assert_eq!(member[field], score, "{field}");
        }
    }

    let operations = fs::read_dir(export.join("operations")).expect("a directory");
    let mut decided = 0;
    for file in operations {
        let file = file.expect("an entry").path();
        let document = OperationDocument::load(&read(file.clone())).expect("a document");
        let id = document.operation_id().to_string();
        assert_eq!(file.file_stem().expect("a name").to_str(), Some(&*id));
        let proof = read(export.join("certificates").join(format!("{id}.cbor")));
        let proved = Certificate::decode(&proof)
            .and_then(|certificate| certificate.verify(&genesis))
            .expect("a certificate that verifies");
        assert_eq!(proved.operation, document.operation_id());
        decided += usize::from(proved.outcome != Some(Outcome::NoQuorum));
    }
    assert_eq!(report["decided"], decided);
    let certificates = fs::read_dir(export.join("certificates")).expect("a directory");
    assert_eq!(certificates.count(), 80);
}

#[test]
fn people_are_told_what_was_decided() {
    let output = mycnet_fed(&["replay", "-"], LEAST.as_bytes());
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    for said in [
        "1 tasks, 3 answers of 3 workers",
        "decided          1",
        "1 coherent (+10000)",
        "1 claim_dissent (-25000)",
        "height          2",
        "All 4 replicas agree.",
    ] {
        assert!(text.contains(said), "{said:?} in {text}");
    }
}

#[test]
fn every_task_is_asked() {
    let more = format!("{LEAST}few,a,1\nfew,b,1\none,c,0\n");
    let report = replayed(&["-"], more.as_bytes());
    for (field, expected) in [("decided", 3), ("unscored", 2), ("not_asked", 0)] {
        assert_eq!(report[field], expected, "{field}");
    }
    assert_eq!(
        (&report["height"], &report["accuracy"]),
        (&2.into(), &Value::Null)
    );
    held(&report);
}

/// Results of four builders for three artifacts of two releases. Of the third artifact nobody agrees; ben differs in the first
/// one of the second release.
const BUILDS: &str = "release,artifact,builder,sha256,minute\n\
                      1,x,ada,aa,0\n1,y,ada,bb,0\n1,z,ada,c1,0\n\
                      1,x,ben,aa,10\n1,y,ben,bb,10\n1,z,ben,c2,10\n\
                      1,x,cyd,aa,20\n1,y,cyd,bb,20\n1,z,cyd,c3,20\n\
                      1,x,dot,aa,1500\n1,y,dot,bb,1500\n1,z,dot,c4,1500\n\
                      2,x,ada,dd,0\n2,y,ada,ee,0\n\
                      2,x,cyd,dd,5\n2,y,cyd,ee,5\n\
                      2,x,dot,dd,7\n2,y,dot,ee,7\n\
                      2,x,ben,d0,1447\n2,y,ben,ee,1447\n";

/// As builders would replay what they published.
const AS_BUILDS: [&str; 6] = [
    "--set=512",
    "--in-order",
    "--share=majority",
    "--columns",
    "task=release+artifact,worker=builder,answer=sha256,time=minute",
    "-",
];

#[test]
fn builds_are_decided_in_sets_and_in_order() {
    let arguments = [&["replay", "--json"][..], &AS_BUILDS].concat();
    let output = mycnet_fed(&arguments, BUILDS.as_bytes());
    let stderr = said(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("the time goes back on 1 lines, the first of them line 14"));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    held(&report);
    for (field, expected) in [
        ("tasks", 5),
        ("votes", 20),
        ("decided", 4),
        ("no_quorum", 1),
        ("set", 512),
        ("share_ppm", 500_000),
        ("copiable", 11),
        ("height", 4),
    ] {
        assert_eq!(report[field], expected, "{field}");
    }
    let cost = &report["cost"];
    for (field, expected) in [
        ("sets", 2),
        ("single_claims", 0),
        ("largest_set", 3),
        // Two proposals, and a commit and a reveal of each builder for each.
        ("sealed_records", 18),
    ] {
        assert_eq!(cost[field], expected, "{field}");
    }
    let disputes = serde_json::json!([{ "task": "1 / z", "answers": 4, "different": 4 }]);
    assert_eq!(report["in_dispute"], disputes);
    let dissent = serde_json::json!([{
        "worker": "ben", "differing": 1, "of": 4,
        "noticed": {
            "first": { "line": 20, "time": "1447" },
            "last": { "line": 20, "time": "1447" },
            "at": { "height": 4, "line": 21, "time": "1447" },
            "after_ms": 0, "occasions": 1, "occasions_until": 1,
            "longest_ms": 0, "unscored": 0,
        },
    }]);
    assert_eq!(report["dissent"], dissent);
    let falls = report["falls"].as_array().expect("a list");
    assert_eq!(falls.len(), 1);
    assert_eq!(
        (&falls[0]["name"], &falls[0]["recovered"]),
        (&"ben".into(), &Value::Null)
    );
}

/// Nobody waits for who comes on the next day, and who differs there is named on that day.
#[test]
fn builds_that_come_late_are_asked_in_waves() {
    let arguments = [&["replay", "--json", "--within", "1d"][..], &AS_BUILDS].concat();
    let output = mycnet_fed(&arguments, BUILDS.as_bytes());
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    held(&report);
    for (field, expected) in [
        ("votes", 20),
        ("decided", 4),
        ("no_quorum", 1),
        ("within_ms", 86_400_000),
        ("copiable", 11),
        ("height", 8),
    ] {
        assert_eq!(report[field], expected, "{field}");
    }
    let waves = serde_json::json!({
        "decided": 10, "unscored": 5, "unscored_answers": 5, "copiable": 3,
    });
    assert_eq!(report["waves"], waves);
    let disputes = serde_json::json!([{ "task": "1 / z", "answers": 4, "different": 4 }]);
    assert_eq!(report["in_dispute"], disputes);
    let late = serde_json::json!([{
        "worker": "ben",
        "at": { "height": 8, "line": 21, "time": "1447" },
        "after_ms": 86_400_000,
        "answers": [{
            "task": "2 / x", "line": 20, "time": "1447", "answer": "d0", "decided": "dd", "verdict": "dd",
        }],
    }]);
    assert_eq!(report["late_dissent"], late);
    assert_eq!(report["dissent"][0]["noticed"]["unscored"], 1);
    assert_eq!(report["falls"], serde_json::json!([]));
}

#[test]
fn a_wait_needs_the_time_of_each_answer() {
    let arguments = ["replay", "-", "--in-order", "--within", "1d"];
    let says = [
        "--within needs the time of each answer",
        "--columns 'task=task,worker=worker,answer=answer,time=NAME'",
    ];
    fails(&arguments, LEAST.as_bytes(), 65, &says);
}

#[test]
fn people_are_told_when_builds_differed() {
    let arguments = [&["replay"][..], &AS_BUILDS].concat();
    let output = mycnet_fed(&arguments, BUILDS.as_bytes());
    let text = String::from_utf8_lossy(&output.stdout);
    for said in [
        "asked in 2 claim sets of up to 3 tasks and 0 single claims",
        "  1 / z: 4 answers, 4 of them different",
        "  ben: 1 of 4, line 20 (time 1447)\n    noticed at line 21 (time 1447), height 4, at once;",
        "11 of 20 answers (55.0 %) equal one further up in the file",
        "All 4 replicas agree.",
    ] {
        assert!(text.contains(said), "{said:?} in {text}");
    }
}

#[test]
fn a_set_costs_less_than_single_claims() {
    let single = replayed(&[EXAMPLE], b"");
    let sets = replayed(&[EXAMPLE, "--set", "20"], b"");
    held(&sets);
    for field in ["sealed_records", "sealed_bytes", "signatures"] {
        let cost = |report: &Value| report["cost_per_answer"][field].as_f64().expect("a number");
        assert!(3.0 * cost(&sets) < cost(&single), "{field}");
    }
    let again = replayed(&[EXAMPLE, "--set", "20", "--delivery-seed", "7"], b"");
    assert_eq!(held(&again), held(&sets));
}

#[test]
fn bad_data_exits_with_65_and_says_where() {
    for (input, said) in [
        (&b""[..], &["standard input: empty: expected a header"][..]),
        (b"task,worker,answer\n", &["a header and no answers"]),
        (
            b"task,worker,answer\nt,a,1\nt,b\n",
            &["standard input: line 3: expected 3 fields", "found 2"],
        ),
        (
            b"task,worker,answer\nt,,1\n",
            &[
                "line 2: the worker (column \"worker\") is empty",
                "--skip-incomplete",
            ],
        ),
        (
            b"task,worker,answer\nt,a,\xff\n",
            &["line 2: field 3 is not UTF-8"],
        ),
        (
            b"task,worker,answer,gold\nt,a,1,1\nt,b,1,0\n",
            &["line 3: the gold of task \"t\" is \"0\" here and \"1\" on line 2"],
        ),
        (
            b"!amt_annotation_ids\t!amt_worker_ids\torig_id\n",
            &[
                "\"!amt_annotation_ids\"",
                "--columns 'task=orig_id,worker=!amt_worker_ids,answer=NAME'",
            ],
        ),
        (
            b"task,worker,label,vote\nt,a,1,1\n",
            &["\"label\", \"vote\" may each be the answer"],
        ),
    ] {
        fails(&["replay", "-"], input, 65, said);
    }
}

/// What a file may be besides what it is taken for is said on stderr, and to programs in the object.
#[test]
fn people_and_programs_are_told_what_a_file_may_be() {
    let rows = "w0\tt0\tyes\nw1\tt0\tYes\nw2\tt0\tyes\u{a0}\n";
    let columns = ["--columns", "task=2,worker=1,answer=3"];
    let arguments = [&["replay", "-", "--json"][..], &columns].concat();
    let output = mycnet_fed(&arguments, rows.as_bytes());
    let stderr = said(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["votes"], 3);
    let remarks = [
        "the first line is taken as data, and the columns by their numbers: if it is a header, name the columns by it",
        "some answers look alike, and count as different but for the space around them: \"Yes\" (1), \"yes\" (1), \"yes\\u{a0}\" (1)",
    ];
    assert_eq!(report["remarks"], serde_json::json!(remarks));
    assert_eq!(stderr, remarks.map(|it| format!("note: {it}\n")).concat());
    // Without --columns, the first line is nobody's header.
    let says = [
        "line 1: expected a header",
        "--no-header",
        "looks like data",
    ];
    fails(&["replay", "-"], rows.as_bytes(), 65, &says);
}

#[test]
fn accuracy_says_over_how_many_tasks() {
    let rows = "t,a,1,1\nt,b,1,1\nu,a,0,1.0\nu,b,0,1.0\nv,a,1,NA\nw,a,1,\n";
    let rows = format!("task,worker,answer,gold\n{rows}");
    let output = mycnet_fed(&["replay", "-"], rows.as_bytes());
    let (text, stderr) = (String::from_utf8_lossy(&output.stdout), said(&output));
    for said in [
        "accuracy    0.5000",
        "Over 2 of 4 tasks, those whose true answer is known",
        "In 1 of them nothing can be right",
    ] {
        assert!(text.contains(said), "{said:?} in {text}");
    }
    for said in [
        "the gold of 1 tasks says that the truth is unknown (\"NA\" (1))",
        "the gold of 1 of 2 tasks is no answer to anything, so nothing can be right there (\"1.0\" (1))",
    ] {
        assert!(stderr.contains(said), "{said:?} in {stderr}");
    }
}

#[test]
fn wide_names_leave_the_table_straight() {
    let rows = "t,東京都,1\nt,Jose\u{301},1\nt,c,1\n";
    let output = mycnet_fed(
        &["replay", "-"],
        format!("task,worker,answer\n{rows}").as_bytes(),
    );
    let text = String::from_utf8_lossy(&output.stdout);
    for (name, space) in [("東京都", 21), ("Jose\u{301}", 23), ("c", 26)] {
        let line = format!("  {name}{:space$}510000  active", "");
        assert!(text.contains(&line), "{line:?} in {text}");
    }
}

#[test]
fn more_workers_than_a_network_takes_are_counted() {
    let rows: String = (0..1100)
        .flat_map(|n| ["t,w".to_owned(), n.to_string(), ",1\n".to_owned()])
        .collect();
    let says = [
        "line 1022: \"w1020\" is worker number 1021 of 1100, and the limit is 1020",
        "a network has at most 1024 members, with 4 authorities among them",
    ];
    fails(
        &["replay", "-"],
        format!("task,worker,answer\n{rows}").as_bytes(),
        65,
        &says,
    );
}

#[test]
fn a_bad_file_is_named() {
    let directory = Directory::new();
    let file = directory.file("answers.csv");
    fs::write(&file, "task,worker,answer\nt,a,1\nt,b,1,1\n").unwrap();
    let says = [&file, ": line 3: expected 3 fields"];
    fails(&["replay", &file], b"", 65, &says);
}

#[test]
fn columns_that_are_not_there_are_bad_data() {
    let columns = "task=task,worker=worker,answer=reply";
    fails(
        &["replay", "-", "--columns", columns],
        LEAST.as_bytes(),
        65,
        &[
            "line 1: --columns says answer=reply",
            "It has \"task\", \"worker\", \"answer\".",
        ],
    );
}

#[test]
fn what_cannot_be_opened_exits_with_1() {
    let says = ["cannot read no/such/file.csv: "];
    fails(&["replay", "no/such/file.csv"], b"", 1, &says);
}

#[test]
fn an_export_never_mixes_with_older_files() {
    let directory = Directory::new();
    let (export, file) = (directory.path().to_str().unwrap(), directory.file("older"));
    fs::write(&file, "").unwrap();
    for (path, said) in [
        (export, "the directory is not empty"),
        (&file, "Not a directory"),
    ] {
        let arguments = ["replay", "-", "--export", path];
        fails(&arguments, LEAST.as_bytes(), 1, &["--export: ", said]);
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for (arguments, said) in [
        (&["replay"][..], "<FILE>"),
        (
            &["replay", "-", "--columns", "task=a"],
            "worker is missing; only gold and time may be left out",
        ),
        (
            &["replay", "-", "--columns", "what"],
            "is not of the form task=NAME",
        ),
        (
            &["replay", "-", "--tasks-per-seal", "0"],
            "0 is not in 1..=64",
        ),
        (
            &["replay", "-", "--tasks-per-seal", "65"],
            "65 is not in 1..=64",
        ),
        (&["replay", "-", "--set", "1"], "1 is not in 2..=512"),
        (&["replay", "-", "--set", "513"], "513 is not in 2..=512"),
        (
            &["replay", "-", "--share", "1/3"],
            "a share is at least a half",
        ),
        (
            &[
                "replay",
                "-",
                "--columns",
                "task=a,worker=b,answer=c,date=d",
            ],
            "\"date\" is no column to name: task, worker, answer, gold and time are",
        ),
        (&["replay", "-", "--within", "1d"], "--in-order"),
        (
            &["replay", "-", "--in-order", "--within", "1"],
            "expected numbers and their units, such as 1d",
        ),
        (&["replay", "-", "--seed", "x"], "--seed"),
        (&["replay", "-", "--delivery-seed", "-1"], "-1"),
        (&["nothing"], "nothing"),
    ] {
        fails(arguments, b"", 2, &[said]);
    }
}
