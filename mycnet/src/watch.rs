//! `mycnet watch`: what happens, as it happens.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::{NodeId, OperationId, Outcome};
use serde_json::Value;

use crate::api::events::EventId;
use crate::api::follow::{Following, Over};
use crate::failure::Failure;
use crate::files::read_text;
use crate::home::private::{is_there, replace};
use crate::home::{Common, Home};
use crate::names::subject_node;
use crate::output::{bytes_shown, line, note, outcome_shown, plain, plain_json, short};
use crate::start::{asked_to_stop, runtime};
use crate::warnings;

/// How long to wait before a node that is not there is asked again.
const AGAIN: Duration = Duration::from_millis(300);

/// Bytes that the file of a place has at most.
const PLACE_BYTES_MAX: usize = 4096;

/// Show what happens, as it happens: a line for each event, until Ctrl-C
///
/// What seals changed has an id; --since ID goes on after that event, however long
/// ago it was, and --place keeps the id of the last event in a file, so that a
/// program that is started again misses none. If the node stops, watching goes on
/// once it runs again. With --json each line is an object.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Begin after this event (HEIGHT.NUMBER), after a height, or with all (0); from now on unless given
    #[arg(long, value_name = "ID")]
    since: Option<EventId>,

    /// Keep the id of the last event in this file, and begin after the one that it has
    #[arg(long, value_name = "FILE")]
    place: Option<PathBuf>,

    /// Tell the desktop (notify-send) what waits for you, and what was decided
    #[arg(long)]
    notify: bool,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let mut watch = Watch {
        since: args.since.map(|id| id.to_string()),
        is_json: args.common.format.json,
        args,
    };
    if let Some(file) = &args.place
        && is_there(file)?
    {
        let text = read_text(file, PLACE_BYTES_MAX);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        let id: EventId = text
            .trim()
            .parse()
            .map_err(|error| Failure::bad_data(format!("{}: {error}", file.display())))?;
        watch.since = Some(id.to_string());
    }
    runtime()?.block_on(async {
        let asked_to_stop = asked_to_stop()?;
        tokio::select! {
            () = asked_to_stop => Ok(()),
            ended = watch.follow(&home) => ended,
        }
    })
}

struct Watch<'a> {
    /// The last event with an id.
    since: Option<String>,
    is_json: bool,
    args: &'a Args,
}

impl Watch<'_> {
    async fn follow(&mut self, home: &Home) -> anyhow::Result<()> {
        let mut is_gone = false;
        loop {
            let ended = match Following::begin(home, self.since.as_deref()).await {
                Err(over) => over,
                Ok(mut following) => {
                    is_gone = false;
                    loop {
                        match following.next().await {
                            Ok(event) => self.show(&event)?,
                            Err(over) => break over,
                        }
                    }
                }
            };
            if let Over::Refused(failure) = ended {
                return Err(failure.into());
            }
            if !std::mem::replace(&mut is_gone, true) {
                note(&format!(
                    "no node is running here: this goes on once `mycnet run{}` does",
                    home.option()
                ));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn show(&mut self, event: &Value) -> anyhow::Result<()> {
        if self.is_json {
            line(&plain_json(&event.to_string()))?;
        } else {
            line(&plain(&text(event)))?;
        }
        if self.args.notify && is_for_people(event) {
            notify(&text(event));
        }
        if let Some(id) = event["id"].as_str() {
            self.since = Some(id.to_owned());
            if let Some(file) = &self.args.place {
                replace(file, format!("{id}\n").as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Whether a person would want to be told at once.
fn is_for_people(event: &Value) -> bool {
    match event["event"].as_str() {
        Some("operation") => event["phase"] == "closed",
        Some(name) => matches!(
            name,
            "your_turn" | "banned" | "twin" | "forked" | "journal_lost"
        ),
        None => false,
    }
}

/// Tells the desktop, where it can be told.
fn notify(text: &str) {
    let told = Command::new("notify-send")
        .args(["--app-name=mycnet", "--", "mycnet", &plain(text)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = told {
        note(&format!("--notify: notify-send cannot be run ({error})"));
    }
}

/// An event for people.
fn text(event: &Value) -> String {
    let get = |name: &str| event[name].as_str().unwrap_or_default();
    let number = |name: &str| event[name].as_u64().unwrap_or_default();
    let id: Option<OperationId> = get("operation").parse().ok();
    let id = id.map_or_else(String::new, |id| short(&id));
    let about = || {
        let (kind, subject) = (get("kind"), get("subject"));
        let subject =
            subject_node(kind, subject).map_or_else(|| subject.to_owned(), |it| short(&it));
        format!("{id} ({kind}, {subject})")
    };
    let who = || {
        let node: Option<NodeId> = get("node").parse().ok();
        let node = node.map_or_else(String::new, |node| short(&node));
        match event["name"].as_str().or(event["line"]["name"].as_str()) {
            Some(name) if name != node => format!("{name} ({node})"),
            _ => node,
        }
    };
    let said = match get("event") {
        "sealed" => format!("sealed height {}", number("height")),
        "operation" => {
            let outcome: Option<Outcome> = serde_json::from_value(event["outcome"].clone()).ok();
            let outcome =
                outcome.map_or_else(String::new, |it| format!(", {}", outcome_shown(&it)));
            format!("operation {} is {}{outcome}", about(), get("phase"))
        }
        "proposed" => format!(
            "operation {} is proposed, and no seal lists it yet",
            about()
        ),
        "tallied" => {
            let outcome: Option<Outcome> = serde_json::from_value(event["outcome"].clone()).ok();
            let outcome = outcome.map_or_else(String::new, |it| outcome_shown(&it));
            format!("operation {id} is tallied: {outcome}; final once a seal says so")
        }
        "your_turn" => format!("YOUR TURN: operation {}: `mycnet vote {id} …`", about()),
        "member" if event["line"].is_null() => format!("{} is no member any more", who()),
        "member" => format!(
            "member {}: {}",
            who(),
            event["line"]["standing"].as_str().unwrap_or_default()
        ),
        "trust" => format!("{}: {}", who(), trust(&event["entry"])),
        "parameter" => format!("parameter {} is {}", get("name"), number("value")),
        "config" => {
            let value = hex::decode(get("value")).unwrap_or_default();
            let value = if event["value"].is_null() {
                "removed".to_owned()
            } else {
                bytes_shown(&value)
            };
            format!("configuration {}: {value}", get("key"))
        }
        "missed" => format!(
            "{} events of this node were missed, because they were read too slowly",
            number("count")
        ),
        name => {
            let mut rest = event.clone();
            if let Some(fields) = rest.as_object_mut() {
                fields.remove("event");
            }
            format!("{name} {rest}")
        }
    };
    match event["id"].as_str() {
        Some(id) => {
            let ago = SystemClock.now_ms().saturating_sub(number("time_ms"));
            format!(
                "{id}  {said}{}",
                if ago > 60_000 {
                    format!("  ({} ago)", warnings::span(ago))
                } else {
                    String::new()
                }
            )
        }
        None => said,
    }
}

/// A change of scores for people.
fn trust(entry: &Value) -> String {
    let change = |name: &str, before: &str, after: &str| {
        let (before, after) = (entry[before].as_u64()?, entry[after].as_u64()?);
        (before != after).then(|| format!("{name} {before} -> {after}"))
    };
    let changes = [
        change("trust", "before_ppm", "after_ppm"),
        change("skill", "skill_before_ppm", "skill_after_ppm"),
    ];
    let changes: Vec<String> = changes.into_iter().flatten().collect();
    let reason = entry["reason"].as_str().unwrap_or_default();
    if changes.is_empty() {
        return reason.to_owned();
    }
    format!("{} ({reason})", changes.join(", "))
}
