//! `mycnet builds check`: whether a build is confirmed, under the user's own policy. `text` is the answer for people.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_builds::index_file::{self, IndexFault};
use mycnet_builds::{
    Builder, Builders, Found, Hex, Judged, NotFound, Policy, PolicyFault, Question, Verdict, judge,
};
use mycnet_consensus::NodeId;
use schemars::JsonSchema;
use serde::Serialize;

use self::text::text;
use super::ask::Ask;
use super::people::as_builders;
use super::submit::Names;
use super::what::{self, Sha256, What};
use crate::client;
use crate::failure::{Answered, Failure};
use crate::files;
use crate::home::Common;
use crate::network;
use crate::output::note;
use crate::reply::{Roster, SealTime};
use crate::request::Request;
use crate::settings::Settings;

/// Builds of which a node is asked at once.
const TOGETHER: usize = 256;

const NO_POLICY: &str = "whose word is enough? Say it with --policy, as \"2 of any\", or in config.toml ([builds], policy)";

/// The exit codes of this command alone.
const VERDICTS: &str = "\
Exit codes of this command alone:
  10  not confirmed: too few gave the result
  11  in dispute: they gave different results, or others than the file's
  12  unknown: no set asked about it
Of several builds the worst counts: 11, then 12, then 10.";

/// Check whether independent rebuilders confirm a file, under your own policy
///
/// WHAT is a file, sha256:HEX, or a purl or another subject; - reads such from
/// standard input, one a line. A file is looked up by what its name says (that of a
/// package says its purl), and by its hash if nobody asked about that. Nobody is
/// asked: the answer comes from this node's ledger, or from an index.
///
/// A policy is "3 of ada,ben,cyd" (so many of these members gave the same result),
/// "2 of any" (of all electors with weight), "ledger" (its own verdict), or several
/// with "and" between them. Give it here, or once and for all in config.toml:
///
///   builds.policy = "2 of any"
///
/// Enough who say the same confirm it, whatever others say. Answers of banned
/// members count nowhere. Of sets that asked the same, with the same input, the one
/// that was decided last counts. Trust and skill are shown, and decide nothing.
///
/// An index (`mycnet builds index`) and the genesis are enough without a node.
/// Members are then known by the names that the genesis has, and others by their
/// ids, and who was banned since is not known.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = VERDICTS)]
pub(super) struct Args {
    /// Files, sha256:HEX, purls, other subjects; - reads them from standard input
    #[arg(required = true, value_name = "WHAT")]
    what: Vec<String>,

    /// Say whose word is enough; that of config.toml unless given
    #[arg(long, value_name = "POLICY")]
    policy: Option<Policy>,

    /// Say the result that a purl or another subject must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256>,

    /// Look into this index instead of the node's ledger
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,

    /// Check the index with this genesis, without a node
    #[arg(long, value_name = "FILE", requires = "index")]
    genesis: Option<PathBuf>,

    #[command(flatten)]
    names: Names,
}

/// The answer of `check`.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Checked {
    policy: String,
    /// The worst verdict.
    verdict: Verdict,
    /// The ledger's or index' last height, and its time in milliseconds since 1970.
    height: u64,
    time_ms: u64,
    builds: Vec<CheckedBuild>,
    /// The members behind the keys that the answer names.
    members: BTreeMap<NodeId, Builder>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct CheckedBuild {
    /// What was given.
    what: String,
    is_file: bool,
    /// What it is by its name.
    subject: Option<String>,
    /// The result that it must have.
    sha256: Option<Hex>,
    #[serde(flatten)]
    judged: Judged,
}

/// What is known, from wherever.
struct Known {
    builders: Builders,
    height: u64,
    time_ms: u64,
    found: Vec<Found>,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    let settings = match common.directory().and_then(|home| home.settings()) {
        // Whoever has no node may have no directory.
        Err(_) if args.policy.is_some() => Settings::default(),
        settings => settings?,
    };
    let policy = args.policy.as_ref().or(settings.builds.policy.as_ref());
    let policy = policy.ok_or_else(|| Failure::usage(NO_POLICY))?;
    let what = what::all(&args.what, args.sha256.as_ref(), &args.names.subjects())?;
    let questions: Vec<Question> = what.iter().map(|what| what.question.clone()).collect();
    let known = match &args.index {
        Some(index) => of_index(index, args.genesis.as_deref(), common, &questions)?,
        None => of_ledger(common, &questions)?,
    };
    if known.height == 0 {
        note(
            "this node has nothing of its network's ledger yet: only members are given it, others use --index",
        );
    }
    let resolved = policy.resolve(|word| member(word, &known.builders, &settings.aliases));
    let resolved = resolved.map_err(Failure::from)?;
    let builds = what.into_iter().zip(known.found);
    let builds: Vec<CheckedBuild> = builds
        .map(|(what, found)| {
            let judged = judge(&what.question, found, &resolved, &known.builders);
            checked(what, judged)
        })
        .collect();
    let worst = builds.iter().map(|build| build.judged.verdict).max();
    let members = mentioned(&builds, &known.builders);
    let answer = Checked {
        policy: policy.to_string(),
        verdict: worst.unwrap_or(Verdict::Unknown),
        height: known.height,
        time_ms: known.time_ms,
        builds,
        members,
    };
    let rules: Vec<String> = policy.rules().collect();
    common
        .format
        .print(&answer, |answer| text(answer, &rules, &known.builders))?;
    match answer.verdict {
        Verdict::Confirmed => Ok(()),
        Verdict::NotEnough => Err(Answered(10).into()),
        Verdict::InDispute => Err(Answered(11).into()),
        Verdict::Unknown => Err(Answered(12).into()),
    }
}

/// The member that a word of the policy means: an alias of the owner, a name, an id.
fn member(
    word: &str,
    builders: &Builders,
    aliases: &BTreeMap<String, String>,
) -> Result<NodeId, NoPolicy> {
    let Some(meant) = aliases.get(word) else {
        return Ok(builders.find(word)?);
    };
    let found = builders.find(meant)?;
    // Whoever takes the word as its name does not become the one that it stands for here.
    match builders.find(word) {
        Ok(other) if other != found => Err(NoPolicy::Alias(word.to_owned(), meant.clone())),
        _ => Ok(found),
    }
}

/// Why a policy does not fit the members.
#[derive(Debug, thiserror::Error)]
enum NoPolicy {
    #[error("the policy: {0}")]
    Fault(#[from] PolicyFault),
    #[error("the policy: {0}")]
    Member(#[from] NotFound),
    #[error(
        "the policy: {0}: your alias stands for {1}, and another member is named so: give its id"
    )]
    Alias(String, String),
}

impl From<NoPolicy> for Failure {
    fn from(error: NoPolicy) -> Self {
        Self::usage(error.to_string())
    }
}

fn of_ledger(common: &Common, questions: &[Question]) -> anyhow::Result<Known> {
    client::with(common, async |client| {
        let roster: Roster = client.ask(Request::Roster).await?;
        let last: SealTime = client.ask(Request::SealTime).await?;
        let mut found = Vec::new();
        for questions in questions.chunks(TOGETHER) {
            let questions = questions.to_vec();
            let ask = Request::Builds(Ask::Find { questions });
            found.append(&mut client.ask(ask).await?);
        }
        Ok(Known {
            builders: as_builders(roster.members),
            height: last.height,
            time_ms: last.time_ms,
            found,
        })
    })
}

fn of_index(
    path: &Path,
    genesis: Option<&Path>,
    common: &Common,
    questions: &[Question],
) -> anyhow::Result<Known> {
    let name = path.display();
    let (genesis, builders) = match genesis {
        Some(path) => {
            let genesis = network::read(path)?;
            let builders = Builders::of_founders(&genesis);
            (genesis, builders)
        }
        None => client::with(common, async |client| {
            let roster: Roster = client.ask(Request::Roster).await?;
            Ok((
                client.ask(Request::Genesis).await?,
                as_builders(roster.members),
            ))
        })
        .context("no genesis to check the index with: give --genesis FILE")?,
    };
    let file = files::open(path).with_context(|| format!("cannot read {name}"))?;
    let bad = |fault: IndexFault| match fault {
        IndexFault::Io(error) => Failure::failed(format!("{name}: {error}")),
        fault => Failure::bad_data(format!("{name}: {fault}")),
    };
    let index = index_file::unpack(file, genesis.network_id()).map_err(bad)?;
    let operations = index_file::verified(&index, &genesis).map_err(bad)?;
    let found = index_file::find(&operations, questions).map_err(bad)?;
    Ok(Known {
        builders,
        height: index.chain.head.height,
        time_ms: index.chain.head.time_ms,
        found,
    })
}

fn checked(what: What, judged: Judged) -> CheckedBuild {
    CheckedBuild {
        what: what.given,
        is_file: what.is_file,
        subject: what.question.subject,
        sha256: what.question.result,
        judged,
    }
}

/// The members behind all keys in the answers.
fn mentioned(builds: &[CheckedBuild], builders: &Builders) -> BTreeMap<NodeId, Builder> {
    let cases = builds.iter().flat_map(|build| &build.judged.cases);
    let evidence = cases.flat_map(|case| case.before.iter().chain([&case.counts]));
    let decisions = evidence.filter_map(|evidence| evidence.decided.as_ref());
    let keys = decisions.flat_map(|decision| decision.electors.iter().map(|it| it.node));
    let keys: BTreeSet<NodeId> = keys.collect();
    let known = keys.into_iter();
    known
        .filter_map(|key| Some((key, builders.get(&key)?.clone())))
        .collect()
}
