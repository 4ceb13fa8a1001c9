//! Changes trust by the outcome of operations: the electors of an operation are scored once, when it closes (P8,
//! section 6). The arithmetic is in [`crate::members::trust`].

use std::sync::Arc;

use super::work::Work;
use crate::base::digest::NodeId;
use crate::decision::open::OpenOperation;
use crate::members::trust::{Participation, ParticipationRecord};

/// Scores the closed operations, in the order given. Only operations that froze are chances.
pub(super) fn settle(work: &mut Work<'_>, closed: &[Arc<OpenOperation>]) {
    for operation in closed {
        let Some(frozen) = operation.frozen() else {
            continue;
        };
        for (node, _) in operation.electorate().iter() {
            let event = if frozen.commits.contains_key(&node) {
                participation(operation, &node, frozen.time_ms)
            } else {
                Participation::Missed
            };
            let record = ParticipationRecord {
                height: work.state.height,
                time_ms: work.state.time_ms,
                operation: Some(operation.id()),
                scored: operation.is_scored(),
                event,
            };
            work.score(node, operation.params(), &record);
        }
    }
}

/// The event of an elector with a frozen commit.
fn participation(operation: &OpenOperation, node: &NodeId, frozen_ms: u64) -> Participation {
    let (Some(ballot), Some(decision)) = (operation.ballot(node), operation.decision()) else {
        return Participation::Withheld { frozen_ms };
    };
    Participation::of_ballot(operation.class(), &decision.outcome, ballot)
}
