//! `mycnet builds report`: what was decided, and who differed from whom in what.

use std::fmt::Write as _;

use mycnet_builds::{Answer, Builder, Builders, Report, Reporter};
use mycnet_consensus::node::Node;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::people::{as_builders, shown};
use super::since::Since;
use crate::client;
use crate::failure::Failure;
use crate::home::Common;
use crate::output::{Table, percent};
use crate::request::Request;

/// Disputes and packages that people are shown; `--json` has more.
const SHOWN: usize = 30;

/// Show what was decided about builds, and who differed from whom in what
///
/// Of each builder: what it was asked, and how much of that it ANSWERED; where its
/// answer AGREED with the ledger's result, and where it DIFFERED; where it gave ALONE
/// what nobody else gave. CANARIES are items whose result nobody knows without
/// building: how many of them it got right.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Show only what differs
    #[arg(long)]
    dissent: bool,

    /// Begin with what was decided so long before the last seal (24h, 90m, 7d), at a height, or all
    #[arg(long, value_name = "TIME|HEIGHT|all", default_value = "24h")]
    since: Since,
}

/// The answer of `report`.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Reported {
    /// The heights that decided what it is about.
    from: u64,
    height: u64,
    #[serde(flatten)]
    report: Report,
    /// Those who were asked, as far as they are members.
    members: Vec<Builder>,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    let since = args.since;
    let ask = Request::Builds(Ask::Report { since });
    let mut reported: Reported = client::ask(common, ask)?;
    if args.dissent {
        reported.report = reported.report.of_dissent();
    }
    let is_dissent = args.dissent;
    common
        .format
        .print(&reported, |reported| text(reported, is_dissent))
}

/// Reports on a node's ledger.
pub(super) fn report(node: &Node, since: Since) -> Result<Reported, Failure> {
    let engine = node.engine();
    let (from, height) = (since.height(engine)?, engine.height());
    let builders = as_builders(engine.roster());
    let mut reporter = Reporter::new(&builders);
    let decided = engine.decided_since(from)?;
    for set in decided.iter().filter(|it| it.kind == "claim_set") {
        if let Some(set) = engine.decided(&set.operation)? {
            reporter.add(&set.shown()).map_err(Failure::failed)?;
        }
    }
    let report = reporter.report();
    let asked = report.builders.iter();
    let members = asked.filter_map(|line| builders.get(&line.node)).cloned();
    let members = members.collect();
    Ok(Reported {
        from,
        height,
        report,
        members,
    })
}

fn text(reported: &Reported, is_dissent: bool) -> String {
    let (report, builders) = (&reported.report, Builders::new(reported.members.clone()));
    let mut text = format!(
        "heights {} to {}: {} sets, {} items; {} decided, {} in dispute, {} without an answer\n",
        reported.from,
        reported.height,
        report.sets,
        report.items,
        report.decided,
        report.in_dispute,
        report.unanswered
    );
    let heads = [
        "BUILDER", "SKILL", "ASKED", "ANSWERED", "AGREED", "DIFFERED", "ALONE", "MISSING",
        "CANARIES",
    ];
    let mut table = Table::new(&heads);
    for line in &report.builders {
        let skill = builders.get(&line.node).and_then(|it| it.skill_ppm);
        table.row(&[
            &shown(&line.node, &builders),
            &skill.map_or_else(|| "-".to_owned(), percent),
            &line.asked,
            &line.answered,
            &line.agreed,
            &line.differed,
            &line.alone,
            &line.missing,
            &format!("{} of {}", line.canaries_agreed, line.canaries),
        ]);
    }
    // Writing into a `String` never fails.
    let _ = write!(text, "\n{}", table.or("nobody differed\n"));
    let mut packages = Table::new(&["PACKAGE", "ITEMS", "DECIDED", "IN DISPUTE"]);
    let all = report.packages.iter();
    let unlike = all.filter(|it| it.in_dispute > 0 || (!is_dissent && it.decided < it.items));
    let unlike: Vec<_> = unlike.collect();
    for line in unlike.iter().take(SHOWN) {
        packages.row(&[&line.package, &line.items, &line.decided, &line.in_dispute]);
    }
    let _ = write!(text, "\n{}", packages.or("all packages are decided\n"));
    text += &more(unlike.len());
    let mut disputes = Table::new(&["IN DISPUTE", "HEIGHT", "RESULT", "WHO GAVE WHAT"]);
    for dispute in report.disputes.iter().take(SHOWN) {
        let results = dispute.answers.iter().map(|it| it.result.to_string());
        let digits = telling(&results.collect::<Vec<_>>());
        let result = dispute.result.as_ref();
        let result = result.map_or_else(|| "none".to_owned(), |it| first(it, digits));
        let who: Vec<String> = dispute
            .answers
            .iter()
            .map(|it| given(it, digits, &builders))
            .collect();
        disputes.row(&[&dispute.subject, &dispute.height, &result, &who.join("; ")]);
    }
    let _ = write!(text, "\n{}", disputes.or("nothing is in dispute\n"));
    text += &more(report.in_dispute);
    text
}

fn more(count: usize) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("and {more} more: --json has them\n"),
    }
}

/// How many digits tell these results apart. Eight do, unless somebody looked for results that begin alike.
fn telling(results: &[String]) -> usize {
    let mut sorted: Vec<&str> = results.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let alike = sorted.windows(2).map(|pair| {
        let (one, other) = (pair[0].bytes(), pair[1].bytes());
        one.zip(other)
            .take_while(|(one, other)| one == other)
            .count()
    });
    alike.max().map_or(8, |alike| alike + 1).max(8)
}

fn first(id: &impl ToString, digits: usize) -> String {
    let mut id = id.to_string();
    id.truncate(digits);
    id
}

fn given(answer: &Answer, digits: usize, builders: &Builders) -> String {
    let by: Vec<String> = answer.by.iter().map(|key| shown(key, builders)).collect();
    format!("{}: {}", first(&answer.result, digits), by.join(", "))
}

#[cfg(test)]
mod tests {
    use super::telling;

    #[test]
    fn results_that_begin_alike_are_told_apart() {
        let results = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        for (given, digits) in [
            (&[][..], 8),
            (&["0123456789"], 8),
            (&["0123456789", "1123456789"], 8),
            (&["0123456709", "9", "0123456789"], 9),
        ] {
            assert_eq!(telling(&results(given)), digits, "{given:?}");
        }
    }
}
