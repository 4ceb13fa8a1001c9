//! `mycnet export`: the ledger as Automerge documents.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::home::Common;
use crate::output::{Fields, shown};
use crate::request::Request;
use crate::session;
use mycnet_replay::terminal::check_empty;

/// Writes all closed operations and the ledger as files for others to read.
///
/// genesis.json             what certificates are verified against
/// ledger.automerge         roster, trust and outcomes, with their history
/// operations/ID.automerge  all records of an operation
/// certificates/ID.cbor     proof of its outcome, for `mycnet verify`
///
/// The documents open in any program that reads Automerge.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A new or empty directory
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,

    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet export`.
///
/// # Errors
///
/// If the directory is not empty, or cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    check_empty(&args.directory)?;
    // A running node writes the files, and stands in another directory than this command.
    let directory = std::path::absolute(&args.directory)
        .with_context(|| format!("{}", args.directory.display()))?;
    let request = Request::Export { directory };
    let value = session::with(&home, async |session| session.ask(request).await)?;
    args.common.format.print(&value, |value| {
        let mut fields = Fields::default();
        fields.add("directory", shown(&value["directory"]));
        fields.add("height", shown(&value["height"]));
        fields.add("operations", shown(&value["operations"]));
        fields.text()
    })
}
