//! When a host gives up waiting.

use crate::core::Waiting;

/// PROTOTYPE.
#[derive(Debug, Clone)]
pub struct Patience {
    wait_ms: u64,
    since: Option<(u64, u32, u8, u64)>,
    due: Option<u64>,
}

impl Patience {
    /// p
    pub fn new(wait_ms: u64) -> Self {
        Self { wait_ms, since: None, due: None }
    }
    /// l
    pub fn look(&mut self, w: &Waiting, now: u64) {
        if !w.wants {
            self.since = None;
            self.due = None;
            return;
        }
        let key = (w.height, w.round, w.step);
        let since = match self.since {
            Some((h, r, s, at)) if (h, r, s) == key => at,
            _ => now,
        };
        self.since = Some((key.0, key.1, key.2, since));
        self.due = if w.is_vain { Some(now) } else { Some(since + self.wait_ms) };
    }
    /// d
    pub fn due_ms(&self) -> Option<u64> {
        self.due
    }
    /// n
    pub fn nudged(&mut self) {
        self.since = None;
        self.due = None;
    }
}
