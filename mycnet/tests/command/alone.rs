//! A network of one, with and without a running node.

use std::fs;
use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::harness::{Directory, TestNode, said, signal};

fn decided(value: &Value) -> &Value {
    &value["outcome"]["decided"]
}

#[test]
fn a_relay_that_does_not_answer_is_told_of_and_stops_nobody() {
    let directory = Directory::new();
    let node = TestNode(directory.path().join("ada"));
    node.json(&["init", "--relay", "http://127.0.0.1:1/"]);
    node.json(&["join", &directory.network("alone", &[(&node, "primary")])]);
    let mut run = node.begin(&["run", "--json"]);
    let mut stdout = BufReader::new(run.stdout.take().unwrap());
    let mut started = String::new();
    stdout.read_line(&mut started).unwrap();
    assert!(started.contains("\"ticket\":\"mycnet"), "{started}");
    signal(&run, "TERM");
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = said(&output);
    assert!(said.contains("no relay of the settings answers"), "{said}");
}

#[test]
fn everything_can_be_decided_and_looked_at_without_a_running_node() {
    let directory = Directory::new();
    let node = directory.alone();
    let motd = [
        "propose", "config", "--key", "motd", "--value", "welcome", "--wait",
    ];
    let value = node.json(&motd);
    assert_eq!(*decided(&value), "approve");
    assert_eq!(value["applied"], true);
    let id = value["operation"].as_str().unwrap();
    assert_eq!(node.text(&["config", "motd"]), "\"welcome\"\n");
    assert_eq!(node.json(&["config", "param.drift_ms"])["value"], 500);
    node.fails(&["config", "nothing"], 1, &["not set"]);

    // A beginning of an id is enough; what is too short or unknown is said.
    assert_eq!(node.json(&["status", &id[..8]])["operation"], id);
    node.fails(
        &["status", "ffffffffff"],
        1,
        &["no operation", "mycnet operations"],
    );
    node.fails(&["status", &"f".repeat(64)], 1, &["not known"]);
    node.fails(&["status", "ff"], 2, &["hexadecimal digits"]);
    node.fails(&["trust", "--at", "1000"], 2, &["the ledger is at height"]);

    let status = node.json(&["status"]);
    assert_eq!(status["running"], false);
    assert_eq!(status["member"]["role"], "primary");
    assert!(status["height"].as_u64().unwrap() > 0);
    let trust = node.json(&["trust", "--explain"]);
    assert!(trust["trust_ppm"].as_u64().unwrap() > 500_000);
    assert!(!trust["entries"].as_array().unwrap().is_empty());
    assert_eq!(node.json(&["trust", "--at", "0"])["trust_ppm"], 500_000);
    assert_eq!(node.json(&["evidence"]), json!({ "evidence": [] }));
    assert_eq!(node.json(&["roster"])["members"][0]["node"], node.id());
    assert_eq!(node.json(&["peers"])["peers"], json!([]));
    node.fails(&["ticket"], 1, &["mycnet run"]);
    assert_eq!(node.json(&["doctor"])["healthy"], true);

    // The rules are the network's, and their code says so.
    node.fails(&["vote", id, "reject"], 3, &["refused"]);
    let bad = [
        "propose",
        "config",
        "--key",
        "param.drift_ms",
        "--value",
        "soon",
    ];
    node.fails(&bad, 3, &["decimal digits"]);
}

#[test]
fn long_lists_go_on_where_they_end() {
    let directory = Directory::new();
    let node = directory.alone();
    for value in ["1", "2", "3"] {
        let motd = ["propose", "config", "--key", "motd", "--wait", "--value"];
        node.json(&[&motd[..], &[value]].concat());
    }
    let all = node.json(&["seals", "--limit", "256"]);
    let seals = all["seals"].as_array().unwrap();
    assert_eq!(seals.len() as u64, all["height"].as_u64().unwrap());
    for (seal, height) in seals.iter().rev().zip(1..) {
        assert_eq!(seal["height"], height);
        assert_eq!(seal["proposer"], node.id());
        assert_eq!(seal["signed"], json!([node.id()]));
        assert_eq!(seal["missing"], json!([]));
    }
    let some = node.json(&["seals", "--limit", "2", "--before", "4"]);
    assert_eq!(some["seals"], json!(seals[seals.len() - 3..][..2]));
    assert!(node.text(&["seals"]).contains("1 of 1"));
    node.fails(&["seals", "--limit", "257"], 2, &["256 seals at most"]);

    let all = node.json(&["trust", "--explain"]);
    let entries = all["entries"].as_array().unwrap();
    let mut found: Vec<Value> = Vec::new();
    let mut at = all["height"].clone();
    while !at.is_null() {
        let height = at.to_string();
        let some = node.json(&["trust", "--explain", "--limit", "1", "--at", &height]);
        found.splice(0..0, some["entries"].as_array().unwrap().clone());
        at = some["earlier"].clone();
    }
    assert_eq!((&found, found.len()), (entries, 3));
}

#[test]
fn every_kind_can_be_proposed() {
    let directory = Directory::new();
    let node = directory.alone();
    let id = node.id();
    let kinds: [(&[&str], &str); 8] = [
        (
            &["policy", "--name", "p", "--content", "x"],
            "security_policy_update",
        ),
        (
            &[
                "trust",
                "--node",
                &id[..10],
                "--delta-ppm",
                "-5",
                "--reason",
                "r",
            ],
            "trust_score_modification",
        ),
        (
            &["service", "--name", "s", "--manifest", "hex:00ff"],
            "service_deployment",
        ),
        (
            &["resource", "--name", "r", "--allocation", "x"],
            "resource_allocation",
        ),
        (
            &["maintenance", "--task", "t", "--details", "x"],
            "routine_maintenance",
        ),
        (
            &["performance", "--target", "t", "--details", "x"],
            "performance_optimization",
        ),
        (&["claim", "--subject", "6 * 7", "--result", "42"], "claim"),
        (
            &["network-configuration", "--key", "k", "--value", "v"],
            "network_configuration",
        ),
    ];
    for (kind, name) in kinds {
        let mut all = vec!["propose", "--priority", "high"];
        all.extend(kind);
        let proposed = node.json(&all);
        let operation = proposed["operation"].as_str().unwrap();
        assert_eq!(node.json(&["status", operation])["kind"], name);
    }
    let listed = node.json(&["operations"]);
    assert_eq!(listed["operations"].as_array().unwrap().len(), kinds.len());
    let claims = node.json(&["operations", "--kind", "claim"]);
    assert_eq!(claims["operations"][0]["subject"], "6 * 7");
    let text = node.text(&["operations", "--class", "standard"]);
    assert_eq!(text.lines().count(), 1 + 4, "{text}");
    node.fails(
        &["propose", "claim", "--subject", "s", "--ballot", "approve"],
        2,
        &["--result"],
    );
    node.fails(
        &["propose", "admission", "--consent", "x"],
        65,
        &["mycnet consent"],
    );
}

#[test]
fn a_certificate_is_checked_with_the_genesis_alone() {
    let directory = Directory::new();
    let node = directory.alone();
    let claim = [
        "propose",
        "claim",
        "--subject",
        "6 * 7",
        "--result",
        "42",
        "--wait",
    ];
    let value = node.json(&claim);
    let id = value["operation"].as_str().unwrap();
    let (file, genesis) = (directory.file("certificate"), directory.file("alone.json"));
    node.json(&["certificate", &id[..12], "-o", &file]);
    let verified = node.json(&["verify", &file]);
    assert_eq!(verified["operation"], id);
    assert_eq!(*decided(&verified), json!({ "result": "3432" }));
    // Elsewhere there is no node, only the genesis.
    let nowhere = TestNode(directory.path().join("nowhere"));
    nowhere.json(&["verify", &file, "--genesis", &genesis]);
    nowhere.fails(&["verify", &file], 1, &["--genesis"]);

    let good = fs::read(&file).unwrap();
    for at in [20, good.len() / 2, good.len() - 20] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, bad).unwrap();
        nowhere.fails(
            &["verify", &file, "--genesis", &genesis],
            65,
            &["certificate"],
        );
    }
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    nowhere.fails(
        &["verify", &file, "--genesis", &genesis],
        65,
        &["certificate"],
    );

    let export = directory.file("export");
    let exported = node.json(&["export", &export]);
    assert_eq!(exported["operations"], 1);
    node.fails(&["export", &export], 1, &["not empty"]);
    let saved = format!("{export}/certificates/{id}.cbor");
    assert_eq!(fs::read(saved).unwrap(), good);
    let document = fs::read(format!("{export}/operations/{id}.automerge")).unwrap();
    mycnet_consensus::document::OperationDocument::load(&document).unwrap();
    assert!(
        fs::metadata(format!("{export}/ledger.automerge"))
            .unwrap()
            .len()
            > 0
    );
}

#[cfg(unix)]
#[test]
fn a_running_node_answers_its_owner_and_keeps_others_out() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    let directory = Directory::new();
    let node = directory.alone();
    let running = node.start(&[]);
    let socket = node.0.join("control.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(node.json(&["status"])["running"], true);
    assert_eq!(node.json(&["ticket"])["ticket"], running.ticket());
    node.fails(&["run"], 1, &["running", "already", "mycnet status"]);
    node.fails(&["doctor"], 1, &["stop it first"]);

    // Whatever a script writes to the socket, the node goes on.
    let ask = |request: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // A request that is too long is not read to its end.
        let _ = stream.write_all(request);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    };
    let get = |path: &str| ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    assert!(get("/v1/status").contains("\"height\""));
    for (path, status, said) in [
        ("/v1/nothing", "404", "nothing is here"),
        (
            "/v1/operations/12/wait?timeout_ms=1",
            "400",
            "does not understand",
        ),
        ("/v1/status?a=b", "400", "this path has none"),
        ("/v1/operations/12/vote", "400", "another method"),
        (
            &format!("/v1/operations/{}", "0".repeat(64)),
            "404",
            "not known to this node",
        ),
    ] {
        let reply = get(path);
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {reply}"
        );
        assert!(reply.contains(said), "{path}: {reply}");
    }
    let posted = |content_type: &str, body: &str| {
        let head = format!(
            "POST /v1/what-if HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        ask(&[head.as_bytes(), body.as_bytes()].concat())
    };
    let fits = "{\"params\": []}";
    assert!(posted("application/json", fits).starts_with("HTTP/1.1 200"));
    assert!(posted("text/plain", fits).contains("must be JSON"));
    assert!(posted("application/json", "{").contains("no JSON"));
    assert!(posted("application/json", &" ".repeat(2 << 20)).starts_with("HTTP/1.1 400"));
    for request in [&b"nonsense\n"[..], b"\xff\xfe\n", &vec![b'a'; 64 * 1024]] {
        let reply = ask(request);
        assert!(
            reply.is_empty() || reply.starts_with("HTTP/1.1 4"),
            "{reply}"
        );
    }
    // More than are answered at once, and than a careless script leaves open.
    let held: Vec<UnixStream> = (0..500)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    assert_eq!(node.json(&["status"])["running"], true);
    drop(held);

    // One that was killed leaves its socket behind: it is in nobody's way.
    running.kill();
    assert!(socket.exists());
    assert_eq!(node.json(&["status"])["running"], false);
    let running = node.start(&[]);
    assert_eq!(node.json(&["status"])["running"], true);
    let events = running.stop();
    assert_eq!(events.last().unwrap()["event"], "stopped");
    assert!(!socket.exists());
}

#[test]
fn a_lost_journal_is_said_loudly() {
    let directory = Directory::new();
    let node = directory.alone();
    let motd = [
        "propose", "config", "--key", "motd", "--value", "1", "--wait",
    ];
    node.json(&motd);
    fs::remove_file(node.0.join("journal.redb")).unwrap();
    let output = node.run(&["status"]);
    assert!(
        crate::harness::said(&output).contains("journal"),
        "{output:?}"
    );
    node.fails(&["rejoin"], 2, &["--all-met"]);
    node.fails(&["rejoin", "--all-met"], 1, &["mycnet run"]);
    node.fails(&motd, 3, &["journal"]);
    let running = node.start(&[]);
    let lost = |status: &Value| status["sealing"]["signing"] == "rejoining";
    node.until(&["status"], "it waits for its Rejoin", lost);
    // In a network of one, nobody but a person can end that.
    node.json(&["rejoin", "--all-met"]);
    node.fails(&["rejoin", "--all-met"], 3, &["journal is complete"]);
    let events = running.stop();
    assert!(events.iter().any(|told| told["event"] == "journal_lost"));
    node.json(&motd);
}
