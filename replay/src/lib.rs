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
//! | `replayed` | the result of a replay |
//! | `report` | the text and the JSON |
//! | `terminal`, `memory` | the terminal, the process |

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use mycnet_consensus::limits::OPEN_PROPOSALS_MAX;

use self::columns::Columns;
use self::report::Report;
use self::terminal::{check_empty, line, note, progress};

mod answers;
mod columns;
mod driver;
mod input;
mod memory;
mod remarks;
mod replayed;
mod report;
mod spelling;
pub mod terminal;

pub use self::input::BadInput;

/// A Primary and three Seeds: the smallest group that agrees although one member is dishonest.
const AUTHORITIES: usize = 4;

/// An author's limit of open proposals. One authority may propose all tasks of a seal.
#[allow(
    clippy::cast_possible_wrap,
    reason = "a small constant; clap wants this type"
)]
const TASKS_PER_SEAL_MAX: i64 = OPEN_PROPOSALS_MAX as i64;

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
/// answer with the most skill behind it is decided (plurality). Four replicas
/// exchange the records and must agree. The report shows the decisions, their
/// accuracy beside the plain majority's where the truth is known, and the skill
/// that workers have earned.
///
/// The first line of FILE names the columns, separated by tabs, commas or
/// semicolons. Common names are found; --columns is for all others, and by numbers
/// for a file without such a line:
///   task    task, item, question, example, unit-id, workunit, orig-id, ...
///   worker  worker, annotator, user, source, host, ...
///   answer  answer, label, response, vote, value, result, ...
///   gold    gold, truth, ground-truth, correct, expert, ...; optional
///
/// Text is UTF-8, and space around a field is ignored. A worker's first answer to a
/// task counts; the report counts further ones. A task with one or two workers is
/// decided like all others, but it moves nobody's skill.
#[cfg_attr(test, derive(Default))]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The answers, one a line below a header; - reads standard input
    file: PathBuf,

    /// Name the columns, by header or number (from 1); no accuracy without gold
    #[arg(long, value_name = "task=NAME,worker=NAME,answer=NAME[,gold=NAME]")]
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
    };
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
    line(text.trim_end_matches('\n'))?;
    if !report.replicas_agree() {
        bail!(
            "the replicas do not agree, which must never happen: please report it with the seeds above"
        );
    }
    Ok(())
}
