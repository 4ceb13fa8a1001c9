//! `mycnet devnet` from outside: real processes, disks and endpoints on loopback.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn devnet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mycnet"));
    command.arg("devnet").args(arguments);
    command.stdin(Stdio::null());
    command
}

fn ended(arguments: &[&str]) -> Output {
    devnet(arguments).output().expect("the command ends")
}

#[test]
fn the_demo_ends_with_all_nodes_at_one_state() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("devnet");
    let _ = std::fs::remove_dir_all(&directory);
    let place = directory.to_str().expect("the path is UTF-8");
    let arguments = ["-n", "4", "--demo", "--operations", "5", "--json"];
    let output = ended(&[&arguments[..], &["--dir", place]].concat());
    let (text, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{text}\n{stderr}");
    assert!(stderr.contains("What is 6 * 7?"), "{stderr}");
    let report: Value = serde_json::from_str(&text).expect("one object");
    let nodes = report["nodes"].as_array().expect("a list");
    assert_eq!(nodes.len(), 5, "four, and the one that was admitted");
    for node in nodes {
        for field in ["height", "state_digest"] {
            assert_eq!(node[field], nodes[0][field], "{field} of {}", node["name"]);
        }
        // What it says of itself is on its disk.
        let name = node["name"].as_str().expect("a name");
        let store = mycnet_consensus::store::Store::open(&directory.join(name));
        let store = store.expect("the store was closed in order");
        assert_eq!(store.height().ok(), node["height"].as_u64());
    }
    let latency = &report["latency"];
    assert_eq!(latency["operations"], 5);
    for kind in ["tallied_ms", "final_ms", "everywhere_ms"] {
        for quantile in ["p50", "p99"] {
            let found = latency[kind][quantile].as_f64().expect("a number");
            assert!(found > 0.0, "{kind} {quantile}");
        }
    }
    let at = |kind: &str| latency[kind]["p50"].as_f64();
    assert!(at("tallied_ms") <= at("final_ms") && at("final_ms") <= at("everywhere_ms"));
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let used = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let used = used.to_str().expect("the path is UTF-8");
    for (arguments, code, said) in [
        (
            &["--demo", "-n", "3"][..],
            2,
            "--demo takes at least 4 nodes",
        ),
        (&["-n", "32"], 2, "32 is not in 1..=31"),
        (&["--load", "0"], 2, "0 is not in 1..=64"),
        (&["--dir", used], 1, "the directory is not empty"),
    ] {
        let output = ended(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(said), "{said:?} in {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_stops_all_in_order_and_leaves_nothing_behind() {
    use std::io::{BufRead as _, BufReader, Read};

    for (signal, json) in [("INT", &[][..]), ("TERM", &["--json"])] {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("devnet-{signal}"));
        let _ = std::fs::remove_dir_all(&temporary);
        std::fs::create_dir_all(&temporary).expect("cargo's directory for tests can be written");
        let mut child = devnet(&[&["-n", "2"], json].concat())
            .env("TMPDIR", &temporary)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        // Beside JSON, what people read is on stderr.
        let told: Box<dyn Read> = match json {
            [] => Box::new(&mut stdout),
            _ => Box::new(stderr),
        };
        let mut lines = BufReader::new(told).lines();
        let is_up = lines.any(|line| line.is_ok_and(|line| line.contains("Ctrl-C")));
        assert!(is_up, "it says that it runs");
        let sent = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
        let told = lines.map(|line| line.expect("a line")).collect::<String>();
        let status = child.wait().expect("the command ends");
        assert_eq!(status.code(), Some(0), "{signal}: {told}");
        if !json.is_empty() {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("text");
            let report: Value = serde_json::from_str(&text).expect("one object");
            assert_eq!(report["nodes"].as_array().expect("a list").len(), 2);
        }
        let left = std::fs::read_dir(&temporary).expect("the directory is there");
        assert_eq!(left.count(), 0, "{signal}");
    }
}
