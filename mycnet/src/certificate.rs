//! `mycnet certificate` and `mycnet verify`: proofs that can be checked anywhere.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_consensus::limits::CERTIFICATE_BYTES_MAX;
use mycnet_consensus::{Certificate, Genesis, Proved, Rejection, core};

use crate::arguments::IdPrefix;
use crate::client::{self, ask};
use crate::failure::Failure;
use crate::files::{self, OutputFile, read_file};
use crate::home::Common;
use crate::names::Names;
use crate::network;
use crate::output::{Fields, ballot_shown, outcome_shown};
use crate::reply::{
    CertificateBytes, CertificateChecked, CertificateFile, ProvedAnswer, ProvedItem, ProvedResult,
};
use crate::request::Request;
use crate::warnings;

/// The items of a claim set that are shown; `--json` has all.
const ITEMS_SHOWN: usize = 20;

/// Write the proof of a closed operation's outcome
///
/// `mycnet verify` checks it with nothing but the genesis, on any machine.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The operation, or the first 8 digits or more of its id
    operation: IdPrefix,

    /// Prove the outcome of this item of a claim set only
    #[arg(long, value_name = "SUBJECT")]
    item: Option<String>,

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
        let item = args.item.clone();
        client.ask(Request::Certificate { operation, item }).await
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
    let checked = checked(&genesis, proved);
    args.common.format.print(&checked, checked_text)
}

fn checked(genesis: &Genesis, proved: Proved) -> CertificateChecked {
    let electors = proved.electors.iter().map(|elector| elector.node);
    let answers = proved.answers.into_iter();
    let items = proved.items.into_iter();
    CertificateChecked {
        network: genesis.network_id(),
        follows: genesis.follows.as_ref().map(|follows| follows.net),
        name: genesis.name.clone(),
        operation: proved.operation,
        kind: proved.kind,
        subject: proved.subject,
        input: hex::encode(proved.input),
        outcome: proved.outcome,
        answers: answers
            .map(|(ballot, by)| ProvedAnswer { ballot, by })
            .collect(),
        items: items.map(item).collect(),
        decided_height: proved.decided_height,
        height: proved.height,
        seal: proved.seal,
        names: Names::of_founders(genesis, electors),
    }
}

fn item(item: core::ProvedItem) -> ProvedItem {
    let answers = item.answers.into_iter();
    ProvedItem {
        subject: item.subject,
        input: hex::encode(item.input),
        result: item.result.map(hex::encode),
        answers: answers
            .map(|(result, by)| ProvedResult {
                result: hex::encode(result),
                by,
            })
            .collect(),
    }
}

fn checked_text(checked: &CertificateChecked) -> String {
    let names = &checked.names;
    let mut fields = Fields::default();
    fields
        .add("network", checked.network)
        .add("name", &checked.name)
        .add_some("follows", checked.follows)
        .add("operation", checked.operation)
        .add("kind", checked.kind.replace('_', " "))
        .add("subject", names.subject(&checked.kind, &checked.subject));
    let is_set = !checked.items.is_empty();
    let outcome = checked.outcome.as_ref().filter(|_| !is_set);
    fields.add_some("outcome", outcome.map(outcome_shown));
    for answer in &checked.answers {
        let voters = format!(
            "{} by {}",
            ballot_shown(&answer.ballot),
            names.list(&answer.by)
        );
        fields.add("revealed", voters);
    }
    for item in checked.items.iter().take(ITEMS_SHOWN) {
        let decided = item.result.as_deref().unwrap_or("no result");
        fields.add("item", format!("{}: {decided}", item.subject));
        for answer in &item.answers {
            let is_decided = item.result.as_ref() == Some(&answer.result);
            let what = if is_decided { "it" } else { &answer.result };
            fields.add("revealed", format!("{what} by {}", names.list(&answer.by)));
        }
    }
    if let Some(more) = checked
        .items
        .len()
        .checked_sub(ITEMS_SHOWN)
        .filter(|more| *more > 0)
    {
        fields.add("item", format!("{more} more: see --json"));
    }
    let (decided, height) = (checked.decided_height, checked.height);
    fields
        .add(
            "heights",
            format!("decided at {decided}, proved by {height}"),
        )
        .add("seal", checked.seal);
    format!("{}\nThe certificate is good.", fields.text())
}
