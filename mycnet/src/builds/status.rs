//! `mycnet builds status`: what waits, and what is asked.

use std::fmt::Write as _;

use super::ask::{Ask, OpenSet, Overview, SetItem, SetItems};
use crate::arguments::IdPrefix;
use crate::client;
use crate::home::Common;
use crate::output::{Table, from_now, plain, short};
use crate::request::Request;

/// Show the results that wait, and the open sets that this node can answer
///
/// With a set, show its items, their inputs, and the results with which this node
/// answers them.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Show the items of this set
    #[arg(value_name = "OPERATION")]
    set: Option<IdPrefix>,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    if let Some(set) = &args.set {
        let items: SetItems = client::with(common, async |client| {
            let operation = client.operation(set).await?;
            client.ask(Request::Builds(Ask::Set { operation })).await
        })?;
        return common.format.print(&items, items_text);
    }
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

fn items_text(set: &SetItems) -> String {
    let mut table = Table::new(&["ITEM", "INPUT", "RESULT"]);
    for item in &set.items {
        table.row(&[&item.subject, &or_none(&item.input), &result(item)]);
    }
    let known = set.items.iter().filter(|item| item.result.is_some());
    let (known, items) = (known.count(), set.items.len());
    let head = format!("{}: {known} of {items} known\n", plain(&set.subject));
    head + &table.or("")
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn result(item: &SetItem) -> String {
    item.result
        .map_or_else(|| "-".to_owned(), |it| it.to_string())
}
