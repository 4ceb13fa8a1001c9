//! A long line: it takes time, and loses packets. `tc netem` does so too, but not every kernel has it.
//!
//! The namespace in the middle takes what arrives from its links for its own, so that a raw socket gets whole packets. After the delay
//! they go on, to the link of the address that they name.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::part::{Part, ready};
use crate::space::{Space, World};

/// The table of routes for packets that come from the links.
const TABLE: &str = "7";

const UDP_PACKET_MAX: usize = 65_535;

/// Machines that only the line connects, by their addresses.
pub struct Line {
    pub machines: Vec<Space>,
    /// It ends with this.
    pub part: Part,
}

impl Line {
    /// Machines, and the line between them: delay and loss are those of each way.
    pub fn new(world: &mut World, count: u8, delay_ms: u64, loss_percent: u64, seed: u64) -> Self {
        let middle = world.space("line");
        let machines = (1..=count).map(|number| {
            let machine = world.space(&format!("far-{number}"));
            let port = format!("to-{number}");
            let (own, gate) = (format!("10.78.{number}.2"), format!("10.78.{number}.1"));
            machine.link("net", &middle, &port);
            machine.ip(&["address", "add", &format!("{own}/24"), "dev", "net"]);
            middle.ip(&["address", "add", &format!("{gate}/24"), "dev", &port]);
            // Each packet by itself, as on a real line: bundles of packets are an affair of one machine.
            machine.ip(&["link", "set", "net", "gso_max_segs", "1", "up"]);
            middle.ip(&["link", "set", &port, "up"]);
            machine.through(&gate);
            middle.ip(&["rule", "add", "iif", &port, "lookup", TABLE, "pref", "1"]);
            machine
        });
        let machines = machines.collect();
        middle.ip(&[
            "route",
            "add",
            "local",
            "10.78.0.0/16",
            "dev",
            "lo",
            "table",
            TABLE,
        ]);
        // Nobody listens at the ports that are named, which the line does not tell.
        let quiet = "table ip filter { chain output { type filter hook output priority 0; ip protocol icmp drop; }; }";
        middle.run(&["nft", quiet]);
        let part = Part::start(&middle, &format!("wire {delay_ms} {loss_percent} {seed}"));
        Self { machines, part }
    }
}

/// Numbers for the losses, which a seed repeats as far as the packets do.
struct Dice(u64);

impl Dice {
    /// A number below 100 (splitmix64).
    fn percent(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100
    }
}

/// Carries packets until it is killed.
pub fn carry(delay_ms: u64, loss_percent: u64, seed: u64) {
    let delay = Duration::from_millis(delay_ms);
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).unwrap();
    socket.set_header_included_v4(true).unwrap();
    socket.set_recv_buffer_size(8 * 1024 * 1024).unwrap();
    let (enter, leave) = mpsc::channel::<(Instant, Vec<u8>)>();
    let out = socket.try_clone().unwrap();
    spawn(move || {
        for (at, packet) in leave {
            sleep(at.saturating_duration_since(Instant::now()));
            let to = SocketAddrV4::new(destination(&packet), 0);
            // A machine may be gone; then nobody misses the packet.
            let _ = out.send_to(&packet, &SockAddr::from(to));
        }
    });
    ready();
    let mut of_machines: BTreeMap<Ipv4Addr, Dice> = BTreeMap::new();
    let mut buffer = vec![0; UDP_PACKET_MAX];
    loop {
        let length = (&socket).read(&mut buffer).unwrap();
        let mut packet = buffer[..length].to_vec();
        let header = usize::from(packet[0] & 0xf) * 4;
        let to = destination(&packet);
        let dice = of_machines
            .entry(to)
            .or_insert_with(|| Dice(seed ^ u64::from(to.to_bits())));
        if dice.percent() < loss_percent {
            continue;
        }
        // The sum of a packet that never left the machine is not computed yet. None is allowed too.
        packet[header + 6..header + 8].fill(0);
        if enter.send((Instant::now() + delay, packet)).is_err() {
            return;
        }
    }
}

/// The address in a packet's header.
fn destination(packet: &[u8]) -> Ipv4Addr {
    let octets: [u8; 4] = packet[16..20].try_into().unwrap();
    octets.into()
}
