//! Founding the network anew, for programs ([F1] to [F6]).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BFTConsensusEngine, EngineError};
use crate::base::digest::{Digest, NetworkId, NodeId};
use crate::base::rejection::Rejection;
use crate::core::{Backing, Input};
use crate::ledger::{Founding, State, known_successions, refounded};
use crate::past::archive::{Archive, ArchiveError, visit_states};
use crate::statement::operation::Spore;
use crate::statement::record::{Plan, Record, Statement};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// What a person wants of a plan. The default goes on from the last seal that is common to all that is held, with everybody but
/// the proved equivocators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanWish {
    /// The height to go on from.
    pub height: Option<u64>,
    /// Members to be left out beside the proved equivocators, by any of their keys.
    pub without: Vec<NodeId>,
    /// New roles, by any key of the members.
    pub roles: Vec<(NodeId, Spore)>,
}

/// A plan, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The network that it founds.
    pub founding: Founding,
    /// What would be lost.
    pub losses: Losses,
    /// The support that this node knows of.
    pub backing: Backing,
}

/// What a plan gives up.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Seals above the plan's height that this node has applied, with everything that they decided.
    pub seals: u64,
    /// Operations that are open after the plan's seal: they end without outcome.
    pub open: usize,
    /// Operations that were decided above the plan's height.
    pub decided: usize,
    /// Members that are left out.
    pub members: Vec<NodeId>,
}

/// What this node knows of plans to found the network anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refounding {
    /// The plans that somebody endorses, or that this node endorsed, each with its endorsers.
    pub plans: Vec<PlanView>,
    /// The digest of the plan that this node's person endorsed.
    pub endorsed: Option<Digest>,
    /// Whether the person's word is needed again, because a seal was applied since.
    pub asks_again: bool,
    /// The network for which this node has left this one.
    pub left_for: Option<NetworkId>,
}

/// A plan with its endorsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanView {
    /// The plan.
    pub plan: Plan,
    /// Who endorses it, by key.
    pub by: BTreeSet<NodeId>,
    /// What it leads to; `None` if this node lacks the plan's seal, or the plan does not apply to it.
    pub planned: Option<Planned>,
}

impl BFTConsensusEngine {
    /// Makes a plan to found the network anew ([F1]). Nothing is signed. If the plan's height is not the last one, the sealed log is
    /// applied again up to it, which takes time in proportion to it.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] if the height is not sealed here, somebody who is named is no member, or the new network would have
    /// no vote or two Primaries; [`EngineError::Archive`].
    pub fn plan_refounding(&self, wish: &PlanWish) -> Result<Planned, EngineError> {
        let (common, at, convicted, mut later) = self.look(|core, _| {
            let at = core.ledger().state().height();
            let common = core.forked_height().map_or(at, |forked| forked - 1);
            let pooled = core.pool().about_authors();
            let pooled: Vec<Record> = pooled.map(|it| it.record.record().clone()).collect();
            (common, at, core.proved_equivocators(), pooled)
        });
        let height = wish.height.unwrap_or(common);
        let sealed = self.archive(|past| succeeded_above(past, height, at))?;
        later.extend(sealed);
        let make = |state: &State| {
            let mut plan = Plan {
                without: wish.without.clone(),
                roles: wish.roles.clone(),
                succeeded: known_successions(state, later.iter()),
                ..Plan::new(height, state.seal())
            };
            let convicted = convicted.iter().copied();
            // Who was convicted by a key that the plan replaces is a member by that key.
            plan.without
                .extend(convicted.filter(|node| state.roster().get(node).is_some()));
            plan.sort();
            plan
        };
        let mut plans = self.with_states(&[height].into(), make)?;
        let plan = plans.pop().ok_or(Rejection::UnknownSeal)?;
        self.planned(&plan)
    }

    /// The network for which this node has left this one.
    pub fn left_for(&self) -> Option<NetworkId> {
        self.look(|core, _| core.left_for())
    }

    /// How many plans members endorse, whether this node endorses one, and whether its person's word is needed again. Quick, unlike
    /// [`Self::refounding`].
    pub fn refounding_in_short(&self) -> (usize, Option<Digest>, bool) {
        self.look(|core, _| {
            let own = core.endorsed().map(|own| own.founding.plan());
            (core.endorsed_plans().len(), own, core.asks_again())
        })
    }

    /// Everybody whose equivocation is proved here.
    pub fn proved_equivocators(&self) -> BTreeSet<NodeId> {
        self.look(|core, _| core.proved_equivocators())
    }

    /// When this node last heard of each member, in milliseconds since 1970, by what is sealed; `u64::MAX` for one that has said
    /// something since.
    pub fn last_heard_ms(&self) -> BTreeMap<NodeId, u64> {
        self.look(|core, _| core.last_heard_ms())
    }

    /// What a plan leads to. Takes time as [`Self::plan_refounding`] does.
    ///
    /// # Errors
    ///
    /// As [`Self::plan_refounding`].
    pub fn planned(&self, plan: &Plan) -> Result<Planned, EngineError> {
        let mut outlooks = self.outlooks(&[plan])?;
        let outlook = outlooks.pop().flatten().ok_or(Rejection::UnknownSeal)?;
        Ok(outlook?)
    }

    /// Endorses a plan, for this node's person ([F3]). Said again, it is the fresh word for the same plan ([F4]). `is_sure`: the person
    /// knows that this replaces an endorsement of another plan ([F5]).
    ///
    /// # Errors
    ///
    /// [`Refusal`](crate::core::Refusal) with the reason, or as [`Self::plan_refounding`].
    pub async fn endorse(&self, plan: &Plan, is_sure: bool) -> Result<(), EngineError> {
        let planned = self.planned(plan)?;
        let input = Input::Endorse {
            plan: plan.clone(),
            founding: Box::new(planned.founding),
            is_sure,
        };
        self.host.input(input).await.map(drop)
    }

    /// Takes this node's endorsement back.
    ///
    /// # Errors
    ///
    /// [`Refusal::NothingEndorsed`](crate::core::Refusal::NothingEndorsed), or
    /// [`Refusal::Refounded`](crate::core::Refusal::Refounded) if it is too late.
    pub async fn abandon_refounding(&self) -> Result<(), EngineError> {
        self.host.input(Input::Abandon).await.map(drop)
    }

    /// The plans that this node knows of, and what its person said of them. Takes time as [`Self::plan_refounding`] does if a
    /// plan goes on from an earlier height.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`].
    pub fn refounding(&self) -> Result<Refounding, EngineError> {
        let (endorsed, mut known) = self.look(|core, _| {
            let known = Refounding {
                plans: Vec::new(),
                endorsed: core.endorsed().map(|own| own.founding.plan()),
                asks_again: core.asks_again(),
                left_for: core.left_for(),
            };
            (core.endorsed_plans(), known)
        });
        let plans: Vec<&Plan> = endorsed.iter().map(|it| &it.plan).collect();
        let outlooks = self.outlooks(&plans)?;
        known.plans = endorsed
            .into_iter()
            .zip(outlooks)
            .map(|(endorsed, planned)| PlanView {
                plan: endorsed.plan,
                by: endorsed.by,
                planned: planned.and_then(Result::ok),
            })
            .collect();
        Ok(known)
    }

    /// What plans lead to, in their order; `None` for one whose seal this node lacks.
    fn outlooks(
        &self,
        plans: &[&Plan],
    ) -> Result<Vec<Option<Result<Planned, Rejection>>>, EngineError> {
        let genesis = self.genesis();
        let heights = plans.iter().map(|plan| plan.height).collect();
        let at_height = |state: &State| {
            let here = plans.iter().enumerate();
            let here = here.filter(|(_, plan)| plan.seal == state.seal());
            here.map(|(index, plan)| {
                let founding = refounded(genesis, state, plan);
                let lost = founding.map(|founding| (losses(state, &founding), founding));
                (index, lost)
            })
            .collect::<Vec<_>>()
        };
        let found = self.with_states(&heights, at_height)?;
        let closed = self.archive(|past| past.all_closed())?;
        let mut outlooks = vec![None; plans.len()];
        self.look(|core, _| {
            let state = core.ledger().state();
            let open = state
                .operations()
                .filter_map(|open| Some(open.decision()?.height));
            let closed = closed.iter().map(|it| it.closed.decided_height);
            let decided: Vec<u64> = closed.chain(open).collect();
            for (index, outcome) in found.into_iter().flatten() {
                let plan = plans[index];
                outlooks[index] = Some(outcome.map(|(losses, founding)| Planned {
                    backing: core.backing(&founding),
                    losses: Losses {
                        seals: state.height().saturating_sub(plan.height),
                        decided: decided.iter().filter(|at| **at > plan.height).count(),
                        ..losses
                    },
                    plan: plan.clone(),
                    founding,
                }));
            }
        });
        Ok(outlooks)
    }

    /// Reads the states after these heights, as far as they are sealed here, lowest first.
    fn with_states<T>(
        &self,
        heights: &BTreeSet<u64>,
        read: impl Fn(&State) -> T,
    ) -> Result<Vec<T>, EngineError> {
        let last = self.look(|core, _| core.ledger().state().clone());
        let earlier = heights.iter().copied().filter(|at| *at < last.height());
        let earlier: BTreeSet<u64> = earlier.collect();
        let mut found = Vec::new();
        if !earlier.is_empty() {
            let genesis = self.genesis();
            let mut visit = |state: &State| found.push(read(state));
            self.archive(|past| visit_states(past, genesis, &earlier, &mut visit))?;
        }
        if heights.contains(&last.height()) {
            found.push(read(&last));
        }
        Ok(found)
    }
}

/// What is lost of the state that a plan goes on from.
fn losses(state: &State, founding: &Founding) -> Losses {
    let founders = &founding.genesis().members;
    let stays = |node: &NodeId| {
        founders.iter().any(|founder| {
            let line = founder.line.as_ref();
            let mut former = line.into_iter().flat_map(|line| &line.former);
            founder.node == *node || former.any(|former| former.node == *node)
        })
    };
    let members = state.roster().iter().map(|(node, _)| node);
    Losses {
        seals: 0,
        decided: 0,
        open: state.operations().count(),
        members: members.filter(|node| !stays(node)).collect(),
    }
}

/// The records with a change of keys in these heights.
fn succeeded_above(
    past: &dyn Archive,
    height: u64,
    until: u64,
) -> Result<Vec<Record>, ArchiveError> {
    let mut found = Vec::new();
    for at in height + 1..=until {
        if let Some(block) = past.block(at)? {
            let records = block.records.iter();
            let succeeded =
                records.filter(|record| matches!(record.body.what, Statement::Succeed { .. }));
            found.extend(succeeded.cloned());
        }
    }
    Ok(found)
}
