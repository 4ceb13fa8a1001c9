//! Whether a build is confirmed, under a user's own policy.
//!
//! Sets that asked about the same subject and input are one *case*, and the one that was decided last counts. Different inputs are
//! different builds, so each is a case of its own.
//!
//! | of a case | when |
//! |---|---|
//! | [`Verdict::Confirmed`] | every rule of the policy holds for the same result, which is the expected one if one is expected |
//! | [`Verdict::InDispute`] | a rule holds for two results or another one than expected, or two rules for different ones; or none holds, and those whom it counts differ from one another or from what is expected |
//! | [`Verdict::NotEnough`] | any other case, and one that is not decided yet |
//!
//! A single member that differs does not take back what enough others confirm: else any of them could stop everybody's updates. It is
//! shown. Of several cases, with a result that is expected one that confirms it is enough, and then a dispute weighs more than a
//! lack. Without one, a dispute in any case weighs most. Without a case, the verdict is [`Verdict::Unknown`].

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::NodeId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::builders::Builders;
use crate::evidence::{Decision, Evidence, Found, Hex, Question};
use crate::policy::{Resolved, Rule};

/// Whether a build is confirmed. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BuildVerdict")]
pub enum Verdict {
    /// Those whose word is enough gave the same result.
    Confirmed,
    /// Too few of them did, and nobody of them gave another.
    NotEnough,
    /// No set asked about it.
    Unknown,
    /// They gave different results, or not the one that is expected.
    InDispute,
}

/// What is known about a build, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Judged {
    /// Whether it is confirmed.
    pub verdict: Verdict,
    /// Each input for which sets asked about it.
    pub cases: Vec<Case>,
    /// Other subjects for which somebody gave the result, if nobody asked about this one.
    pub known_as: Vec<String>,
}

/// A subject with one input.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Case {
    /// Whether it is confirmed.
    pub verdict: Verdict,
    /// The confirmed result.
    pub result: Option<Hex>,
    /// What each rule of the policy says, in their order.
    pub rules: Vec<Held>,
    /// The set that counts: the one that was decided last.
    pub counts: Evidence,
    /// Sets that asked the same and were decided before, the latest first.
    pub before: Vec<Evidence>,
    /// Sets that ask the same and are open.
    pub open: Vec<Evidence>,
}

/// What one rule of a policy says.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Held {
    /// Whether it holds.
    pub verdict: Verdict,
    /// The result that it confirms, or that most of those gave whom it counts.
    pub result: Option<Hex>,
    /// How many of those gave it.
    pub given: usize,
    /// How many have to; `None` for the ledger's verdict.
    pub needed: Option<usize>,
}

/// Judges what was found about a question.
pub fn judge(question: &Question, found: Found, policy: &Resolved, builders: &Builders) -> Judged {
    let mut about: BTreeMap<(String, Hex), Vec<Evidence>> = BTreeMap::new();
    for evidence in found.about {
        let key = (evidence.subject.clone(), evidence.input.clone());
        about.entry(key).or_default().push(evidence);
    }
    let expected = question.result.as_ref();
    let cases = about.into_values();
    let cases: Vec<Case> = cases
        .filter_map(|sets| case(sets, expected, policy, builders))
        .collect();
    let has = |verdict| cases.iter().any(|case| case.verdict == verdict);
    let order = match expected {
        Some(_) => [Verdict::Confirmed, Verdict::InDispute],
        None => [Verdict::InDispute, Verdict::Confirmed],
    };
    let verdict = match order.into_iter().find(|verdict| has(*verdict)) {
        Some(verdict) => verdict,
        None if cases.is_empty() => Verdict::Unknown,
        None => Verdict::NotEnough,
    };
    Judged {
        verdict,
        cases,
        known_as: found.known_as,
    }
}

fn case(
    mut sets: Vec<Evidence>,
    expected: Option<&Hex>,
    policy: &Resolved,
    builders: &Builders,
) -> Option<Case> {
    sets.sort_by_key(Evidence::order);
    let decided = sets.iter().take_while(|set| set.decided.is_some()).count();
    let mut open = sets.split_off(decided);
    let counts = match sets.pop() {
        Some(last) => last,
        None if open.is_empty() => return None,
        None => open.remove(0),
    };
    sets.reverse();
    let rules: Vec<Held> = match &counts.decided {
        Some(decision) => {
            let counting = Counting::new(decision, builders);
            let rules = policy.0.iter();
            rules.map(|rule| counting.held(rule, expected)).collect()
        }
        None => policy.0.iter().map(Held::undecided).collect(),
    };
    let (verdict, result) = together(&rules);
    Some(Case {
        verdict,
        result,
        rules,
        counts,
        before: sets,
        open,
    })
}

/// What all rules say together, and the result that they confirm.
fn together(rules: &[Held]) -> (Verdict, Option<Hex>) {
    let worst = rules.iter().map(|rule| rule.verdict).max();
    let confirm = |rule: &&Held| rule.verdict == Verdict::Confirmed;
    let confirmed = rules.iter().filter(confirm).map(|rule| &rule.result);
    let confirmed: BTreeSet<_> = confirmed.collect();
    match worst {
        _ if confirmed.len() > 1 => (Verdict::InDispute, None),
        Some(Verdict::Confirmed) => {
            let result = confirmed.into_iter().next();
            (Verdict::Confirmed, result.cloned().flatten())
        }
        Some(verdict) => (verdict, None),
        None => (Verdict::NotEnough, None),
    }
}

impl Held {
    /// A rule before the decision.
    fn undecided<M>(rule: &Rule<M>) -> Self {
        Self {
            verdict: Verdict::NotEnough,
            result: None,
            given: 0,
            needed: needed(rule),
        }
    }
}

fn needed<M>(rule: &Rule<M>) -> Option<usize> {
    match rule {
        Rule::Of(least, _) | Rule::OfAny(least) => Some(*least),
        Rule::Ledger => None,
    }
}

/// Who gave which result, by present keys, without banned members.
struct Counting<'a> {
    decision: &'a Decision,
    given: BTreeMap<&'a Hex, BTreeSet<NodeId>>,
    /// Those who had weight.
    weighted: BTreeSet<NodeId>,
}

impl<'a> Counting<'a> {
    fn new(decision: &'a Decision, builders: &Builders) -> Self {
        let mut given: BTreeMap<&Hex, BTreeSet<NodeId>> = BTreeMap::new();
        for answer in &decision.answers {
            let by = answer.by.iter().filter(|key| !builders.is_banned(key));
            let by = by.map(|key| builders.present(key));
            given.entry(&answer.result).or_default().extend(by);
        }
        let weighted = decision.electors.iter().filter(|it| it.weight > 0);
        Self {
            decision,
            given,
            weighted: weighted.map(|it| builders.present(&it.node)).collect(),
        }
    }

    /// How many gave which result, of those who count.
    fn counts(&self, is_counted: impl Fn(&NodeId) -> bool) -> BTreeMap<&'a Hex, usize> {
        let given = self.given.iter();
        let counts =
            given.map(|(result, by)| (*result, by.iter().filter(|it| is_counted(it)).count()));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn held(&self, rule: &Rule<NodeId>, expected: Option<&Hex>) -> Held {
        let counts = match rule {
            Rule::Of(_, members) => self.counts(|node| members.contains(node)),
            Rule::OfAny(_) | Rule::Ledger => self.counts(|node| self.weighted.contains(node)),
        };
        let reached: Vec<&Hex> = match rule {
            Rule::Of(least, _) | Rule::OfAny(least) => {
                let reached = counts.iter().filter(|(_, count)| **count >= *least);
                reached.map(|(result, _)| *result).collect()
            }
            Rule::Ledger => self.decision.result.iter().collect(),
        };
        let is_other = |result: &Hex| expected.is_some_and(|expected| expected != result);
        let verdict = match reached[..] {
            [result] if !is_other(result) => Verdict::Confirmed,
            [] if counts.len() < 2 && !counts.keys().any(|it| is_other(it)) => Verdict::NotEnough,
            _ => Verdict::InDispute,
        };
        let most = counts.iter().max_by_key(|(_, count)| **count);
        let result = match reached[..] {
            [result] => Some(result),
            _ => most.map(|(result, _)| *result),
        };
        Held {
            verdict,
            given: result.and_then(|it| counts.get(it)).copied().unwrap_or(0),
            result: result.cloned(),
            needed: needed(rule),
        }
    }
}

#[cfg(test)]
mod tests;
