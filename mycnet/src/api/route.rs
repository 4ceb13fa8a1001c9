//! Which path asks what.
//!
//! One table says for each [`Request`] with which method and path it is asked, and which of its fields are in the path or are parameters
//! of the address; all others are in the body. Both sides use it, and so does the description of the interface.

use serde_json::{Map, Value, json};

use self::Form::{Flag, Number, Text};
use self::Verb::{Get, Post};
use crate::failure::Failure;
use crate::request::Request;

/// What comes before every path.
pub(crate) const VERSION: &str = "/v1";

/// Whether a request only reads, or changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
}

/// How a parameter of an address is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Number,
    Flag,
}

/// How a request is asked.
#[derive(Debug)]
pub(crate) struct Route {
    /// The request's name; behind a dot that of a question about builds.
    pub(crate) request: &'static str,
    pub(crate) verb: Verb,
    /// Behind [`VERSION`]. A name in braces is a field of the request.
    pub(crate) path: &'static str,
    /// The fields that are parameters of the address.
    pub(crate) query: &'static [(&'static str, Form)],
    /// What it asks or orders.
    pub(crate) about: &'static str,
}

const fn get(
    request: &'static str,
    path: &'static str,
    query: &'static [(&'static str, Form)],
    about: &'static str,
) -> Route {
    Route {
        request,
        verb: Get,
        path,
        query,
        about,
    }
}

const fn post(request: &'static str, path: &'static str, about: &'static str) -> Route {
    Route {
        request,
        verb: Post,
        path,
        query: &[],
        about,
    }
}

/// Every request.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    get("status", "/status", &[], "The state of the node and its network"),
    get("operations", "/operations", &[("is_open", Flag), ("class", Text), ("kind", Text), ("by", Text), ("from_height", Number), ("limit", Number), ("after", Text)], "Operations that fit: those that no seal lists, then open ones, then closed ones, each from the newest on"),
    post("propose", "/operations", "Propose an operation"),
    get("operation", "/operations/{operation}", &[], "What an operation says, its state, and who said what about it"),
    get("wait", "/operations/{operation}/wait", &[("timeout_ms", Number)], "The same, once it is closed, or after the time-out if it is decided then"),
    get("certificate", "/operations/{operation}/certificate", &[("item", Text)], "The proof of a closed operation's outcome, or of one item of a claim set"),
    post("vote", "/operations/{operation}/vote", "Vote on an operation"),
    post("direct", "/operations/{operation}/directive", "Decide a standard operation, as the Primary"),
    post("object", "/operations/{operation}/objection", "Object to a standard operation, as a Seed"),
    post("resolve", "/operations/{operation}/resolution", "Vote on a standard operation that was objected to, as a Seed"),
    get("votes", "/votes", &[("by", Text), ("limit", Number)], "Who voted what, from the newest operations on"),
    get("roster", "/members", &[], "The members, with role, standing, trust and skill"),
    get("trust", "/trust", &[("node", Text), ("at", Number), ("explain", Flag)], "A member's trust, now or after a height, and why; this node's own unless it is named"),
    post("what_if", "/what-if", "The scores under other parameters"),
    get("config", "/config", &[], "The configuration map and the parameters"),
    get("evidence", "/evidence", &[], "Proved equivocations"),
    get("genesis", "/genesis", &[], "The genesis"),
    get("ticket", "/ticket", &[], "A ticket, with which others join"),
    get("peers", "/peers", &[], "Known peers, and which of them are connected"),
    get("records", "/operations/{operation}/records", &[], "The sealed records of an operation, signed as they are: its Automerge document is made of them"),
    get("changes", "/changes", &[("since", Number), ("limit", Number), ("about", Flag)], "What the seals after a height changed: the ledger document is made of it, a change for each seal"),
    get("seal_time", "/seal", &[], "The last seal's height and time"),
    post("first_height", "/seal/first-height", "The first height since a time or height"),
    get("find_node", "/find/node", &[("given", Text)], "The only node with this name, or whose id begins so"),
    get("find_operation", "/find/operation", &[("prefix", Text)], "The only operation whose id begins so"),
    get("keys", "/keys", &[], "This node's key, and the member that it belongs to"),
    post("succeed", "/keys/succession", "Take in the record that puts a member's next key in the place of its key"),
    post("declare_journal", "/journal/declaration", "Declare the union of what all others hold to be this node's journal"),
    post("outlive_twin", "/twin/outliving", "Say that of two machines with this node's key this one lives"),
    get("refounding", "/refounding", &[], "The plans to found the network anew that members endorse"),
    post("plan_refounding", "/refounding/plan", "Make a plan to found the network anew"),
    post("endorse", "/refounding/endorsement", "Endorse a plan"),
    post("abandon_refounding", "/refounding/abandonment", "Take this node's endorsement back"),
    post("export", "/files/export", "Write documents and certificates into a directory of the node's machine"),
    post("export_bundle", "/files/bundle", "Write a bundle into a file of the node's machine"),
    post("import_bundle", "/files/bundle/import", "Import a bundle from a file of the node's machine"),
    get("builds.status", "/builds", &[], "Results that wait, and open sets that this node can answer"),
    post("builds.submit", "/builds/results", "Give the node results of builds"),
    post("builds.propose", "/builds/sets", "Propose a claim set, unless one of its items was asked"),
    get("builds.set", "/builds/sets/{operation}", &[], "The items of a claim set, and this node's results of them"),
    post("builds.asked", "/builds/asked", "Which of these items a set has asked"),
    post("builds.said", "/builds/said", "Who gave which result"),
    post("builds.original", "/builds/original", "The signed original of this node's result of an item"),
    post("builds.find", "/builds/find", "What sets say about builds"),
    post("builds.report", "/builds/report", "Who differed from whom in what"),
    post("builds.index", "/builds/index", "Write an index into a file of the node's machine"),
];

/// What is sent for a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) verb: Verb,
    /// The path and the parameters.
    pub(crate) address: String,
    pub(crate) body: Option<Value>,
}

impl Route {
    /// The fields that are in the path.
    pub(crate) fn in_path(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The request, of what stands in the path, the parameters and the body.
    pub(crate) fn request(
        &self,
        path: Vec<(String, String)>,
        query: Vec<(String, String)>,
        body: Option<Value>,
    ) -> Result<Request, Failure> {
        let mut content = match body {
            None if self.verb == Get || self.in_path().next().is_some() => json!({}),
            None => Value::Null,
            Some(body) => body,
        };
        if let Value::Object(fields) = &mut content {
            for (name, value) in query {
                let value = self.parameter(&name, value)?;
                if fields.insert(name.clone(), value).is_some() {
                    return Err(Failure::usage(format!("the parameter {name} stands twice")));
                }
            }
            fields.extend(path.into_iter().map(|(name, text)| (name, text.into())));
            let is_bare = fields.is_empty() && self.query.is_empty() && self.verb == Get;
            if is_bare {
                content = Value::Null;
            }
        }
        let names = self.request.rsplit('.');
        let request = names.fold(content, |content, name| json!({ name: content }));
        serde_json::from_value(request).map_err(|error| {
            Failure::usage(format!(
                "the node does not understand the request ({error}); if it is of another version than the command, restart it"
            ))
        })
    }

    fn parameter(&self, name: &str, text: String) -> Result<Value, Failure> {
        let mut parameters = self.query.iter();
        let Some((_, form)) = parameters.find(|(known, _)| *known == name) else {
            let known: Vec<&str> = self.query.iter().map(|(name, _)| *name).collect();
            return Err(Failure::usage(match known.as_slice() {
                [] => format!("there is no parameter {name:?}: this path has none"),
                known => format!("there is no parameter {name:?}: {} are", known.join(", ")),
            }));
        };
        let bad = |expected: &str| Failure::usage(format!("{name}={text:?}: expected {expected}"));
        match form {
            Text => Ok(text.into()),
            Number => (text.parse::<u64>().map(Value::from)).map_err(|_| bad("a number")),
            Flag => (text.parse::<bool>().map(Value::from)).map_err(|_| bad("true or false")),
        }
    }
}

impl Sent {
    /// How a request is asked.
    pub(crate) fn of(request: &Request) -> Result<Self, Failure> {
        let value = serde_json::to_value(request).map_err(Failure::failed)?;
        let (mut name, mut content) = named(value);
        if name == "builds" {
            let (of_builds, rest) = named(content);
            (name, content) = (format!("builds.{of_builds}"), rest);
        }
        let mut routes = ROUTES.iter();
        let route = routes.find(|route| route.request == name);
        let route = route.expect("a test asks every request");
        let mut path = String::new();
        let fields = content.as_object_mut();
        let mut no_fields = Map::new();
        let fields = fields.unwrap_or(&mut no_fields);
        for part in route.path.split('/').skip(1) {
            let name = part.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
            let field = name.and_then(|name| fields.remove(name));
            let text = field.as_ref().and_then(Value::as_str).unwrap_or(part);
            path.push('/');
            path.push_str(text);
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, _) in route.query {
            match fields.remove(*name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => drop(query.append_pair(name, &text)),
                Some(value) => drop(query.append_pair(name, &value.to_string())),
            }
        }
        let query = query.finish();
        let separator = if query.is_empty() { "" } else { "?" };
        Ok(Self {
            verb: route.verb,
            address: format!("{VERSION}{path}{separator}{query}"),
            body: (route.verb == Post && !content.is_null()).then_some(content),
        })
    }
}

/// A variant's name and content, as serde writes them.
fn named(value: Value) -> (String, Value) {
    match value {
        Value::Object(fields) => fields.into_iter().next().expect("a variant has a name"),
        Value::String(name) => (name, Value::Null),
        _ => unreachable!("an enum is written by the names of its variants"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mycnet_consensus::core::Plan;
    use mycnet_consensus::{
        Ballot, ClaimRule, ConsensusOperation, NodeId, OperationId, Priority, SealId, Spore,
    };

    use super::*;
    use crate::builds::{Since, ask_samples};
    use crate::request::Filter;

    /// Requests of every kind, with every field.
    #[allow(clippy::too_many_lines, reason = "a list")]
    fn requests() -> Vec<Request> {
        let operation = OperationId::from_bytes([7; 32]);
        let node = NodeId::from_bytes([8; 32]);
        let what = ConsensusOperation::Claim {
            subject: "ä = ?".into(),
            input: vec![1, 2],
            panel: Some(vec![node]),
            rule: ClaimRule::MAJORITY,
        };
        let plan = Plan {
            height: 3,
            seal: SealId::from_bytes([9; 32]),
            without: vec![node],
            roles: Vec::new(),
            succeeded: Vec::new(),
        };
        let filter = Filter {
            is_open: Some(true),
            class: Some(what.class()),
            kind: Some("claim".into()),
            by: Some(node),
            from_height: Some(3),
            limit: Some(4),
            after: Some(operation),
        };
        let ballot = Ballot::Result(vec![1]);
        let path = std::path::PathBuf::from;
        let mut requests = vec![
            Request::Status,
            Request::Operation { operation },
            Request::Operations(Filter::default()),
            Request::Operations(filter),
            Request::Votes {
                by: Some(node),
                limit: 3,
            },
            Request::Trust {
                node: Some(node),
                at: Some(7),
                explain: true,
            },
            Request::Trust {
                node: None,
                at: None,
                explain: false,
            },
            Request::Roster,
            Request::WhatIf {
                params: vec![("a".into(), 1)],
            },
            Request::Config,
            Request::Evidence,
            Request::Certificate {
                operation,
                item: Some("a/b c&d".into()),
            },
            Request::Certificate {
                operation,
                item: None,
            },
            Request::Genesis,
            Request::Ticket,
            Request::Peers,
            Request::FindNode {
                given: "12345678".into(),
            },
            Request::FindOperation {
                prefix: "12345678".into(),
            },
            Request::Propose {
                operation: Box::new(what),
                priority: Priority::High,
                ballot: Some(ballot.clone()),
            },
            Request::Vote { operation, ballot },
            Request::Direct {
                operation,
                approve: true,
            },
            Request::Object {
                operation,
                reason: "no".into(),
            },
            Request::Resolve {
                operation,
                approve: false,
            },
            Request::DeclareJournal,
            Request::Keys,
            Request::Succeed {
                record: "00".into(),
            },
            Request::PlanRefounding {
                height: Some(1),
                without: vec![node],
                with: vec![node],
                roles: vec![(node, Spore::Seed)],
                silent_ms: None,
            },
            Request::Endorse {
                plan: Box::new(plan),
                is_sure: true,
                next: None,
            },
            Request::AbandonRefounding,
            Request::Refounding,
            Request::OutliveTwin,
            Request::SealTime,
            Request::Changes {
                since: 7,
                limit: 256,
                about: false,
            },
            Request::Changes {
                since: 0,
                limit: 3,
                about: true,
            },
            Request::Records { operation },
            Request::FirstHeight {
                since: Since::Height(3),
            },
            Request::Wait {
                operation,
                timeout_ms: 5,
            },
            Request::Export {
                directory: path("/a b"),
            },
            Request::ExportBundle {
                file: path("/a"),
                from: 4,
            },
            Request::ImportBundle { file: path("/a") },
        ];
        requests.extend(ask_samples(operation).into_iter().map(Request::Builds));
        requests
    }

    /// The values of a path's fields.
    fn matched(route: &Route, path: &str) -> Option<Vec<(String, String)>> {
        let (known, given): (Vec<&str>, Vec<&str>) =
            (route.path.split('/').collect(), path.split('/').collect());
        if known.len() != given.len() {
            return None;
        }
        let mut fields = Vec::new();
        for (known, given) in known.iter().zip(given) {
            match known.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some(name) => fields.push((name.to_owned(), given.to_owned())),
                None if *known == given => {}
                None => return None,
            }
        }
        Some(fields)
    }

    #[test]
    fn every_request_is_asked_by_its_path_and_read_again() {
        let mut asked = BTreeSet::new();
        for request in requests() {
            let sent = Sent::of(&request).unwrap();
            let address = sent.address.strip_prefix(VERSION).unwrap();
            let (path, query) = address.split_once('?').unwrap_or((address, ""));
            let fits = |route: &&Route| {
                route.verb == sent.verb && !route.path.contains('{') && route.path == path
            };
            let exact = ROUTES.iter().find(fits);
            let templated = || {
                ROUTES
                    .iter()
                    .find(|it| it.verb == sent.verb && matched(it, path).is_some())
            };
            let route = exact.or_else(templated).unwrap();
            asked.insert(route.request);
            let query = form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect();
            let body = sent
                .body
                .map(|body| serde_json::from_str(&body.to_string()).unwrap());
            let read = route
                .request(matched(route, path).unwrap(), query, body)
                .unwrap();
            assert_eq!(read, request, "{}", sent.address);
        }
        let all: BTreeSet<&str> = ROUTES.iter().map(|route| route.request).collect();
        assert_eq!(asked, all);
    }

    #[test]
    fn bad_parameters_are_named() {
        let route = |name: &str| ROUTES.iter().find(|route| route.request == name).unwrap();
        for (name, query, said) in [
            ("status", vec![("a", "1")], "this path has none"),
            ("trust", vec![("nod", "1")], "node, at, explain are"),
            ("trust", vec![("at", "x")], "expected a number"),
            ("trust", vec![("explain", "yes")], "expected true or false"),
            ("trust", vec![("at", "1"), ("at", "2")], "stands twice"),
            ("wait", vec![], "missing field"),
        ] {
            let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
            let query = query.into_iter().map(owned).collect();
            let failure = route(name).request(Vec::new(), query, None).unwrap_err();
            assert!(failure.message.contains(said), "{failure}");
        }
    }
}
