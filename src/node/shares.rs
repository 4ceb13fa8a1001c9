//! What peers may take of the node's time.
//!
//! Peers are heard in turn, so that none is kept waiting by another for longer than one message takes. That alone would let a
//! member keep the node busy for ever: with records that are refused one by one, with questions, with votes for rounds that never
//! come. So what brings nothing is counted, and whoever takes more than its share is read from more slowly
//! ([`crate::net::Transport::slow`]). Nobody is closed for it: an honest peer, which may be far behind or ahead, only waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::digest::NodeId;
use crate::core::{Output, Write};

/// What an author may take at once: comparing and exchanging some ten thousand unsealed records takes less.
const BURST: Duration = Duration::from_millis(500);

/// What an author gets beyond that, as one part in so many of one processor: what honest ones say for nothing, seal after seal,
/// takes less.
const PARTS_EACH: u32 = 8;

/// What all get together: no crowd takes more than one part in so many.
const PARTS_ALL: u32 = 2;

/// The longest pause: far below the deadline after which a peer takes this node for dead.
const PAUSE_MAX: Duration = Duration::from_secs(2);

struct Taken {
    time: Duration,
    as_of: Instant,
}

/// What authors took of the node's time lately. They keep their accounts when they come back on another connection; there are no
/// more of them than members.
#[derive(Default)]
pub(super) struct Shares(BTreeMap<NodeId, Taken>);

impl Shares {
    /// Counts the time that a message took which brought nothing. Gives the pause until its author's next one is read.
    pub(super) fn charge(
        &mut self,
        author: NodeId,
        time: Duration,
        now: Instant,
    ) -> Option<Duration> {
        self.forgive(now);
        let taken = self.0.entry(author).or_insert(Taken {
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

    /// What each gets now, as one part in so many. Everybody counts who took anything lately: those who stay just below their
    /// bursts share too.
    fn parts(&self) -> u32 {
        let crowd = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        crowd.saturating_mul(PARTS_ALL).max(PARTS_EACH)
    }

    /// Lets time pass for all.
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

/// Whether what a message led to says that it brought something: a seal, or records that wait for one. Votes on seals do not count,
/// because whoever seals can make any number of them that are new.
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

    /// How much of a minute authors get that take as much as they can, with messages that cost a fiftieth of a second.
    fn taken_by(crowd: u8) -> Duration {
        let (mut shares, start) = (Shares::default(), Instant::now());
        let message = Duration::from_millis(20);
        let mut free_at = vec![start; crowd.into()];
        let (mut now, mut taken) = (start, Duration::ZERO);
        while now < start + Duration::from_mins(1) {
            let next = (0..crowd).min_by_key(|n| free_at[usize::from(*n)]).unwrap();
            now = now.max(free_at[usize::from(next)]) + message;
            taken += message;
            let pause = shares.charge(author(next), message, now);
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
        let (mut shares, start) = (Shares::default(), Instant::now());
        assert_eq!(shares.charge(author(1), BURST, start), None);
        let little = Duration::from_millis(1);
        assert_eq!(
            shares.charge(author(1), little, start),
            Some(little * PARTS_EACH)
        );
        assert_eq!(shares.charge(author(2), little, start), None, "another");
        let later = start + (BURST + little) * PARTS_EACH;
        assert_eq!(shares.charge(author(1), BURST, later), None);
        assert_eq!(
            shares.charge(author(1), BURST * 100, later),
            Some(PAUSE_MAX)
        );
    }
}
