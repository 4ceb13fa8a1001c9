//! Nodes that know nobody, on one segment: mDNS is all that they have.

use crate::federation::{Federation, settings};
use crate::say;
use crate::space::World;

#[test]
fn nodes_on_one_segment_find_each_other() {
    let Some(mut world) = World::new("nodes_on_one_segment_find_each_other") else {
        return;
    };
    let segment = world.segment("segment");
    let machines = [1, 2, 3, 4].map(|number| {
        let address = format!("10.79.0.{number}/24");
        let machine = world.machine(&format!("near-{number}"), &segment, &address);
        machine.ip(&["route", "add", "default", "dev", "net"]);
        machine
    });
    let mut federation = Federation::new(machines, &[], &settings("One segment"), &[]);
    for member in &mut federation.members {
        member.join(&federation.genesis);
        member.start();
    }
    let met = federation.meet(&[0, 1, 2, 3]);
    let decided = federation.decide(&[0, 1, 2, 3]);
    // A node that was away is found again.
    federation.members[3].stop();
    let without = federation.decide(&[0, 1, 2]);
    federation.members[3].start();
    let back = federation.meet(&[0, 1, 2, 3]);
    say(&format!(
        "one segment: all have met {met:.1?} after the last start, decided in {decided:.1?}, in {without:.1?} while one is away, \
         which is back after {back:.1?}"
    ));
}
