//! Waiting for outcomes without a runtime: the waiting future drives the hub.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_timer::Delay;

use super::{BFTConsensusEngine, EngineError};
use crate::base::digest::OperationId;
use crate::statement::operation::Outcome;

/// Longest sleep while somebody waits, because clocks may jump.
const LOOK_AGAIN_MS: u64 = 1000;

impl BFTConsensusEngine {
    pub(super) async fn wait_until_final(
        &self,
        operation: OperationId,
    ) -> Result<Outcome, EngineError> {
        let mut progress = self.host.progress();
        loop {
            progress.mark_unchanged();
            // Checked first, so that an outcome that was reached before the stop is returned.
            let stopped = self.host.stopped();
            match self.whole_status(&operation)? {
                None => return Err(EngineError::UnknownOperation(operation)),
                Some(status) => {
                    if let Some((outcome, _)) = status.outcome {
                        return Ok(outcome);
                    }
                }
            }
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
            let due_in_ms = self.host.due_in_ms().unwrap_or(LOOK_AGAIN_MS);
            let delay = Delay::new(Duration::from_millis(due_in_ms.clamp(1, LOOK_AGAIN_MS)));
            let is_due = {
                let mut changed = pin!(progress.changed());
                let mut delay = pin!(delay);
                poll_fn(|context| {
                    if changed.as_mut().poll(context).is_ready() {
                        return Poll::Ready(false);
                    }
                    delay.as_mut().poll(context).map(|()| true)
                })
                .await
            };
            if is_due {
                self.tick();
            }
        }
    }
}
