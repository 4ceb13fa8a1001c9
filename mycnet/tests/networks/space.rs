//! Network namespaces, and what connects them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::say;

/// What the names of the namespaces begin with; the number of the process follows.
const PREFIX: &str = "mycnet-test-";

/// Runs a program that must do what it is asked.
fn run(arguments: &[&str]) {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
}

fn is_done(arguments: &[&str]) -> bool {
    let mut command = Command::new(arguments[0]);
    let command = command.args(&arguments[1..]).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The networks of one test.
pub struct World {
    name: String,
    spaces: Vec<String>,
}

/// One machine in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space(pub String);

/// How a router translates addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Router {
    /// A machine behind it has the same port for everybody, as with most routers at home: holes can be punched.
    SamePort,
    /// It has another port for everybody, as with some mobile networks: two such routers let no holes be punched.
    PortForEach,
    /// Only TCP passes, as in some offices: everything goes through a relay.
    OnlyTcp,
}

impl World {
    /// Networks for a test, or `None`, and the reason on the terminal, where they cannot be made.
    pub fn new(test: &str) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let missing = ["ip", "nft"].into_iter().find(|program| {
            let version = if *program == "ip" { "-V" } else { "--version" };
            !is_done(&[program, version])
        });
        if let Some(missing) = missing {
            say(&format!("{test} is skipped: there is no program {missing}"));
            return None;
        }
        remove_old();
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let probe = format!("{name}-probe");
        if !is_done(&["ip", "netns", "add", &probe]) {
            say(&format!(
                "{test} is skipped: no network namespaces can be made (root can)"
            ));
            return None;
        }
        run(&["ip", "netns", "del", &probe]);
        Some(Self {
            name,
            spaces: Vec::new(),
        })
    }

    /// A machine without a network.
    pub fn space(&mut self, name: &str) -> Space {
        let space = format!("{}-{name}", self.name);
        run(&["ip", "netns", "add", &space]);
        self.spaces.push(space.clone());
        let space = Space(space);
        space.ip(&["link", "set", "lo", "up"]);
        space
    }

    /// A segment: what is plugged into it hears everybody else.
    pub fn segment(&mut self, name: &str) -> Space {
        let space = self.space(name);
        space.ip(&["link", "add", "bridge", "type", "bridge"]);
        space.ip(&["link", "set", "bridge", "up"]);
        space
    }

    /// A machine on a segment, with this address (`ADDRESS/LENGTH`).
    pub fn machine(&mut self, name: &str, segment: &Space, address: &str) -> Space {
        let space = self.space(name);
        plug(&space, "net", segment, address);
        space
    }

    /// A router on a segment, with an address there, and the segment behind it with its own.
    pub fn router(
        &mut self,
        name: &str,
        outside: (&Space, &str),
        inside: &str,
        kind: Router,
    ) -> Space {
        let behind = self.segment(&format!("{name}-behind"));
        let router = self.machine(name, outside.0, outside.1);
        plug(&router, "home", &behind, inside);
        router.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        let (translation, passes) = match kind {
            Router::SamePort => ("masquerade", "accept"),
            Router::PortForEach => ("masquerade fully-random", "accept"),
            Router::OnlyTcp => ("masquerade", "meta l4proto != tcp drop"),
        };
        // What comes from outside and belongs to nothing is dropped, and leaves no trace in the table of translations.
        let rules = format!(
            "table ip nat {{
                chain post {{ type nat hook postrouting priority 100; oifname net {translation}; }}
            }}
            table ip filter {{
                chain input {{ type filter hook input priority 0; iifname net ct state new drop; }}
                chain forward {{
                    type filter hook forward priority 0;
                    iifname net ct state new drop;
                    iifname home {passes};
                }}
            }}"
        );
        router.run(&["nft", &rules]);
        behind
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for space in &self.spaces {
            is_done(&["ip", "netns", "del", space]);
        }
    }
}

/// Removes what a test left that was killed.
fn remove_old() {
    let Ok(spaces) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for space in spaces.flatten() {
        let name = space.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| {
            let (process, _) = rest.split_once('-')?;
            Some(Path::new("/proc").join(process))
        });
        if process.is_some_and(|process| !process.exists()) {
            is_done(&["ip", "netns", "del", &name]);
        }
    }
}

/// Connects a machine with a segment.
fn plug(space: &Space, interface: &str, segment: &Space, address: &str) {
    let port = format!("p{}", address.split('/').next().unwrap().replace('.', ""));
    space.link(interface, segment, &port);
    segment.ip(&["link", "set", &port, "master", "bridge", "up"]);
    space.ip(&["address", "add", address, "dev", interface]);
    space.ip(&["link", "set", interface, "up"]);
}

impl Space {
    /// Runs `ip` about it.
    pub fn ip(&self, arguments: &[&str]) {
        run(&[&["ip", "-n", &self.0], arguments].concat());
    }

    /// Runs a program in it.
    pub fn run(&self, arguments: &[&str]) {
        run(&[&["ip", "netns", "exec", &self.0], arguments].concat());
    }

    /// Makes a cable between it and another.
    pub fn link(&self, interface: &str, other: &Self, at_other: &str) {
        self.ip(&[
            "link", "add", interface, "type", "veth", "peer", "name", at_other, "netns", &other.0,
        ]);
    }

    /// Sends what goes elsewhere through this router.
    pub fn through(&self, router: &str) {
        self.ip(&["route", "add", "default", "via", router]);
    }

    /// The same command in it. The process is that of the program itself, so that signals reach it.
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside
            .args(["netns", "exec", &self.0])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }
}
