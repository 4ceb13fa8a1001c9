//! `mycnet replay` without the rest of `mycnet`, for those who want to see a ledger decide before they run a node.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mycnet_replay::BadInput;

#[derive(Debug, clap::Parser)]
#[command(name = "mycnet-replay", version)]
struct Cli {
    #[command(flatten)]
    args: mycnet_replay::Args,
}

fn main() -> ExitCode {
    let Err(error) = mycnet_replay::run(&Cli::parse().args) else {
        return ExitCode::SUCCESS;
    };
    // Where even stderr is gone, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(if error.is::<BadInput>() { 65 } else { 1 })
}
