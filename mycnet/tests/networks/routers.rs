//! Nodes behind routers, which meet by a relay, lose it, and get it back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use mycnet_consensus::net::Ticket;

use crate::federation::{Federation, PATIENCE, settings, until};
use crate::harness::Directory;
use crate::part::Part;
use crate::space::{Router, Space, World};
use crate::{is_long, relay, say};

/// Where the relays are.
const RELAYS: [&str; 2] = ["10.77.0.2", "10.77.0.3"];

/// How long the relay is gone: longer than a connection over it lives.
fn outage() -> Duration {
    Duration::from_secs(if is_long() { 60 } else { 15 })
}

/// Relays and four members: Ada and Ben behind routers, Cyd and Dot where everybody reaches them.
struct Internet {
    federation: Federation,
    machines: Vec<Space>,
    relays: Vec<Option<Part>>,
    certificates: Directory,
    _world: World,
}

impl Internet {
    fn new(test: &str, routers: [Router; 2], relays: usize) -> Option<Self> {
        let mut world = World::new(test)?;
        let internet = world.segment("internet");
        let relays = &RELAYS[..relays];
        let machines = relays.iter().map(|address| {
            let name = format!("relay-{address}");
            world.machine(&name, &internet, &format!("{address}/24"))
        });
        let machines: Vec<Space> = machines.collect();
        let behind = [(1, "ada"), (2, "ben")].map(|(number, name)| {
            let outside = format!("10.77.0.2{number}/24");
            let inside = format!("192.168.{number}.1/24");
            let kind = routers[number - 1];
            let router = format!("router-{number}");
            let home = world.router(&router, (&internet, &outside), &inside, kind);
            let space = world.machine(name, &home, &format!("192.168.{number}.9/24"));
            space.through(&format!("192.168.{number}.1"));
            space
        });
        let open = [(3, "cyd"), (4, "dot")]
            .map(|(number, name)| world.machine(name, &internet, &format!("10.77.0.3{number}/24")));
        let [ada, ben] = behind;
        let [cyd, dot] = open;
        let certificates = Directory::new();
        let authority = relay::certify(certificates.path(), relays);
        let urls: Vec<String> = relays.iter().map(|it| format!("https://{it}/")).collect();
        let settings = settings("Behind routers");
        let settings = settings.replace("[\"https://relay.example/\"]", &format!("{urls:?}"));
        let files = [("relay-authority.pem", authority.as_str())];
        let mut internet = Self {
            federation: Federation::new([ada, ben, cyd, dot], &[], &settings, &files),
            relays: machines.iter().map(|_| None).collect(),
            machines,
            certificates,
            _world: world,
        };
        for number in 0..relays.len() {
            internet.relay_comes(number);
        }
        Some(internet)
    }

    fn relay_comes(&mut self, number: usize) {
        let part = format!("relay {}", self.certificates.path().display());
        self.relays[number] = Some(Part::start(&self.machines[number], &part));
    }

    fn relay_goes(&mut self, number: usize) {
        self.relays[number] = None;
    }

    /// All join by the ticket of the first, which names the relay and nothing else. Returns how long it took until all have met.
    fn join(&mut self) -> Duration {
        let members = &mut self.federation.members;
        members[0].join(&self.federation.genesis);
        members[0].start();
        let ticket = by_relay_alone(members[0].ticket()).to_string();
        let start = Instant::now();
        for member in &mut members[1..] {
            member.join(&ticket);
            member.start();
        }
        self.federation.meet(&[0, 1, 2, 3]);
        start.elapsed()
    }

    /// Whether the packets of one to another go by the relay; `None` if they are not connected.
    fn is_by_relay(&self, one: usize, other: usize) -> Option<bool> {
        let members = &self.federation.members;
        let connected = members[one].connected();
        let name = members[other].node.name();
        let (_, at) = connected.into_iter().find(|(peer, _)| peer == name)?;
        Some(at.starts_with("https://"))
    }
}

/// A ticket without the direct addresses.
fn by_relay_alone(mut ticket: Ticket) -> Ticket {
    for peer in &mut ticket.peers {
        peer.addresses
            .retain(|address| address.starts_with("https://"));
        assert!(!peer.addresses.is_empty(), "the ticket names the relay");
    }
    ticket
}

#[test]
fn routers_with_one_port_for_everybody_need_the_relay_only_to_meet() {
    let routers = [Router::SamePort, Router::SamePort];
    let test = "routers_with_one_port_for_everybody_need_the_relay_only_to_meet";
    let Some(mut internet) = Internet::new(test, routers, 1) else {
        return;
    };
    let joined = internet.join();
    let pairs = [(0, 1), (1, 0), (0, 2), (0, 3), (1, 2), (1, 3)];
    let direct = until("all paths are direct", PATIENCE, || {
        pairs
            .iter()
            .all(|(one, other)| internet.is_by_relay(*one, *other) == Some(false))
    });
    let first = internet.federation.decide(&[0, 1, 2, 3]);
    internet.relay_goes(0);
    let gone = Instant::now();
    let without = internet.federation.decide(&[1, 0, 2, 3]);
    sleep(outage().saturating_sub(gone.elapsed()));
    for (one, other) in pairs {
        assert_eq!(
            internet.is_by_relay(one, other),
            Some(false),
            "{one} to {other}"
        );
    }
    let late = internet.federation.decide(&[2, 0, 1, 3]);
    internet.relay_comes(0);
    let again = internet.federation.decide(&[0, 1, 2, 3]);
    say(&format!(
        "one port for everybody: joined and met in {joined:.1?}, direct {direct:.1?} later, decided in {first:.1?}; without the relay in \
         {without:.1?}, after {:?} in {late:.1?}; with it again in {again:.1?}",
        outage()
    ));
}

#[test]
fn a_node_that_no_packet_reaches_waits_for_the_relay() {
    let routers = [Router::PortForEach, Router::OnlyTcp];
    let test = "a_node_that_no_packet_reaches_waits_for_the_relay";
    let Some(mut internet) = Internet::new(test, routers, 1) else {
        return;
    };
    let joined = internet.join();
    for other in [0, 2, 3] {
        assert_eq!(internet.is_by_relay(1, other), Some(true), "to {other}");
    }
    let first = internet.federation.decide(&[0, 1, 2, 3]);
    internet.relay_goes(0);
    let gone = Instant::now();
    let lost = until("who needs the relay is alone", PATIENCE, || {
        internet.federation.members[1].connected().is_empty()
    });
    let without = internet.federation.decide(&[0, 2, 3]);
    sleep(outage().saturating_sub(gone.elapsed()));
    internet.relay_comes(0);
    let back = internet.federation.meet(&[0, 1, 2, 3]);
    let again = internet.federation.decide(&[1, 0, 2, 3]);
    say(&format!(
        "no UDP: joined and met in {joined:.1?}, decided in {first:.1?}; {lost:.1?} after the relay is gone the node is alone, and the \
         others decide in {without:.1?}; {back:.1?} after it is back (gone for {:?}) all have met, and decide in {again:.1?}",
        outage()
    ));
}

#[test]
fn two_routers_with_another_port_for_everybody_let_no_holes_be_punched() {
    let routers = [Router::PortForEach, Router::PortForEach];
    let test = "two_routers_with_another_port_for_everybody_let_no_holes_be_punched";
    let Some(mut internet) = Internet::new(test, routers, 1) else {
        return;
    };
    let joined = internet.join();
    let first = internet.federation.decide(&[0, 1, 2, 3]);
    let pairs = [(0, 2), (0, 3), (1, 2), (1, 3)];
    until("the other paths are direct", PATIENCE, || {
        pairs
            .iter()
            .all(|(one, other)| internet.is_by_relay(*one, *other) == Some(false))
    });
    assert_eq!(internet.is_by_relay(0, 1), Some(true));
    internet.relay_goes(0);
    let lost = until("the two lose each other", PATIENCE, || {
        internet.is_by_relay(0, 1).is_none()
    });
    let without = internet.federation.decide(&[1, 0, 2, 3]);
    say(&format!(
        "a port for each: joined and met in {joined:.1?}, decided in {first:.1?}; {lost:.1?} after the relay is gone the two have lost \
         each other, and all decide in {without:.1?}"
    ));
}

#[test]
fn who_has_two_relays_goes_over_to_the_other() {
    let routers = [Router::SamePort, Router::OnlyTcp];
    let Some(mut internet) = Internet::new("who_has_two_relays_goes_over_to_the_other", routers, 2)
    else {
        return;
    };
    let joined = internet.join();
    let by = |internet: &Internet, relay: &str| {
        let connected = internet.federation.members[1].connected();
        let here = format!("https://{relay}/");
        connected.iter().filter(|(_, at)| *at == here).count()
    };
    let gone = usize::from(by(&internet, RELAYS[0]) < by(&internet, RELAYS[1]));
    internet.relay_goes(gone);
    let other = until("all are reached by the other relay", PATIENCE, || {
        by(&internet, RELAYS[1 - gone]) == 3
    });
    let again = internet.federation.decide(&[1, 0, 2, 3]);
    say(&format!(
        "two relays: joined and met in {joined:.1?}; {other:.1?} after one is gone the node without UDP has all peers by the other, and all \
         decide in {again:.1?}"
    ));
}
