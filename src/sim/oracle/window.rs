//! Windows end in two steps, so that a chain that stood still punishes no member that was ready (W1).

use super::Moment;

/// A time to wait in, from a seal on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The height of the seal at which it starts.
    pub(super) start: u64,
    pub(super) length_ms: u64,
    /// The time between its two steps.
    pub(super) second_ms: u64,
}

/// The time of the seal of a height.
pub(super) fn time_of(moments: &[Moment], height: u64) -> u64 {
    at(moments, height).time_ms
}

/// The moment of the seal of a height.
pub(super) fn at(moments: &[Moment], height: u64) -> &Moment {
    &moments[usize::try_from(height).expect("heights count what is in memory")]
}

/// The height of the last seal.
pub(super) fn latest(moments: &[Moment]) -> u64 {
    moments.len() as u64 - 1
}

impl Window {
    /// The height of the seal that marks it: the first at or after its end.
    fn mark(&self, moments: &[Moment], now: u64) -> Option<u64> {
        let end = time_of(moments, self.start) + self.length_ms;
        (self.start..=now).find(|height| time_of(moments, *height) >= end)
    }

    /// Whether it has passed at the seal of height `now`: a window of zero at once, others some time after their mark.
    pub(super) fn passed(&self, moments: &[Moment], now: u64) -> bool {
        if self.length_ms == 0 {
            return true;
        }
        let Some(mark) = self.mark(moments, now) else {
            return false;
        };
        now > mark && time_of(moments, now) >= time_of(moments, mark) + self.second_ms
    }

    /// The earliest time of a seal after the last one that marks it, or lets it pass.
    pub(super) fn due_ms(&self, moments: &[Moment]) -> u64 {
        match self.mark(moments, latest(moments)) {
            None => time_of(moments, self.start) + self.length_ms,
            Some(mark) => time_of(moments, mark) + self.second_ms,
        }
    }
}
