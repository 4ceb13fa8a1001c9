//! The interface over HTTP: what the documentation shows, and that answers are as they are described.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument};
use mycnet_consensus::{Genesis, Verified};
use serde_json::{Value, json};

use crate::harness::{DEADLINE, Directory, TestNode};

const DOCUMENTATION: &str = include_str!("../../../docs/INTERFACE.md");

/// The commands that the documentation shows, in order. One goes on over several lines as long as a quote is open.
fn shown() -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in DOCUMENTATION.lines() {
        if let Some(first) = line.strip_prefix("$ ") {
            commands.push(first.to_owned());
        } else if is_open {
            let last = commands.last_mut().unwrap();
            last.push('\n');
            last.push_str(line);
        } else {
            continue;
        }
        is_open = commands.last().unwrap().matches('\'').count() % 2 == 1;
    }
    commands
}

#[test]
fn the_commands_of_the_documentation_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("there is no curl here: not tried");
        return;
    }
    let directory = Directory::new();
    let node = directory.alone();
    let port = node.listen();
    let running = node.start(&[]);
    let mut operation = String::new();
    let commands = shown();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        let is_stream = command.contains("/v1/events");
        let given = command
            .replace("~/.mycnet", node.0.to_str().unwrap())
            .replace("127.0.0.1:7447", &format!("127.0.0.1:{port}"))
            .replace("/ID", &format!("/{operation}"))
            .replacen("curl ", "curl --silent --show-error --max-time 5 ", 1);
        let output = Command::new("sh").args(["-c", &given]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        if is_stream {
            assert!(text.contains("id: 1.0\nevent: sealed\ndata: {"), "{text}");
            continue;
        }
        assert!(output.status.success(), "{given}: {output:?}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answer.get("message").is_none(), "{given}: {answer}");
        if command.contains("\"operation\"") {
            answer["operation"]
                .as_str()
                .unwrap()
                .clone_into(&mut operation);
        }
    }
    running.stop();
}

fn ask(node: &TestNode, method: &str, path: &str, body: &str) -> (String, Value) {
    let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

/// Every path that only reads, with a known operation where one is named.
#[test]
fn answers_are_as_they_are_described() {
    let directory = Directory::new();
    let node = directory.alone();
    let running = node.start(&[]);
    let described = ask(&node, "GET", "/v1/openapi.json", "").1;
    let proposal = json!({
        "operation": { "claim": { "subject": "a", "input": "", "panel": null, "rule": { "share_ppm": 500_000, "electors": 1 } } },
        "priority": "normal",
        "ballot": { "result": "00" },
    });
    let (_, proposed) = ask(&node, "POST", "/v1/operations", &proposal.to_string());
    let operation = proposed["operation"]
        .as_str()
        .unwrap_or_else(|| panic!("{proposed}"));
    let asked = [
        ("/v1/certificate", ""),
        ("/v1/changes", "?since=0"),
        ("/v1/find/node", "?given=ada"),
        ("/v1/trust", "?explain=true&limit=1"),
    ];
    let mut tried = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        let Some(get) = methods.get("get") else {
            continue;
        };
        if path == "/v1/events" {
            continue;
        }
        let mut address = path.replace("{operation}", operation);
        let query = asked
            .iter()
            .find(|(of, _)| of == path)
            .map_or("", |(_, query)| query);
        address += match path.as_str() {
            "/v1/operations/{operation}/wait" => "?timeout_ms=10000",
            "/v1/find/operation" => "?prefix=",
            _ => query,
        };
        if path == "/v1/find/operation" {
            address += &operation[..12];
        }
        let (head, answer) = ask(&node, "GET", &address, "");
        let is_answered = head.starts_with("HTTP/1.1 200");
        let schema = if is_answered {
            get["responses"]["200"]["content"]["application/json"]["schema"].clone()
        } else {
            json!({ "$ref": "#/components/schemas/Failure" })
        };
        let mut whole = schema;
        whole["components"] = described["components"].clone();
        let validator =
            jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{path}: {error}"));
        let faults: Vec<String> = validator
            .iter_errors(&answer)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{address}: {faults:?} in {answer}");
        // A set of claims is asked by another test.
        assert_eq!(
            is_answered,
            path != "/v1/builds/sets/{operation}",
            "{address}: {answer}"
        );
        tried += 1;
    }
    assert!(tried >= 19, "{tried}");
    running.stop();
}

/// Whoever has no access to the databases makes the very documents that the node exports.
#[test]
fn the_documents_can_be_made_from_what_is_answered() {
    let directory = Directory::new();
    let node = directory.alone();
    let running = node.start(&[]);
    for (key, value) in [("motd", "hex:00ff"), ("motd", "welcome"), ("level", "3")] {
        node.json(&[
            "propose", "config", "--key", key, "--value", value, "--wait",
        ]);
    }
    let genesis: Genesis = serde_json::from_value(ask(&node, "GET", "/v1/genesis", "").1).unwrap();
    let mut ledger = LedgerDocument::new(&genesis);
    let mut about = Vec::new();
    loop {
        let before = ledger.height();
        let path = format!("/v1/changes?since={before}&limit=2&about=true");
        let (_, answer) = ask(&node, "GET", &path, "");
        let changes = answer["changes"].as_array().unwrap();
        for seal in changes {
            let change: LedgerChange = serde_json::from_value(seal["change"].clone()).unwrap();
            ledger.append(&change).unwrap();
            about.extend(seal["about"].as_array().unwrap().clone());
        }
        if answer["height"] == ledger.height() {
            break;
        }
        assert_eq!(changes.len(), 2);
    }
    assert!(ledger.height() >= 3);
    let out = directory.file("out");
    node.json(&["export", &out]);
    let exported = fs::read(format!("{out}/ledger.automerge")).unwrap();
    assert_eq!(ledger.save(), exported);
    for line in node.json(&["operations"])["operations"].as_array().unwrap() {
        let id = line["operation"].as_str().unwrap();
        assert!(about.contains(&line["operation"]));
        let (_, answer) = ask(&node, "GET", &format!("/v1/operations/{id}/records"), "");
        let records = answer["records"].as_array().unwrap().iter();
        let records: Vec<Verified> = records
            .map(|record| {
                let bytes = hex::decode(record.as_str().unwrap()).unwrap();
                Verified::read(&bytes, genesis.network_id()).unwrap()
            })
            .collect();
        let document = OperationDocument::build(&records).unwrap();
        let exported = fs::read(format!("{out}/operations/{id}.automerge")).unwrap();
        assert_eq!(document.save(), exported);
    }
    running.stop();
}

#[test]
fn over_tcp_only_who_has_the_token_is_answered() {
    let directory = Directory::new();
    let node = directory.alone();
    fs::write(
        node.0.join("config.toml"),
        "[api]\nlisten = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let running = node.start(&[]);
    let at = running.started["api"].as_str().unwrap().to_owned();
    let token = fs::read_to_string(node.0.join("api.token")).unwrap();
    let ask = |host: &str, more: &str| {
        let mut stream = TcpStream::connect(&at).unwrap();
        write!(
            stream,
            "GET /v1/status HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    assert!(ask(&at, &bearer).starts_with("HTTP/1.1 200"));
    for (host, more) in [
        (at.as_str(), String::new()),
        (at.as_str(), "Authorization: Bearer 00\r\n".to_owned()),
        ("evil.example", bearer.clone()),
        (
            at.as_str(),
            format!("{bearer}Origin: http://evil.example\r\n"),
        ),
    ] {
        assert!(
            ask(host, &more).starts_with("HTTP/1.1 403"),
            "{host} {more}"
        );
    }
    // The files of the page say nothing of the node. They may load nothing from elsewhere.
    for path in ["/", "/page.js", "/page.css"] {
        let get = |host: &str| {
            let mut stream = TcpStream::connect(&at).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).unwrap();
            reply
        };
        let page = get(&at);
        assert!(page.starts_with("HTTP/1.1 200"), "{path}");
        assert!(page.contains("default-src 'none'"), "{path}");
        assert!(get("evil.example").starts_with("HTTP/1.1 403"), "{path}");
    }
    node.fails(&["page"], 1, &["name a port"]);
    running.stop();
}

type Metrics = std::collections::BTreeMap<String, i64>;

/// The metrics of a node that are whole numbers, by their names.
fn metrics(node: &TestNode) -> Metrics {
    let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("application/openmetrics-text"), "{reply}");
    assert!(reply.ends_with("# EOF\n"), "{reply}");
    let (_, text) = reply.split_once("\r\n\r\n").unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.filter_map(|line| line.rsplit_once(' '));
    let samples = samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    samples.collect()
}

/// The metrics once they are so.
fn until(node: &TestNode, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
    let begin = Instant::now();
    loop {
        let now = metrics(node);
        if is_so(&now) {
            return now;
        }
        assert!(begin.elapsed() < DEADLINE, "{now:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn metrics_move_when_they_should() {
    let directory = Directory::new();
    let ([ada, ben], genesis) = directory.federation(["ada", "ben"], ["primary", "seed"]);
    for node in [&ada, &ben] {
        node.json(&["join", &genesis]);
    }
    let first = ada.start(&[]);
    let alone = metrics(&ada);
    assert_eq!(
        (alone["mycnet_peers"], alone["mycnet_height"]),
        (0, 0),
        "{alone:?}"
    );
    assert_eq!((alone["mycnet_members"], alone["mycnet_signing"]), (2, 1));
    let sealers = (
        alone["mycnet_sealers_connected"],
        alone["mycnet_sealers_needed"],
    );
    assert_eq!(sealers, (1, 2));
    let text = ada.text(&["status"]);
    assert!(
        text.contains("1 of 2 is connected here, and 2 are needed: without ben"),
        "{text}"
    );
    assert_eq!(alone["mycnet_active"], 1);
    let second = ben.start(&["--peer", first.ticket()]);
    let operation = ada.json(&["propose", "config", "--key", "motd", "--value", "1"]);
    let id = operation["operation"].as_str().unwrap();
    ben.once_known(id, &["status", id]);
    // It may be proposed and not opened yet.
    let asked = until(&ben, |now| now["mycnet_waiting_for_me"] == 1);
    assert_eq!(
        (asked["mycnet_peers"], asked["mycnet_open_operations"]),
        (1, 1)
    );
    assert_eq!(asked["mycnet_sealers_connected"], 2);
    assert!(!ben.text(&["status"]).contains("SEALERS"));
    ben.json(&["vote", id, "approve", "--wait", "--timeout", "60"]);
    let after = metrics(&ben);
    for (name, grows) in [
        ("mycnet_height", true),
        ("mycnet_disk_syncs_total", true),
        ("mycnet_trust_ppm", true),
        ("mycnet_waiting_for_me", false),
    ] {
        assert_eq!(after[name] > asked[name], grows, "{name}: {after:?}");
    }
    assert!(after["mycnet_disk_bytes"] > 100_000);
    assert!(after["mycnet_seal_age_seconds"] < 60);
    // The endpoint's own count what went over the wire.
    let received = |of: &Metrics| -> i64 {
        let bytes = of
            .iter()
            .filter(|(name, _)| name.starts_with("iroh_socket_recv"));
        bytes.map(|(_, value)| value).sum()
    };
    assert!(received(&after) > received(&asked), "{after:?}");
    assert!(after["mycnet_records_total"] > asked["mycnet_records_total"]);
    let claim = ada.json(&["propose", "claim", "--subject", "1 + 1", "--result", "2"]);
    let claim = claim["operation"].as_str().unwrap();
    ben.once_known(
        claim,
        &["vote", claim, "--result", "2", "--wait", "--timeout", "60"],
    );
    assert!(metrics(&ben)["mycnet_skill_ppm"] > after["mycnet_skill_ppm"]);
    second.stop();
    let left = until(&ada, |now| now["mycnet_peers"] == 0);
    assert_eq!(left["mycnet_disk_failed"], 0);
    // Nothing can be sealed without the other.
    ada.json(&["propose", "config", "--key", "motd", "--value", "2"]);
    let waiting = until(&ada, |now| now["mycnet_sealers_missing"] == 1);
    assert!(waiting["mycnet_unsealed_records"] > 0, "{waiting:?}");
    // And none at all without its journal: a `Rejoin` takes two who sign.
    fs::remove_file(ben.0.join("journal.redb")).unwrap();
    let second = ben.start(&["--peer", first.ticket()]);
    until(&ben, |now| now["mycnet_signing"] == 0);
    until(&ada, |now| now["mycnet_peers_not_signing"] == 1);
    second.stop();
    first.stop();
}

/// The Python package and its bot, against nodes of their own.
#[test]
fn the_python_package_works() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|it| it.status.success()) {
        println!("there is no python3 here: not tried");
        return;
    }
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/../python");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", "tests"])
        .current_dir(package)
        .env("MYCNET", env!("CARGO_BIN_EXE_mycnet"))
        .env_remove("MYCNET_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
