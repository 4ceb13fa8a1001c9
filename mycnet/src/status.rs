//! `mycnet status`: the state of the node, or of one operation.

use mycnet_consensus::core::Pending;
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::{ClaimRule, Class, ConsensusOperation, NodeId, Priority, Standing};
use serde_json::Value;

use crate::answer::turns::YourTurn;
use crate::arguments::IdPrefix;
use crate::home::Common;
use crate::key::{pending_text, place_text};
use crate::names::{Names, member_shown};
use crate::output::{Fields, ballot_shown, bytes_lines, from_now, outcome_shown, percent, short};
use crate::reply::{ElectorVote, KeyPlace, OperationDetails, RefoundingInShort, Status, Verdict};
use crate::request::Request;
use crate::{client, warnings};

/// Show the state of this node and its network, or of one operation
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An operation, or the first 8 digits or more of its id
    operation: Option<IdPrefix>,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let format = args.common.format;
    client::with(&args.common, async |client| {
        if let Some(operation) = &args.operation {
            let operation = client.operation(operation).await?;
            let operation = client.ask(Request::Operation { operation }).await?;
            return format.print(&operation, operation_text);
        }
        let status = client.ask(Request::Status).await?;
        let (option, is_past) = (client.home.option(), client.home.is_past());
        format.print(&status, |status| node_text(status, &option, is_past))
    })
}

fn node_text(status: &Status, option: &str, is_past: bool) -> String {
    let mut fields = Fields::default();
    let member = status.member.as_ref();
    if member.is_some_and(|member| member.standing == Standing::Banned) {
        fields.add("BANNED", warnings::banned());
    } else if status.said_banned > 0 {
        fields.add("BANNED?", warnings::said_banned(status.said_banned));
    }
    if let Some(twin) = &status.twin {
        fields.add("TWIN", warnings::twin(twin, option));
    }
    refounding_text(&mut fields, &status.refounding, option, is_past);
    fields
        .add("node", status.node)
        .add("network", status.network)
        .add("name", &status.name);
    if let Some(follows) = &status.refounding.follows {
        fields.add("follows", warnings::follows(follows));
    }
    match status.peers {
        Some(peers) => fields.add("running", format!("yes, {peers} peers connected")),
        None if is_past => &mut fields,
        None => fields.add("running", format!("no: start it with `mycnet run{option}`")),
    };
    let sealed = ago(status.seal_ms);
    fields
        .add("height", format!("{}, sealed {sealed}", status.height))
        .add("seal", status.seal);
    match &status.member {
        Some(member) => {
            let name = member_shown(&member.node, &member.name);
            let (role, standing) = (member.role, member.standing);
            let (trust, skill) = (percent(member.trust_ppm), percent(member.skill_ppm));
            let former: Vec<String> = member.former.iter().map(short).collect();
            let former = match former.as_slice() {
                [] => String::new(),
                keys => format!(", formerly {}", keys.join(", ")),
            };
            fields.add(
                "this node",
                format!("{name}, {role}, {standing}, trust {trust}, skill {skill}{former}"),
            )
        }
        None => fields.add("this node", "no member"),
    };
    let keys = &status.keys;
    let (line, former) = (keys.member.as_ref(), keys.place == Some(KeyPlace::Former));
    let label = if former { "FORMER KEY" } else { "KEY" };
    fields.add_some(
        label,
        place_text(keys.place, line.map(|line| &line.node), option),
    );
    for succession in &keys.pending {
        fields.add("KEY", pending_text(succession));
    }
    fields.add("members", status.members);
    let sealing = &status.sealing;
    if sealing.signing != "ready" {
        fields.add("signing", sealing.signing.replace('_', " "));
    }
    fields.add_some("journal", status.journal_lost.as_ref());
    if sealing.signing == "rejoining" {
        fields.add("", format!(
            "nothing but a Rejoin is signed until a seal lists it. If too few others can seal, and every other member was met \
             since the start: `mycnet rejoin{option} --all-met`"
        ));
    }
    for text in warnings::not_signing(&status.not_signing) {
        fields.add("not signing", text);
    }
    for text in warnings::clocks(&status.clocks) {
        fields.add("CLOCK", text);
    }
    if status.disk_failed {
        fields.add("disk", "a write failed: this node must be started again");
    }
    sealing_text(&mut fields, status);
    fields
        .add("unsealed", format!("{} records", status.unsealed_records))
        .add("open", format!("{} operations", status.open_operations));
    let turns = &status.your_turns;
    let others = status.waiting_for_you.iter();
    let others = others.filter(|id| turns.iter().all(|turn| turn.operation != **id));
    for operation in others {
        fields.add("your turn", operation);
    }
    for turn in turns {
        fields.add("your turn", turn_text(turn));
    }
    fields.text()
}

/// What a node may vote on, and what that is worth.
/// Whether enough sealers are there, and whom the next seal waits for.
fn sealing_text(fields: &mut Fields, status: &Status) {
    let sealing = &status.sealing;
    if let Some(sealers) = status.sealers.as_ref().filter(|it| it.too_few) {
        let (connected, needed) = (sealers.connected, sealers.needed);
        let (all, absent) = (sealing.sealers.len(), status.names.list(&sealers.absent));
        let are = if connected == 1 { "is" } else { "are" };
        let text = format!(
            "{connected} of {all} {are} connected here, and {needed} are needed: without {absent} nothing is sealed"
        );
        fields.add("SEALERS", text);
    }
    if !sealing.waits_for.is_empty() {
        let (height, step) = (sealing.height, &sealing.step);
        let missing = status.names.list(&sealing.waits_for);
        let text = format!("height {height}, {step}: waits for {missing}");
        fields.add("sealing", text);
    }
}

fn turn_text(turn: &YourTurn) -> String {
    let until = turn.until_ms.map_or_else(String::new, |until_ms| {
        match until_ms.checked_sub(SystemClock.now_ms()) {
            Some(1..) => format!(
                ", counted for certain {}",
                from_now(until_ms, SystemClock.now_ms())
            ),
            _ => ", counted if it comes before the others' are opened".to_owned(),
        }
    });
    let weight = match turn.weight {
        Some(0) => ", without weight: shown and scored, it decides nothing",
        _ => "",
    };
    let (kind, subject) = (&turn.kind, &turn.subject);
    format!("{} ({kind}, {subject}){until}{weight}", turn.operation)
}

/// How long ago a seal's time was.
fn ago(time_ms: u64) -> String {
    let span = SystemClock.now_ms().saturating_sub(time_ms);
    format!("{} ago", warnings::span(span))
}

/// Whether the network is founded anew, and what this node has to do with it.
fn refounding_text(
    fields: &mut Fields,
    refounding: &RefoundingInShort,
    option: &str,
    is_past: bool,
) {
    if let Some(network) = refounding.left_for {
        let text = if is_past {
            format!("this node goes on in network {network}; this is the old ledger")
        } else {
            format!("this node goes on in network {network}: `mycnet run{option}`")
        };
        fields.add("LEFT", text);
    } else if refounding.asks_again {
        fields.add("REFOUND?", format!(
            "a seal was applied since this node endorsed a plan: `mycnet refound status{option}`, and endorse it again to go on"
        ));
    } else if refounding.plans > 0 {
        fields.add(
            "REFOUND?",
            format!(
                "members want to found the network anew{}: `mycnet refound status{option}`",
                if refounding.endorsed.is_some() {
                    ", and this node endorses it"
                } else {
                    ""
                }
            ),
        );
    }
}

/// An operation, for people.
pub(crate) fn operation_text(operation: &OperationDetails) -> String {
    let mut fields = Fields::default();
    let names = &operation.names;
    let kind = operation.kind.replace('_', " ");
    let class = format!("{:?}", operation.class).to_lowercase();
    fields
        .add("operation", operation.operation)
        .add("kind", format!("{kind} ({class})"));
    content(&mut fields, &operation.content, names);
    fields.add("proposer", names.shown(&operation.proposer));
    if operation.priority == Priority::High {
        fields.add("priority", "high");
    }
    let opened = operation.opened_ms.filter(|_| operation.outcome.is_none());
    let opened = opened.map_or_else(String::new, |time_ms| format!(", opened {}", ago(time_ms)));
    fields.add("phase", format!("{}{opened}", operation.phase));
    if let (Some(outcome), Some(height)) = (&operation.outcome, operation.decided_height) {
        let outcome = outcome_shown(outcome);
        let when = operation
            .decided_ms
            .map_or_else(String::new, |time_ms| format!(", {}", ago(time_ms)));
        fields.add(
            "outcome",
            format!("{outcome}, final at height {height}{when}"),
        );
        fields.add_some("why", operation.why.as_ref());
    } else if let Some(tallied) = &operation.tallied {
        let tallied = outcome_shown(tallied);
        fields.add("tallied", format!("{tallied}, once the reveals are sealed"));
    }
    if operation.applied == Some(true) {
        fields.add("effect", "applied");
    }
    let refused = operation.refused_effect.as_ref();
    fields.add_some("effect", refused.map(|reason| format!("none: {reason}")));
    add_authorities(&mut fields, operation);
    if let (Some(committed), Some(weighted @ 1..)) = (operation.committed, operation.weighted) {
        let text = format!("{committed} of {weighted} electors with weight");
        fields.add("committed", text);
    }
    if let (Some(revealed), Some(total @ 1..)) = (operation.revealed_weight, operation.total_weight)
    {
        let text = format!("{revealed} of {total}, by weight");
        fields.add("revealed", text);
    }
    for (ballot, weight) in operation.ballots.iter().flatten() {
        fields.add("for", format!("{}: {weight}", ballot_shown(ballot)));
    }
    add_votes(&mut fields, operation);
    add_disputes(&mut fields, operation);
    fields.add_some("waits for", missing(&operation.waits_for, names));
    if let Some(window) = &operation.window {
        let when = from_now(window.due_ms, SystemClock.now_ms());
        fields.add("window", format!("{when}: {}", window.then));
    }
    fields.text()
}

/// The statements of the Primary and Seeds about a standard operation.
fn add_authorities(fields: &mut Fields, operation: &OperationDetails) {
    let names = &operation.names;
    let verdict = |Verdict { author, approve }: &Verdict| {
        let verdict = if *approve { "approve" } else { "reject" };
        format!("{verdict} by {}", names.shown(author))
    };
    for directive in &operation.directives {
        fields.add("directive", verdict(directive));
    }
    for objection in &operation.objections {
        let (author, reason) = (names.shown(&objection.author), &objection.reason);
        fields.add("objection", format!("by {author}: {reason}"));
    }
    for resolution in &operation.resolutions {
        fields.add("resolution", verdict(resolution));
    }
}

/// The items of a claim set in dispute that are shown; `--json` has all.
const DISPUTES_SHOWN: usize = 20;

fn add_disputes(fields: &mut Fields, operation: &OperationDetails) {
    for item in operation.in_dispute.iter().take(DISPUTES_SHOWN) {
        let given = item.results.iter().map(|(node, ballot)| {
            format!("{} {}", operation.names.shown(node), ballot_shown(ballot))
        });
        let given = given.collect::<Vec<_>>().join(", ");
        let outcome = match &item.outcome {
            Some(outcome) => format!("; decided: {}", ballot_shown(outcome)),
            None => String::new(),
        };
        fields.add("in dispute", format!("{}: {given}{outcome}", item.subject));
    }
    let more = operation.in_dispute.len().saturating_sub(DISPUTES_SHOWN);
    if more > 0 {
        fields.add("in dispute", format!("{more} more items: see --json"));
    }
}

/// Who voted what, and this node's own vote before others see it.
fn add_votes(fields: &mut Fields, operation: &OperationDetails) {
    if let Some(ballot) = &operation.own_ballot {
        fields.add("your vote", ballot_shown(ballot));
    }
    for elector in &operation.electors {
        let ElectorVote { ballot, weight, .. } = elector;
        let vote = match ballot {
            Some(ballot) => ballot_shown(ballot),
            None if elector.committed => "committed, not revealed".to_owned(),
            // Whose commit is missing stands under "waits for" as long as it can come.
            None if operation.outcome.is_none() => continue,
            None => "nothing".to_owned(),
        };
        let name = operation.names.shown(&elector.node);
        let weight = match weight {
            Some(0) => ", without weight".to_owned(),
            Some(weight) if operation.class == Class::Claim => format!(", weight {weight}"),
            _ => String::new(),
        };
        fields.add("vote", format!("{name}: {vote}{weight}"));
    }
}

fn missing(pending: &Pending, names: &Names) -> Option<String> {
    let records = match pending {
        Pending::Nothing => return None,
        Pending::Seal => return Some("the seal that opens it".to_owned()),
        Pending::Directive(_) => "directive",
        Pending::Objections(_) => "objections",
        Pending::Resolutions(_) => "resolutions",
        Pending::Commits(_) => "commits",
        Pending::Reveals(_) => "reveals",
    };
    let nodes = pending.nodes();
    (!nodes.is_empty()).then(|| format!("{records} of {}", names.list(nodes)))
}

/// The content of an operation: one line for each of its fields, whatever its kind.
fn content(fields: &mut Fields, operation: &ConsensusOperation, names: &Names) {
    /// Fields of bytes, which are hexadecimal in JSON.
    const BYTES: [&str; 6] = [
        "proposed_change",
        "content",
        "manifest",
        "allocation",
        "details",
        "input",
    ];
    let Ok(Value::Object(kinds)) = serde_json::to_value(operation) else {
        return;
    };
    for (name, value) in kinds.values().filter_map(Value::as_object).flatten() {
        let mut label = name.replace('_', " ");
        match value {
            // People cannot read a signature, and it was verified.
            Value::Object(consent) if name == "consent" => {
                fields.add_some("name", consent.get("name").and_then(Value::as_str));
                fields.add_some(
                    "successor",
                    consent.get("successor").and_then(Value::as_str),
                );
            }
            Value::Object(_) if name == "rule" => {
                let rule = serde_json::from_value::<ClaimRule>(value.clone());
                fields.add_some(&label, rule.ok());
            }
            // A candidate is no member yet, so its id is shown whole.
            Value::String(node) if name == "node" => {
                let member = node.parse().ok().map(|node| names.shown(&node));
                fields.add(&label, member.as_deref().unwrap_or(node));
            }
            Value::String(digits) if BYTES.contains(&name.as_str()) => {
                for line in bytes_lines(&hex::decode(digits).unwrap_or_default()) {
                    fields.add(&std::mem::take(&mut label), line);
                }
            }
            Value::String(text) => {
                fields.add(&label, text);
            }
            Value::Array(items) if name == "items" => {
                fields.add(&label, items.len());
            }
            Value::Array(nodes) => {
                let nodes = nodes.iter().filter_map(Value::as_str);
                let nodes: Vec<NodeId> = nodes.filter_map(|node| node.parse().ok()).collect();
                fields.add(&label, names.list(&nodes));
            }
            Value::Null => {}
            number => {
                fields.add(&label, number);
            }
        }
    }
}
