//! Queries to a node: `roster`, `trust`, `seals`, `config`, `evidence`, `peers`, and its ticket.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use mycnet_consensus::core::SigningState;
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::{MemberName, NodeId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::NodeRef;
use crate::client::{self, ask};
use crate::home::Common;
use crate::names::member_shown;
use crate::network::param;
use crate::output::{Fields, Table, bytes_shown, note, percent, short};
use crate::reply::{
    Config, EvidenceList, KeyPlace, MemberTrust, Peer, Peers, Roster, Seals, TicketText, WhatIf,
};
use crate::request::{Request, seals_shown};
use crate::warnings;

/// Show a member's trust and skill, now or after a height, and the reasons
#[derive(Debug, clap::Args)]
pub(crate) struct TrustArgs {
    /// The member: its name, or the first 8 digits or more of its id; this node unless given
    node: Option<NodeRef>,

    /// Show the scores after this height; the present height unless given
    #[arg(long, value_name = "HEIGHT")]
    at: Option<u64>,

    /// List every change, oldest first
    #[arg(long)]
    explain: bool,

    /// List only the last so many changes, and all others of the heights that they are of
    #[arg(long, value_name = "N", requires = "explain")]
    limit: Option<usize>,

    #[command(flatten)]
    common: Common,
}

/// List the last seals: who proposed each, and who signed it
///
/// A seal needs precommits of more than two thirds of the sealers. Who is missing in
/// this node's list may have signed as well.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SealsArgs {
    /// List at most so many, the newest first
    #[arg(long, value_name = "N", default_value_t = seals_shown())]
    limit: usize,

    /// List only those below this height
    #[arg(long, value_name = "HEIGHT")]
    before: Option<u64>,

    #[command(flatten)]
    common: Common,
}

/// Show the scores that the members would have under other parameters
///
/// The sealed log is applied again from the start, which takes time in proportion to
/// it. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct WhatIfArgs {
    /// Set a parameter to another value than the present one; can be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", required = true, value_parser = param)]
    params: Vec<(String, u64)>,

    #[command(flatten)]
    common: Common,
}

/// Show the configuration that the members decided, and the parameters
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The only key to print, or param.NAME
    key: Option<String>,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn roster(common: &Common) -> anyhow::Result<()> {
    let roster = ask(common, Request::Roster)?;
    common.format.print(&roster, |Roster { members }| {
        let mut heads = vec![
            "MEMBER", "ROLE", "STANDING", "TRUST", "SKILL", "ROW", "NODE",
        ];
        if members.iter().any(|member| !member.former.is_empty()) {
            heads.push("FORMER KEYS");
        }
        let mut table = Table::new(&heads);
        for member in members {
            table.row(&[
                &member_shown(&member.node, &member.name),
                &member.role,
                &member.standing,
                &percent(member.trust_ppm),
                &percent(member.skill_ppm),
                &member.row,
                &member.node,
                &member
                    .former
                    .iter()
                    .map(short)
                    .collect::<Vec<_>>()
                    .join(" "),
            ]);
        }
        table.or("no members")
    })
}

pub(crate) fn trust(args: &TrustArgs) -> anyhow::Result<()> {
    let trust: MemberTrust = client::with(&args.common, async |client| {
        let node = match &args.node {
            Some(node) => Some(client.node(node).await?),
            None => None,
        };
        let request = Request::Trust {
            node,
            at: args.at,
            explain: args.explain,
            limit: args.limit,
        };
        client.ask(request).await
    })?;
    args.common.format.print(&trust, |trust| {
        let mut fields = Fields::default();
        fields
            .add("node", trust.node)
            .add_some("name", trust.name.as_ref())
            .add("height", trust.height);
        match trust.standing {
            Some(standing) => fields
                .add_some("trust", trust.trust_ppm.map(percent))
                .add_some("skill", trust.skill_ppm.map(percent))
                .add("standing", standing)
                .add_some("row", trust.row),
            None => fields.add("standing", "no member then"),
        };
        let changes = match trust.lines.as_deref() {
            None => String::new(),
            Some([]) => "\nno changes: the scores are the initial ones".to_owned(),
            Some(lines) => format!("\n{}", lines.join("\n")),
        };
        fields.text() + &changes
    })
}

pub(crate) fn seals(args: &SealsArgs) -> anyhow::Result<()> {
    let request = Request::Seals {
        limit: args.limit,
        before: args.before,
    };
    let seals: Seals = ask(&args.common, request)?;
    args.common
        .format
        .print(&seals, |Seals { seals, names, .. }| {
            let mut table = Table::new(&[
                "HEIGHT", "TIME", "SEAL", "RECORDS", "ROUND", "PROPOSER", "SIGNED", "MISSING",
            ]);
            let now = SystemClock.now_ms();
            for line in seals {
                let proposer = line.proposer.as_ref();
                let ago = warnings::span(now.saturating_sub(line.time_ms));
                table.row(&[
                    &line.height,
                    &format!("{ago} ago"),
                    &short(&line.seal),
                    &line.records,
                    &line.round,
                    &proposer.map_or_else(String::new, |node| names.shown(node)),
                    &format!(
                        "{} of {}",
                        line.signed.len(),
                        line.signed.len() + line.missing.len()
                    ),
                    &names.list(&line.missing),
                ]);
            }
            table.or("no seals")
        })
}

pub(crate) fn what_if(args: &WhatIfArgs) -> anyhow::Result<()> {
    let params = args.params.clone();
    let what_if = ask(&args.common, Request::WhatIf { params })?;
    args.common
        .format
        .print(&what_if, |WhatIf { members, .. }| {
            let mut table = Table::new(&["MEMBER", "", "STANDING", "TRUST", "SKILL", "ROW"]);
            for member in members {
                let shown = member_shown(&member.node, &member.name);
                for (when, line) in [("now", &member.now), ("then", &member.then)] {
                    let Some(line) = line else {
                        table.row(&[&shown, &when, &"no member"]);
                        continue;
                    };
                    table.row(&[
                        &shown,
                        &when,
                        &line.standing,
                        &percent(line.trust_ppm),
                        &percent(line.skill_ppm),
                        &line.row,
                    ]);
                }
            }
            table.or("no members")
        })
}

/// A member for people, or the whole id of a node that no roster has.
fn shown_whole(node: &NodeId, name: Option<&MemberName>) -> String {
    name.map_or_else(|| node.to_string(), |name| member_shown(node, name))
}

/// One key of the configuration.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct OneKey<'a> {
    key: &'a str,
    /// A number for a parameter, else the value's bytes as hexadecimal digits.
    value: serde_json::Value,
}

pub(crate) fn config(args: &ConfigArgs) -> anyhow::Result<()> {
    let config: Config = ask(&args.common, Request::Config)?;
    // The library names the parameters in their JSON only.
    let params = serde_json::to_value(&config.params)?;
    let value_text = |digits: &str| hex::decode(digits).map(|bytes| bytes_shown(&bytes));
    let Some(key) = &args.key else {
        let mut table = Table::new(&["KEY", "VALUE"]);
        for (key, digits) in &config.config {
            table.row(&[key, &value_text(digits)?]);
        }
        for (name, value) in params.as_object().into_iter().flatten() {
            table.row(&[&format!("param.{name}"), value]);
        }
        return args
            .common
            .format
            .print(&config, |_| table.or("nothing is set"));
    };
    let (value, text) = match key.strip_prefix("param.") {
        Some(name) => params
            .get(name)
            .map(|value| (value.clone(), value.to_string())),
        None => match config.config.get(key) {
            Some(digits) => Some((digits.as_str().into(), value_text(digits)?)),
            None => None,
        },
    }
    .with_context(|| format!("{key} is not set: `mycnet config` lists the keys that are"))?;
    args.common.format.print(&OneKey { key, value }, |_| text)
}

pub(crate) fn evidence(common: &Common) -> anyhow::Result<()> {
    let evidence = ask(common, Request::Evidence)?;
    common.format.print(&evidence, |EvidenceList { evidence }| {
        let mut table = Table::new(&["AUTHOR", "STATEMENT", "FIRST RECORD", "SECOND RECORD"]);
        for row in evidence {
            let author = shown_whole(&row.author, row.name.as_ref());
            table.row(&[&author, &row.statement, &row.first, &row.second]);
        }
        table.or("no evidence: nobody is known to have signed two statements where one is allowed")
    })
}

pub(crate) fn peers(common: &Common) -> anyhow::Result<()> {
    let peers: Peers = ask(common, Request::Peers)?;
    if !peers.running {
        note(&format!(
            "no node is running here: these are the peers that the next `mycnet run{}` dials",
            common.home()?.option()
        ));
    }
    let option = common.home()?.option();
    common.format.print(
        &peers,
        |Peers {
             peers,
             twin,
             clocks,
             ..
         }| {
            let mut table = Table::new(&[
                "NODE",
                "ROLE",
                "CONNECTED",
                "ADDRESSES",
                "SIGNS",
                "CLOCK",
                "LAST FAULT",
            ]);
            for peer in peers {
                let link = peer.link.as_ref();
                let endpoint = || link.map(|link| format!("endpoint {}", link.endpoint));
                let node = peer.node.map(|node| shown_whole(&node, peer.name.as_ref()));
                let key = match peer.place {
                    Some(KeyPlace::Former) => ", former key",
                    Some(KeyPlace::Successor) => ", next key",
                    Some(KeyPlace::Present) | None => "",
                };
                table.row(&[
                    &(node.or_else(endpoint).unwrap_or_default() + key),
                    &peer.role.map_or_else(String::new, |role| role.to_string()),
                    &connected(peer),
                    &peer.addresses.join(" "),
                    &link.and_then(|link| link.signing).map_or("", signs),
                    &link
                        .and_then(|link| link.clock_ahead_ms)
                        .map_or_else(String::new, offset),
                    &link
                        .filter(|_| !peer.connected)
                        .and_then(|link| link.last_fault.as_deref())
                        .unwrap_or_default(),
                ]);
            }
            let table = table.or("no peers are known yet: `mycnet run --peer TICKET` dials one");
            let twin = twin.as_ref().map(|twin| warnings::twin(twin, &option));
            let texts = twin.into_iter().chain(warnings::clocks(clocks));
            [table]
                .into_iter()
                .chain(texts)
                .collect::<Vec<_>>()
                .join("\n")
        },
    )
}

/// Whether a peer signs, in short.
fn signs(signing: SigningState) -> &'static str {
    match signing {
        SigningState::Ready => "yes",
        SigningState::JournalLost | SigningState::Rejoining => "no: journal lost",
        SigningState::Twin => "no: has a twin",
        SigningState::Compromised => "no: a fork",
        SigningState::Refounded => "no: has left",
        _ => "no",
    }
}

/// How far a peer's clock is ahead, in seconds.
fn offset(ahead_ms: i64) -> String {
    format!("{:+} s", ahead_ms / 1000)
}

/// Whether a peer is connected, and whether that depends on a relay.
fn connected(peer: &Peer) -> &'static str {
    let at = peer.link.as_ref().and_then(|link| link.at.as_deref());
    match at {
        _ if !peer.connected => "no",
        Some(at) if at.parse::<SocketAddr>().is_err() => "by relay",
        _ => "yes",
    }
}

pub(crate) fn ticket(common: &Common) -> anyhow::Result<()> {
    let ticket: TicketText = client::with(common, async |client| {
        if !client.is_running() {
            bail!(
                "a ticket says where a running node can be reached, and none runs here: start it with `mycnet run{}`",
                client.home.option()
            );
        }
        client.ask(Request::Ticket).await
    })?;
    if ticket
        .addresses
        .iter()
        .all(|address| address.starts_with("127."))
    {
        note(
            "this node listens on this machine only: the ticket is of no use on others. Set listen = \"everywhere\" and a \
             port in config.toml",
        );
    }
    common.format.print(&ticket, |ticket| ticket.ticket.clone())
}
