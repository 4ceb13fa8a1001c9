//! `mycnet propose`: something to be decided.

use mycnet_consensus::{Ballot, Class, ConsensusOperation, Priority};
use serde_json::Value;

use self::kinds::Kind;
use crate::arguments::{Choice, Waiting};
use crate::failure::Failure;
use crate::home::Common;
use crate::output::{note, shown};
use crate::request::Request;
use crate::{session, status};

mod kinds;

/// Proposes something to be decided, and prints the operation's id.
///
/// The proposer votes for its own proposal unless --ballot says otherwise; for a
/// claim, --result is its vote. While no node runs in this directory the proposal
/// is kept, and goes out at the next `mycnet run` or bundle.
///
/// A VALUE is text as it stands, @FILE for a file's content, or hex:DIGITS. NODE is
/// a node id, of which 8 digits or more are enough for a member.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    kind: Kind,

    #[command(flatten)]
    options: Options,
}

/// What all kinds take.
#[derive(Debug, clap::Args)]
struct Options {
    /// high: taken first; only for the primary and seeds
    #[arg(long, global = true, value_name = "HOW", default_value = "normal")]
    priority: Urgency,

    /// The proposer's own vote, or none; approve unless said otherwise
    #[arg(long, global = true, value_name = "VOTE")]
    ballot: Option<Own>,

    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Urgency {
    Normal,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Own {
    Approve,
    Reject,
    Abstain,
    None,
}

/// Runs `mycnet propose`.
///
/// # Errors
///
/// If the proposal is refused, or with --wait not decided in time.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let common: &Common = args.kind.common();
    let home = common.home()?;
    let options = &args.options;
    session::with(&home, async |session| {
        let (operation, result) = args.kind.operation(session).await?;
        let request = Request::Propose {
            ballot: ballot(&operation, result, options.ballot)?,
            operation: Box::new(operation),
            priority: match options.priority {
                Urgency::Normal => Priority::Normal,
                Urgency::High => Priority::High,
            },
        };
        let proposed = session.ask(request).await?;
        let id = proposed["operation"]
            .as_str()
            .and_then(|id| id.parse().ok());
        if let (true, Some(id)) = (options.waiting.wait, id) {
            note(&format!("operation {id}"));
            let waited = session.wait(id, options.waiting.timeout_ms()).await;
            return match waited {
                Ok(decided) => common.format.print(&decided, status::operation_text),
                // Whoever gave up waiting needs the id all the more.
                Err(error) => {
                    common.format.print(&proposed, id_text)?;
                    Err(error)
                }
            };
        }
        if !session.is_running() {
            let option = home.option();
            note(&format!(
                "no node is running here: the proposal goes out at the next `mycnet run{option}`"
            ));
        }
        common.format.print(&proposed, id_text)
    })
}

fn id_text(proposed: &Value) -> String {
    shown(&proposed["operation"])
}

fn ballot(
    operation: &ConsensusOperation,
    result: Option<Vec<u8>>,
    own: Option<Own>,
) -> Result<Option<Ballot>, Failure> {
    if operation.class() == Class::Claim {
        return match (result, own) {
            (Some(_), Some(_)) => Err(Failure::usage(
                "a claim takes --result or --ballot, not both",
            )),
            (Some(result), None) => Ok(Some(Ballot::Result(result))),
            (None, Some(Own::Approve | Own::Reject)) => Err(Failure::usage(
                "a claim is not approved or rejected: vote with --result, or --ballot abstain or none",
            )),
            (None, Some(Own::Abstain)) => Ok(Some(Ballot::Abstain)),
            (None, Some(Own::None) | None) => Ok(None),
        };
    }
    Ok(match own {
        None | Some(Own::Approve) => Some(Choice::Approve.into()),
        Some(Own::Reject) => Some(Choice::Reject.into()),
        Some(Own::Abstain) => Some(Choice::Abstain.into()),
        Some(Own::None) => None,
    })
}
