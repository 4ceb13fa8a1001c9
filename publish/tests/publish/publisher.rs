//! A running `mycnet-publish`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Directory, MOTD, Running, TestNode, signal};
use crate::publish_path;

/// A process that ends with the test.
pub struct Publisher {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Where readers connect.
    pub address: String,
}

fn command(node: &TestNode, options: &[&str]) -> Command {
    let mut command = Command::new(publish_path());
    command.args(["--dir", node.0.to_str().unwrap()]);
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(options).stdin(Stdio::null());
    for name in ["MYCNET_DIR", "MYCNET_LOG", "MYCNET_LOG_FORMAT", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs it; for what ends by itself.
pub fn publish(node: &TestNode, options: &[&str]) -> Output {
    command(node, options).output().unwrap()
}

/// A network of one node that runs and has sealed something.
pub fn begun(directory: &Directory) -> (TestNode, Running) {
    let node = directory.alone();
    let running = node.start(&[]);
    node.json(&[&MOTD[..], &["--wait"]].concat());
    (node, running)
}

/// The address of the document of a network or an operation, as the README says how.
pub fn url_of(id: &str) -> String {
    let mut bytes = hex::decode(&id[..32]).unwrap();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let id = bs58::encode(bytes).with_check().into_string();
    format!("automerge:{id}")
}

impl Publisher {
    /// Starts it beside a node.
    pub fn start(node: &TestNode, options: &[&str]) -> Self {
        let mut command = command(node, options);
        command.arg("--json").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut publisher = Self {
            child,
            lines,
            address: String::new(),
        };
        let listening = publisher.line();
        assert_eq!(listening["event"], "listening", "{listening}");
        let address = listening["address"].as_str().unwrap();
        address.clone_into(&mut publisher.address);
        publisher
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says {line:?}"))
    }

    /// Waits until it has a document, and gives its URL.
    pub fn url(&mut self) -> String {
        let document = self.line();
        assert_eq!(document["event"], "document", "{document}");
        document["url"].as_str().unwrap().to_owned()
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) {
        let begun = Instant::now();
        signal(&self.child, "TERM");
        assert!(self.child.wait().unwrap().success());
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
    }

    /// Kills it as a failing battery does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The most memory that it has had, in bytes; `None` where the system does not tell.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
