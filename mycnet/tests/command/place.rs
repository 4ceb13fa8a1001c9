//! Directories of nodes, and commands about them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mycnet_consensus::Signer as _;
use serde_json::Value;

/// What nothing here should take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A directory that goes with the test. Its path is short: sockets' paths have a limit.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("mycnet-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A node in it, made by `mycnet init`.
    pub fn node(&self, name: &str) -> Place {
        let place = Place(self.0.join(name));
        place.json(&["init"]);
        place
    }

    /// A node that is a network by itself.
    pub fn alone(&self) -> Place {
        let node = self.node("ada");
        node.json(&["join", &self.network("alone", &[(&node, "primary")])]);
        node
    }

    /// The genesis of a network of these nodes.
    pub fn network(&self, name: &str, nodes: &[(&Place, &str)]) -> String {
        let file = self.file(&format!("{name}.json"));
        let mut new = vec!["network", "new", name, "--profile", "dev", "-o", &file];
        let members: Vec<String> = nodes
            .iter()
            .map(|(node, role)| format!("{}={role}", node.id()))
            .collect();
        for member in &members {
            new.extend(["--member", member]);
        }
        let output = mycnet(&new);
        assert!(output.status.success(), "{}", said(&output));
        file
    }

    /// A path in it, as text.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `mycnet` with these arguments and nothing of the tester's environment.
pub fn mycnet(arguments: &[&str]) -> Output {
    command(arguments).stdin(Stdio::null()).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mycnet"));
    command.args(arguments);
    command.env_remove("MYCNET_DIR").env_remove("MYCNET_LOG");
    command
}

/// What a command said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A node's directory.
pub struct Place(pub PathBuf);

impl Place {
    /// Runs a command about it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut all = arguments.to_vec();
        all.extend(["--dir", self.0.to_str().unwrap()]);
        mycnet(&all)
    }

    /// Runs a command about it with this on its standard input.
    pub fn fed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self.begin(arguments);
        // It need not read to the end.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    /// Starts a command about it, with pipes.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        command(arguments)
            .args(["--dir", self.0.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a command that must do what it is asked, and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.run(&all);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command that must print text.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with a code, say these things, and print nothing.
    pub fn fails(&self, arguments: &[&str], code: i32, says: &[&str]) {
        let output = self.run(arguments);
        let stderr = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?} prints a result");
        for text in says {
            assert!(
                stderr.contains(text),
                "{arguments:?} says no {text:?}: {stderr}"
            );
        }
    }

    /// The node's id.
    pub fn id(&self) -> String {
        let key = std::fs::read_to_string(self.0.join("author.key")).unwrap();
        let mut secret = [0; 32];
        hex::decode_to_slice(key.trim(), &mut secret).unwrap();
        mycnet_consensus::Identity::from_secret(&secret)
            .node_id()
            .to_string()
    }

    /// Starts the node, and reads what it says of itself.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut all = vec!["run", "--json", "--dir", self.0.to_str().unwrap()];
        all.extend(arguments);
        let mut child = command(&all)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("the node says {line:?}")
        });
        assert_eq!(started["event"], "started");
        Running {
            child,
            stdout,
            started,
        }
    }

    /// Asks until the answer is as it should be.
    pub fn until(&self, arguments: &[&str], what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let value = self.json(arguments);
            if is_so(&value) {
                return value;
            }
            assert!(Instant::now() < end, "{what}: {value}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an operation is known, then does something about it.
    pub fn once_known(&self, operation: &str, arguments: &[&str]) -> Value {
        let is_there = |value: &Value| {
            let rows = value["operations"].as_array().unwrap();
            rows.iter().any(|row| row["operation"] == operation)
        };
        self.until(&["operations"], "the operation is known", is_there);
        self.json(arguments)
    }
}

/// A running node, which goes with the test.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub started: Value,
}

impl Running {
    pub fn ticket(&self) -> &str {
        self.started["ticket"].as_str().unwrap()
    }

    /// Stops it as a service manager does; gives all that it told since it started.
    pub fn stop(mut self) -> Vec<Value> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        let lines = self.stdout.by_ref().lines().map(Result::unwrap);
        let events = lines
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect();
        assert!(self.child.wait().unwrap().success());
        events
    }

    /// Kills it as a failing battery does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
