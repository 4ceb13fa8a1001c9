//! `mycnet publish`: starts `mycnet-publish`, a program of its own, in the place of this one.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

const PROGRAM: &str = "mycnet-publish";

/// Publish the ledger of a running node as live Automerge documents, to read
///
/// Programs that use automerge-repo connect by a websocket, and get what changes as
/// it changes. Nobody can write.
///
/// It is a program of its own, mycnet-publish, which this starts: with all that
/// follows, and with its exit code. `mycnet-publish --help` has its options.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Options of mycnet-publish, such as --dir, --listen and --json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let this = std::env::current_exe();
    let beside = this.ok().map(|this| this.with_file_name(PROGRAM));
    let on_the_path = PathBuf::from(PROGRAM);
    for program in beside.into_iter().chain([on_the_path]) {
        let error = Command::new(&program).args(&args.options).exec();
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error).with_context(|| format!("cannot start {}", program.display()));
        }
    }
    bail!(
        "there is no {PROGRAM}, neither beside mycnet nor on the PATH: install the package {PROGRAM} (`cargo install {PROGRAM}`)"
    )
}
