//! Plays the answers through a network: keys, genesis, proposals, commits, seals, reveals, four replicas.
//!
//! This is the only part of the command that knows how a network runs. It reads no clock and prints nothing.

use std::path::PathBuf;

use anyhow::bail;

use super::answers::Answers;
use super::progress::Progress;
use super::replayed::Replayed;

/// How to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Orders the tasks (`order::shuffled`) and makes the keys.
    pub(crate) seed: u64,
    /// Orders the exchange between replicas, which must not change the result.
    pub(crate) delivery_seed: u64,
    /// Tasks that one seal opens: 1..=64.
    pub(crate) tasks_per_seal: usize,
    /// Where to write documents and certificates: a directory that exists and is empty.
    pub(crate) export: Option<PathBuf>,
}

/// Replays the answers. Tasks without a panel ([`has_panel`](super::answers::Task::has_panel)) are not asked.
///
/// # Errors
///
/// A failed write into the export directory, or a record that the ledger refused (which would be a bug).
pub(crate) fn run(
    _answers: &Answers,
    _options: &Options,
    _progress: &Progress,
) -> anyhow::Result<Replayed> {
    bail!("replay is not built yet: the answers were read, but there is no ledger to decide them")
}
