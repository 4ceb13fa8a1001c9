//! The command line, and what it starts.

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::document::Directory;
use crate::follow::{Known, follow};
use crate::log;
use crate::node::Node;
use crate::serve::{Admission, Documents, serve};

/// Exit codes, below the help.
const EXIT_CODES: &str = "\
Exit codes:
   0  it was stopped
   1  it failed while running: an address in use, a disk that fails
   2  the command line was wrong
  65  a file with a document is damaged; the message says which";

/// Publish the ledger of a running node as a live Automerge document
///
/// Programs that use automerge-repo connect by a websocket and read: the members
/// with their scores, open operations with who has voted, closed ones with their
/// outcomes. They get what changes as it changes. Nobody can write: what a reader
/// sends is dropped.
///
/// The document's address follows from the network, so it stays the same. The node
/// and mycnet-publish may be stopped and started in any order. What is logged is
/// said by `MYCNET_LOG`, as for `mycnet run`.
// Lines stay below 80 characters here and in the options: help is shown as it is written.
#[derive(Debug, clap::Parser)]
#[command(name = "mycnet-publish", version, verbatim_doc_comment, after_help = EXIT_CODES)]
struct Args {
    /// Set the node's directory; ~/.mycnet unless given
    #[arg(long, env = "MYCNET_DIR", value_name = "DIR", hide_env_values = true)]
    dir: Option<PathBuf>,

    /// Keep the documents here; in publish/ of the node's directory unless given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

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

/// A file's content was wrong.
#[derive(Debug)]
pub(crate) struct BadData(pub(crate) String);

impl fmt::Display for BadData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadData {}

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
    let kind = if error.is::<BadData>() {
        "bad_data"
    } else {
        "failed"
    };
    failed(args.json, kind, &format!("{error:#}"))
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
        "bad_data" => 65,
        _ => 1,
    })
}

async fn publish(args: &Args) -> anyhow::Result<()> {
    let home = || Some(std::env::home_dir()?.join(".mycnet"));
    let dir = args.dir.clone().or_else(home);
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.context("there is no home directory: name the node's directory with --dir")?;
    let data = args.data.clone().unwrap_or_else(|| dir.join("publish"));
    let mut stop = [SignalKind::terminate(), SignalKind::interrupt()]
        .map(|kind| signal(kind).context("cannot take signals"));
    let [terminate, interrupt] = &mut stop;
    let (Ok(terminate), Ok(interrupt)) = (terminate, interrupt) else {
        return stop.into_iter().try_for_each(|signal| signal.map(drop));
    };
    let directory = Directory::open(&data)?;
    let documents = Arc::new(Documents::default());
    let mut known = Known::new();
    let tell = |network: &str, id: &str| tell(args.json, network, id);
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = format!("ws://{}", listener.local_addr()?);
    say(&if args.json {
        json!({ "event": "listening", "address": address }).to_string()
    } else {
        format!("readers connect to {address}")
    });
    // What is known already can be read while the node is away.
    for network in directory.networks()? {
        let document = directory.document(&network)?;
        documents.add(document.shared.clone());
        tell(&network, &document.shared.id);
        known.insert(network, document);
    }
    let admission = Admission {
        connections: args.connections.into(),
        origins: args.origins.clone(),
    };
    let node = Node::at(&dir);
    tokio::select! {
        never = serve(listener, documents.clone(), admission) => match never {},
        failed = follow(&node, &directory, &documents, known, &tell) => failed.map(|never| match never {}),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

fn tell(is_json: bool, network: &str, id: &str) {
    let url = format!("automerge:{id}");
    say(&if is_json {
        json!({ "event": "document", "network": network, "url": url }).to_string()
    } else {
        format!("network {network}: {url}")
    });
}
