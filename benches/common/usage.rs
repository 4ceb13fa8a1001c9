//! Figures of a process, as Linux reports them; zero on other systems. `self` is this process.

use std::time::Duration;

/// A figure about its memory in kilobytes, such as `VmRSS`.
#[allow(dead_code, reason = "each program takes what it needs")]
pub(crate) fn kilobytes(process: &str, figure: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(figure));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The processor time of all its threads so far, with the kernel's part, to a hundredth of a second.
#[allow(dead_code, reason = "each program takes what it needs")]
pub(crate) fn processor_time(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The program's name, in brackets, may contain any characters.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
