//! The figures as tables in Markdown, or as one JSON object.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::agreement::Decisions;
use super::devnet::Devnet;
use super::operations::{Operations, reckoned_s};

/// At most this part of what a decision of Malachite costs.
const DECISION_TARGET: f64 = 0.45;

/// Operations per second of a node's processor that ours should reach: members, open at once, rate. They are what was once reckoned
/// for Malachite, while a bare check took [`CHECK_THEN_S`].
const RATES: [(usize, usize, f64); 6] = [
    (4, 1, 515.0),
    (4, 10, 1_634.0),
    (4, 60, 2_049.0),
    (16, 1, 154.0),
    (16, 10, 479.0),
    (16, 60, 595.0),
];

const CHECK_THEN_S: f64 = 47.3e-6;

/// All figures of one run.
#[derive(Debug, Default)]
pub struct Report {
    /// One decision, by the number of members.
    pub decisions: Vec<Decisions>,
    /// Operations, by the number of members and of those open at once.
    pub operations: Vec<Operations>,
    /// Real nodes, if they were measured.
    pub devnets: Vec<Devnet>,
    /// The load of the machine at the beginning, as Linux tells it.
    pub load: String,
}

/// Rates to compare one of ours with.
struct Rates {
    ours: f64,
    target: Option<f64>,
    malachite: Option<f64>,
    aleph: Option<f64>,
}

impl Report {
    fn rates(&self, operations: &Operations) -> Rates {
        let mut decisions = self.decisions.iter();
        let decisions = decisions.find(|it| it.members == operations.members);
        let reckoned = |decision_s: f64| 1.0 / reckoned_s(operations, decision_s);
        let (members, open) = (operations.members, operations.open);
        let mut targets = RATES.iter();
        let target = targets.find(|(n, k, _)| (*n, *k) == (members, open));
        Rates {
            ours: 1.0 / operations.ours_s,
            target: target.map(|(_, _, rate)| rate * CHECK_THEN_S / operations.check_s),
            malachite: decisions.map(|it| reckoned(it.malachite_s)),
            aleph: decisions.map(|it| reckoned(it.aleph_s)),
        }
    }

    /// The tables.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        if !self.load.is_empty() {
            writeln!(to, "Load at the beginning: {}.\n", self.load)?;
        }
        self.write_decisions(to)?;
        self.write_operations(to)?;
        self.write_devnets(to)
    }

    fn write_decisions(&self, to: &mut String) -> std::fmt::Result {
        if self.decisions.is_empty() {
            return Ok(());
        }
        let target = DECISION_TARGET;
        writeln!(
            to,
            "One decision, µs of each node's processor:\n\n\
             | members | `verify_strict` of 2 n + 1 | ours | Malachite | aleph-bft, a round | ours to Malachite (target <= {target}) | ours to aleph-bft |\n\
             |---|---|---|---|---|---|---|"
        )?;
        for it in &self.decisions {
            let ratio = it.ours_s / it.malachite_s;
            writeln!(
                to,
                "| {} | {} | {} | {} | {} | {ratio:.2}{} | {:.2} |",
                it.members,
                micros(it.bare_s),
                micros(it.ours_s),
                micros(it.malachite_s),
                micros(it.aleph_s),
                missed(ratio <= target),
                it.ours_s / it.aleph_s,
            )?;
        }
        writeln!(to)
    }

    fn write_operations(&self, to: &mut String) -> std::fmt::Result {
        if self.operations.is_empty() {
            return Ok(());
        }
        writeln!(
            to,
            "Operations per second of each node's processor; messages, bytes and seals for each operation, the first two of each node:\n\n\
             | members | open at once | `verify_strict`, µs | ours | target | Malachite, reckoned | aleph-bft, reckoned | ours to Malachite, to aleph-bft | messages | bytes | seals |\n\
             |---|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for it in &self.operations {
            let rates = self.rates(it);
            let ratio = |to: Option<f64>| rounded(to.map(|to| rates.ours / to), 2);
            writeln!(
                to,
                "| {} | {} | {:.1} | {:.0} | {}{} | {} | {} | {}, {} | {:.1} | {:.0} | {:.2} |",
                it.members,
                it.open,
                it.check_s * 1e6,
                rates.ours,
                rounded(rates.target, 0),
                missed(rates.target.is_none_or(|target| rates.ours >= target)),
                rounded(rates.malachite, 0),
                rounded(rates.aleph, 0),
                ratio(rates.malachite),
                ratio(rates.aleph),
                it.messages,
                it.bytes,
                it.seals,
            )?;
        }
        writeln!(to)
    }

    fn write_devnets(&self, to: &mut String) -> std::fmt::Result {
        if self.devnets.is_empty() {
            return Ok(());
        }
        writeln!(
            to,
            "Real nodes on this machine, one claim after the other (`mycnet devnet`), for each claim and node:\n\n\
             | members | messages | bytes | seals | syncs | final, p50 and p99 |\n\
             |---|---|---|---|---|---|"
        )?;
        for it in &self.devnets {
            writeln!(
                to,
                "| {} | {:.1} | {:.0} | {:.1} | {:.1} | {:.0}, {:.0} ms |",
                it.members,
                it.messages,
                it.bytes,
                it.seals,
                it.syncs,
                it.final_p50_ms,
                it.final_p99_ms,
            )?;
        }
        writeln!(to)
    }

    /// The same figures for programs. Times are in seconds.
    pub fn json(&self) -> Value {
        let decisions = self.decisions.iter().map(|it| {
            json!({
                "members": it.members,
                "check_s": it.check_s,
                "bare_s": it.bare_s,
                "ours_s": it.ours_s,
                "malachite_s": it.malachite_s,
                "aleph_s": it.aleph_s,
            })
        });
        let operations = self.operations.iter().map(|it| {
            let rates = self.rates(it);
            json!({
                "members": it.members,
                "open": it.open,
                "check_s": it.check_s,
                "ours_per_s": rates.ours,
                "target_per_s": rates.target,
                "malachite_per_s": rates.malachite,
                "aleph_per_s": rates.aleph,
                "messages": it.messages,
                "bytes": it.bytes,
                "seals": it.seals,
            })
        });
        let devnets = self.devnets.iter().map(|it| {
            json!({
                "members": it.members,
                "messages": it.messages,
                "bytes": it.bytes,
                "seals": it.seals,
                "syncs": it.syncs,
                "final_p50_ms": it.final_p50_ms,
                "final_p99_ms": it.final_p99_ms,
            })
        });
        json!({
            "load": self.load,
            "decisions": decisions.collect::<Vec<_>>(),
            "operations": operations.collect::<Vec<_>>(),
            "devnets": devnets.collect::<Vec<_>>(),
        })
    }
}

fn micros(seconds: f64) -> String {
    format!("{:.0}", seconds * 1e6)
}

fn missed(is_met: bool) -> &'static str {
    if is_met { "" } else { ", missed" }
}

fn rounded(figure: Option<f64>, places: usize) -> String {
    figure.map_or("-".to_owned(), |figure| format!("{figure:.places$}"))
}
