//! Ids by how they begin.

use std::collections::BTreeSet;

use mycnet_consensus::engine::OperationFilter;
use mycnet_consensus::node::Node;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Ids that a message about an ambiguous beginning names.
const NAMED_MAX: usize = 4;

/// The only node whose id begins so: members, founders and known peers.
pub(super) fn node(node: &Node, prefix: &str) -> Result<Value, Failure> {
    let engine = node.engine();
    let mut known = BTreeSet::from([engine.node_id()]);
    known.extend(engine.roster().iter().map(|member| member.node));
    known.extend(engine.genesis().members.iter().map(|founder| founder.node));
    if let Some(transport) = node.transport() {
        let peers = transport.known_peers();
        known.extend(peers.iter().filter_map(|peer| peer.card.author));
    }
    let ids = known.iter().map(ToString::to_string);
    only("node", "mycnet roster", prefix, ids)
}

/// The only operation whose id begins so.
pub(super) fn operation(node: &Node, prefix: &str) -> Result<Value, Failure> {
    let engine = node.engine();
    let filter = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    let mut known: BTreeSet<_> = engine.unsealed_proposals().into_iter().collect();
    known.extend(
        engine
            .operations(&filter)?
            .iter()
            .map(|view| view.operation),
    );
    let closed = node.store().all_closed().map_err(Failure::failed)?;
    known.extend(closed.iter().map(|closed| closed.operation));
    let ids = known.iter().map(ToString::to_string);
    only("operation", "mycnet operations", prefix, ids)
}

fn only(
    what: &str,
    list: &str,
    prefix: &str,
    ids: impl Iterator<Item = String>,
) -> Result<Value, Failure> {
    let prefix = prefix.to_ascii_lowercase();
    let found: Vec<String> = ids.filter(|id| id.starts_with(&prefix)).collect();
    match found.as_slice() {
        [id] => Ok(json!({ "id": id })),
        [] => Err(Failure::failed(format!(
            "no {what} known to this node begins with {prefix}: `{list}` lists those that are"
        ))),
        several => {
            let named = several.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>();
            Err(Failure::usage(format!(
                "{} {what}s begin with {prefix}: {}; give more digits",
                several.len(),
                named.join(", ")
            )))
        }
    }
}
