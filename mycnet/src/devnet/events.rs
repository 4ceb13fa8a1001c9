//! The events of a devnet's nodes: of nodes in this process and, one a line, of nodes in another.

use std::time::Instant;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::Notice;
use mycnet_consensus::{BFTConsensusEngine, Digest, OperationId, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

/// Something that a node tells. A node in a process of its own prints it as a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NodeEvent {
    /// The node runs.
    Ready {
        ticket: String,
        /// Whether it still has the journal of its last stop.
        has_journal: bool,
    },
    /// Its position, after a start and after every seal.
    Position {
        height: u64,
        state_digest: Digest,
        /// The operations that became final with the seal.
        decided: Vec<(OperationId, Outcome)>,
    },
    /// The reveals that it holds decide an operation.
    Tallied { operation: OperationId },
}

/// An event of one node.
#[derive(Debug)]
pub(super) struct Received {
    /// The node's number.
    pub(super) node: usize,
    pub(super) at: Instant,
    pub(super) event: NodeEvent,
}

/// The present time, for measuring.
pub(super) fn now() -> Instant {
    #[allow(
        clippy::disallowed_methods,
        reason = "measures nodes from outside; the core never sees it"
    )]
    Instant::now()
}

/// Tells what happens at a node, until the node stops, or `tell` says that there is no listener.
pub(super) async fn watch(
    engine: BFTConsensusEngine,
    mut tell: impl FnMut(NodeEvent) -> bool + Send,
) {
    let position = || {
        let seal = engine.last_seal();
        NodeEvent::Position {
            height: seal.height,
            state_digest: seal.state,
            decided: Vec::new(),
        }
    };
    let mut subscription = engine.subscribe();
    let mut is_heard = tell(position());
    while is_heard {
        is_heard = match subscription.next().await {
            None => return,
            // The missed events are lost; the position is known all the same.
            Some(Notice::Lagged(_)) => tell(position()),
            Some(Notice::Event(event)) => node_event(&event).is_none_or(&mut tell),
        };
    }
}

fn node_event(event: &Event) -> Option<NodeEvent> {
    match event {
        Event::Sealed {
            height, applied, ..
        } => {
            let decided = applied.touched.iter().filter_map(|operation| {
                let decision = operation.decision()?;
                let is_new = applied.decided.contains(&operation.id());
                is_new.then(|| (operation.id(), decision.outcome.clone()))
            });
            Some(NodeEvent::Position {
                height: *height,
                state_digest: applied.parts.digest(),
                decided: decided.collect(),
            })
        }
        Event::Tallied { operation, .. } => Some(NodeEvent::Tallied {
            operation: *operation,
        }),
        _ => None,
    }
}

/// Sends a node's event on, with the time. Returns whether there is a listener.
pub(super) fn send(events: &UnboundedSender<Received>, node: usize, event: NodeEvent) -> bool {
    let at = now();
    events.send(Received { node, at, event }).is_ok()
}

#[cfg(test)]
mod tests {
    use mycnet_consensus::Ballot;

    use super::*;

    #[test]
    fn a_line_says_what_was_told() {
        let decided = (
            OperationId::from_bytes([2; 32]),
            Outcome::Decided(Ballot::Result(b"42".to_vec())),
        );
        let event = NodeEvent::Position {
            height: 7,
            state_digest: Digest::from_bytes([1; 32]),
            decided: vec![decided],
        };
        let line = serde_json::to_string(&event).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<NodeEvent>(&line).unwrap(), event);
    }
}
