//! Authors that misbehaved, for as long as they are not let in again.
//!
//! Whoever is closed could come back at once, from a new endpoint each time, and cost a hello and a comparison for every forged
//! record. The pause doubles with every time, so that a faulty node that was mended is back soon, and a hostile one is not.

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

/// Authors that have to wait. Only proven members are ever noted, so that it is bounded by the roster.
#[derive(Default)]
pub(super) struct Shunned(BTreeMap<NodeId, Pause>);

impl Shunned {
    /// Notes that an author misbehaved; `first` is the pause of the first time.
    pub(super) fn note(&mut self, author: NodeId, first: Duration, now: Instant) {
        let longest = first.saturating_mul(1 << DOUBLINGS);
        // Who kept quiet for as long as the longest pause begins anew.
        self.0.retain(|_, pause| now < pause.until + longest);
        let pause = self.0.entry(author).or_insert(Pause {
            until: now,
            times: 0,
        });
        pause.until = now + first.saturating_mul(1 << pause.times);
        pause.times = (pause.times + 1).min(DOUBLINGS);
    }

    /// Whether an author has to wait still.
    pub(super) fn waits(&self, author: &NodeId, now: Instant) -> bool {
        self.0.get(author).is_some_and(|pause| now < pause.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_forgotten() {
        let (mut shunned, start) = (Shunned::default(), Instant::now());
        let (ada, first) = (NodeId::from_bytes([1; 32]), Duration::from_secs(10));
        assert!(!shunned.waits(&ada, start));
        let mut now = start;
        for seconds in [10, 20, 40, 80, 160, 320, 640, 640] {
            shunned.note(ada, first, now);
            let pause = Duration::from_secs(seconds);
            assert!(shunned.waits(&ada, now + pause - Duration::from_millis(1)));
            assert!(!shunned.waits(&ada, now + pause));
            now += pause;
        }
        let much_later = now + Duration::from_secs(640);
        shunned.note(ada, first, much_later);
        assert!(!shunned.waits(&ada, much_later + first));
        assert!(!shunned.waits(&NodeId::from_bytes([2; 32]), start));
    }
}
