//! A node as a service manager sees it: signals, and its log.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{DEADLINE, Directory, MOTD, TestNode, command, id_of, signal};

/// A node whose log is read.
struct Logged {
    child: Child,
    lines: Receiver<String>,
}

impl Logged {
    fn start(node: &TestNode, env: &[(&str, &str)]) -> Self {
        let mut run = command(&["run", "--dir", node.0.to_str().unwrap()]);
        run.envs(env.iter().copied());
        run.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let this = Self { child, lines };
        node.until(&["status"], "it runs", |status| status["running"] == true);
        this
    }

    /// The next line of the log that has this in it.
    fn line(&self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("no line with {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// How long it takes to stop.
    fn stop(mut self) -> Duration {
        let begin = Instant::now();
        signal(&self.child, "TERM");
        assert!(self.child.wait().unwrap().success());
        begin.elapsed()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_hangup_reads_the_settings_again() {
    let directory = Directory::new();
    let node = directory.alone();
    let file = node.0.join("config.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let told = directory.file("told");
    let hook = format!("on_event = [\"/bin/sh\", \"-c\", \"cat >> {told}\"]\n");
    let running = Logged::start(&node, &[]);
    signal(&running.child, "HUP");
    running.line("nothing has changed that a running node uses");
    fs::write(&file, format!("degree = many\n{hook}")).unwrap();
    signal(&running.child, "HUP");
    let wrong = running.line("the settings stay as they were");
    assert!(
        wrong.contains("config.toml") && wrong.contains("line 1"),
        "{wrong}"
    );
    let other = settings.replace("degree = 8", "degree = 7");
    fs::write(&file, format!("{hook}{other}")).unwrap();
    signal(&running.child, "HUP");
    let said = running.line("the settings are read again");
    for part in ["on_event is in force", "keeps its old degree"] {
        assert!(said.contains(part), "{said}");
    }
    let id = id_of(&node.json(&MOTD));
    let begin = Instant::now();
    while !fs::read_to_string(&told).is_ok_and(|told| told.contains(&id)) {
        assert!(begin.elapsed() < DEADLINE, "the program is run");
        std::thread::sleep(Duration::from_millis(50));
    }
    running.stop();
}

#[test]
fn the_log_tells_what_is_decided() {
    let directory = Directory::new();
    let node = directory.alone();
    // What other programs call it holds too, if the node's own variable is not set.
    for (name, format) in [("MYCNET_LOG", "json"), ("RUST_LOG", "text")] {
        let env = [(name, "mycnet=info"), ("MYCNET_LOG_FORMAT", format)];
        let running = Logged::start(&node, &env);
        let id = id_of(&node.json(&MOTD));
        for what in ["decided", "closed"] {
            let line = running.line(what);
            assert!(line.contains(&id), "{line}");
            if format == "json" {
                let line: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(line["level"], "INFO");
                assert_eq!(line["message"], what);
                assert_eq!(line["operation"], id.as_str());
                assert_eq!(line["subject"], "motd");
                assert_eq!(line["outcome"], "decided: approve");
            }
        }
        if format == "json" {
            // Remarks are objects too.
            signal(&running.child, "HUP");
            let line: Value = serde_json::from_str(&running.line("read again")).unwrap();
            assert_eq!(line["level"], "WARN");
        }
        running.stop();
    }
}

#[test]
fn a_node_stops_soon_whatever_others_do() {
    let directory = Directory::new();
    let (nodes, genesis) = directory.federation(["ada", "ben"], ["primary", "seed"]);
    for node in &nodes {
        node.json(&["join", &genesis]);
    }
    let [ada, ben] = nodes;
    let peer = ada.start(&[]);
    let peers = ["--peer", peer.ticket()];
    let mut run = vec!["run", "--verbose", "--dir", ben.0.to_str().unwrap()];
    run.extend(peers);
    // Nobody reads what it says.
    let mut child = command(&run)
        .env("MYCNET_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ada.until(&["peers"], "they are connected", |value| {
        value["peers"][0]["connected"] == true
    });
    let id = id_of(&ada.json(&MOTD));
    ben.once_known(&id, &["status", &id]);
    // Neither vote is there yet, so it waits.
    let waiting = ben.begin(&["propose", "config", "--key", "k", "--value", "v", "--wait"]);
    std::thread::sleep(Duration::from_millis(700));
    let begin = Instant::now();
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
    let took = begin.elapsed();
    // It takes a third of a second; a machine that does much else may take longer.
    assert!(took < Duration::from_secs(3), "{took:?}");
    let waited = waiting.wait_with_output().unwrap();
    assert!(!waited.status.success());
    peer.stop();
}
