//! A pause after a peer's question whether another machine runs with this node's key.
//!
//! A copy that was just started has signed nothing yet, while the other one may have signed for hours. So the copy waits until
//! the two have proved themselves to each other. The question alone is no proof: a liar must not be able to stop a node, and a
//! restarted node is asked too if a peer still has its old connection. So the pause is short, and a small part of the time.

use std::time::Duration;

use tokio::time::Instant;

/// The length of a pause: longer than a nonce takes through a peer and back.
const PAUSE: Duration = Duration::from_secs(2);

/// The shortest time between the beginnings of two pauses.
const EVERY: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Hold {
    began: Option<Instant>,
    is_on: bool,
}

impl Hold {
    /// Begins a pause, unless there was one a short time ago. Returns whether it began.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.began.is_some_and(|began| now < began + EVERY) {
            return false;
        }
        (self.began, self.is_on) = (Some(now), true);
        true
    }

    /// Ends the pause if its time is over. Returns whether it ended.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        self.is_on && self.due_in(now) == Some(Duration::ZERO) && std::mem::take(&mut self.is_on)
    }

    /// Time until the pause ends.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let ends = self.began.filter(|_| self.is_on)? + PAUSE;
        Some(ends.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_without_end_gets_one_pause_in_a_while() {
        let (mut hold, start) = (Hold::default(), Instant::now());
        let mut paused = 0;
        for step in 0..600 {
            let now = start + Duration::from_millis(100) * step;
            hold.begin(now);
            paused += u32::from(hold.due_in(now).is_some());
            hold.end(now + Duration::from_millis(100));
        }
        assert_eq!(paused, 3 * 20, "two of twenty seconds");
    }
}
