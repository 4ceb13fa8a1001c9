//! `mycnet refound`: founding the network anew, where a third lies, is gone, or had captured it (F1 to F6).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use mycnet_consensus::core::{Backing, Plan, sign_endorsement};
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::{Digest, Signer as _, Spore};

use crate::arguments::{IdPrefix, NodeRef, duration, whole_ms};
use crate::client::{self, Client};
use crate::databases::open_store;
use crate::failure::{Failure, Kind};
use crate::files::read_bounded;
use crate::home::private::{is_there, make_private_directory, replace};
use crate::home::{Common, Home};
use crate::output::{Fields, note, short};
use crate::reply::{Keys, PlanShown, RefoundingShown};
use crate::request::Request;
use crate::warnings;

/// Bytes that the file of a plan has at most.
const PLAN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Found the network anew, where a third lies, is gone, or had captured it
///
/// Nothing that needs two thirds can mend the loss of a third. So those who go on
/// found a new network, which takes up the scores, roles, parameters and settings of
/// the old one as they were at some height, without those who are left out.
///
/// One member makes a plan (`plan`) and endorses it (`endorse`). The others see it
/// (`status`) and endorse it too. At more than two thirds of the new votes it comes
/// in force: each endorser's node goes on in the new network by itself, in the same
/// directory. The old ledger stays readable: `mycnet status --past NETWORK`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Plan(PlanArgs),
    Endorse(EndorseArgs),
    Status(StatusArgs),
    Abandon(AbandonArgs),
}

/// Make a plan, and show what it would lose. Nothing is signed
///
/// By itself it goes on from the last seal that is common to all that this node
/// holds, without those whose equivocation is proved, and without those of whom
/// nothing was heard for long. It tells who is left out, and what would be lost.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct PlanArgs {
    /// Go on from the seal of this height
    #[arg(long, value_name = "HEIGHT")]
    height: Option<u64>,

    /// Leave this member out; can be repeated
    #[arg(long, value_name = "NODE")]
    without: Vec<NodeRef>,

    /// Keep this member, however silent; can be repeated
    #[arg(long, value_name = "NODE")]
    with: Vec<NodeRef>,

    /// Leave out everybody of whom nothing was heard for so long: 12h, 3d, or seconds; a
    /// commit window unless given
    #[arg(long, value_name = "TIME", value_parser = duration, verbatim_doc_comment)]
    silent_for: Option<Duration>,

    /// Change a member's role: NODE=primary, NODE=seed or NODE=latent; can be repeated
    #[arg(long = "role", value_name = "NODE=ROLE", value_parser = role)]
    roles: Vec<(NodeRef, Spore)>,

    #[command(flatten)]
    common: Common,
}

/// Endorse a plan
///
/// The plan is one that this directory's `plan` has made, or that another member
/// endorses; its first 8 digits are enough. If more than two thirds of the new votes
/// endorse it, this node goes on in the new network by itself, unless a seal of the
/// old one was applied since: then endorse it once more.
///
/// Endorse one plan only. --replace takes another one that was endorsed before back.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct EndorseArgs {
    /// The plan
    plan: IdPrefix,

    /// Endorse it in the place of another plan
    #[arg(long)]
    replace: bool,

    /// Sign although this directory seems to be a copy
    #[arg(long)]
    from_copy: bool,

    #[command(flatten)]
    common: Common,
}

/// Show the plans that members endorse, and how far each is from being in force
#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    common: Common,
}

/// Take this node's endorsement back
#[derive(Debug, clap::Args)]
struct AbandonArgs {
    #[command(flatten)]
    common: Common,
}

fn role(text: &str) -> Result<(NodeRef, Spore), String> {
    let (node, role) = text
        .split_once('=')
        .ok_or("expected NODE=ROLE, as in ben=primary")?;
    let role = match role {
        "primary" => Spore::Primary,
        "seed" => Spore::Seed,
        "latent" => Spore::Latent,
        _ => return Err(format!("{role} is no role: primary, seed or latent")),
    };
    Ok((node.parse()?, role))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Plan(args) => plan(args),
        Command::Endorse(args) => endorse(args),
        Command::Status(args) => status(&args.common),
        Command::Abandon(args) => abandon(args),
    }
}

fn plan(args: &PlanArgs) -> anyhow::Result<()> {
    refuse_past(&args.common.home()?)?;
    let shown = client::with(&args.common, async |client| {
        let mut without = Vec::new();
        for node in &args.without {
            without.push(client.node(node).await?);
        }
        let mut with = Vec::new();
        for node in &args.with {
            with.push(client.node(node).await?);
        }
        let mut roles = Vec::new();
        for (node, role) in &args.roles {
            roles.push((client.node(node).await?, *role));
        }
        let shown: PlanShown = client
            .ask(Request::PlanRefounding {
                height: args.height,
                without,
                with,
                roles,
                silent_ms: args.silent_for.map(whole_ms),
            })
            .await?;
        keep(&client.home, &shown)?;
        Ok(shown)
    })?;
    let option = args.common.home()?.option();
    args.common.format.print(&shown, |shown| {
        let digits = short(&shown.digest);
        format!(
            "{}\nNothing is signed. Next: `mycnet refound endorse {digits}{option}`, on this node and on those of the others.",
            plan_text(shown)
        )
    })
}

fn plans_directory(home: &Home) -> PathBuf {
    home.path().join("plans")
}

/// Keeps a plan, so that it can be named by its digits.
fn keep(home: &Home, shown: &PlanShown) -> anyhow::Result<()> {
    let directory = plans_directory(home);
    if !is_there(&directory)? {
        make_private_directory(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let text = serde_json::to_vec_pretty(&shown.plan)?;
    replace(&directory.join(format!("{}.json", shown.digest)), &text)
}

/// The plans that this directory has made.
fn kept(home: &Home) -> anyhow::Result<Vec<Plan>> {
    let directory = plans_directory(home);
    if !is_there(&directory)? {
        return Ok(Vec::new());
    }
    let mut plans = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let read = read_bounded(&path, PLAN_BYTES_MAX).map_err(|error| error.to_string());
        let plan = read
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
        match plan {
            Ok(plan) => plans.push(plan),
            Err(error) => note(&format!("{} is no plan: {error}", path.display())),
        }
    }
    Ok(plans)
}

/// The plan that a person means: one of this directory, or one that somebody endorses.
async fn find(client: &Client, given: &IdPrefix) -> anyhow::Result<Plan> {
    let known: RefoundingShown = client.ask(Request::Refounding).await?;
    let mut plans = kept(&client.home)?;
    plans.extend(known.plans.into_iter().map(|shown| shown.plan));
    let mut meant: Vec<(Digest, Plan)> = plans
        .into_iter()
        .map(|plan| (plan.digest(), plan))
        .filter(|(digest, _)| digest.to_string().starts_with(&given.0))
        .collect();
    meant.sort_by_key(|(digest, _)| *digest);
    meant.dedup_by_key(|(digest, _)| *digest);
    match meant.len() {
        1 => Ok(meant.remove(0).1),
        0 => Err(Failure::failed(format!(
            "no plan begins with {}, as far as this node knows: `mycnet refound status` lists those that members endorse, \
             `mycnet refound plan` makes one",
            given.0
        ))
        .into()),
        _ => Err(Failure::usage(format!(
            "more than one plan begins with {}: give more digits",
            given.0
        ))
        .into()),
    }
}

fn endorse(args: &EndorseArgs) -> anyhow::Result<()> {
    let common = &args.common;
    let (shown, running) = client::with(common, async |client| {
        client.check_before_signing(args.from_copy).await?;
        let plan = Box::new(find(client, &args.plan).await?);
        let (is_sure, next) = (args.replace, by_next_key(client, args, &plan).await?);
        let request = Request::Endorse {
            plan,
            is_sure,
            next,
        };
        client.ask::<()>(request).await?;
        let shown: RefoundingShown = client.ask(Request::Refounding).await?;
        if shown.left_for.is_none() {
            client.note_unsent();
        }
        Ok((shown, client.is_running()))
    })?;
    settle(common, &shown, running)?;
    common.format.print(&shown, |shown| {
        let text = match shown.left_for {
            Some(network) => format!("The plan is in force: this node goes on in network {network}."),
            None => "Endorsed. Keep the node running: when enough others have endorsed it too, it goes on in the new network."
                .to_owned(),
        };
        format!("{}{text}", plans_text(shown))
    })
}

/// The endorsement by the next key, if it lies here and the plan puts it in the place of this node's.
async fn by_next_key(
    client: &Client,
    args: &EndorseArgs,
    plan: &Plan,
) -> anyhow::Result<Option<String>> {
    let Some(key) = client.home.next_key()? else {
        return Ok(None);
    };
    if plan.succeeded.iter().all(|it| it.by != key.node_id()) {
        return Ok(None);
    }
    // What this key has endorsed is held like all endorsements.
    let known: RefoundingShown = client.ask(Request::Refounding).await?;
    let mut others = known.plans.iter().filter(|it| it.plan != *plan);
    if !args.replace && others.any(|it| it.by.contains(&key.node_id())) {
        return Err(Failure::new(
            Kind::Refused,
            "the next key has endorsed another plan already: --replace says that this one takes its place",
        )
        .into());
    }
    let keys: Keys = client.ask(Request::Keys).await?;
    // The key is new: only this directory has it, and seconds grow.
    let attempt = if args.replace {
        u32::try_from(SystemClock.now_ms() / 1000).unwrap_or(u32::MAX)
    } else {
        0
    };
    let record = sign_endorsement(&key, keys.network, plan.clone(), attempt);
    Ok(Some(hex::encode(record.map_err(Failure::failed)?.encode())))
}

/// After a command without a running node: goes on in the new network at once.
fn settle(common: &Common, shown: &RefoundingShown, running: bool) -> anyhow::Result<()> {
    if shown.left_for.is_some() && !running {
        open_store(&common.home()?)?;
    }
    Ok(())
}

fn status(common: &Common) -> anyhow::Result<()> {
    let (shown, running) = client::with(common, async |client| {
        let shown: RefoundingShown = client.ask(Request::Refounding).await?;
        Ok((shown, client.is_running()))
    })?;
    settle(common, &shown, running)?;
    let option = common.home()?.option();
    common
        .format
        .print(&shown, |shown| status_text(shown, &option))
}

fn status_text(shown: &RefoundingShown, option: &str) -> String {
    let mut lines = Vec::new();
    lines.extend(shown.follows.as_ref().map(warnings::follows));
    for network in &shown.past {
        lines.push(format!(
            "This node has left network {network}: `mycnet status{option} --past {}` still reads it.",
            short(network)
        ));
    }
    if let Some(network) = shown.left_for {
        lines.push(format!("This node goes on in network {network}."));
    }
    if shown.plans.is_empty() && lines.is_empty() {
        lines.push("No member endorses a plan to found the network anew.".to_owned());
    }
    let text = format!("{}{}", plans_text(shown), lines.join("\n"));
    text.trim_end().to_owned()
}

fn abandon(args: &AbandonArgs) -> anyhow::Result<()> {
    let shown = client::with(&args.common, async |client| {
        client.ask::<()>(Request::AbandonRefounding).await?;
        client.note_unsent();
        client.ask::<RefoundingShown>(Request::Refounding).await
    })?;
    args.common.format.print(&shown, |_| {
        "This node endorses no plan any more. Who has counted its endorsement already may have gone on without it.".to_owned()
    })
}

fn plans_text(shown: &RefoundingShown) -> String {
    let mut text = String::new();
    for plan in &shown.plans {
        text.push_str(&plan_text(plan));
        if shown.endorsed == Some(plan.digest) {
            text.push_str(if shown.asks_again {
                "\nThis node endorsed it, but the old network has sealed something since: endorse it again to go on."
            } else {
                "\nThis node endorses it."
            });
        }
        text.push_str("\n\n");
    }
    text
}

fn backing_text(backing: &Backing) -> String {
    let Backing {
        votes,
        all_votes,
        sealers,
        all_sealers,
        ..
    } = backing;
    let enough = if backing.is_enough() {
        "enough"
    } else {
        "not enough: more than two thirds are needed"
    };
    format!(
        "{votes} of {all_votes} new votes and {sealers} of {all_sealers} sealers endorse it, {enough}"
    )
}

/// A plan, for people.
fn plan_text(shown: &PlanShown) -> String {
    let (plan, names) = (&shown.plan, &shown.names);
    let mut fields = Fields::default();
    fields.add("plan", shown.digest).add(
        "go on from",
        format!("height {}, seal {}", plan.height, short(&plan.seal)),
    );
    if !plan.without.is_empty() {
        fields.add("without", names.list(&plan.without));
    }
    for (node, role) in &plan.roles {
        fields.add("new role", format!("{}: {role}", names.shown(node)));
    }
    for succession in &plan.succeeded {
        let (by, old) = (short(&succession.by), names.shown(&succession.old));
        fields.add("new key", format!("{by} for {old}"));
    }
    if !shown.by.is_empty() {
        fields.add("endorsed by", names.list(&shown.by));
    }
    match &shown.outlook {
        Some(outlook) => {
            fields
                .add("network", outlook.network)
                .add("members", names.list(&outlook.members))
                .add("support", backing_text(&outlook.backing));
            let backing = &outlook.backing;
            if 2 * outlook.old_votes <= backing.all_old_votes {
                fields.add(
                    "SECESSION",
                    format!(
                        "its members have {} of {} old votes, not more than half",
                        outlook.old_votes, backing.all_old_votes
                    ),
                );
            } else if backing.is_enough() && backing.is_secession() {
                fields.add("SECESSION", warnings::secession(backing));
            }
            let losses = &outlook.losses;
            fields.add(
                "lost",
                format!(
                    "{} seals, {} decided operations; {} open operations end without outcome and can be proposed anew",
                    losses.seals, losses.decided, losses.open
                ),
            );
        }
        None => {
            fields.add(
                "network",
                "unknown: this node lacks the seal that the plan goes on from, or the plan does not apply to it",
            );
        }
    }
    for silent in &shown.silent {
        let (who, span) = (names.shown(&silent.node), warnings::span(silent.for_ms));
        let fate = if plan.without.contains(&silent.node) {
            "left out"
        } else {
            "not left out"
        };
        fields.add("silent", format!("{who}, not heard of for {span}: {fate}"));
    }
    fields.text()
}

/// Refuses what only a node of the present network can do.
pub(crate) fn refuse_past(home: &Home) -> anyhow::Result<()> {
    if !home.is_past() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        "this node has left the network that --past names: it only reads there",
    )
    .into())
}
