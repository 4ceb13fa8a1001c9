//! Metrics of a running node for Prometheus and its like, in the text form of `OpenMetrics`: the node's own, and those of its endpoint.
//!
//! They are made when they are asked for. Their names are kept; `docs/INTERFACE.md` has alerts that go by them.

use std::sync::Arc;

use iroh_metrics::{Counter, Gauge, MetricsGroup, MetricsSource as _, Registry};
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::node::Node;
use mycnet_consensus::{Standing, core::SigningState};

use crate::answer::reads;
use crate::failure::Failure;
use crate::home::Home;

/// A gauge that is 1 or 0, or counts.
#[derive(Debug, Default, MetricsGroup)]
#[metrics(name = "mycnet")]
struct Metrics {
    /// Last sealed height
    height: Gauge,
    /// Time since the last seal
    seal_age_seconds: Gauge,
    /// Round of the agreement on the next seal; it grows while sealers are missing
    seal_round: Gauge,
    /// Sealers that the next seal waits for
    sealers_missing: Gauge,
    /// Members of the network
    members: Gauge,
    /// Connected peers
    peers: Gauge,
    /// Connected peers that say that they do not sign
    peers_not_signing: Gauge,
    /// Operations that are not closed
    open_operations: Gauge,
    /// Operations on which this node may vote and has not
    waiting_for_me: Gauge,
    /// Records that no seal lists yet
    unsealed_records: Gauge,
    /// This member's trust, in parts per million
    trust_ppm: Gauge,
    /// This member's skill, in parts per million
    skill_ppm: Gauge,
    /// Whether this member is active, and its word counts in full
    active: Gauge,
    /// Whether this node signs; 0 after a lost journal and while a twin runs
    signing: Gauge,
    /// Whether a write failed, so that the node must be started again
    disk_failed: Gauge,
    /// Distance of this clock from the median of the peers', if more than the drift; below zero is behind
    clock_offset_milliseconds: Gauge,
    /// Peers whose clocks are off by more than the drift
    clocks_off: Gauge,
    /// Bytes of the databases
    disk_bytes: Gauge,
    /// Syncs of the disk for the databases since the node's start
    disk_syncs: Counter,
}

fn of(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// All metrics, now.
pub(crate) fn text(node: &Node, home: &Home) -> Result<String, Failure> {
    let status = reads::status(node)?;
    let now_ms = SystemClock.now_ms();
    let metrics = Metrics::default();
    for (gauge, value) in [
        (&metrics.height, of(status.height)),
        (
            &metrics.seal_age_seconds,
            of(now_ms.saturating_sub(status.seal_ms) / 1000),
        ),
        (&metrics.seal_round, of(status.sealing.round)),
        (&metrics.sealers_missing, of(status.sealing.waits_for.len())),
        (&metrics.members, of(status.members)),
        (&metrics.peers, of(status.peers.unwrap_or(0))),
        (&metrics.peers_not_signing, of(status.not_signing.len())),
        (&metrics.open_operations, of(status.open_operations)),
        (&metrics.waiting_for_me, of(status.your_turns.len())),
        (&metrics.unsealed_records, of(status.unsealed_records)),
        (&metrics.disk_failed, i64::from(status.disk_failed)),
        (
            &metrics.signing,
            i64::from(status.sealing.signing == SigningState::Ready.name()),
        ),
        (
            &metrics.clock_offset_milliseconds,
            status.clocks.own_off_ms.unwrap_or(0),
        ),
        (&metrics.clocks_off, of(status.clocks.off.len())),
        (&metrics.disk_bytes, of(home.database_bytes())),
    ] {
        gauge.set(value);
    }
    if let Some(member) = &status.member {
        metrics.trust_ppm.set(member.trust_ppm.into());
        metrics.skill_ppm.set(member.skill_ppm.into());
        let is_active = member.standing == Standing::Active;
        metrics.active.set(is_active.into());
    }
    metrics.disk_syncs.set(node.store().syncs());
    let mut registry = Registry::default();
    registry.register(Arc::new(metrics));
    if let Some(transport) = node.transport() {
        let of_endpoint = registry.sub_registry_with_prefix("iroh");
        of_endpoint.register_all(transport.endpoint().metrics());
    }
    let text = registry.encode_openmetrics_to_string();
    text.map_err(Failure::failed)
}
