//! A clock that is an hour off is named on every node: whose it is, and by how much.

use std::sync::Arc;

use mycnet_consensus::engine::{Clock, SystemClock};

use crate::federation::{Directory, Running, genesis, node_id, start, until};

const HOUR_MS: u64 = 3_600_000;

/// The system's clock, an hour behind.
struct Behind;

impl Clock for Behind {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() - HOUR_MS
    }
}

/// Whether a clock is an hour behind, as far as a message takes no minute.
fn is_hour_behind(off_ms: i64) -> bool {
    (HOUR_MS - 60_000..HOUR_MS + 60_000).contains(&off_ms.unsigned_abs()) && off_ms < 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_an_hour_behind_is_named_everywhere() {
    let (directory, genesis) = (Directory::new(), genesis(3));
    let mut nodes = start(directory.path(), &genesis, 2).await;
    let late = Running::start_with(directory.path(), &genesis, 2, |it| {
        it.clock(Arc::new(Behind))
    })
    .await;
    for other in &nodes {
        let transport = late.node.transport().unwrap();
        transport.remember(&other.card());
    }
    let all_met = |running: &Running| running.node.transport().unwrap().peers().len() == 2;
    nodes.push(late);
    for running in &nodes {
        until("all are connected", || all_met(running)).await;
    }
    for running in &nodes[..2] {
        let report = running.node.clocks();
        assert_eq!(report.own_off_ms, None, "{report:?}");
        let [(node, off_ms)] = report.off[..] else {
            panic!("one is off: {report:?}");
        };
        assert!(node == node_id(2) && is_hour_behind(off_ms), "{report:?}");
    }
    let report = nodes[2].node.clocks();
    assert!(report.off.is_empty(), "{report:?}");
    assert!(report.own_off_ms.is_some_and(is_hour_behind), "{report:?}");
    assert_eq!(report.peers, 2);
}
