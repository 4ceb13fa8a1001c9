//! Watches a schedule: the oracle and a second ledger apply every seal that an honest host applies,
//! and all must agree. Each [`Violation`] names the broken property.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::{NodeId, OperationId, RecordId, SealId};
use crate::base::limits::TRUST_MAX_PPM;
use crate::core::Core;
use crate::ledger::{Applied, Ledger};
use crate::members::sealers::Sealers;
use crate::sim::oracle::{Oracle, Refounded};
use crate::sim::projection::Projection;
use crate::sim::view::View;
use crate::statement::genesis::Genesis;
use crate::statement::operation::{Ballot, Outcome};
use crate::statement::record::{Record, Signed, Statement, Verified, Verifier};
use crate::statement::seal::SealedBlock;

/// A broken property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: `s_agree`, `p_agree`, `p_copy`, `p_mono`, `p_live`, `t_range`, `oracle`, `innocent` (an honest member was
    /// banned or blamed), `journal` (an honest host took its journal for lost) or `restore`; of a founding anew `founding` (the genesis is not as the
    /// rules say), `r_same`, `r_guard`,
    /// `r_live` (it came to no end), `one_network` (the honest ones went to several) or `r_without` (it took a convict along).
    pub property: &'static str,
    /// What the checker saw.
    pub text: String,
}

/// How an oracle applies a block; tests pass a broken function.
pub type OracleApply =
    fn(&mut Oracle, &crate::statement::record::Seal, &[Record]) -> Result<(), String>;

/// The checker of one schedule.
#[derive(Debug)]
pub struct Checker {
    ledger: Ledger,
    projection: Projection,
    verifier: Verifier,
    oracle: Oracle,
    oracle_apply: OracleApply,
    /// The ids of the seals, by height.
    seals: Vec<SealId>,
    views: Vec<View>,
    liars: BTreeSet<NodeId>,
    /// Counts signatures, to order commits and reveals.
    clock: u64,
    commits_made: BTreeMap<RecordId, u64>,
    first_reveal: BTreeMap<OperationId, u64>,
    frozen: BTreeMap<OperationId, Vec<RecordId>>,
    tallied: BTreeMap<OperationId, Outcome>,
    /// The outcomes, and whether sealed reveals decided them (and not a forfeit).
    decided: BTreeMap<OperationId, (Outcome, bool)>,
    operations: u64,
    assumption_lost: Option<u64>,
    violations: Vec<Violation>,
}

impl Checker {
    /// A checker at the genesis. `liars` are expected to break rules.
    #[must_use]
    pub fn new(genesis: &Genesis, liars: BTreeSet<NodeId>, oracle_apply: OracleApply) -> Self {
        Self::with_oracle(genesis, Oracle::new(genesis), liars, oracle_apply)
    }

    /// A checker at the genesis of a network that follows another.
    #[must_use]
    pub fn following(
        genesis: &Genesis,
        rules: &Refounded,
        liars: BTreeSet<NodeId>,
        oracle_apply: OracleApply,
    ) -> Self {
        Self::with_oracle(genesis, rules.oracle().clone(), liars, oracle_apply)
    }

    fn with_oracle(
        genesis: &Genesis,
        oracle: Oracle,
        liars: BTreeSet<NodeId>,
        oracle_apply: OracleApply,
    ) -> Self {
        let ledger = Ledger::new(genesis);
        let projection = Projection::default();
        let mut verifier = Verifier::new(genesis.network_id());
        for member in &genesis.members {
            verifier
                .add_author(member.node)
                .expect("a genesis has usable keys");
        }
        let mut checker = Self {
            seals: vec![ledger.state().seal()],
            views: vec![projection.view(&ledger)],
            ledger,
            projection,
            verifier,
            oracle,
            oracle_apply,
            liars,
            clock: 0,
            commits_made: BTreeMap::new(),
            first_reveal: BTreeMap::new(),
            frozen: BTreeMap::new(),
            tallied: BTreeMap::new(),
            decided: BTreeMap::new(),
            operations: 0,
            assumption_lost: None,
            violations: Vec::new(),
        };
        checker.compare_with_oracle();
        checker.judge_assumption();
        checker
    }

    /// Counts a node as dishonest from now on.
    pub fn distrust(&mut self, node: NodeId) {
        self.liars.insert(node);
        self.judge_assumption();
    }

    /// Notes a broken property.
    pub fn report(&mut self, property: &'static str, text: String) {
        // One cause often breaks the same property many times.
        if self
            .violations
            .iter()
            .filter(|v| v.property == property)
            .count()
            < 3
        {
            self.violations.push(Violation { property, text });
        }
    }

    /// Notes that a record was signed.
    pub fn signed(&mut self, record: &Record, is_honest: bool) {
        self.clock += 1;
        match &record.body.what {
            Statement::Commit { .. } => {
                let clock = self.clock;
                self.commits_made.entry(record.body.id()).or_insert(clock);
            }
            Statement::Reveal { operation, .. } if is_honest => {
                let clock = self.clock;
                self.first_reveal.entry(*operation).or_insert(clock);
            }
            _ => {}
        }
    }

    /// An honest host applied a block.
    pub fn sealed(&mut self, host: usize, block: &SealedBlock, applied: &Applied) {
        let (height, id) = (block.seal.height, block.seal.id());
        let place = usize::try_from(height).unwrap_or(usize::MAX);
        if let Some(known) = self.seals.get(place) {
            if *known != id {
                self.report(
                    "s_agree",
                    format!("host {host} applied another seal at height {height}"),
                );
            }
        } else if place == self.seals.len() {
            self.apply(host, block);
        }
        self.judge_outcomes(host, applied);
        self.judge_trust(host, applied);
    }

    fn apply(&mut self, host: usize, block: &SealedBlock) {
        let height = block.seal.height;
        if let Err(error) = (self.oracle_apply)(&mut self.oracle, &block.seal, &block.records) {
            self.report(
                "oracle",
                format!("height {height}: the oracle refuses: {error}"),
            );
        }
        match self.replay(block) {
            Ok(applied) => {
                self.projection.note(&applied);
                self.operations += applied.opened.len() as u64;
                self.note_frozen(&applied);
            }
            Err(error) => {
                self.report(
                    "oracle",
                    format!("host {host} applied what nobody else would: {error}"),
                );
            }
        }
        self.seals.push(block.seal.id());
        self.views.push(self.projection.view(&self.ledger));
        self.compare_with_oracle();
        self.judge_assumption();
        self.judge_innocence();
    }

    /// The sealers of a height, as they were then: later events do not change who was responsible.
    #[must_use]
    pub fn sealers_of(&self, height: u64) -> Sealers {
        let before = usize::try_from(height.saturating_sub(1)).unwrap_or(usize::MAX);
        let view = self.views.get(before).or(self.views.last());
        let sealers = view.map(|view| view.sealers.iter());
        let sealers = sealers.into_iter().flatten();
        Sealers::new(sealers.copied().collect())
    }

    fn replay(
        &mut self,
        block: &SealedBlock,
    ) -> Result<Applied, crate::base::rejection::Rejection> {
        let mut records: Vec<Verified> = Vec::new();
        for record in &block.records {
            records.push(self.verifier.verify(Signed::try_from(record.clone())?)?);
        }
        let draft = self.ledger.check(&block.seal, records)?;
        let applied = self.ledger.commit(draft);
        for change in &applied.members {
            if !self.verifier.knows(&change.node) {
                self.verifier.add_author(change.node)?;
            }
        }
        Ok(applied)
    }

    fn compare_with_oracle(&mut self) {
        let Some(view) = self.views.last() else {
            return;
        };
        let mut differences = view.differences(&self.oracle.view());
        if !differences.is_empty() {
            differences.insert(
                0,
                format!("height {}, production against oracle:", view.height),
            );
            self.report("oracle", differences.join("\n  "));
        }
    }

    /// Less than a third of the sealers may lie. If standings move beyond that limit, the schedule proves nothing more.
    fn judge_assumption(&mut self) {
        let sealers = self.ledger.state().sealers();
        let liars = self.liars.iter().filter(|node| sealers.contains(node));
        let is_kept = sealers.is_quorum(sealers.len() - liars.count());
        if !is_kept && self.assumption_lost.is_none() {
            self.assumption_lost = Some(self.ledger.state().height());
        }
    }

    fn judge_innocence(&mut self) {
        let banned: Vec<NodeId> = self
            .ledger
            .state()
            .roster()
            .iter()
            .filter(|(node, member)| member.is_banned() && !self.liars.contains(node))
            .map(|(node, _)| node)
            .collect();
        for node in banned {
            self.report("innocent", format!("{node} was banned"));
        }
    }

    fn note_frozen(&mut self, applied: &Applied) {
        for operation in &applied.touched {
            if let Some(frozen) = operation.frozen() {
                let commits = frozen.commits.values().map(Verified::id).collect();
                self.frozen.entry(operation.id()).or_insert(commits);
            }
        }
    }

    fn judge_outcomes(&mut self, host: usize, applied: &Applied) {
        for operation in &applied.touched {
            let Some(decision) = operation.decision() else {
                continue;
            };
            let id = operation.id();
            let is_by_reveals = operation
                .tally()
                .is_some_and(|tally| tally.outcome().is_some());
            let first = self
                .decided
                .entry(id)
                .or_insert_with(|| (decision.outcome.clone(), is_by_reveals))
                .clone();
            if first.0 != decision.outcome {
                self.report(
                    "p_agree",
                    format!(
                        "host {host} decided {id} as {}, another as {}",
                        decision.outcome, first.0
                    ),
                );
            }
            if let Some(tallied) = self.tallied.get(&id)
                && is_by_reveals
                && *tallied != decision.outcome
            {
                let text = format!(
                    "{id} was tallied as {tallied} and decided as {}",
                    decision.outcome
                );
                self.report("p_mono", text);
            }
        }
    }

    fn judge_trust(&mut self, host: usize, applied: &Applied) {
        let scores = applied.trust.iter();
        let scores =
            scores.flat_map(|(node, entry)| [(node, entry.before_ppm), (node, entry.after_ppm)]);
        let wrong: Vec<_> = scores.filter(|(_, ppm)| *ppm > TRUST_MAX_PPM).collect();
        if !wrong.is_empty() {
            self.report("t_range", format!("host {host}: {wrong:?}"));
        }
    }

    /// An honest host reports that the reveals it holds decide an operation.
    pub fn tallied(&mut self, host: usize, operation: OperationId, outcome: &Outcome) {
        let first = self
            .tallied
            .entry(operation)
            .or_insert_with(|| outcome.clone())
            .clone();
        if first != *outcome {
            let text =
                format!("host {host} tallied {operation} as {outcome}, before it was {first}");
            self.report("p_mono", text);
        }
        if let Some((decided, true)) = self.decided.get(&operation)
            && decided != outcome
        {
            let text =
                format!("host {host} tallied {operation} as {outcome}, decided was {decided}");
            self.report("p_mono", text);
        }
    }

    /// After each step of an honest host: its ledger must be the expected one of its height.
    pub fn compare(&mut self, host: usize, core: &Core) {
        let view = self.projection.view(core.ledger());
        let place = usize::try_from(view.height).unwrap_or(usize::MAX);
        let Some(expected) = self.views.get(place) else {
            return;
        };
        let mut differences = view.differences(expected);
        if !differences.is_empty() {
            differences.insert(0, format!("host {host} at height {place}:"));
            self.report("oracle", differences.join("\n  "));
        }
    }

    /// The end of the schedule: judges the properties that need all of it.
    pub fn finish(&mut self) {
        for (operation, commits) in self.frozen.clone() {
            let Some(first_reveal) = self.first_reveal.get(&operation).copied() else {
                continue;
            };
            let late = commits
                .iter()
                .filter(|id| {
                    self.commits_made
                        .get(id)
                        .is_none_or(|made| *made > first_reveal)
                })
                .count();
            if late > 0 {
                self.report(
                    "p_copy",
                    format!(
                        "{operation}: {late} frozen commits were made after the first honest reveal"
                    ),
                );
            }
        }
    }

    /// The broken properties.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The height from which a third of the weight or more was dishonest.
    #[must_use]
    pub fn assumption_lost(&self) -> Option<u64> {
        self.assumption_lost
    }

    /// How many operations were opened, and how many of them are closed.
    #[must_use]
    pub fn operations(&self) -> (u64, u64) {
        (
            self.operations,
            self.ledger.past().all_closed().count() as u64,
        )
    }

    /// The number of operations per outcome: `approve`, `reject`, `result`, `results`, `abstain` or `no_quorum`, followed by `forfeited` if
    /// the reveal window passed first, or `unfrozen` if there was no vote: by spore authority, or for lack of commits.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<String, u64> {
        let mut outcomes = BTreeMap::new();
        for (id, (outcome, is_by_reveals)) in &self.decided {
            let name = match outcome {
                Outcome::NoQuorum => "no_quorum",
                Outcome::Decided(Ballot::Approve) => "approve",
                Outcome::Decided(Ballot::Reject) => "reject",
                Outcome::Decided(Ballot::Abstain) => "abstain",
                Outcome::Decided(Ballot::Result(_)) => "result",
                Outcome::Decided(Ballot::Results(_)) => "results",
            };
            let how = match (is_by_reveals, self.frozen.contains_key(id)) {
                (true, _) => "",
                (false, true) => " forfeited",
                (false, false) => " unfrozen",
            };
            *outcomes.entry(format!("{name}{how}")).or_default() += 1;
        }
        outcomes
    }

    /// The ledger of all seals applied by honest hosts.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
