//! `mycnet operations`: a list of what is and was decided.

use mycnet_consensus::Class;

use crate::arguments::{NodeRef, named};
use crate::client;
use crate::home::Common;
use crate::output::{Table, outcome_shown};
use crate::reply::Operations;
use crate::request::{Filter, Request};

/// List operations: those not sealed yet, open ones, closed ones
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List only operations that are not closed
    #[arg(long, conflicts_with = "closed")]
    open: bool,

    /// List only closed operations
    #[arg(long)]
    closed: bool,

    /// List only this class
    #[arg(long, value_parser = named::<Class>(&["critical", "claim", "standard"]))]
    class: Option<Class>,

    /// List only this kind, named as `mycnet propose` names it or in full
    #[arg(long, hide_possible_values = true)]
    kind: Option<OfKind>,

    /// List only operations of this proposer, by its name or id
    #[arg(long, value_name = "NODE")]
    by: Option<NodeRef>,

    #[command(flatten)]
    common: Common,
}

/// The kinds by the names in operations, and by those of `mycnet propose`.
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
    fn name(self) -> Option<String> {
        let value = clap::ValueEnum::to_possible_value(&self)?;
        Some(value.get_name().to_owned())
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let operations = client::with(&args.common, async |client| {
        let by = match &args.by {
            Some(node) => Some(client.node(node).await?),
            None => None,
        };
        let filter = Filter {
            is_open: (args.open || args.closed).then_some(args.open),
            class: args.class,
            kind: args.kind.and_then(OfKind::name),
            by,
        };
        client.ask(Request::Operations(filter)).await
    })?;
    args.common.format.print(&operations, text)
}

fn text(Operations { operations, names }: &Operations) -> String {
    let heads = [
        "OPERATION",
        "KIND",
        "PHASE",
        "OUTCOME",
        "BY",
        "SUBJECT",
        "RULE",
    ];
    let mut table = Table::new(&heads);
    for line in operations {
        let mut outcome = line
            .outcome
            .as_ref()
            .map_or_else(String::new, outcome_shown);
        if let Some(reason) = &line.refused_effect {
            outcome = format!("{outcome} (no effect: {reason})");
        }
        table.row(&[
            &line.operation,
            &line.kind,
            &line.phase,
            &outcome,
            &names.shown(&line.proposer),
            &names.subject(&line.kind, &line.subject),
            &line.rule.map_or_else(String::new, |rule| rule.to_string()),
        ]);
    }
    table.or("no operations")
}
