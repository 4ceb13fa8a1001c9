//! Turning away floods of connection attempts before they cost anything.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::protocol::{IncomingFilter, IncomingFilterOutcome};
use tokio::time::Instant;

/// Attempts in a second that are taken as they come. A node of a large network that starts anew is dialled by some dozens.
const UNCHECKED_PER_SECOND: u32 = 64;

/// The attempts of one second.
struct Attempts {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Counts one; returns whether it is within what is taken as it comes.
    fn count(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= UNCHECKED_PER_SECOND
    }
}

/// A filter for the router that carries the protocol ([`iroh::protocol::RouterBuilder::incoming_filter`]): in a flood of attempts,
/// whoever dials first has to show that it receives at the address it sends from, so that made-up ones cost no handshake.
#[must_use]
pub fn incoming_filter() -> IncomingFilter {
    let attempts = Mutex::new(Attempts {
        since: Instant::now(),
        count: 0,
    });
    Arc::new(move |incoming| {
        if incoming.remote_addr_validated() {
            return IncomingFilterOutcome::Accept;
        }
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.count(Instant::now()) {
            IncomingFilterOutcome::Accept
        } else {
            IncomingFilterOutcome::Retry
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_flood_is_checked() {
        let start = Instant::now();
        let mut attempts = Attempts {
            since: start,
            count: 0,
        };
        let taken = (0..1000).filter(|_| attempts.count(start)).count();
        assert_eq!(taken, UNCHECKED_PER_SECOND as usize);
        assert!(
            attempts.count(start + Duration::from_secs(1)),
            "and not for ever"
        );
    }
}
