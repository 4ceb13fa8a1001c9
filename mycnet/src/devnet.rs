//! `mycnet devnet`: a federation on one machine, of real nodes with disks and endpoints on loopback.
//!
//! | module | knows |
//! |---|---|
//! | `voter`, `child` | a node that votes by itself: in this process, and in a process of its own |
//! | `events`, `progress` | what nodes tell, and what follows for all of them |
//! | `network` | the nodes: starting, killing, stopping, waiting for them |
//! | `story` | the demo |
//! | `latency` | claims one after another, and how long they take |

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use mycnet_consensus::net::Ticket;
use mycnet_consensus::{Digest, NetworkId, NodeId, Spore};
use schemars::JsonSchema;
use serde::Serialize;

use self::events::NodeEvent;
use self::latency::{Latency, Load, Quantiles};
use self::network::{Directory, Network, name};
use crate::failure::Failure;
use crate::output::{line, plain_json, plain_lines};
use crate::start::{asked_to_stop, runtime};

mod child;
mod events;
mod latency;
mod network;
mod progress;
mod story;
mod voter;

/// Nodes at most: one machine runs them all.
const NODES_MAX: i64 = 31;

/// Claims that `--demo` measures unless told otherwise.
const DEMO_OPERATIONS: u32 = 200;

/// Start a federation on this machine: real nodes, each with its own disk
///
/// The nodes have keys, databases and endpoints of their own and talk over
/// loopback. Their windows are seconds long (profile dev). One is the Primary, up
/// to three are Seeds, the rest Latents, and all vote by themselves. What they seal
/// and decide is shown until Ctrl-C stops them in order. Commands in another terminal
/// ask them by their directories; with --dir these stay, and `mycnet run --dir` goes
/// on with them.
///
/// With --demo they go through a story, each step of which is checked: a new node
/// is admitted and joins, one node answers a claim wrongly, the Primary deploys a
/// service, one process is killed and comes back, the new node earns its vote, and a
/// stolen key is replaced by its owner.
/// Then latencies are measured. Last a third of the nodes is lost for ever, and the
/// others found the network anew; the demo ends when all of them have the same
/// height and state.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Set the number of nodes; the demo takes four or more
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u8).range(1..=NODES_MAX)
    )]
    nodes: u8,

    /// Keep the nodes' files in DIR, new or empty, instead of a temporary directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Tell a story, check it, measure, and end
    #[arg(long)]
    demo: bool,

    /// Measure this number of claims, and end; 200 with --demo unless given
    #[arg(long, value_name = "K")]
    operations: Option<u32>,

    /// Set the number of claims at the same time while measuring
    #[arg(
        long,
        value_name = "M",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=64)
    )]
    load: u8,

    /// Print one JSON object at the end, and everything else on stderr
    #[arg(long)]
    json: bool,

    /// Run the node of this directory, as a child process
    #[arg(long, value_name = "DIR", hide = true)]
    as_node: Option<PathBuf>,

    /// Name the ticket of another node, for a child process
    #[arg(long, value_name = "TICKET", hide = true)]
    ticket: Vec<Ticket>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    IS_JSON.store(args.json, Ordering::Relaxed);
    runtime()?.block_on(async {
        match &args.as_node {
            Some(directory) => child::run(directory, &args.ticket).await,
            None => devnet(args).await,
        }
    })
}

async fn devnet(args: &Args) -> anyhow::Result<()> {
    let (count, least) = (usize::from(args.nodes), story::NODES_MIN);
    if args.demo && count < least {
        return Err(Failure::usage(format!(
            "--demo takes at least {least} nodes: one of them goes away, and the others go on"
        ))
        .into());
    }
    // This comes before anything is made that a signal would leave behind.
    let mut interrupted = std::pin::pin!(asked_to_stop()?);
    let directory = Directory::prepare(args.dir.as_deref())?;
    let mut network = Network::create(directory, count)?;
    let done = tokio::select! {
        done = live(&mut network, args) => done,
        () = &mut interrupted => interruption(args),
    };
    // The JSON object has the positions of the nodes even if nothing was measured.
    let done = done.map(|report| report.or_else(|| args.json.then(|| Report::of(&network, None))));
    let stopped = network.stop().await;
    let report = done?;
    stopped?;
    let Some(report) = report else {
        return Ok(());
    };
    let text = report.to_string();
    if !args.json {
        return line(&plain_lines(text.trim_end()));
    }
    say(text.trim_end());
    line(&plain_json(&serde_json::to_string(&report)?))
}

/// An interruption ends watching in order, and is a failure of a demo or measurement.
fn interruption(args: &Args) -> anyhow::Result<Option<Report>> {
    if args.demo || args.operations.is_some() {
        bail!("interrupted");
    }
    say("Stopping.");
    Ok(None)
}

/// Runs the nodes. Returns the report once something was measured.
async fn live(network: &mut Network, args: &Args) -> anyhow::Result<Option<Report>> {
    let count = network.members.len();
    // The node that is killed needs a process of its own.
    let here = if args.demo { count - 1 } else { count };
    for number in 0..here {
        network.start(number).await.with_context(|| name(number))?;
    }
    if here < count {
        network.start_child(here, false).await?;
    }
    introduce(network);
    if args.demo {
        story::tell(network, here).await?;
    }
    let operations = match args.operations {
        None if args.demo => DEMO_OPERATIONS,
        None => return watch(network).await,
        Some(operations) => operations,
    };
    let load = Load {
        operations: operations as usize,
        in_flight: usize::from(args.load),
    };
    let mut latency = None;
    if load.operations > 0 {
        let proposers: Vec<usize> = (0..here).collect();
        latency = Some(latency::measure(network, load, &proposers).await?);
    }
    network.settle().await?;
    if args.demo {
        let lost = story::a_third_is_lost(network).await;
        lost.context("founding the network anew")?;
        network.settle().await?;
    }
    Ok(Some(Report::of(network, latency)))
}

fn introduce(network: &Network) {
    let (id, count) = (network.genesis.network_id(), network.members.len());
    say(&format!("Network {id} of {count} nodes."));
    for (number, member) in network.members.iter().enumerate() {
        let (name, role, address) = (name(number), member.role, member.address());
        say(&format!("{name}  {role:<7}  {address}  {}", member.id));
        if let Some(ticket) = &member.ticket {
            say(&format!("  ticket {ticket}"));
        }
    }
    if let Some(member) = network.members.first() {
        say(&format!(
            "They answer like any node, from another terminal: mycnet status{0}, mycnet operations{0}, mycnet watch{0}",
            member.home.option()
        ));
    }
}

/// Shows what the first node seals and decides, until Ctrl-C.
async fn watch(network: &mut Network) -> anyhow::Result<Option<Report>> {
    say("Press Ctrl-C to stop.");
    while let Some(received) = network.next().await {
        if let NodeEvent::Position {
            height: height @ 1..,
            state_digest,
            decided,
        } = received.event
            && received.node == 0
        {
            say(&format!("height {height}  state {state_digest}"));
            for (operation, outcome) in decided {
                say(&format!("  {operation} {outcome}"));
            }
        }
    }
    bail!("all nodes have stopped")
}

/// The end of a devnet. `--json` prints it: keys may be added, none changes its meaning.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "DevnetReport")]
pub(crate) struct Report {
    network: NetworkId,
    /// The nodes that ran at the end.
    nodes: Vec<NodeReport>,
    /// `null` if nothing was measured.
    latency: Option<Latency>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct NodeReport {
    name: String,
    node: NodeId,
    role: Spore,
    address: String,
    height: u64,
    state_digest: Digest,
}

impl Report {
    fn of(network: &Network, latency: Option<Latency>) -> Self {
        let nodes = network.running().into_iter().map(|number| {
            let member = &network.members[number];
            let position = network.progress.position(number);
            let (height, state_digest) = position.unwrap_or_default();
            NodeReport {
                name: name(number),
                node: member.id,
                role: member.role,
                address: member.address().to_owned(),
                height,
                state_digest,
            }
        });
        Self {
            network: network.genesis.network_id(),
            nodes: nodes.collect(),
            latency,
        }
    }
}

/// The table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            writeln!(
                f,
                "{:<8}  {:<8}  height {:>5}  state {}",
                node.name, node.role, node.height, node.state_digest
            )?;
        }
        let Some(latency) = &self.latency else {
            return Ok(());
        };
        writeln!(
            f,
            "\n{} claims, {} at a time: {} a second, {} seals for each.",
            latency.operations,
            latency.in_flight,
            latency.operations_per_second,
            latency.seals_per_operation
        )?;
        let each = latency.each_node;
        writeln!(
            f,
            "For each one, a node syncs its disk {} times and sends {} messages, {} bytes.",
            each.syncs, each.messages, each.message_bytes
        )?;
        writeln!(f, "milliseconds from proposal to        p50      p99")?;
        let row = |f: &mut fmt::Formatter<'_>, what: &str, of: Quantiles| {
            writeln!(f, "  {what:<28} {:>9.1} {:>8.1}", of.p50, of.p99)
        };
        row(f, "tallied at its proposer", latency.tallied_ms)?;
        row(f, "final at its proposer", latency.final_ms)?;
        row(f, "final at every node", latency.everywhere_ms)
    }
}

/// Whether stdout is for one JSON object.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Prints a line to stdout, or to stderr with `--json`. A reader that has seen enough is no failure.
fn say(line: &str) {
    let line = plain_lines(line);
    if IS_JSON.load(Ordering::Relaxed) {
        let _ = writeln!(io::stderr(), "{line}");
        return;
    }
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
