//! A second implementation of the rules, slow and obvious: it computes the results of a sealed log by the rules of
//! `docs/PROTOCOL.md` on decisions, authority, trust and effects, without any predicate of the production code.
//!
//! The oracle shares plain data types with the production code (records, ids, the fields of the parameters) and nothing
//! that judges: classes, quorums, weights, commitments, windows and even record ids are defined here again. It keeps
//! the whole log and the roster before every seal. After each seal it derives the course of every open operation again,
//! from its opening on (`course`). So it carries no state from seal to seal that could go wrong, except trust and
//! effects, which the rules themselves define step by step.
//!
//! It assumes what a verified record guarantees: good signatures and statements within the limits that need no state.
//! State and roster digests of seals are ignored.

mod authority;
mod course;
mod effects;
mod filing;
mod log;
mod opening;
mod roster;
mod scoring;
mod vote;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::sim::view::{MemberView, OperationView, View};
use crate::statement::genesis::{Genesis, PanelScoring, Sealing};
use crate::statement::operation::{Ballot, Outcome};
use crate::statement::params::Params;
use crate::statement::record::{Record, Seal};

use course::Course;
pub use log::Case;
pub(super) use log::Sealed;
use roster::{Member, Roster, Standing};

/// One applied seal and what the rules look back at.
#[derive(Debug, Clone)]
struct Moment {
    time_ms: u64,
    id: SealId,
    /// The roster before the seal.
    before: Roster,
    /// The members that are Banned once the seal's evidence is counted.
    banned: BTreeSet<NodeId>,
}

/// The reason for judging a member's score or standing: one line per elector of a closed operation, and per ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The seal.
    pub height: u64,
    /// The operation; none for evidence.
    pub operation: Option<OperationId>,
    /// The member.
    pub node: NodeId,
    /// `coherent`, `neutral`, `dissent_claim`, `dissent_critical`, `withheld`, `withheld_uncharged`, `missed`, `absent`,
    /// `unscored` or `equivocation`.
    pub reason: &'static str,
    /// Trust before, parts per million.
    pub before: u32,
    /// Trust after.
    pub after: u32,
}

/// Applies sealed blocks by the rules and gives the results.
#[derive(Debug, Clone)]
pub struct Oracle {
    net: NetworkId,
    sealing: Sealing,
    panel_scoring: PanelScoring,
    /// By height. The id of seal 0 is not known before seal 1 names it, because seal 0 holds a state digest.
    moments: Vec<Moment>,
    log: Vec<Arc<Sealed>>,
    /// The ids of all records in the log.
    sealed: BTreeSet<RecordId>,
    cases: BTreeMap<OperationId, Case>,
    roster: Roster,
    params: Params,
    config: BTreeMap<String, Vec<u8>>,
    sealers: BTreeMap<NodeId, u64>,
    effects: BTreeMap<OperationId, bool>,
    entries: Vec<Entry>,
}

impl Oracle {
    /// The ledger at seal 0.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let founders = genesis.members.iter().map(|founder| {
            let trust = genesis.params.founder_trust_ppm;
            let member = Member::new(founder.role, trust, Standing::Active);
            (founder.node, member)
        });
        let roster: Roster = founders.collect();
        let start = Moment {
            time_ms: genesis.time_ms,
            id: SealId::default(),
            before: roster.clone(),
            banned: BTreeSet::new(),
        };
        let mut oracle = Self {
            net: log::network_id(genesis),
            sealing: genesis.sealing,
            panel_scoring: genesis.panel_scoring,
            moments: vec![start],
            log: Vec::new(),
            sealed: BTreeSet::new(),
            cases: BTreeMap::new(),
            roster,
            params: genesis.params.clone(),
            config: BTreeMap::new(),
            sealers: BTreeMap::new(),
            effects: BTreeMap::new(),
            entries: Vec::new(),
        };
        oracle.appoint_sealers();
        oracle
    }

    /// Applies one sealed block, its records in any order.
    ///
    /// # Errors
    ///
    /// Why the block is invalid by the rules; nothing has changed then.
    pub fn apply(&mut self, seal: &Seal, records: &[Record]) -> Result<(), String> {
        let listed = records
            .iter()
            .map(|record| Sealed::new(seal.height, &record.body))
            .collect();
        self.apply_listed(seal, listed)
    }

    pub(super) fn apply_listed(
        &mut self,
        seal: &Seal,
        listed: Vec<Arc<Sealed>>,
    ) -> Result<(), String> {
        let listed = log::in_order(listed);
        self.judge_seal(seal, &listed)?;
        let opened = self.judge(seal.prev, &listed)?;
        if let Some(genesis) = self.moments.first_mut()
            && seal.height == 1
        {
            genesis.id = seal.prev;
        }
        let before = self.roster.clone();
        self.ban(&self.equivocators(&listed), seal.height);
        self.moments.push(Moment {
            time_ms: seal.time_ms,
            id: log::seal_id(seal),
            before,
            banned: roster::banned(&self.roster),
        });
        self.file(listed, opened);
        self.follow_open_cases();
        for case in self.in_order_of_effects(|course| course.closed) {
            self.score(&case);
        }
        for case in self.in_order_of_effects(Course::decided_height) {
            if case.course.outcome() == Some(&Outcome::Decided(Ballot::Approve)) {
                let applied = self.take_effect(&case.operation);
                self.effects.insert(case.id, applied);
            }
        }
        self.appoint_sealers();
        Ok(())
    }

    fn ban(&mut self, equivocators: &BTreeSet<NodeId>, height: u64) {
        for node in equivocators {
            let Some(member) = self.roster.get_mut(node) else {
                continue;
            };
            if member.standing == Standing::Banned {
                continue;
            }
            self.entries.push(Entry {
                height,
                operation: None,
                node: *node,
                reason: "equivocation",
                before: member.trust,
                after: 0,
            });
            member.standing = Standing::Banned;
            member.trust = 0;
            member.streak = 0;
        }
    }

    fn file(&mut self, listed: Vec<Arc<Sealed>>, opened: Vec<Case>) {
        for case in opened {
            self.cases.insert(case.id, case);
        }
        for record in &listed {
            if let Some(case) = record.operation().and_then(|id| self.cases.get_mut(&id)) {
                case.records.push(Arc::clone(record));
            }
        }
        self.sealed.extend(listed.iter().map(|record| record.id));
        self.log.extend(listed);
    }

    fn follow_open_cases(&mut self) {
        let moments = &self.moments;
        for case in self.cases.values_mut() {
            if case.course.closed.is_none() {
                case.course = Course::of(case, moments);
            }
        }
    }

    /// The operations to which something happened at the last seal: `High` priority first, then by id (P7).
    fn in_order_of_effects(&self, when: impl Fn(&Course) -> Option<u64>) -> Vec<Case> {
        let now = self.height();
        let mut cases: Vec<Case> = self
            .cases
            .values()
            .filter(|case| when(&case.course) == Some(now))
            .cloned()
            .collect();
        cases.sort_by_key(|case| (!case.high, case.id));
        cases
    }

    fn height(&self) -> u64 {
        self.moments.len() as u64 - 1
    }

    fn now(&self) -> &Moment {
        self.moments
            .last()
            .expect("seal 0 is there from the beginning")
    }

    /// Everything ever opened, by id.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values()
    }

    /// Why scores are what they are, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The earliest time of a seal that would mark a window or let one pass, milliseconds since 1970 (S6, S7).
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let open = self.cases.values().map(|case| &case.course);
        open.flat_map(|course| &course.due_ms).min().copied()
    }

    /// The results of the log after the last seal.
    #[must_use]
    pub fn view(&self) -> View {
        let members = self.roster.iter().map(|(node, member)| {
            let view = MemberView {
                role: member.role,
                trust_ppm: member.trust,
                standing: member.standing.name().to_owned(),
                streak: member.streak,
                missed: member.missed(),
            };
            (*node, view)
        });
        let operations = self.cases.values().map(|case| {
            let course = &case.course;
            let view = OperationView {
                phase: course.phase(),
                outcome: course.outcome().cloned(),
                electors: course.electors.clone().unwrap_or_default(),
                frozen: course.frozen_authors(),
                revealed: course.revealed.keys().copied().collect(),
                effect: self.effects.get(&case.id).copied(),
            };
            (case.id, view)
        });
        View {
            height: self.height(),
            time_ms: self.now().time_ms,
            members: members.collect(),
            operations: operations.collect(),
            config: self.config.clone(),
            params: self.params.clone(),
            sealers: self.sealers.clone(),
        }
    }
}
