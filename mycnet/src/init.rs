//! `mycnet init`: a node's directory with its keys.

use mycnet_consensus::Signer as _;
use mycnet_consensus::engine::new_identity;
use serde_json::json;

use crate::home::Common;
use crate::output::{note, shown};
use crate::settings::{Overrides, Settings};
use crate::socket;

/// Makes a node: a directory with its keys and settings.
///
/// The node id that it prints is the public half of `author.key`, which signs all
/// that the node says: keep a copy of that file where nobody else can read it.
/// Nodes on other machines are reached with --listen everywhere and a --port that
/// stays the same; all of this can be changed later in `config.toml`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    overrides: Overrides,
}

/// Runs `mycnet init`.
///
/// # Errors
///
/// If there is a node already, or it cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.place()?;
    let settings = Settings::default().with(&args.overrides)?;
    socket::check_path(&home.socket())?;
    let has_author = home.create()?;
    home.write_settings(&settings)?;
    // An interrupted `init` left this one behind, and nobody has been told of it.
    if !home.has_transport()? {
        home.write_transport(&new_identity()?.secret())?;
    }
    // Last: a directory with an author is complete.
    let author = if has_author {
        note("there is a node already; its transport key was missing, and is made anew");
        home.author()?
    } else {
        let author = new_identity()?;
        home.write_author(&author.secret())?;
        author
    };
    let value = json!({ "node": author.node_id(), "directory": home.path() });
    args.common.format.print(&value, |value| {
        let option = home.option();
        format!(
            "node       {}\ndirectory  {}\n\nNext: `mycnet network new` for a new network, or `mycnet join{option} TICKET`.\n",
            shown(&value["node"]),
            shown(&value["directory"]),
        )
    })
}
