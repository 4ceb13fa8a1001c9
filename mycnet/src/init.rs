//! `mycnet init`: a node's directory with its keys.

use std::path::PathBuf;

use mycnet_consensus::Signer as _;

use crate::api;
use crate::home::Common;
use crate::home::private::read_key;
use crate::home::succession::Whose;
use crate::key::keys_text;
use crate::output::{Fields, note};
use crate::reply::Created;
use crate::settings::{Overrides, Settings};
use crate::successor::Choice;

/// Make a node: a directory with its keys and settings
///
/// It prints the node id, which is the public half of `author.key`. This key signs
/// all that the node says: keep a copy of the file where nobody else can read it.
/// For peers on other machines, use --listen everywhere and a fixed --port. All of
/// this can be changed later in `config.toml`.
///
/// It also makes the key that replaces `author.key` if that is ever stolen (`mycnet
/// key succeed`), and asks where to write it. Keep it where no thief of this machine
/// finds it, such as on a USB stick in a drawer; the node's directory is refused.
/// Its digest is not secret: the line "keys" has it behind the node id, and whoever
/// makes the network gives both to `mycnet network new`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,

    /// Make the node from a key kept elsewhere: a copy of a lost author.key, or a member's next key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    overrides: Overrides,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.directory()?;
    // What is wrong with the options is said before anything is made.
    Settings::default().with(&args.overrides)?;
    api::check_path(&home.socket())?;
    let given = args.key.as_deref().map(read_key).transpose()?;
    let has_author = home.create()?;
    let may_have_signed = has_author || given.is_some();
    if has_author {
        note("there is a node already, without its transport key: it gets a new one");
    } else {
        // Before the author's key, with which the directory is complete.
        args.choice.make(&home, Whose::Author, args.common.format)?;
    }
    if may_have_signed {
        note(
            "if this key has signed in the network before, as a restored author.key has, say `mycnet join --restored`: a new \
             directory cannot know what it signed",
        );
    }
    home.write_settings(&args.overrides)?;
    let author = home.write_keys(given)?;
    let (node, successor) = (author.node_id(), home.successor(Whose::Author)?);
    let made = Created {
        node,
        directory: home.path().to_owned(),
        keys: keys_text(&node, successor.as_ref()),
        successor,
    };
    args.common.format.print(&made, |made| {
        let mut fields = Fields::default();
        fields.add("node", made.node);
        fields.add("directory", made.directory.display());
        fields.add("keys", &made.keys);
        format!(
            "{}\nThe line \"keys\" is for whoever makes the network.\nNext: `mycnet network new` for a new network, or `mycnet join{} \
             TICKET`.",
            fields.text(),
            home.option()
        )
    })
}
