//! The effects of approved operations ([P7]) on the roster, roles, parameters and the configuration map.
//!
//! An effect is refused by rule, and recorded, if it no longer makes sense, or if fewer than two thirds of those with a vote
//! before it would still have one (an exclusion by name excepted), or nobody would. So no approved operation ends a network.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::work::{Work, is_approved};
use super::{Config, EffectEntry, State};
use crate::base::digest::{NodeId, OperationId};
use crate::base::limits::{CONFIG_KEYS_MAX, MEMBERS_MAX};
use crate::decision::open::OpenOperation;
use crate::members::roster::Member;
use crate::members::trust::{Change, Participation, ParticipationRecord, TrustEntry, TrustState};
use crate::statement::consent::Consent;
use crate::statement::operation::{ConsensusOperation, Priority, Spore};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Applies the effects of the operations that this seal decided, in the order of [P7].
pub(super) fn apply_effects(work: &mut Work<'_>, closed: &[Arc<OpenOperation>]) {
    let height = work.state.height;
    let mut approved: Vec<((Priority, OperationId), ConsensusOperation)> = closed
        .iter()
        .map(Arc::as_ref)
        .chain(work.touched.values())
        .filter(|operation| is_approved(operation, height))
        .map(|operation| (operation.rank(), operation.operation().clone()))
        .collect();
    approved.sort_by_key(|(rank, _)| *rank);
    for ((_, id), operation) in approved {
        let mut trial = Trial {
            state: work.state.clone(),
            config: None,
            trust: Vec::new(),
        };
        let result = trial
            .apply(&operation)
            .and_then(|()| keeps_votes(&work.state, &trial.state, &operation));
        if result.is_ok() {
            work.state = trial.state;
            work.applied.config.extend(trial.config);
            work.applied
                .trust
                .extend(trial.trust.into_iter().map(|(node, record, change)| {
                    let record = ParticipationRecord {
                        operation: Some(id),
                        ..record
                    };
                    (node, TrustEntry::new(&record, &change))
                }));
        }
        work.applied.effects.push(EffectEntry {
            operation: id,
            result,
        });
    }
}

/// Whether enough of those with a vote still have one.
fn keeps_votes(
    before: &State,
    after: &State,
    operation: &ConsensusOperation,
) -> Result<(), &'static str> {
    if after.roster.voters().next().is_none() {
        return Err("nobody would have a vote any more");
    }
    if matches!(operation, ConsensusOperation::NodeExclusion { .. }) {
        return Ok(());
    }
    let votes = before.roster.voters().count();
    let kept = before.roster.voters().filter(|(node, _)| {
        let now = after.roster.get(node);
        now.is_some_and(|member| member.trust.has_vote())
    });
    if 3 * kept.count() < 2 * votes {
        return Err("more than a third of those with a vote would lose it");
    }
    Ok(())
}

/// An effect tried on a copy of the state.
struct Trial {
    state: State,
    config: Option<(String, Option<Vec<u8>>)>,
    trust: Vec<(NodeId, ParticipationRecord, Change)>,
}

impl Trial {
    fn apply(&mut self, operation: &ConsensusOperation) -> Result<(), &'static str> {
        match operation {
            ConsensusOperation::NodeAdmission {
                candidate,
                role,
                consent,
            } => self.admit(*candidate, *role, consent),
            ConsensusOperation::NodeExclusion { node, .. } => {
                let (present, _) = self.member(node)?;
                self.state.roster.remove(&present);
                Ok(())
            }
            ConsensusOperation::SporeAssignment { node, role } => self.assign(node, *role),
            ConsensusOperation::TrustScoreModification {
                node, delta_ppm, ..
            } => {
                self.member(node)?;
                let delta_ppm = *delta_ppm;
                self.note(*node, Participation::Modified { delta_ppm });
                Ok(())
            }
            ConsensusOperation::Claim { .. } | ConsensusOperation::ClaimSet { .. } => Ok(()),
            _ => match (operation.param_entry(), operation.config_entry()) {
                (Some((name, value)), _) => self.set_param(name, value),
                (None, Some((key, value))) => self.configure(key, value),
                (None, None) => Ok(()),
            },
        }
    }

    /// Applies an event to a member's scores, under the parameters of the trial.
    fn note(&mut self, node: NodeId, event: Participation) {
        let state = &mut self.state;
        let record = ParticipationRecord::apart(state.height, state.time_ms, event);
        let line = state.roster.line_mut(&node);
        let change = line.and_then(|(node, member)| {
            let change = member.trust.apply(&state.params, &record)?;
            Some((node, record, change))
        });
        self.trust.extend(change);
    }

    /// The member that has or had this key, with its present key, if it is not banned.
    fn member(&mut self, key: &NodeId) -> Result<(NodeId, &mut Member), &'static str> {
        match self.state.roster.line_mut(key) {
            None => Err("it is not a member"),
            Some((_, member)) if member.is_banned() => Err("it is banned"),
            Some(found) => Ok(found),
        }
    }

    fn admit(
        &mut self,
        candidate: NodeId,
        role: Spore,
        consent: &Consent,
    ) -> Result<(), &'static str> {
        let roster = &mut self.state.roster;
        match roster.get(&candidate) {
            Some(member) if member.is_banned() => {
                return Err("its key is banned; only a new key can be admitted");
            }
            Some(_) => return Err("it is a member already"),
            None if roster.present_key(&candidate).is_some() => {
                return Err("it is a former key of a member");
            }
            None => {}
        }
        if roster
            .iter()
            .filter(|(_, member)| !member.is_banned())
            .count()
            >= MEMBERS_MAX
        {
            return Err("the roster is full");
        }
        if roster.iter().any(|(_, member)| member.name == consent.name) {
            return Err("another member has its name");
        }
        let trust = TrustState::admitted(&self.state.params, self.state.time_ms);
        let member = Member::new(role, consent.name.clone(), consent.successor, trust);
        roster.insert(candidate, member);
        Ok(())
    }

    fn assign(&mut self, node: &NodeId, role: Spore) -> Result<(), &'static str> {
        if self.member(node)?.1.role == role {
            return Err("it has this role already");
        }
        if role == Spore::Primary
            && let Some(former) = self.state.roster.primary()
            && let Some(member) = self.state.roster.get_mut(&former)
        {
            member.role = Spore::Seed;
        }
        self.member(node)?.1.role = role;
        Ok(())
    }

    fn set_param(&mut self, name: &str, value: &[u8]) -> Result<(), &'static str> {
        let params = self
            .state
            .params
            .with_change(name, value)
            .map_err(|_| "the parameters would not be valid as a whole")?;
        self.state.params = Arc::new(params);
        let nodes: Vec<NodeId> = self.state.roster.iter().map(|(node, _)| node).collect();
        for node in nodes {
            self.note(node, Participation::Judged);
        }
        Ok(())
    }

    fn configure(&mut self, key: String, value: &[u8]) -> Result<(), &'static str> {
        let mut map: BTreeMap<String, Vec<u8>> = self.state.config.map.clone();
        let entry = if value.is_empty() {
            map.remove(&key)
                .ok_or("there is no such key in the configuration map")?;
            None
        } else {
            map.insert(key.clone(), value.to_vec());
            Some(value.to_vec())
        };
        if map.len() > CONFIG_KEYS_MAX {
            return Err("the configuration map is full");
        }
        self.state.config = Arc::new(Config::new(map));
        self.config = Some((key, entry));
        Ok(())
    }
}
