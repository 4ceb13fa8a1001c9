//! `mycnet key`: the keys of this node's member, and the change to the next one.

use std::path::PathBuf;

use mycnet_consensus::core::sign_succession;
use mycnet_consensus::engine::{Clock as _, Succession, SystemClock};
use mycnet_consensus::{Digest, Identity, NodeId, Signer as _, Standing};

use crate::client::{self, Client};
use crate::databases::open_store;
use crate::failure::{Failure, Kind};
use crate::home::private::read_key;
use crate::home::succession::Whose;
use crate::home::{Common, Home};
use crate::output::{Fields, from_now, note, short};
use crate::reply::{KeyPlace, Keys, KeysShown, Succeeded};
use crate::request::Request;
use crate::successor::Choice;

/// Show this node's keys, or replace its key by the one kept for that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Show(ShowArgs),
    Succeed(SucceedArgs),
}

/// Show this node's keys
///
/// The line "keys" is for whoever makes a network: `mycnet network new` takes it as
/// --member NAME=KEYS:ROLE. It has the node id and, behind a slash, the digest of
/// the key that may replace this one. None of it is secret.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ShowArgs {
    #[command(flatten)]
    common: Common,
}

/// Replace the member's key by the one that was kept for that, without a vote
///
/// Use it when `author.key` was stolen, or may have been: whoever has it cannot do
/// this. The new key signs that it takes the member's place. Once a seal lists that,
/// the member's name, role and scores are with the new key, and whatever the old key
/// signs counts for nothing.
///
/// On the machine that still has the node's directory: give --key. The node may run,
/// and should: the old key goes on sealing until then, and the node changes to the
/// new key by itself. On another machine: `mycnet init --key FILE`, `mycnet join`,
/// `mycnet run`, then this command without --key.
///
/// A member can change its key once per commit window. The command may be repeated
/// if it was interrupted.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct SucceedArgs {
    /// Name the file with the next key; the directory's own key unless given
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Show(args) => show(&args.common),
        Command::Succeed(args) => succeed(args),
    }
}

/// A node id with the digest of the key that may replace it, as people pass both on.
pub(crate) fn keys_text(node: &NodeId, successor: Option<&Digest>) -> String {
    match successor {
        Some(successor) => format!("{node}/{successor}"),
        None => node.to_string(),
    }
}

fn show(common: &Common) -> anyhow::Result<()> {
    let home = common.home()?;
    let known: Option<Keys> = if home.has_ledger()? {
        Some(client::ask(common, Request::Keys)?)
    } else {
        None
    };
    let node = home.author()?.node_id();
    let line = known.as_ref().and_then(|keys| keys.member.as_ref());
    let is_present = line.is_some_and(|line| line.node == node);
    let noted = home.successor(Whose::Author)?;
    let successor = match line {
        Some(line) if is_present => line.successor,
        _ => noted,
    };
    if noted.is_some() && noted != successor {
        note(
            "the network names another successor for this member than the key that `mycnet init` wrote, or none: that key is of \
             no use there",
        );
    }
    let shown = KeysShown {
        node,
        keys: keys_text(&node, successor.as_ref()),
        successor,
        name: line.map(|line| line.name.clone()),
        place: known.as_ref().and_then(|keys| keys.place),
        present: line.map(|line| line.node),
        former: line.map(|line| line.former.clone()).unwrap_or_default(),
        pending: known.map(|keys| keys.pending).unwrap_or_default(),
    };
    common.format.print(&shown, |shown| {
        let mut fields = Fields::default();
        fields
            .add_some("name", shown.name.as_ref())
            .add("node", shown.node);
        match &shown.successor {
            Some(successor) => fields.add("successor", successor),
            None => fields.add(
                "successor",
                "none: only a vote of the others can replace this key",
            ),
        };
        for former in &shown.former {
            fields.add("former key", former);
        }
        if let Some(text) = place_text(shown.place, shown.present.as_ref(), &home.option()) {
            fields.add("KEY", text);
        }
        for succession in &shown.pending {
            fields.add("KEY", pending_text(succession));
        }
        fields.add("keys", &shown.keys).text()
    })
}

/// What a key is that is not the member's present one.
pub(crate) fn place_text(
    place: Option<KeyPlace>,
    present: Option<&NodeId>,
    option: &str,
) -> Option<String> {
    let present = present.map(short).unwrap_or_default();
    match place {
        Some(KeyPlace::Former) => Some(format!(
            "this node's key was replaced by {present}: whatever it signs counts for nothing. Its owner goes on with the new key"
        )),
        Some(KeyPlace::Successor) => Some(format!(
            "this node's key is the one that may replace {present}: `mycnet key succeed{option}` does that"
        )),
        Some(KeyPlace::Present) | None => None,
    }
}

/// A succession that no seal lists yet.
pub(crate) fn pending_text(succession: &Succession) -> String {
    let (old, new) = (short(&succession.old), short(&succession.new));
    let now_ms = SystemClock.now_ms();
    let wait = match succession.not_before_ms {
        Some(due_ms) if due_ms > now_ms => format!(
            ", which takes it {}: one change of key per commit window",
            from_now(due_ms, now_ms)
        ),
        _ => String::new(),
    };
    format!("{new} replaces {old} once a seal says so{wait}")
}

/// What a `Succeed` is to say.
struct Plan {
    old: NodeId,
    key: Identity,
    whose: Whose,
}

fn succeed(args: &SucceedArgs) -> anyhow::Result<()> {
    let given = args.key.as_deref().map(read_key).transpose()?;
    let common = &args.common;
    let done = client::with(common, async |client| {
        let running = client.is_running();
        let before: Keys = client.ask(Request::Keys).await?;
        let Some(plan) = plan(&client.home, &before, given)? else {
            return Ok(Succeeded::of(&before, running));
        };
        let after = sign(client, args, &before, &plan).await?;
        Ok(Succeeded {
            old: Some(plan.old),
            node: plan.key.node_id(),
            ..Succeeded::of(&after, running)
        })
    })?;
    let home = common.home()?;
    if !done.running {
        // A network of one has sealed it. A running node changes to the key by itself.
        open_store(&home)?;
    }
    common
        .format
        .print(&done, |done| text(done, &home, args.key.is_some()))
}

fn text(done: &Succeeded, home: &Home, has_file: bool) -> String {
    let mut fields = Fields::default();
    fields
        .add_some("name", done.name.as_ref())
        .add("node", done.node);
    fields.add_some("successor", done.successor);
    let option = home.option();
    let next = if done.sealed {
        "The member has the new key."
    } else if done.running {
        "Signed. Keep the node running: once a seal lists it, the member has the new key. `mycnet key show` tells when."
    } else {
        return format!(
            "{}\nSigned. Next: `mycnet run{option}`: once a seal lists it, the member has the new key.",
            fields.text()
        );
    };
    let copy = if has_file {
        "\nThe file with the key is a copy of author.key then: keep it as such, or delete it."
    } else {
        ""
    };
    format!("{}\n{next}{copy}", fields.text())
}

fn refused(text: impl Into<String>) -> anyhow::Error {
    Failure::new(Kind::Refused, text).into()
}

/// Checks that the ledger, as far as this node has it, lets the key take the member's place. `None`: it has done so already.
fn plan(home: &Home, keys: &Keys, given: Option<Identity>) -> anyhow::Result<Option<Plan>> {
    let author = home.author()?;
    let (node, height, option) = (author.node_id(), keys.height, home.option());
    let Some(member) = &keys.member else {
        return Err(refused(format!(
            "as far as the ledger here goes, to height {height}, this node's key is no member's, and no member names it as its \
             successor. If the node has just joined, let `mycnet run{option}` catch up first; on a machine that does not have \
             the member's directory, make one from the next key: `mycnet init --dir DIR --key FILE`"
        )));
    };
    let name = &member.name;
    if member.standing == Standing::Banned {
        return Err(refused(format!(
            "{name} is banned, and a banned member has no successor"
        )));
    }
    let given_id = given.as_ref().map(Identity::node_id);
    match keys.place {
        Some(KeyPlace::Successor) if given_id.is_some_and(|id| id != node) => {
            Err(Failure::usage(format!(
                "--key: this directory's own key is {name}'s successor already: leave --key away"
            ))
            .into())
        }
        Some(KeyPlace::Successor) => Ok(Some(Plan {
            old: member.node,
            key: author,
            whose: Whose::Author,
        })),
        Some(KeyPlace::Present) if given_id == Some(node) => Ok(None),
        // The change to it was interrupted, or happens right now.
        Some(KeyPlace::Former) if given_id == Some(member.node) && home.has_next_key()? => Ok(None),
        Some(KeyPlace::Former) => Err(refused(format!(
            "this node's key was replaced already, by {}: another directory of {name} has the present key",
            member.node
        ))),
        _ => {
            let Some(key) = given else {
                return Err(Failure::usage(format!(
                    "this node's key is {name}'s present one: name the file with the next key, --key FILE"
                ))
                .into());
            };
            check_named(keys, &key)?;
            Ok(Some(Plan {
                old: member.node,
                key,
                whose: Whose::Next,
            }))
        }
    }
}

/// Checks that the member names this key as successor.
fn check_named(keys: &Keys, key: &Identity) -> anyhow::Result<()> {
    let Some(member) = &keys.member else {
        return Ok(());
    };
    let (name, digest) = (&member.name, Digest::of_successor(&key.node_id()));
    if member.former.contains(&key.node_id()) {
        return Err(refused(format!(
            "--key: the file has a key that {name} had before, and a key is never taken up again"
        )));
    }
    match member.successor {
        Some(named) if named == digest => Ok(()),
        Some(named) => Err(refused(format!(
            "--key: {name} names another key as successor: its digest is {named}, that of the file's key {digest}. The right \
             file was written by `mycnet init`, or by the last `mycnet key succeed`"
        ))),
        None => Err(refused(format!(
            "{name} names no successor, so only the others can replace its key: by `mycnet propose exclusion`, and the admission \
             of a new node"
        ))),
    }
}

/// Signs the `Succeed` and gives it to the node. What a start needs to change to the key is in the directory before.
async fn sign(
    client: &Client,
    args: &SucceedArgs,
    keys: &Keys,
    plan: &Plan,
) -> anyhow::Result<Keys> {
    let home = &client.home;
    let new = plan.key.node_id();
    let mut pending = keys.pending.iter();
    let pending = pending.find(|succession| succession.new == new);
    let noted = home.successor(plan.whose)?;
    let is_open = args.choice.successor.is_none() && !args.choice.no_successor;
    let next = match pending {
        // Two that say different things would stand against each other.
        Some(pending) if !args.choice.agrees_with(pending.next) => {
            return Err(refused(
                "the key has signed already that it takes over, with another successor than this command names, and the first \
                 that a seal lists counts: repeat the command as it was, or without --successor",
            ));
        }
        Some(pending) => pending.next,
        // `mycnet init --key` made it.
        None if plan.whose == Whose::Author && is_open && noted.is_some() => noted,
        None => args.choice.make(home, plan.whose, args.common.format)?,
    };
    if plan.whose == Whose::Next {
        home.keep_successor(Whose::Author, &Digest::of_successor(&new))?;
        home.keep_next_key(&plan.key)?;
    }
    let record =
        sign_succession(&plan.key, keys.network, plan.old, next).map_err(Failure::failed)?;
    let record = hex::encode(record.encode());
    client.ask(Request::Succeed { record }).await
}
