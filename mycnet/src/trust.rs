//! `mycnet trust`: how far a member is trusted, and why.

use serde_json::Value;

use crate::arguments::NodeArg;
use crate::home::Common;
use crate::output::{Fields, percent, rows, shown};
use crate::request::Request;
use crate::session;

/// Says how far a member is trusted, now or after a height, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The member, or the first 8 digits or more of its id; this node if none
    node: Option<NodeArg>,

    /// After this height instead of now
    #[arg(long, value_name = "HEIGHT")]
    at: Option<u64>,

    /// List every change, oldest first
    #[arg(long)]
    explain: bool,

    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet trust`.
///
/// # Errors
///
/// If it was no member then.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    session::with(&home, async |session| {
        let node = match &args.node {
            Some(node) => Some(session.node(node).await?),
            None => None,
        };
        let request = Request::Trust {
            node,
            at: args.at,
            explain: args.explain,
        };
        let value = session.ask(request).await?;
        args.common.format.print(&value, text)
    })
}

fn text(value: &Value) -> String {
    let mut fields = Fields::default();
    fields.add("node", shown(&value["node"]));
    fields.add("height", shown(&value["height"]));
    if value["standing"].is_null() {
        fields.add("standing", "no member then");
    } else {
        fields.add("trust", percent(&value["trust_ppm"]));
        fields.add("standing", shown(&value["standing"]));
    }
    let mut text = fields.text();
    if value["lines"].is_array() {
        text.push('\n');
        let lines = rows(&value["lines"]);
        if lines.is_empty() {
            text.push_str("no changes: the score is the one it started with\n");
        }
        for line in lines {
            text.push_str(&shown(line));
            text.push('\n');
        }
    }
    text
}
