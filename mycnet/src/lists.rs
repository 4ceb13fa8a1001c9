//! What a node knows, in lists: `roster`, `config`, `evidence`, `peers`, and its ticket.

use anyhow::bail;
use serde_json::{Value, json};

use crate::home::Common;
use crate::output::{Table, bytes_shown, line, note, percent, rows, shown};
use crate::request::Request;
use crate::session;

/// Lists the members with role, trust and standing.
#[derive(Debug, clap::Args)]
pub(crate) struct RosterArgs {
    #[command(flatten)]
    common: Common,
}

/// Shows the configuration that the members decided, and the parameters.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Print the value of this key alone, or of param.NAME
    key: Option<String>,

    #[command(flatten)]
    common: Common,
}

/// Lists members who signed two different statements where one is allowed.
#[derive(Debug, clap::Args)]
pub(crate) struct EvidenceArgs {
    #[command(flatten)]
    common: Common,
}

/// Lists known peers, and which of them are connected.
#[derive(Debug, clap::Args)]
pub(crate) struct PeersArgs {
    #[command(flatten)]
    common: Common,
}

/// Prints a ticket: what others need to join through this running node.
///
/// It names the network, this node and some peers with their addresses, and a recent
/// seal. It is not secret, and makes nobody a member.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TicketArgs {
    #[command(flatten)]
    common: Common,
}

fn ask(common: &Common, request: Request) -> anyhow::Result<Value> {
    session::with(&common.home()?, async |session| session.ask(request).await)
}

/// Runs `mycnet roster`.
///
/// # Errors
///
/// If there is no node; so below.
pub(crate) fn roster(args: &RosterArgs) -> anyhow::Result<()> {
    let value = ask(&args.common, Request::Roster)?;
    args.common.format.print(&value, |value| {
        let mut table = Table::new(&["NODE", "ROLE", "STANDING", "TRUST", "WEIGHT", "IN CLAIMS"]);
        for row in rows(&value["members"]) {
            table.row([
                shown(&row["node"]),
                shown(&row["role"]),
                shown(&row["standing"]),
                percent(&row["trust_ppm"]),
                shown(&row["critical_weight"]),
                shown(&row["claim_weight"]),
            ]);
        }
        table.or("no members")
    })
}

/// Runs `mycnet config`.
///
/// # Errors
///
/// If a key is asked for that is not set.
pub(crate) fn config(args: &ConfigArgs) -> anyhow::Result<()> {
    let value = ask(&args.common, Request::Config)?;
    if let Some(key) = &args.key {
        return one(args, key, &value);
    }
    args.common.format.print(&value, |value| {
        let mut table = Table::new(&["KEY", "VALUE"]);
        for (key, value) in value["config"].as_object().into_iter().flatten() {
            table.row([crate::output::plain(key).into_owned(), bytes_shown(value)]);
        }
        for (name, value) in value["params"].as_object().into_iter().flatten() {
            table.row([format!("param.{name}"), shown(value)]);
        }
        table.or("nothing is set")
    })
}

fn one(args: &ConfigArgs, key: &str, value: &Value) -> anyhow::Result<()> {
    let found = match key.strip_prefix("param.") {
        Some(name) => &value["params"][name],
        None => &value["config"][key],
    };
    if found.is_null() {
        bail!("{key} is not set: `mycnet config` lists what is");
    }
    let answer = json!({ "key": key, "value": found });
    args.common.format.print(&answer, |_| match found {
        Value::String(_) => bytes_shown(found),
        number => shown(number),
    })
}

/// Runs `mycnet evidence`.
///
/// # Errors
///
/// As [`roster`].
pub(crate) fn evidence(args: &EvidenceArgs) -> anyhow::Result<()> {
    let value = ask(&args.common, Request::Evidence)?;
    args.common.format.print(&value, |value| {
        let mut table = Table::new(&["AUTHOR", "STATEMENT", "FIRST RECORD", "SECOND RECORD"]);
        for row in rows(&value["evidence"]) {
            table.row([
                shown(&row["author"]),
                shown(&row["statement"]),
                shown(&row["first"]),
                shown(&row["second"]),
            ]);
        }
        table.or("no evidence: nobody is known to have signed two statements where one is allowed")
    })
}

/// Runs `mycnet peers`.
///
/// # Errors
///
/// As [`roster`].
pub(crate) fn peers(args: &PeersArgs) -> anyhow::Result<()> {
    let value = ask(&args.common, Request::Peers)?;
    if value["running"] == false {
        let option = args.common.home()?.option();
        note(&format!(
            "no node is running here: these are the peers that the next `mycnet run{option}` dials"
        ));
    }
    args.common.format.print(&value, |value| {
        let mut table = Table::new(&["NODE", "ROLE", "CONNECTED", "ADDRESSES", "LAST FAULT"]);
        for row in rows(&value["peers"]) {
            let addresses: Vec<String> = rows(&row["addresses"]).iter().map(shown).collect();
            let node = match row["node"].as_str() {
                Some(node) => node.to_owned(),
                None => format!("endpoint {}", shown(&row["endpoint"])),
            };
            let connected = if row["connected"] == true {
                "yes"
            } else {
                "no"
            };
            table.row([
                node,
                shown(&row["role"]),
                connected.to_owned(),
                addresses.join(" "),
                shown(&row["last_fault"]),
            ]);
        }
        table.or("no peers are known yet: `mycnet run --peer TICKET` dials one")
    })
}

/// Runs `mycnet ticket`.
///
/// # Errors
///
/// If no node is running.
pub(crate) fn ticket(args: &TicketArgs) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let value = session::with(&home, async |session| {
        if !session.is_running() {
            bail!(
                "a ticket says where the node can be reached, which takes a running one: start it with `mycnet run{}`",
                home.option()
            );
        }
        session.ask(Request::Ticket).await
    })?;
    let is_local = rows(&value["addresses"])
        .iter()
        .all(|address| shown(address).starts_with("127."));
    if is_local {
        note(
            "this node listens on this machine only: the ticket is of no use on others. Set listen = \"everywhere\" and a \
             port in config.toml",
        );
    }
    if args.common.format.json {
        return line(&value.to_string());
    }
    line(&shown(&value["ticket"]))
}
