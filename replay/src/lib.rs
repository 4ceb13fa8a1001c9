//! `mycnet replay`: real answers of real people, decided and scored as a network would.
//!
//! A package of its own, because it needs no node: no disk, no connections, and a small part of their dependencies.
//!
//! | module | knows |
//! |---|---|
//! | `columns` | which column of a header is which |
//! | `input` | files: delimiters, encodings, bad lines |
//! | `answers` | what was answered, the plain majority, accuracy |
//! | `order` | in which order tasks are asked |
//! | `driver` | the network: authorities, workers, seals |
//! | `replayed` | what a finished replay is |
//! | `report` | what people and programs are shown |
//! | `terminal`, `progress`, `memory` | the terminal, the process |

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use mycnet_consensus::limits::OPEN_PROPOSALS_MAX;

use self::columns::Columns;
use self::driver::Options;
use self::progress::Progress;
use self::report::Report;
use self::terminal::{check_empty, line, note};

mod answers;
mod columns;
mod driver;
mod input;
mod memory;
mod order;
mod progress;
mod replayed;
mod report;
pub mod terminal;

pub use self::input::BadInput;

/// A Primary and three Seeds: the smallest group that still agrees with one of it lying.
const AUTHORITIES: usize = 4;

/// An author's limit of open proposals: more tasks than that cannot be open at once if one authority proposes them all.
#[allow(
    clippy::cast_possible_wrap,
    reason = "a small constant; clap wants this type"
)]
const TASKS_PER_SEAL_MAX: i64 = OPEN_PROPOSALS_MAX as i64;

/// Tasks that one seal opens, unless told otherwise. Votes are weighed by the trust learned from the groups before, so that a
/// group should be small beside the twenty or so answers after which a score has moved for good. But each group costs two
/// seals with 18 signatures in all, whatever it holds, and that should be little beside what the tasks themselves cost. Four
/// for each authority is both.
const TASKS_PER_SEAL: u16 = 16;

/// Decides and scores crowd answers from a CSV or TSV file as a network would.
///
/// Four authorities (a Primary and three Seeds) seal and propose, every worker is
/// a founding member with a key of its own, each task is a claim whose panel is its
/// workers, and each answer becomes a real commit and, after the freeze, a real
/// reveal. Four replicas exchange the records and must agree. Then it says what was
/// decided, how that compares with the plain majority where the truth is known, and
/// whom the network has learned to trust.
///
/// The first line of FILE names the columns, separated by tabs, commas or
/// semicolons. They are found by common names, or given by --columns:
///   task    task, item, question, example, unit, workunit, orig-id and the like
///   worker  worker, annotator, user, judge, source, host and the like
///   answer  answer, label, response, vote, value, result and the like
///   gold    gold, truth, ground truth, correct, expert and the like; optional
///
/// Text is UTF-8; space around a field does not count. A worker's first answer to a
/// task counts, and further ones are reported. A task that fewer than three workers
/// answered is not put to the network.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The answers, one a line below a header; - reads standard input
    file: PathBuf,

    /// Which column is which, by name or number (from 1); no accuracy without gold
    #[arg(long, value_name = "task=NAME,worker=NAME,answer=NAME[,gold=NAME]")]
    columns: Option<Columns>,

    /// Orders the tasks and makes the keys: same seed and file, same digests
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Orders the exchange between replicas, which never changes a digest
    #[arg(long, value_name = "N", default_value_t = 1)]
    delivery_seed: u64,

    /// Tasks that one seal opens
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
    let answers = input::read(&args.file, args.columns.as_ref())?;
    if answers.gold_is_foreign() {
        note(
            "no gold value equals any answer given: is it the right column, and spelt like the answers?",
        );
    }
    let options = Options {
        seed: args.seed,
        delivery_seed: args.delivery_seed,
        tasks_per_seal: usize::from(args.tasks_per_seal),
        export: args.export.clone(),
    };
    if let Some(directory) = &options.export {
        // Before any work, so that it will not fail for want of a directory.
        check_empty(directory).context("--export")?;
        fs::create_dir_all(directory)
            .with_context(|| format!("--export {}", directory.display()))?;
    }

    let progress = Progress::on_terminal(answers.tasks.len());
    #[allow(
        clippy::disallowed_methods,
        reason = "measures the command from outside; the core never sees it"
    )]
    let start = std::time::Instant::now();
    let replayed = driver::run(&answers, &options, &progress)?;
    let elapsed = start.elapsed();
    progress.finish();

    let report = Report::new(
        &answers,
        &options,
        replayed,
        elapsed,
        memory::peak_memory_bytes(),
    );
    let text = if args.json {
        report.json()?
    } else {
        report.to_string()
    };
    line(text.trim_end_matches('\n'))?;
    if !report.replicas_agree() {
        bail!(
            "the replicas do not agree: this breaks a promise of the ledger, please report it with the seeds above"
        );
    }
    Ok(())
}
