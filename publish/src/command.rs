//! The command line, and what it starts.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use mycnet_consensus::NetworkId;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::follow::follow;
use crate::log;
use crate::node::Node;
use crate::serve::{Admission, Documents, serve};

/// Exit codes, below the help.
const EXIT_CODES: &str = "\
Exit codes:
   0  it was stopped
   1  it failed while running: an address in use
   2  the command line was wrong";

/// Publish the ledger of a running node as live Automerge documents
///
/// Programs that use automerge-repo connect by a websocket and read: the ledger
/// (members with their scores, parameters, the last operations), and the signed
/// records of each open operation and of the last 256 that were closed. They get
/// what changes as it changes. Nobody can write: what a reader sends is dropped.
///
/// A document's address follows from the network's or the operation's id, and its
/// content from the ledger alone: whichever node publishes it, and however often it
/// is started again, it is the same. What is logged is said by `MYCNET_LOG`, as for
/// `mycnet run`.
// Lines stay below 80 characters here and in the options: help is shown as it is written.
#[derive(Debug, clap::Parser)]
#[command(name = "mycnet-publish", version, verbatim_doc_comment, after_help = EXIT_CODES)]
struct Args {
    /// Set the node's directory; ~/.mycnet unless given
    #[arg(long, env = "MYCNET_DIR", value_name = "DIR", hide_env_values = true)]
    dir: Option<PathBuf>,

    /// Listen on this address for websockets; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7448")]
    listen: SocketAddr,

    /// Allow an address that others than this machine can reach
    ///
    /// Whoever reaches it and knows the network's id can read. There is no
    /// encryption: put a server with TLS in front of it.
    #[arg(long, verbatim_doc_comment)]
    beyond_this_machine: bool,

    /// Let pages of this origin read, for example <https://example.org>; can be repeated
    ///
    /// Without it no page of a browser can, only programs.
    #[arg(long = "origin", value_name = "ORIGIN", verbatim_doc_comment)]
    origins: Vec<String>,

    /// Allow so many connections at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,

    /// Print JSON instead of text, a line for each address
    #[arg(long)]
    json: bool,
}

pub(crate) fn note(text: &str) {
    // Without stderr, nobody reads it.
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Prints a line.
fn say(text: &str) {
    // Nobody has to read it.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    log::start();
    if !args.listen.ip().is_loopback() && !args.beyond_this_machine {
        let message = format!(
            "--listen {}: others than this machine can reach it; add --beyond-this-machine if they may",
            args.listen
        );
        return failed(args.json, "usage", &message);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = runtime.context("cannot start threads").and_then(|runtime| {
        let done = runtime.block_on(publish(&args));
        // The process ends: nobody waits for readers.
        runtime.shutdown_background();
        done
    });
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    failed(args.json, "failed", &format!("{error:#}"))
}

/// Says why it ends, as the command does: with `--json` in an object.
fn failed(is_json: bool, kind: &str, message: &str) -> ExitCode {
    let text = if is_json {
        json!({ "kind": kind, "message": message }).to_string()
    } else {
        format!("error: {message}")
    };
    // Without stderr, nobody reads it.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(match kind {
        "usage" => 2,
        _ => 1,
    })
}

async fn publish(args: &Args) -> anyhow::Result<()> {
    let home = || Some(std::env::home_dir()?.join(".mycnet"));
    let dir = args.dir.clone().or_else(home);
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.context("there is no home directory: name the node's directory with --dir")?;
    let mut stop = [SignalKind::terminate(), SignalKind::interrupt()]
        .map(|kind| signal(kind).context("cannot take signals"));
    let [terminate, interrupt] = &mut stop;
    let (Ok(terminate), Ok(interrupt)) = (terminate, interrupt) else {
        return stop.into_iter().try_for_each(|signal| signal.map(drop));
    };
    let documents = Arc::new(Documents::default());
    let tell = |network: NetworkId, id: &str| tell(args.json, network, id);
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = format!("ws://{}", listener.local_addr()?);
    say(&if args.json {
        json!({ "event": "listening", "address": address }).to_string()
    } else {
        format!("readers connect to {address}")
    });
    let admission = Admission {
        connections: args.connections.into(),
        origins: args.origins.clone(),
    };
    let node = Node::at(&dir);
    tokio::select! {
        never = serve(listener, documents.clone(), admission) => match never {},
        never = follow(&node, &documents, &tell) => match never {},
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

fn tell(is_json: bool, network: NetworkId, id: &str) {
    let url = format!("automerge:{id}");
    say(&if is_json {
        json!({ "event": "document", "network": network, "url": url }).to_string()
    } else {
        format!("network {network}: {url}")
    });
}
