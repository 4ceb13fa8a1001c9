//! `mycnet status`: where the node, or one operation, stands.

use mycnet_consensus::engine::{Clock as _, SystemClock};
use serde_json::Value;

use crate::arguments::OperationArg;
use crate::home::Common;
use crate::output::{Fields, ballot, bytes_lines, from_now, percent, rows, shown};
use crate::request::Request;
use crate::session;

/// Says where this node and its network stand, or one operation.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An operation, or the first 8 digits or more of its id
    operation: Option<OperationArg>,

    #[command(flatten)]
    common: Common,
}

/// Runs `mycnet status`.
///
/// # Errors
///
/// If there is no node, or the operation is not known.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    session::with(&home, async |session| {
        let Some(operation) = &args.operation else {
            let mut value = session.ask(Request::Status).await?;
            value["running"] = session.is_running().into();
            let option = home.option();
            return args
                .common
                .format
                .print(&value, |value| node_text(value, &option));
        };
        let operation = session.operation(operation).await?;
        let value = session.ask(Request::Operation { operation }).await?;
        args.common.format.print(&value, operation_text)
    })
}

fn node_text(value: &Value, option: &str) -> String {
    let member = &value["member"];
    let sealing = &value["sealing"];
    let mut fields = Fields::default();
    fields.add("node", shown(&value["node"]));
    fields.add("network", shown(&value["network"]));
    fields.add("name", shown(&value["name"]));
    let running = match value["peers"].as_u64() {
        Some(peers) => format!("yes, {peers} peers connected"),
        None => format!("no: start it with `mycnet run{option}`"),
    };
    fields.add("running", running);
    fields.add("height", shown(&value["height"]));
    fields.add("seal", shown(&value["seal"]));
    let me = if member.is_null() {
        "no member".to_owned()
    } else {
        let (role, standing) = (shown(&member["role"]), shown(&member["standing"]));
        format!(
            "{role}, {standing}, trust {}",
            percent(&member["trust_ppm"])
        )
    };
    fields.add("this node", me);
    fields.add("members", shown(&value["members"]));
    match sealing["signing"].as_str() {
        Some("ready") | None => {}
        Some(signing) => {
            fields.add("signing", signing.replace('_', " "));
        }
    }
    fields.add("journal", shown(&value["journal_lost"]));
    if value["disk_failed"] == true {
        fields.add("disk", "a write failed: this node must be started again");
    }
    let waits_for = rows(&sealing["waits_for"]);
    if !waits_for.is_empty() {
        let (height, step) = (shown(&sealing["height"]), shown(&sealing["step"]));
        let missing: Vec<String> = waits_for.iter().map(short).collect();
        fields.add(
            "sealing",
            format!("height {height}, {step}: waits for {}", missing.join(", ")),
        );
    }
    fields.add(
        "unsealed",
        format!("{} records", shown(&value["unsealed_records"])),
    );
    fields.add(
        "open",
        format!("{} operations", shown(&value["open_operations"])),
    );
    for operation in rows(&value["waiting_for_you"]) {
        fields.add("your turn", shown(operation));
    }
    fields.text()
}

fn short(id: &Value) -> String {
    shown(id).chars().take(8).collect()
}

/// An operation as people read it.
pub(crate) fn operation_text(value: &Value) -> String {
    let mut fields = Fields::default();
    fields.add("operation", shown(&value["operation"]));
    let (kind, class) = (shown(&value["kind"]), shown(&value["class"]));
    fields.add("kind", format!("{} ({class})", kind.replace('_', " ")));
    content(&mut fields, &value["content"]);
    fields.add("proposer", shown(&value["proposer"]));
    if value["priority"] == "high" {
        fields.add("priority", "high");
    }
    fields.add("phase", shown(&value["phase"]));
    let outcome = &value["outcome"];
    if !outcome.is_null() {
        let height = shown(&value["decided_height"]);
        fields.add(
            "outcome",
            format!("{}, final at height {height}", ballot(outcome)),
        );
    } else if !value["tallied"].is_null() {
        let tallied = ballot(&value["tallied"]);
        fields.add("tallied", format!("{tallied}, once the reveals are sealed"));
    }
    match value["applied"].as_bool() {
        Some(true) => {
            fields.add("effect", "applied");
        }
        Some(false) => {
            fields.add(
                "effect",
                format!("none: {}", shown(&value["refused_effect"])),
            );
        }
        None => {}
    }
    let weight = |name: &str| value[name].as_u64().unwrap_or_default();
    if weight("total_weight") > 0 {
        let (committed, revealed, total) = (
            weight("committed_weight"),
            weight("revealed_weight"),
            weight("total_weight"),
        );
        fields.add(
            "weight",
            format!("{committed} committed, {revealed} revealed, of {total}"),
        );
    }
    said_by_authorities(&mut fields, value);
    for row in rows(&value["ballots"]) {
        fields.add("for", format!("{}: {}", ballot(&row[0]), shown(&row[1])));
    }
    let missing = rows(&value["waits_for"]["of"]);
    let records = shown(&value["waits_for"]["records"]);
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(short).collect();
        fields.add("waits for", format!("{records} of {}", missing.join(", ")));
    } else if records == "seal" {
        fields.add("waits for", "the seal that opens it");
    }
    let window = &value["window"];
    if let Some(due_ms) = window["due_ms"].as_u64() {
        let when = from_now(due_ms, SystemClock.now_ms());
        fields.add("window", format!("{when}: {}", shown(&window["then"])));
    }
    fields.text()
}

/// What the primary and seeds said about a standard operation.
fn said_by_authorities(fields: &mut Fields, value: &Value) {
    let verdict = |row: &Value| {
        if row["approve"] == true {
            "approve"
        } else {
            "reject"
        }
    };
    for row in rows(&value["directives"]) {
        let by = short(&row["author"]);
        fields.add("directive", format!("{} by {by}", verdict(row)));
    }
    for row in rows(&value["objections"]) {
        let (by, reason) = (short(&row["author"]), shown(&row["reason"]));
        fields.add("objection", format!("by {by}: {reason}"));
    }
    for row in rows(&value["resolutions"]) {
        let by = short(&row["author"]);
        fields.add("resolution", format!("{} by {by}", verdict(row)));
    }
}

/// What an operation says: one line for each of its fields.
fn content(fields: &mut Fields, content: &Value) {
    /// Fields that hold bytes, in hexadecimal.
    const BYTES: [&str; 6] = [
        "proposed_change",
        "content",
        "manifest",
        "allocation",
        "details",
        "input",
    ];
    let kinds = content.as_object().into_iter().flatten();
    for (name, value) in kinds.filter_map(|(_, fields)| fields.as_object()).flatten() {
        let text = match value {
            // A signature says nothing to people, and was checked.
            _ if name == "consent" => continue,
            Value::Array(nodes) => nodes.iter().map(short).collect::<Vec<_>>().join(", "),
            value if BYTES.contains(&name.as_str()) => {
                let mut name = name.replace('_', " ");
                for line in bytes_lines(value) {
                    fields.add(&std::mem::take(&mut name), line);
                }
                continue;
            }
            value => shown(value),
        };
        fields.add(&name.replace('_', " "), text);
    }
}
