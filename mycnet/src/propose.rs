//! `mycnet propose`: something to be decided.

use mycnet_consensus::{Ballot, Class, ConsensusOperation, Priority};

pub(crate) use self::kinds::Asked;

use self::kinds::Kind;
use crate::arguments::{Waiting, named};
use crate::failure::Failure;
use crate::home::Common;
use crate::output::note;
use crate::request::Request;
use crate::status::operation_text;
use crate::{client, reply};

mod kinds;

/// Propose something to be decided, and print the operation's id
///
/// The proposer votes for its own proposal unless --ballot says otherwise; for a
/// claim, --result is its vote. While no node runs in this directory the proposal
/// is kept, and goes out at the next `mycnet run` or bundle.
///
/// A VALUE is text as it stands, @FILE for a file's content, or hex:DIGITS. NODE is
/// a member's name, or a node id, of which 8 digits or more are enough.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    kind: Kind,

    /// Set the priority; only the primary and seeds may propose with high
    #[arg(long, global = true, value_name = "HOW", default_value = "normal")]
    #[arg(value_parser = named::<Priority>(&["normal", "high"]))]
    priority: Priority,

    /// Set the proposer's own vote, or none; approve unless given
    #[arg(long, global = true, value_name = "VOTE")]
    #[arg(value_parser = ["approve", "reject", "abstain", "none"])]
    ballot: Option<String>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    client::with(&args.common, async |client| {
        let (operation, result) = args.kind.operation(client).await?;
        let request = Request::Propose {
            ballot: ballot(&operation, result, args.ballot.as_deref())?,
            operation: Box::new(operation),
            priority: args.priority,
        };
        client.check_before_signing(args.waiting.from_copy).await?;
        let proposed: reply::Accepted = client.ask(request).await?;
        let print_id = || {
            let format = args.common.format;
            format.print(&proposed, |proposed| proposed.operation.to_string())
        };
        if !args.waiting.wait {
            client.note_unsent();
            return print_id();
        }
        note(&format!("operation {}", proposed.operation));
        let timeout_ms = args.waiting.timeout_ms();
        match client.wait(proposed.operation, timeout_ms).await {
            Ok(decided) => args.common.format.print(&decided, operation_text),
            // The user needs the id to look at the operation later.
            Err(error) => {
                print_id()?;
                Err(error)
            }
        }
    })
}

/// The proposer's own ballot, from `--result`, `--results` and `--ballot`.
fn ballot(
    operation: &ConsensusOperation,
    result: Option<Ballot>,
    own: Option<&str>,
) -> Result<Option<Ballot>, Failure> {
    let is_claim = operation.class() == Class::Claim;
    match (result, own) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "a claim takes its proposer's results or --ballot, not both",
        )),
        (None, Some("approve" | "reject")) if is_claim => Err(Failure::usage(
            "a claim is not approved or rejected: vote with --result, or --ballot abstain or none",
        )),
        (Some(result), None) => Ok(Some(result)),
        (None, None) if is_claim => Ok(None),
        (None, Some("reject")) => Ok(Some(Ballot::Reject)),
        (None, Some("abstain")) => Ok(Some(Ballot::Abstain)),
        (None, Some("none")) => Ok(None),
        (None, _) => Ok(Some(Ballot::Approve)),
    }
}
