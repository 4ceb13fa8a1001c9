//! `mycnet export`: the ledger as Automerge documents.

use std::path::PathBuf;

use crate::client::ask;
use crate::files::absolute;
use crate::home::Common;
use crate::output::Fields;
use crate::reply::Exported;
use crate::request::Request;

/// Write all closed operations and the ledger as files for others to read
///
/// genesis.json             what certificates are verified against
/// ledger.automerge         roster, trust and outcomes, with their history
/// operations/ID.automerge  all records of an operation
/// certificates/ID.cbor     proof of its outcome, for `mycnet verify`
///
/// The documents open in any program that reads Automerge. A file has its name once
/// it is whole. An export that was stopped leaves a file `unfinished`: repeat it.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A new or empty directory, or one with an unfinished export
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    args.common.home()?;
    let directory = absolute(&args.directory)?;
    let exported: Exported = ask(&args.common, Request::Export { directory })?;
    args.common.format.print(&exported, |exported| {
        let mut fields = Fields::default();
        fields
            .add("directory", exported.directory.display())
            .add("height", exported.height)
            .add("operations", exported.operations)
            .text()
    })
}
