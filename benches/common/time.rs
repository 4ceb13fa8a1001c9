//! The time that a piece of work takes on one thread.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::{Duration, Instant};

/// The time of `work`: processor time where the system reports it, so that the time of other programs does not
/// count.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let before = on_processor();
    let start = Instant::now();
    std::hint::black_box(work());
    let elapsed = start.elapsed();
    if elapsed < UNINTERRUPTED {
        return elapsed;
    }
    match (before, on_processor()) {
        (Some(before), Some(after)) => elapsed.min(after.saturating_sub(before)),
        _ => elapsed,
    }
}

/// Shorter batches start with a fresh time slice of the scheduler and are mostly not interrupted; reading the
/// processor time takes some microseconds and would blur them.
const UNINTERRUPTED: Duration = Duration::from_millis(1);

/// This thread's processor time (Linux). The scheduler updates it when the thread yields.
fn on_processor() -> Option<Duration> {
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = stat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
