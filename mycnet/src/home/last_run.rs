//! What the last run of a node left for the next one, and for the commands in between: `last-run.json`. It is a help, not a
//! part of the ledger: without it, or if it cannot be read, nothing is wrong.

use std::fs;
use std::path::Path;

use mycnet_consensus::net::ClockReport;
use serde::{Deserialize, Serialize};

use super::Home;
use crate::files::read_text;

/// Bytes that these files have at most.
const FILE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LastRun {
    /// The UDP port. A node whose settings leave the port open takes it again, so that its peers find it.
    pub(crate) port: Option<u16>,
    /// Where the databases were.
    place: Option<Place>,
    /// What was wrong with its clock in the end.
    pub(crate) clock: Option<ClockFound>,
}

/// Tells a directory from its copies: the ledger's file as the operating system numbers it, and the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    file: u64,
    machine: Option<String>,
}

/// A clock that was off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockFound {
    pub(crate) off_ms: i64,
    pub(crate) peers: usize,
}

impl LastRun {
    pub(crate) fn read(home: &Home) -> Self {
        let text = read_text(&home.last_run_file(), FILE_BYTES_MAX);
        text.ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Changes the file, if there is anything to change.
    pub(crate) fn update(home: &Home, change: impl FnOnce(&mut Self)) {
        let before = Self::read(home);
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            after.write(home);
        }
    }

    /// Writes the file. A failure is no reason to stop.
    pub(crate) fn write(&self, home: &Home) {
        let path = home.last_run_file();
        let new = path.with_extension("new");
        let text = serde_json::to_string(self).unwrap_or_default();
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), "not written");
        }
    }

    /// The node runs here, and has met others.
    pub(crate) fn settle(&mut self, home: &Home) {
        self.place = Place::of(home);
    }

    /// Whether the databases were copied, restored or moved to another machine since the node last met others.
    pub(crate) fn is_elsewhere(&self, home: &Home) -> bool {
        match (&self.place, Place::of(home)) {
            (Some(then), Some(now)) => *then != now,
            _ => false,
        }
    }

    /// Keeps how far the clock is off its peers' median. Without peers nothing is known, and the last finding stays.
    pub(crate) fn note_clock(&mut self, report: &ClockReport) {
        // At the end the peers leave one by one; the finding of more of them counts more.
        let peers = self.clock.as_ref().map_or(0, |found| found.peers);
        if report.peers > 0 && (report.peers >= peers || report.own_off_ms.is_none()) {
            let peers = report.peers;
            self.clock = report.own_off_ms.map(|off_ms| ClockFound { off_ms, peers });
        }
    }
}

impl Place {
    #[cfg(unix)]
    fn of(home: &Home) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let file = fs::metadata(home.path().join("ledger.redb")).ok()?.ino();
        let machine = machine(Path::new("/etc/machine-id"));
        Some(Self { file, machine })
    }

    /// Other systems give no number of a file.
    #[cfg(not(unix))]
    fn of(_: &Home) -> Option<Self> {
        None
    }
}

/// The machine's own id, as systemd keeps it.
#[cfg(unix)]
fn machine(path: &Path) -> Option<String> {
    let id = read_text(path, FILE_BYTES_MAX).ok()?;
    Some(id.trim().to_owned())
}
