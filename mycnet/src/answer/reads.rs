//! Answers that sign nothing.

use std::collections::BTreeMap;

use mycnet_consensus::core::{OperationStatus, Pending};
use mycnet_consensus::engine::{EngineError, OperationFilter};
use mycnet_consensus::node::Node;
use mycnet_consensus::{BFTConsensusEngine, Evidence, NodeId, OperationId};
use serde_json::{Value, json};

use super::value;
use crate::failure::Failure;
use crate::request::Filter;

/// Where the node and its network stand.
pub(super) fn status(node: &Node) -> Result<Value, Failure> {
    let engine = node.engine();
    let me = engine.node_id();
    let genesis = engine.genesis();
    let roster = engine.roster();
    let open = open_operations(engine)?;
    let waits_for_me = |id: &&OperationId| {
        let status = engine.status(id);
        status.is_some_and(|status| waits_for(&status, &me))
    };
    let mine: Vec<&OperationId> = open.iter().filter(waits_for_me).collect();
    let opened = node.opened();
    let sealing = engine.seal_status();
    // Once it has rejoined, what opening found is no news.
    let lost = opened.journal_lost.filter(|_| sealing.signing != "ready");
    let lost = lost.map(|lost| lost.to_string());
    Ok(json!({
        "node": me,
        "network": engine.network_id(),
        "name": genesis.name,
        "height": engine.height(),
        "seal": engine.seal(),
        "sealing": sealing,
        "member": roster.iter().find(|member| member.node == me),
        "members": roster.len(),
        "open_operations": open.len(),
        "waiting_for_you": mine,
        "unsealed_records": engine.unsealed_records(),
        "peers": node.transport().map(|transport| transport.peers().len()),
        "journal_lost": lost,
        "disk_failed": node.store().has_failed(),
    }))
}

/// Open operations and proposals that no seal lists yet.
fn open_operations(engine: &BFTConsensusEngine) -> Result<Vec<OperationId>, Failure> {
    let filter = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    let open = engine.operations(&filter)?;
    let mut ids: Vec<OperationId> = open.iter().map(|view| view.operation).collect();
    ids.extend(engine.unsealed_proposals());
    Ok(ids)
}

/// Whether a record of a node is missing. Who may object need not.
fn waits_for(status: &OperationStatus, node: &NodeId) -> bool {
    match &status.waits_for {
        Pending::Directive(of)
        | Pending::Resolutions(of)
        | Pending::Commits(of)
        | Pending::Reveals(of) => of.contains(node),
        _ => false,
    }
}

/// Operations that fit: proposals without a seal first, then open ones, then closed ones, each by id.
pub(super) fn operations(node: &Node, filter: Filter) -> Result<Value, Failure> {
    let engine = node.engine();
    let mut rows = Vec::new();
    if filter.is_open != Some(false) {
        for id in open_operations(engine)? {
            let (Some(status), Some(proposal)) = (engine.status(&id), engine.proposal(&id)?) else {
                // Closed since it was listed: it is among those, or will be asked for again.
                continue;
            };
            rows.push(json!({
                "operation": id,
                "kind": proposal.what.kind(),
                "class": status.class.unwrap_or_else(|| proposal.what.class()),
                "proposer": proposal.proposer,
                "subject": proposal.what.subject(),
                "phase": status.phase,
                "outcome": status.outcome.map(|(outcome, _)| outcome),
                "refused_effect": null,
            }));
        }
        rows.sort_by_key(|row| row["phase"] != "proposed");
    }
    if filter.is_open != Some(true) {
        for closed in node.store().all_closed().map_err(Failure::failed)? {
            rows.push(json!({
                "operation": closed.operation,
                "kind": closed.kind,
                "class": closed.class,
                "proposer": closed.proposer,
                "subject": closed.subject,
                "phase": "closed",
                "outcome": closed.closed.outcome,
                "refused_effect": closed.refused_effect,
            }));
        }
    }
    let mut wanted = BTreeMap::new();
    if let Some(class) = filter.class {
        wanted.insert("class", value(&class)?);
    }
    if let Some(kind) = filter.kind {
        wanted.insert("kind", value(&kind)?);
    }
    if let Some(by) = filter.by {
        wanted.insert("proposer", value(&by)?);
    }
    rows.retain(|row| wanted.iter().all(|(name, value)| row[*name] == *value));
    Ok(json!({ "operations": rows }))
}

/// A member's trust, now or after a height, and why it is so.
pub(super) fn trust(
    node: &Node,
    whom: Option<NodeId>,
    at: Option<u64>,
    explain: bool,
) -> Result<Value, Failure> {
    let engine = node.engine();
    let whom = whom.unwrap_or_else(|| engine.node_id());
    let now = engine.height();
    let height = at.unwrap_or(now);
    if height > now {
        return Err(Failure::usage(format!(
            "--at {height}: the ledger is at height {now}"
        )));
    }
    let standing = engine.trust_at(&whom, height)?;
    // It was one before, perhaps; reading why costs a walk through the past.
    let mut entries = if explain || standing.is_none() {
        engine.explain(&whom)?
    } else {
        Vec::new()
    };
    if standing.is_none() && entries.is_empty() {
        return Err(Failure::failed(format!(
            "{whom} was no member at height {height}: `mycnet roster` lists the members"
        )));
    }
    let mut answer = json!({
        "node": whom,
        "height": height,
        "trust_ppm": standing.map(|(trust, _)| trust),
        "standing": standing.map(|(_, standing)| standing),
    });
    if explain {
        entries.retain(|entry| entry.height <= height);
        let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
        answer["entries"] = value(&entries)?;
        answer["lines"] = value(&lines)?;
    }
    Ok(answer)
}

/// The configuration map (values in hexadecimal) and the parameters.
pub(super) fn config(node: &Node) -> Value {
    let engine = node.engine();
    let config = engine.config().into_iter();
    let config: BTreeMap<String, String> = config
        .map(|(key, value)| (key, hex::encode(value)))
        .collect();
    json!({ "config": config, "params": engine.params() })
}

/// Proved equivocations.
pub(super) fn evidence(node: &Node) -> Result<Value, Failure> {
    let one = |evidence: &Evidence| {
        let statement = evidence.first.statement();
        json!({
            "author": evidence.author,
            "statement": statement.kind(),
            "operation": statement.operation(),
            "slot": statement.slot(),
            "first": evidence.first.id(),
            "second": evidence.second.id(),
            "first_record": hex::encode(evidence.first.encode()),
            "second_record": hex::encode(evidence.second.encode()),
        })
    };
    let evidence = node.engine().evidence()?;
    let all: Vec<Value> = evidence.iter().map(one).collect();
    Ok(json!({ "evidence": all }))
}

/// The proof of an operation's outcome.
pub(super) fn certificate(node: &Node, id: &OperationId) -> Result<Value, Failure> {
    let engine = node.engine();
    if let Some(certificate) = engine.certificate(id)? {
        let bytes = hex::encode(certificate.encode());
        return Ok(json!({ "operation": id, "certificate": bytes }));
    }
    let status = engine.status(id);
    let status = status.ok_or(EngineError::UnknownOperation(*id))?;
    Err(Failure::failed(format!(
        "operation {id} is not closed (phase: {}): there is a certificate once it is",
        status.phase
    )))
}

/// A ticket to the network.
pub(super) fn ticket(node: &Node) -> Result<Value, Failure> {
    let ticket = node.ticket();
    let ticket = ticket.ok_or_else(|| Failure::failed("only a running node has a ticket"))?;
    let addresses: Vec<&String> = ticket
        .peers
        .iter()
        .flat_map(|peer| &peer.addresses)
        .collect();
    Ok(json!({
        "ticket": ticket.to_string(),
        "network": ticket.network,
        "name": ticket.name,
        "height": ticket.height,
        "seal": ticket.seal,
        "addresses": addresses,
    }))
}

/// Known peers, and who is connected.
pub(super) fn peers(node: &Node) -> Result<Value, Failure> {
    let roster = node.engine().roster();
    let role_of = |author: Option<NodeId>| {
        let member = roster.iter().find(|member| Some(member.node) == author);
        member.map(|member| member.role)
    };
    let Some(transport) = node.transport() else {
        let kept = node.store().peers().map_err(Failure::failed)?;
        let rows: Vec<Value> = kept
            .keys()
            .map(|author| {
                let role = role_of(Some(*author));
                json!({ "node": author, "role": role, "connected": false, "addresses": [] })
            })
            .collect();
        return Ok(json!({ "running": false, "peers": rows }));
    };
    let up = transport.peers();
    let rows = transport.known_peers().into_iter().map(|known| {
        let endpoint = known.card.endpoint_id();
        let link = up.iter().find(|info| Some(info.endpoint) == endpoint);
        json!({
            "node": link.map(|info| info.author).or(known.card.author),
            "role": role_of(link.map(|info| info.author).or(known.card.author)),
            "endpoint": known.card.endpoint,
            "connected": link.is_some(),
            "dialled": link.map(|info| info.dialled),
            "addresses": known.card.addresses,
            "failures": known.failures,
            "last_fault": known.last_fault,
        })
    });
    let mut rows: Vec<Value> = rows.collect();
    // An endpoint that dialled in and was never told of is no peer that could be dialled, but it is connected.
    for info in &up {
        let endpoint = info.endpoint.as_bytes();
        let endpoint = hex::encode(endpoint);
        if !rows.iter().any(|row| row["endpoint"] == *endpoint) {
            rows.push(json!({
                "node": info.author,
                "role": role_of(Some(info.author)),
                "endpoint": endpoint,
                "connected": true,
                "dialled": info.dialled,
                "addresses": [],
                "failures": 0,
                "last_fault": null,
            }));
        }
    }
    Ok(json!({ "running": true, "peers": rows }))
}
