//! SIGHUP: the node reads `config.toml` again. If its terminal has gone, it stops instead, as programs do.

use std::io::IsTerminal as _;

use super::report::Report;
use crate::home::Home;
use crate::settings::{Overrides, Settings};

/// What a SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    Reload,
    Stop,
}

/// Whether this process can be seen on a terminal.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// The next SIGHUP.
#[derive(Debug)]
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
    had_terminal: bool,
}

impl Hangups {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
            had_terminal: has_terminal(),
        })
    }

    pub(super) async fn next(&mut self) -> Hangup {
        #[cfg(unix)]
        let came = self.signal.recv().await;
        #[cfg(not(unix))]
        let came = None;
        if came.is_none() {
            std::future::pending::<()>().await;
        }
        if self.had_terminal && !has_terminal() {
            Hangup::Stop
        } else {
            Hangup::Reload
        }
    }
}

/// Reads the settings again, takes what a running node can take, and says what it took. Gives whether `on_event` changed.
pub(super) fn reload(
    home: &Home,
    settings: &mut Settings,
    overrides: &Overrides,
    report: &Report,
) -> bool {
    let read = home.settings();
    let read = read.and_then(|read| Ok(read.with(overrides)?));
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            report.note(&format!(
                "the settings stay as they were, as they cannot be read again: {error:#}"
            ));
            return false;
        }
    };
    let changed = settings.take(read);
    let mut said = Vec::new();
    if changed.on_event {
        said.push("on_event is in force".to_owned());
    }
    if !changed.waiting.is_empty() {
        said.push(format!(
            "until it is started again, the node keeps its old {}",
            changed.waiting.join(", ")
        ));
    }
    if said.is_empty() {
        said.push("nothing has changed that a running node uses".to_owned());
    }
    report.note(&format!("the settings are read again: {}", said.join("; ")));
    changed.on_event
}
