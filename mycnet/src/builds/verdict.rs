//! `mycnet builds check`: whether a build is confirmed, under the user's own policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_builds::index_file::{self, IndexFault};
use mycnet_builds::{
    Builder, Builders, Case, Decision, Evidence, Found, Held, Hex, Judged, NotFound, Policy,
    PolicyFault, Question, Verdict, judge,
};
use mycnet_consensus::NodeId;
use mycnet_consensus::engine::{Clock as _, SystemClock};
use serde::Serialize;

use super::ask::Ask;
use super::people::{as_builders, builder_shown, shown};
use super::submit::Names;
use super::what::{self, Sha256, What};
use crate::client;
use crate::failure::{Answered, Failure};
use crate::home::Common;
use crate::network;
use crate::output::{Fields, plain, short};
use crate::reply::{Roster, SealTime};
use crate::request::Request;
use crate::settings::Settings;
use crate::warnings;

/// Builds of which a node is asked at once.
const TOGETHER: usize = 256;

/// Sets that are listed for people of those that asked the same before.
const BEFORE_SHOWN: usize = 3;

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
/// Members are then known by the names that the genesis has, and others by their ids.
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
#[derive(Debug, Serialize)]
struct Checked {
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

#[derive(Debug, Serialize)]
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
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
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

fn verdict_shown(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::NotEnough => "not enough",
        Verdict::InDispute => "IN DISPUTE",
        Verdict::Unknown => "unknown",
    }
}

fn text(answer: &Checked, rules: &[String], builders: &Builders) -> String {
    let mut lines = Vec::new();
    for build in &answer.builds {
        let verdict = verdict_shown(build.judged.verdict);
        lines.push(format!("{}: {verdict}", plain(&build.what)));
        if let (true, Some(subject)) = (build.is_file, &build.subject) {
            lines.push(format!("  by its name  {}", plain(subject)));
        }
        if build.judged.cases.is_empty() {
            lines.extend(unknown(build));
        }
        for case in &build.judged.cases {
            let fields = fields(case, build, rules, builders).text();
            lines.extend(fields.lines().map(|line| format!("  {line}")));
        }
    }
    lines.push(as_of(answer));
    lines.join("\n")
}

/// How far the ledger or the index goes: what was decided since is not in it.
fn as_of(answer: &Checked) -> String {
    let old_ms = SystemClock.now_ms().saturating_sub(answer.time_ms);
    let height = answer.height;
    format!(
        "as of height {height}, sealed {} ago",
        warnings::span(old_ms)
    )
}

fn unknown(build: &CheckedBuild) -> Vec<String> {
    let mut lines = Vec::new();
    if build.sha256.is_none() {
        lines.push("  no set asked about it, and there is no file of this name".to_owned());
    }
    for subject in &build.judged.known_as {
        let subject = plain(subject);
        lines.push(format!(
            "  its content is known as {subject}: its name may be false"
        ));
    }
    lines
}

fn fields(case: &Case, build: &CheckedBuild, rules: &[String], builders: &Builders) -> Fields {
    let counts = &case.counts;
    let mut fields = Fields::default();
    fields.add("subject", plain(&counts.subject));
    fields.add("input", &counts.input);
    if build.judged.cases.len() > 1 {
        fields.add("verdict", verdict_shown(case.verdict));
    }
    fields.add_some("result", case.result.as_ref());
    for (rule, held) in rules.iter().zip(&case.rules) {
        fields.add(rule, held_shown(held));
    }
    match &counts.decided {
        Some(decision) => add_answers(&mut fields, decision, builders),
        None => {
            fields.add("not decided", place(counts));
        }
    }
    if let Some(decision) = &counts.decided {
        let height = decision.height;
        fields.add("decided", format!("at height {height}, {}", place(counts)));
    }
    for before in case.before.iter().take(BEFORE_SHOWN) {
        let height = before.decided.as_ref().map_or(0, |it| it.height);
        fields.add(
            "before that",
            format!("at height {height}, {}", place(before)),
        );
    }
    for open in &case.open {
        fields.add("asked again", format!("{}, not decided", place(open)));
    }
    fields
}

fn place(evidence: &Evidence) -> String {
    let (item, operation) = (evidence.item, short(&evidence.operation));
    format!("item {item} of operation {operation}")
}

fn held_shown(held: &Held) -> String {
    let verdict = verdict_shown(held.verdict);
    match (held.needed, &held.result) {
        (Some(_), Some(result)) => format!("{verdict}: {} gave {}", held.given, short(result)),
        (Some(_), None) => format!("{verdict}: nobody of them gave a result"),
        (None, Some(result)) if held.verdict == Verdict::Confirmed => {
            format!("{verdict}: it decided for {}", short(result))
        }
        (None, _) => verdict.to_owned(),
    }
}

fn add_answers(fields: &mut Fields, decision: &Decision, builders: &Builders) {
    let mut silent: BTreeSet<NodeId> = decision.electors.iter().map(|it| it.node).collect();
    for answer in &decision.answers {
        let by: Vec<String> = answer
            .by
            .iter()
            .map(|key| builder_shown(key, builders))
            .collect();
        let is_ledgers = decision.result.as_ref() == Some(&answer.result);
        let mark = if is_ledgers {
            " (the ledger's result)"
        } else {
            ""
        };
        let result = &answer.result;
        fields.add("given", format!("{result} by {}{mark}", by.join(", ")));
        for key in &answer.by {
            silent.remove(key);
        }
    }
    let silent: Vec<String> = silent.iter().map(|key| shown(key, builders)).collect();
    fields.add("no answer", silent.join(", "));
}
