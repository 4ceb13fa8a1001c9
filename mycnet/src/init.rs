//! `mycnet init`: a node's directory with its keys.

use mycnet_consensus::Signer as _;

use crate::home::Common;
use crate::output::{Fields, note};
use crate::reply::Created;
use crate::settings::{Overrides, Settings};
use crate::socket;

/// Make a node: a directory with its keys and settings
///
/// It prints the node id, which is the public half of `author.key`. This key signs
/// all that the node says: keep a copy of the file where nobody else can read it.
/// For peers on other machines, use --listen everywhere and a fixed --port. All of
/// this can be changed later in `config.toml`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    overrides: Overrides,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.directory()?;
    let settings = Settings::default().with(&args.overrides)?;
    socket::check_path(&home.socket())?;
    let has_author = home.create()?;
    home.write_settings(&settings)?;
    if has_author {
        note(
            "there is a node already, without its transport key: it gets a new one. If author.key was restored from a copy, \
             say `mycnet join --restored`: it may have signed what nobody here knows",
        );
    }
    let author = home.write_keys()?;
    let made = Created {
        node: author.node_id(),
        directory: home.path().to_owned(),
    };
    args.common.format.print(&made, |made| {
        let mut fields = Fields::default();
        fields.add("node", made.node);
        fields.add("directory", made.directory.display());
        format!(
            "{}\nNext: `mycnet network new` for a new network, or `mycnet join{} TICKET`.",
            fields.text(),
            home.option()
        )
    })
}
