//! `mycnet certificate` and `mycnet verify`: proofs that can be checked anywhere.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_consensus::limits::CERTIFICATE_BYTES_MAX;
use mycnet_consensus::{Certificate, ConsensusOperation, Genesis, Rejection, Statement};

use crate::arguments::IdPrefix;
use crate::client::{self, ask};
use crate::failure::Failure;
use crate::files::{self, OutputFile, read_file};
use crate::home::Common;
use crate::network;
use crate::output::{Fields, outcome_shown};
use crate::reply::{CertificateBytes, CertificateChecked, CertificateFile};
use crate::request::Request;
use crate::warnings;

/// Write the proof of a closed operation's outcome
///
/// `mycnet verify` checks it with nothing but the genesis, on any machine.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The operation, or the first 8 digits or more of its id
    operation: IdPrefix,

    #[command(flatten)]
    file: OutputFile,

    #[command(flatten)]
    common: Common,
}

/// Check a certificate with nothing but the genesis
///
/// It uses the genesis of this node's network. With --genesis it uses that file,
/// and needs no node. No peer is asked.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArgs {
    /// The certificate; - reads standard input
    file: PathBuf,

    /// Name the genesis file of the network
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let answer: CertificateBytes = client::with(&args.common, async |client| {
        let operation = client.operation(&args.operation).await?;
        client.ask(Request::Certificate { operation }).await
    })?;
    let bytes = hex::decode(answer.certificate).context("the node's answer")?;
    let file = &args.file.output;
    files::write(file, &bytes)?;
    if file == Path::new("-") {
        return Ok(());
    }
    let written = CertificateFile {
        operation: answer.operation,
        file: file.clone(),
        bytes: bytes.len(),
        follows: answer.follows,
    };
    args.common.format.print(&written, |written| {
        let mut fields = Fields::default();
        fields
            .add("operation", written.operation)
            .add("certificate", written.file.display())
            .add("bytes", written.bytes)
            .add_some("follows", written.follows.as_ref().map(warnings::follows))
            .text()
    })
}

pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let name = args.file.display();
    let bytes = read_file(&args.file, CERTIFICATE_BYTES_MAX)?;
    let certificate = Certificate::decode(&bytes).map_err(|error| {
        let why = match error {
            // For bytes of any other kind, the decoder's message does not help.
            Rejection::NonCanonical(_) => String::new(),
            error => format!(": {error}"),
        };
        Failure::bad_data(format!("{name} is no certificate, or damaged{why}"))
    })?;
    let genesis: Genesis = match &args.genesis {
        Some(path) => network::read(path)?,
        None => ask(&args.common, Request::Genesis)
            .context("no genesis to check against: give --genesis FILE")?,
    };
    let proved = certificate.verify(&genesis);
    let proved = proved.map_err(|error| Failure::bad_data(format!("{name}: {error}")))?;
    let mut records = certificate.records.iter();
    let proposed = records.find_map(|record| match &record.body.what {
        Statement::Propose { operation, .. } => Some(operation),
        _ => None,
    });
    let checked = CertificateChecked {
        network: genesis.network_id(),
        follows: genesis.follows.as_ref().map(|follows| follows.net),
        name: genesis.name,
        operation: proved.operation,
        kind: proposed.map(ConsensusOperation::kind),
        subject: proposed.map(ConsensusOperation::subject),
        outcome: proved.outcome,
        decided_height: proved.decided_height,
        closed_height: proved.closed_height,
        seal: proved.seal,
    };
    args.common.format.print(&checked, |checked| {
        let (decided, closed) = (checked.decided_height, checked.closed_height);
        let mut fields = Fields::default();
        fields
            .add("network", checked.network)
            .add("name", &checked.name)
            .add_some("follows", checked.follows)
            .add("operation", checked.operation)
            .add_some("kind", checked.kind.map(|kind| kind.replace('_', " ")))
            .add_some("subject", checked.subject.as_ref())
            .add("outcome", outcome_shown(&checked.outcome))
            .add(
                "heights",
                format!("decided at {decided}, closed at {closed}"),
            )
            .add("seal", checked.seal);
        format!("{}\nThe certificate is good.", fields.text())
    })
}
