//! The roster: the members with their names, roles, scores and standing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, NodeId, ROSTER, STATE_PART};
use crate::members::trust::{Standing, TrustState};
use crate::statement::genesis::{Founder, Genesis, Sealing};
use crate::statement::name::MemberName;
use crate::statement::operation::{Class, Spore};
use crate::statement::params::Params;

/// With fewer active authorities than this every active member seals: of three, none could be away.
const AUTHORITIES_MIN: usize = 4;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its role.
    pub role: Spore,
    /// Its name; no other member has it.
    pub name: MemberName,
    /// The digest of the key that may replace its key.
    pub successor: Option<Digest>,
    /// Trust, skill, standing, and the history that determines them.
    pub trust: TrustState,
    /// The last height that listed a `Rejoin` of this member, and that seal's time.
    pub rejoined: Option<(u64, u64)>,
    /// Seal time at which it was last moved from the front of the queue because it had led for too long (S5).
    pub moved_ms: Option<u64>,
    /// Seal time of the last operation of its own that counted as a chance.
    pub chance_ms: Option<u64>,
}

impl Member {
    /// A member that has just joined.
    pub fn new(
        role: Spore,
        name: MemberName,
        successor: Option<Digest>,
        trust: TrustState,
    ) -> Self {
        Self {
            role,
            name,
            successor,
            trust,
            rejoined: None,
            moved_ms: None,
            chance_ms: None,
        }
    }

    /// The weight of the member in an operation of this class: its vote or, in claims, its skill but at least the floor.
    pub fn weight(&self, class: Class, params: &Params) -> u64 {
        match class {
            Class::Claim => self.trust.claim_weight(params),
            Class::Critical | Class::Standard => u64::from(self.trust.has_vote()),
        }
    }

    /// Whether the member is banned for a proved equivocation.
    pub fn is_banned(&self) -> bool {
        self.trust.standing() == Standing::Banned
    }

    /// Whether the member holds this role with authority: a suspended Seed has none.
    pub fn is_active(&self, role: Spore) -> bool {
        self.role == role && self.trust.has_vote()
    }
}

/// A member's line of the roster, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLine {
    /// Its role.
    pub role: Spore,
    /// Its name.
    pub name: MemberName,
    /// Its trust, parts per million.
    pub trust_ppm: u32,
    /// Its skill, parts per million.
    pub skill_ppm: u32,
    /// Its standing.
    pub standing: Standing,
    /// Its row of coherent outcomes.
    pub row: u32,
}

impl MemberLine {
    /// The line of a founding member at the genesis.
    pub fn of_founder(founder: &Founder, params: &Params) -> Self {
        let trust = TrustState::founder(params, 0);
        let Founder {
            role,
            name,
            successor,
            ..
        } = founder.clone();
        Self::of(&Member::new(role, name, successor, trust))
    }

    /// The line of a member.
    pub fn of(member: &Member) -> Self {
        Self {
            role: member.role,
            name: member.name.clone(),
            trust_ppm: member.trust.trust_ppm(),
            skill_ppm: member.trust.skill_ppm(),
            standing: member.trust.standing(),
            row: member.trust.row(),
        }
    }
}

/// A member that may vote on one operation, as its opening seal fixed it (P1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elector {
    /// The member.
    pub node: NodeId,
    /// Its weight: 1 or 0 in critical operations, parts per million of skill in claims.
    pub weight: u64,
    /// Whether it had a vote: whether it was `Active`.
    pub has_vote: bool,
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
            let trust = TrustState::founder(&genesis.params, genesis.time_ms);
            let name = founder.name.clone();
            let member = Member::new(founder.role, name, founder.successor, trust);
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

    /// The electors of an operation of this class: all members that are not banned. Those without weight vote too and are
    /// scored.
    pub fn electors(&self, class: Class, params: &Params) -> impl Iterator<Item = Elector> {
        self.iter()
            .filter(|(_, member)| !member.is_banned())
            .map(move |(node, member)| Elector {
                node,
                weight: member.weight(class, params),
                has_vote: member.trust.has_vote(),
            })
    }

    /// The weight of all members in operations of this class.
    pub fn total(&self, class: Class, params: &Params) -> u64 {
        self.electors(class, params).map(|it| it.weight).sum()
    }

    /// The members with a vote: all that are `Active`.
    pub fn voters(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.iter().filter(|(_, member)| member.trust.has_vote())
    }

    /// The Primary, if there is one and it has authority.
    pub fn active_primary(&self) -> Option<NodeId> {
        self.voters()
            .find(|(_, member)| member.role == Spore::Primary)
            .map(|(node, _)| node)
    }

    /// The Primary, whatever its standing.
    pub fn primary(&self) -> Option<NodeId> {
        self.iter()
            .find(|(_, member)| member.role == Spore::Primary)
            .map(|(node, _)| node)
    }

    /// The Seeds with a vote.
    pub fn seeds(&self) -> impl Iterator<Item = NodeId> {
        self.voters()
            .filter(|(_, member)| member.role == Spore::Seed)
            .map(|(node, _)| node)
    }

    /// The sealers of the next height by role and key (S4). Empty if no member has a vote.
    pub fn sealers(&self, sealing: Sealing) -> Vec<NodeId> {
        let authorities = self
            .voters()
            .filter(|(_, member)| member.role.is_authority());
        let only_authorities =
            sealing == Sealing::Authorities && authorities.count() >= AUTHORITIES_MIN;
        let mut sealers: Vec<(Spore, NodeId)> = self
            .voters()
            .filter(|(_, member)| !only_authorities || member.role.is_authority())
            .map(|(node, member)| (member.role, node))
            .collect();
        // `Spore` sorts Primary, Seed, Latent.
        sealers.sort_unstable();
        sealers.into_iter().map(|(_, node)| node).collect()
    }

    /// The digest of role, trust, skill and standing of every member, as a seal states it.
    pub fn digest(&self) -> Digest {
        let lines: Vec<_> = self
            .iter()
            .map(|(node, member)| {
                let trust = &member.trust;
                let scores = (trust.trust_ppm(), trust.skill_ppm(), trust.standing());
                (node, member.role, scores)
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
