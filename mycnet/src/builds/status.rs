//! `mycnet builds status`: what waits, and what is asked.

use std::fmt::Write as _;

use super::ask::{Ask, OpenSet, Overview};
use crate::client;
use crate::home::Common;
use crate::output::{Table, from_now, short};
use crate::request::Request;

/// Show the results that wait, and the open sets that this node can answer
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(common: &Common) -> anyhow::Result<()> {
    let overview: Overview = client::ask(common, Request::Builds(Ask::Status))?;
    common.format.print(&overview, text)
}

fn text(overview: &Overview) -> String {
    let mut text = format!(
        "results: {} waiting, {} committed\n",
        overview.waiting, overview.committed
    );
    let mut table = Table::new(&["OPERATION", "PHASE", "KNOWN", "COMMITTED", "SUBJECT"]);
    for set in &overview.open {
        table.row(&[
            &short(&set.operation),
            &set.phase,
            &format!("{} of {}", set.known, set.items),
            &committed(set, overview.now_ms),
            &set.subject,
        ]);
    }
    // Writing into a `String` never fails.
    let _ = write!(text, "{}", table.or("no open sets"));
    text
}

fn committed(set: &OpenSet, now_ms: u64) -> String {
    match (set.is_committed, set.commit_ms) {
        (true, _) => "yes".to_owned(),
        (false, None) => "too late".to_owned(),
        (false, Some(_)) if set.known == 0 => "nothing known".to_owned(),
        (false, Some(_)) if set.known == set.items => "at once".to_owned(),
        (false, Some(commit_ms)) => from_now(commit_ms, now_ms),
    }
}
