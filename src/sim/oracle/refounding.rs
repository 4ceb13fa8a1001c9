//! Founding the network anew (F1, F2), from the oracle's own state: the ledger that follows from a plan, and what its genesis must say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::log::{hash, network_id};
use super::queue::Queue;
use super::roster::{Member, Standing, Times, votes};
use super::{Moment, Oracle};
use crate::base::digest::{Digest, NodeId, SealId};
use crate::statement::genesis::{Founder, Genesis};
use crate::statement::line::FoundingLine;
use crate::statement::operation::Spore;
use crate::statement::params::Params;
use crate::statement::record::Plan;

/// A part of F2 that a test takes back, to see that it notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omission {
    /// Everybody begins with the scores of a founder.
    Scores,
    /// Everybody begins as `Active`.
    Standings,
    /// Rows begin at zero.
    Rows,
    /// No chance was missed.
    Chances,
    /// The times of W2 are forgotten.
    Times,
    /// Who is left out stays.
    LeftOut,
    /// Nobody gets a new role.
    Roles,
    /// The keys of members that left may be taken again.
    Gone,
    /// The configuration begins empty.
    Configuration,
    /// The parameters are the usual ones.
    Parameters,
}

impl Omission {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Scores,
        Self::Standings,
        Self::Rows,
        Self::Chances,
        Self::Times,
        Self::LeftOut,
        Self::Roles,
        Self::Gone,
        Self::Configuration,
        Self::Parameters,
    ];
}

/// The ledger at seal 0 of a network that follows another.
#[derive(Debug, Clone)]
pub struct Refounded {
    oracle: Oracle,
    plan: Plan,
    old: (super::NetworkId, SealId),
}

impl Oracle {
    /// The keys of members that left, and are no members again.
    pub(super) fn gone(&self) -> BTreeSet<NodeId> {
        let here = |node: &&NodeId| !self.roster.contains_key(node);
        self.left.iter().filter(here).copied().collect()
    }

    /// The ledger at seal 0 of the network that follows from a plan, which goes on from the last seal here. Of its genesis only the
    /// hash is taken.
    ///
    /// # Errors
    ///
    /// Why the plan does not apply.
    pub fn refounded(&self, plan: &Plan, genesis: &Genesis) -> Result<Refounded, String> {
        self.refounded_without(plan, genesis, None)
    }

    /// The same, with a part left out.
    ///
    /// # Errors
    ///
    /// As [`Self::refounded`].
    pub fn refounded_without(
        &self,
        plan: &Plan,
        genesis: &Genesis,
        omission: Option<Omission>,
    ) -> Result<Refounded, String> {
        let is_seal = self.height() == 0 || self.now().id == plan.seal;
        if plan.height != self.height() || !is_seal {
            return Err("the plan goes on from another seal".into());
        }
        if !plan.succeeded.is_empty() {
            return Err("nobody succeeds in these schedules".into());
        }
        let mut left = self.gone();
        let mut roster = self.roster.as_ref().clone();
        for node in &plan.without {
            if !roster.contains_key(node) {
                return Err("it leaves out a stranger".into());
            }
            if omission != Some(Omission::LeftOut) {
                roster.remove(node);
                left.insert(*node);
            }
        }
        for (node, role) in &plan.roles {
            let Some(member) = roster.get_mut(node) else {
                return Err("it gives a role to a stranger".into());
            };
            if omission != Some(Omission::Roles) {
                member.role = *role;
            }
        }
        let now_ms = self.now().time_ms;
        for member in roster.values_mut() {
            forget(member, omission, now_ms);
        }
        judge(&roster)?;
        let roster = Arc::new(roster);
        let start = Moment {
            time_ms: now_ms,
            id: SealId::default(),
            before: Arc::clone(&roster),
            during: Arc::clone(&roster),
        };
        let mut oracle = Self {
            net: network_id(genesis),
            moments: vec![start],
            sealed: BTreeSet::new(),
            cases: BTreeMap::new(),
            roster,
            queue: Queue::default(),
            effects: BTreeMap::new(),
            entries: Vec::new(),
            left,
            ..self.clone()
        };
        match omission {
            Some(Omission::Gone) => oracle.left.clear(),
            Some(Omission::Configuration) => oracle.config.clear(),
            Some(Omission::Parameters) => oracle.params = Params::default(),
            _ => {}
        }
        oracle.appoint_sealers();
        oracle.fill_queue();
        Ok(Refounded {
            oracle,
            plan: plan.clone(),
            old: (self.net, plan.seal),
        })
    }
}

/// Takes from a line what the omission says.
fn forget(member: &mut Member, omission: Option<Omission>, now_ms: u64) {
    match omission {
        Some(Omission::Scores) => (member.trust, member.skill) = (500_000, 500_000),
        Some(Omission::Standings) => member.standing = Standing::Active,
        Some(Omission::Rows) => member.row = 0,
        Some(Omission::Chances) => member.chances.clear(),
        Some(Omission::Times) => {
            member.times = Times {
                seen: now_ms,
                ..Times::default()
            }
        }
        _ => {}
    }
}

/// A network has a vote, no banned member, and at most one Primary.
fn judge(roster: &super::Roster) -> Result<(), String> {
    let mut members = roster.values();
    if members.any(|member| member.standing == Standing::Banned) {
        return Err("it takes a banned member along".into());
    }
    let primaries = roster.values().filter(|it| it.role == Spore::Primary);
    if primaries.count() > 1 {
        return Err("two Primaries".into());
    }
    if votes(roster).is_empty() {
        return Err("nobody would have a vote".into());
    }
    Ok(())
}

impl Refounded {
    /// The oracle of the new network.
    #[must_use]
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// Every difference of a genesis to what the rules give, one per line.
    #[must_use]
    pub fn differences(&self, genesis: &Genesis) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |what: &str, is_right: bool| {
            if !is_right {
                found.push(what.to_owned());
            }
        };
        let digest = Digest::from_bytes(hash("mycnet-consensus plan v1", &self.plan));
        let (oracle, plan) = (&self.oracle, &self.plan);
        note("the random bytes", genesis.nonce == digest);
        note("the time", genesis.time_ms == oracle.now().time_ms);
        note("who seals", genesis.sealing == oracle.sealing);
        note("panels", genesis.panel_scoring == oracle.panel_scoring);
        note("the parameters", genesis.params == oracle.params);
        match &genesis.follows {
            None => note("it follows no network", false),
            Some(follows) => {
                let from = (follows.net, follows.seal);
                note("the network that it follows", from == self.old);
                note("the height", follows.height == plan.height);
                note("the digest of the plan", follows.plan == digest);
                note("the keys that are gone", follows.gone == oracle.gone());
                let config = follows.config.iter();
                let config = config.map(|(name, value)| (name.clone(), value.0.clone()));
                let config: BTreeMap<String, Vec<u8>> = config.collect();
                note("the configuration", config == oracle.config);
            }
        }
        let founders = genesis.members.iter().map(|it| &it.node);
        note("who is a member", founders.eq(oracle.roster.keys()));
        for founder in &genesis.members {
            if let Some(member) = oracle.roster.get(&founder.node) {
                let differs = line_differences(founder, member);
                found.extend(
                    differs
                        .iter()
                        .map(|what| format!("{what} of {}", founder.name)),
                );
            }
        }
        found
    }
}

/// What a founder's line says differently.
fn line_differences(founder: &Founder, member: &Member) -> Vec<&'static str> {
    let Some(line) = &founder.line else {
        return vec!["the line"];
    };
    let FoundingLine {
        trust,
        rejoined_ms,
        moved_ms,
        chance_ms,
        succeeded_ms,
        former,
    } = line;
    let times = &member.times;
    let said = [
        *rejoined_ms,
        *moved_ms,
        *chance_ms,
        Some(trust.seen_ms),
        trust.row_ms,
        trust.reveal_ms,
        trust.withheld_ms,
        trust.skill_withheld_ms,
        trust.absence_ms,
        trust.objection_ms,
    ];
    let known = [
        times.rejoin,
        times.moved,
        times.chance,
        Some(times.seen),
        times.row,
        times.reveal,
        times.withheld,
        times.skill_withheld,
        times.absence,
        times.objection,
    ];
    let scores = (trust.trust_ppm, trust.skill_ppm);
    let parts = [
        ("the name", founder.name == member.name),
        ("the role", founder.role == member.role),
        ("the scores", scores == (member.trust, member.skill)),
        (
            "the standing",
            trust.standing.to_string() == member.standing.name(),
        ),
        ("the row", trust.row == member.row),
        ("the chances", bits(&trust.chances) == chance_bits(member)),
        ("the times", said == known),
        (
            "former keys",
            former.is_empty() && succeeded_ms.is_none() && founder.successor.is_none(),
        ),
    ];
    let wrong = parts.into_iter().filter(|(_, is_right)| !is_right);
    wrong.map(|(what, _)| what).collect()
}

/// The chances as a genesis encodes them: 13 bytes behind the head of a byte string.
fn bits(chances: &impl serde::Serialize) -> Vec<u8> {
    let encoded = serde_ipld_dagcbor::to_vec(chances).expect("chances always encode");
    encoded[1..].to_vec()
}

/// One bit for each of the last 100 chances, the latest lowest; set if it was missed.
fn chance_bits(member: &Member) -> Vec<u8> {
    let push = |bits: u128, missed: &bool| bits << 1 | u128::from(*missed);
    let bits = member.chances.iter().fold(0, push);
    bits.to_be_bytes()[3..].to_vec()
}
