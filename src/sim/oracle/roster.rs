//! Members, their standings and weights (V1, T7), and who seals (S4).

use std::collections::{BTreeMap, BTreeSet};

use super::Oracle;
use crate::base::digest::NodeId;
use crate::statement::genesis::Sealing;
use crate::statement::operation::Spore;
use crate::statement::params::Params;

pub(super) type Roster = BTreeMap<NodeId, Member>;

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

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) role: Spore,
    pub(super) trust: u32,
    pub(super) standing: Standing,
    /// Coherent votes in a row.
    pub(super) streak: u32,
    /// Every chance since admission, oldest first: `true` if it was missed.
    pub(super) chances: Vec<bool>,
    /// The times of the seals that fined it for absence.
    pub(super) fined_ms: Vec<u64>,
    /// The times of the seals that charged it for withholding.
    pub(super) charged_ms: Vec<u64>,
}

impl Member {
    pub(super) fn new(role: Spore, trust: u32, standing: Standing) -> Self {
        Self {
            role,
            trust,
            standing,
            streak: 0,
            chances: Vec::new(),
            fined_ms: Vec::new(),
            charged_ms: Vec::new(),
        }
    }

    /// Weight in critical votes, sealing and authority.
    pub(super) fn critical_weight(&self) -> u64 {
        match self.standing {
            Standing::Active => u64::from(self.trust),
            Standing::Suspended | Standing::Probation | Standing::Banned => 0,
        }
    }

    /// Weight in claims.
    pub(super) fn claim_weight(&self) -> u64 {
        match self.standing {
            Standing::Active | Standing::Suspended => u64::from(self.trust),
            Standing::Probation | Standing::Banned => 0,
        }
    }

    /// Missed chances among the last 100; chances still to come count as taken.
    pub(super) fn missed(&self) -> u32 {
        let last = self.chances.iter().rev().take(100);
        last.map(|missed| u32::from(*missed)).sum()
    }

    /// Moves the standing by one step, as trust and streak demand: a member that is suspended now returns at a later
    /// entry at the earliest.
    pub(super) fn restand(&mut self, params: &Params) {
        self.standing = match self.standing {
            Standing::Active if self.trust < params.suspend_below_ppm => Standing::Suspended,
            Standing::Probation | Standing::Suspended
                if self.trust >= params.activate_from_ppm && self.streak >= params.activate_row =>
            {
                Standing::Active
            }
            as_it_was => as_it_was,
        };
    }
}

pub(super) fn banned(roster: &Roster) -> BTreeSet<NodeId> {
    roster
        .iter()
        .filter(|(_, member)| member.standing == Standing::Banned)
        .map(|(node, _)| *node)
        .collect()
}

/// All members that are not Banned, with critical weights.
pub(super) fn critical_electorate(roster: &Roster) -> BTreeMap<NodeId, u64> {
    roster
        .iter()
        .filter(|(_, member)| member.standing != Standing::Banned)
        .map(|(node, member)| (*node, member.critical_weight()))
        .collect()
}

/// All members that are not Banned, with claim weights.
pub(super) fn claim_electorate(roster: &Roster) -> BTreeMap<NodeId, u64> {
    roster
        .iter()
        .filter(|(_, member)| member.standing != Standing::Banned)
        .map(|(node, member)| (*node, member.claim_weight()))
        .collect()
}

/// The sealers that this roster would give; empty if no member has weight.
pub(super) fn sealers(roster: &Roster, sealing: Sealing) -> BTreeMap<NodeId, u64> {
    let weighted: BTreeMap<NodeId, u64> = critical_electorate(roster)
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(node, _)| (node, 1))
        .collect();
    let authorities: BTreeMap<NodeId, u64> = weighted
        .iter()
        .filter(|(node, _)| roster[node].role != Spore::Latent)
        .map(|(node, weight)| (*node, *weight))
        .collect();
    match sealing {
        Sealing::Authorities if authorities.len() >= 4 => authorities,
        Sealing::Authorities | Sealing::Members => weighted,
    }
}

impl Oracle {
    /// Settles who seals the next height. If no member has weight, the sealers stay.
    pub(super) fn appoint_sealers(&mut self) {
        let sealers = sealers(&self.roster, self.sealing);
        if !sealers.is_empty() {
            self.sealers = sealers;
        }
    }
}
