//! `mycnet run`: the node itself.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use mycnet_consensus::core::Event;
use mycnet_consensus::engine::Notice;
use mycnet_consensus::net::{self, Ticket};
use mycnet_consensus::node::{Node, Stopped};
use mycnet_consensus::store::Store;
use tokio::sync::{Notify, mpsc};

use self::out::Out;
use self::reload::{Hangup, Hangups, reload};
use self::report::Report;
use crate::answer::reads;
use crate::api::{self, Control};
use crate::builds::{self, Keeper};
use crate::bundle;
use crate::databases::open_store;
use crate::failure::Failure;
use crate::home::{Common, Home};
use crate::refound::refuse_past;
use crate::reply::KeyPlace;
use crate::settings::{Overrides, Settings};
use crate::start::{Connected, RETRIES, RETRY_AFTER, asked_to_stop, runtime};

mod attention;
mod hook;
mod log;
mod out;
mod reload;
mod report;

/// How often the node checks which peers came and went.
const PEERS_EVERY: Duration = Duration::from_millis(200);

/// How long commands that have asked are still answered before the node goes on with its next key, or in another network.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Run the node: meet peers, vote on seals, and answer the other commands
///
/// It prints where it listens and a ticket for others, then one line for each event
/// if it runs on a terminal (or with --verbose). Ctrl-C stops it. It may be stopped
/// and started at any time; what it has acknowledged is on the disk.
///
/// The log goes to stderr: warnings; with `MYCNET_LOG=info` what is decided too. It
/// takes a level, or pairs, as `mycnet=info,iroh=warn`; without it `RUST_LOG` holds.
/// `MYCNET_LOG_FORMAT=json` makes each line of the log an object.
///
/// SIGHUP reads `config.toml` again: a new `on_event` holds at once, and the log says
/// what waits for a restart.
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

    /// Print a line for each event, also without a terminal
    #[arg(short, long)]
    verbose: bool,
}

fn ticket(text: &str) -> Result<Ticket, String> {
    text.parse().map_err(|error| format!("{error}"))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    refuse_past(&home)?;
    let mut settings = home.settings()?.with(&args.overrides)?;
    let out = Arc::new(Out::new());
    log::start(&out);
    let runtime = runtime()?;
    let ended = runtime.block_on(serve(&home, &mut settings, args, &out));
    // The node has stopped, and the process ends: nobody waits for what still reads, or closes connections to peers that are gone.
    std::mem::forget(runtime);
    ended
}

/// Runs the node until it is stopped. When a seal gives its member the next key, it starts again with that; when a plan that it
/// endorsed comes in force, in the new network.
async fn serve(
    home: &Home,
    settings: &mut Settings,
    args: &Args,
    out: &Arc<Out>,
) -> anyhow::Result<()> {
    let mut control = None;
    while serve_key(home, settings, args, out, &mut control).await? != Ended::Stopped {}
    Ok(())
}

async fn serve_key(
    home: &Home,
    settings: &mut Settings,
    args: &Args,
    out: &Arc<Out>,
    control: &mut Option<Control>,
) -> anyhow::Result<Ended> {
    let store = match control {
        None => lock(home).await?,
        Some(_) => lock_again(home).await?,
    };
    let network = store.network_id();
    let past = Store::past_networks(home.path()).map_err(Failure::failed)?;
    for ticket in &args.peers {
        if ticket.network != network && !past.contains(&ticket.network) {
            return Err(Failure::usage(format!(
                "--peer: a ticket of network {}, and this node is in {network}",
                ticket.network
            ))
            .into());
        }
    }
    // The databases are locked: no process uses an old socket, and no command waits for this node yet.
    bundle::stream::remove_old(home);
    let answering = match control.take() {
        Some(control) => control,
        None => Control::bind(home, settings).await?,
    };
    let connected = Connected::start(home, store, settings, &args.peers).await?;
    let is_told = args.verbose || args.common.format.json || std::io::stdout().is_terminal();
    let keeper = Arc::new(Keeper::new(home));
    let mut report = Report::new(
        home,
        &connected.node,
        args.common.format,
        is_told,
        out.clone(),
    );
    let overrides = &args.overrides;
    let ended = attend(
        home,
        (settings, overrides),
        &connected,
        &keeper,
        &answering,
        &mut report,
    );
    let ended = ended.await;
    let goes_on = matches!(ended, Ok(Ended::Replaced | Ended::Refounded));
    if goes_on {
        // Commands that come now wait for the node to be there again.
        *control = Some(answering);
    } else {
        // The socket closes first: from here on, commands wait for the databases.
        drop(answering);
    }
    let how = connected.stop(goes_on).await;
    let ended = ended?;
    match how {
        Stopped::Orderly if ended == Ended::Replaced => {
            report.replaced();
            Ok(ended)
        }
        Stopped::Orderly if ended == Ended::Refounded => {
            report.refounded();
            Ok(ended)
        }
        Stopped::Orderly => {
            report.stopped();
            Ok(ended)
        }
        Stopped::Failed(reason) => Err(Failure::failed(format!(
            "the node had to stop: {reason}. What it acknowledged is on the disk; `mycnet status{option}` still reads it, \
             `mycnet doctor{option}` checks it",
            option = home.option(),
        ))
        .into()),
    }
}

/// Opens the databases, or says which process has them.
async fn lock(home: &Home) -> anyhow::Result<Store> {
    for _ in 0..RETRIES {
        if let Some(store) = open_store(home)? {
            return Ok(store);
        }
        if api::is_answered(home).await? {
            bail!(
                "a node is running in {} already: `mycnet status{option}` asks it. Stop it first (Ctrl-C where it runs), or \
                 name another --dir",
                home.path().display(),
                option = home.option(),
            );
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    bail!(
        "another process has the databases in {} open, and no node answers at {}: wait for the process or stop it",
        home.path().display(),
        home.socket().display()
    )
}

/// Opens the databases once the node that ran until now has released them.
async fn lock_again(home: &Home) -> anyhow::Result<Store> {
    for _ in 0..RETRIES {
        if let Some(store) = open_store(home)? {
            return Ok(store);
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    bail!(
        "the databases in {} are still open: start the node again, and it goes on from there",
        home.path().display()
    )
}

/// Why a node's run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Stopped,
    /// A seal gave the member the next key, which is in the directory.
    Replaced,
    /// The plan that this node endorsed came in force.
    Refounded,
}

/// Tells that the node has started, and what happens until it stops by itself or is stopped.
async fn attend(
    home: &Home,
    (settings, overrides): (&mut Settings, &Overrides),
    connected: &Connected,
    keeper: &Arc<Keeper>,
    control: &Control,
    report: &mut Report,
) -> anyhow::Result<Ended> {
    let node = &connected.node;
    // This comes before the report of the start, so that a signal right after the report stops the node in good order.
    let asked_to_stop = asked_to_stop()?;
    let mut hangups = Hangups::new()?;
    let mut events = node.engine().subscribe();
    report.started(node, &connected.listening, control.address());
    let mut look_at_peers = tokio::time::interval(PEERS_EVERY);
    let closing = Notify::new();
    let news = report.news().clone();
    let answering = control.serve(node, keeper, &news, &closing);
    let (tell, mut told) = mpsc::unbounded_channel();
    let voting = builds::attend(node, keeper, tell);
    let hooking = hook::attend(home, settings.on_event.clone(), node, &news);
    tokio::pin!(answering, voting, hooking, asked_to_stop);
    // The seal may have come before the subscription.
    let mut is_replaced = is_replaced_by_next(home, node)?;
    while !is_replaced && node.engine().left_for().is_none() {
        tokio::select! {
            notice = events.next() => match notice {
                Some(notice) => {
                    log::notice(&notice);
                    report.notice(&notice);
                    if may_replace(&notice) {
                        is_replaced = is_replaced_by_next(home, node)?;
                    }
                }
                // The node has stopped by itself; the caller asks for the reason.
                None => return Ok(Ended::Stopped),
            },
            _ = look_at_peers.tick() => look(node, report),
            () = &mut answering => {}
            () = &mut hooking => {}
            // It ends with the node.
            () = &mut voting => return Ok(Ended::Stopped),
            Some(told) = told.recv() => report.builds(&told),
            _ = node.stopped() => return Ok(Ended::Stopped),
            hangup = hangups.next() => match hangup {
                Hangup::Reload => {
                    if reload(home, settings, overrides, report) {
                        // Its place is kept, so that it goes on there.
                        hooking.set(hook::attend(home, settings.on_event.clone(), node, &news));
                    }
                }
                Hangup::Stop => {
                    look(node, report);
                    return Ok(Ended::Stopped);
                }
            },
            // What happened since the last look is told, and kept for the next start.
            () = &mut asked_to_stop => {
                look(node, report);
                return Ok(Ended::Stopped);
            }
        }
    }
    closing.notify_one();
    // Commands that wait for an operation are cut off.
    let _ = tokio::time::timeout(LAST_ANSWERS, answering).await;
    Ok(if is_replaced {
        Ended::Replaced
    } else {
        Ended::Refounded
    })
}

/// Whether a seal may have changed keys.
fn may_replace(notice: &Notice) -> bool {
    match notice {
        Notice::Event(Event::Sealed { applied, .. }) => !applied.successions.is_empty(),
        Notice::Event(_) => false,
        Notice::Lagged(_) => true,
    }
}

/// Whether the member has another key now, which is in this directory.
fn is_replaced_by_next(home: &Home, node: &Node) -> anyhow::Result<bool> {
    Ok(home.has_next_key()? && reads::keys(node).place == Some(KeyPlace::Former))
}

/// Tells what has no event of its own: peers that came or went, and what a person should see to.
fn look(node: &Node, report: &mut Report) {
    let peers = node.transport().map(net::Transport::peers);
    report.peers(&peers.unwrap_or_default());
    report.attention(node);
}
