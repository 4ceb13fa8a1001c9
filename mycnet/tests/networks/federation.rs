//! Four members, each on a machine of its own, and what they decide.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use mycnet_consensus::net::Ticket;

use crate::harness::{Directory, Running, TestNode, id_of, said};
use crate::space::Space;

/// What people are told to write into `config.toml`.
const DOCUMENT: &str = include_str!("../../../docs/NETWORKS.md");

/// What the nodes log, each into a file of its own in the directory for temporary files.
const LOG: &str = "MYCNET_NETWORKS_LOG";

/// The lines of `config.toml` that the document gives below a heading.
pub fn settings(heading: &str) -> String {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, lines) = section.split_once("```toml\n").unwrap();
    let (lines, _) = lines.split_once("```").unwrap();
    lines.to_owned()
}

/// A member and its machine.
pub struct Member {
    pub node: TestNode,
    space: Space,
    running: Option<Running>,
}

impl Member {
    /// Joins with a ticket or a genesis file.
    pub fn join(&self, invitation: &str) {
        let join = self.node.command(&["join", invitation]);
        let mut join = self.space.command(&join);
        let output = join.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }

    pub fn start(&mut self) {
        let run = self.node.command(&["run", "--json"]);
        let mut run = self.space.command(&run);
        if let Ok(level) = std::env::var(LOG) {
            let file = format!("{LOG}-{}-{}.log", std::process::id(), self.node.name());
            let file = fs::File::options()
                .create(true)
                .append(true)
                .open(std::env::temp_dir().join(file));
            run.env("MYCNET_LOG", level).stderr(file.unwrap());
        }
        self.running = Some(Running::begin(&mut run));
    }

    pub fn stop(&mut self) {
        self.running.take().unwrap().stop();
    }

    /// The ticket that it prints when it starts, as people send it on.
    pub fn ticket(&self) -> Ticket {
        self.running.as_ref().unwrap().ticket().parse().unwrap()
    }

    /// The members that it is connected with, and where their packets go.
    pub fn connected(&self) -> Vec<(String, String)> {
        let peers = self.node.json(&["peers"]);
        let peers = peers["peers"].as_array().unwrap().iter();
        let peers = peers.filter(|peer| peer["connected"] == true);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        peers
            .map(|peer| (text(&peer["name"]), text(&peer["at"])))
            .collect()
    }
}

/// Waits until something holds, and returns how long that took.
pub fn until(what: &str, patience: Duration, holds: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < patience, "not in {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    start.elapsed()
}

/// What a step may take, here.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The members of a network.
pub struct Federation {
    pub members: Vec<Member>,
    pub genesis: String,
    /// It is removed last.
    _directory: Directory,
}

impl Federation {
    /// Members on these machines, all with these settings. They have not joined yet.
    pub fn new(
        spaces: [Space; 4],
        params: &[&str],
        settings: &str,
        files: &[(&str, &str)],
    ) -> Self {
        let directory = Directory::new();
        let nodes = ["ada", "ben", "cyd", "dot"].map(|name| directory.node(name));
        let roles = ["primary", "seed", "latent", "latent"];
        let with_roles: Vec<_> = nodes.iter().zip(roles).collect();
        let mut options = vec!["--profile", "dev"];
        options.extend(params.iter().flat_map(|param| ["--param", param]));
        let genesis = directory.network_with("village", &with_roles, &options);
        for node in &nodes {
            fs::write(node.0.join("config.toml"), settings).unwrap();
            for (name, content) in files {
                fs::write(node.0.join(name), content).unwrap();
            }
        }
        let members = nodes.into_iter().zip(spaces);
        let members = members.map(|(node, space)| Member {
            node,
            space,
            running: None,
        });
        Self {
            members: members.collect(),
            genesis,
            _directory: directory,
        }
    }

    /// Waits until each of these is connected with all others of them.
    pub fn meet(&self, who: &[usize]) -> Duration {
        until("all have met", PATIENCE, || {
            who.iter().all(|number| {
                let connected = self.members[*number].connected();
                let others = who.iter().filter(|other| *other != number);
                let mut names = others.map(|other| self.members[*other].node.name());
                names.all(|name| connected.iter().any(|(peer, _)| peer == name))
            })
        })
    }

    /// The first of these proposes, and all of them approve. Returns how long it took until the last of them knew the outcome.
    pub fn decide(&self, who: &[usize]) -> Duration {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let value = format!("welcome {}", NEXT.fetch_add(1, Ordering::SeqCst));
        let start = Instant::now();
        let proposed = ["propose", "config", "--key", "motd", "--value", &value];
        let id = id_of(&self.members[who[0]].node.json(&proposed));
        scope(|scope| {
            for number in who {
                let node = &self.members[*number].node;
                let id = &id;
                scope.spawn(move || {
                    let vote = ["vote", id, "approve", "--wait", "--timeout", "90"];
                    let decided = node.once_known(id, &vote);
                    assert_eq!(decided["outcome"]["decided"], "approve", "{decided}");
                });
            }
        });
        start.elapsed()
    }

    /// The greatest height.
    pub fn height(&self, number: usize) -> u64 {
        let status = self.members[number].node.json(&["status"]);
        status["height"].as_u64().unwrap()
    }
}
