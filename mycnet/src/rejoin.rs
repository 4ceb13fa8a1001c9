//! `mycnet rejoin`: a person's word for a journal that was lost.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::home::Common;
use crate::request::Request;
use crate::session;

/// Ends the wait of a node that lost its journal, where the others cannot.
///
/// Such a node signs nothing until a seal lists its Rejoin, so that it never signs
/// twice. Mostly the others see to that by themselves. Where they have no quorum
/// without it (it has a third of the weight or more: so always with up to three
/// equal members) a person may say that this node holds all that it has ever signed
/// and anybody else holds.
///
/// Make sure of that first: every other member's node is running and has been
/// connected to this one (`mycnet peers`) since this one was started, and all its
/// bundles were imported. If it is not so, this node may sign a second statement
/// where one is allowed, and be banned for good.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Every other member was connected since this node was started
    #[arg(long, required = true)]
    all_met: bool,

    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet rejoin`.
///
/// # Errors
///
/// If no node runs, its journal is complete, or the others can seal its Rejoin.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let value: Value = session::with(&home, async |session| {
        // One that was started only now has met nobody.
        if !session.is_running() {
            let option = home.option();
            return Err(Failure::failed(format!(
                "no node is running here, so that none was connected: start it with `mycnet run{option}`"
            ))
            .into());
        }
        session.ask(Request::DeclareJournal).await?;
        Ok(json!({ "declared": true }))
    })?;
    args.common
        .format
        .print(&value, |_| "This node signs again.".to_owned())
}
