//! `mycnet builds plan`: puts what is wanted into claim sets.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use mycnet_builds::plan::{Wanted, canaries, canary_of, pack};
use mycnet_builds::{Options, Subjects};
use mycnet_consensus::limits::SET_ITEMS_MAX;
use mycnet_consensus::{ClaimItem, OperationId};
use schemars::JsonSchema;
use serde::Serialize;

use super::ask::{ASK_BYTES, Ask, Proposed, size_of};
use super::submit::{Names, refuse_past};
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::home::Common;
use crate::output::{Table, counted, note, plain, progress, short};
use crate::propose::Asked;
use crate::reply::SealTime;
use crate::request::Request;

/// Items of which the node is asked at once whether they were asked.
const ITEMS_TOGETHER: usize = 2000;

/// Ask the network for the results of many builds, in claim sets
///
/// FILE is a list of what is wanted, a purl, URL or path in each line and, behind a
/// tab, an input (64 hexadecimal digits, or hex:DIGITS); or anything that `mycnet
/// builds submit` reads, of which the results are not looked at; - is standard
/// input. What a set has asked before is left out, so planning again asks for the
/// rest. Builders answer for the same names, so name files as they do.
///
/// A canary is an item whose result nobody can know without building. It repeats a
/// wanted item with #canary behind its name and a random nonce as its input.
/// Builders set `SOURCE_DATE_EPOCH` to the first four bytes of the nonce as a
/// big-endian number without its highest bit, build, and answer with the SHA-256
/// of the nonce followed by what came out:
///
///   { printf %s "$nonce" | xxd -r -p; cat FILE; } | sha256sum
///
/// They submit that as a table with the columns subject, input and sha256.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The files with what is wanted
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Put at most this many items into a set
    #[arg(long = "set", value_name = "N", default_value_t = SET_ITEMS_MAX)]
    #[arg(value_parser = items_max)]
    items_max: usize,

    /// Name what is planned; the day of the last seal unless given
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,

    /// Add this many canaries
    #[arg(long, value_name = "N", default_value_t = 0)]
    canaries: usize,

    #[command(flatten)]
    asked: Asked,

    #[command(flatten)]
    names: Names,

    /// Show the sets, and propose nothing
    #[arg(long)]
    dry_run: bool,

    /// Sign although this directory seems to be a copy and no node runs in it
    #[arg(long)]
    from_copy: bool,
}

fn items_max(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=SET_ITEMS_MAX).contains(count));
    count.ok_or_else(|| format!("a claim set has 1 to {SET_ITEMS_MAX} items"))
}

/// The answer of `plan`.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "BuildsPlan")]
pub(super) struct Plan {
    /// The sets that were proposed; with --dry-run, those that would be.
    sets: Vec<PlannedSet>,
    /// Items that a set had asked before.
    asked_before: usize,
    /// How often the files name an item again.
    repeated: usize,
    /// Sets and items that were not proposed, because this node has as many open proposals as it may have.
    remaining_sets: usize,
    remaining_items: usize,
    problems: Vec<String>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct PlannedSet {
    /// None with --dry-run.
    operation: Option<OperationId>,
    subject: String,
    items: Vec<ClaimItem>,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    let (wanted, problems) = wanted(&args.files, &args.names.subjects());
    let plan = client::with(common, async |client| {
        refuse_past(client)?;
        plan(client, args, wanted, problems).await
    })?;
    common.format.print(&plan, text)?;
    match plan.problems.len() {
        0 => Ok(()),
        count => Err(Failure::bad_data(format!(
            "{}, told above by file and line; everything else was planned",
            counted(count, "problem")
        ))
        .into()),
    }
}

/// What the files ask for, and what is wrong with them.
fn wanted(files: &[PathBuf], subjects: &Subjects) -> (Wanted, Vec<String>) {
    let mut wanted = Wanted::new(Options {
        subjects: subjects.clone(),
        ..Options::default()
    });
    let mut problems = Vec::new();
    let mut on_problem = |problem: mycnet_builds::plan::WantedProblem| {
        let problem = problem.to_string();
        note(&plain(&problem));
        problems.push(problem);
    };
    for file in files {
        if file == Path::new("-") {
            wanted.read(file, io::stdin().lock(), &mut on_problem);
        } else {
            wanted.read_path(file, &mut on_problem);
        }
    }
    (wanted, problems)
}

async fn plan(
    client: &Client,
    args: &Args,
    wanted: Wanted,
    problems: Vec<String>,
) -> anyhow::Result<Plan> {
    let panel = args.asked.panel(client).await?;
    let rule = args.asked.rule(client).await?;
    let (repeated, items) = (wanted.repeated(), wanted.into_items());
    let count = items.len();
    let mut new = unasked(client, items).await?;
    let asked_before = count - new.len();
    new.extend(canaries(&new, args.canaries, getrandom::fill)?);
    let sets = pack(new, args.items_max);
    let subjects = subjects(client, args, sets.len()).await?;
    let mut sets = subjects.into_iter().zip(sets);
    let mut plan = Plan {
        sets: Vec::new(),
        asked_before,
        repeated,
        remaining_sets: 0,
        remaining_items: 0,
        problems,
    };
    if !args.dry_run && sets.len() > 0 {
        client.check_before_signing(args.from_copy).await?;
    }
    let bar = progress(sets.len(), "sets");
    while let Some((subject, items)) = sets.next() {
        let mut operation = None;
        if !args.dry_run {
            let propose = Ask::Propose {
                subject: subject.clone(),
                items: items.clone(),
                panel: panel.clone(),
                rule,
            };
            match client.ask(Request::Builds(propose)).await? {
                Proposed::Operation(proposed) => operation = Some(proposed),
                Proposed::Full { open } => {
                    let left = sets.map(|(_, items)| items.len());
                    let left: Vec<usize> = left.chain([items.len()]).collect();
                    (plan.remaining_sets, plan.remaining_items) = (left.len(), left.iter().sum());
                    bar.finish_and_clear();
                    note(&remaining(&plan, open));
                    break;
                }
            }
        }
        plan.sets.push(PlannedSet {
            operation,
            subject,
            items,
        });
        bar.inc(1);
    }
    if plan.sets.iter().any(|set| set.operation.is_some()) {
        client.note_unsent();
    }
    Ok(plan)
}

fn remaining(plan: &Plan, open: usize) -> String {
    format!(
        "{} items in {} sets are not asked yet: this node has {open} open proposals, the most it may have. Plan the same files \
         again once some are closed (`mycnet operations --open`), or have another member plan them",
        plan.remaining_items, plan.remaining_sets
    )
}

/// The items that no set has asked.
async fn unasked(client: &Client, items: Vec<ClaimItem>) -> anyhow::Result<Vec<ClaimItem>> {
    let (mut new, mut items) = (Vec::new(), items.into_iter().peekable());
    let bar = progress(items.len(), "items looked up");
    while items.peek().is_some() {
        let (mut together, mut bytes) = (Vec::new(), 0);
        while together.len() < ITEMS_TOGETHER
            && let Some(item) = items.next_if(|item| bytes + size_of(item) <= ASK_BYTES)
        {
            bytes += size_of(&item);
            together.push(item);
        }
        let ask = Ask::Asked {
            items: together.clone(),
        };
        let asked: Vec<bool> = client.ask(Request::Builds(ask)).await?;
        bar.inc(together.len() as u64);
        let unasked = together.into_iter().zip(asked);
        new.extend(unasked.filter(|(_, asked)| !asked).map(|(item, _)| item));
    }
    Ok(new)
}

/// The subjects of so many sets.
async fn subjects(client: &Client, args: &Args, count: usize) -> anyhow::Result<Vec<String>> {
    let subject = if let Some(subject) = &args.subject {
        subject.clone()
    } else {
        let last: SealTime = client.ask(Request::SealTime).await?;
        format!("builds {}", day_of(last.time_ms))
    };
    Ok(match count {
        1 => vec![subject],
        count => (1..=count)
            .map(|n| format!("{subject} ({n} of {count})"))
            .collect(),
    })
}

/// The day of a time in milliseconds since 1970, in UTC. Days are counted from the first of March, so that a leap day is the last of its
/// year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn day_of(time_ms: u64) -> String {
    let days = time_ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

fn text(plan: &Plan) -> String {
    let mut table = Table::new(&["OPERATION", "ITEMS", "CANARIES", "SUBJECT"]);
    for set in &plan.sets {
        let marked = |item: &&ClaimItem| canary_of(&item.subject).is_some();
        let operation = set.operation.as_ref().map_or_else(|| "-".to_owned(), short);
        let canaries = set.items.iter().filter(marked).count();
        table.row(&[&operation, &set.items.len(), &canaries, &set.subject]);
    }
    let mut text = table.or("nothing new to ask\n");
    for (count, what) in [
        (plan.asked_before, "asked before, and left out"),
        (plan.repeated, "named again by the files, and asked once"),
    ] {
        if count > 0 {
            // Writing into a `String` never fails.
            let _ = writeln!(text, "{}: {what}", counted(count, "item"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::day_of;

    #[test]
    fn days_are_those_of_the_calendar() {
        const DAY_MS: u64 = 86_400_000;
        for (time_ms, day) in [
            (0, "1970-01-01"),
            (DAY_MS - 1, "1970-01-01"),
            (951_782_399_999, "2000-02-28"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_798_761_599_999, "2026-12-31"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(day_of(time_ms), day);
        }
    }
}
