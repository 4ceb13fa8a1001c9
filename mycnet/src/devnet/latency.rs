//! Claims one after another, and how long they take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use mycnet_consensus::node::Work;
use mycnet_consensus::{Ballot, OperationId, Outcome};
use mycnet_replay::terminal::progress;
use schemars::JsonSchema;
use serde::Serialize;

use super::events::now;
use super::network::{DEADLINE, Member, Network, name};
use super::voter::claim;

/// The size of a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Claims in all.
    pub(super) operations: usize,
    /// The number of claims at a time that are not yet final at their proposers.
    pub(super) in_flight: usize,
}

/// The median and the 99th percentile, in milliseconds.
#[derive(Debug, Clone, Copy, JsonSchema, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// How long claims took from their proposal on.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub(super) struct Latency {
    pub(super) operations: usize,
    pub(super) in_flight: usize,
    /// Until the proposer knew the outcome.
    pub(super) tallied_ms: Quantiles,
    /// Until the proposer had the seal that makes the outcome final.
    pub(super) final_ms: Quantiles,
    /// Until every node had that seal.
    pub(super) everywhere_ms: Quantiles,
    /// Over the whole load.
    pub(super) operations_per_second: f64,
    /// Heights sealed meanwhile, per claim.
    pub(super) seals_per_operation: f64,
    /// What each node of this process did meanwhile, on average.
    pub(super) each_node: PerOperation,
}

/// What a node does for one claim.
#[derive(Debug, Clone, Copy, Default, JsonSchema, Serialize)]
pub(super) struct PerOperation {
    /// Syncs of its disk.
    pub(super) syncs: f64,
    /// Messages that it sends, to one peer each.
    pub(super) messages: f64,
    /// The approximate bytes of these messages.
    pub(super) message_bytes: f64,
}

/// A claim that was proposed.
struct Asked {
    proposer: usize,
    at: Instant,
    answer: Vec<u8>,
}

/// Lets `proposers` propose claims in turn, and measures.
pub(super) async fn measure(
    network: &mut Network,
    load: Load,
    proposers: &[usize],
) -> anyhow::Result<Latency> {
    let bar = progress(load.operations, "claims final");
    let mut asked: BTreeMap<OperationId, Asked> = BTreeMap::new();
    let mut open = Vec::new();
    let (before, work) = (height(network), work(network));
    let begun = now();
    while asked.len() < load.operations || !open.is_empty() {
        while asked.len() < load.operations && open.len() < load.in_flight {
            let number = asked.len();
            let (id, question) = ask(network, number, proposers[number % proposers.len()]).await?;
            open.push((id, question.proposer));
            asked.insert(id, question);
        }
        let heard = tokio::time::timeout(DEADLINE, network.next()).await;
        heard.with_context(|| format!("no node told anything for {DEADLINE:?}"))?;
        open.retain(|(id, proposer)| {
            let known = network.progress.operation(id);
            known
                .and_then(|known| known.decided_at(*proposer))
                .is_none()
        });
        let is_late = |id: &OperationId| asked[id].at.elapsed() > DEADLINE;
        let is_late = open.iter().any(|(id, _)| is_late(id));
        ensure!(!is_late, "a claim was not decided within {DEADLINE:?}");
        bar.set_position((asked.len() - open.len()) as u64);
    }
    let taken = now() - begun;
    let nodes = network.running();
    let all_final = |network: &Network| {
        let mut all = asked.keys();
        all.all(|id| network.progress.is_final(id, &nodes))
    };
    network
        .until("all claims to be final everywhere", all_final)
        .await?;
    let seals = height(network).saturating_sub(before);
    let each_node = per_operation(&work, &self::work(network), asked.len());
    bar.finish_and_clear();
    let mut latency = latency(network, load, &asked, &nodes, taken, seals)?;
    latency.each_node = each_node;
    Ok(latency)
}

fn work(network: &Network) -> Vec<Work> {
    let members = network.members.iter();
    members.filter_map(Member::work).collect()
}

#[allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "averages for people"
)]
fn per_operation(before: &[Work], after: &[Work], operations: usize) -> PerOperation {
    let of = |count: fn(&Work) -> u64| {
        let sum = |all: &[Work]| all.iter().map(count).sum::<u64>();
        let done = sum(after).saturating_sub(sum(before)) as f64;
        rounded(done / (operations.max(1) * after.len().max(1)) as f64)
    };
    PerOperation {
        syncs: of(|work| work.syncs),
        messages: of(|work| work.messages),
        message_bytes: of(|work| work.message_bytes),
    }
}

fn height(network: &Network) -> u64 {
    network.progress.position(0).map_or(0, |(height, _)| height)
}

async fn ask(
    network: &Network,
    number: usize,
    proposer: usize,
) -> anyhow::Result<(OperationId, Asked)> {
    let factor = number as u64;
    let answer = (factor * factor).to_string().into_bytes();
    let engine = network.engine(proposer)?;
    let at = now();
    let id = engine
        .propose_claim(claim(factor, factor), answer.clone())
        .await
        .with_context(|| format!("{} proposes claim {number}", name(proposer)))?;
    let question = Asked {
        proposer,
        at,
        answer,
    };
    Ok((id, question))
}

fn latency(
    network: &Network,
    load: Load,
    asked: &BTreeMap<OperationId, Asked>,
    nodes: &[usize],
    taken: Duration,
    seals: u64,
) -> anyhow::Result<Latency> {
    let (mut tallied, mut decided, mut everywhere) = (Vec::new(), Vec::new(), Vec::new());
    for (id, question) in asked {
        let known = network.progress.operation(id);
        let known = known.context("an operation is lost")?;
        let expected = Outcome::Decided(Ballot::Result(question.answer.clone()));
        ensure!(
            known.outcome() == Some(&expected),
            "expected {expected} for {id}, found {:?}",
            known.outcome()
        );
        let proposer = question.proposer;
        tallied.extend(known.tallied_at(proposer).map(|at| at - question.at));
        decided.extend(known.decided_at(proposer).map(|at| at - question.at));
        let last = nodes
            .iter()
            .filter_map(|node| known.decided_at(*node))
            .max();
        everywhere.extend(last.map(|at| at - question.at));
    }
    #[allow(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "rates for people; nothing is decided by them"
    )]
    let (rate, seals) = (
        rounded(asked.len() as f64 / taken.as_secs_f64()),
        rounded(seals as f64 / asked.len().max(1) as f64),
    );
    Ok(Latency {
        operations: load.operations,
        in_flight: load.in_flight,
        tallied_ms: quantiles(tallied),
        final_ms: quantiles(decided),
        everywhere_ms: quantiles(everywhere),
        operations_per_second: rate,
        seals_per_operation: seals,
        each_node: PerOperation::default(),
    })
}

fn quantiles(mut all: Vec<Duration>) -> Quantiles {
    all.sort_unstable();
    Quantiles {
        p50: ms(nearest_rank(&all, 50)),
        p99: ms(nearest_rank(&all, 99)),
    }
}

/// The nearest-rank percentile: the smallest value that at least `percent` per cent are not above.
fn nearest_rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    let value = sorted.get(rank.saturating_sub(1));
    value.copied().unwrap_or_default()
}

#[allow(clippy::float_arithmetic, reason = "milliseconds for people")]
fn ms(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1000.0)
}

#[allow(clippy::float_arithmetic, reason = "figures for people")]
fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let all: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let found = quantiles(all);
        assert_eq!(found.p50.to_string(), "100");
        assert_eq!(found.p99.to_string(), "198");
        let one = quantiles(vec![Duration::from_micros(1_260)]);
        assert_eq!(
            (one.p50.to_string(), one.p99.to_string()),
            ("1.3".into(), "1.3".into())
        );
        assert_eq!(quantiles(Vec::new()).p99.to_string(), "0");
    }
}
