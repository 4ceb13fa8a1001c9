//! A node in a process of its own, so that killing it is real. It tells its news on its standard output, a line each, and stops
//! in good order once its standard input ends, which it also does when the devnet itself dies.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mycnet_consensus::net::Ticket;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::home::Home;
use super::news::{Happening, News, send, watch};
use super::running::Running;

/// How long a node may take to stop in good order before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A process with a node.
pub(super) struct Child {
    process: tokio::process::Child,
    /// Its end stops the node.
    input: ChildStdin,
}

impl Child {
    /// Starts node `number` from what is in its directory. Its news go to `news`.
    ///
    /// # Errors
    ///
    /// If no process can be started.
    pub(super) fn start(
        home: &Home,
        tickets: &[String],
        number: usize,
        news: UnboundedSender<News>,
    ) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("this executable cannot be found")?;
        let mut command = Command::new(executable);
        command.arg("devnet").arg("--as-node").arg(home.path());
        for ticket in tickets {
            command.arg("--ticket").arg(ticket);
        }
        // Ctrl-C goes to the devnet, which stops its nodes in order.
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
                let Ok(told) = serde_json::from_str(&line) else {
                    continue;
                };
                if !send(&news, number, told) {
                    return;
                }
            }
        });
        Ok(Self { process, input })
    }

    /// Kills it: SIGKILL on Unix.
    ///
    /// # Errors
    ///
    /// If the system does not.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.process
            .kill()
            .await
            .context("a process cannot be killed")
    }

    /// Stops it in good order.
    ///
    /// # Errors
    ///
    /// If it does not stop, or had failed.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let ended = tokio::time::timeout(STOP_PATIENCE, self.process.wait()).await;
        let Ok(ended) = ended else {
            let killed = self.process.kill().await;
            bail!("a node did not stop and was killed ({killed:?})");
        };
        let status = ended.context("a process cannot be waited for")?;
        if !status.success() {
            bail!("a node's process ended with {status}");
        }
        Ok(())
    }
}

/// What such a process does.
///
/// # Errors
///
/// If the node does not start, or fails.
pub(super) async fn be(directory: &Path, tickets: &[Ticket]) -> anyhow::Result<()> {
    let peers = tickets
        .iter()
        .filter_map(|ticket| ticket.peers.first().cloned());
    let home = Home::at(directory);
    let running = Running::start(&home, peers.collect(), Arc::default()).await?;
    print(&Happening::Ready {
        ticket: running.ticket()?.to_string(),
        is_whole: running.is_whole(),
    });
    let watching = tokio::spawn(watch(running.engine().clone(), |told| print(&told)));
    let ended = input_ended()?;
    // Without an answer the thread is gone, and with it the input.
    let _ = ended.await;
    let stopped = running.stop().await;
    watching.abort();
    stopped
}

/// Says whether anybody reads.
fn print(told: &Happening) -> bool {
    let Ok(line) = serde_json::to_string(told) else {
        return false;
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// A thread of its own: reading standard input cannot be given up.
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
