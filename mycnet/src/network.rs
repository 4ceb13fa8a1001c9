//! `mycnet network`: what a network starts from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use mycnet_consensus::engine::{Clock as _, SystemClock, new_identity};
use mycnet_consensus::{Genesis, NodeId, PanelScoring, Params, Rejection, Sealing, Spore};
use serde_json::json;

use crate::arguments::{read_file, role};
use crate::failure::Failure;
use crate::home::Common;
use crate::output::{Fields, shown};
use crate::request::Request;
use crate::{files, session};

/// Bytes of a genesis file at most: 1,024 members in JSON take some 100 KiB.
const GENESIS_BYTES_MAX: usize = 1024 * 1024;

/// Makes or shows the genesis: what a network starts from.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(NewArgs),
    Show(ShowArgs),
}

/// Makes the genesis of a new network.
///
/// It names the founding members with their roles, and the parameters. All members
/// must start from the same file (it is not secret): its digest is the network's id.
///
/// At most one member is the primary, who coordinates; seeds back it up; latents
/// are the electorate that everything finally falls back on. With four members or
/// more, one of them may lie or be away without stopping the others.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct NewArgs {
    /// The network's name, for people
    name: String,

    /// A founding member: its full node id and primary, seed or latent; repeat it
    #[arg(long = "member", value_name = "NODE=ROLE", required = true, value_parser = member)]
    members: Vec<(NodeId, Spore)>,

    /// How long people have: seconds (dev), a day (default), a week (field)
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: Profile,

    /// Set a parameter otherwise than the profile does; can be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, u64)>,

    /// Who seals: all members with weight, or only primary and seeds
    #[arg(long, value_name = "WHO", default_value = "members")]
    sealing: WhoSeals,

    /// Whom small panels of claims score: nobody (quorum) or the panel
    #[arg(long, value_name = "WHOM", default_value = "quorum")]
    panel_scoring: WhomPanelsScore,

    /// The file to write, in JSON; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    format: crate::output::Format,
}

/// Shows the genesis of this node's network, in JSON.
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The file to write instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Profile {
    Dev,
    Default,
    Field,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum WhoSeals {
    Members,
    Authorities,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum WhomPanelsScore {
    Quorum,
    Authorities,
}

fn member(text: &str) -> Result<(NodeId, Spore), String> {
    let (node, name) = text
        .split_once('=')
        .ok_or("expected NODE=ROLE, as in 01ab…=seed")?;
    let node = node
        .parse()
        .map_err(|error| format!("{node:?} is no node id: {error}"))?;
    Ok((node, role(name)?))
}

fn param(text: &str) -> Result<(String, u64), String> {
    let (name, number) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let Some(max) = Params::max_of(name) else {
        let names = Params::NAMES.join(", ");
        return Err(format!(
            "no parameter is named {name}; the parameters are {names}"
        ));
    };
    let number = Params::parse_change(name, number.as_bytes());
    let number = number.map_err(|_| format!("{name} takes a whole number from 0 to {max}"))?;
    Ok((name.to_owned(), number))
}

/// Runs `mycnet network`.
///
/// # Errors
///
/// If the genesis is not valid, or cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::New(args) => new(args),
        Command::Show(args) => show(args),
    }
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let genesis = build(args).map_err(|error| Failure::usage(format!("{error:#}")))?;
    write(&args.output, &genesis)?;
    if args.output == Path::new("-") {
        return Ok(());
    }
    let value = json!({
        "network": genesis.network_id(),
        "name": genesis.name,
        "members": genesis.members.len(),
        "file": args.output,
    });
    args.format.print(&value, |value| {
        let mut fields = Fields::default();
        fields.add("network", shown(&value["network"]));
        fields.add("name", shown(&value["name"]));
        fields.add("members", shown(&value["members"]));
        fields.add("genesis", shown(&value["file"]));
        format!(
            "{}\nNext: `mycnet join {}`, then `mycnet run`.",
            fields.text(),
            args.output.display()
        )
    })
}

fn build(args: &NewArgs) -> anyhow::Result<Genesis> {
    let profile = match args.profile {
        Profile::Dev => Params::dev(),
        Profile::Default => Params::default(),
        Profile::Field => Params::field(),
    };
    // All at once: some parameters are only valid together.
    let mut params = serde_json::to_value(profile)?;
    for (name, number) in &args.params {
        params[name] = json!(number);
    }
    let params: Params = serde_json::from_value(params)?;
    let sealing = match args.sealing {
        WhoSeals::Members => Sealing::Members,
        WhoSeals::Authorities => Sealing::Authorities,
    };
    let panel_scoring = match args.panel_scoring {
        WhomPanelsScore::Quorum => PanelScoring::Quorum,
        WhomPanelsScore::Authorities => PanelScoring::Authorities,
    };
    let mut builder = Genesis::builder(&args.name)
        // A secret that nobody keeps is 32 random bytes.
        .nonce(new_identity()?.secret())
        .time_ms(SystemClock.now_ms())
        .params(params)
        .sealing(sealing)
        .panel_scoring(panel_scoring);
    let mut named = BTreeSet::new();
    for (node, role) in &args.members {
        if !named.insert(node) {
            bail!("--member {node} is named twice");
        }
        builder = builder.member(*node, *role);
    }
    Ok(builder.build()?)
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let value = session::with(&home, async |session| session.ask(Request::Genesis).await)?;
    let genesis: Genesis = serde_json::from_value(value)?;
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    write(output, &genesis)
}

fn write(path: &Path, genesis: &Genesis) -> anyhow::Result<()> {
    // A genesis made anew is another network: the one that others may have started from must not be lost by a repeated
    // command.
    files::write(
        path,
        (serde_json::to_string_pretty(genesis)? + "\n").as_bytes(),
    )
}

/// Reads a genesis file, in JSON or in its canonical form, and checks it.
///
/// # Errors
///
/// If it cannot be read, or is not valid.
pub(crate) fn read(path: &Path) -> anyhow::Result<Genesis> {
    parse(&read_file(path, GENESIS_BYTES_MAX)?).map_err(|error| {
        Failure::bad_data(format!("{} is no genesis: {error}", path.display())).into()
    })
}

/// Reads a genesis from the bytes of a file.
///
/// # Errors
///
/// Says what is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Result<Genesis, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Genesis::decode(bytes).map_err(|error| match error {
            // A decoder's words for bytes that are something else altogether help nobody.
            Rejection::NonCanonical(_) => "it is neither JSON nor the canonical form".to_owned(),
            error => error.to_string(),
        });
    }
    // Not by way of a `Value`, which would take the last of two equal names.
    let genesis: Genesis = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    genesis.check().map_err(|error| error.to_string())?;
    Ok(genesis)
}
