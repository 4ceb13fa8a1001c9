//! `mycnet operations` and `mycnet votes`: what is and was decided, and who voted what.

use mycnet_consensus::Class;
use mycnet_consensus::engine::{Clock as _, SystemClock};

use crate::arguments::{NodeRef, named};
use crate::builds::Since;
use crate::home::Common;
use crate::names::node_shown;
use crate::output::{Table, ballot_shown, outcome_shown, short};
use crate::reply::{Keys, OperationLine, Operations, Votes};
use crate::request::{Filter, Request, votes_shown};
use crate::{client, warnings};

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

    /// List at most so many, from the newest on
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// List what was opened or decided since then: 24h, 90m, 7d before the last seal, or a height
    #[arg(long, value_name = "TIME|HEIGHT")]
    since: Option<Since>,

    #[command(flatten)]
    common: Common,
}

/// Show who voted what, from the newest operations on
#[derive(Debug, clap::Args)]
pub(crate) struct VotesArgs {
    /// Show this node's own votes, also those that nobody else knows yet
    #[arg(long, conflicts_with = "by")]
    mine: bool,

    /// Show the votes of this member, by its name or id
    #[arg(long, value_name = "NODE")]
    by: Option<NodeRef>,

    /// Show the votes on at most so many operations
    #[arg(long, value_name = "N", default_value_t = votes_shown())]
    limit: usize,

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
            from_height: match args.since {
                Some(since) => Some(client.ask(Request::FirstHeight { since }).await?),
                None => None,
            },
            limit: args.limit,
            after: None,
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
        "SEALED",
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
            &sealed(line),
            &outcome,
            &names.shown(&line.proposer),
            &names.subject(&line.kind, &line.subject),
            &line.rule.map_or_else(String::new, |rule| rule.to_string()),
        ]);
    }
    table.or("no operations")
}

/// The seal that decided or opened it, and how long ago that was.
fn sealed(line: &OperationLine) -> String {
    let Some((height, time_ms)) = line.height.zip(line.time_ms) else {
        return "-".to_owned();
    };
    let span = SystemClock.now_ms().saturating_sub(time_ms);
    format!("{height}, {} ago", warnings::span(span))
}

pub(crate) fn votes(args: &VotesArgs) -> anyhow::Result<()> {
    let votes = client::with(&args.common, async |client| {
        let by = match &args.by {
            Some(node) => Some(client.node(node).await?),
            None if args.mine => {
                let keys: Keys = client.ask(Request::Keys).await?;
                Some(keys.node)
            }
            None => None,
        };
        let (limit, after) = (args.limit, None);
        client.ask(Request::Votes { by, limit, after }).await
    })?;
    args.common.format.print(&votes, votes_text)
}

fn votes_text(votes: &Votes) -> String {
    let heads = [
        "OPERATION",
        "KIND",
        "SUBJECT",
        "SEALED",
        "WHO",
        "VOTE",
        "OUTCOME",
    ];
    let mut table = Table::new(&heads);
    for on in &votes.operations {
        let line = &on.line;
        let outcome = line.outcome.as_ref();
        let outcome = outcome.map_or_else(String::new, outcome_shown);
        let mut row = |who: &str, vote: &str| {
            table.row(&[
                &short(&line.operation),
                &line.kind,
                &line.subject,
                &sealed(line),
                &who,
                &vote,
                &outcome,
            ]);
        };
        // The own vote stands by itself only as long as nobody else can see it.
        let is_seen = on.votes.iter().any(|vote| vote.ballot == on.own_ballot);
        if let Some(own) = on.own_ballot.as_ref().filter(|_| !is_seen) {
            row("this node", &ballot_shown(own));
        }
        for vote in &on.votes {
            let who = node_shown(&vote.node, vote.name.as_ref());
            let ballot = vote.ballot.as_ref();
            let ballot = ballot.map_or_else(|| "not revealed".to_owned(), ballot_shown);
            row(&who, &ballot);
        }
    }
    table.or("no votes")
}
