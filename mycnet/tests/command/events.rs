//! Events of a running node, and readers that do not read.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Directory, TestNode, command};

/// A stream of events.
struct Events(BufReader<UnixStream>);

impl Events {
    fn begin(node: &TestNode, since: Option<&str>) -> Self {
        let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
        let query = since.map_or_else(String::new, |since| format!("?since={since}"));
        write!(stream, "GET /v1/events{query} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event; `None` if the stream has ended, or nothing came for so long.
    fn next(&mut self, wait: Duration) -> Option<Value> {
        self.0.get_ref().set_read_timeout(Some(wait)).unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The ids of all that comes until nothing does.
    fn ids(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(event) = self.next(Duration::from_millis(700)) {
            ids.extend(event["id"].as_str().map(str::to_owned));
        }
        ids
    }
}

fn propose(node: &TestNode, n: usize) {
    let name = format!("key-{n}");
    node.json(&["propose", "config", "--key", &name, "--value", "1"]);
}

fn wait_for_socket(node: &TestNode) {
    let socket = node.0.join("control.sock");
    let begin = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the node starts");
        sleep(Duration::from_millis(20));
    }
}

/// The long form: `MYCNET_KILLS=200 cargo test --release -p mycnet --test command events_over_kills`.
#[test]
fn events_over_kills_are_missed_by_nobody_and_come_once() {
    let kills = std::env::var("MYCNET_KILLS").ok();
    let kills: usize = kills.map_or(8, |kills| kills.parse().unwrap());
    let directory = Directory::new();
    let node = directory.alone();
    let (mut seen, mut last) = (Vec::new(), "0".to_owned());
    for n in 0..kills {
        let mut running = command(&["run", "--dir", node.0.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_socket(&node);
        propose(&node, n);
        let mut events = Events::begin(&node, Some(&last));
        // The reader and the node both stop somewhere in the middle.
        for _ in 0..=n % 7 {
            let Some(event) = events.next(Duration::from_millis(300)) else {
                break;
            };
            if let Some(id) = event["id"].as_str() {
                id.clone_into(&mut last);
                seen.push(last.clone());
            }
        }
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let running = node.start(&[]);
    seen.extend(Events::begin(&node, Some(&last)).ids());
    let all = Events::begin(&node, Some("0")).ids();
    assert!(all.len() > 3 * kills, "{all:?}");
    assert_eq!(seen, all);
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    running.stop();
}

/// The memory that a process takes, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0)
}

/// The long form: `MYCNET_PROPOSALS=1000 cargo test --release -p mycnet --test command readers_that_do_not`.
#[test]
fn readers_that_do_not_read_stop_nothing() {
    let proposals = std::env::var("MYCNET_PROPOSALS").ok();
    let proposals: usize = proposals.map_or(100, |proposals| proposals.parse().unwrap());
    let directory = Directory::new();
    let node = directory.alone();
    let mut running = command(&["run", "--json", "--dir", node.0.to_str().unwrap()])
        .env("MYCNET_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_socket(&node);
    let slow: Vec<Events> = (0..3).map(|_| Events::begin(&node, Some("0"))).collect();
    // More than fits into the pipes.
    let before = resident_kib(running.id());
    for n in 0..proposals {
        propose(&node, n);
    }
    let proposed = resident_kib(running.id());
    // More than are answered at the same time, and each more than the system keeps for a reader.
    let unread = ["/v1/operations?limit=1000", "/v1/openapi.json", "/metrics"];
    let unread: Vec<UnixStream> = (0..120)
        .map(|n| {
            let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
            write!(stream, "GET {} HTTP/1.1\r\nHost: a\r\n\r\n", unread[n % 3]).unwrap();
            stream
        })
        .collect();
    sleep(Duration::from_secs(1));
    let mut begin = Instant::now();
    assert_eq!(node.json(&["status"])["running"], true);
    let took = begin.elapsed();
    let after = resident_kib(running.id());
    println!(
        "{proposals} proposals: {before} KiB, then {proposed}, with {} unread replies {after}; a command took {took:?}",
        unread.len()
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(
        after.saturating_sub(before) < 128 * 1024,
        "{before} to {after} KiB"
    );
    drop(unread);
    // Somebody who reads gets everything.
    let ids = Events::begin(&node, Some("0")).ids();
    assert!(ids.len() > 3 * proposals, "{}", ids.len());
    begin = Instant::now();
    let pid = i32::try_from(running.id()).unwrap().to_string();
    let asked = std::process::Command::new("kill")
        .arg(&pid)
        .status()
        .unwrap();
    assert!(asked.success());
    while running.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it stops");
        sleep(Duration::from_millis(20));
    }
    drop(slow);
}

#[test]
fn a_stream_begins_where_it_is_told_to() {
    let directory = Directory::new();
    let node = directory.alone();
    let running = node.start(&[]);
    propose(&node, 0);
    let all = Events::begin(&node, Some("0")).ids();
    let middle = &all[all.len() / 2];
    let rest = Events::begin(&node, Some(middle)).ids();
    assert_eq!(rest, all[all.len() / 2 + 1..]);
    assert!(Events::begin(&node, None).ids().is_empty(), "from now on");
    for since in ["999.0", "x", "1.x"] {
        assert!(
            Events::begin(&node, Some(since))
                .next(Duration::from_secs(5))
                .is_none()
        );
    }
    // The command keeps its place.
    let place = directory.file("place");
    fs::write(&place, middle).unwrap();
    let mut watching = command(&[
        "watch",
        "--json",
        "--place",
        &place,
        "--dir",
        node.0.to_str().unwrap(),
    ])
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    for id in &rest {
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(event["id"], **id);
    }
    // The place follows the line.
    let begin = Instant::now();
    while fs::read_to_string(&place).unwrap().trim() != rest.last().unwrap() {
        assert!(begin.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(20));
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
    running.stop();
}

/// The program of `on_event` is told of everything and answers when it is asked.
#[test]
fn a_hook_hears_events_and_votes() {
    let directory = Directory::new();
    let ([ada, ben], genesis) = directory.federation(["ada", "ben"], ["primary", "seed"]);
    let program = directory.file("hook");
    let log = directory.file("heard");
    fs::write(
        &program,
        format!("#!/bin/sh\nread event\necho \"$event\" >> {log}\ncase $event in *'\"your_turn\"'*) echo approve ;; esac\n"),
    )
    .unwrap();
    fs::write(
        ben.0.join("config.toml"),
        format!("on_event = [\"/bin/sh\", \"{program}\"]\n"),
    )
    .unwrap();
    for node in [&ada, &ben] {
        node.json(&["join", &genesis]);
    }
    let first = ada.start(&[]);
    let second = ben.start(&["--peer", first.ticket()]);
    let id = ada.json(&[
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
    assert_eq!(id["outcome"]["decided"], "approve", "{id}");
    let begin = Instant::now();
    let heard = loop {
        let heard = fs::read_to_string(&log).unwrap_or_default();
        if heard.contains("\"closed\"") {
            break heard;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{heard}");
        sleep(Duration::from_millis(100));
    };
    for event in ["your_turn", "sealed", "operation"] {
        assert!(
            heard.contains(&format!("\"event\":\"{event}\"")),
            "{event}: {heard}"
        );
    }
    second.stop();
    first.stop();
}
