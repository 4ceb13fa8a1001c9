//! The `mycnet` command: what people run. It reads files, prints, and leaves every decision to the library.
//!
//! | module | what it is |
//! |---|---|
//! | `init`, `network`, `join`, `consent` | how a node and a network come to be |
//! | `run` | the node itself |
//! | `propose`, `vote` | what people decide |
//! | `status`, `operations`, `trust`, `lists` | what they look at |
//! | `certificate`, `export`, `bundle` | what they carry away |
//! | `devnet`, `doctor`, `rejoin`, `completions`, `replay` | tools |
//! | `request`, `answer` | what a node can be asked, and what it answers |
//! | `session`, `socket` | whom a command asks: the running node, or one of its own |
//! | `home`, `settings`, `databases` | a node's directory |
//! | `arguments`, `files`, `output`, `failure` | the command line, files, the terminal, exit codes |

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::failure::EXIT_CODES;

mod answer;
mod arguments;
mod bundle;
mod certificate;
mod completions;
mod consent;
mod databases;
mod devnet;
mod doctor;
mod export;
mod failure;
mod files;
mod home;
mod init;
mod join;
mod lists;
mod network;
mod operations;
mod output;
mod propose;
mod rejoin;
mod request;
mod run;
mod session;
mod settings;
mod socket;
mod status;
mod trust;
mod vote;

/// A trust ledger for federations that do not fully trust one another.
///
/// Members of a network decide things together, and the ledger keeps score of who
/// has been reliable, with no server and no need to be always online. Every answer
/// is computed locally from signed records.
///
/// A network of three: each runs `mycnet init` and tells the others its node id;
/// one of them runs `mycnet network new` with all three, `mycnet join` with the
/// genesis it wrote, and `mycnet run`, which prints a ticket; the others run
/// `mycnet join` with that ticket, and `mycnet run`.
// Lines stay below 80 characters here and in the other commands: help is shown as it is written.
#[derive(Debug, Parser)]
#[command(name = "mycnet", version, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Network(network::Args),
    Join(join::Args),
    Consent(consent::Args),
    Run(Box<run::Args>),
    Ticket(lists::TicketArgs),
    Propose(Box<propose::Args>),
    Vote(vote::VoteArgs),
    Direct(vote::DirectArgs),
    Object(vote::ObjectArgs),
    Resolve(vote::ResolveArgs),
    Status(status::Args),
    Operations(operations::Args),
    Trust(trust::Args),
    Roster(lists::RosterArgs),
    Config(lists::ConfigArgs),
    Evidence(lists::EvidenceArgs),
    Peers(lists::PeersArgs),
    Certificate(certificate::Args),
    Verify(certificate::VerifyArgs),
    Export(export::Args),
    Bundle(bundle::Args),
    Doctor(doctor::Args),
    Rejoin(rejoin::Args),
    Completions(completions::Args),
    Devnet(devnet::Args),
    Replay(mycnet_replay::Args),
}

/// The whole command line, with the exit codes below every help.
fn command_line() -> clap::Command {
    fn with_exit_codes(command: clap::Command) -> clap::Command {
        command
            .after_help(EXIT_CODES)
            .mut_subcommands(with_exit_codes)
    }
    with_exit_codes(Cli::command())
}

fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command_line().get_matches());
    let cli = cli.unwrap_or_else(|error| error.exit());
    let done = match &cli.command {
        Command::Init(args) => init::run(args),
        Command::Network(args) => network::run(args),
        Command::Join(args) => join::run(args),
        Command::Consent(args) => consent::run(args),
        Command::Run(args) => run::run(args),
        Command::Ticket(args) => lists::ticket(args),
        Command::Propose(args) => propose::run(args),
        Command::Vote(args) => vote::vote(args),
        Command::Direct(args) => vote::direct(args),
        Command::Object(args) => vote::object(args),
        Command::Resolve(args) => vote::resolve(args),
        Command::Status(args) => status::run(args),
        Command::Operations(args) => operations::run(args),
        Command::Trust(args) => trust::run(args),
        Command::Roster(args) => lists::roster(args),
        Command::Config(args) => lists::config(args),
        Command::Evidence(args) => lists::evidence(args),
        Command::Peers(args) => lists::peers(args),
        Command::Certificate(args) => certificate::run(args),
        Command::Verify(args) => certificate::verify(args),
        Command::Export(args) => export::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Rejoin(args) => rejoin::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Devnet(args) => devnet::run(args),
        Command::Replay(args) => mycnet_replay::run(args),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    // Where even stderr is gone, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    failure::exit_code(&error)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command_line().debug_assert();
    }
}
