//! What a document says: the answers of a node, in the form that `publish/README.md` and `schemas/published-document.schema.json`
//! describe. All of it is bounded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The version of this form.
const VERSION: u64 = 1;

/// Open operations in a document, from the newest on.
pub(crate) const OPEN_KEPT: usize = 256;

/// Closed operations in a document, from the newest on.
pub(crate) const CLOSED_KEPT: usize = 1000;

/// Bytes of a result in a document. Of a longer one the document says how long it is.
const RESULT_BYTES_MAX: usize = 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) network: String,
    pub(crate) name: String,
    pub(crate) height: u64,
    pub(crate) seal: String,
    pub(crate) seal_ms: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Members {
    members: Vec<Member>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Member {
    #[serde(skip_serializing)]
    node: String,
    name: String,
    role: String,
    standing: String,
    trust_ppm: u32,
    skill_ppm: u32,
    row: u32,
    has_vote: bool,
    claim_weight: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operations {
    pub(crate) operations: Vec<Line>,
}

/// A line in the list of operations.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) operation: String,
    kind: String,
    class: String,
    subject: String,
    proposer: String,
    outcome: Option<Value>,
    refused_effect: Option<String>,
    /// `None` before a seal lists it.
    pub(crate) height: Option<u64>,
    time_ms: Option<u64>,
}

/// Everything about an operation.
#[derive(Debug, Deserialize)]
pub(crate) struct Details {
    operation: String,
    kind: String,
    class: String,
    subject: String,
    proposer: String,
    priority: String,
    phase: String,
    opened_height: Option<u64>,
    opened_ms: Option<u64>,
    decided_height: Option<u64>,
    decided_ms: Option<u64>,
    total_weight: Option<u64>,
    outcome: Option<Value>,
    refused_effect: Option<String>,
    window: Option<Window>,
    electors: Vec<Elector>,
}

#[derive(Debug, Deserialize)]
struct Window {
    due_ms: u64,
    then: String,
}

#[derive(Debug, Deserialize)]
struct Elector {
    node: String,
    weight: Option<u64>,
    committed: bool,
    ballot: Option<Value>,
}

impl Details {
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == "closed"
    }

    /// Whether a seal lists it.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_closed() && self.opened_height.is_some()
    }

    pub(crate) fn closed(self) -> Line {
        Line {
            operation: self.operation,
            kind: self.kind,
            class: self.class,
            subject: self.subject,
            proposer: self.proposer,
            outcome: self.outcome,
            refused_effect: self.refused_effect,
            height: self.decided_height,
            time_ms: self.decided_ms,
        }
    }
}

/// What a document says, while it is made.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) head: Map<String, Value>,
    members: Map<String, Value>,
    open: Map<String, Value>,
    pub(crate) open_left_out: u64,
    /// With the heights at which they were decided.
    closed: BTreeMap<(u64, String), Value>,
    heights: BTreeMap<String, u64>,
    pub(crate) are_closed_left_out: bool,
}

impl View {
    /// The network, and its newest seal.
    pub(crate) fn begin(status: &Status) -> Self {
        let mut view = Self::default();
        view.head.insert("v".to_owned(), VERSION.into());
        let network = status.network.as_str();
        view.head.insert("network".to_owned(), network.into());
        view.head
            .insert("name".to_owned(), status.name.as_str().into());
        view.seal(status.height, &status.seal, status.seal_ms);
        view
    }

    pub(crate) fn seal(&mut self, height: u64, seal: &str, time_ms: u64) {
        let before = self.head.get("height").and_then(Value::as_u64);
        // The state may have been read after the seal that an event tells of.
        if before.is_some_and(|before| before > height) {
            return;
        }
        self.head.insert("height".to_owned(), height.into());
        self.head.insert("seal".to_owned(), seal.into());
        self.head.insert("time_ms".to_owned(), time_ms.into());
    }

    pub(crate) fn members(&mut self, members: Members) {
        let members = members.members.into_iter();
        self.members = members
            .map(|member| (member.node.clone(), without_nulls(json!(member))))
            .collect();
    }

    /// The operations that are open.
    pub(crate) fn open_ids(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    /// Whether there is room for one more open operation, or it is there.
    pub(crate) fn has_room(&self, operation: &str) -> bool {
        self.open.len() < OPEN_KEPT || self.open.contains_key(operation)
    }

    /// An operation is open.
    pub(crate) fn open(&mut self, details: Details) {
        let votes = details.electors.iter().filter(|elector| elector.committed);
        let votes: Map<String, Value> = votes
            .map(|elector| {
                let ballot = elector.ballot.as_ref().map(ballot);
                let vote = json!({ "weight": elector.weight, "ballot": ballot });
                (elector.node.clone(), without_nulls(vote))
            })
            .collect();
        let electors = details.electors.iter();
        let electors = electors.filter(|elector| elector.weight.is_some()).count();
        let window = details
            .window
            .map(|window| json!({ "due_ms": window.due_ms, "then": window.then }));
        let value = json!({
            "kind": details.kind,
            "class": details.class,
            "subject": details.subject,
            "proposer": details.proposer,
            "priority": details.priority,
            "phase": details.phase,
            "opened_height": details.opened_height,
            "opened_ms": details.opened_ms,
            "window": window,
            "outcome": details.outcome.as_ref().map(outcome),
            "total_weight": details.total_weight,
            "electors": electors,
            "votes": votes,
        });
        self.open.insert(details.operation, without_nulls(value));
    }

    /// An operation is not open, or not known any more.
    pub(crate) fn not_open(&mut self, operation: &str) {
        self.open.remove(operation);
    }

    /// An operation is closed.
    pub(crate) fn closed(&mut self, line: Line) {
        self.open.remove(&line.operation);
        let height = line.height.unwrap_or(0);
        let value = json!({
            "kind": line.kind,
            "class": line.class,
            "subject": line.subject,
            "proposer": line.proposer,
            "outcome": line.outcome.as_ref().map(outcome),
            "refused_effect": line.refused_effect,
            "decided_height": line.height,
            "decided_ms": line.time_ms,
        });
        if let Some(before) = self.heights.insert(line.operation.clone(), height) {
            self.closed.remove(&(before, line.operation.clone()));
        }
        self.closed
            .insert((height, line.operation), without_nulls(value));
        while self.closed.len() > CLOSED_KEPT {
            if let Some(((_, operation), _)) = self.closed.pop_first() {
                self.heights.remove(&operation);
            }
            self.are_closed_left_out = true;
        }
    }

    /// The whole document.
    pub(crate) fn content(&self) -> Map<String, Value> {
        let closed = self.closed.iter();
        let closed: Map<String, Value> = closed
            .map(|((_, operation), value)| (operation.clone(), value.clone()))
            .collect();
        let mut content = self.head.clone();
        content.insert("members".to_owned(), self.members.clone().into());
        content.insert("open".to_owned(), self.open.clone().into());
        content.insert("open_left_out".to_owned(), self.open_left_out.into());
        content.insert("closed".to_owned(), closed.into());
        let are_left_out = self.are_closed_left_out.into();
        content.insert("closed_left_out".to_owned(), are_left_out);
        content
    }
}

/// A ballot, without what would take too much room.
fn ballot(ballot: &Value) -> Value {
    if let Some(results) = ballot.get("results").and_then(Value::as_array) {
        let given = results.iter().filter(|result| !result.is_null()).count();
        return json!({ "items": results.len(), "results": given });
    }
    let result = ballot.get("result").and_then(Value::as_str);
    match result.filter(|result| result.len() > 2 * RESULT_BYTES_MAX) {
        Some(result) => json!({ "result_bytes": result.len() / 2 }),
        None => ballot.clone(),
    }
}

fn outcome(outcome: &Value) -> Value {
    match outcome.get("decided") {
        Some(decided) => json!({ "decided": ballot(decided) }),
        None => outcome.clone(),
    }
}

/// The object without the keys that have no value.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(map.collect())
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Line {
        Line {
            operation: format!("{number:064x}"),
            kind: "claim".to_owned(),
            class: "claim".to_owned(),
            subject: "it".to_owned(),
            proposer: "0".repeat(64),
            outcome: Some(json!("no_quorum")),
            refused_effect: None,
            height: Some(number),
            time_ms: Some(number),
        }
    }

    #[test]
    fn the_newest_closed_operations_are_kept() {
        let mut view = View::default();
        for number in (1..=1000).rev() {
            view.closed(line(number));
        }
        assert_eq!(view.content()["closed_left_out"], false);
        // The same one again is no other one.
        view.closed(line(7));
        assert_eq!(view.content()["closed_left_out"], false);
        view.closed(line(1001));
        let content = view.content();
        let closed = content["closed"].as_object().unwrap();
        assert_eq!(
            (closed.len(), &content["closed_left_out"]),
            (1000, &true.into())
        );
        assert!(!closed.contains_key(&line(1).operation));
        assert!(closed.contains_key(&line(2).operation));
    }

    #[test]
    fn long_answers_are_counted() {
        let long = "00".repeat(1025);
        for (given, shown) in [
            (json!("approve"), json!("approve")),
            (json!({ "result": "00" }), json!({ "result": "00" })),
            (json!({ "result": long }), json!({ "result_bytes": 1025 })),
            (
                json!({ "results": ["00", null, "01"] }),
                json!({ "items": 3, "results": 2 }),
            ),
        ] {
            assert_eq!(ballot(&given), shown);
            assert_eq!(
                outcome(&json!({ "decided": given })),
                json!({ "decided": shown })
            );
        }
        assert_eq!(outcome(&json!("no_quorum")), json!("no_quorum"));
    }

    #[test]
    fn an_older_seal_is_not_the_newest() {
        let mut view = View::default();
        view.seal(5, "five", 50);
        view.seal(4, "four", 40);
        assert_eq!(view.head["seal"], "five");
        view.seal(6, "six", 60);
        assert_eq!(view.head["time_ms"], 60);
    }
}
