//! The genesis that follows from a plan and the state that it goes on from ([F2]).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::State;
use crate::base::digest::{Digest, NodeId};
use crate::base::limits::FORMER_KEYS_MAX;
use crate::base::rejection::Rejection;
use crate::members::roster::{Member, Roster};
use crate::statement::genesis::{ConfigValue, Follows, Founder, Genesis};
use crate::statement::operation::Spore;
use crate::statement::record::{KnownSuccession, Plan, Record, Signed, Verifier};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A network that follows from a plan ([F2]), with what a node needs to know when the plan takes effect ([F4], [F6]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founding {
    genesis: Genesis,
    voters: BTreeSet<NodeId>,
    sealers: BTreeSet<NodeId>,
    old_voters: BTreeSet<NodeId>,
}

impl Founding {
    /// The genesis of the new network.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The digest of the plan.
    pub fn plan(&self) -> Digest {
        self.genesis.nonce
    }

    /// The members with a vote in the new network.
    pub fn voters(&self) -> &BTreeSet<NodeId> {
        &self.voters
    }

    /// The members that seal its first height.
    pub fn sealers(&self) -> &BTreeSet<NodeId> {
        &self.sealers
    }

    /// The members with a vote in the old network, at the height that the plan goes on from, by the keys that the plan gives them.
    pub fn old_voters(&self) -> &BTreeSet<NodeId> {
        &self.old_voters
    }
}

/// The genesis of the network that follows this one by a plan: bit by bit the same for everybody who has the genesis of this
/// one, the state after the plan's seal, and the plan ([F2]). Seal 0 of the new network has the time of that seal.
///
/// # Errors
///
/// [`Rejection::UnknownSeal`] if the state is not the one that the plan goes on from. [`Rejection::Inapplicable`] if the plan
/// names somebody who is no member, or a change of keys does not apply; another [`Rejection`] if the new genesis would not be
/// valid: nobody would have a vote, or there would be two Primaries.
pub fn refounded(old: &Genesis, state: &State, plan: &Plan) -> Result<Founding, Rejection> {
    plan.check()?;
    if (plan.height, plan.seal) != (state.height, state.seal) {
        return Err(Rejection::UnknownSeal);
    }
    let mut roster = state.roster.clone();
    succeed(&mut roster, old, state.time_ms, &plan.succeeded)?;
    let old_voters = roster.voters().map(|(node, _)| node).collect();
    let named = |roster: &Roster, key: &NodeId| {
        let present = roster.present_key(key);
        present.ok_or(Rejection::Inapplicable(
            "the plan names somebody who is no member",
        ))
    };
    for key in &plan.without {
        let present = named(&roster, key)?;
        roster.remove(&present);
    }
    let mut roles: BTreeMap<NodeId, Spore> = BTreeMap::new();
    for (key, role) in &plan.roles {
        if roles.insert(named(&roster, key)?, *role).is_some() {
            return Err(Rejection::Inapplicable("the plan gives a member two roles"));
        }
    }
    let founder = |(node, member): (NodeId, &Member)| {
        let role = roles.get(&node).copied().unwrap_or(member.role);
        Founder {
            role,
            ..member.to_founder(node)
        }
    };
    let members = roster.iter().map(founder).collect();
    let config = state.config.map.iter();
    let digest = plan.digest();
    let genesis = Genesis {
        nonce: digest,
        time_ms: state.time_ms,
        members,
        params: state.params.as_ref().clone(),
        follows: Some(Follows {
            net: old.network_id(),
            height: plan.height,
            seal: plan.seal,
            plan: digest,
            config: config
                .map(|(name, value)| (name.clone(), ConfigValue(value.clone())))
                .collect(),
            gone: roster.gone().clone(),
        }),
        ..old.clone()
    };
    genesis.check()?;
    let founders = Roster::founders(&genesis);
    Ok(Founding {
        voters: founders.voters().map(|(node, _)| node).collect(),
        sealers: founders.sealers(genesis.sealing).into_iter().collect(),
        old_voters,
        genesis,
    })
}

/// Whether a line can move to this key now.
fn applies(roster: &Roster, it: &KnownSuccession) -> bool {
    let line = roster.get(&it.old).filter(|line| {
        !line.is_banned()
            && line.successor == Some(Digest::of_successor(&it.by))
            && line.former.len() < FORMER_KEYS_MAX
    });
    line.is_some() && !roster.ever_had(&it.by)
}

/// Applies changes of keys, each when the key that it replaces is a member's.
fn succeed(
    roster: &mut Roster,
    old: &Genesis,
    time_ms: u64,
    successions: &[KnownSuccession],
) -> Result<(), Rejection> {
    let mut verifier = Verifier::new(old.network_id());
    for succession in successions {
        verifier.add_author(succession.by)?;
        verifier.verify(Signed::try_from(succession.record(old.network_id()))?)?;
    }
    let applied = succeed_as_far_as_possible(roster, time_ms, successions.iter());
    (applied.len() == successions.len())
        .then_some(())
        .ok_or(Rejection::Inapplicable(
            "a change of keys in the plan does not apply",
        ))
}

fn succeed_as_far_as_possible<'a>(
    roster: &mut Roster,
    time_ms: u64,
    successions: impl Iterator<Item = &'a KnownSuccession>,
) -> Vec<&'a KnownSuccession> {
    let mut left: Vec<&KnownSuccession> = successions.collect();
    let mut applied = Vec::new();
    while let Some(at) = left.iter().position(|it| applies(roster, it)) {
        let it = left.remove(at);
        roster.succeed(it.old, it.by, it.next, time_ms);
        applied.push(it);
    }
    applied
}

/// Of these records, the changes of keys that apply to the state, for a plan that goes on from it. Their signatures were checked.
pub fn known_successions<'a>(
    state: &State,
    records: impl Iterator<Item = &'a Record>,
) -> Vec<KnownSuccession> {
    let known: Vec<KnownSuccession> = records.filter_map(KnownSuccession::of).collect();
    let mut roster = state.roster.clone();
    let applied = succeed_as_far_as_possible(&mut roster, state.time_ms, known.iter());
    applied.into_iter().cloned().collect()
}
