//! `mycnet network`: what a network starts from.

use std::path::{Path, PathBuf};

use anyhow::bail;
use mycnet_consensus::engine::{Clock as _, SystemClock, new_identity};
use mycnet_consensus::{
    Digest, Founder, Genesis, NodeId, PanelScoring, Params, Rejection, Sealing,
};

use crate::arguments::{duration, member_name, named, role, whole_ms};
use crate::client::ask;
use crate::failure::Failure;
use crate::files::{self, OutputFile, read_file};
use crate::home::Common;
use crate::output::{Fields, Format};
use crate::reply::NewNetwork;
use crate::request::Request;

/// Bytes of a genesis file at most: 1,024 members in JSON take some 100 KiB.
const GENESIS_BYTES_MAX: usize = 1024 * 1024;

/// Make or show the genesis, the file that a network starts from
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

/// Make the genesis of a new network
///
/// It holds the founding members with their names and roles, and the parameters. All
/// members must start from the same file (it is not secret): its digest is the
/// network's id.
///
/// At most one member is the primary, who coordinates; seeds back it up; latents
/// are ordinary members, whose votes count where primary and seeds do not decide.
/// With four members, one may be absent or dishonest; with seven, two.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct NewArgs {
    /// The network's name, for people
    name: String,

    /// Add a founding member: name, keys (see `mycnet key show`), and primary, seed or latent; can be repeated
    #[arg(long = "member", value_name = "NAME=KEYS:ROLE", required = true, value_parser = member)]
    members: Vec<Founder>,

    /// Choose the length of the windows: seconds (dev), a day (default), a week (field), or days for rebuilders, of whom at
    /// least three and more than two thirds must agree (builds)
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: Profile,

    /// Set a parameter to another value than the profile's; can be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, u64)>,

    /// Choose the sealers: all members with weight, or only primary and seeds
    #[arg(long, value_name = "WHO", default_value = "members")]
    #[arg(value_parser = named::<Sealing>(&["members", "authorities"]))]
    sealing: Sealing,

    /// Choose whom small panels of claims score: nobody (quorum) or the panel (authorities)
    #[arg(long, value_name = "WHOM", default_value = "quorum")]
    #[arg(value_parser = named::<PanelScoring>(&["quorum", "authorities"]))]
    panel_scoring: PanelScoring,

    #[command(flatten)]
    file: OutputFile,

    #[command(flatten)]
    format: Format,
}

/// Show the genesis of this node's network, in JSON
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Name the file to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Profile {
    Dev,
    Default,
    Field,
    Builds,
}

/// Reads `NAME=KEYS:ROLE`. A member for whom nobody chose a name, `KEYS=ROLE`, is named by the first digits of its id.
fn member(text: &str) -> Result<Founder, String> {
    let (name, rest) = text
        .split_once('=')
        .ok_or("expected NAME=KEYS:ROLE, as in ada=01ab…:seed")?;
    let Some((keys, as_role)) = rest.split_once(':') else {
        return match self::keys(name) {
            Ok((node, successor)) => Ok(Founder {
                successor,
                ..Founder::new(node, role(rest)?)
            }),
            Err(_) => Err(format!(
                "the role of {name} is missing: expected {name}=KEYS:ROLE, where ROLE is primary, seed or latent"
            )),
        };
    };
    let name = member_name(name)?;
    let (node, successor) = self::keys(keys)?;
    Ok(Founder {
        name,
        successor,
        ..Founder::new(node, role(as_role)?)
    })
}

/// Reads a node id, and behind a slash the digest of the key that may replace its own.
fn keys(text: &str) -> Result<(NodeId, Option<Digest>), String> {
    let (node, successor) = match text.split_once('/') {
        Some((node, successor)) => (node, Some(successor)),
        None => (text, None),
    };
    let node = node
        .parse()
        .map_err(|error| format!("{node:?} is no node id: {error}"))?;
    let successor = successor.map(|digest| {
        let parsed = digest.parse();
        parsed.map_err(|error| format!("{digest:?} is no digest of a key: {error}"))
    });
    Ok((node, successor.transpose()?))
}

/// Reads `NAME=VALUE` of a parameter.
pub(crate) fn param(text: &str) -> Result<(String, u64), String> {
    let (name, number) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let Some((least, most)) = Params::range_of(name) else {
        let names = Params::NAMES.join(", ");
        return Err(format!(
            "no parameter is named {name}; the parameters are {names}"
        ));
    };
    // A number alone is milliseconds, as the name says.
    let is_time = name.ends_with("_ms");
    let length = if is_time && number.parse::<u64>().is_err() {
        duration(number).ok().map(|it| whole_ms(it).to_string())
    } else {
        None
    };
    let number = Params::parse_change(name, length.as_deref().unwrap_or(number).as_bytes());
    let number = number.map_err(|_| {
        let or_time = if is_time {
            ", or a time as 90s, 2h or 1d"
        } else {
            ""
        };
        format!("{name} takes a whole number from {least} to {most}{or_time}")
    })?;
    Ok((name.to_owned(), number))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::New(args) => new(args),
        Command::Show(args) => show(args),
    }
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let genesis = build(args).map_err(|error| Failure::usage(format!("{error:#}")))?;
    let file = &args.file.output;
    write(file, &genesis)?;
    if file == Path::new("-") {
        return Ok(());
    }
    let made = NewNetwork {
        network: genesis.network_id(),
        members: genesis.members.len(),
        name: genesis.name,
        file: file.clone(),
    };
    args.format.print(&made, |made| {
        let file = made.file.display().to_string();
        let mut fields = Fields::default();
        fields
            .add("network", made.network)
            .add("name", &made.name)
            .add("members", made.members)
            .add("genesis", &file);
        format!(
            "{}\nNext: `mycnet join {file}`, then `mycnet run`.",
            fields.text()
        )
    })
}

fn build(args: &NewArgs) -> anyhow::Result<Genesis> {
    let profile = match args.profile {
        Profile::Dev => Params::dev(),
        Profile::Default => Params::default(),
        Profile::Field => Params::field(),
        Profile::Builds => Params::builds(),
    };
    // All parameters are set before the check: some are only valid together.
    let mut params = serde_json::to_value(profile)?;
    for (name, number) in &args.params {
        params[name] = (*number).into();
    }
    let params: Params = serde_json::from_value(params)?;
    let mut builder = Genesis::builder(&args.name)
        // A new secret, which is not kept, supplies the 32 random bytes.
        .nonce(new_identity()?.secret())
        .time_ms(SystemClock.now_ms())
        .params(params)
        .sealing(args.sealing)
        .panel_scoring(args.panel_scoring);
    check_distinct(&args.members)?;
    for founder in &args.members {
        builder = builder.founder(founder.clone());
    }
    Ok(builder.build()?)
}

/// Refuses two members with one key or one name, and says which two.
fn check_distinct(members: &[Founder]) -> anyhow::Result<()> {
    for (index, founder) in members.iter().enumerate() {
        for other in &members[..index] {
            let (name, node) = (&founder.name, founder.node);
            if other.node == node {
                bail!(
                    "--member {name}: {node} is named twice, as {} too",
                    other.name
                );
            }
            if other.name == *name {
                bail!(
                    "--member {name} stands for two nodes, {} and {node}: choose another name for one of them",
                    other.node
                );
            }
        }
    }
    Ok(())
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    write(&args.output, &ask(&args.common, Request::Genesis)?)
}

/// Writes a new file. Another genesis in its place would be another network, and others may have started from the old one.
fn write(path: &Path, genesis: &Genesis) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(genesis)? + "\n";
    files::write(path, text.as_bytes())
}

/// Reads a genesis file, in JSON or in its canonical form, and checks it.
pub(crate) fn read(path: &Path) -> anyhow::Result<Genesis> {
    parse(&read_file(path, GENESIS_BYTES_MAX)?).map_err(|error| {
        Failure::bad_data(format!("{} is no genesis: {error}", path.display())).into()
    })
}

/// Reads a genesis from the bytes of a file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Genesis, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Genesis::decode(bytes).map_err(|error| match error {
            // For bytes of any other kind, the decoder's message does not help.
            Rejection::NonCanonical(_) => "it is neither JSON nor the canonical form".to_owned(),
            error => error.to_string(),
        });
    }
    // A `Value` is not used here: it accepts two equal names and keeps the last one.
    let genesis: Genesis = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    genesis.check().map_err(|error| error.to_string())?;
    Ok(genesis)
}

#[cfg(test)]
mod tests {
    use mycnet_consensus::Spore;

    use super::*;

    #[test]
    fn parameters_that_are_times_take_units() {
        for (text, ms) in [
            ("commit_window_ms=90000", 90_000),
            ("commit_window_ms=90s", 90_000),
            ("commit_window_ms=2h", 7_200_000),
            ("commit_window_ms=1d", 86_400_000),
        ] {
            assert_eq!(param(text), Ok(("commit_window_ms".to_owned(), ms)));
        }
        let error = param("commit_window_ms=soon").unwrap_err();
        assert!(error.contains("or a time as 90s"), "{error}");
        let error = param("commit_window_ms=0s").unwrap_err();
        assert!(error.contains("from 1 to"), "{error}");
        let name = Params::NAMES.iter().find(|name| !name.ends_with("_ms"));
        assert!(param(&format!("{}=2h", name.unwrap())).is_err());
    }

    #[test]
    fn members_are_named_with_key_and_role() {
        let key = "01".repeat(32);
        let founder = member(&format!("ada={key}:primary")).unwrap();
        assert_eq!(
            (founder.name.as_str(), founder.role),
            ("ada", Spore::Primary)
        );
        assert_eq!(founder.node.to_string(), key);
        let unnamed = member(&format!("{key}=seed")).unwrap();
        assert_eq!(unnamed, Founder::new(founder.node, Spore::Seed));
        let next = "02".repeat(32);
        for text in [
            format!("ada={key}/{next}:seed"),
            format!("{key}/{next}=seed"),
        ] {
            let founder = member(&text).unwrap();
            assert_eq!(founder.node.to_string(), key);
            assert_eq!(founder.successor.unwrap().to_string(), next);
        }
        for (text, said) in [
            (key.clone(), "expected NAME=KEYS:ROLE"),
            (format!("ada={key}/{key}0:seed"), "is no digest of a key"),
            (format!("ada={key}/:seed"), "is no digest of a key"),
            (format!("ada={key}"), "the role of ada is missing"),
            (format!("ada={key}:"), "a role is"),
            (format!("ada={key}:boss"), "a role is"),
            (format!("Ada={key}:seed"), "each of a-z, 0-9 or -"),
            (format!("={key}:seed"), "1 to 32 characters"),
            ("ada=01:seed".to_owned(), "is no node id"),
        ] {
            let error = member(&text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
