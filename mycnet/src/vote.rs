//! `mycnet vote`, and for standard operations `direct`, `object` and `resolve`.

use std::path::PathBuf;

use mycnet_consensus::{Ballot, OperationId};

use crate::arguments::{IdPrefix, Payload, Waiting, named, reason};
use crate::client::Client;
use crate::home::Common;
use crate::request::Request;
use crate::status::operation_text;
use crate::{claim_set, client, reply};

/// Options of all four commands.
#[derive(Debug, clap::Args)]
struct Options {
    /// The operation, or the first 8 digits or more of its id
    operation: IdPrefix,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    waiting: Waiting,
}

/// Vote on an operation
///
/// The node commits to the vote now, and reveals it by itself once a seal has
/// frozen the commits: it only has to meet others now and then. A vote cannot be
/// changed. On a standard operation it counts if all members have to decide.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(
    override_usage = "mycnet vote [OPTIONS] <OPERATION> <CHOICE>\n       mycnet vote [OPTIONS] <OPERATION> --result <VALUE>\n       mycnet vote [OPTIONS] <OPERATION> --results <FILE>"
)]
#[command(group(clap::ArgGroup::new("ballot").required(true).args(["choice", "result", "results"])))]
pub(crate) struct VoteArgs {
    #[command(flatten)]
    options: Options,

    /// The vote; on a claim only abstain
    #[arg(value_parser = named::<Ballot>(&["approve", "reject", "abstain"]))]
    choice: Option<Ballot>,

    /// Answer a claim with this result: text, @FILE or hex:DIGITS
    #[arg(long, value_name = "VALUE")]
    result: Option<Payload>,

    /// Answer a claim set from a file of lines: an item's subject, a tab, its result (text or hex:DIGITS)
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Decide a standard operation, as the primary
///
/// The decision takes effect once the objection window has passed without an
/// objection by a seed; for routine maintenance and performance at once.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DirectArgs {
    #[command(flatten)]
    options: Options,

    /// The decision
    #[arg(value_parser = named::<Ballot>(&["approve", "reject"]))]
    verdict: Ballot,
}

/// Object to a standard operation, as a seed: then the seeds decide
#[derive(Debug, clap::Args)]
pub(crate) struct ObjectArgs {
    #[command(flatten)]
    options: Options,

    /// The reason, for the others
    #[arg(value_parser = reason)]
    reason: String,
}

/// Vote on a standard operation with an objection, as a seed
#[derive(Debug, clap::Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    options: Options,

    /// The vote
    #[arg(value_parser = named::<Ballot>(&["approve", "reject"]))]
    verdict: Ballot,
}

pub(crate) fn vote(args: &VoteArgs) -> anyhow::Result<()> {
    let options = &args.options;
    client::with(&options.common, async |client| {
        let operation = client.operation(&options.operation).await?;
        let ballot = match (&args.results, &args.result, &args.choice) {
            (Some(results), ..) => {
                let asked: reply::OperationDetails =
                    client.ask(Request::Operation { operation }).await?;
                claim_set::results(results, &asked.content)?
            }
            (_, Some(result), _) => Ballot::Result(result.bytes()?),
            (_, _, choice) => choice.clone().unwrap_or(Ballot::Abstain),
        };
        sign_about(
            client,
            options,
            operation,
            Request::Vote { operation, ballot },
        )
        .await
    })
}

pub(crate) fn direct(args: &DirectArgs) -> anyhow::Result<()> {
    let approve = args.verdict == Ballot::Approve;
    sign(&args.options, |operation| Request::Direct {
        operation,
        approve,
    })
}

pub(crate) fn object(args: &ObjectArgs) -> anyhow::Result<()> {
    let reason = args.reason.clone();
    sign(&args.options, |operation| Request::Object {
        operation,
        reason,
    })
}

pub(crate) fn resolve(args: &ResolveArgs) -> anyhow::Result<()> {
    let approve = args.verdict == Ballot::Approve;
    sign(&args.options, |operation| Request::Resolve {
        operation,
        approve,
    })
}

/// Signs a statement about an operation, and shows the operation afterwards.
fn sign(options: &Options, request: impl FnOnce(OperationId) -> Request) -> anyhow::Result<()> {
    client::with(&options.common, async |client| {
        let operation = client.operation(&options.operation).await?;
        sign_about(client, options, operation, request(operation)).await
    })
}

async fn sign_about(
    client: &Client,
    options: &Options,
    operation: OperationId,
    request: Request,
) -> anyhow::Result<()> {
    client
        .check_before_signing(options.waiting.from_copy)
        .await?;
    let _: reply::Accepted = client.ask(request).await?;
    let shown: reply::OperationDetails = if options.waiting.wait {
        client.wait(operation, options.waiting.timeout_ms()).await?
    } else {
        client.note_unsent();
        client.ask(Request::Operation { operation }).await?
    };
    options.common.format.print(&shown, operation_text)
}
