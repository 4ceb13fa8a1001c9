//! The report of a replay: text for people, or one JSON object for programs.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use mycnet_consensus::{Digest, NetworkId, Spore};
use schemars::JsonSchema;
use serde::Serialize;

use self::waves::Waves;
use super::Args;
use super::answers::{Answers, ratio};
use super::dissent::{self, Dispute, Dissent};
use super::late::{self, LateDissent};
use super::remarks;
use super::replayed::{Cost, Decision, Fall, Member, Replayed, Replica};
use super::within::Within;
use crate::terminal::{cut, padded, plain};

mod course;
mod waves;

/// Lines at either end of the table of skill.
const TABLE_LINES: usize = 5;

/// Room for a name in the table.
const NAME_ROOM: usize = 24;

/// A replay in figures, and the object of `--json`. Fields may be added, and none changes its meaning.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ReplayReport")]
pub(crate) struct Report {
    network: NetworkId,
    seed: u64,
    delivery_seed: u64,
    tasks_per_seal: u16,
    /// The most tasks of a claim set; `null` where each task was asked alone.
    set: Option<u16>,
    in_order: bool,
    /// How long a task waits for answers after the first of a wave; `null` where it waits for all.
    within_ms: Option<u64>,
    /// The share that a result had to exceed, in parts per million; 0 is the plurality.
    share_ppm: u32,
    tasks: usize,
    /// Tasks with a known true answer. Accuracies are over these.
    tasks_with_gold: usize,
    /// Tasks whose gold is no answer to anything, in their accuracy wrong.
    tasks_with_foreign_gold: usize,
    /// Tasks whose gold says that the truth is unknown. They are not judged.
    tasks_with_unknown_gold: usize,
    workers: usize,
    /// Answers that count.
    votes: usize,
    /// Answers beyond a worker's first one to a task.
    repeated_answers: usize,
    /// Incomplete lines that were left out.
    skipped_lines: usize,
    /// What people are told about the file on stderr.
    remarks: Vec<String>,
    decided: usize,
    no_quorum: usize,
    /// Tasks that were asked of one or two workers. They are decided, and nobody's skill moves.
    unscored: usize,
    /// Tasks of which no worker had skill left.
    not_asked: usize,
    /// 0..=1, `null` without gold. A task without a decision counts half.
    accuracy: Option<f64>,
    /// Accuracy of the plain majority, 0..=1, `null` without gold. Ties count half.
    majority_accuracy: Option<f64>,
    /// `null` where each task is asked once.
    waves: Option<Waves>,
    /// In the file's order.
    in_dispute: Vec<Dispute>,
    /// Workers whose answers differ from what was decided, the most first.
    dissent: Vec<Dissent>,
    /// Answers of later waves that differ from what was decided before; `null` where each task is asked once.
    late_dissent: Option<Vec<LateDissent>>,
    /// Times in which a member's skill was less than before; `null` without the file's order.
    falls: Option<Vec<Fall>>,
    /// Answers that equal one further up in the file; `null` without the file's order.
    copiable: Option<usize>,
    /// Lines at which the time goes back.
    time_restarts: Vec<u64>,
    cost: Cost,
    cost_per_answer: PerAnswer,
    records: u64,
    records_per_second: f64,
    elapsed_ms: u64,
    /// `null` where the platform does not tell.
    peak_memory_bytes: Option<u64>,
    /// The height of the first replica.
    height: u64,
    /// The state of the first replica.
    state_digest: Digest,
    replicas: Vec<Replica>,
    /// From most to least skilled.
    members: Vec<Member>,
}

/// The cost of an answer, to compare runs.
#[derive(Debug, Clone, Copy, JsonSchema, Serialize)]
struct PerAnswer {
    sealed_records: f64,
    sealed_bytes: f64,
    signatures: f64,
    elapsed_ms: f64,
}

impl PerAnswer {
    fn new(cost: &Cost, elapsed_ms: u64, votes: usize) -> Self {
        let per_answer = |total| ratio(total, votes.max(1) as u64);
        Self {
            sealed_records: per_answer(cost.sealed_records),
            sealed_bytes: per_answer(cost.sealed_bytes),
            signatures: per_answer(cost.signatures),
            elapsed_ms: per_answer(elapsed_ms),
        }
    }
}

impl Report {
    /// The report of a replay that took `elapsed`.
    pub(crate) fn new(
        answers: &Answers,
        args: &Args,
        replayed: Replayed,
        elapsed: Duration,
        peak_memory_bytes: Option<u64>,
    ) -> Self {
        let count = |wanted: fn(&Decision) -> bool| {
            let decisions = replayed.decisions.iter();
            decisions.filter(|decision| wanted(decision)).count()
        };
        let mut members = replayed.members;
        members.sort_by(|a, b| (b.skill_ppm, &a.name, a.node).cmp(&(a.skill_ppm, &b.name, b.node)));
        let asked = answers.tasks.iter().zip(&replayed.decisions);
        let asked = asked.filter(|(_, decision)| **decision != Decision::NotAsked);
        let unscored = asked.filter(|(task, _)| task.is_unscored()).count();
        let waited = replayed.timeline.as_ref();
        let waited = waited.filter(|_| args.within.is_some());
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Self {
            network: replayed.network,
            seed: args.seed,
            delivery_seed: args.delivery_seed,
            tasks_per_seal: args.tasks_per_seal,
            set: args.set,
            in_order: args.in_order,
            within_ms: args.within.map(Within::ms),
            share_ppm: args.share.ppm(),
            tasks: answers.tasks.len(),
            tasks_with_gold: answers.tasks_with_gold(),
            tasks_with_foreign_gold: answers.foreign_gold().len(),
            tasks_with_unknown_gold: answers.tasks_with_unknown_gold(),
            workers: answers.workers.len(),
            votes: answers.votes(),
            repeated_answers: answers.repeated,
            skipped_lines: answers.skipped.len(),
            remarks: remarks::of(answers),
            decided: count(|decision| matches!(decision, Decision::Decided(_))),
            no_quorum: count(|decision| matches!(decision, Decision::NoQuorum)),
            unscored,
            not_asked: count(|decision| matches!(decision, Decision::NotAsked)),
            accuracy: answers.accuracy(&replayed.decisions),
            majority_accuracy: answers.majority_accuracy(),
            waves: waited.map(|timeline| Waves::of(answers, timeline)),
            in_dispute: dissent::in_dispute(answers, &replayed.decisions),
            dissent: dissent::of(answers, &replayed.decisions, replayed.timeline.as_ref()),
            late_dissent: waited.map(|timeline| late::of(answers, timeline)),
            falls: replayed.timeline.map(|timeline| timeline.falls),
            copiable: args.in_order.then(|| answers.copiable()),
            time_restarts: answers.restarts.clone(),
            cost: replayed.cost,
            cost_per_answer: PerAnswer::new(&replayed.cost, elapsed_ms, answers.votes()),
            records: replayed.records,
            records_per_second: ratio(replayed.records.saturating_mul(1000), elapsed_ms.max(1)),
            elapsed_ms,
            peak_memory_bytes,
            height: replayed.replicas[0].height,
            state_digest: replayed.replicas[0].state_digest,
            replicas: replayed.replicas.to_vec(),
            members,
        }
    }

    /// Whether all replicas hold the same state at the same height, and the same documents.
    pub(crate) fn replicas_agree(&self) -> bool {
        let held = self.replicas.iter();
        let held = held.map(|r| (r.height, r.state_digest, r.documents_digest));
        held.collect::<BTreeSet<_>>().len() == 1
    }

    /// One JSON object and a newline.
    ///
    /// # Errors
    ///
    /// None: the keys of a report are strings, and its numbers are finite.
    pub(crate) fn json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    fn fmt_decisions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tasks, votes, workers) = (self.tasks, self.votes, self.workers);
        writeln!(f, "{tasks} tasks, {votes} answers of {workers} workers")?;
        if self.set.is_some() {
            let Cost {
                sets,
                largest_set,
                single_claims,
                ..
            } = self.cost;
            let text = format!("{sets} claim sets of up to {largest_set} tasks");
            writeln!(f, "asked in {text} and {single_claims} single claims")?;
        }
        if self.repeated_answers > 0 {
            let text = "answers left out: the worker had answered that task before";
            writeln!(f, "{} {text}", self.repeated_answers)?;
        }
        writeln!(f, "\ndecided    {:>7}", self.decided)?;
        writeln!(f, "no quorum  {:>7}", self.no_quorum)?;
        if self.not_asked > 0 {
            let text = "(none of its workers has skill left)";
            writeln!(f, "not asked  {:>7}  {text}", self.not_asked)?;
        }
        if let Some(waves) = self.waves {
            let (unscored, answers) = (waves.unscored, waves.unscored_answers);
            let text = "had fewer than three workers with weight: nobody's skill moves";
            writeln!(
                f,
                "waves      {:>7}  ({unscored} of them, with {answers} answers, {text})",
                waves.decided
            )?;
        } else if self.unscored > 0 {
            let text = "(of these tasks one or two workers were asked: nobody's skill moves)";
            writeln!(f, "unscored   {:>7}  {text}", self.unscored)?;
        }
        if let (Some(accuracy), Some(majority)) = (self.accuracy, self.majority_accuracy) {
            writeln!(f, "accuracy   {accuracy:>7.4}")?;
            writeln!(f, "majority   {majority:>7.4}  (plain, for comparison)")?;
            let (known, tasks) = (self.tasks_with_gold, self.tasks);
            writeln!(
                f,
                "Over {known} of {tasks} tasks, those whose true answer is known; no decision and ties count half."
            )?;
            let foreign = self.tasks_with_foreign_gold;
            if foreign > 0 {
                writeln!(
                    f,
                    "In {foreign} of them nothing can be right: nobody ever gave what is said to be the true answer."
                )?;
            }
        }
        Ok(())
    }

    /// The head and the tail of the table of skill, without authorities, who answer nothing here.
    fn fmt_skill(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.iter();
        let workers: Vec<&Member> = members.filter(|m| m.role == Spore::Latent).collect();
        let count = workers.len();
        writeln!(f, "\nSkill of the {count} workers, in parts per million:")?;
        for (index, worker) in workers.iter().enumerate() {
            if index < TABLE_LINES || count - index <= TABLE_LINES {
                fmt_worker(f, index + 1, worker)?;
            } else if index == TABLE_LINES {
                writeln!(f, "   … {} more", count - 2 * TABLE_LINES)?;
            }
        }
        Ok(())
    }

    fn fmt_run(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\n{} records in {}.{:03} s, {:.0} records/s",
            self.records,
            self.elapsed_ms / 1000,
            self.elapsed_ms % 1000,
            self.records_per_second
        )?;
        match self.peak_memory_bytes {
            Some(bytes) => writeln!(f, ", {} MB of memory at most", bytes.div_ceil(1_000_000))?,
            None => writeln!(f)?,
        }
        let each = &self.cost_per_answer;
        writeln!(
            f,
            "an answer costs {:.2} sealed records of {:.0} bytes in all, {:.2} signatures, {:.2} ms",
            each.sealed_records, each.sealed_bytes, each.signatures, each.elapsed_ms
        )?;
        writeln!(f, "height          {}", self.height)?;
        writeln!(f, "state digest    {}", self.state_digest)?;
        if self.replicas_agree() {
            writeln!(f, "documents       {}", self.replicas[0].documents_digest)?;
            return writeln!(f, "All {} replicas agree.", self.replicas.len());
        }
        writeln!(
            f,
            "THE REPLICAS DO NOT AGREE (seed {}, delivery seed {}, {} tasks per seal):",
            self.seed, self.delivery_seed, self.tasks_per_seal
        )?;
        for replica in &self.replicas {
            writeln!(
                f,
                "  {}: height {}, state {}, documents {}",
                shown(&replica.name),
                replica.height,
                replica.state_digest,
                replica.documents_digest
            )?;
        }
        Ok(())
    }
}

/// The report for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_decisions(f)?;
        if self.in_order || self.set.is_some() {
            self.fmt_disputes(f)?;
            self.fmt_dissent(f)?;
            self.fmt_late(f)?;
            self.fmt_order(f)?;
        }
        self.fmt_skill(f)?;
        self.fmt_run(f)
    }
}

fn fmt_worker(f: &mut fmt::Formatter<'_>, place: usize, member: &Member) -> fmt::Result {
    write!(
        f,
        "{place:>4}  {}  {:>7}  {:<9}",
        padded(&shown(&member.name), NAME_ROOM),
        member.skill_ppm,
        member.standing
    )?;
    let reasons = member.reasons.iter();
    let reasons = reasons.map(|r| format!("{} {} ({:+})", r.times, r.reason, r.skill_change_ppm));
    let reasons: Vec<String> = reasons.collect();
    let separator = if reasons.is_empty() { "" } else { "  " };
    writeln!(f, "{separator}{}", reasons.join(", "))
}

/// A name from a file, safe for a terminal and cut to the width of the table.
fn shown(name: &str) -> String {
    cut(&plain(name), NAME_ROOM).into_owned()
}

#[cfg(test)]
mod tests;
