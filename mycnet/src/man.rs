//! `mycnet man`: manual pages, for those who make packages.

use std::path::PathBuf;

use anyhow::Context as _;

/// Write a manual page for each command into a directory
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The directory; it is made if there is none
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &Args, command: clap::Command) -> anyhow::Result<()> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .with_context(|| format!("cannot write pages into {}", directory.display()))
}
