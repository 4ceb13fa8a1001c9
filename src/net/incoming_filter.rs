//! Keeps floods of connection attempts cheap.
//!
//! A handshake costs half a millisecond, and the transport keeps some thirty kilobytes per endpoint id for a minute after
//! its last connection. Ids cost nothing to make. So attempts are counted before their handshakes begin:
//!
//! - The first attempts pass unchecked ([`UNCHECKED`]). In a flood, the dialler must show that it receives at its source
//!   address (a QUIC retry). So forged addresses cost nothing, and nobody can use up the allowance of another's address.
//! - Each source, an IPv4 address or a 56-bit IPv6 network, has its own rate ([`OF_SOURCE`]). It keeps out only those who
//!   share its address, and one in a thousand other sources ([`BUCKETS`]).
//! - All sources share one rate ([`OF_ALL`]). Eight sources use it up, and a shorter IPv6 prefix contains many sources. So a
//!   source where a member was met last has extra attempts ([`OF_MET`]).
//!
//! Attempts beyond the limits are ignored. A dialling endpoint tries again after one and three seconds, and each try has the
//! same chance as others' first ones. Outgoing dials pass no filter, so this node reaches known peers even in the worst
//! flood.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use iroh::protocol::{IncomingFilter, IncomingFilterOutcome};
use tokio::time::Instant;

use super::rate::{Rate, TokenBucket};
use super::shared::Inner;
use super::sources::Source;

/// Attempts that pass unchecked. Some dozens of nodes dial a restarted node of a large network.
const UNCHECKED: Rate = Rate::new(32, 1_000);

/// Attempts from one source. With [`UNCHECKED`], sixty members behind one address can come back at once.
const OF_SOURCE: Rate = Rate::new(32, 1_000);

/// Attempts from all sources. They cost at most 18 MB of the transport's memory for ids in a minute.
const OF_ALL: Rate = Rate::new(128, 125);

/// Extra attempts from a member's source: enough for one restarted node.
const OF_MET: Rate = Rate::new(8, 5_000);

/// Sources share this many buckets by a keyed hash, so that memory does not grow with their number.
const BUCKETS: usize = 1024;

struct Attempts {
    unchecked: TokenBucket,
    all: TokenBucket,
    of_sources: Vec<TokenBucket>,
    of_met: Vec<TokenBucket>,
    hasher: RandomState,
}

impl Attempts {
    fn new(now: Instant) -> Self {
        let bucket = TokenBucket::full(now);
        Self {
            unchecked: bucket,
            all: bucket,
            of_sources: vec![bucket; BUCKETS],
            of_met: vec![bucket; BUCKETS],
            hasher: RandomState::new(),
        }
    }

    fn judge(
        &mut self,
        source: Source,
        is_validated: bool,
        is_met: impl FnOnce() -> bool,
        now: Instant,
    ) -> IncomingFilterOutcome {
        if !is_validated {
            return if self.unchecked.take(UNCHECKED, now) {
                IncomingFilterOutcome::Accept
            } else {
                IncomingFilterOutcome::Retry
            };
        }
        let bucket = self.bucket_of(source);
        let passes = self.of_sources[bucket].take(OF_SOURCE, now) && self.all.take(OF_ALL, now);
        // Only members' sources take from these buckets.
        if passes || (is_met() && self.of_met[bucket].take(OF_MET, now)) {
            IncomingFilterOutcome::Accept
        } else {
            IncomingFilterOutcome::Ignore
        }
    }

    fn bucket_of(&self, source: Source) -> usize {
        let bucket = self.hasher.hash_one(source) % BUCKETS as u64;
        usize::try_from(bucket).unwrap_or(0)
    }
}

/// The filter of a transport's router.
pub(super) fn incoming_filter(inner: &Arc<Inner>) -> IncomingFilter {
    let attempts = Mutex::new(Attempts::new(Instant::now()));
    let inner = Arc::clone(inner);
    Arc::new(move |incoming| {
        let source = Source::of(&incoming.remote_addr());
        let is_met = || inner.table().member_sources.has(&source);
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.judge(
            source,
            incoming.remote_addr_validated(),
            is_met,
            Instant::now(),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn source(number: u32) -> Source {
        Source::of_ip(Ipv4Addr::from_bits(number).into())
    }

    /// How many attempts pass when `sources` make a thousand a second, in turn, for ten seconds.
    fn passes(attempts: &mut Attempts, sources: u32, is_met: bool, start: Instant) -> usize {
        let tries = (0..10_000_u32).map(|number| {
            let now = start + Duration::from_millis(number.into());
            attempts.judge(source(number % sources), true, || is_met, now)
        });
        tries
            .filter(|outcome| *outcome == IncomingFilterOutcome::Accept)
            .count()
    }

    #[test]
    fn only_a_flood_is_checked() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        let outcomes = (0..100).map(|number| attempts.judge(source(number), false, || true, start));
        let outcomes: Vec<_> = outcomes.collect();
        assert!(
            outcomes[..32]
                .iter()
                .all(|it| *it == IncomingFilterOutcome::Accept)
        );
        assert!(
            outcomes[32..]
                .iter()
                .all(|it| *it == IncomingFilterOutcome::Retry)
        );
        let later = attempts.judge(source(1), false, || true, start + SECOND);
        assert_eq!(later, IncomingFilterOutcome::Accept, "and not for ever");
    }

    #[test]
    fn a_source_keeps_out_itself_and_a_crowd_those_who_were_not_met() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        assert_eq!(passes(&mut attempts, 1, false, start), 32 + 9);
        let now = start + 10 * SECOND - Duration::from_millis(1);
        let outcome = attempts.judge(source(0), true, || true, now);
        assert_eq!(outcome, IncomingFilterOutcome::Accept, "a member's");
        let flooded = attempts.bucket_of(source(0));
        let mut others = (1..).map(source);
        let other = others.find(|other| attempts.bucket_of(*other) != flooded);
        let outcome = attempts.judge(other.unwrap(), true, || false, now);
        assert_eq!(outcome, IncomingFilterOutcome::Accept, "another source");

        let mut attempts = Attempts::new(start);
        assert_eq!(passes(&mut attempts, 500, false, start), 128 + 79);
        let outcome = attempts.judge(source(9999), true, || false, now);
        assert_eq!(outcome, IncomingFilterOutcome::Ignore, "a stranger");
        let outcome = attempts.judge(source(9999), true, || true, now);
        assert_eq!(outcome, IncomingFilterOutcome::Accept, "a member's");
        let all = passes(&mut attempts, 500, true, now);
        assert!((3000..=80 + 500 * 10).contains(&all), "{all}");
    }

    #[test]
    fn made_up_addresses_use_up_nobodys_share() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        for number in 0..10_000 {
            let _ = attempts.judge(source(number % 3), false, || false, start);
        }
        let outcome = attempts.judge(source(1), true, || false, start);
        assert_eq!(outcome, IncomingFilterOutcome::Accept);
    }
}
