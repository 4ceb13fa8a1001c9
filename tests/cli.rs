//! The `mycnet` command from outside: what it says, where, and its exit codes.
#![cfg(feature = "cli")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Three answers to one task: the least that can be decided.
const LEAST: &str = "task,worker,answer\nt,a,1\nt,b,1\nt,c,0\n";

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
        (&file, "it exists and is no directory"),
    ] {
        let place = place.to_str().expect("the path is UTF-8");
        let output = mycnet(&["replay", "-", "--export", place], LEAST.as_bytes());
        assert_fails(&output, 1, &["--export ", said]);
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
