//! `mycnet doctor`: is everything in a node's directory as it should be?

use std::io::{self, IsTerminal as _};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use mycnet_consensus::Signer as _;
use mycnet_consensus::store::{CheckReport, CheckStep, StoreError};
use serde_json::json;

use crate::failure::{EXIT_CODES, Failure};
use crate::home::Common;
use crate::output::{Fields, plain, rows, shown};
use crate::session::open_store;

/// Checks this node's directory: keys, settings, and all of the databases.
///
/// Every seal is followed from the genesis, with every certificate, record and
/// signature, and every document is built again: it takes as long as a new node
/// takes to catch up. The node must not be running meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES, verbatim_doc_comment)]
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
    let Some(mut store) = open_store(&home)? else {
        bail!(
            "a node or another command has the databases in {} open: stop it first",
            home.path().display()
        );
    };
    if store.node_id() != author.node_id() {
        let (found, given) = (store.node_id(), author.node_id());
        return Err(Failure::bad_data(StoreError::OtherNode { found, given }.to_string()).into());
    }
    let bar = progress();
    let report = store.check(|step| show(&bar, step));
    bar.finish_and_clear();
    let report = report?;
    let CheckReport {
        heights,
        records,
        documents,
        is_repaired,
        faults,
    } = &report;
    let value = json!({
        "healthy": faults.is_empty(),
        "heights": heights,
        "records": records,
        "documents": documents,
        "repaired": is_repaired,
        "faults": faults,
    });
    args.common.format.print(&value, |value| {
        let mut fields = Fields::default();
        fields.add("heights", shown(&value["heights"]));
        fields.add("records", shown(&value["records"]));
        fields.add("documents", shown(&value["documents"]));
        if *is_repaired {
            fields.add("repaired", "pages were not in order, and are again");
        }
        for fault in rows(&value["faults"]) {
            fields.add("FAULT", shown(fault));
        }
        let verdict = if faults.is_empty() {
            "All is well."
        } else {
            ""
        };
        format!("{}\n{verdict}", fields.text())
    })?;
    match faults.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Failure::bad_data(format!(
            "{} faults, the first: {}. Keep the directory as it is for whoever looks into it; to go on, move ledger.redb away, \
             `mycnet join` again, and leave journal.redb where it is: it holds what this node has signed. The node then signs \
             nothing but a Rejoin until a seal lists that",
            faults.len(),
            plain(first)
        ))
        .into()),
    }
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
