//! `mycnet bundle`: sync by a file that somebody carries.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use self::stand::{Stand, by_stand, stream, unless_stopped};
use crate::home::Common;
use crate::output::{Fields, note, shown};
use crate::request::Request;
use crate::{answer, files, session};

pub(crate) mod stand;

/// Carries the ledger in files between machines that do not meet.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Export(ExportArgs),
    Import(ImportArgs),
}

/// Writes sealed heights, and all that is not sealed yet, into a file.
///
/// Whoever imports it knows what this node knows, and answers with a bundle of its
/// own: carried to and fro, bundles decide everything that connections do.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ExportArgs {
    /// The file to write; - is standard output
    file: PathBuf,

    /// The first height; the receiver must have all below
    #[arg(long, value_name = "HEIGHT", default_value_t = 1)]
    from: u64,

    #[command(flatten)]
    common: Common,
}

/// Takes in what another node exported.
///
/// All of it is verified as if a peer had sent it, and it may be imported again. What
/// this node says because of it (its reveals, its votes on the next seal) is in its
/// next export.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ImportArgs {
    /// The bundle; - is standard input
    file: PathBuf,

    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet bundle`.
///
/// # Errors
///
/// If the file cannot be written or read to its end, with what was taken until then.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Export(args) => export(args),
        Command::Import(args) => import(args),
    }
}

fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let stand = files::is_stream(&args.file).then(|| Stand::new(&home));
    let file = absolute(stand.as_ref().map_or(args.file.as_path(), Stand::path))?;
    let request = Request::ExportBundle {
        file,
        from: args.from,
    };
    let value = session::with(&home, async |session| {
        unless_stopped(session.ask(request)).await
    })?;
    let Some(stand) = stand else {
        return args.common.format.print(&value, exported);
    };
    let mut file = File::open(stand.path()).context("the bundle that was written")?;
    files::to_stream(&args.file, |mut out| {
        io::copy(&mut file, &mut out).map(drop)
    })
}

fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let value = session::with(&home, async |session| {
        if !files::is_stream(&args.file) {
            let file = absolute(&args.file)?;
            return session.ask(Request::ImportBundle { file }).await;
        }
        let (read, name) = stream(&args.file)?;
        match session.own_node() {
            Some(node) => Ok(answer::import_from(node, read, &name).await?),
            None => unless_stopped(by_stand(session, &home, read, name)).await,
        }
    })?;
    for (code, refused) in value["refused"].as_object().into_iter().flatten() {
        let (count, first) = (shown(&refused["count"]), shown(&refused["first"]));
        note(&format!(
            "{count} records were refused ({code}), the first: {first}"
        ));
    }
    args.common.format.print(&value, imported)
}

/// A running node stands in another directory than this command.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{}", path.display()))
}

fn exported(value: &Value) -> String {
    let mut fields = Fields::default();
    fields.add("bundle", shown(&value["file"]));
    fields.add(
        "heights",
        format!("{} to {}", shown(&value["from"]), shown(&value["height"])),
    );
    fields.add("unsealed", shown(&value["unsealed"]));
    fields.add("digest", shown(&value["digest"]));
    fields.text()
}

fn imported(value: &Value) -> String {
    let mut fields = Fields::default();
    fields.add(
        "height",
        format!(
            "{} (before: {})",
            shown(&value["height"]),
            shown(&value["height_before"])
        ),
    );
    fields.add("new", format!("{} records", shown(&value["new"])));
    fields.add(
        "known",
        format!(
            "{} records, {} heights",
            shown(&value["known"]),
            shown(&value["held"])
        ),
    );
    if value["waiting"] != 0 {
        fields.add(
            "waiting",
            format!(
                "{} records, for what this node does not have yet",
                shown(&value["waiting"])
            ),
        );
    }
    fields.text()
}
