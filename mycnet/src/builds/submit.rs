//! `mycnet builds submit`: reads what was built, and gives it to the node.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use mycnet_builds::Finding;
use mycnet_builds::book::ORIGINAL_BYTES_MAX;
use mycnet_builds::{Event, Options, Pattern, Place, PublicKey, Reader, Subjects};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use super::ask::{Batch, Submitted};
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::files::read_file;
use crate::home::Common;
use crate::output::{counted, note, plain, progress};
use crate::request::Request;

/// The longest file with a key, in bytes.
const KEY_BYTES_MAX: usize = 16 * 1024;

/// Problems that the JSON lists; the others are counted, and stderr has them all.
const PROBLEMS_MAX: usize = 1000;

/// Results that the reader may be ahead of the node.
pub(super) const AHEAD: usize = 64;

/// Give this node what was built: the running one answers what it is asked
///
/// PATH is a file, a directory, or - for standard input: in-toto links,
/// .buildinfo files, SHA256SUMS, tables (CSV or TSV) with a header. Files are
/// recognised by their content. Results wait in the node's own book, where nobody
/// sees them, until a claim set asks for them. Giving the same again does no harm.
///
/// What cannot be read is told by file and line, and the rest is taken; then the
/// exit code is 65. Without --key, signatures are not checked.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The files and directories with results
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Take only links signed by this key (PEM); can be repeated
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,

    #[command(flatten)]
    names: Names,

    /// Take only files of directories with such names, as '*.buildinfo'; can be repeated
    #[arg(long = "only", value_name = "GLOB")]
    only: Vec<Pattern>,

    /// Take only rows of this builder, from a table with a column for that
    #[arg(long, value_name = "NAME")]
    builder: Option<String>,

    /// Replace results that wait and are different; what was committed is never replaced
    #[arg(long)]
    replace: bool,
}

/// How subjects are made of the names of files.
#[derive(Debug, clap::Args)]
pub(super) struct Names {
    /// Put this before the names of files that are no packages, as 22.0/
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,

    /// Name the distribution of packages; debian and arch unless given
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

impl Names {
    pub(super) fn subjects(&self) -> Subjects {
        Subjects {
            prefix: self.prefix.clone(),
            ..of_distribution(self.distribution.as_deref())
        }
    }
}

/// The subjects of packages of a distribution; of debian and arch unless one is named.
pub(super) fn of_distribution(name: Option<&str>) -> Subjects {
    let default = Subjects::default();
    let named = |default| name.map_or(default, str::to_owned);
    Subjects {
        deb: named(default.deb),
        alpm: named(default.alpm),
        prefix: default.prefix,
    }
}

/// The answer of `submit`.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub(super) struct Summary {
    new: usize,
    known: usize,
    replaced: usize,
    /// Results of links whose signatures were not checked, as no key was named.
    unchecked: usize,
    /// Files of directories that are of other kinds.
    skipped: usize,
    pub(super) problem_count: usize,
    problems: Vec<ProblemAt>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct ProblemAt {
    file: String,
    line: Option<u64>,
    problem: String,
}

impl Summary {
    /// Adds what came of more input.
    pub(super) fn add(&mut self, more: Self) {
        self.new += more.new;
        self.known += more.known;
        self.replaced += more.replaced;
        self.unchecked += more.unchecked;
        self.skipped += more.skipped;
        self.problem_count += more.problem_count;
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        self.problems.extend(more.problems.into_iter().take(room));
    }

    pub(super) fn problem(&mut self, place: &Place, problem: &str) {
        note(&format!("{place}: {}", plain(problem)));
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(ProblemAt {
                file: place.file.to_string_lossy().into_owned(),
                line: place.line,
                problem: problem.to_owned(),
            });
        }
    }
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    let options = options(args)?;
    let summary = client::with(common, async |client| {
        // Whoever has left gets no message about files first.
        refuse_past(client)?;
        let bar = progress(0, "results");
        bar.enable_steady_tick(Duration::from_millis(200));
        let (send, events) = mpsc::channel(AHEAD);
        let paths = args.paths.clone();
        let reading = tokio::task::spawn_blocking(move || read(&paths, options, &send));
        let summary = take(client, events, args.replace, &bar).await;
        bar.finish_and_clear();
        let mut summary = summary?;
        reading.await?;
        if args.keys.is_empty() && summary.unchecked > 0 {
            note(&format!(
                "nobody checked the signatures behind {}: name the key of your links with --key",
                counted(summary.unchecked, "result")
            ));
        } else {
            summary.unchecked = 0;
        }
        note_waiting(client, &summary);
        Ok(summary)
    })?;
    common.format.print(&summary, text)?;
    match summary.problem_count {
        0 => Ok(()),
        count => Err(Failure::bad_data(format!(
            "{}, told above by file and line; everything else was taken",
            counted(count, "problem")
        ))
        .into()),
    }
}

/// If no node runs, says what commits results.
pub(super) fn note_waiting(client: &Client, summary: &Summary) {
    if !client.is_running() && summary.new + summary.replaced > 0 {
        note(&format!(
            "no node is running here: `mycnet run{}` commits what it is asked",
            client.home.option()
        ));
    }
}

/// Reads the file of a key.
pub(super) fn read_key(path: &Path) -> anyhow::Result<PublicKey> {
    let pem = read_file(path, KEY_BYTES_MAX)?;
    let key = PublicKey::from_pem(&pem);
    Ok(key.map_err(|error| Failure::bad_data(format!("{}: {error}", path.display())))?)
}

fn options(args: &Args) -> anyhow::Result<Options> {
    let keys = args.keys.iter().map(|path| read_key(path));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    Ok(Options {
        keys,
        subjects: args.names.subjects(),
        builder: args.builder.clone(),
        only: args.only.clone(),
    })
}

pub(super) fn refuse_past(client: &Client) -> Result<(), Failure> {
    if client.home.is_past() {
        return Err(Failure::usage(
            "this node has left the network that --past names: leave the option out",
        ));
    }
    Ok(())
}

/// Reads the files. A receiver that is gone ends nothing but the sending: its failure is told.
fn read(paths: &[PathBuf], options: Options, send: &mpsc::Sender<Event>) {
    let mut reader = Reader::new(options);
    let mut on_event = |event| drop(send.blocking_send(event));
    for path in paths {
        if send.is_closed() {
            return;
        }
        if path == Path::new("-") {
            reader.read(path, io::stdin().lock(), &mut on_event);
        } else {
            reader.read_path(path, &mut on_event);
        }
    }
}

/// Gives what was read to the node, in batches.
pub(super) async fn take(
    client: &Client,
    mut events: mpsc::Receiver<Event>,
    replace: bool,
    bar: &ProgressBar,
) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let (mut batch, mut places) = (Batch::default(), Vec::new());
    while let Some(event) = events.recv().await {
        match event {
            Event::Finding(finding, place) => {
                summary.unchecked += usize::from(finding.original.is_some());
                let finding = without_long_original(finding, &place, &mut summary);
                if !batch.has_room_for(&finding) {
                    let full = std::mem::take(&mut batch);
                    give(client, full, &mut places, replace, &mut summary).await?;
                }
                batch.add(finding);
                places.push(place);
                bar.inc(1);
            }
            Event::Problem(problem) => summary.problem(&problem.place, &problem.fault.to_string()),
            Event::Skipped(_) => summary.skipped += 1,
            #[allow(unreachable_patterns, reason = "the enum may grow in a later version")]
            _ => {}
        }
    }
    if !batch.is_empty() {
        give(client, batch, &mut places, replace, &mut summary).await?;
    }
    Ok(summary)
}

/// A result is worth more than its original, which is left out if it is too long.
fn without_long_original(mut finding: Finding, place: &Place, summary: &mut Summary) -> Finding {
    let original = finding.original.as_ref();
    if original.is_some_and(|original| original.len() > ORIGINAL_BYTES_MAX) {
        finding.original = None;
        let problem = format!(
            "the result is taken, but not its signed original, which has more than {ORIGINAL_BYTES_MAX} bytes"
        );
        summary.problem(place, &problem);
    }
    finding
}

/// Gives a batch to the node, whose places are then told and taken out.
async fn give(
    client: &Client,
    batch: Batch,
    places: &mut Vec<Place>,
    replace: bool,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let done: Submitted = client.ask(Request::Builds(batch.ask(replace))).await?;
    summary.new += done.new;
    summary.known += done.known;
    summary.replaced += done.replaced;
    for (place, why) in &done.refused {
        if let Some(place) = places.get(*place) {
            summary.problem(place, why);
        }
    }
    places.clear();
    Ok(())
}

pub(super) fn text(summary: &Summary) -> String {
    let mut told = vec![
        format!("{} new", summary.new),
        format!("{} known", summary.known),
    ];
    let mut add = |count: usize, text: String| told.extend((count > 0).then_some(text));
    add(summary.replaced, format!("{} replaced", summary.replaced));
    add(
        summary.problem_count,
        counted(summary.problem_count, "problem"),
    );
    add(
        summary.skipped,
        format!("{} of other kinds", counted(summary.skipped, "file")),
    );
    told.join(", ")
}
