//! The answer of `check`, for people.

use std::collections::BTreeSet;

use mycnet_builds::{Builders, Case, Decision, Evidence, Held, Verdict};
use mycnet_consensus::NodeId;
use mycnet_consensus::engine::{Clock as _, SystemClock};

use super::{Checked, CheckedBuild};
use crate::builds::people::{builder_shown, shown};
use crate::output::{Fields, plain, short};
use crate::warnings;

/// Sets that are listed of those that asked the same before.
const BEFORE_SHOWN: usize = 3;

fn verdict_shown(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::NotEnough => "not enough",
        Verdict::InDispute => "IN DISPUTE",
        Verdict::Unknown => "unknown",
    }
}

pub(super) fn text(answer: &Checked, rules: &[String], builders: &Builders) -> String {
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
    let other = build.sha256.as_ref();
    let other = other.filter(|sha256| case.result.as_ref() != Some(*sha256));
    fields.add_some(
        if build.is_file {
            "the file has"
        } else {
            "looked for"
        },
        other,
    );
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
