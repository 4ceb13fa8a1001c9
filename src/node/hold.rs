//! A pause in which a node signs nothing: for a moment after its start, and when a peer asks whether another machine runs with
//! this node's key.
//!
//! A copy of a node that was just started, or a node that was restored from an old copy, has signed nothing wrong yet, while
//! its records from before may invite it to sign at once what the other one has signed differently. So it first hears its
//! peers, and lets two processes with one key prove themselves to each other. The question alone is no proof: a liar must not
//! be able to stop a node, and a restarted node is asked too if a peer still has its old connection. So a pause is short, and
//! a small part of the time. What a person asks for meanwhile waits (`node/handle.rs`).

use std::time::Duration;

use tokio::time::Instant;

/// The length of a pause: longer than a nonce takes through a peer and back.
const PAUSE: Duration = Duration::from_secs(1);

/// The shortest time between the beginnings of two pauses that peers cause.
const EVERY: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Hold {
    asked: Option<Instant>,
    until: Option<Instant>,
}

impl Hold {
    /// The node starts with a past.
    pub(super) fn start(&mut self, now: Instant) {
        self.until = Some(now + PAUSE);
    }

    /// A peer asks. Returns whether a pause begins: not if one asked a short time ago.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        if self.asked.is_some_and(|asked| now < asked + EVERY) {
            return false;
        }
        (self.asked, self.until) = (Some(now), Some(now + PAUSE));
        true
    }

    /// Ends the pause if its time is over. Returns whether it ended.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }

    /// Time until the pause ends.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        Some(self.until?.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_without_end_gets_one_pause_in_a_while() {
        let (mut hold, start) = (Hold::default(), Instant::now());
        let step = Duration::from_millis(100);
        let mut paused = 0;
        hold.start(start);
        for n in 0..600 {
            let now = start + step * n;
            hold.end(now);
            hold.ask(now);
            paused += u32::from(hold.due_in(now).is_some());
        }
        assert_eq!(paused, 3 * 10, "one of twenty seconds");
    }

    #[test]
    fn a_question_right_after_the_start_gets_its_time() {
        let (mut hold, start) = (Hold::default(), Instant::now());
        hold.start(start);
        assert!(hold.ask(start + PAUSE / 2));
        assert!(!hold.end(start + PAUSE));
        assert!(hold.end(start + PAUSE / 2 + PAUSE));
        assert_eq!(hold.due_in(start), None);
    }
}
