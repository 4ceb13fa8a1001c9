//! `mycnet doctor`: is everything in a node's directory as it should be?

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::store::{CheckReport, CheckStep, Store, StoreError};
use mycnet_consensus::{Identity, Signer as _};
use redb::DatabaseError;
use redb::backends::{FileBackend, InMemoryBackend};
use serde_json::{Value, json};

use crate::databases::{damaged, fetch_again, open_store, rejoins};
use crate::failure::Failure;
use crate::home::{Common, Home};
use crate::output::{Fields, plain, rows, shown};

/// Checks this node's directory: keys, settings, and all of the databases.
///
/// Every seal is followed from the genesis, with every certificate, record and
/// signature, and every document is built again: it takes as long as a new node
/// takes to catch up. The node must not be running meanwhile.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet doctor`.
///
/// # Errors
///
/// [`Failure`] of kind `BadData` with everything that is wrong.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    home.settings()?;
    home.transport_secret()?;
    home.ticket()?;
    let author = home.author()?;
    let has_journal = home.has_journal()?;
    let Some(mut store) = open(&home, has_journal)? else {
        bail!(
            "a node or another command has the databases in {} open: stop it first",
            home.path().display()
        );
    };
    home.check_author(store.node_id(), author.node_id())?;
    let bar = progress();
    let report = store.check(|step| show(&bar, step));
    bar.finish_and_clear();
    let CheckReport {
        heights,
        records,
        documents,
        is_repaired,
        faults,
    } = report?;
    // What is damaged does not load, which is no news.
    let standing = if faults.is_empty() {
        standing(&home, &store, author, has_journal)?
    } else {
        None
    };
    let value = json!({
        "healthy": faults.is_empty() && standing.is_none(),
        "heights": heights,
        "records": records,
        "documents": documents,
        "repaired": is_repaired,
        "faults": faults.iter().chain(&standing).collect::<Vec<_>>(),
    });
    args.common.format.print(&value, text)?;
    let failure = match (faults.as_slice(), standing) {
        ([], None) => return Ok(()),
        ([], Some(standing)) => format!("{standing}. {}", rejoins(&home)),
        ([first, ..], _) => format!(
            "{} faults, the first: {}. Keep a copy of the directory for whoever looks into it; to go on, {}",
            faults.len(),
            plain(first),
            fetch_again(&home)
        ),
    };
    Err(Failure::bad_data(failure).into())
}

/// Opens the databases. A journal that is gone is not made: that is for the node, which says so.
fn open(home: &Home, has_journal: bool) -> anyhow::Result<Option<Store>> {
    if has_journal || !home.has_ledger()? {
        return open_store(home);
    }
    let path = home.ledger_file();
    let file = File::options().read(true).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    let ledger = match FileBackend::new(file) {
        Ok(ledger) => ledger,
        Err(DatabaseError::DatabaseAlreadyOpen) => return Ok(None),
        Err(error) => return Err(damaged(home, &StoreError::Database { path, error })),
    };
    match Store::open_on(ledger, InMemoryBackend::new()) {
        Ok(store) => Ok(Some(store)),
        Err(error) => Err(damaged(home, &error)),
    }
}

/// Why the node could not sign as it is, if so.
fn standing(
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
    Ok(match loaded.core.seal_status().signing {
        "ready" => None,
        "rejoining" => Some("the journal was lost, and no seal lists the Rejoin yet".to_owned()),
        signing => Some(format!("this node does not sign: {signing}")),
    })
}

fn text(value: &Value) -> String {
    let mut fields = Fields::default();
    fields.add("heights", shown(&value["heights"]));
    fields.add("records", shown(&value["records"]));
    fields.add("documents", shown(&value["documents"]));
    if value["repaired"] == true {
        fields.add("repaired", "pages were not in order, and are again");
    }
    for fault in rows(&value["faults"]) {
        fields.add("FAULT", shown(fault));
    }
    let verdict = if value["healthy"] == true {
        "All is well."
    } else {
        ""
    };
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

fn show(bar: &ProgressBar, step: CheckStep) {
    bar.set_length(step.of);
    bar.set_position(step.done);
    bar.set_message(step.what);
}
