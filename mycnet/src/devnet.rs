//! `mycnet devnet`: a federation on one machine, of real nodes with disks and endpoints on loopback.
//!
//! | module | knows |
//! |---|---|
//! | `home` | directories and keys |
//! | `running`, `child` | a node in this process, and one in a process of its own |
//! | `news` | what nodes tell, and when |
//! | `board` | what all of them told |
//! | `voter` | how nodes vote by themselves |
//! | `network` | the nodes: starting, killing, stopping, waiting for them |
//! | `story` | the demo |
//! | `load` | operations one after another, and their latencies |
//! | `report` | what people and programs are shown at the end |

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use mycnet_consensus::net::Ticket;

use self::home::Ground;
use self::load::Load;
use self::network::{Network, name};
use self::news::Happening;
use self::report::Report;
use crate::failure::Failure;
use crate::output::line;
use crate::session::{asked_to_stop, runtime};

mod board;
mod child;
mod home;
mod load;
mod network;
mod news;
mod report;
mod running;
mod story;
mod voter;

/// Nodes at most: one machine runs them all.
const NODES_MAX: i64 = 31;

/// Claims that `--demo` measures unless told otherwise.
const DEMO_OPERATIONS: u32 = 200;

/// Starts a federation on this machine: real nodes, each with its own disk.
///
/// The nodes have keys, databases and endpoints of their own and talk over
/// loopback. Their windows are seconds long (profile dev). One is the Primary, up
/// to three are Seeds, the rest Latents, and all vote by themselves. What they seal
/// and decide is shown until Ctrl-C stops them in order.
///
/// With --demo they go through a story, each step of which is checked: somebody is
/// admitted and joins, one node answers a claim wrongly, the Primary deploys a
/// service, one process is killed and comes back. Then latencies are measured, and
/// it ends when all nodes stand at the same height and state.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// How many nodes; the demo takes four or more
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

    /// Measure so many claims, and end; with --demo 200 unless given
    #[arg(long, value_name = "K")]
    operations: Option<u32>,

    /// Claims that are under way at the same time while measuring
    #[arg(
        long,
        value_name = "M",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=64)
    )]
    load: u8,

    /// Print one JSON object at the end, and all else on stderr
    #[arg(long)]
    json: bool,

    /// Be one of the nodes: the one with this directory
    #[arg(long, value_name = "DIR", hide = true)]
    as_node: Option<PathBuf>,

    /// As one of the nodes: how to reach another
    #[arg(long, value_name = "TICKET", hide = true)]
    ticket: Vec<Ticket>,
}

/// Runs `mycnet devnet`.
///
/// # Errors
///
/// If a node does not start, a step of the demo does not go as it should, or the nodes do not agree.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    IS_JSON.store(args.json, Ordering::Relaxed);
    runtime()?.block_on(async {
        match &args.as_node {
            Some(directory) => child::be(directory, &args.ticket).await,
            None => devnet(args).await,
        }
    })
}

async fn devnet(args: &Args) -> anyhow::Result<()> {
    let count = usize::from(args.nodes);
    if args.demo && count < story::NODES_MIN {
        let least = story::NODES_MIN;
        return Err(Failure::usage(format!(
            "--demo takes at least {least} nodes: one of them goes away, and the others go on"
        ))
        .into());
    }
    // Before anything is made that has to be taken away again.
    let mut interrupted = std::pin::pin!(asked_to_stop()?);
    let ground = Ground::prepare(args.dir.as_deref())?;
    let mut network = Network::create(ground, count)?;
    let done = tokio::select! {
        done = live(&mut network, args) => done,
        () = &mut interrupted => interruption(args),
    };
    let done = match done {
        // Who only watched is told at least how the nodes stand.
        Ok(None) if args.json => Report::of(&network, None)
            .json()
            .map(Some)
            .map_err(Into::into),
        done => done,
    };
    let stopped = network.stop().await;
    let report = done?;
    stopped?;
    match report {
        Some(report) => line(&report),
        None => Ok(()),
    }
}

/// Whoever only watched is done; whoever wanted an answer did not get it.
fn interruption(args: &Args) -> anyhow::Result<Option<String>> {
    if args.demo || args.operations.is_some() {
        bail!("interrupted");
    }
    say("Stopping.");
    Ok(None)
}

/// Gives the report once there is one.
async fn live(network: &mut Network, args: &Args) -> anyhow::Result<Option<String>> {
    let count = network.members.len();
    // The one that is killed has to be a process.
    let here = if args.demo { count - 1 } else { count };
    for number in 0..here {
        network.start(number).await.with_context(|| name(number))?;
    }
    if here < count {
        network.start_child(here, true).await?;
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
        latency = Some(load::run(network, load, &proposers).await?);
    }
    network.settle().await?;
    let report = Report::of(network, latency);
    if args.json {
        say(report.to_string().trim_end());
        return Ok(Some(report.json()?));
    }
    Ok(Some(report.to_string().trim_end().to_owned()))
}

fn introduce(network: &Network) {
    say(&format!(
        "Network {} of {} nodes.",
        network.genesis.network_id(),
        network.members.len()
    ));
    for (number, member) in network.members.iter().enumerate() {
        say(&format!(
            "{}  {:<7}  {}  {}",
            name(number),
            member.role,
            member.address(),
            member.id
        ));
        if let Some(ticket) = &member.ticket {
            say(&format!("  ticket {ticket}"));
        }
    }
}

/// Shows what one node seals and decides, until the end of time.
async fn watch(network: &mut Network) -> anyhow::Result<Option<String>> {
    say("Press Ctrl-C to stop.");
    while let Some(news) = network.next().await {
        let Happening::Stands {
            height,
            state_digest,
            decided,
        } = news.what
        else {
            continue;
        };
        if news.node == 0 && height > 0 {
            say(&format!("height {height}  state {state_digest}"));
            for (operation, outcome) in decided {
                say(&format!("  {operation} {outcome}"));
            }
        }
    }
    bail!("all nodes are gone")
}

/// Whether stdout is for one JSON object.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// A line on stdout, or on stderr beside JSON. A reader that has seen enough is no failure.
fn say(line: &str) {
    if IS_JSON.load(Ordering::Relaxed) {
        let _ = writeln!(io::stderr(), "{line}");
        return;
    }
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
