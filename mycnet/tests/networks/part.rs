//! Programs that this one starts, each in a namespace: it runs itself.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::space::Space;
use crate::{relay, wire};

/// What the program is to do, and its arguments.
const PART: &str = "MYCNET_PART";

/// What it says once it does.
const READY: &str = "the part is ready";

/// A program that runs until it is dropped.
pub struct Part {
    child: Child,
    /// It is open as long as the program runs, which says how long it has run, and would end if nobody heard it.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts it, and waits until it is ready.
    pub fn start(space: &Space, part: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "part::part", "--ignored", "--nocapture"])
            .env(PART, part);
        let mut child = space
            .command(&command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = |line: std::io::Result<String>| line.is_ok_and(|line| line.contains(READY));
        let is_started = said.any(is_ready);
        let part = Self { child, _said: said };
        assert!(is_started, "the part cannot start");
        part
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that the part is ready, and reads no more of it.
pub fn ready() {
    println!("{READY}");
    std::io::stdout().flush().unwrap();
}

#[test]
#[ignore = "the other tests start it"]
fn part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let words: Vec<&str> = part.split(' ').collect();
    match words[..] {
        ["relay", directory] => relay::serve(directory.as_ref()),
        ["wire", delay_ms, loss_percent, seed] => wire::carry(
            delay_ms.parse().unwrap(),
            loss_percent.parse().unwrap(),
            seed.parse().unwrap(),
        ),
        _ => panic!("no part {part:?}"),
    }
}
