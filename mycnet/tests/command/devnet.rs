//! `mycnet devnet` from outside: real processes, disks and endpoints on loopback.

use std::process::Stdio;

use mycnet_consensus::store::Store;
use serde_json::Value;

use crate::harness::{Directory, assert_fails, command, mycnet, said, signal};

#[test]
fn the_demo_ends_with_all_nodes_at_one_state() {
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    let arguments = ["-n", "4", "--demo", "--operations", "5", "--json"];
    let output = mycnet(&[&["devnet", "--dir", path], &arguments[..]].concat());
    let (text, stderr) = (String::from_utf8_lossy(&output.stdout), said(&output));
    assert_eq!(output.status.code(), Some(0), "{text}\n{stderr}");
    for told in [
        "What is 6 * 7?",
        "it is active in every node's roster",
        "the thief signs with the old key is refused",
        "a claim is decided in the new network",
    ] {
        assert!(stderr.contains(told), "{told:?} in {stderr}");
    }
    let report: Value = serde_json::from_str(&text).unwrap();
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3, "two of four are lost, and one was admitted");
    for node in nodes {
        for field in ["height", "state_digest"] {
            assert_eq!(node[field], nodes[0][field], "{field} of {}", node["name"]);
        }
        // The height that it tells is on its disk, and the store was closed in order.
        let name = node["name"].as_str().unwrap();
        let store = Store::open(&directory.path().join(name)).unwrap();
        assert_eq!(store.height().ok(), node["height"].as_u64());
    }
    let latency = &report["latency"];
    assert_eq!(latency["operations"], 5);
    for kind in ["tallied_ms", "final_ms", "everywhere_ms"] {
        for quantile in ["p50", "p99"] {
            let found = latency[kind][quantile].as_f64().unwrap();
            assert!(found > 0.0, "{kind} {quantile}");
        }
    }
    let at = |kind: &str| latency[kind]["p50"].as_f64();
    assert!(at("tallied_ms") <= at("final_ms") && at("final_ms") <= at("everywhere_ms"));
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let used = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for (arguments, code, says) in [
        (["--demo", "-n3"], 2, "--demo takes at least 4 nodes"),
        (["-n", "32"], 2, "32 is not in 1..=31"),
        (["--load", "0"], 2, "0 is not in 1..=64"),
        (["--dir", used], 1, "the directory is not empty"),
    ] {
        let output = mycnet(&[&["devnet"], &arguments[..]].concat());
        assert_fails(&output, code, &[says]);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_stops_all_in_order_and_leaves_nothing_behind() {
    use std::io::{BufRead as _, BufReader, Read};

    for (name, json) in [("INT", &[][..]), ("TERM", &["--json"])] {
        let temporary = Directory::new();
        let mut child = command(&[&["devnet", "-n", "2"], json].concat())
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // With --json, the text for people is on stderr.
        let told: Box<dyn Read> = match json {
            [] => Box::new(&mut stdout),
            _ => Box::new(child.stderr.take().unwrap()),
        };
        let mut lines = BufReader::new(told).lines();
        let is_up = lines.any(|line| line.is_ok_and(|line| line.contains("Ctrl-C")));
        assert!(is_up, "it says that it runs");
        signal(&child, name);
        let told = lines.map(Result::unwrap).collect::<String>();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}: {told}");
        if !json.is_empty() {
            let report: Value = serde_json::from_reader(stdout).unwrap();
            assert_eq!(report["nodes"].as_array().unwrap().len(), 2);
        }
        let left = std::fs::read_dir(temporary.path()).unwrap();
        assert_eq!(left.count(), 0, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn its_nodes_answer_commands_and_run_on_their_own_afterwards() {
    use std::io::{BufRead as _, BufReader};

    use crate::harness::TestNode;

    let directory = Directory::new();
    let all = directory.file("net");
    let mut child = command(&["devnet", "-n", "2", "--dir", &all])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = String::new();
    while !told.contains("Ctrl-C") {
        told += &lines.next().unwrap().unwrap();
    }
    let nodes = [0, 1].map(|n| TestNode(directory.path().join(format!("net/node-{n}"))));
    assert!(
        told.contains(&format!("--dir {}", nodes[0].0.display())),
        "{told}"
    );
    let decided = nodes[1].json(&[
        "propose",
        "config",
        "--key",
        "motd",
        "--value",
        "1",
        "--wait",
        "--timeout",
        "60",
    ]);
    assert_eq!(decided["outcome"]["decided"], "approve", "{decided}");
    assert_eq!(nodes[0].json(&["status"])["running"], true);
    signal(&child, "INT");
    drop(lines);
    assert!(child.wait().unwrap().success());
    // They find each other again by the ports that they had.
    let running = nodes.each_ref().map(|node| node.start(&[]));
    nodes[0].until(&["status"], "they meet", |status| status["peers"] == 1);
    assert_eq!(nodes[0].json(&["config"])["config"]["motd"], "31");
    for node in running {
        node.stop();
    }
}
