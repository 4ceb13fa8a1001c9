//! The roster: the members with their names, roles, scores and standing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, NodeId, ROSTER, STATE_PART};
use crate::members::trust::{Standing, TrustState};
use crate::statement::genesis::{Founder, Genesis, Sealing};
pub use crate::statement::line::FormerKey;
use crate::statement::line::FoundingLine;
use crate::statement::name::MemberName;
use crate::statement::operation::{Class, Spore};
use crate::statement::params::Params;

#[cfg(doc)]
use crate::protocol::Rule::*;

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
    /// The digest of the key that may replace its key ([K1]).
    pub successor: Option<Digest>,
    /// Trust, skill, standing, and the history that determines them.
    pub trust: TrustState,
    /// The last height that listed a `Rejoin` of this member, and that seal's time ([C3]).
    pub rejoined: Option<(u64, u64)>,
    /// Seal time at which it was last moved from the front of the queue because it had led for too long ([S5]).
    pub moved_ms: Option<u64>,
    /// Seal time of the last operation of its own that counted as a chance.
    pub chance_ms: Option<u64>,
    /// Seal time of its last change of key.
    pub succeeded_ms: Option<u64>,
    /// The keys that it replaced, in this order. It answers for all of them.
    pub former: Vec<FormerKey>,
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
            succeeded_ms: None,
            former: Vec::new(),
        }
    }

    /// A founding member. A `Rejoin` of the network that the genesis follows says nothing about heights of this one.
    pub fn founding(founder: &Founder, params: &Params, genesis_ms: u64) -> Self {
        let Founder {
            role,
            name,
            successor,
            line,
            ..
        } = founder.clone();
        let trust = match &line {
            Some(line) => line.trust,
            None => TrustState::founder(params, genesis_ms),
        };
        let member = Self::new(role, name, successor, trust);
        match line {
            None => member,
            Some(line) => Self {
                rejoined: line.rejoined_ms.map(|time_ms| (0, time_ms)),
                moved_ms: line.moved_ms,
                chance_ms: line.chance_ms,
                succeeded_ms: line.succeeded_ms,
                former: line.former,
                ..member
            },
        }
    }

    /// What the member brings to a network that follows this one ([F2]).
    pub fn to_founder(&self, node: NodeId) -> Founder {
        Founder {
            node,
            role: self.role,
            name: self.name.clone(),
            successor: self.successor,
            line: Some(FoundingLine {
                trust: self.trust,
                rejoined_ms: self.rejoined.map(|(_, time_ms)| time_ms),
                moved_ms: self.moved_ms,
                chance_ms: self.chance_ms,
                succeeded_ms: self.succeeded_ms,
                former: self.former.clone(),
            }),
        }
    }

    /// The weight of the member in an operation of this class: its vote or, in claims, its skill but at least the floor ([V1]).
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

    /// Whether the member had this key and replaced it.
    pub fn had(&self, key: &NodeId) -> bool {
        self.former.iter().any(|former| former.node == *key)
    }

    /// Whether the member holds this role with authority: a suspended Seed has none.
    pub fn is_active(&self, role: Spore) -> bool {
        self.role == role && self.trust.has_vote()
    }
}

/// A member's line of the roster, as people see it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
        Self::of(&Member::founding(founder, params, 0))
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

/// A member that may vote on one operation, as its opening seal fixed it ([P1]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// All members by their present keys. A copy shares every member that it does not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    members: BTreeMap<NodeId, Arc<Member>>,
    /// The present key by each former key of a member. Follows from the lines.
    former: Arc<BTreeMap<NodeId, NodeId>>,
    /// The keys of members that left. None of them can become the key of another member by succession.
    gone: Arc<BTreeSet<NodeId>>,
}

impl Roster {
    /// The founding members.
    pub fn founders(genesis: &Genesis) -> Self {
        let mut roster = Self::default();
        for founder in &genesis.members {
            let member = Member::founding(founder, &genesis.params, genesis.time_ms);
            roster.insert(founder.node, member);
        }
        if let Some(follows) = &genesis.follows {
            roster.gone = Arc::new(follows.gone.clone());
        }
        roster
    }

    /// The members and the keys of those that left, as they were stored.
    pub fn restore(members: &[(NodeId, Member)], gone: &BTreeSet<NodeId>) -> Self {
        let mut roster = Self::default();
        for (node, member) in members {
            roster.insert(*node, member.clone());
        }
        roster.gone = Arc::new(gone.clone());
        roster
    }

    /// The keys of members that left.
    pub fn gone(&self) -> &BTreeSet<NodeId> {
        &self.gone
    }

    /// The present key of the member that has or had this key.
    pub fn present_key(&self, key: &NodeId) -> Option<NodeId> {
        let is_present = self.members.contains_key(key);
        is_present
            .then_some(*key)
            .or_else(|| self.former.get(key).copied())
    }

    /// The member that has or had this key: it answers for all its keys.
    pub fn line(&self, key: &NodeId) -> Option<&Member> {
        self.get(&self.present_key(key)?)
    }

    /// The member that has or had this key, to be changed, with its present key.
    pub fn line_mut(&mut self, key: &NodeId) -> Option<(NodeId, &mut Member)> {
        let present = self.present_key(key)?;
        Some((present, self.get_mut(&present)?))
    }

    /// Whether both are keys of one member.
    pub fn is_same_line(&self, one: &NodeId, other: &NodeId) -> bool {
        one == other
            || self
                .present_key(one)
                .is_some_and(|key| self.present_key(other) == Some(key))
    }

    /// All keys of the member that has or had this key, the present one last.
    pub fn keys_of(&self, key: &NodeId) -> impl Iterator<Item = NodeId> {
        let present = self.present_key(key);
        let former = present
            .and_then(|key| self.get(&key))
            .map(|line| line.former.iter());
        former
            .into_iter()
            .flatten()
            .map(|former| former.node)
            .chain(present)
    }

    /// All keys that members replaced.
    pub fn former_keys(&self) -> impl Iterator<Item = NodeId> {
        self.former.keys().copied()
    }

    /// Whether this key is or ever was a member's.
    pub fn ever_had(&self, key: &NodeId) -> bool {
        self.present_key(key).is_some() || self.gone.contains(key)
    }

    /// The digests of the keys that may replace a member's. A banned member has no successor.
    pub fn successors(&self) -> BTreeSet<Digest> {
        let members = self.members.values().filter(|member| !member.is_banned());
        members.filter_map(|member| member.successor).collect()
    }

    /// The present key of a member that names this key as successor; of several the one with the smallest key.
    pub fn succeeds(&self, key: &NodeId) -> Option<NodeId> {
        let digest = Digest::of_successor(key);
        let mut lines = self.iter().filter(|(_, member)| !member.is_banned());
        lines
            .find(|(_, member)| member.successor == Some(digest))
            .map(|(node, _)| node)
    }

    /// Moves a member's line to its next key.
    pub fn succeed(&mut self, old: NodeId, new: NodeId, next: Option<Digest>, time_ms: u64) {
        let Some(member) = self.members.remove(&old) else {
            return;
        };
        let mut member = Arc::unwrap_or_clone(member);
        member.successor = next;
        member.succeeded_ms = Some(time_ms);
        member.former.push(FormerKey {
            node: old,
            has_equivocated: false,
        });
        self.insert(new, member);
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

    /// Adds or replaces a member. One that left and is admitted again by the same key is no longer gone.
    pub fn insert(&mut self, node: NodeId, member: Member) {
        if self.gone.contains(&node) {
            Arc::make_mut(&mut self.gone).remove(&node);
        }
        if !member.former.is_empty() {
            let former = member.former.iter().map(|former| (former.node, node));
            Arc::make_mut(&mut self.former).extend(former);
        }
        self.members.insert(node, Arc::new(member));
    }

    /// Takes a member out, with all its keys.
    pub fn remove(&mut self, node: &NodeId) {
        let Some(member) = self.members.remove(node) else {
            return;
        };
        let gone = Arc::make_mut(&mut self.gone);
        gone.insert(*node);
        for FormerKey { node, .. } in &member.former {
            gone.insert(*node);
            Arc::make_mut(&mut self.former).remove(node);
        }
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

    /// The sealers of the next height by role and key ([S4]). Empty if no member has a vote.
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
        Digest::from_bytes(STATE_PART.hash(&codec::encode(&(lines, self.gone.as_ref()))))
    }
}
