//! `mycnet rejoin`: a person's word about a journal that was lost, or about two machines with one key.

use crate::client;
use crate::failure::Failure;
use crate::home::Common;
use crate::reply::{Declared, Status};
use crate::request::Request;

/// Let a node sign again that has lost its journal, or that has a twin
///
/// --all-met: a node that lost its journal signs nothing until a seal lists its
/// Rejoin, so that it never signs twice. If too few others can seal, as when two of
/// four have lost theirs, a person may declare: whatever this node has signed, the
/// other members hold it together. The node checks that since its start every other
/// member has shown what it holds, none excepted. Run all of them and wait until
/// they are connected (`mycnet peers`). If one never comes back, the way out is to
/// found the network anew without it.
/// The word is as good as the others are honest. If one of them hides a vote that
/// this node has made, on an open operation or in a later round of the present
/// height, this node may vote there again and differently, and is banned for it.
///
/// --this-one-lives: if two machines run with this node's key, neither signs. Stop
/// the other one for good and delete its directory. A minute later, say here that
/// this one lives. As the other one may have signed what this one does not know, the
/// journal counts as lost: the node signs again when a seal lists its Rejoin.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group(clap::ArgGroup::new("word").required(true).args(["all_met", "this_one_lives"])))]
pub(crate) struct Args {
    /// Declare what all other members hold to be this node's journal
    #[arg(long)]
    all_met: bool,

    /// Say that the other machine with this node's key is gone for good
    #[arg(long)]
    this_one_lives: bool,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let request = if args.all_met {
        Request::DeclareJournal
    } else {
        Request::OutliveTwin
    };
    let status: Status = client::with(&args.common, async |client| {
        // A node that a command starts for itself has met no other node.
        if !client.is_running() {
            return Err(Failure::failed(format!(
                "no node is running here, so no member was connected: start it with `mycnet run{}`",
                client.home.option()
            ))
            .into());
        }
        client.ask::<()>(request).await?;
        client.ask(Request::Status).await
    })?;
    let declared = Declared {
        declared: true,
        signs: status.sealing.signing == "ready",
    };
    args.common.format.print(&declared, |declared| {
        let text = if declared.signs {
            "This node signs again."
        } else {
            "This node signs again once a seal lists its Rejoin. Keep it running; `mycnet status` tells when."
        };
        text.to_owned()
    })
}
