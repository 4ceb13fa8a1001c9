//! The roster: the members with their roles, trust, standing and weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, NodeId, ROSTER, STATE_PART};
use crate::members::trust::{Standing, TrustState};
use crate::statement::genesis::{Genesis, Sealing};
use crate::statement::operation::{Class, Spore};

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its role.
    pub role: Spore,
    /// Trust, standing, and the history that determines both.
    pub trust: TrustState,
    /// The last height that listed a `Rejoin` of this member (DESIGN section 8).
    pub rejoined: Option<u64>,
}

impl Member {
    /// The weight of the member's vote in an operation of this class (DESIGN section 6).
    pub fn weight(&self, class: Class) -> u64 {
        match class {
            Class::Claim => self.trust.claim_weight(),
            Class::Critical | Class::Standard => self.trust.critical_weight(),
        }
    }

    /// Whether the member is banned for a proved equivocation.
    pub fn is_banned(&self) -> bool {
        self.trust.standing() == Standing::Banned
    }

    /// Whether the member holds this role with authority: a suspended Seed has none.
    pub fn is_active(&self, role: Spore) -> bool {
        self.role == role && self.trust.standing() == Standing::Active
    }
}

/// All members by key. A copy shares every member that it does not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    members: BTreeMap<NodeId, Arc<Member>>,
}

impl Roster {
    /// The founding members.
    pub fn founders(genesis: &Genesis) -> Self {
        let mut roster = Self::default();
        for founder in &genesis.members {
            let member = Member {
                role: founder.role,
                trust: TrustState::founder(&genesis.params),
                rejoined: None,
            };
            roster.insert(founder.node, member);
        }
        roster
    }

    /// The member with this key.
    pub fn get(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node).map(Arc::as_ref)
    }

    /// The member with this key, to be changed.
    pub fn get_mut(&mut self, node: &NodeId) -> Option<&mut Member> {
        self.members.get_mut(node).map(Arc::make_mut)
    }

    /// Members in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.members
            .iter()
            .map(|(node, member)| (*node, member.as_ref()))
    }

    /// The number of members, banned ones included.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds or replaces a member.
    pub fn insert(&mut self, node: NodeId, member: Member) {
        self.members.insert(node, Arc::new(member));
    }

    /// Takes a member out.
    pub fn remove(&mut self, node: &NodeId) {
        self.members.remove(node);
    }

    /// The members that may vote on an operation of this class, with their weights: all that are not banned. Members of
    /// weight 0 vote too and are scored.
    pub fn electors(&self, class: Class) -> impl Iterator<Item = (NodeId, u64)> {
        self.iter()
            .filter(|(_, member)| !member.is_banned())
            .map(move |(node, member)| (node, member.weight(class)))
    }

    /// The weight of all members in operations of this class.
    pub fn total(&self, class: Class) -> u64 {
        self.electors(class).map(|(_, weight)| weight).sum()
    }

    /// The Primary, if there is one and it has authority.
    pub fn active_primary(&self) -> Option<NodeId> {
        self.iter()
            .find(|(_, member)| member.is_active(Spore::Primary))
            .map(|(node, _)| node)
    }

    /// The Primary, whatever its standing.
    pub fn primary(&self) -> Option<NodeId> {
        self.iter()
            .find(|(_, member)| member.role == Spore::Primary)
            .map(|(node, _)| node)
    }

    /// The Seeds with weight.
    pub fn seeds(&self) -> impl Iterator<Item = (NodeId, u64)> {
        self.iter()
            .filter(|(_, member)| member.is_active(Spore::Seed))
            .map(|(node, member)| (node, member.trust.critical_weight()))
            .filter(|(_, weight)| *weight > 0)
    }

    /// The sealers of the next height, in the order in which they propose (S4, S5): the Primary first (without one, the Seed
    /// with most trust, ties by id), then the other Seeds, then Latents, each by id. Empty if no member has weight.
    pub fn sealers(&self, sealing: Sealing) -> Vec<NodeId> {
        let weighted: Vec<(NodeId, &Member, u64)> = self
            .iter()
            .map(|(node, member)| (node, member, member.trust.critical_weight()))
            .filter(|(_, _, weight)| *weight > 0)
            .collect();
        let authorities = weighted.iter().filter(|(_, m, _)| m.role.is_authority());
        let only_authorities = sealing == Sealing::Authorities && authorities.count() >= 4;
        let mut sealers: Vec<(NodeId, Spore, u64)> = weighted
            .into_iter()
            .filter(|(_, member, _)| !only_authorities || member.role.is_authority())
            .map(|(node, member, weight)| (node, member.role, weight))
            .collect();
        // `Spore` sorts Primary, Seed, Latent; keys are in order already.
        sealers.sort_by_key(|(node, role, _)| (*role, *node));
        if sealers.first().is_some_and(|first| first.1 == Spore::Seed) {
            let seeds = sealers
                .iter()
                .take_while(|(_, role, _)| *role == Spore::Seed);
            let (_, best) = seeds.enumerate().fold((0, 0), |(most, best), (at, seed)| {
                if seed.2 > most {
                    (seed.2, at)
                } else {
                    (most, best)
                }
            });
            sealers[..=best].rotate_right(1);
        }
        sealers.into_iter().map(|(node, _, _)| node).collect()
    }

    /// The digest of role, trust and standing of every member, as a seal states it.
    pub fn digest(&self) -> Digest {
        let lines: Vec<_> = self
            .iter()
            .map(|(node, member)| {
                let trust = &member.trust;
                (node, member.role, trust.trust_ppm(), trust.standing())
            })
            .collect();
        Digest::from_bytes(ROSTER.hash(&codec::encode(&lines)))
    }

    /// The digest of everything kept per member.
    pub fn full_digest(&self) -> Digest {
        let lines: Vec<_> = self.iter().collect();
        Digest::from_bytes(STATE_PART.hash(&codec::encode(&lines)))
    }
}
