//! `mycnet page`: where the page of a running node is.

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;
use crate::home::Common;

/// Print the address of this node's page, for a browser on this machine
///
/// The page shows the network, what waits for you, operations, claim sets, votes,
/// members, seals and events, and votes for you. It is there while the node runs,
/// if config.toml has an address for it:
///
///   api.listen = "127.0.0.1:7447"
///
/// The address contains the token of api.token: whoever has it can vote for you.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

/// The answer of `page`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Page {
    /// For a browser on this machine; behind the `#` stands the token.
    address: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let Some(listen) = home.settings()?.api.listen else {
        return Err(Failure::usage(format!(
            "this node has no page: add api.listen = \"127.0.0.1:7447\" to the top of {}, and start the node again",
            home.settings_file().display()
        ))
        .into());
    };
    let Ok(token) = std::fs::read_to_string(home.api_token()) else {
        bail!(
            "there is no {} yet: start the node (again) with `mycnet run{}`",
            home.api_token().display(),
            home.option()
        );
    };
    if listen.port() == 0 {
        bail!("api.listen has port 0, so the address changes with every start: name a port");
    }
    let address = format!("http://{listen}/#token={}", token.trim());
    args.common
        .format
        .print(&Page { address }, |page| page.address.clone())
}
