//! Whose clock is off ([N6]). Each node tells its peers its time, in the hello and then every minute.
//!
//! They tell people why seals or windows are late: a node refuses fresh seals whose time is more than the drift ahead of its
//! clock, and the others refuse those of a node that is ahead of them ([S6]). A node whose own clock more than half of the
//! sealers contradict goes by theirs ([`correction_ms`]).

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

/// How far the time that a node goes by is ahead of its own clock, in milliseconds; below zero if it is behind ([S6]).
///
/// `ahead_ms` says how far the clock of each connected sealer, itself left out, is ahead of the node's; `sealers` is the number
/// of all sealers. If the clocks of more than half of all sealers are ahead by more than `drift_ms`, the node goes by the one
/// that is least so; and likewise if they are behind. Fewer move nobody, and those whose clock nobody knows count for the node's own.
pub(crate) fn correction_ms(mut ahead_ms: Vec<i64>, sealers: usize, drift_ms: u64) -> i64 {
    let half = sealers / 2;
    if ahead_ms.len() <= half {
        return 0;
    }
    ahead_ms.sort_unstable();
    // More than half are ahead at least this far, or behind at least that far.
    let (ahead, behind) = (ahead_ms[ahead_ms.len() - 1 - half], ahead_ms[half]);
    let drift_ms = i64::try_from(drift_ms).unwrap_or(i64::MAX);
    if ahead > drift_ms {
        ahead
    } else if behind < -drift_ms {
        behind
    } else {
        0
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
    fn a_node_goes_by_the_clocks_of_more_than_half_of_the_sealers() {
        const HOUR: i64 = 3_600_000;
        // How far the clocks of connected sealers are ahead, the number of all sealers, and what this node adds to its clock.
        let cases: [(&[i64], usize, i64); 14] = [
            (&[], 0, 0),
            (&[], 1, 0),
            (&[HOUR], 2, 0),
            (&[HOUR, HOUR + 3], 3, HOUR),
            (&[-HOUR, -HOUR - 3], 3, -HOUR),
            (&[HOUR, -HOUR], 3, 0),
            (&[HOUR, 500], 3, 0),
            (&[501, HOUR], 3, 501),
            // Two of four are not more than half.
            (&[HOUR, HOUR], 4, 0),
            (&[HOUR, HOUR, 0], 4, 0),
            (&[HOUR, HOUR + 7, HOUR - 7], 4, HOUR - 7),
            // Two of seven lie, and three are honest; the least of four counts.
            (&[i64::MAX, i64::MAX, HOUR, HOUR + 9, HOUR + 5], 7, HOUR + 5),
            (&[i64::MAX, i64::MAX, HOUR, 0, 0, 0], 7, 0),
            (&[i64::MIN, i64::MIN, i64::MIN], 4, i64::MIN),
        ];
        for (ahead, sealers, correction) in cases {
            assert_eq!(
                correction_ms(ahead.to_vec(), sealers, 500),
                correction,
                "{ahead:?} of {sealers}"
            );
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
