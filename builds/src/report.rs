//! Who answered, who differed from whom in what: a summary of decided sets.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::core::{ItemLeaf, LeafOutcome, ShownOperation};
use mycnet_consensus::{NodeId, OperationId, Rejection};
use packageurl::PackageUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::builders::Builders;
use crate::evidence::{Answer, Decision, Evidence, Hex};
use crate::plan::canary_of;

/// Items with different results that are listed one by one. The others are counted.
const DISPUTES_MAX: usize = 10_000;

/// Packages that are listed one by one, those with most in dispute first.
const PACKAGES_MAX: usize = 10_000;

/// What decided sets say together.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Report {
    /// Sets that were decided.
    pub sets: usize,
    /// Their items.
    pub items: usize,
    /// Items for which the ledger has a result.
    pub decided: usize,
    /// Items to which nobody answered.
    pub unanswered: usize,
    /// Items for which different results were given, also if the ledger has one.
    pub in_dispute: usize,
    /// These items.
    pub disputes: Vec<Dispute>,
    /// Everybody who was asked.
    pub builders: Vec<BuilderLine>,
    /// What was built, by package.
    pub packages: Vec<PackageLine>,
}

/// An item for which different results were given.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Dispute {
    /// The set.
    pub operation: OperationId,
    /// The item's place in it, from 0.
    pub item: usize,
    /// The seal that decided it.
    pub height: u64,
    /// The item's subject.
    pub subject: String,
    /// The item's input.
    pub input: Hex,
    /// The ledger's result, if it has one.
    pub result: Option<Hex>,
    /// Who gave what.
    pub answers: Vec<Answer>,
}

/// How a builder did. Each number counts items.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct BuilderLine {
    /// The builder, by its present key.
    pub node: NodeId,
    /// What it was asked.
    pub asked: usize,
    /// What it answered, of these.
    pub answered: usize,
    /// What it did not answer.
    pub missing: usize,
    /// Answers that are the ledger's result.
    pub agreed: usize,
    /// Answers that are not the ledger's result.
    pub differed: usize,
    /// Answers that nobody else gave, where others gave other ones.
    pub alone: usize,
    /// Canaries that it was asked.
    pub canaries: usize,
    /// Canaries to which it gave the ledger's result.
    pub canaries_agreed: usize,
}

/// How a package did. Each number counts items.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct PackageLine {
    /// The package: a purl without version and what follows it, or a subject that is no purl.
    pub package: String,
    /// Its items.
    pub items: usize,
    /// Those for which the ledger has a result.
    pub decided: usize,
    /// Those for which different results were given.
    pub in_dispute: usize,
}

/// Makes a report of one set after the other.
#[derive(Debug)]
pub struct Reporter<'a> {
    known: &'a Builders,
    report: Report,
    builders: BTreeMap<NodeId, BuilderLine>,
    packages: BTreeMap<String, PackageLine>,
}

/// The package of a subject.
fn package_of(subject: &str) -> String {
    let subject = canary_of(subject).unwrap_or(subject);
    let Ok(purl) = subject.parse::<PackageUrl<'_>>() else {
        return subject.to_owned();
    };
    let namespace = purl.namespace().map(|it| format!("{it}/"));
    let namespace = namespace.unwrap_or_default();
    format!("pkg:{}/{namespace}{}", purl.ty(), purl.name())
}

impl<'a> Reporter<'a> {
    /// A report of nothing yet.
    pub fn new(known: &'a Builders) -> Self {
        Self {
            known,
            report: Report::default(),
            builders: BTreeMap::new(),
            packages: BTreeMap::new(),
        }
    }

    /// Adds a decided set; any other operation says nothing.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] if an answer is by nobody who was asked.
    pub fn add(&mut self, set: &ShownOperation<'_>) -> Result<(), Rejection> {
        if !matches!(set.leaf.decided, LeafOutcome::Items { .. }) {
            return Ok(());
        }
        self.report.sets += 1;
        for (place, leaf) in set.items.iter().enumerate() {
            if let Some(evidence) = Evidence::of(set, place)?
                && let Some(decision) = &evidence.decided
            {
                self.builders(leaf, decision);
                self.item(&evidence, decision);
            }
        }
        Ok(())
    }

    fn item(&mut self, evidence: &Evidence, decision: &Decision) {
        let is_in_dispute = decision.answers.len() > 1;
        let package = package_of(&evidence.subject);
        let line = self.packages.entry(package).or_default();
        line.items += 1;
        self.report.items += 1;
        if decision.result.is_some() {
            line.decided += 1;
            self.report.decided += 1;
        }
        if decision.answers.is_empty() {
            self.report.unanswered += 1;
        }
        if is_in_dispute {
            line.in_dispute += 1;
            self.report.in_dispute += 1;
            if self.report.disputes.len() < DISPUTES_MAX {
                self.report.disputes.push(Dispute {
                    operation: evidence.operation,
                    item: evidence.item,
                    height: decision.height,
                    subject: evidence.subject.clone(),
                    input: evidence.input.clone(),
                    result: decision.result.clone(),
                    answers: decision.answers.clone(),
                });
            }
        }
    }

    fn builders(&mut self, leaf: &ItemLeaf, decision: &Decision) {
        let is_canary = canary_of(&leaf.subject).is_some();
        let mut answers: BTreeMap<NodeId, &Answer> = BTreeMap::new();
        for answer in &decision.answers {
            let by = answer.by.iter();
            answers.extend(by.map(|key| (self.known.present(key), answer)));
        }
        let asked = decision.electors.iter();
        let asked: BTreeSet<NodeId> = asked.map(|it| self.known.present(&it.node)).collect();
        for node in asked {
            let none = || BuilderLine::none(node);
            let line = self.builders.entry(node).or_insert_with(none);
            line.asked += 1;
            line.canaries += usize::from(is_canary);
            let Some(answer) = answers.get(&node) else {
                line.missing += 1;
                continue;
            };
            line.answered += 1;
            let agreed = decision.result.as_ref() == Some(&answer.result);
            line.agreed += usize::from(agreed);
            line.canaries_agreed += usize::from(agreed && is_canary);
            line.differed += usize::from(!agreed && decision.result.is_some());
            let is_alone = answer.by.len() == 1 && answers.len() > 1;
            line.alone += usize::from(is_alone);
        }
    }

    /// The report: those who differed most first.
    pub fn report(self) -> Report {
        let mut report = self.report;
        report.builders = self.builders.into_values().collect();
        let unlike = |line: &BuilderLine| (line.differed, line.alone, line.missing);
        report
            .builders
            .sort_by_key(|line| (std::cmp::Reverse(unlike(line)), line.node));
        let packages = self.packages.into_iter();
        report.packages = packages
            .map(|(package, line)| PackageLine { package, ..line })
            .collect();
        report
            .packages
            .sort_by_key(|line| std::cmp::Reverse((line.in_dispute, line.items - line.decided)));
        report.packages.truncate(PACKAGES_MAX);
        report
    }
}

impl BuilderLine {
    fn none(node: NodeId) -> Self {
        Self {
            node,
            asked: 0,
            answered: 0,
            missing: 0,
            agreed: 0,
            differed: 0,
            alone: 0,
            canaries: 0,
            canaries_agreed: 0,
        }
    }
}

impl Report {
    /// Only what differs: disputes, the builders that differed, and their packages.
    #[must_use]
    pub fn of_dissent(mut self) -> Self {
        self.builders.retain(|it| it.differed > 0 || it.alone > 0);
        self.packages.retain(|it| it.in_dispute > 0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::with_mark;
    use crate::testing::{TestNetwork, hash, item};

    #[test]
    fn packages_are_without_versions() {
        let zsh = "pkg:deb/debian/zsh@5.9-8?arch=amd64";
        for (subject, package) in [
            (zsh, "pkg:deb/debian/zsh"),
            (&*with_mark(zsh), "pkg:deb/debian/zsh"),
            ("pkg:cargo/serde@1.0.0", "pkg:cargo/serde"),
            ("22.0/a.tar.gz", "22.0/a.tar.gz"),
            ("pkg:", "pkg:"),
        ] {
            assert_eq!(package_of(subject), package);
        }
    }

    #[tokio::test]
    async fn who_differed_from_whom_in_what() {
        let network = TestNetwork::new(5);
        let canary = with_mark("c");
        let subjects = [
            "b",
            "c",
            &canary,
            "pkg:deb/debian/a@1",
            "pkg:deb/debian/a@2",
        ];
        let items: Vec<_> = subjects.map(|it| item(it, b"")).to_vec();
        // Ada to eve: the first item scattered; to the second nobody answers; the canary is not built by eve; the fourth all alike;
        // the last with one who differs.
        let given = |builder: usize, item: usize| match (item, builder) {
            (0, 0..4) => Some(hash(&format!("of {builder}"))),
            (2 | 4, 0..4) | (3, _) => Some(hash("good")),
            (4, _) => Some(hash("bad")),
            _ => None,
        };
        let id = network.decide(items, given).await;
        let builders = Builders::of_founders(&network.genesis);
        let mut reporter = Reporter::new(&builders);
        let decided = network.engines[0].decided(&id).unwrap().unwrap();
        reporter.add(&decided.shown()).unwrap();
        let report = reporter.report();
        let numbers = (report.sets, report.items, report.decided);
        assert_eq!(numbers, (1, 5, 3));
        assert_eq!((report.unanswered, report.in_dispute), (1, 2));
        let disputes: Vec<_> = report.disputes.iter().map(|it| &*it.subject).collect();
        assert_eq!(disputes, ["b", "pkg:deb/debian/a@2"]);
        let eve = &report.builders[0];
        assert_eq!(builders.get(&eve.node).unwrap().name.as_str(), "eve");
        let seen = [
            eve.asked,
            eve.answered,
            eve.missing,
            eve.agreed,
            eve.differed,
        ];
        assert_eq!(seen, [5, 2, 3, 1, 1]);
        assert_eq!((eve.alone, eve.canaries, eve.canaries_agreed), (1, 1, 0));
        let ada = report.builders.last().unwrap();
        let seen = [
            ada.asked,
            ada.answered,
            ada.missing,
            ada.agreed,
            ada.differed,
        ];
        assert_eq!(seen, [5, 4, 1, 3, 0]);
        assert_eq!((ada.alone, ada.canaries, ada.canaries_agreed), (1, 1, 1));
        let package = report
            .packages
            .iter()
            .find(|it| it.package == "pkg:deb/debian/a");
        let expected = PackageLine {
            package: "pkg:deb/debian/a".into(),
            items: 2,
            decided: 2,
            in_dispute: 1,
        };
        assert_eq!(package, Some(&expected));
        let dissent = report.of_dissent();
        assert_eq!((dissent.builders.len(), dissent.packages.len()), (5, 2));
    }
}
