//! `mycnet bundle`: sync by a file that somebody carries.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::stream::{Patient, TemporaryFile, copied, unless_stopped};
use crate::client;
use crate::files::{absolute, is_stream, to_stream};
use crate::home::Common;
use crate::output::{Fields, note};
use crate::refound::refuse_past;
use crate::reply::{BundleExported, BundleImported, Status};
use crate::request::Request;
use crate::start::runtime;

pub(crate) mod stream;

/// Carry the ledger in files between machines that do not meet
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write sealed heights, and all records that are not sealed yet, into a file
    ///
    /// A node that imports it knows what this node knows, and answers with a bundle of
    /// its own. Bundles in both directions decide all that connections do.
    #[command(verbatim_doc_comment)]
    Export {
        /// Name the file to write; - is standard output
        file: PathBuf,

        /// Begin with this height; the receiver must have all lower heights
        #[arg(long, value_name = "HEIGHT", default_value_t = 1)]
        from: u64,
    },
    /// Import what another node exported
    ///
    /// The contents are verified like a peer's messages. A bundle may be imported
    /// twice. A stream may pause for a minute at most. The answers of this node (reveals, votes on the next seal) are in its
    /// next export.
    #[command(verbatim_doc_comment)]
    Import {
        /// The bundle; - is standard input
        file: PathBuf,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let common = &args.common;
    match &args.command {
        Command::Export { file, from } => export(common, file, *from),
        Command::Import { file } => {
            refuse_past(&common.home()?)?;
            import(common, file)
        }
    }
}

fn export(common: &Common, output: &Path, from: u64) -> anyhow::Result<()> {
    let home = common.home()?;
    // A running node cannot write into the streams of this command.
    let temporary = is_stream(output).then(|| TemporaryFile::new(&home));
    let file = match &temporary {
        Some(temporary) => temporary.path().to_owned(),
        None => absolute(output)?,
    };
    let exported: BundleExported = client::with(common, async |client| {
        unless_stopped(client.ask(Request::ExportBundle { file, from })).await
    })?;
    if let Some(temporary) = temporary {
        let mut file = File::open(temporary.path()).context("the bundle that was written")?;
        return to_stream(output, |mut out| io::copy(&mut file, &mut out).map(drop));
    }
    common.format.print(&exported, |exported| {
        let heights = format!("{} to {}", exported.from, exported.height);
        let mut fields = Fields::default();
        fields
            .add("bundle", exported.file.display())
            .add("heights", heights)
            .add("unsealed", exported.unsealed)
            .add("digest", exported.digest)
            .text()
    })
}

fn import(common: &Common, file: &Path) -> anyhow::Result<()> {
    let imported: BundleImported = if is_stream(file) {
        // The databases are closed while the stream is read: nobody knows when it ends.
        let Status { network, .. } = client::ask(common, Request::Status)?;
        let temporary = TemporaryFile::new(&common.home()?);
        let read = Patient::of_stream(file);
        runtime()?.block_on(unless_stopped(copied(read, &temporary, network)))?;
        let file = temporary.path().to_owned();
        client::with(common, async |client| {
            unless_stopped(client.ask(Request::ImportBundle { file })).await
        })?
    } else {
        let file = absolute(file)?;
        client::ask(common, Request::ImportBundle { file })?
    };
    for (code, refused) in &imported.refused {
        let (count, first) = (refused.count, &refused.first);
        note(&format!(
            "{count} records were refused ({code}), the first: {first}"
        ));
    }
    common.format.print(&imported, |imported| {
        let (height, before) = (imported.height, imported.height_before);
        let (known, held) = (imported.known, imported.held);
        let mut fields = Fields::default();
        fields
            .add("height", format!("{height} (before: {before})"))
            .add("new", format!("{} records", imported.new))
            .add("known", format!("{known} records, {held} heights"));
        if imported.waiting > 0 {
            let text = "records, for others that this node does not have yet";
            fields.add("waiting", format!("{} {text}", imported.waiting));
        }
        fields.text()
    })
}
