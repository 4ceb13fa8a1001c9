//! `mycnet run`: the node itself.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use iroh::protocol::Router;
use mycnet_consensus::net::{self, ALPN, Bound, PeerCard, Ticket};
use mycnet_consensus::node::{Node, Stopped};
use mycnet_consensus::store::Store;

use self::report::Report;
use crate::bundle;
use crate::databases::open_store;
use crate::failure::Failure;
use crate::home::{Common, Home};
use crate::session::{asked_to_stop, builder, runtime, spawn};
use crate::settings::{Overrides, Settings};
use crate::socket::{self, Control};

mod log;
mod report;

/// How often it is looked which peers came and went.
const LOOK_AT_PEERS: Duration = Duration::from_millis(500);

/// How long a node that is just stopping, or a command, is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: u32 = 30;

/// Runs the node: meets peers, votes on seals, and answers the other commands.
///
/// It prints where it listens and a ticket for others, then one line for each thing
/// that happens if it runs on a terminal (or with --verbose). Ctrl-C stops it. It
/// may be stopped and started at any time; what it has acknowledged is on the disk.
///
/// Warnings go to stderr; `MYCNET_LOG` says which: a level, as `info`, or pairs, as
/// `mycnet_consensus=debug,iroh=warn`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    overrides: Overrides,

    /// Dial the peers of this ticket too; can be repeated
    #[arg(long = "peer", value_name = "TICKET", value_parser = ticket)]
    peers: Vec<Ticket>,

    /// Print a line for each thing that happens, whatever stdout is
    #[arg(short, long)]
    verbose: bool,
}

fn ticket(text: &str) -> Result<Ticket, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Runs `mycnet run`.
///
/// # Errors
///
/// If the node does not start, or its disk fails.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let settings = home.settings()?.with(&args.overrides)?;
    log::start();
    runtime()?.block_on(serve(&home, &settings, args))
}

async fn serve(home: &Home, settings: &Settings, args: &Args) -> anyhow::Result<()> {
    let store = lock(home).await?;
    let network = store.network_id();
    for ticket in &args.peers {
        if ticket.network != network {
            return Err(Failure::usage(format!(
                "--peer: a ticket of network {}, and this node is in {network}",
                ticket.network
            ))
            .into());
        }
    }
    // The databases are locked: a socket that is there belongs to nobody, and no command waits for this node yet.
    bundle::stand::remove_old(home);
    let control = Control::bind(home)?;
    let bound = net::bind(&settings.endpoint(home.transport_secret()?), &network).await;
    let bound = bound.with_context(|| {
        format!(
            "cannot listen on {}, port {}: another port or address of this machine can be set in {}, or with --port and --listen",
            settings.listen,
            settings.port,
            home.settings_file().display()
        )
    })?;
    let endpoint = bound.endpoint.clone();
    let node = start(home, store, settings, bound, args)?;
    let mut router = Router::builder(endpoint.clone());
    if let Some(transport) = node.transport() {
        let filter = transport.incoming_filter();
        router = router
            .incoming_filter(filter)
            .accept(ALPN, transport.clone());
    }
    let router = router.spawn();

    let is_told = args.verbose || args.common.format.json || std::io::stdout().is_terminal();
    let mut report = Report::new(&node, args.common.format, is_told);
    let listens = endpoint.bound_sockets();
    let ended = attend(&node, &control, &mut report, &listens).await;
    // First the socket: who asks from here on waits for the databases.
    drop(control);
    let how = node.shutdown().await;
    if let Err(error) = router.shutdown().await {
        tracing::debug!(%error, "the endpoint");
    }
    ended?;
    match how {
        Stopped::Orderly => report.stopped(),
        Stopped::Failed(reason) => Err(Failure::failed(format!(
            "the node had to stop: {reason}. What it acknowledged is on the disk; `mycnet status{option}` still reads it, \
             `mycnet doctor{option}` checks it",
            option = home.option(),
        ))
        .into()),
    }
}

/// Opens the databases, or says who has them.
async fn lock(home: &Home) -> anyhow::Result<Store> {
    for _ in 0..LOOKS {
        if let Some(store) = open_store(home)? {
            return Ok(store);
        }
        if socket::is_answered(home).await? {
            bail!(
                "a node is running in {} already: `mycnet status{option}` asks it. Stop it first (Ctrl-C where it runs), or \
                 name another --dir",
                home.path().display(),
                option = home.option(),
            );
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    bail!(
        "another process has the databases in {} open, and it is no node that answers at {}: wait for it or stop it",
        home.path().display(),
        home.socket().display()
    )
}

fn start(
    home: &Home,
    store: Store,
    settings: &Settings,
    bound: Bound,
    args: &Args,
) -> anyhow::Result<Node> {
    let joined = home.ticket()?;
    let tickets = joined.iter().chain(&args.peers);
    let peers: Vec<PeerCard> = tickets.flat_map(|ticket| ticket.peers.clone()).collect();
    let mut builder = builder(home, store)?
        .endpoint(bound.endpoint)
        .mdns(bound.mdns)
        .transport_config(settings.transport())
        .peers(peers);
    // The latest seal that somebody vouches for says most.
    let tickets = joined.iter().chain(&args.peers);
    if let Some(latest) = tickets.max_by_key(|ticket| ticket.height) {
        builder = builder.expect_seal(latest.height, latest.seal);
    }
    spawn(home, builder)
}

/// Says that the node has started, and what happens until it stops or is told to.
async fn attend(
    node: &Node,
    control: &Control,
    report: &mut Report,
    listens: &[SocketAddr],
) -> anyhow::Result<()> {
    // Before anybody hears of the start: whoever stops it right then stops it in order.
    let asked_to_stop = asked_to_stop()?;
    let mut events = node.engine().subscribe();
    report.started(node, listens)?;
    let mut look_at_peers = tokio::time::interval(LOOK_AT_PEERS);
    let answering = control.serve(node);
    tokio::pin!(answering, asked_to_stop);
    loop {
        tokio::select! {
            notice = events.next() => match notice {
                Some(notice) => report.notice(&notice)?,
                // The node has stopped by itself; the caller finds out why.
                None => return Ok(()),
            },
            _ = look_at_peers.tick() => {
                let peers = node.transport().map(net::Transport::peers);
                report.peers(&peers.unwrap_or_default())?;
            }
            () = &mut answering => {}
            _ = node.stopped() => return Ok(()),
            () = &mut asked_to_stop => return Ok(()),
        }
    }
}
