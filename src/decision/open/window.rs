//! Windows in seal time ([W1]).

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A window that ends in two steps: the first seal at or after its end only marks it, and it passes at the first seal
/// one commit grace later. So no member that was ready is punished if the chain stood still for days. A window of
/// length 0 passes at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "units stand last in every name")]
pub struct Window {
    start_ms: u64,
    length_ms: u64,
    grace_ms: u64,
    marked_ms: Option<u64>,
}

/// The state of a window at a seal's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It runs.
    Open,
    /// It ended, and this seal marked it.
    Marked,
    /// It passed.
    Passed,
}

impl Window {
    /// A window of `length_ms` from `start_ms` on.
    pub fn new(start_ms: u64, length_ms: u64, grace_ms: u64) -> Self {
        Self {
            start_ms,
            length_ms,
            grace_ms,
            marked_ms: None,
        }
    }

    /// Compares the window with a seal's time, and marks it if it ended.
    pub fn judge(&mut self, time_ms: u64) -> Passage {
        if time_ms < self.due_ms() {
            return Passage::Open;
        }
        if self.length_ms == 0 || self.marked_ms.is_some() {
            return Passage::Passed;
        }
        self.marked_ms = Some(time_ms);
        Passage::Marked
    }

    /// The earliest seal time that marks the window or lets it pass.
    pub fn due_ms(&self) -> u64 {
        match self.marked_ms {
            Some(marked_ms) => marked_ms + self.grace_ms,
            None => self.start_ms + self.length_ms,
        }
    }

    /// The time of the seal that marked it.
    pub fn marked_ms(&self) -> Option<u64> {
        self.marked_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_passes_one_grace_after_the_seal_that_marks_it() {
        let mut window = Window::new(100, 50, 10);
        let cases = [
            (149, Passage::Open),
            (1000, Passage::Marked),
            (1000, Passage::Open),
            (1009, Passage::Open),
            (1010, Passage::Passed),
        ];
        for (time_ms, expected) in cases {
            assert_eq!(window.judge(time_ms), expected, "at {time_ms}");
        }
    }

    #[test]
    fn a_window_of_zero_passes_at_once() {
        assert_eq!(Window::new(100, 0, 10).judge(100), Passage::Passed);
    }
}
