//! Limits how much of the node's time each author may use.
//!
//! Peers are heard in turn, so a peer delays the others by at most one message. But a member could keep the node busy for
//! ever, with records that are refused, questions, or votes for rounds that never come. So the time of messages without a
//! gain is counted. An author beyond its share is read more slowly ([`crate::net::Transport::slow`]). It is not
//! disconnected: an honest peer that is far behind or ahead only waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::digest::NodeId;
use crate::core::{Output, Write};

/// Time that an author may use at once. Comparing and exchanging some ten thousand unsealed records takes less.
const BURST: Duration = Duration::from_millis(500);

/// Sustained allowance per author: an eighth of a core. Honest authors use less.
const PARTS_EACH: u32 = 8;

/// Sustained allowance of all authors together: half a core.
const PARTS_ALL: u32 = 2;

/// The longest pause, far below the deadline after which a peer takes this node for dead.
const PAUSE_MAX: Duration = Duration::from_secs(2);

struct Used {
    time: Duration,
    as_of: Instant,
}

/// Time that authors used lately, on all their connections. The roster bounds their number.
#[derive(Default)]
pub(super) struct CpuBudget(BTreeMap<NodeId, Used>);

impl CpuBudget {
    /// Counts the time of a message without a gain. Returns the pause before the author's next message is read.
    pub(super) fn charge(
        &mut self,
        author: NodeId,
        time: Duration,
        now: Instant,
    ) -> Option<Duration> {
        self.forgive(now);
        let taken = self.0.entry(author).or_insert(Used {
            time: Duration::ZERO,
            as_of: now,
        });
        taken.time += time;
        let over = taken
            .time
            .checked_sub(BURST)
            .filter(|over| !over.is_zero())?;
        Some(over.saturating_mul(self.parts()).min(PAUSE_MAX))
    }

    /// The divisor of each author's allowance. Every author with a balance counts, even if it stays below its burst.
    fn parts(&self) -> u32 {
        let crowd = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        crowd.saturating_mul(PARTS_ALL).max(PARTS_EACH)
    }

    /// Credits all authors for the time that passed.
    fn forgive(&mut self, now: Instant) {
        let parts = self.parts();
        self.0.retain(|_, taken| {
            let passed = now.saturating_duration_since(taken.as_of);
            taken.time = taken.time.saturating_sub(passed / parts);
            taken.as_of = now;
            !taken.time.is_zero()
        });
    }
}

/// Whether a message brought a gain: a seal, or records that a seal can list. Votes on seals do not count, because a sealer
/// can make any number of new ones.
pub(super) fn is_gain(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| match output {
        Output::Persist(write) => !matches!(write, Write::Vote(_) | Write::Forget(_)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    /// The time that a crowd of authors gets in a minute, if each sends as much as it can in messages of 20 ms.
    fn taken_by(crowd: u8) -> Duration {
        let (mut cpu_budget, start) = (CpuBudget::default(), Instant::now());
        let message = Duration::from_millis(20);
        let mut free_at = vec![start; crowd.into()];
        let (mut now, mut taken) = (start, Duration::ZERO);
        while now < start + Duration::from_mins(1) {
            let next = (0..crowd).min_by_key(|n| free_at[usize::from(*n)]).unwrap();
            now = now.max(free_at[usize::from(next)]) + message;
            taken += message;
            let pause = cpu_budget.charge(author(next), message, now);
            free_at[usize::from(next)] = now + pause.unwrap_or_default();
        }
        taken
    }

    #[test]
    fn those_who_flood_share_a_part_of_the_time() {
        for crowd in [1_u8, 4, 16] {
            let taken = taken_by(crowd).saturating_sub(BURST * u32::from(crowd));
            println!("{crowd} take {taken:?} of a minute, beside their bursts");
            let parts = PARTS_EACH.max(PARTS_ALL * u32::from(crowd));
            let share = Duration::from_mins(1) * u32::from(crowd) / parts;
            assert!(taken <= share * 5 / 4, "{crowd}: {taken:?}");
            assert!(taken >= share / 2, "{crowd}: {taken:?}");
        }
    }

    #[test]
    fn a_burst_is_free_and_time_forgives() {
        let (mut cpu_budget, start) = (CpuBudget::default(), Instant::now());
        assert_eq!(cpu_budget.charge(author(1), BURST, start), None);
        let little = Duration::from_millis(1);
        assert_eq!(
            cpu_budget.charge(author(1), little, start),
            Some(little * PARTS_EACH)
        );
        assert_eq!(cpu_budget.charge(author(2), little, start), None, "another");
        let later = start + (BURST + little) * PARTS_EACH;
        assert_eq!(cpu_budget.charge(author(1), BURST, later), None);
        assert_eq!(
            cpu_budget.charge(author(1), BURST * 100, later),
            Some(PAUSE_MAX)
        );
    }
}
