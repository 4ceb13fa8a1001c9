//! `mycnet builds index`: what the ledger decided, in a file for whoever has no node.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_builds::index_file::{IndexFault, pack};
use mycnet_consensus::OperationId;
use mycnet_consensus::core::Indexed;
use mycnet_consensus::node::Node;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::since::Since;
use crate::bundle::stream::{TemporaryFile, unless_stopped};
use crate::client;
use crate::failure::Failure;
use crate::files::{OutputFile, absolute, is_stream, new_file, to_stream};
use crate::home::Common;
use crate::output::Fields;
use crate::request::Request;

/// Write what was decided about builds into a file, for `mycnet builds check --index`
///
/// The file proves itself: whoever has the genesis of the network can check it, and
/// needs no node and no connection. It has all closed claim sets since a time, and
/// the hashes of everything that was decided before.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    file: OutputFile,

    /// Begin with what was decided so long before the last seal (24h, 90m, 7d), at a height, or all
    #[arg(long, value_name = "TIME|HEIGHT|all", default_value = "24h")]
    since: Since,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct IndexWritten {
    file: PathBuf,
    bytes: usize,
    /// The heights that decided what it shows.
    from: u64,
    height: u64,
    sets: usize,
    items: usize,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    let output = &args.file.output;
    // A running node cannot write into the streams of this command.
    let temporary = is_stream(output).then(|| common.home().map(|home| TemporaryFile::new(&home)));
    let temporary = temporary.transpose()?;
    let file = match &temporary {
        Some(temporary) => temporary.path().to_owned(),
        None => absolute(output)?,
    };
    let since = args.since;
    let written: IndexWritten = client::with(common, async |client| {
        let ask = Request::Builds(Ask::Index { file, since });
        unless_stopped(client.ask(ask)).await
    })?;
    if let Some(temporary) = temporary {
        let mut file = File::open(temporary.path()).context("the index that was written")?;
        return to_stream(output, |mut out| io::copy(&mut file, &mut out).map(drop));
    }
    common.format.print(&written, |written| {
        let mut fields = Fields::default();
        fields
            .add("index", written.file.display())
            .add("bytes", written.bytes)
            .add("heights", format!("{} to {}", written.from, written.height))
            .add(
                "sets",
                format!("{} with {} items", written.sets, written.items),
            )
            .text()
    })
}

/// Writes the index of a node's ledger.
pub(super) fn write(node: &Node, file: &Path, since: Since) -> Result<IndexWritten, Failure> {
    let engine = node.engine();
    let from = since.height(engine)?;
    let decided = engine.decided_since(from)?.into_iter();
    let sets = decided.filter(|it| it.kind == "claim_set");
    let sets: BTreeSet<OperationId> = sets.map(|it| it.operation).collect();
    let index = engine.prove(|prover| prover.index(&mut |id, _| sets.contains(id)))?;
    let index = index.ok_or_else(|| Failure::failed("nothing is sealed yet"))?;
    let bytes = pack(&index).map_err(|fault| match fault {
        IndexFault::TooLong(_) => Failure::usage(format!("{fault}: begin later with --since")),
        fault => Failure::failed(fault),
    })?;
    new_file(file, |file| file.write_all(&bytes))?;
    let shown = index.log.iter().filter_map(|indexed| match indexed {
        Indexed::Shown(_, items) => Some(items.len()),
        Indexed::Hidden(_) => None,
    });
    let shown: Vec<usize> = shown.collect();
    Ok(IndexWritten {
        file: file.to_owned(),
        bytes: bytes.len(),
        from,
        height: index.chain.head.height,
        sets: shown.len(),
        items: shown.iter().sum(),
    })
}
