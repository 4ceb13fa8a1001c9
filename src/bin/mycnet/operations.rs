//! `mycnet operations`: a list of what is and was decided.

use mycnet_consensus::Class;
use serde_json::Value;

use crate::arguments::NodeArg;
use crate::failure::EXIT_CODES;
use crate::home::Common;
use crate::output::{Table, ballot, rows, shown};
use crate::request::{Filter, Request};
use crate::session;

/// Lists operations: those not sealed yet, open ones, closed ones.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Only those that are not closed
    #[arg(long, conflicts_with = "closed")]
    open: bool,

    /// Only those that are closed
    #[arg(long)]
    closed: bool,

    /// Only of this class
    #[arg(long)]
    class: Option<OfClass>,

    /// Only of this kind, as `network_configuration` or claim
    #[arg(long)]
    kind: Option<String>,

    /// Only by this proposer
    #[arg(long, value_name = "NODE")]
    by: Option<NodeArg>,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OfClass {
    Critical,
    Claim,
    Standard,
}

/// Runs `mycnet operations`.
///
/// # Errors
///
/// If there is no node.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    session::with(&home, async |session| {
        let by = match &args.by {
            Some(node) => Some(session.node(node).await?),
            None => None,
        };
        let filter = Filter {
            is_open: (args.open || args.closed).then_some(args.open),
            class: args.class.map(|class| match class {
                OfClass::Critical => Class::Critical,
                OfClass::Claim => Class::Claim,
                OfClass::Standard => Class::Standard,
            }),
            kind: args.kind.as_ref().map(|kind| kind.replace('-', "_")),
            by,
        };
        let value = session.ask(Request::Operations(filter)).await?;
        args.common.format.print(&value, text)
    })
}

fn text(value: &Value) -> String {
    let mut table = Table::new(&["OPERATION", "KIND", "PHASE", "OUTCOME", "SUBJECT"]);
    for row in rows(&value["operations"]) {
        let mut outcome = ballot(&row["outcome"]);
        if let Some(reason) = row["refused_effect"].as_str() {
            outcome = format!("{outcome} (no effect: {reason})");
        }
        let (kind, phase) = (shown(&row["kind"]), shown(&row["phase"]));
        table.row([
            shown(&row["operation"]),
            kind,
            phase,
            outcome,
            shown(&row["subject"]),
        ]);
    }
    table.or("no operations")
}
