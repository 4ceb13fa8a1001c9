//! A clock that is an hour off is named on every node: whose it is, and by how much. It holds nothing up.

use std::sync::Arc;
use std::time::Instant;

use mycnet_consensus::engine::{Clock, SystemClock};
use mycnet_consensus::{Ballot, ConsensusOperation, Outcome};

use crate::federation::{Directory, Running, genesis, node_id, settled, start, until};

const HOUR_MS: u64 = 3_600_000;

/// The system's clock, off by some milliseconds.
struct Off(i64);

impl Clock for Off {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms().saturating_add_signed(self.0)
    }
}

/// Three nodes that know one another; the clock of the last is off.
async fn three_with_one_off(directory: &Directory, off_ms: i64) -> Vec<Running> {
    let genesis = genesis(3);
    let mut nodes = start(directory.path(), &genesis, 2).await;
    let last = Running::start_with(directory.path(), &genesis, 2, |it| {
        it.clock(Arc::new(Off(off_ms)))
    })
    .await;
    for other in &nodes {
        let transport = last.node.transport().unwrap();
        transport.remember(&other.card());
    }
    nodes.push(last);
    let all_met = |running: &Running| running.node.transport().unwrap().peers().len() == 2;
    for running in &nodes {
        until("all are connected", || all_met(running)).await;
    }
    nodes
}

/// Whether a clock is an hour behind, as far as a message takes no minute.
fn is_hour_behind(off_ms: i64) -> bool {
    (HOUR_MS - 60_000..HOUR_MS + 60_000).contains(&off_ms.unsigned_abs()) && off_ms < 0
}

/// Rules: N6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_an_hour_behind_is_named_everywhere() {
    let directory = Directory::new();
    let nodes = three_with_one_off(&directory, -HOUR_MS.cast_signed()).await;
    // On a busy machine a message may take longer than this network's drift. It never takes a minute.
    let is_slight = |off_ms: i64| off_ms.unsigned_abs() < 60_000;
    for running in &nodes[..2] {
        let report = running.node.clocks();
        assert!(report.own_off_ms.is_none_or(is_slight), "{report:?}");
        let mut off = report.off.iter();
        let is_late = |(node, off_ms): &(_, i64)| *node == node_id(2) && is_hour_behind(*off_ms);
        assert!(off.any(is_late), "{report:?}");
        let mut others = report.off.iter().filter(|(node, _)| *node != node_id(2));
        assert!(others.all(|(_, off_ms)| is_slight(*off_ms)), "{report:?}");
    }
    let report = nodes[2].node.clocks();
    let mut others = report.off.iter();
    assert!(others.all(|(_, off_ms)| is_slight(*off_ms)), "{report:?}");
    assert!(report.own_off_ms.is_some_and(is_hour_behind), "{report:?}");
    assert_eq!(report.peers, 2);
}

/// All three must agree on each seal, and the objection window of a service ends by the time that seals state.
///
/// Rules: S6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_end_although_one_of_three_clocks_is_an_hour_off() {
    for off_ms in [-HOUR_MS.cast_signed(), HOUR_MS.cast_signed()] {
        let directory = Directory::new();
        let nodes = three_with_one_off(&directory, off_ms).await;
        let begun = Instant::now();
        let deployment = ConsensusOperation::ServiceDeployment {
            service: "wiki".into(),
            manifest: b"v1".to_vec(),
        };
        // The Primary's window, and then one of the node whose clock is off.
        let mut proposed = Vec::new();
        for node in [&nodes[0], &nodes[2]] {
            let engine = node.node.engine();
            proposed.push(engine.propose_operation(deployment.clone()).await.unwrap());
            let id = *proposed.last().unwrap();
            until("the operation is known", || {
                nodes[0].node.engine().status(&id).is_some()
            })
            .await;
            if proposed.len() == 2 {
                nodes[0].node.engine().direct(id, true).await.unwrap();
            }
            for node in &nodes {
                let outcome = node.node.engine().execute_reveal_phase(id).await.unwrap();
                assert_eq!(
                    outcome,
                    Outcome::Decided(Ballot::Approve),
                    "{off_ms} ms off"
                );
            }
        }
        settled(&nodes).await;
        println!(
            "{off_ms} ms off: two windows of 5 s took {:?}",
            begun.elapsed()
        );
        for node in nodes {
            node.stop().await;
        }
    }
}
