//! A person who wants to found the network anew (F1, F3, F5).
//!
//! It goes by the first endorsed plan that it finds acceptable, else proposes its own. It leaves out the proved equivocators, and
//! whom it knows to be gone, captured or accused for good reason; it accepts that others leave out more, but nobody it vouches for.
//! It replaces its word only if its plan can no longer take effect, an earlier fork comes to light, or somebody it trusts has left
//! for another one: who goes ahead alone cannot come back.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::{Digest, NodeId};
use crate::core::{Core, Input};
use crate::ledger::{Founding, Ledger, State, refounded};
use crate::sim::disk::Disk;
use crate::sim::refounding::Word;
use crate::statement::genesis::Genesis;
use crate::statement::record::{Plan, Signed};

/// A person's mind about founding anew. A restart of its host does not change it.
#[derive(Default)]
pub(in crate::sim) struct Founder {
    /// Whom it leaves out by its own word.
    pub(in crate::sim) left_out: BTreeSet<NodeId>,
    /// Whether it knows that its host lost the journal.
    pub(in crate::sim) lost_journal: bool,
    /// How many looks it waits for somebody else's plan.
    pub(in crate::sim) patience: u32,
    /// The plan that it gave its word for last.
    said: Option<Plan>,
    looks: u32,
    /// The states that plans go on from, by height.
    states: BTreeMap<u64, State>,
}

/// What people tell each other.
pub(in crate::sim) struct Talk<'a> {
    /// The height to go on from, if all know it; else the last common one.
    pub(in crate::sim) from: Option<u64>,
    /// Whether nothing is done before the fork is known.
    pub(in crate::sim) awaits_fork: bool,
    /// Whom everybody vouches for.
    pub(in crate::sim) vouched: &'a BTreeSet<NodeId>,
    /// The plan for which somebody has left already.
    pub(in crate::sim) ahead: Option<Digest>,
}

/// The state after the seal of a height that a disk has.
pub(in crate::sim) fn state_at(genesis: &Genesis, disk: &Disk, height: u64) -> Option<State> {
    let mut ledger = Ledger::new(genesis);
    let blocks = usize::try_from(height).ok()?;
    for block in disk.blocks.get(..blocks)? {
        let records = block.records.iter();
        let records = records.map(|record| Some(Signed::try_from(record.clone()).ok()?.trusted()));
        let draft = ledger.check(&block.seal, records.collect::<Option<_>>()?);
        ledger.commit(draft.ok()?);
    }
    Some(ledger.state().clone())
}

impl Founder {
    /// The word that the person gives now, if any, as an input and for the watch.
    pub(in crate::sim) fn consider(
        &mut self,
        core: &Core,
        disk: &Disk,
        genesis: &Genesis,
        talk: &Talk<'_>,
    ) -> Option<(Input, Word)> {
        if core.left_for().is_some() {
            return None;
        }
        let forked = core.forked_height();
        if talk.awaits_fork && forked.is_none() {
            return None;
        }
        self.looks += 1;
        let at = core.ledger().state().height();
        let common = forked.map_or(at, |forked| forked - 1);
        let height = talk.from.unwrap_or(common);
        let plans = core.endorsed_plans();
        let mut acceptable: Vec<(&Plan, Founding, usize)> = Vec::new();
        for endorsed in &plans {
            if let Some(founding) = self.judge(core, disk, genesis, &endorsed.plan, height, talk) {
                let by = endorsed.by.intersection(founding.voters()).count();
                acceptable.push((&endorsed.plan, founding, by));
            }
        }
        // Its own word does not hold if the network forked before the seal that the plan goes on from.
        let holds = |plan: &Plan| plan.height <= common || talk.ahead == Some(plan.digest());
        let holds = self.said.as_ref().is_none_or(holds);
        let own = core.endorsed().filter(|_| holds).cloned();
        if let (Some(own), Some(plan)) = (&own, self.said.clone()) {
            let digest = own.founding.plan();
            let is_ahead = talk.ahead == Some(digest);
            let others = acceptable.iter().any(|(plan, ..)| {
                talk.ahead == Some(plan.digest()) || talk.ahead.is_none() && plan.digest() != digest
            });
            let gives_way = talk.ahead.is_some() || Self::is_blocked(core, &own.founding);
            if is_ahead || !others || !gives_way {
                if !core.asks_again() {
                    return None;
                }
                if plan.digest() == digest {
                    return Some(self.word(plan, own.founding.clone(), self.lost_journal));
                }
                // The host stopped between the journal and the note.
                let said = acceptable.into_iter().find(|(it, ..)| **it == plan);
                return said.map(|(_, founding, _)| self.word(plan, founding, true));
            }
        }
        let best = acceptable.into_iter().max_by_key(|(plan, _, by)| {
            let digest = plan.digest();
            let is_ahead = talk.ahead == Some(digest);
            (is_ahead, *by, plan.height, std::cmp::Reverse(digest))
        });
        if let Some((plan, founding, _)) = best {
            let is_said = own.is_some_and(|own| own.founding.plan() == plan.digest());
            let plan = plan.clone();
            return (!is_said).then(|| self.word_for(plan, founding));
        }
        if own.is_some() || self.looks < self.patience {
            return None;
        }
        let state = self.state(disk, genesis, height)?.clone();
        let without = self.without(core, &state);
        let mut plan = Plan {
            without: without.into_iter().collect(),
            ..Plan::new(height, state.seal())
        };
        plan.sort();
        let founding = refounded(genesis, &state, &plan).ok()?;
        Some(self.word_for(plan, founding))
    }

    /// Whom this person leaves out of those who were members then.
    fn without(&self, core: &Core, state: &State) -> BTreeSet<NodeId> {
        let proved = core.proved_equivocators();
        let all = proved.union(&self.left_out).copied();
        all.filter(|node| state.roster().get(node).is_some())
            .collect()
    }

    fn state(&mut self, disk: &Disk, genesis: &Genesis, height: u64) -> Option<&State> {
        let is_new = self.states.get(&height).is_none_or(|known| {
            let block = usize::try_from(height)
                .ok()
                .and_then(|at| disk.blocks.get(at.checked_sub(1)?));
            block.is_some_and(|block| block.seal.id() != known.seal())
        });
        if is_new {
            let state = state_at(genesis, disk, height)?;
            self.states.insert(height, state);
        }
        self.states.get(&height)
    }

    /// What a plan leads to, if it is acceptable.
    fn judge(
        &mut self,
        core: &Core,
        disk: &Disk,
        genesis: &Genesis,
        plan: &Plan,
        height: u64,
        talk: &Talk<'_>,
    ) -> Option<Founding> {
        let is_plain = plan.roles.is_empty() && plan.succeeded.is_empty();
        // Where no fork says where to go on from, an earlier seal than the own last one will do.
        let is_height = if talk.awaits_fork || talk.from.is_some() {
            plan.height == height
        } else {
            plan.height <= height && plan.height + 3 > height
        };
        if !is_plain || !is_height || plan.without.iter().any(|it| talk.vouched.contains(it)) {
            return None;
        }
        let state = self.state(disk, genesis, plan.height)?.clone();
        let founding = refounded(genesis, &state, plan).ok()?;
        let is_without = |node: &NodeId| plan.without.binary_search(node).is_ok();
        let is_fair = self.without(core, &state).iter().all(is_without);
        let has_me = founding.genesis().members.iter();
        let has_me = has_me.map(|it| it.node).any(|node| node == core.node_id());
        (is_fair && has_me).then_some(founding)
    }

    /// Whether so many endorse other plans that this one cannot take effect.
    fn is_blocked(core: &Core, founding: &Founding) -> bool {
        let plans = core.endorsed_plans();
        let others = plans
            .iter()
            .filter(|it| it.plan.digest() != founding.plan());
        let others: BTreeSet<NodeId> = others.flat_map(|it| it.by.iter().copied()).collect();
        let against = others.intersection(founding.voters()).count();
        3 * against >= founding.voters().len()
    }

    fn word_for(&mut self, plan: Plan, founding: Founding) -> (Input, Word) {
        let is_another = self.said.as_ref().is_some_and(|said| *said != plan);
        let is_sure = is_another || self.lost_journal;
        self.word(plan, founding, is_sure)
    }

    fn word(&mut self, plan: Plan, founding: Founding, is_sure: bool) -> (Input, Word) {
        self.said = Some(plan.clone());
        let input = Input::Endorse {
            plan: plan.clone(),
            founding: Box::new(founding),
            is_sure,
        };
        let plan = Some(plan);
        (input, Word { plan, is_sure })
    }
}
