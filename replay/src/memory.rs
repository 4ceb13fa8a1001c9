//! The memory of this process.

/// The peak of resident memory in bytes; `None` where the platform does not tell.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    from_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Reads `VmHWM` from a `/proc/PID/status` (proc(5)): the peak resident set in kB, each of 1,024 bytes.
fn from_status(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status() {
        let status = "Name:\tmycnet\nVmPeak:\t  9000 kB\nVmHWM:\t    1234 kB\n";
        assert_eq!(from_status(status), Some(1_263_616));
        for status in ["", "VmRSS:\t 1 kB\n", "VmHWM:\t 12 MB\n", "VmHWM:\t kB\n"] {
            assert_eq!(from_status(status), None, "{status:?}");
        }
        assert_eq!(from_status(&format!("VmHWM:\t{} kB\n", u64::MAX)), None);
        if cfg!(target_os = "linux") {
            assert!(peak_memory_bytes() > Some(100_000));
        }
    }
}
