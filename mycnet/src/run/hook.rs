//! The owner's program that is run for each event (`on_event` in `config.toml`).
//!
//! It gets the event as one JSON object on its standard input. One runs at a time, for a minute at most; the events wait for it in the
//! ledger, and the node does not wait at all. After a `your_turn`, what it prints is the ballot: `approve`, `reject`, `abstain`, a ballot
//! as JSON, or nothing. The place of the last event is kept, so that after a stop it goes on there; an event may then come again, with
//! the same id.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mycnet_consensus::node::Node;
use mycnet_consensus::{Ballot, NetworkId, OperationId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};

use crate::api::events::{EventId, Reader, Sent};
use crate::files::read_bounded;
use crate::home::Home;
use crate::home::private::replace;

/// How long the program may run.
const DEADLINE: Duration = Duration::from_mins(1);

/// Bytes that it may print: a ballot with the largest results.
const ANSWER_BYTES_MAX: u64 = 512 * 1024;

/// Bytes that the file of the place has at most.
const PLACE_BYTES_MAX: usize = 4096;

/// How often the place is written down.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Where it is in what happened.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    network: NetworkId,
    last: String,
}

/// Runs the program for each event, if there is one. It never ends.
pub(super) async fn attend(
    home: &Home,
    command: Vec<String>,
    node: &Node,
    news: &broadcast::Sender<Arc<Value>>,
) {
    if !command.is_empty() {
        let hook = Hook::new(home, command, node);
        hook.attend(node, news).await;
    }
    std::future::pending::<()>().await;
}

/// A program, and where it is in what happened.
#[derive(Debug)]
struct Hook {
    command: Vec<String>,
    file: PathBuf,
    network: NetworkId,
    last: Option<EventId>,
    kept: Option<EventId>,
    kept_at: Instant,
}

impl Hook {
    fn new(home: &Home, command: Vec<String>, node: &Node) -> Self {
        let file = home.hook_place();
        let network = node.engine().network_id();
        let place = read_bounded(&file, PLACE_BYTES_MAX).ok();
        let place = place.and_then(|place| serde_json::from_slice::<Place>(&place).ok());
        let place = place.filter(|place| place.network == network);
        let last = place.and_then(|place| place.last.parse().ok());
        Self {
            command,
            file,
            network,
            last,
            kept: last,
            kept_at: Instant::now(),
        }
    }

    /// Runs it for each event until the future is dropped or the node stops.
    async fn attend(mut self, node: &Node, news: &broadcast::Sender<Arc<Value>>) {
        let height = node.engine().height();
        // A ledger that is behind the place was put back, and has it all again.
        let since = self.last.filter(|last| last.height <= height);
        let mut reader = match Reader::new(node, news.subscribe(), since) {
            Ok(reader) => reader,
            Err(error) => return tracing::warn!(%error, "on_event: there are no events"),
        };
        loop {
            match reader.next().await {
                Ok(Some(Sent::Event { id, value })) => {
                    if let Err(error) = self.run(node, &value).await {
                        tracing::warn!(event = %value["event"], "on_event: {error:#}");
                    }
                    self.last = id.or(self.last);
                    if self.kept_at.elapsed() >= KEEP_EVERY {
                        self.keep();
                    }
                }
                Ok(Some(Sent::Silence)) => self.keep(),
                Ok(None) => return self.keep(),
                Err(error) => return tracing::warn!(%error, "on_event: no more events"),
            }
        }
    }

    fn keep(&mut self) {
        let Some(last) = self.last.filter(|last| Some(*last) != self.kept) else {
            return;
        };
        let place = Place {
            network: self.network,
            last: last.to_string(),
        };
        let kept = serde_json::to_vec(&place).context("the place");
        if let Err(error) = kept.and_then(|place| replace(&self.file, &place)) {
            tracing::warn!("on_event: {error:#}");
        }
        (self.kept, self.kept_at) = (Some(last), Instant::now());
    }

    async fn run(&self, node: &Node, event: &Value) -> anyhow::Result<()> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Ok(());
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} cannot be run"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (mut stdin, stdout) = (stdin.context("no pipe")?, stdout.context("no pipe")?);
        let line = format!("{event}\n");
        let answered = timeout(DEADLINE, async {
            let mut answer = String::new();
            let mut stdout = stdout.take(ANSWER_BYTES_MAX);
            let give = async {
                // It need not read the event.
                let _ = stdin.write_all(line.as_bytes()).await;
                drop(stdin);
            };
            let (read, ()) = tokio::join!(stdout.read_to_string(&mut answer), give);
            read.context("what it printed")?;
            let status = child.wait().await?;
            if !status.success() {
                bail!("{program} ended with {status}");
            }
            Ok(answer)
        });
        let answer = answered
            .await
            .with_context(|| format!("{program} took longer than {} s", DEADLINE.as_secs()))??;
        let answer = answer.trim();
        if event["event"] == "your_turn" && !answer.is_empty() {
            let operation: OperationId = serde_json::from_value(event["operation"].clone())?;
            let ballot = ballot(answer).with_context(|| format!("{program} printed no ballot"))?;
            let engine = node.engine();
            engine.vote(operation, ballot).await?;
        }
        Ok(())
    }
}

/// A ballot as a program prints it.
fn ballot(text: &str) -> serde_json::Result<Ballot> {
    serde_json::from_str(text)
        .or_else(|error| serde_json::from_value(text.into()).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_is_a_word_or_json() {
        for (text, expected) in [
            ("approve", Ballot::Approve),
            ("\"reject\"", Ballot::Reject),
            ("{\"result\": \"00ff\"}", Ballot::Result(vec![0, 255])),
        ] {
            assert_eq!(ballot(text).unwrap(), expected);
        }
        assert!(ballot("perhaps").is_err());
    }
}
