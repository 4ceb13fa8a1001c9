//! `mycnet replay` without the rest of `mycnet`, for those who want to see a ledger decide before they run a node.

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
    mycnet_replay::terminal::error(&format!("{error:#}"));
    ExitCode::from(if error.is::<BadInput>() { 65 } else { 1 })
}
