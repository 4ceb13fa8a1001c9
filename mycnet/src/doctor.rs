//! `mycnet doctor`: checks of everything in a node's directory.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use mycnet_consensus::core::SigningState;
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::store::{CheckReport, Store};
use mycnet_consensus::{Identity, Signer as _};

use crate::builds;
use crate::databases::{damaged, fetch_again, open_store, rejoins, unless_locked};
use crate::failure::Failure;
use crate::home::last_run::LastRun;
use crate::home::{Common, Home};
use crate::output::{Fields, plain};
use crate::reply::{Clocks, Health, Twin};
use crate::warnings;

/// Check this node's directory: keys, settings, and all of the databases
///
/// Every seal is followed from the genesis, with every certificate, record and
/// signature, and every document is built again, and the results of builds are
/// compared with their digests. So the check takes as long as a
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
    home.author()?;
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
    let author = home.author()?;
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
        operations,
        is_repaired,
        faults,
    } = report?;
    // A damaged store does not load; its faults say enough.
    let (cannot_sign, warnings) = if faults.is_empty() {
        cannot_sign(&home, &store, author, has_journal)?
    } else {
        (None, Vec::new())
    };
    let mut book = builds::check(&home, store.network_id())?;
    let health = Health {
        healthy: faults.is_empty() && cannot_sign.is_none() && book.faults.is_empty(),
        heights,
        records,
        operations,
        repaired: is_repaired,
        builds: book.health.take(),
        faults: faults
            .iter()
            .chain(&cannot_sign)
            .chain(&book.faults)
            .cloned()
            .collect(),
        warnings: warnings.into_iter().chain(book.warning).collect(),
    };
    args.common.format.print(&health, text)?;
    let failure = match (faults.as_slice(), cannot_sign) {
        ([], None) => match book.faults.first() {
            None => return Ok(()),
            Some(first) => builds::damaged(&home, &plain(first)),
        },
        ([], Some(reason)) => reason,
        ([first, ..], _) => format!(
            "{} faults, the first: {}. Keep a copy of the directory for the person who looks into it; to go on, {}",
            faults.len(),
            plain(first),
            fetch_again(&home)
        ),
    };
    Err(Failure::bad_data(failure).into())
}

/// Why the node cannot sign, if so; and what else a person should see to.
fn cannot_sign(
    home: &Home,
    store: &Store,
    author: Identity,
    has_journal: bool,
) -> anyhow::Result<(Option<String>, Vec<String>)> {
    let (me, now_ms) = (author.node_id(), SystemClock.now_ms());
    let loaded = store.load(Arc::new(author), now_ms);
    let loaded = loaded.map_err(|error| damaged(home, &error))?;
    let state = loaded.core.ledger().state();
    let own = state.roster().get(&me);
    let ahead_ms = state.time_ms().saturating_sub(now_ms);
    let warnings = see_to(
        home,
        (ahead_ms > state.params().drift_ms).then_some(ahead_ms),
    );
    if own.is_some_and(mycnet_consensus::internals::roster::Member::is_banned) {
        return Ok((Some(warnings::banned().to_owned()), warnings));
    }
    let twin = || warnings::twin(&Twin::default(), &home.option());
    let why = match (loaded.core.signing_state(), loaded.journal_lost) {
        (SigningState::Twin, _) => Some(twin()),
        _ if !has_journal => Some(format!(
            "the journal, journal.redb, is gone. {}",
            rejoins(home)
        )),
        (_, Some(lost)) => Some(format!("{lost}. {}", rejoins(home))),
        (SigningState::Ready, None) => None,
        // That is how the ledger of a network looks that the node has left.
        (SigningState::Refounded, None) if home.is_past() => None,
        (SigningState::Rejoining, None) => Some(format!(
            "the journal was lost, and no seal lists the Rejoin yet. {}",
            rejoins(home)
        )),
        (signing, None) => Some(format!("this node does not sign: {}", signing.name())),
    };
    Ok((why, warnings))
}

/// What is no fault of the directory.
fn see_to(home: &Home, seal_ahead_ms: Option<u64>) -> Vec<String> {
    let last = LastRun::read(home);
    let mut warnings = warnings::clocks(&Clocks {
        seal_ahead_ms,
        ..Clocks::default()
    });
    warnings.extend(last.clock.as_ref().map(|found| {
        let text = warnings::own_clock(found.off_ms, found.peers);
        format!("when the node last ran with others, {text}")
    }));
    if last.is_elsewhere(home) {
        warnings.push(warnings::copy(&home.option()));
    }
    warnings
}

fn text(health: &Health) -> String {
    let mut fields = Fields::default();
    fields
        .add("heights", health.heights)
        .add("records", health.records)
        .add("operations", health.operations);
    if let Some(book) = &health.builds {
        let what = format!(
            "{} waiting, {} committed, {} originals",
            book.waiting, book.committed, book.originals
        );
        fields.add("results of builds", what);
    }
    if health.repaired {
        fields.add("repaired", "pages were not in order, and are again");
    }
    for fault in &health.faults {
        fields.add("FAULT", fault);
    }
    for warning in &health.warnings {
        fields.add("WARNING", warning);
    }
    let is_well = health.healthy && health.warnings.is_empty();
    let verdict = if is_well { "All is well." } else { "" };
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
