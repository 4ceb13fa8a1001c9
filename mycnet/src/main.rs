//! The `mycnet` command: what people run. It reads files, prints, and leaves every decision to the library.
//!
//! | module | what it is |
//! |---|---|
//! | `init`, `network`, `join`, `consent` | how a node and a network come to be |
//! | `run` | the node itself |
//! | `propose`, `vote` | what people decide |
//! | `status`, `operations`, `lists`, `watch`, `page` | what they look at |
//! | `certificate`, `export`, `bundle` | what they carry away |
//! | `publish` | starts `mycnet-publish`, a program of its own |
//! | `key`, `successor` | the keys of a member that follow one another |
//! | `builds` | what rebuilders found, and sets of what is to be built |
//! | `refound` | founding the network anew |
//! | `schemas` | what `--json` prints, described (tests only) |
//! | `devnet`, `doctor`, `rejoin`, `completions`, `man`, `replay` | tools |
//! | `api` | the interface of a running node: HTTP, events, the page, metrics |
//! | `client` | the node that a command asks: a running one, or one of its own |
//! | `request`, `answer`, `reply` | what a node can be asked, how it answers, and the types of the answers |
//! | `start` | starting a node |
//! | `home`, `settings`, `databases` | a node's directory |
//! | `arguments`, `files`, `output`, `names`, `failure`, `warnings` | the command line, files, the terminal, names of members, exit codes |

use std::borrow::Cow;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::failure::{Answered, EXIT_CODES, Failure};
use self::home::Common;
use self::output::{plain, plain_lines};

mod answer;
mod api;
mod arguments;
mod builds;
mod bundle;
mod certificate;
mod claim_set;
mod client;
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
mod key;
mod lists;
mod man;
mod names;
mod network;
mod operations;
mod output;
mod page;
mod propose;
#[cfg(unix)]
mod publish;
mod refound;
mod rejoin;
mod reply;
mod request;
mod run;
#[cfg(test)]
mod schemas;
mod settings;
mod start;
mod status;
mod successor;
mod vote;
mod warnings;
#[cfg(unix)]
mod watch;

/// A trust ledger for federations that do not fully trust one another
///
/// Members of a network decide things together, and the ledger keeps score of who
/// has been reliable, with no server and no need to be always online. Every answer
/// is computed locally from signed records.
///
/// A network of three: each runs `mycnet init` and tells one of them its line
/// `keys`, who runs `mycnet network new` with all three, `mycnet join` with the
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
    /// Print a ticket, with which others can join through this running node
    ///
    /// It names the network, this node and some peers with their addresses, and a
    /// recent seal. It is not secret, and makes nobody a member.
    #[command(verbatim_doc_comment)]
    Ticket(Common),
    Propose(Box<propose::Args>),
    Vote(vote::VoteArgs),
    Direct(vote::DirectArgs),
    Object(vote::ObjectArgs),
    Resolve(vote::ResolveArgs),
    Status(status::Args),
    Operations(operations::Args),
    Votes(operations::VotesArgs),
    Page(page::Args),
    #[cfg(unix)]
    Publish(publish::Args),
    #[cfg(unix)]
    Watch(watch::Args),
    Trust(lists::TrustArgs),
    WhatIf(lists::WhatIfArgs),
    Seals(lists::SealsArgs),
    /// List the members with role, standing, trust and skill
    Roster(Common),
    Config(lists::ConfigArgs),
    /// List members who signed two different statements where one is allowed
    Evidence(Common),
    /// List known peers, and which of them are connected
    Peers(Common),
    Certificate(certificate::Args),
    Verify(certificate::VerifyArgs),
    Export(export::Args),
    Bundle(bundle::Args),
    Builds(Box<builds::Args>),
    Doctor(doctor::Args),
    Rejoin(rejoin::Args),
    Refound(refound::Args),
    Key(key::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
    Devnet(devnet::Args),
    Replay(mycnet_replay::Args),
}

/// The whole command line, with the exit codes below every help.
fn command_line() -> clap::Command {
    fn with_exit_codes(command: clap::Command) -> clap::Command {
        // A command may have more of its own.
        let own = command
            .get_after_help()
            .map(|own| format!("{EXIT_CODES}\n{own}"));
        let codes = own.unwrap_or_else(|| EXIT_CODES.to_owned());
        command.after_help(codes).mut_subcommands(with_exit_codes)
    }
    with_exit_codes(Cli::command())
}

/// Whether the command line asks for JSON, also where it cannot be parsed.
fn asks_for_json() -> bool {
    let mut given = std::env::args_os().take_while(|it| it != "--");
    given.any(|it| it == "--json")
}

/// Ends with what is wrong with the arguments, which it quotes.
fn exit(error: &clap::Error) -> ! {
    if error.use_stderr() && asks_for_json() {
        let text = error.to_string();
        let text = text.trim_end();
        let text = text.strip_prefix("error: ").unwrap_or(text);
        output::failed(&Failure::usage(plain_lines(text)), true);
        std::process::exit(error.exit_code())
    }
    let mut given = std::env::args_os();
    if given.all(|it| matches!(plain(&it.to_string_lossy()), Cow::Borrowed(_))) {
        error.exit();
    }
    let text = error.to_string();
    let _ = write!(std::io::stderr(), "{}", plain_lines(&text));
    std::process::exit(error.exit_code())
}

fn main() -> ExitCode {
    let given = command_line().try_get_matches();
    let cli = given.and_then(|given| Cli::from_arg_matches(&given));
    let cli = cli.unwrap_or_else(|error| exit(&error));
    let done = match &cli.command {
        Command::Init(args) => init::run(args),
        Command::Network(args) => network::run(args),
        Command::Join(args) => join::run(args),
        Command::Consent(args) => consent::run(args),
        Command::Run(args) => run::run(args),
        Command::Ticket(common) => lists::ticket(common),
        Command::Propose(args) => propose::run(args),
        Command::Vote(args) => vote::vote(args),
        Command::Direct(args) => vote::direct(args),
        Command::Object(args) => vote::object(args),
        Command::Resolve(args) => vote::resolve(args),
        Command::Status(args) => status::run(args),
        Command::Operations(args) => operations::run(args),
        Command::Votes(args) => operations::votes(args),
        Command::Page(args) => page::run(args),
        #[cfg(unix)]
        Command::Publish(args) => publish::run(args),
        #[cfg(unix)]
        Command::Watch(args) => watch::run(args),
        Command::Trust(args) => lists::trust(args),
        Command::WhatIf(args) => lists::what_if(args),
        Command::Seals(args) => lists::seals(args),
        Command::Roster(common) => lists::roster(common),
        Command::Config(args) => lists::config(args),
        Command::Evidence(common) => lists::evidence(common),
        Command::Peers(common) => lists::peers(common),
        Command::Certificate(args) => certificate::run(args),
        Command::Verify(args) => certificate::verify(args),
        Command::Export(args) => export::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::Builds(args) => builds::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Rejoin(args) => rejoin::run(args),
        Command::Refound(args) => refound::run(args),
        Command::Key(args) => key::run(args),
        Command::Completions(args) => completions::run(args, command_line()),
        Command::Man(args) => man::run(args, command_line()),
        Command::Devnet(args) => devnet::run(args),
        Command::Replay(args) => mycnet_replay::run(args),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    if let Some(Answered(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    let failure = Failure::from(&error);
    output::failed(&failure, asks_for_json());
    failure.kind.into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command_line().debug_assert();
    }
}
