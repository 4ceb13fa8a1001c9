//! `mycnet doctor`: checks of everything in a node's directory.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::store::{CheckReport, Store};
use mycnet_consensus::{Identity, Signer as _};

use crate::databases::{damaged, fetch_again, open_store, rejoins, unless_locked};
use crate::failure::Failure;
use crate::home::{Common, Home};
use crate::output::{Fields, plain};
use crate::reply::Health;

/// Check this node's directory: keys, settings, and all of the databases
///
/// Every seal is followed from the genesis, with every certificate, record and
/// signature, and every document is built again. So the check takes as long as a
/// new node takes to catch up. The node must not be running meanwhile.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    home.settings()?;
    home.transport_secret()?;
    home.ticket()?;
    let author = home.author()?;
    let has_journal = home.has_journal()?;
    let opened = if has_journal || !home.has_ledger()? {
        open_store(&home)?
    } else {
        // A missing journal is not made here: the node does that, and says so.
        unless_locked(&home, Store::open_without_journal(home.path()))?
    };
    let Some(mut store) = opened else {
        bail!(
            "a node or another command has the databases in {} open: stop it first",
            home.path().display()
        );
    };
    home.check_author(store.node_id(), author.node_id())?;
    let bar = progress();
    let report = store.check(|step| {
        bar.set_length(step.of);
        bar.set_position(step.done);
        bar.set_message(step.what);
    });
    bar.finish_and_clear();
    let CheckReport {
        heights,
        records,
        documents,
        is_repaired,
        faults,
    } = report?;
    // A damaged store does not load; its faults say enough.
    let cannot_sign = if faults.is_empty() {
        cannot_sign(&home, &store, author, has_journal)?
    } else {
        None
    };
    let health = Health {
        healthy: faults.is_empty() && cannot_sign.is_none(),
        heights,
        records,
        documents,
        repaired: is_repaired,
        faults: faults.iter().chain(&cannot_sign).cloned().collect(),
    };
    args.common.format.print(&health, text)?;
    let failure = match (faults.as_slice(), cannot_sign) {
        ([], None) => return Ok(()),
        ([], Some(reason)) => format!("{reason}. {}", rejoins(&home)),
        ([first, ..], _) => format!(
            "{} faults, the first: {}. Keep a copy of the directory for the person who looks into it; to go on, {}",
            faults.len(),
            plain(first),
            fetch_again(&home)
        ),
    };
    Err(Failure::bad_data(failure).into())
}

/// Why the node cannot sign, if so.
fn cannot_sign(
    home: &Home,
    store: &Store,
    author: Identity,
    has_journal: bool,
) -> anyhow::Result<Option<String>> {
    let loaded = store.load(Arc::new(author), SystemClock.now_ms());
    let loaded = loaded.map_err(|error| damaged(home, &error))?;
    if !has_journal {
        return Ok(Some("the journal, journal.redb, is gone".to_owned()));
    }
    if let Some(lost) = loaded.journal_lost {
        return Ok(Some(lost.to_string()));
    }
    Ok(match &*loaded.core.seal_status().signing {
        "ready" => None,
        "rejoining" => Some("the journal was lost, and no seal lists the Rejoin yet".to_owned()),
        signing => Some(format!("this node does not sign: {signing}")),
    })
}

fn text(health: &Health) -> String {
    let mut fields = Fields::default();
    fields
        .add("heights", health.heights)
        .add("records", health.records)
        .add("documents", health.documents);
    if health.repaired {
        fields.add("repaired", "pages were not in order, and are again");
    }
    for fault in &health.faults {
        fields.add("FAULT", fault);
    }
    let verdict = if health.healthy { "All is well." } else { "" };
    format!("{}\n{verdict}", fields.text())
}

fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos} of {len} {msg}");
    let style = style.expect("the template is constant and valid");
    ProgressBar::new(0).with_style(style.progress_chars("=> "))
}
