//! What nodes tell: the same from this process and, line by line, from another.

use std::time::Instant;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::Notice;
use mycnet_consensus::{BFTConsensusEngine, Digest, OperationId, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

/// Something that a node tells. As JSON, a line of a node in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happening {
    /// It runs.
    Ready {
        /// With which others reach it.
        ticket: String,
        /// Whether its journal is what it left.
        is_whole: bool,
    },
    /// Where it stands, after a start and after every seal.
    Stands {
        /// The last sealed height.
        height: u64,
        /// The digest of the state after it.
        state_digest: Digest,
        /// What became final with it.
        decided: Vec<(OperationId, Outcome)>,
    },
    /// The reveals that it holds decide an operation.
    Tallied {
        /// The operation.
        operation: OperationId,
    },
}

/// What which node told, and when it was heard.
#[derive(Debug)]
pub(super) struct News {
    /// The node's number.
    pub(super) node: usize,
    /// When.
    pub(super) at: Instant,
    /// What.
    pub(super) what: Happening,
}

/// The present time, for measuring.
pub(super) fn now() -> Instant {
    #[allow(
        clippy::disallowed_methods,
        reason = "measures nodes from outside; the core never sees it"
    )]
    Instant::now()
}

/// Where a node stands now.
pub(super) fn stands(engine: &BFTConsensusEngine) -> Happening {
    let seal = engine.last_seal();
    Happening::Stands {
        height: seal.height,
        state_digest: seal.state,
        decided: Vec::new(),
    }
}

/// Tells what happens at a node, until it is gone or nobody listens.
pub(super) async fn watch(
    engine: BFTConsensusEngine,
    mut tell: impl FnMut(Happening) -> bool + Send,
) {
    let mut subscription = engine.subscribe();
    let mut is_heard = tell(stands(&engine));
    while is_heard {
        is_heard = match subscription.next().await {
            None => return,
            // What was missed is counted as never heard of; where the node stands is asked.
            Some(Notice::Lagged(_)) => tell(stands(&engine)),
            Some(Notice::Event(event)) => of(&event).is_none_or(&mut tell),
        };
    }
}

fn of(event: &Event) -> Option<Happening> {
    match event {
        Event::Sealed {
            height, applied, ..
        } => {
            let decided = applied.touched.iter().filter_map(|operation| {
                let decision = operation.decision()?;
                let is_new = applied.decided.contains(&operation.id());
                is_new.then(|| (operation.id(), decision.outcome.clone()))
            });
            Some(Happening::Stands {
                height: *height,
                state_digest: applied.parts.digest(),
                decided: decided.collect(),
            })
        }
        Event::Tallied { operation, .. } => Some(Happening::Tallied {
            operation: *operation,
        }),
        _ => None,
    }
}

/// Sends a node's news on, with the time. Says whether anybody listens.
pub(super) fn send(news: &UnboundedSender<News>, node: usize, what: Happening) -> bool {
    let at = now();
    news.send(News { node, at, what }).is_ok()
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
        let told = Happening::Stands {
            height: 7,
            state_digest: Digest::from_bytes([1; 32]),
            decided: vec![decided],
        };
        let line = serde_json::to_string(&told).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Happening>(&line).unwrap(), told);
    }
}
