//! Messages, bytes, seals and syncs of real nodes on this machine: `mycnet devnet --json`.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Claims that are decided one after the other.
const CLAIMS: &str = "50";

/// What a node does for each of some claims.
#[derive(Debug, Clone, Copy)]
pub struct Devnet {
    /// The nodes, all of which seal and vote.
    pub members: usize,
    /// Messages that it sends, to one peer each.
    pub messages: f64,
    /// Their bytes.
    pub bytes: f64,
    /// Heights sealed.
    pub seals: f64,
    /// Syncs of its disk.
    pub syncs: f64,
    /// The median time until the claim is final at its proposer, in milliseconds.
    pub final_p50_ms: f64,
    /// The 99th percentile of it.
    pub final_p99_ms: f64,
}

/// Runs `mycnet devnet` with so many nodes.
///
/// # Errors
///
/// What failed, in words.
pub fn devnet(mycnet: &OsStr, members: usize) -> Result<Devnet, String> {
    let nodes = members.to_string();
    let arguments = ["devnet", "-n", &nodes, "--operations", CLAIMS, "--json"];
    let run = Command::new(mycnet)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", mycnet.display()))?;
    if !run.status.success() {
        let told = String::from_utf8_lossy(&run.stderr);
        // Before the reason it told of its nodes.
        let reason = told.lines().last().unwrap_or_default();
        return Err(format!("mycnet {}: {reason}", arguments.join(" ")));
    }
    let output = String::from_utf8_lossy(&run.stdout);
    let report = output.lines().last().unwrap_or_default();
    let report = serde_json::from_str(report).map_err(|error| error.to_string())?;
    read(&report, members).ok_or_else(|| format!("unexpected report of mycnet devnet: {report}"))
}

fn read(report: &Value, members: usize) -> Option<Devnet> {
    let figure = |path: &str| report.pointer(&format!("/latency/{path}"))?.as_f64();
    Some(Devnet {
        members,
        messages: figure("each_node/messages")?,
        bytes: figure("each_node/message_bytes")?,
        seals: figure("seals_per_operation")?,
        syncs: figure("each_node/syncs")?,
        final_p50_ms: figure("final_ms/p50")?,
        final_p99_ms: figure("final_ms/p99")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_read() {
        let mut report = json!({"latency": {
            "seals_per_operation": 2,
            "final_ms": {"p50": 30.5, "p99": 41.0},
            "each_node": {"syncs": 7.0, "messages": 30.1, "message_bytes": 9000.0},
        }});
        let found = read(&report, 4).unwrap();
        assert_eq!(found.messages.to_string(), "30.1");
        assert_eq!(found.seals.to_string(), "2");
        report["latency"] = Value::Null;
        assert!(read(&report, 4).is_none());
    }
}
