//! `mycnet-publish`: the ledger and the open operations of a running node as live, read-only Automerge documents: those that the
//! node exports, for whoever cannot wait for an export.
//!
//! | module | what it is |
//! |---|---|
//! | `command` | the command line |
//! | `node` | asks the node, over the socket in its directory |
//! | `document` | the documents, made of what the node answers |
//! | `follow` | keeps them up to date |
//! | `serve`, `reader` | readers, and what each has |
//! | `wire` | the protocol of automerge-repo, and what is refused |
//! | `log` | the log |
//!
//! The server of the protocol is our own, and small. `samod` 0.16 answers nobody any more after one summary of changes that has no
//! bits, by which Automerge divides; it keeps a document for each id that anybody names, and does not look whether a file was
//! written. What would have to be kept from it is most of what a server does.

use std::process::ExitCode;

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod document;
#[cfg(unix)]
mod follow;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod node;
#[cfg(unix)]
mod reader;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod wire;

fn main() -> ExitCode {
    #[cfg(unix)]
    return command::main();
    #[cfg(not(unix))]
    {
        eprintln!("error: a node answers programs on Unix only");
        ExitCode::FAILURE
    }
}
