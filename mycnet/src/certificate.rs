//! `mycnet certificate` and `mycnet verify`: proofs that can be checked anywhere.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_consensus::internals::certificate::CERTIFICATE_BYTES_MAX;
use mycnet_consensus::{Certificate, Genesis, Rejection};
use serde_json::{Value, json};

use crate::arguments::{OperationArg, OutputFile, read_file};
use crate::failure::Failure;
use crate::home::Common;
use crate::output::{Fields, ballot, shown};
use crate::request::Request;
use crate::{files, network, session};

/// Writes the proof of a closed operation's outcome.
///
/// `mycnet verify` checks it with nothing but the genesis, on any machine.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The operation, or the first 8 digits or more of its id
    operation: OperationArg,

    #[command(flatten)]
    file: OutputFile,

    #[command(flatten)]
    common: Common,
}

/// Checks a certificate, knowing nothing but the genesis.
///
/// The genesis is that of this node's network, or of --genesis; then no node is
/// needed. Nobody is asked.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArgs {
    /// The certificate; - reads standard input
    file: PathBuf,

    /// The genesis file of the network
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet certificate`.
///
/// # Errors
///
/// If the operation is not closed, or the file cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let answer = session::with(&home, async |session| {
        let operation = session.operation(&args.operation).await?;
        session.ask(Request::Certificate { operation }).await
    })?;
    let digits = answer["certificate"].as_str().unwrap_or_default();
    let bytes = hex::decode(digits).context("the node's answer")?;
    let path = &args.file.output;
    files::write(path, &bytes)?;
    if path == Path::new("-") {
        return Ok(());
    }
    let value = json!({
        "operation": answer["operation"],
        "file": path,
        "bytes": bytes.len(),
    });
    args.common.format.print(&value, |value| {
        let mut fields = Fields::default();
        fields.add("operation", shown(&value["operation"]));
        fields.add("certificate", shown(&value["file"]));
        fields.add("bytes", shown(&value["bytes"]));
        fields.text()
    })
}

/// Runs `mycnet verify`.
///
/// # Errors
///
/// [`Failure`] of kind `BadData` if it proves nothing.
pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let place = args.file.display();
    let bytes = read_file(&args.file, CERTIFICATE_BYTES_MAX)?;
    let bad = |error| Failure::bad_data(format!("{place}: {error}"));
    let certificate = Certificate::decode(&bytes).map_err(|error| {
        // A decoder's words for bytes that are something else altogether help nobody.
        let why = match error {
            Rejection::NonCanonical(_) => String::new(),
            error => format!(": {error}"),
        };
        Failure::bad_data(format!("{place} is no certificate, or damaged{why}"))
    })?;
    let genesis = match &args.genesis {
        Some(path) => network::read(path)?,
        None => of_node(&args.common)?,
    };
    let proved = certificate.verify(&genesis).map_err(bad)?;
    let what = certificate
        .records
        .iter()
        .find_map(|record| match &record.body.what {
            mycnet_consensus::internals::record::Statement::Propose { operation, .. } => {
                Some(operation)
            }
            _ => None,
        });
    let value = json!({
        "network": genesis.network_id(),
        "name": genesis.name,
        "operation": proved.operation,
        "kind": what.map(mycnet_consensus::ConsensusOperation::kind),
        "subject": what.map(mycnet_consensus::ConsensusOperation::subject),
        "outcome": proved.outcome,
        "decided_height": proved.decided_height,
        "closed_height": proved.closed_height,
        "seal": proved.seal,
    });
    args.common.format.print(&value, proved_text)
}

fn proved_text(value: &Value) -> String {
    let mut fields = Fields::default();
    fields.add("network", shown(&value["network"]));
    fields.add("name", shown(&value["name"]));
    fields.add("operation", shown(&value["operation"]));
    fields.add("kind", shown(&value["kind"]).replace('_', " "));
    fields.add("subject", shown(&value["subject"]));
    fields.add("outcome", ballot(&value["outcome"]));
    let (decided, closed) = (
        shown(&value["decided_height"]),
        shown(&value["closed_height"]),
    );
    fields.add(
        "heights",
        format!("decided at {decided}, closed at {closed}"),
    );
    fields.add("seal", shown(&value["seal"]));
    format!("{}\nThe certificate is good.", fields.text())
}

fn of_node(common: &Common) -> anyhow::Result<Genesis> {
    let asked = common
        .home()
        .and_then(|home| session::with(&home, async |session| session.ask(Request::Genesis).await));
    let value = asked.context("no genesis to check against: give --genesis FILE")?;
    Ok(serde_json::from_value(value)?)
}
