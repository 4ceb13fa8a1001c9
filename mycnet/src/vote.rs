//! `mycnet vote`, and for standard operations `direct`, `object` and `resolve`.

use mycnet_consensus::{Ballot, OperationId};

use crate::arguments::{Choice, OperationArg, Payload, Waiting, reason};
use crate::home::Common;
use crate::output::note;
use crate::request::Request;
use crate::session;
use crate::status::operation_text;

/// Votes on an operation.
///
/// The vote is committed now, without being shown, and revealed by itself once all
/// commits are fixed: the node only has to meet others now and then. A vote cannot
/// be changed. On a standard operation it counts if that becomes a vote of all.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(
    override_usage = "mycnet vote [OPTIONS] <OPERATION> <CHOICE>\n       mycnet vote [OPTIONS] <OPERATION> --result <VALUE>"
)]
#[command(group(clap::ArgGroup::new("ballot").required(true).args(["choice", "result"])))]
pub(crate) struct VoteArgs {
    /// The operation, or the first 8 digits or more of its id
    operation: OperationArg,

    /// How to vote on what is not a claim; abstain is for all
    choice: Option<Choice>,

    /// The result of a claim: text, @FILE or hex:DIGITS
    #[arg(long, value_name = "VALUE")]
    result: Option<Payload>,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    waiting: Waiting,
}

/// Approve or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verdict {
    /// For it
    Approve,
    /// Against it
    Reject,
}

/// Decides a standard operation, as the primary.
///
/// It takes effect once the objection window has passed without an objection by a
/// seed; at once for routine maintenance and performance.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DirectArgs {
    /// The operation, or the first 8 digits or more of its id
    operation: OperationArg,

    /// The decision
    verdict: Verdict,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    waiting: Waiting,
}

/// Objects to a standard operation, as a seed: then the seeds decide.
#[derive(Debug, clap::Args)]
pub(crate) struct ObjectArgs {
    /// The operation, or the first 8 digits or more of its id
    operation: OperationArg,

    /// Why, for the others
    #[arg(value_parser = reason)]
    reason: String,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    waiting: Waiting,
}

/// Votes on a standard operation that was objected to, as a seed.
#[derive(Debug, clap::Args)]
pub(crate) struct ResolveArgs {
    /// The operation, or the first 8 digits or more of its id
    operation: OperationArg,

    /// The vote
    verdict: Verdict,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    waiting: Waiting,
}

/// Runs `mycnet vote`.
///
/// # Errors
///
/// If the vote is refused, or with --wait the operation not decided in time.
pub(crate) fn vote(args: &VoteArgs) -> anyhow::Result<()> {
    let ballot = match (&args.result, args.choice) {
        (Some(result), _) => Ballot::Result(result.bytes()?),
        (None, choice) => choice.map_or(Ballot::Abstain, Ballot::from),
    };
    act(&args.operation, &args.common, args.waiting, |operation| {
        Request::Vote { operation, ballot }
    })
}

/// Runs `mycnet direct`.
///
/// # Errors
///
/// As [`vote`].
pub(crate) fn direct(args: &DirectArgs) -> anyhow::Result<()> {
    let approve = args.verdict == Verdict::Approve;
    act(&args.operation, &args.common, args.waiting, |operation| {
        Request::Direct { operation, approve }
    })
}

/// Runs `mycnet object`.
///
/// # Errors
///
/// As [`vote`].
pub(crate) fn object(args: &ObjectArgs) -> anyhow::Result<()> {
    let reason = args.reason.clone();
    act(&args.operation, &args.common, args.waiting, |operation| {
        Request::Object { operation, reason }
    })
}

/// Runs `mycnet resolve`.
///
/// # Errors
///
/// As [`vote`].
pub(crate) fn resolve(args: &ResolveArgs) -> anyhow::Result<()> {
    let approve = args.verdict == Verdict::Approve;
    act(&args.operation, &args.common, args.waiting, |operation| {
        Request::Resolve { operation, approve }
    })
}

/// Signs something about an operation, and shows where it stands then.
fn act(
    operation: &OperationArg,
    common: &Common,
    waiting: Waiting,
    request: impl FnOnce(OperationId) -> Request,
) -> anyhow::Result<()> {
    let home = common.home()?;
    session::with(&home, async |session| {
        let operation = session.operation(operation).await?;
        session.ask(request(operation)).await?;
        let value = if waiting.wait {
            session.wait(operation, waiting.timeout_ms()).await?
        } else {
            if !session.is_running() {
                let option = home.option();
                note(&format!(
                    "no node is running here: it goes out at the next `mycnet run{option}`"
                ));
            }
            session.ask(Request::Operation { operation }).await?
        };
        common.format.print(&value, operation_text)
    })
}
