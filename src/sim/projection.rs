//! The production ledger as a [`View`], to compare with the oracle's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::codec;
use crate::base::digest::{Digest, OperationId, RESULT};
use crate::decision::open::OpenOperation;
use crate::ledger::{Applied, Ledger, RememberedOperation, RememberedOutcome};
use crate::members::roster::Member;
use crate::members::trust::Standing;
use crate::sim::view::{ElectorView, MemberView, OperationView, View};
use crate::statement::operation::Outcome;

/// Closed operations as they were when they closed: the ledger remembers only their outcomes, or digests of them.
#[derive(Debug, Clone, Default)]
pub struct Projection {
    closed: BTreeMap<OperationId, OperationView>,
    effects: BTreeMap<OperationId, bool>,
}

impl Projection {
    /// Notes the operations that a seal closed, and their effects.
    pub fn note(&mut self, applied: &Applied) {
        for entry in &applied.effects {
            self.effects.insert(entry.operation, entry.result.is_ok());
        }
        for operation in &applied.closed {
            self.closed
                .insert(operation.id(), operation_view(operation));
        }
    }

    /// The ledger after its last seal. All seals must have been noted.
    #[must_use]
    pub fn view(&self, ledger: &Ledger) -> View {
        let state = ledger.state();
        let members = state
            .roster()
            .iter()
            .map(|(node, member)| (node, member_view(member)));
        let closed = ledger.past().all_closed().map(|(id, closed)| {
            let mut view = self.closed.get(&id).cloned().unwrap_or_else(unknown);
            view.outcome = outcome_of(closed, view.outcome);
            (id, view)
        });
        let open = state
            .operations()
            .map(|open| (open.id(), operation_view(open)));
        let operations = closed.chain(open).map(|(id, mut view)| {
            // A ledger that is behind the noted seals does not know later effects.
            let effect = self.effects.get(&id).copied();
            view.effect = effect.filter(|_| view.outcome.is_some());
            (id, view)
        });
        View {
            height: state.height(),
            time_ms: state.time_ms(),
            members: members.collect(),
            operations: operations.collect(),
            config: state.config().clone(),
            params: state.params().clone(),
            sealers: state.sealers().iter().collect(),
            queue: state.sealers().iter().collect(),
            tenure: state.tenure().into(),
        }
    }
}

/// The outcome that the ledger remembers. Of the results of a claim set it remembers a digest, which must be that of the noted
/// ones; other generated results are short.
fn outcome_of(closed: &RememberedOperation, noted: Option<Outcome>) -> Option<Outcome> {
    match (&closed.outcome, noted) {
        (RememberedOutcome::Whole(outcome), _) => Some(outcome.clone()),
        (RememberedOutcome::Result(digest), Some(Outcome::Decided(results)))
            if *digest == Digest::from_bytes(RESULT.hash(&codec::encode(&results))) =>
        {
            Some(Outcome::Decided(results))
        }
        (RememberedOutcome::Result(_), _) => None,
    }
}

/// The view of a closed operation that was not noted. It differs from every view of the oracle.
fn unknown() -> OperationView {
    OperationView {
        phase: "not noted",
        outcome: None,
        electors: BTreeMap::new(),
        frozen: std::collections::BTreeSet::new(),
        revealed: std::collections::BTreeSet::new(),
        effect: None,
    }
}

/// The times in a member's scores, which only their encoding shows.
#[derive(Deserialize)]
#[allow(clippy::struct_field_names, reason = "units stand last in every name")]
struct ScoreTimes {
    seen_ms: u64,
    row_ms: Option<u64>,
    reveal_ms: Option<u64>,
    withheld_ms: Option<u64>,
    skill_withheld_ms: Option<u64>,
    absence_ms: Option<u64>,
    objection_ms: Option<u64>,
}

fn member_view(member: &Member) -> MemberView {
    let trust = &member.trust;
    let encoded = codec::encode(trust);
    let times: ScoreTimes =
        serde_ipld_dagcbor::from_slice(&encoded).expect("scores keep the times of the rules");
    MemberView {
        name: member.name.to_string(),
        role: member.role,
        trust_ppm: trust.trust_ppm(),
        skill_ppm: trust.skill_ppm(),
        standing: standing_name(trust.standing()),
        row: trust.row(),
        missed: trust.missed_chances(),
        times_ms: BTreeMap::from([
            ("seen", Some(times.seen_ms)),
            ("row", times.row_ms),
            ("absence", times.absence_ms),
            ("withheld", times.withheld_ms),
            ("skill_withheld", times.skill_withheld_ms),
            ("reveal", times.reveal_ms),
            ("objection", times.objection_ms),
            ("rejoin", member.rejoined.map(|(_, time_ms)| time_ms)),
            ("moved", member.moved_ms),
            ("chance", member.chance_ms),
        ]),
    }
}

fn operation_view(operation: &OpenOperation) -> OperationView {
    let frozen = operation.frozen().into_iter();
    let electors = operation.electorate().iter();
    let electors = electors.map(|elector| {
        let view = ElectorView {
            weight: elector.weight,
            vote: elector.has_vote,
        };
        (elector.node, view)
    });
    OperationView {
        phase: operation.phase_name(),
        outcome: operation
            .decision()
            .map(|decision| decision.outcome.clone()),
        electors: electors.collect(),
        frozen: frozen.flat_map(|f| f.commits.keys().copied()).collect(),
        revealed: operation.reveals().keys().copied().collect(),
        effect: None,
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Probation => "probation",
        Standing::Active => "active",
        Standing::Suspended => "suspended",
        Standing::Banned => "banned",
    }
}
