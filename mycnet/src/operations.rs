//! `mycnet operations`: a list of what is and was decided.

use mycnet_consensus::Class;
use serde_json::Value;

use crate::arguments::NodeArg;
use crate::home::Common;
use crate::output::{Table, ballot, rows, shown};
use crate::request::{Filter, Request};
use crate::session;

/// Lists operations: those not sealed yet, open ones, closed ones.
#[derive(Debug, clap::Args)]
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

    /// Only of this kind, named as `mycnet propose` names it or in full
    #[arg(long, hide_possible_values = true)]
    kind: Option<OfKind>,

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

/// The kinds by the names that operations carry, and as `mycnet propose` knows them.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum OfKind {
    #[value(aliases = ["config", "network-configuration"])]
    NetworkConfiguration,
    #[value(aliases = ["policy", "security-policy-update"])]
    SecurityPolicyUpdate,
    #[value(aliases = ["trust", "trust-score-modification"])]
    TrustScoreModification,
    #[value(aliases = ["admission", "node-admission"])]
    NodeAdmission,
    #[value(aliases = ["exclusion", "node-exclusion"])]
    NodeExclusion,
    #[value(aliases = ["role", "spore-assignment"])]
    SporeAssignment,
    #[value(aliases = ["service", "service-deployment"])]
    ServiceDeployment,
    #[value(aliases = ["resource", "resource-allocation"])]
    ResourceAllocation,
    #[value(aliases = ["maintenance", "routine-maintenance"])]
    RoutineMaintenance,
    #[value(aliases = ["performance", "performance-optimization"])]
    PerformanceOptimization,
    Claim,
}

impl OfKind {
    fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
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
            kind: args.kind.map(OfKind::name),
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
