//! Members, their standings, votes and weights (V1, T7), and who seals (S4).

use std::collections::{BTreeMap, BTreeSet};

use super::Oracle;
use super::mutation::Mutation;
use crate::base::digest::NodeId;
use crate::statement::genesis::Sealing;
use crate::statement::name::MemberName;
use crate::statement::operation::Spore;
use crate::statement::params::Params;

pub(super) type Roster = BTreeMap<NodeId, Member>;

/// How many chances a member's line remembers.
const CHANCES: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Probation,
    Active,
    Suspended,
    Banned,
}

impl Standing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Probation => "probation",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Banned => "banned",
        }
    }
}

/// The seal times that the rules with "once per window" look back at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// Some record of its own was last sealed; at first, it joined.
    pub(super) seen: u64,
    /// Its row last grew.
    pub(super) row: Option<u64>,
    /// Absence was last charged.
    pub(super) absence: Option<u64>,
    /// Withholding was last charged to its trust.
    pub(super) withheld: Option<u64>,
    /// Withholding was last charged to its skill.
    pub(super) skill_withheld: Option<u64>,
    /// Some reveal of its own was last sealed.
    pub(super) reveal: Option<u64>,
    /// An overruled objection was last charged.
    pub(super) objection: Option<u64>,
    /// Its last `Rejoin` was sealed.
    pub(super) rejoin: Option<u64>,
    /// Its tenure as the front of the queue last ended.
    pub(super) moved: Option<u64>,
    /// An operation that it proposed last counted as a chance.
    pub(super) chance: Option<u64>,
}

/// Whether `last` is less than a window before `now`.
pub(super) fn within(last: Option<u64>, now_ms: u64, window_ms: u64) -> bool {
    last.is_some_and(|last| now_ms - last < window_ms)
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: MemberName,
    pub(super) role: Spore,
    pub(super) trust: u32,
    pub(super) skill: u32,
    pub(super) standing: Standing,
    /// Coherent outcomes in a row.
    pub(super) row: u32,
    /// The last chances, oldest first: `true` if it was missed.
    pub(super) chances: Vec<bool>,
    pub(super) times: Times,
}

impl Member {
    /// A member that joins at a time.
    pub(super) fn new(
        name: MemberName,
        role: Spore,
        trust: u32,
        skill: u32,
        standing: Standing,
        now_ms: u64,
    ) -> Self {
        Self {
            name,
            role,
            trust,
            skill,
            standing,
            row: 0,
            chances: Vec::new(),
            times: Times {
                seen: now_ms,
                ..Times::default()
            },
        }
    }

    /// Whether it has a vote in critical operations, authority and sealing.
    pub(super) fn has_vote(&self) -> bool {
        self.standing == Standing::Active
    }

    /// Weight in claims.
    pub(super) fn claim_weight(&self, params: &Params, mutation: Option<Mutation>) -> u64 {
        let score = match mutation {
            Some(Mutation::FirstEdition) => self.trust,
            Some(Mutation::NoFloorOfSkill) => self.skill,
            _ => self.skill.max(params.skill_floor_ppm),
        };
        match self.standing {
            Standing::Active | Standing::Suspended => u64::from(score),
            Standing::Probation | Standing::Banned => 0,
        }
    }

    pub(super) fn count_chance(&mut self, missed: bool) {
        self.chances.push(missed);
        let surplus = self.chances.len().saturating_sub(CHANCES);
        self.chances.drain(..surplus);
    }

    /// Missed chances among the last 100; chances still to come count as taken.
    pub(super) fn missed(&self) -> usize {
        self.chances.iter().filter(|missed| **missed).count()
    }

    /// Moves the standing by one step, as trust and row demand.
    pub(super) fn restand(&mut self, params: &Params) {
        self.standing = match self.standing {
            Standing::Active if self.trust < params.suspend_below_ppm => Standing::Suspended,
            Standing::Probation | Standing::Suspended
                if self.trust >= params.activate_from_ppm && self.row >= params.activate_row =>
            {
                Standing::Active
            }
            as_it_was => as_it_was,
        };
    }
}

/// What an elector counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elector {
    pub(super) weight: u64,
    /// Whether it was `Active` at the opening.
    pub(super) vote: bool,
}

/// The electors of an operation, fixed at its opening.
#[derive(Debug, Clone, Default)]
pub(super) struct Electorate {
    pub(super) electors: BTreeMap<NodeId, Elector>,
    /// All votes of the roster at the opening, also of members that are not on the panel.
    pub(super) all_votes: usize,
}

impl Electorate {
    fn new(roster: &Roster, weight: impl Fn(&Member) -> u64) -> Self {
        let members = roster.iter();
        let electors = members.filter(|(_, member)| member.standing != Standing::Banned);
        let electors = electors.map(|(node, member)| {
            let elector = Elector {
                weight: weight(member),
                vote: member.has_vote(),
            };
            (*node, elector)
        });
        Self {
            electors: electors.collect(),
            all_votes: votes(roster).len(),
        }
    }

    /// For critical operations: one each for who has a vote.
    pub(super) fn critical(roster: &Roster) -> Self {
        Self::new(roster, |member| u64::from(member.has_vote()))
    }

    /// For claims.
    pub(super) fn claim(roster: &Roster, params: &Params, mutation: Option<Mutation>) -> Self {
        Self::new(roster, |member| member.claim_weight(params, mutation))
    }

    /// The weight of all electors.
    pub(super) fn total(&self) -> u128 {
        self.weight_of(self.electors.keys())
    }

    /// The weight of those of `who` that are electors.
    pub(super) fn weight_of<'a>(&self, who: impl IntoIterator<Item = &'a NodeId>) -> u128 {
        let electors = who.into_iter().filter_map(|node| self.electors.get(node));
        electors.map(|elector| u128::from(elector.weight)).sum()
    }

    /// How many electors have weight.
    pub(super) fn heads(&self) -> usize {
        self.heads_of(self.electors.keys())
    }

    /// How many of `who` are electors with weight.
    pub(super) fn heads_of<'a>(&self, who: impl IntoIterator<Item = &'a NodeId>) -> usize {
        let electors = who.into_iter().filter_map(|node| self.electors.get(node));
        electors.filter(|elector| elector.weight > 0).count()
    }

    /// How many of `who` are electors with a vote.
    pub(super) fn votes_of<'a>(&self, who: impl IntoIterator<Item = &'a NodeId>) -> usize {
        let electors = who.into_iter().filter_map(|node| self.electors.get(node));
        electors.filter(|elector| elector.vote).count()
    }
}

/// Everybody with a vote.
pub(super) fn votes(roster: &Roster) -> BTreeSet<NodeId> {
    let active = roster.iter().filter(|(_, member)| member.has_vote());
    active.map(|(node, _)| *node).collect()
}

/// The sealers that this roster would give; empty if nobody has a vote.
fn sealers(roster: &Roster, sealing: Sealing) -> BTreeSet<NodeId> {
    let all = votes(roster);
    let mut authorities = all.clone();
    authorities.retain(|node| roster[node].role != Spore::Latent);
    match sealing {
        Sealing::Authorities if authorities.len() >= 4 => authorities,
        Sealing::Authorities | Sealing::Members => all,
    }
}

impl Oracle {
    /// Settles who seals the next height. If nobody has a vote, the sealers stay.
    pub(super) fn appoint_sealers(&mut self) {
        let sealers = sealers(&self.roster, self.sealing);
        if !sealers.is_empty() {
            self.sealers = sealers;
        }
    }
}
