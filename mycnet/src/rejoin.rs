//! `mycnet rejoin`: a person's declaration about a journal that was lost.

use crate::client;
use crate::failure::Failure;
use crate::home::Common;
use crate::reply::Declared;
use crate::request::Request;

/// End the wait of a node that lost its journal, where the others cannot end it
///
/// Such a node signs nothing until a seal lists its Rejoin, so that it never signs
/// twice. Usually the others make that seal. They cannot if this node has a third
/// of the weight or more, as always with up to three equal members. Then a person
/// may declare: of all records that this node ever signed, it holds every one that
/// another node holds.
///
/// Check this first: every other member's node is running and was connected to
/// this node since its start (`mycnet peers`), and all bundles of those nodes were
/// imported here. Otherwise this node may sign a second statement where one is
/// allowed, and be banned for good.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Declare that every other member was connected since this node was started
    #[arg(long, required = true)]
    all_met: bool,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    client::with(&args.common, async |client| {
        // A node that a command starts for itself has met no other node.
        if !client.is_running() {
            return Err(Failure::failed(format!(
                "no node is running here, so no member was connected: start it with `mycnet run{}`",
                client.home.option()
            ))
            .into());
        }
        client.ask::<()>(Request::DeclareJournal).await
    })?;
    let declared = Declared { declared: true };
    let format = args.common.format;
    format.print(&declared, |_| "This node signs again.".to_owned())
}
