//! A second implementation of the rules, slow and obvious: it computes the results of a sealed log (P1 to P9, spore authority,
//! scores, S4, the queue of S5, the rejections of S6) without any predicate of the production code.
//!
//! The oracle shares plain data types with the production code (records, ids, the fields of the parameters) and nothing
//! that judges: classes, quorums, weights, commitments, windows and even record ids are defined here again. It keeps
//! the whole log and the roster before every seal. After each seal it derives the course of every open operation again,
//! from its opening on (`course`). So it carries no state from seal to seal that could go wrong, except trust and
//! effects, which the rules themselves define step by step.
//!
//! It assumes what a verified record guarantees: good signatures and statements within the limits that need no state.
//! The digests of seals are ignored.
//!
//! An oracle can be told to leave a rule out ([`Mutation`]), so that a test sees that somebody notices.

mod authority;
mod course;
mod effects;
mod filing;
mod log;
mod mutation;
mod opening;
mod queue;
mod refounding;
mod roster;
mod scoring;
mod vote;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, SealId};
use crate::sim::view::{ElectorView, MemberView, OperationView, View};
use crate::statement::genesis::{Genesis, PanelScoring, Sealing};
use crate::statement::operation::{Ballot, Outcome};
use crate::statement::params::Params;
use crate::statement::record::{Record, Seal, Statement};

use course::Course;
pub use log::Case;
pub(super) use log::Sealed;
pub use mutation::Mutation;
use queue::Queue;
pub use refounding::{Omission, Refounded};
use roster::{Member, Roster, Standing};

/// One applied seal and what the rules look back at.
#[derive(Debug, Clone)]
struct Moment {
    time_ms: u64,
    id: SealId,
    /// The roster before the seal.
    before: Arc<Roster>,
    /// The roster once the seal's evidence is counted and the authors of its records are seen.
    during: Arc<Roster>,
}

/// The reason for judging a member's scores: one line per elector and overruled objection of a closed operation, and per
/// ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The seal.
    pub height: u64,
    /// The operation; none for evidence.
    pub operation: Option<OperationId>,
    /// The member.
    pub node: NodeId,
    /// `coherent`, `neutral`, `dissent_claim`, `dissent_critical`, `withheld`, `withheld_uncharged`, `late`, `late_absent`,
    /// `missed`, `absent`, `no_chance`, `overruled`, `overruled_uncharged` or `equivocation`.
    pub reason: &'static str,
    /// Trust and skill before, parts per million.
    pub before: (u32, u32),
    /// Trust and skill after.
    pub after: (u32, u32),
}

/// Applies sealed blocks by the rules and gives the results.
#[derive(Debug, Clone)]
pub struct Oracle {
    net: NetworkId,
    sealing: Sealing,
    panel_scoring: PanelScoring,
    mutation: Option<Mutation>,
    /// By height. The id of seal 0 is not known before seal 1 names it, because seal 0 holds a state digest.
    moments: Vec<Moment>,
    /// The ids of all records in the log.
    sealed: BTreeSet<RecordId>,
    cases: BTreeMap<OperationId, Case>,
    roster: Arc<Roster>,
    params: Params,
    config: BTreeMap<String, Vec<u8>>,
    sealers: BTreeSet<NodeId>,
    queue: Queue,
    effects: BTreeMap<OperationId, bool>,
    entries: Vec<Entry>,
    /// The keys of members that left. Who came back is in the roster again.
    left: BTreeSet<NodeId>,
}

impl Oracle {
    /// The ledger at seal 0.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self::mutated(genesis, None)
    }

    /// The ledger at seal 0, of an oracle that does not follow one of the rules.
    #[must_use]
    pub fn mutated(genesis: &Genesis, mutation: Option<Mutation>) -> Self {
        let params = &genesis.params;
        let founders = genesis.members.iter().map(|founder| {
            let member = Member::new(
                founder.name.clone(),
                founder.role,
                params.founder_trust_ppm,
                params.start_skill_ppm,
                Standing::Active,
                genesis.time_ms,
            );
            (founder.node, member)
        });
        let roster: Arc<Roster> = Arc::new(founders.collect());
        let start = Moment {
            time_ms: genesis.time_ms,
            id: SealId::default(),
            before: Arc::clone(&roster),
            during: Arc::clone(&roster),
        };
        let mut oracle = Self {
            net: log::network_id(genesis),
            sealing: genesis.sealing,
            panel_scoring: genesis.panel_scoring,
            mutation,
            moments: vec![start],
            sealed: BTreeSet::new(),
            cases: BTreeMap::new(),
            roster,
            params: params.clone(),
            config: BTreeMap::new(),
            sealers: BTreeSet::new(),
            queue: Queue::default(),
            effects: BTreeMap::new(),
            entries: Vec::new(),
            left: BTreeSet::new(),
        };
        oracle.appoint_sealers();
        oracle.fill_queue();
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
        let opened = self.judge(seal.prev, seal.time_ms, &listed)?;
        if let Some(genesis) = self.moments.first_mut()
            && seal.height == 1
        {
            genesis.id = seal.prev;
        }
        let before = Arc::clone(&self.roster);
        let window_ms = self.params.commit_window_ms;
        self.moments.push(Moment {
            time_ms: seal.time_ms,
            id: log::seal_id(seal),
            before: Arc::clone(&before),
            during: Arc::clone(&before),
        });
        self.ban(&self.equivocators(&listed));
        self.see(&listed);
        self.file(&listed, opened);
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
        self.move_queue(seal, &listed, &before, window_ms);
        Ok(())
    }

    /// Changes the line of a member that is there and not banned; the scores of a banned line never change.
    fn update(&mut self, node: NodeId, change: impl FnOnce(&mut Member)) {
        let line = self.roster.get(&node);
        if line.is_some_and(|line| line.standing != Standing::Banned)
            && let Some(line) = Arc::make_mut(&mut self.roster).get_mut(&node)
        {
            change(line);
        }
    }

    /// Notes on their lines that authors were seen, revealed and rejoined.
    fn see(&mut self, listed: &[Arc<Sealed>]) {
        let now_ms = self.now().time_ms;
        for record in listed {
            self.update(record.by, |line| {
                line.times.seen = now_ms;
                match record.what {
                    Statement::Reveal { .. } => line.times.reveal = Some(now_ms),
                    Statement::Rejoin { .. } => line.times.rejoin = Some(now_ms),
                    _ => {}
                }
            });
        }
        let roster = Arc::clone(&self.roster);
        if let Some(moment) = self.moments.last_mut() {
            moment.during = roster;
        }
    }

    fn file(&mut self, listed: &[Arc<Sealed>], opened: Vec<Case>) {
        for case in opened {
            self.cases.insert(case.id, case);
        }
        for record in listed {
            if let Some(case) = record.operation().and_then(|id| self.cases.get_mut(&id)) {
                case.records.push(Arc::clone(record));
            }
        }
        self.sealed.extend(listed.iter().map(|record| record.id));
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

    /// The roster after the last seal.
    #[must_use]
    pub fn members(&self) -> BTreeMap<NodeId, MemberView> {
        let members = self.roster.iter().map(|(node, member)| {
            let times = &member.times;
            let view = MemberView {
                name: member.name.to_string(),
                role: member.role,
                trust_ppm: member.trust,
                skill_ppm: member.skill,
                standing: member.standing.name(),
                row: member.row,
                missed: u32::try_from(member.missed()).expect("a line remembers few chances"),
                times_ms: BTreeMap::from([
                    ("seen", Some(times.seen)),
                    ("row", times.row),
                    ("absence", times.absence),
                    ("withheld", times.withheld),
                    ("skill_withheld", times.skill_withheld),
                    ("reveal", times.reveal),
                    ("objection", times.objection),
                    ("rejoin", times.rejoin),
                    ("moved", times.moved),
                    ("chance", times.chance),
                ]),
            };
            (*node, view)
        });
        members.collect()
    }

    /// Every operation that is not closed.
    #[must_use]
    pub fn open_operations(&self) -> Vec<(OperationId, OperationView)> {
        let open = self.cases.values().filter(|c| c.course.closed.is_none());
        open.map(|case| (case.id, self.operation(case))).collect()
    }

    fn operation(&self, case: &Case) -> OperationView {
        let course = &case.course;
        let electorate = course.electorate.iter();
        let electors = electorate.flat_map(|electorate| &electorate.electors);
        let electors = electors.map(|(node, elector)| {
            let view = ElectorView {
                weight: elector.weight,
                vote: elector.vote,
            };
            (*node, view)
        });
        OperationView {
            phase: course.phase(),
            outcome: course.outcome().cloned(),
            electors: electors.collect(),
            frozen: course.frozen_authors(),
            revealed: course.revealed.keys().copied().collect(),
            effect: self.effects.get(&case.id).copied(),
        }
    }

    /// The results of the log after the last seal.
    #[must_use]
    pub fn view(&self) -> View {
        let operations = self.cases.values();
        let operations = operations.map(|case| (case.id, self.operation(case)));
        self.view_of(operations.collect())
    }

    /// The same without the operations that are closed: enough to see a difference where it begins.
    #[must_use]
    pub fn brief(&self) -> View {
        self.view_of(self.open_operations().into_iter().collect())
    }

    fn view_of(&self, operations: BTreeMap<OperationId, OperationView>) -> View {
        View {
            height: self.height(),
            time_ms: self.now().time_ms,
            members: self.members(),
            operations,
            config: self.config.clone(),
            params: self.params.clone(),
            sealers: self.sealers.clone(),
            queue: self.queue.order.clone(),
            tenure: self.queue.tenure,
        }
    }
}
