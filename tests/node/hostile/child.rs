//! The test program, started again in a process of its own, to measure its memory and processor time alone.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::usage::{kilobytes, processor_time};

/// The environment variable with a child's task.
const TASK: &str = "MYCNET_HOSTILE_TASK";

/// The environment variable with the niceness of attackers (`nice -n`).
const NICENESS: &str = "MYCNET_HOSTILE_NICE";

/// The prefix of a child's messages to its parent, among the lines of the test harness.
const SAYS: &str = "@ ";

/// The task of this child.
pub fn task() -> Option<Vec<String>> {
    let task = std::env::var(TASK).ok()?;
    Some(task.split('\n').map(str::to_owned).collect())
}

/// Sends a message to the parent.
pub fn say(what: &str) {
    println!("\n{SAYS}{what}");
    std::io::stdout().flush().unwrap();
}

/// Ends this process silently when the parent asks for it or is gone. Until then it answers what the parent
/// asks.
pub async fn obey(mut answer: impl AsyncFnMut() -> String) -> ! {
    let (send, mut asked) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || send.send(()).is_err() {
                break;
            }
        }
    });
    while asked.recv().await.is_some() {
        let said = answer().await;
        say(&said);
    }
    std::process::exit(0);
}

/// A process that runs one task.
pub struct Child {
    process: Process,
    lines: Receiver<String>,
}

impl Child {
    pub fn start(task: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let niceness = std::env::var(NICENESS).ok();
        let mut command = match niceness.filter(|_| task[0] == "attack") {
            Some(niceness) => {
                let mut command = Command::new("nice");
                command.args(["-n", &niceness]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut process = command
            .args(["--ignored", "--exact", "hostile::a_child", "--nocapture"])
            .env(TASK, task.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(said) = line.strip_prefix(SAYS) {
                    let _ = send.send(said.to_owned());
                }
            }
        });
        Self { process, lines }
    }

    /// Its next message.
    pub fn hear(&self, patience: Duration) -> Option<String> {
        self.lines.recv_timeout(patience).ok()
    }

    /// Sends it a question and returns the answer.
    pub fn ask(&mut self, patience: Duration) -> Option<String> {
        let input = self.process.stdin.as_mut()?;
        input.write_all(b"\n").ok()?;
        input.flush().ok()?;
        self.hear(patience)
    }

    pub fn resident_kilobytes(&self) -> usize {
        kilobytes(&self.process.id().to_string(), "VmRSS")
    }

    pub fn peak_kilobytes(&self) -> usize {
        kilobytes(&self.process.id().to_string(), "VmHWM")
    }

    /// Makes the system measure the peak from here on.
    pub fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.process.id());
        let _ = std::fs::write(path, "5");
    }

    /// Its processor time so far.
    pub fn processor_time(&self) -> Duration {
        processor_time(&self.process.id().to_string())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Words and numbers in a line: "a 1 b 2".
pub fn numbers(line: &str) -> BTreeMap<String, u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words
        .chunks_exact(2)
        .map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap()))
        .collect()
}
