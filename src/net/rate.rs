//! Token buckets: a burst, and then a steady rate.

use std::time::Duration;

use tokio::time::Instant;

/// The number of tokens in a burst, and the period after which one more token comes.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    burst: u32,
    every: Duration,
}

impl Rate {
    pub(super) const fn new(burst: u32, every_ms: u64) -> Self {
        let every = Duration::from_millis(every_ms);
        Self { burst, every }
    }

    pub(super) const fn every(&self) -> Duration {
        self.every
    }
}

/// The tokens of a rate that are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenBucket {
    /// When the whole burst is available again.
    full_at: Instant,
}

impl TokenBucket {
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Whether the whole burst is available.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// Takes one token, if one is left.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + rate.every;
        let is_within = full_at <= now + rate.every * rate.burst;
        if is_within {
            self.full_at = full_at;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_burst_tokens_come_at_the_rate() {
        let rate = Rate::new(8, 250);
        let mut now = Instant::now();
        let mut bucket = TokenBucket::full(now);
        for (periods, given) in [(0, 8), (2, 2), (1000, 8)] {
            now += rate.every * periods;
            let taken = (0..100).filter(|_| bucket.take(rate, now)).count();
            assert_eq!(taken, given);
        }
    }
}
