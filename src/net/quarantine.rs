//! Authors that misbehaved, and are refused for a while.
//!
//! Otherwise such an author could come back at once, from a new endpoint each time, and cost a hello and a comparison
//! per forged record. The pause doubles each time, so a repaired node is back soon, and a hostile node is not.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::digest::NodeId;

/// How often the pause doubles: ten seconds grow to eleven minutes.
const DOUBLINGS: u32 = 6;

struct Pause {
    until: Instant,
    times: u32,
}

/// The quarantined authors. Only proven members get here, so the roster bounds their number.
#[derive(Default)]
pub(super) struct Quarantine(BTreeMap<NodeId, Pause>);

impl Quarantine {
    /// Quarantines an author. `first` is its first pause.
    pub(super) fn add(&mut self, author: NodeId, first: Duration, now: Instant) {
        let longest = first.saturating_mul(1 << DOUBLINGS);
        // An author that behaved for the longest pause starts again with the first.
        self.0.retain(|_, pause| now < pause.until + longest);
        let pause = self.0.entry(author).or_insert(Pause {
            until: now,
            times: 0,
        });
        pause.until = now + first.saturating_mul(1 << pause.times);
        pause.times = (pause.times + 1).min(DOUBLINGS);
    }

    /// Whether an author is still refused.
    pub(super) fn holds(&self, author: &NodeId, now: Instant) -> bool {
        self.0.get(author).is_some_and(|pause| now < pause.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_forgotten() {
        let (mut quarantine, start) = (Quarantine::default(), Instant::now());
        let (ada, first) = (NodeId::from_bytes([1; 32]), Duration::from_secs(10));
        assert!(!quarantine.holds(&ada, start));
        let mut now = start;
        for seconds in [10, 20, 40, 80, 160, 320, 640, 640] {
            quarantine.add(ada, first, now);
            let pause = Duration::from_secs(seconds);
            assert!(quarantine.holds(&ada, now + pause - Duration::from_millis(1)));
            assert!(!quarantine.holds(&ada, now + pause));
            now += pause;
        }
        let much_later = now + Duration::from_secs(640);
        quarantine.add(ada, first, much_later);
        assert!(!quarantine.holds(&ada, much_later + first));
        assert!(!quarantine.holds(&NodeId::from_bytes([2; 32]), start));
    }
}
