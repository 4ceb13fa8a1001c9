//! Nodes that are far apart: each way takes 300 ms, and 5 % of the packets are lost.

use std::time::{Duration, Instant};

use crate::federation::{Federation, PATIENCE, settings, until};
use crate::harness::id_of;
use crate::space::World;
use crate::wire::Line;
use crate::{is_long, say};

const DELAY_MS: u64 = 300;
const LOSS_PERCENT: u64 = 5;
const SEED: u64 = 7;

/// The patience and the drift of networks that are not on one machine. The rest is as short as it may be then.
const PARAMS: [&str; 9] = [
    "step_patience_ms=10s",
    "drift_ms=2s",
    "claim_grace_ms=10s",
    "critical_grace_ms=10s",
    "commit_window_ms=2m",
    "reveal_window_ms=2m",
    "primary_window_ms=8s",
    "objection_window_ms=8s",
    "resolution_window_ms=8s",
];

#[test]
fn nodes_that_are_far_apart_decide_and_catch_up() {
    let Some(mut world) = World::new("nodes_that_are_far_apart_decide_and_catch_up") else {
        return;
    };
    let line = Line::new(&mut world, 4, DELAY_MS, LOSS_PERCENT, SEED);
    let machines = line.machines.clone().try_into().unwrap();
    // The program that votes for its owner: fifty operations are too many for people.
    let settings = settings("A port that can be reached") + "on_event = [\"echo\", \"approve\"]\n";
    let mut federation = Federation::new(machines, &PARAMS, &settings, &[]);
    federation.members[0].join(&federation.genesis);
    federation.members[0].start();
    let ticket = federation.members[0].ticket().to_string();
    for member in &mut federation.members[1..] {
        member.join(&ticket);
        member.start();
    }
    let met = federation.meet(&[0, 1, 2, 3]);
    let (operations, missed) = if is_long() { (20, 50) } else { (3, 20) };
    let mut took: Vec<Duration> = (0..operations)
        .map(|_| federation.decide(&[0, 1, 2, 3]))
        .collect();
    took.sort();
    say(&format!(
        "{DELAY_MS} ms and {LOSS_PERCENT} % each way (seed {SEED}): all have met {met:.1?} after the last start; of {operations} \
         operations one is decided in {:.1?} (p50), at most {:.1?}",
        took[took.len() / 2],
        took[took.len() - 1]
    ));

    federation.members[3].stop();
    let first = &federation.members[0].node;
    let start = Instant::now();
    let proposed: Vec<String> = (0..missed)
        .map(|number| {
            let value = number.to_string();
            id_of(&first.json(&["propose", "config", "--key", "motd", "--value", &value]))
        })
        .collect();
    let is_decided = |member: usize, id: &str| {
        let status = federation.members[member]
            .node
            .run(&["status", id, "--json"]);
        let status: Option<serde_json::Value> = serde_json::from_slice(&status.stdout).ok();
        status.is_some_and(|status| status["outcome"]["decided"] == "approve")
    };
    for id in &proposed {
        until("the operations are decided", PATIENCE, || is_decided(0, id));
    }
    let decided = start.elapsed();
    let height = federation.height(0);
    federation.members[3].start();
    let caught_up = until("the one that was away knows them", PATIENCE, || {
        federation.height(3) >= height
    });
    assert!(proposed.iter().all(
        |id| federation.members[3].node.json(&["status", id])["outcome"]["decided"] == "approve"
    ));
    let again = federation.decide(&[3, 0, 1, 2]);
    say(&format!(
        "{missed} operations are decided in {decided:.1?} while one is away, up to height {height}, which it has {caught_up:.1?} after its start; \
         it decides with the others again in {again:.1?}"
    ));
    drop(line.part);
}
