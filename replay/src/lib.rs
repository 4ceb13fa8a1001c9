//! `mycnet replay`: decides and scores recorded answers of people as a network would.
//!
//! A package of its own, because it needs no node: no disk, no connections, and a small part of their dependencies.
//!
//! | module | knows |
//! |---|---|
//! | `columns` | which column of a header is which |
//! | `input` | files: delimiters, encodings, bad lines |
//! | `answers` | the answers, the plain majority, accuracy |
//! | `remarks`, `spelling` | what people should know about a file, values that look alike |
//! | `driver` | the network: authorities, workers, seals, the order of tasks |
//! | `share` | the share of the weight that a result has to exceed |
//! | `within` | how long a question waits for answers |
//! | `dissent` | who differed from what was decided, and when that came out |
//! | `late` | answers of later waves that differ from what was decided before |
//! | `replayed` | the result of a replay |
//! | `report` | the text and the JSON |
//! | `terminal`, `memory` | the terminal, the process |

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use mycnet_consensus::limits::{OPEN_PROPOSALS_MAX, SET_ITEMS_MAX};

use self::columns::Columns;
use self::report::Report;
use self::share::Share;
use self::terminal::{check_empty, line, note, plain_json, plain_lines, progress};
use self::within::Within;

mod answers;
mod columns;
mod dissent;
mod driver;
mod input;
mod late;
mod memory;
mod remarks;
mod replayed;
mod report;
pub mod share;
mod spelling;
pub mod terminal;
mod within;

pub use self::input::BadInput;

/// The JSON Schema of what `--json` prints.
pub fn report_schema(generator: &mut schemars::SchemaGenerator) -> serde_json::Value {
    generator.subschema_for::<Report>().to_value()
}

/// A Primary and three Seeds: the smallest group that agrees although one member is dishonest.
const AUTHORITIES: usize = 4;

/// An author's limit of open proposals. One authority may propose all tasks of a seal.
#[allow(
    clippy::cast_possible_wrap,
    reason = "a small constant; clap wants this type"
)]
const TASKS_PER_SEAL_MAX: i64 = OPEN_PROPOSALS_MAX as i64;

/// A set of one is a claim.
#[allow(
    clippy::cast_possible_wrap,
    reason = "a small constant; clap wants this type"
)]
const SET_ITEMS: std::ops::RangeInclusive<i64> = 2..=SET_ITEMS_MAX as i64;

/// Tasks that one seal opens by default. Votes are weighed by the skill learned from earlier groups, so a group should be small
/// beside the twenty or so answers that move a score for good. But each group costs two seals with 18 signatures in all, and
/// that should be little beside the cost of the tasks. Two tasks for each authority satisfy both: with four, one in 800
/// yes/no questions fewer is decided rightly, at a twentieth fewer records.
const TASKS_PER_SEAL: u16 = 8;

/// Decide and score crowd answers from a CSV or TSV file as a network would
///
/// Four authorities (a Primary and three Seeds) propose and seal. Every worker is a
/// founding member with its own key. Each task is a claim whose panel is its
/// workers, and each answer becomes a commit and, after the freeze, a reveal. The
/// answer with the most skill behind it is decided (see --share). Four replicas
/// exchange the records and must agree. The report shows the decisions, their
/// accuracy beside the plain majority's where the truth is known, and the skill
/// that workers have earned.
///
/// With --set N, tasks that the same workers answered are asked in claim sets of up
/// to N: one commit and one reveal of a worker for all of them. Each is decided by
/// itself, and a set counts for the skill as one event. The report says what an
/// answer costs in records, bytes and signatures, with sets and without.
///
/// With --in-order, a task is decided when its last answer is in: the seals follow
/// the lines of the file, and its times if it has them. The report says when whose
/// skill fell and was back, when it came out who differed from what was decided,
/// and how many answers could have been copied, had they been public.
///
/// With --within WAIT too, nobody waits for the last answer: a task is decided when
/// WAIT is over after its first one. Later answers are asked for in waves of their
/// own, each with its wait. Who answers otherwise than earlier waves decided is
/// named when its own wave ends. A task has a verdict if a wave decided it and, by
/// the rule of --share, the weight of all its waves is for it; else it is in
/// dispute. A wave of one or two workers moves nobody's skill.
///
/// The first line of FILE names the columns, separated by tabs, commas or
/// semicolons. Common names are found; --columns is for all others, and by numbers
/// for a file without such a line:
///   task    task, item, question, example, unit-id, workunit, orig-id, ...
///   worker  worker, annotator, user, source, host, builder, ...
///   answer  answer, label, response, vote, value, result, hash, ...
///   gold    gold, truth, ground-truth, correct, expert, ...; optional
///   time    time, minute, date, timestamp; for --in-order, and --within needs it
///
/// Several columns may name a task together: --columns task=release+artifact,...
/// Times are numbers of seconds (minutes if the column's name says so, milliseconds
/// from 10^11 on) or dates. Where they go back, they go on from where they were.
///
/// Text is UTF-8, and space around a field is ignored. A worker's first answer to a
/// task counts; the report counts further ones. A task with one or two workers is
/// decided like all others, but it moves nobody's skill.
///
/// At most 1020 workers can answer: a network has at most 1024 members, and the four
/// authorities are members too.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
#[cfg_attr(test, derive(Default))]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The answers, one a line below a header; - reads standard input
    file: PathBuf,

    /// Name the columns, by header or number (from 1); no accuracy without gold
    #[arg(
        long,
        value_name = "task=NAME[+NAME],worker=NAME,answer=NAME[,gold=NAME][,time=NAME]"
    )]
    columns: Option<Columns>,

    /// Take the first line as data; --columns then gives numbers
    #[arg(long, requires = "columns")]
    no_header: bool,

    /// Leave out lines where the task, the worker or the answer is empty
    #[arg(long)]
    skip_incomplete: bool,

    /// Choose the order of tasks and the keys: same seed and file, same digests
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Choose the order of delivery between replicas, which never changes a digest
    #[arg(long, value_name = "N", default_value_t = 1)]
    delivery_seed: u64,

    /// Set the number of tasks that one seal opens
    #[arg(
        long,
        value_name = "N",
        default_value_t = TASKS_PER_SEAL,
        value_parser = clap::value_parser!(u16).range(1..=TASKS_PER_SEAL_MAX)
    )]
    tasks_per_seal: u16,

    /// Ask for tasks in claim sets of up to N, put together by who answered them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(SET_ITEMS))]
    set: Option<u16>,

    /// Keep the file's order, let the seals follow its time, and say when what came out
    #[arg(long)]
    in_order: bool,

    /// Wait so long (1d, 36h, 90m) after the first answer to a task, and ask for later ones in waves of their own
    #[arg(long, value_name = "WAIT", requires = "in_order")]
    within: Option<Within>,

    /// Take a result of more weight than any other (plurality), half (majority), or a part such as 2/3 or 66.7%
    #[arg(long, value_name = "SHARE", default_value = "plurality")]
    share: Share,

    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,

    /// Write genesis, documents and certificates into DIR, new or empty
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

/// Runs `mycnet replay`: reads, replays, reports.
///
/// # Errors
///
/// [`BadInput`] where the file's content is at fault; anything else failed while running.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let reading = input::Reading {
        columns: args.columns.as_ref(),
        has_no_header: args.no_header,
        skip_incomplete: args.skip_incomplete,
        in_order: args.in_order,
        needs_time: args.within.is_some(),
    };
    if !args.in_order && args.columns.as_ref().is_some_and(Columns::has_time) {
        note("the time is not used without --in-order");
    }
    let answers = input::read(&args.file, reading)?;
    for remark in remarks::of(&answers) {
        note(&remark);
    }
    if let Some(directory) = &args.export {
        // This comes first, so that no work is lost if the directory cannot be used.
        check_empty(directory).context("--export")?;
        fs::create_dir_all(directory)
            .with_context(|| format!("--export {}", directory.display()))?;
    }

    let bar = progress(answers.tasks.len(), "tasks closed {msg}");
    #[allow(
        clippy::disallowed_methods,
        reason = "measures the command from outside; the core never sees it"
    )]
    let start = std::time::Instant::now();
    let replayed = driver::run(&answers, args, &bar)?;
    let elapsed = start.elapsed();
    bar.finish_and_clear();

    let peak = memory::peak_memory_bytes();
    let report = Report::new(&answers, args, replayed, elapsed, peak);
    let text = if args.json {
        report.json()?
    } else {
        report.to_string()
    };
    let text = text.trim_end_matches('\n');
    if args.json {
        line(&plain_json(text))?;
    } else {
        line(&plain_lines(text))?;
    }
    if !report.replicas_agree() {
        bail!(
            "the replicas do not agree, which must never happen: please report it with the seeds above"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Args as _;
    use mycnet_consensus::limits::MEMBERS_MAX;

    use super::*;

    #[test]
    fn the_help_has_the_limits() {
        let mut command = Args::augment_args(clap::Command::new("replay"));
        let help = command.render_long_help().to_string();
        let workers = MEMBERS_MAX - AUTHORITIES;
        assert!(
            help.contains(&format!("At most {workers} workers can answer")),
            "{help}"
        );
        assert!(
            help.contains(&format!("at most {MEMBERS_MAX} members")),
            "{help}"
        );
        assert!(
            help.lines().all(|line| line.chars().count() <= 120),
            "{help}"
        );
    }
}
