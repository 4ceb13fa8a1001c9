//! Keeping floods of connection attempts cheap.
//!
//! A handshake costs half a millisecond, and for every endpoint id that finished one the transport keeps some thirty kilobytes for a
//! minute after its last connection. Ids cost nothing to make, so attempts are counted before their handshakes begin:
//!
//! - The first ones in a while are taken as they come ([`UNCHECKED`]). In a flood, whoever dials has to show that it receives at the
//!   address it sends from (a QUIC retry), so that made-up addresses cost nothing, and nobody uses up what another's address is
//!   granted.
//! - Each source, an IPv4 address or an IPv6 network of 56 bits, has its own rate ([`OF_SOURCE`]): one of them keeps out nobody but
//!   those who share it, and one in a thousand others ([`BUCKETS`]).
//! - All sources together have one ([`OF_ALL`]), which eight of them use up; whoever has a longer IPv6 network has many. So sources
//!   where a member was met last have some attempts beyond both ([`OF_MET`]).
//!
//! What is over is ignored: dialling endpoints try again by themselves after one second and three, and each time is as good as the
//! first one of somebody else. What this node dials passes no filter, so that in the worst flood it still finds those it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::endpoint::IncomingAddr;
use iroh::protocol::{IncomingFilter, IncomingFilterOutcome};
use iroh::{EndpointId, TransportAddr};
use tokio::time::Instant;

use super::shared::Inner;
use crate::base::digest::NodeId;

/// So many at once, and one more every so often.
#[derive(Clone, Copy)]
struct Rate {
    burst: u32,
    every: Duration,
}

/// Attempts that are taken as they come. A node of a large network that starts anew is dialled by some dozens.
const UNCHECKED: Rate = Rate {
    burst: 32,
    every: Duration::from_secs(1),
};

/// Attempts from one source: together with the above, sixty members behind one address come back at once.
const OF_SOURCE: Rate = Rate {
    burst: 32,
    every: Duration::from_secs(1),
};

/// Attempts from all sources: of the transport's memory for ids, 18 MB in a minute.
const OF_ALL: Rate = Rate {
    burst: 128,
    every: Duration::from_millis(125),
};

/// Attempts from a source where a member was met, when the others are used up: what one takes that is restarted.
const OF_MET: Rate = Rate {
    burst: 8,
    every: Duration::from_secs(5),
};

/// Sources share this many buckets, by a keyed hash: what is kept does not grow with their number.
const BUCKETS: usize = 1024;

/// How much of a rate is left.
#[derive(Clone, Copy)]
struct Bucket {
    /// When all of it is.
    full_at: Instant,
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + rate.every;
        let is_within = full_at <= now + rate.every * rate.burst;
        if is_within {
            self.full_at = full_at;
        }
        is_within
    }
}

/// Where attempts come from that cannot be told apart better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    V4(Ipv4Addr),
    /// The first 56 bits: what a household is given, or more.
    V6(u128),
    /// Relays vouch for ids, which cost nothing: against strangers only the rate of all helps.
    Relayed(EndpointId),
    Other,
}

impl Source {
    fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6(ip.to_bits() >> 72),
        }
    }

    fn of(address: &IncomingAddr) -> Self {
        match address {
            IncomingAddr::Ip(socket) => Self::of_ip(socket.ip()),
            IncomingAddr::Relay { endpoint_id, .. } => Self::Relayed(*endpoint_id),
            _ => Self::Other,
        }
    }
}

/// Where members were met last: one source of each.
#[derive(Default)]
pub(super) struct Met {
    of: BTreeMap<NodeId, Source>,
    counts: BTreeMap<Source, usize>,
}

impl Met {
    /// A member proved itself from this address, now or before the last restart.
    pub(super) fn note(&mut self, author: NodeId, endpoint: EndpointId, address: &TransportAddr) {
        let source = match address {
            TransportAddr::Ip(socket) => Source::of_ip(socket.ip()),
            TransportAddr::Relay(_) => Source::Relayed(endpoint),
            _ => return,
        };
        *self.counts.entry(source).or_default() += 1;
        let before = self.of.insert(author, source);
        self.leave(before);
    }

    /// These are no members any more.
    pub(super) fn forget(&mut self, authors: &BTreeSet<NodeId>) {
        for author in authors {
            let before = self.of.remove(author);
            self.leave(before);
        }
    }

    fn leave(&mut self, source: Option<Source>) {
        if let Some(source) = source
            && let Some(count) = self.counts.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }

    fn has(&self, source: &Source) -> bool {
        self.counts.contains_key(source)
    }
}

struct Attempts {
    unchecked: Bucket,
    all: Bucket,
    of_sources: Vec<Bucket>,
    of_met: Vec<Bucket>,
    hasher: RandomState,
}

impl Attempts {
    fn new(now: Instant) -> Self {
        let bucket = Bucket { full_at: now };
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
        let place = self.place(source);
        let passes = self.of_sources[place].take(OF_SOURCE, now) && self.all.take(OF_ALL, now);
        // Only sources of members take from these buckets.
        if passes || (is_met() && self.of_met[place].take(OF_MET, now)) {
            IncomingFilterOutcome::Accept
        } else {
            IncomingFilterOutcome::Ignore
        }
    }

    fn place(&self, source: Source) -> usize {
        let place = self.hasher.hash_one(source) % BUCKETS as u64;
        usize::try_from(place).unwrap_or(0)
    }
}

/// The filter of a transport's router.
pub(super) fn incoming_filter(inner: &Arc<Inner>) -> IncomingFilter {
    let attempts = Mutex::new(Attempts::new(Instant::now()));
    let inner = Arc::clone(inner);
    Arc::new(move |incoming| {
        let source = Source::of(&incoming.remote_addr());
        let is_met = || inner.table().met.has(&source);
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
    use std::net::SocketAddr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn source(number: u32) -> Source {
        Source::of_ip(Ipv4Addr::from_bits(number).into())
    }

    /// How many of a thousand attempts a second pass that sources make in turn in ten seconds.
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
        let flooded = attempts.place(source(0));
        let mut others = (1..).map(source);
        let other = others.find(|other| attempts.place(*other) != flooded);
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

    #[test]
    fn a_member_was_met_at_one_source() {
        let mut met = Met::default();
        let at = |ip: &str| -> (TransportAddr, Source) {
            let ip: IpAddr = ip.parse().unwrap();
            (TransportAddr::Ip(SocketAddr::new(ip, 7)), Source::of_ip(ip))
        };
        let (ada, ben) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let (here, there) = (at("10.0.0.1"), at("2001:db8::1"));
        let endpoint = iroh::SecretKey::from_bytes(&[3; 32]).public();
        met.note(ada, endpoint, &here.0);
        met.note(ben, endpoint, &here.0);
        met.note(ben, endpoint, &here.0);
        met.note(ben, endpoint, &there.0);
        assert!(met.has(&here.1) && met.has(&there.1));
        met.note(ada, endpoint, &there.0);
        assert!(!met.has(&here.1), "nobody is there any more");
        assert!(met.has(&at("2001:db8::2").1), "the same network");
        assert!(!met.has(&at("2001:db8:1::1").1));
        met.forget(&BTreeSet::from([ada]));
        assert!(met.has(&there.1));
        met.forget(&BTreeSet::from([ben]));
        assert!(!met.has(&there.1));
        assert!(at("::ffff:10.0.0.1").1 == here.1);
    }
}
