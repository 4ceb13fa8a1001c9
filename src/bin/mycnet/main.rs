//! The `mycnet` command: what people run. It reads files, prints, and leaves every decision to the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod devnet;
mod replay;

/// The input can be read but not used (`EX_DATAERR` of sysexits.h), so that scripts can tell it from other failures.
const EXIT_BAD_DATA: u8 = 65;

/// Exit codes, below the help of every command.
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  it failed while running: a file that cannot be opened, replicas that do not agree
   2  the command line was wrong
  65  the input's content was wrong; the message names the line and what was expected";

/// A trust ledger for federations that do not fully trust one another.
///
/// Members of a network decide things together, and the ledger keeps score of who
/// has been reliable, with no server and no need to be always online. Every answer
/// is computed locally from signed records.
// Lines stay below 80 characters here and in the other commands: help is shown as it is written.
#[derive(Debug, Parser)]
#[command(name = "mycnet", version, after_help = EXIT_CODES, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Devnet(devnet::Args),
    Replay(replay::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Devnet(args) => devnet::run(args),
        Command::Replay(args) => replay::run(args),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    // Where even stderr is gone, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    match error.downcast_ref::<replay::BadInput>() {
        Some(_) => ExitCode::from(EXIT_BAD_DATA),
        None => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
