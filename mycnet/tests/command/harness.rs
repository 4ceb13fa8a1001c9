//! Directories of nodes, and commands about them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use jsonschema::Validator;
use mycnet_consensus::Signer as _;
use serde_json::Value;

/// What no step here takes unless something is wrong.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A directory that is removed with the test. Its path is short: sockets' paths have a limit.
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
    pub fn node(&self, name: &str) -> TestNode {
        let node = TestNode(self.0.join(name));
        node.json(&["init"]);
        node
    }

    /// A node that is a network by itself.
    pub fn alone(&self) -> TestNode {
        let node = self.node("ada");
        node.json(&["join", &self.network("alone", &[(&node, "primary")])]);
        node
    }

    /// A network of these nodes, which they know but have not joined, and its genesis.
    pub fn federation<const N: usize>(
        &self,
        names: [&str; N],
        roles: [&str; N],
    ) -> ([TestNode; N], String) {
        let nodes = names.map(|name| self.node(name));
        let members: Vec<(&TestNode, &str)> = nodes.iter().zip(roles).collect();
        let genesis = self.network("village", &members);
        (nodes, genesis)
    }

    /// The genesis of a network of these nodes.
    pub fn network(&self, name: &str, nodes: &[(&TestNode, &str)]) -> String {
        self.network_with(name, nodes, &["--profile", "dev"])
    }

    /// The same, with other options that set its parameters.
    pub fn network_with(
        &self,
        name: &str,
        nodes: &[(&TestNode, &str)],
        options: &[&str],
    ) -> String {
        let file = self.file(&format!("{name}.json"));
        let mut new = vec!["network", "new", name, "-o", &file];
        new.extend(options);
        let members: Vec<String> = nodes
            .iter()
            .map(|(node, role)| format!("{}={}:{role}", node.name(), node.id()))
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

/// Runs `mycnet` with `input` on its standard input.
pub fn mycnet_fed(arguments: &[&str], input: &[u8]) -> Output {
    fed(command(arguments), input)
}

fn fed(mut command: Command, input: &[u8]) -> Output {
    let mut child = piped(&mut command);
    // A command that fails before it reads closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn piped(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Asserts that a run failed with a code, said these things on stderr, and printed nothing. With `--json` the last line is an object.
pub fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let stderr = said(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty(), "a failure prints no result");
    let last = stderr.lines().last().unwrap_or_default();
    match serde_json::from_str(last) {
        Ok(failure) => check_form("failure", &failure),
        Err(_) => assert!(stderr.contains("error: "), "{stderr}"),
    }
    for text in says {
        assert!(stderr.contains(text), "{text:?} in {stderr}");
    }
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::mycnet_path());
    command.args(arguments);
    for name in ["MYCNET_DIR", "MYCNET_LOG", "MYCNET_LOG_FORMAT", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// What a command said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A node's directory.
pub struct TestNode(pub PathBuf);

impl TestNode {
    /// Runs a command about it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A command about it, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.args(["--dir", self.0.to_str().unwrap()]);
        command
    }

    /// Runs a command about it with this on its standard input.
    pub fn fed(&self, arguments: &[&str], input: &[u8]) -> Output {
        fed(self.command(arguments), input)
    }

    /// Starts a command about it, with pipes.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        piped(&mut self.command(arguments))
    }

    /// Runs a command that must do what it is asked, and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.run(&all);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        let value = serde_json::from_slice(&output.stdout).unwrap();
        check_described(arguments, &value);
        value
    }

    /// Runs a command that must print text.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with a code, say these things, and print nothing.
    pub fn fails(&self, arguments: &[&str], code: i32, says: &[&str]) {
        assert_fails(&self.run(arguments), code, says);
    }

    /// The node's name, which is its directory's.
    pub fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }

    /// The node's secret key.
    pub fn secret(&self) -> [u8; 32] {
        let key = std::fs::read_to_string(self.0.join("author.key")).unwrap();
        let mut secret = [0; 32];
        hex::decode_to_slice(key.trim(), &mut secret).unwrap();
        secret
    }

    /// The node's id.
    pub fn id(&self) -> String {
        mycnet_consensus::Identity::from_secret(&self.secret())
            .node_id()
            .to_string()
    }

    /// Lets it answer over TCP too, on a port that is free now, from its next start on.
    pub fn listen(&self) -> u16 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let settings = format!("[api]\nlisten = \"127.0.0.1:{port}\"\n");
        std::fs::write(self.0.join("config.toml"), settings).unwrap();
        port
    }

    /// Starts the node, and reads what it says of itself.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::begin(&mut self.command(&[&["run", "--json"], arguments].concat()))
    }

    /// Asks until the answer is as it should be.
    pub fn until(&self, arguments: &[&str], what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
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

/// Sends a signal.
pub fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let mut kill = Command::new("kill");
    assert!(kill.args(["-s", name, &pid]).status().unwrap().success());
}

/// The id in an answer about an operation.
pub fn id_of(value: &Value) -> String {
    value["operation"].as_str().unwrap().to_owned()
}

/// A proposal, for a test that does not care what.
pub const MOTD: [&str; 6] = ["propose", "config", "--key", "motd", "--value", "welcome"];

/// A running node, which ends with the test.
pub struct Running {
    child: Child,
    events: Option<JoinHandle<Vec<Value>>>,
    pub started: Value,
}

impl Running {
    /// Starts `mycnet run --json`, and reads what the node says of itself.
    pub fn begin(command: &mut Command) -> Self {
        let mut child = command
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
        // Somebody has to read on: a node whose pipe is full waits.
        let events = std::thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines
                .filter_map(|line| serde_json::from_str(&line).ok())
                .collect()
        });
        Self {
            child,
            events: Some(events),
            started,
        }
    }

    pub fn ticket(&self) -> &str {
        self.started["ticket"].as_str().unwrap()
    }

    /// Stops it as a service manager does; gives all events that it told since it started.
    pub fn stop(mut self) -> Vec<Value> {
        signal(&self.child, "TERM");
        let events = self.events.take().map(JoinHandle::join);
        assert!(self.child.wait().unwrap().success());
        events.expect("it is stopped once").unwrap()
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

/// What `--json` prints, as `schemas/command.json` has it.
static DESCRIBED: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../schemas/command.json");
    serde_json::from_str(text).unwrap()
});

/// Asserts that what a command printed is as it is described.
fn check_described(arguments: &[&str], printed: &Value) {
    let commands = DESCRIBED["commands"].as_object().unwrap();
    let name = match arguments[0] {
        // All kinds print the same, and options may stand before the kind.
        "propose" => "propose config".to_owned(),
        one => {
            let two = arguments.get(1).map(|second| format!("{one} {second}"));
            let two = two.filter(|two| commands.contains_key(two));
            two.unwrap_or_else(|| one.to_owned())
        }
    };
    check_form(&name, printed);
}

/// Asserts that an object has the form of what a command prints, or of a failure.
pub fn check_form(name: &str, printed: &Value) {
    static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let validator = {
        let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(name.to_owned()).or_insert_with(|| {
            let form = match name {
                "failure" => &DESCRIBED["failure"],
                command => &DESCRIBED["commands"][command],
            };
            assert!(!form.is_null(), "{name} is not described");
            let mut whole = form.clone();
            whole["$defs"] = DESCRIBED["$defs"].clone();
            Arc::new(jsonschema::draft202012::new(&whole).unwrap())
        });
        validator.clone()
    };
    let faults = validator.iter_errors(printed);
    let faults: Vec<String> = faults
        .map(|it| format!("{}: {it}", it.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{name}: {faults:?} in {printed}");
}

/// Writes a file that only its owner can read.
#[cfg(unix)]
pub fn private(path: &Path, content: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(content).unwrap();
}
