//! `mycnet completions`: for shells.

use clap_complete::Shell;

use crate::command_line;
use crate::output::line;

/// Prints completions for a shell.
///
/// For bash: mycnet completions bash > ~/.local/share/bash-completion/completions/mycnet
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Runs `mycnet completions`.
///
/// # Errors
///
/// A failed write.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command_line(), "mycnet", &mut script);
    line(&String::from_utf8_lossy(&script))
}
