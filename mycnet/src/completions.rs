//! `mycnet completions`: for shells.

use clap_complete::Shell;

use crate::output::line;

/// Print completions for a shell
///
/// For bash: mycnet completions bash > ~/.local/share/bash-completion/completions/mycnet
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "mycnet", &mut script);
    line(&String::from_utf8_lossy(&script))
}
