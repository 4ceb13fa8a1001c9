//! What a devnet was at its end, for people and programs.

use std::fmt;

use mycnet_consensus::{Digest, NetworkId, NodeId, Spore};
use serde::Serialize;

use super::load::{Latency, Quantiles};
use super::network::{Network, name};

/// The object of `--json`: fields may be added, none changes its meaning.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    network: NetworkId,
    /// Those that ran at the end.
    nodes: Vec<Line>,
    /// `null` if nothing was measured.
    latency: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    node: NodeId,
    role: Spore,
    address: String,
    height: u64,
    state_digest: Digest,
}

impl Report {
    pub(super) fn of(network: &Network, latency: Option<Latency>) -> Self {
        let lines = network.running().into_iter().map(|number| {
            let member = &network.members[number];
            let (height, state_digest) = network.board.stand(number).unwrap_or_default();
            Line {
                name: name(number),
                node: member.id,
                role: member.role,
                address: member.address().to_owned(),
                height,
                state_digest,
            }
        });
        Self {
            network: network.genesis.network_id(),
            nodes: lines.collect(),
            latency,
        }
    }

    /// One line.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// The table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.nodes {
            writeln!(
                f,
                "{:<8}  {:<8}  height {:>5}  state {}",
                line.name, line.role, line.height, line.state_digest
            )?;
        }
        let Some(latency) = &self.latency else {
            return Ok(());
        };
        writeln!(
            f,
            "\n{} claims, {} at a time: {} a second, {} seals for each.",
            latency.operations,
            latency.in_flight,
            latency.operations_per_second,
            latency.seals_per_operation
        )?;
        writeln!(f, "milliseconds from proposal to        p50      p99")?;
        let row = |f: &mut fmt::Formatter<'_>, what: &str, of: Quantiles| {
            writeln!(f, "  {what:<28} {:>9.1} {:>8.1}", of.p50, of.p99)
        };
        row(f, "tallied at its proposer", latency.tallied_ms)?;
        row(f, "final at its proposer", latency.final_ms)?;
        row(f, "final at every node", latency.everywhere_ms)
    }
}
