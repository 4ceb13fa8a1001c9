//! A node in a process of its own, so that it can be killed. It prints its events on its standard output, a line each,
//! and stops in good order at the end of its standard input, which also ends when the devnet dies.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use mycnet_consensus::net::Ticket;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::events::{NodeEvent, Received, send, watch};
use super::voter::Voting;
use crate::home::Home;

/// How long a node may take to stop in good order before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A process with a node.
pub(super) struct Child {
    process: tokio::process::Child,
    /// Its end stops the node.
    input: ChildStdin,
}

impl Child {
    /// Starts node `number` from its directory.
    pub(super) fn start(
        home: &Home,
        tickets: &[Ticket],
        number: usize,
        events: UnboundedSender<Received>,
    ) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("this executable cannot be found")?;
        let mut command = Command::new(executable);
        command.arg("devnet").arg("--as-node").arg(home.path());
        for ticket in tickets {
            command.arg("--ticket").arg(ticket.to_string());
        }
        // Ctrl-C goes to the devnet alone, which stops its nodes in order.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("no process can be started")?;
        let input = process.stdin.take().context("a process without input")?;
        let output = process.stdout.take().context("a process without output")?;
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line);
                if event.is_ok_and(|event| !send(&events, number, event)) {
                    return;
                }
            }
        });
        Ok(Self { process, input })
    }

    /// Kills it: SIGKILL on Unix.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        let killed = self.process.kill().await;
        killed.context("a process cannot be killed")
    }

    /// Stops it in good order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let ended = tokio::time::timeout(STOP_DEADLINE, self.process.wait()).await;
        let Ok(ended) = ended else {
            let killed = self.process.kill().await;
            bail!("a node did not stop and was killed ({killed:?})");
        };
        let status = ended.context("a process cannot be waited for")?;
        ensure!(status.success(), "a node's process ended with {status}");
        Ok(())
    }
}

/// Runs the node of such a process.
pub(super) async fn run(directory: &Path, tickets: &[Ticket]) -> anyhow::Result<()> {
    let voting = Voting::start(&Home::at(directory)?, tickets, Arc::default()).await?;
    print(&NodeEvent::Ready {
        ticket: voting.ticket()?.to_string(),
        has_journal: voting.has_journal(),
    });
    let watching = tokio::spawn(watch(voting.engine().clone(), |event| print(&event)));
    // If the thread has ended without an answer, so has the input.
    let _ = input_ended()?.await;
    let stopped = voting.stop().await;
    watching.abort();
    stopped
}

/// Prints an event. Returns whether there is a reader.
fn print(event: &NodeEvent) -> bool {
    let Ok(line) = serde_json::to_string(event) else {
        return false;
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Ends with the standard input. Reading it cannot be cancelled, so it has a thread of its own.
fn input_ended() -> anyhow::Result<oneshot::Receiver<()>> {
    let (tell, ended) = oneshot::channel();
    let reading = std::thread::Builder::new().name("input".into());
    reading
        .spawn(move || {
            let mut byte = [0];
            let mut input = io::stdin().lock();
            while input.read(&mut byte).is_ok_and(|count| count > 0) {}
            let _ = tell.send(());
        })
        .context("no thread can be started")?;
    Ok(ended)
}
