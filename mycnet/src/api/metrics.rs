//! Metrics of a running node for Prometheus and its like, in the text form of `OpenMetrics`: the node's own, and those of its endpoint.
//!
//! They are made when they are asked for. Their names are kept; `docs/INTERFACE.md` has alerts that go by them.

use std::sync::Arc;

use iroh_metrics::{Counter, Gauge, MetricsGroup, MetricsSource as _, Registry};
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::node::{Node, Work};
use mycnet_consensus::{Standing, core::SigningState};

use crate::answer::reads;
use crate::failure::Failure;
use crate::home::Home;
use crate::reply::Status;

/// A gauge that is 1 or 0, or counts.
#[derive(Debug, Default, MetricsGroup)]
#[metrics(name = "mycnet")]
struct Metrics {
    /// Last sealed height
    height: Gauge,
    /// Time since the last seal
    seal_age_seconds: Gauge,
    /// Round of the agreement on the next seal; it grows while its proposer is missing or refused
    seal_round: Gauge,
    /// Sealers that the next seal waits for
    sealers_missing: Gauge,
    /// Sealers that are connected, with this node
    sealers_connected: Gauge,
    /// Sealers that must agree on a seal
    sealers_needed: Gauge,
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
    /// Records in the seals since the node's start
    records: Counter,
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
    let metrics = metrics(&status, &node.work(), SystemClock.now_ms());
    metrics.disk_bytes.set(of(home.database_bytes()));
    let mut registry = Registry::default();
    registry.register(Arc::new(metrics));
    if let Some(transport) = node.transport() {
        let of_endpoint = registry.sub_registry_with_prefix("iroh");
        of_endpoint.register_all(transport.endpoint().metrics());
    }
    let text = registry.encode_openmetrics_to_string();
    text.map_err(Failure::failed)
}

/// The node's own metrics, without those of its disk's size.
fn metrics(status: &Status, work: &Work, now_ms: u64) -> Metrics {
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
    ] {
        gauge.set(value);
    }
    if let Some(sealers) = &status.sealers {
        metrics.sealers_connected.set(of(sealers.connected));
        metrics.sealers_needed.set(of(sealers.needed));
    }
    if let Some(member) = &status.member {
        metrics.trust_ppm.set(member.trust_ppm.into());
        metrics.skill_ppm.set(member.skill_ppm.into());
        let is_active = member.standing == Standing::Active;
        metrics.active.set(is_active.into());
    }
    metrics.disk_syncs.set(work.syncs);
    metrics.records.set(work.records);
    metrics
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "a525a18c0ca91880841f99fcf80467c85ffadba977ce7dd3e01eee2879a7fec6";

    /// The status of a node to which nothing has happened.
    fn quiet() -> Value {
        let member = json!({
            "node": KEY, "name": "ada", "role": "primary", "row": 1, "standing": "active", "has_vote": true,
            "trust_ppm": 510_000, "skill_ppm": 500_000, "claim_weight": 500_000, "former": [], "successor": null,
        });
        json!({
            "node": KEY, "network": KEY, "name": "x", "running": true, "height": 2, "seal": KEY, "seal_ms": 1_000_000,
            "member": member, "members": 1, "names": {}, "open_operations": 0, "waiting_for_you": [], "your_turns": [],
            "unsealed_records": 0, "peers": 0, "journal_lost": null, "disk_failed": false, "twin": null,
            "sealing": {
                "height": 3, "round": 0, "step": "propose", "proposer": KEY, "locked": null, "waits_for": [], "signing": "ready",
                "sealers": [KEY], "quorum": 1
            },
            "sealers": { "connected": 1, "needed": 1, "absent": [], "too_few": false },
            "clocks": { "off": [], "own_off_ms": null, "peers": 0, "seal_ahead_ms": null },
            "keys": { "height": 2, "network": KEY, "node": KEY, "place": "present", "member": null, "pending": [] },
            "not_signing": [], "said_banned": 0,
            "refounding": { "plans": 0, "endorsed": null, "asks_again": false, "left_for": null, "follows": null },
        })
    }

    fn read(status: &Value, work: &Work) -> BTreeMap<String, i64> {
        let status = serde_json::from_value(status.clone()).unwrap();
        let mut registry = Registry::default();
        registry.register(Arc::new(metrics(&status, work, 1_005_900)));
        let text = registry.encode_openmetrics_to_string().unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        samples
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn each_metric_follows_what_it_tells() {
        let off = json!([{ "node": KEY, "name": null, "off_ms": 90_000 }]);
        let not_signing = json!([{ "node": KEY, "name": null, "signing": "journal_lost" }]);
        let turn = json!([{
            "operation": KEY, "kind": "claim", "class": "claim", "subject": "x", "proposer": KEY, "weight": 1, "until_ms": null
        }]);
        // Where in the status something changes, to what, the metric that follows, and its values before and after.
        let cases = [
            ("/height", json!(7), "height", 2, 7),
            ("/seal_ms", json!(5900), "seal_age_seconds", 5, 1000),
            ("/sealing/round", json!(4), "seal_round", 0, 4),
            ("/sealing/waits_for", json!([KEY]), "sealers_missing", 0, 1),
            ("/sealers/connected", json!(3), "sealers_connected", 1, 3),
            ("/sealers/needed", json!(4), "sealers_needed", 1, 4),
            ("/members", json!(5), "members", 1, 5),
            ("/peers", json!(3), "peers", 0, 3),
            ("/not_signing", not_signing, "peers_not_signing", 0, 1),
            ("/open_operations", json!(9), "open_operations", 0, 9),
            ("/your_turns", turn, "waiting_for_me", 0, 1),
            ("/unsealed_records", json!(11), "unsealed_records", 0, 11),
            ("/member/trust_ppm", json!(1), "trust_ppm", 510_000, 1),
            ("/member/skill_ppm", json!(2), "skill_ppm", 500_000, 2),
            ("/member/standing", json!("suspended"), "active", 1, 0),
            ("/member", Value::Null, "active", 1, 0),
            ("/sealing/signing", json!("journal_lost"), "signing", 1, 0),
            ("/sealing/signing", json!("twin"), "signing", 1, 0),
            ("/disk_failed", json!(true), "disk_failed", 0, 1),
            (
                "/clocks/own_off_ms",
                json!(-9),
                "clock_offset_milliseconds",
                0,
                -9,
            ),
            ("/clocks/off", off, "clocks_off", 0, 1),
        ];
        let before = read(&quiet(), &Work::default());
        let mut moved = vec!["mycnet_disk_bytes".to_owned()];
        for (place, value, name, was, is) in cases {
            let mut status = quiet();
            *status.pointer_mut(place).unwrap() = value;
            let after = read(&status, &Work::default());
            let name = format!("mycnet_{name}");
            assert_eq!((before[&name], after[&name]), (was, is), "{place}");
            moved.push(name);
        }
        let mut work = Work::default();
        (work.syncs, work.records) = (12, 13);
        let after = read(&quiet(), &work);
        for (name, is) in [
            ("mycnet_disk_syncs_total", 12),
            ("mycnet_records_total", 13),
        ] {
            assert_eq!((before[name], after[name]), (0, is));
            moved.push(name.to_owned());
        }
        let still: Vec<_> = before.keys().filter(|name| !moved.contains(name)).collect();
        assert!(still.is_empty(), "nothing shows that these move: {still:?}");
    }
}
