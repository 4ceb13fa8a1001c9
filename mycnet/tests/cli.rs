//! The `mycnet` command from outside: what it says, where, and its exit codes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mycnet_consensus::document::{LedgerDocument, OperationDocument};
use mycnet_consensus::{Certificate, Genesis, NodeId, Outcome};
use serde_json::Value;

/// Three answers to one task: the least that can be decided.
const LEAST: &str = "task,worker,answer\nt,a,1\nt,b,1\nt,c,0\n";

/// 800 real answers.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/rte.csv");

/// Runs `mycnet` with `input` on its standard input.
fn mycnet(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mycnet"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that fails before it reads closes its end, which is no failure of the test.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input);
    child.wait_with_output().expect("the command ends")
}

/// Asserts that a run failed with `code`, said each of `said` on stderr, and printed nothing.
fn assert_fails(output: &Output, code: i32, said: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty(), "a failure prints no result");
    assert!(stderr.starts_with("error: "), "{stderr}");
    for text in said {
        assert!(stderr.contains(text), "{text:?} in {stderr}");
    }
}

/// A new, empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("cargo's directory for tests can be written");
    directory
}

/// Runs `mycnet replay --json`, and gives what it says.
fn replayed(arguments: &[&str], input: &[u8]) -> Value {
    let arguments = [&["replay", "--json"], arguments].concat();
    let output = mycnet(&arguments, input);
    let stderr = String::from_utf8_lossy(&output.stderr);
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
        // Two seals for each of five groups of 16.
        ("height", 10),
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
        assert!(member["name"].is_string() && member["trust_ppm"].is_u64());
        let standing = member["standing"].as_str().expect("a text");
        assert!(["active", "suspended"].contains(&standing), "{standing}");
    }
    let again = replayed(&[EXAMPLE, "--delivery-seed", "7"], b"");
    assert_eq!(held(&again), held(&report));
    assert_eq!(again["members"], report["members"]);
    let other = replayed(&[EXAMPLE, "--seed", "2"], b"");
    assert_ne!(held(&other), held(&report));
}

#[test]
fn an_export_can_be_read_and_checked_by_others() {
    let export = directory("export-of-example");
    let place = export.to_str().expect("the path is UTF-8");
    let report = replayed(&[EXAMPLE, "--export", place], b"");
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
        let trust = ledger.trust_at(&node, ledger.height()).expect("a height");
        assert_eq!(trust.map(u64::from), member["trust_ppm"].as_u64());
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
        decided += usize::from(proved.outcome != Outcome::NoQuorum);
    }
    assert_eq!(report["decided"], decided);
    let certificates = fs::read_dir(export.join("certificates")).expect("a directory");
    assert_eq!(certificates.count(), 80);
}

#[test]
fn people_are_told_what_was_decided() {
    let output = mycnet(&["replay", "-"], LEAST.as_bytes());
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
fn tasks_that_cannot_be_asked_are_no_failure() {
    let more = format!("{LEAST}few,a,1\nfew,b,1\n");
    let report = replayed(&["-"], more.as_bytes());
    assert_eq!(
        (&report["decided"], &report["not_asked"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&report["height"], &report["accuracy"]),
        (&2.into(), &Value::Null)
    );
    held(&report);
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
            &["line 2: the worker (column \"worker\") is empty"],
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
        assert_fails(&mycnet(&["replay", "-"], input), 65, said);
    }
}

#[test]
fn a_bad_file_is_named() {
    let file = directory("bad-file").join("answers.csv");
    fs::write(&file, "task,worker,answer\nt,a,1\nt,b,1,1\n").expect("the file can be written");
    let name = file.to_str().expect("the path is UTF-8");
    assert_fails(
        &mycnet(&["replay", name], b""),
        65,
        &[name, ": line 3: expected 3 fields"],
    );
}

#[test]
fn columns_that_are_not_there_are_bad_data() {
    let columns = "task=task,worker=worker,answer=reply";
    assert_fails(
        &mycnet(&["replay", "-", "--columns", columns], LEAST.as_bytes()),
        65,
        &[
            "line 1: --columns says answer=reply",
            "It has \"task\", \"worker\", \"answer\".",
        ],
    );
}

#[test]
fn what_cannot_be_opened_exits_with_1() {
    assert_fails(
        &mycnet(&["replay", "no/such/file.csv"], b""),
        1,
        &["cannot read no/such/file.csv: "],
    );
}

#[test]
fn an_export_never_mixes_with_older_files() {
    let export = directory("export");
    let file = export.join("older");
    fs::write(&file, "").expect("the file can be written");
    for (place, said) in [
        (&export, "the directory is not empty"),
        (&file, "Not a directory"),
    ] {
        let place = place.to_str().expect("the path is UTF-8");
        let output = mycnet(&["replay", "-", "--export", place], LEAST.as_bytes());
        assert_fails(&output, 1, &["--export: ", said]);
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for (arguments, said) in [
        (&["replay"][..], "<FILE>"),
        (
            &["replay", "-", "--columns", "task=a"],
            "worker is missing; only gold may be left out",
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
        (&["replay", "-", "--seed", "x"], "--seed"),
        (&["replay", "-", "--delivery-seed", "-1"], "-1"),
        (&["nothing"], "nothing"),
    ] {
        assert_fails(&mycnet(arguments, b""), 2, &[said]);
    }
}

#[test]
fn help_names_the_exit_codes_and_the_version_is_the_packages() {
    for arguments in [&["--help"][..], &["replay", "--help"], &["replay", "-h"]] {
        let output = mycnet(arguments, b"");
        let help = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        for text in ["Exit codes:", "  65  "] {
            assert!(help.contains(text), "{text:?} in {help}");
        }
    }
    let version = mycnet(&["--version"], b"").stdout;
    let expected = concat!("mycnet ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&version), expected);
}
