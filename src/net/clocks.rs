//! Whose clock is off ([N6]). Each node tells its peers its time, in the hello and then every minute.
//!
//! Nothing is decided by these figures. They tell people why seals or windows are late: a node refuses fresh seals whose time
//! is more than the drift ahead of its own clock, and the others refuse those of a node that is ahead of them ([S6]).

use crate::base::digest::NodeId;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// How the clocks of a node and its connected peers compare. A clock is off by its distance from the median, in
/// milliseconds; below zero if it is behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockReport {
    /// The number of peers whose clock is known.
    pub peers: usize,
    /// How far this node's clock is off the median of its peers, if that is more than the drift.
    pub own_off_ms: Option<i64>,
    /// The peers whose clocks are off the median of all, this node's included, by more than the drift.
    pub off: Vec<(NodeId, i64)>,
    /// How far the last seal's time is ahead of this node's clock, if that is more than the drift.
    pub seal_ahead_ms: Option<u64>,
}

impl ClockReport {
    /// Compares clocks. `ahead_ms` says how far each peer's is ahead of this node's; `drift_ms` is the network's parameter.
    #[must_use]
    pub fn compare(ahead_ms: &[(NodeId, i64)], drift_ms: u64) -> Self {
        let is_off = |off_ms: &i64| off_ms.unsigned_abs() > drift_ms;
        let mut clocks: Vec<i64> = ahead_ms.iter().map(|(_, ahead_ms)| *ahead_ms).collect();
        let own_off_ms = Some(off_median(&mut clocks, 0)).filter(is_off);
        clocks.push(0);
        let off = ahead_ms.iter().filter_map(|(node, ahead_ms)| {
            let off_ms = off_median(&mut clocks, *ahead_ms);
            is_off(&off_ms).then_some((*node, off_ms))
        });
        Self {
            peers: ahead_ms.len(),
            own_off_ms,
            off: off.collect(),
            seal_ahead_ms: None,
        }
    }

    /// Whether nothing is off.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.own_off_ms.is_none() && self.off.is_empty() && self.seal_ahead_ms.is_none()
    }
}

/// How far a clock is off the median of some; of an even number, off the nearer one of the middle two.
fn off_median(clocks: &mut [i64], clock: i64) -> i64 {
    clocks.sort_unstable();
    let count = clocks.len();
    if count == 0 {
        return 0;
    }
    let median = clock.clamp(clocks[(count - 1) / 2], clocks[count / 2]);
    clock.saturating_sub(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    #[test]
    #[allow(clippy::type_complexity, reason = "a table")]
    fn the_one_that_differs_from_most_is_off() {
        const HOUR: i64 = 3_600_000;
        // How far the peers are ahead, how far this node is off, and the peers that are off.
        let cases: [(&[i64], i64, &[(u8, i64)]); 8] = [
            (&[], 0, &[]),
            (&[499], 0, &[]),
            (&[HOUR], -HOUR, &[]),
            (&[0, -HOUR], 0, &[(1, -HOUR)]),
            (&[HOUR, HOUR], -HOUR, &[]),
            (&[-HOUR, 20 - HOUR, -HOUR], HOUR, &[]),
            (&[HOUR, 0, -HOUR], 0, &[(0, HOUR), (2, -HOUR)]),
            (&[i64::MAX, i64::MIN, 0], 0, &[(0, i64::MAX), (1, i64::MIN)]),
        ];
        for (ahead, own, off) in cases {
            let clocks: Vec<_> = (0..).map(node).zip(ahead.iter().copied()).collect();
            let report = ClockReport::compare(&clocks, 500);
            assert_eq!(report.own_off_ms.unwrap_or(0), own, "{ahead:?}");
            let off: Vec<_> = off.iter().map(|(n, by)| (node(*n), *by)).collect();
            assert_eq!(report.off, off, "{ahead:?}");
            assert_eq!(report.peers, ahead.len());
        }
    }

    #[test]
    fn a_third_that_lies_accuses_nobody() {
        for lie in [i64::MIN, -1_000_000, 1_000_000, i64::MAX] {
            let clocks: Vec<_> = (0..).map(node).zip([lie, lie, 0, 10, -10]).collect();
            let report = ClockReport::compare(&clocks, 500);
            assert_eq!(report.own_off_ms, None);
            assert!(
                report
                    .off
                    .iter()
                    .all(|(_, off_ms)| off_ms.unsigned_abs() > 900_000)
            );
        }
    }
}
