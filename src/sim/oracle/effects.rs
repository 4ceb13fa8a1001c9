//! What an approved operation changes (P7).

use std::sync::Arc;

use super::Oracle;
use super::mutation::Mutation;
use super::roster::{Member, Roster, Standing, votes};
use crate::base::digest::NodeId;
use crate::base::limits::{CONFIG_KEYS_MAX, MEMBERS_MAX};
use crate::statement::operation::{ConsensusOperation, Spore};
use crate::statement::params::Params;

impl Oracle {
    /// Applies the effect. Changes nothing and returns `false` if it is no longer possible or would take too many votes.
    pub(super) fn take_effect(&mut self, operation: &ConsensusOperation) -> bool {
        let now_ms = self.now().time_ms;
        let mut roster = self.roster.as_ref().clone();
        let mut config = self.config.clone();
        let mut params = self.params.clone();
        let makes_sense = match operation {
            ConsensusOperation::NodeAdmission {
                candidate,
                role,
                consent,
            } => {
                let member = Member::new(
                    consent.name.clone(),
                    *role,
                    params.admitted_trust_ppm,
                    params.start_skill_ppm,
                    Standing::Probation,
                    now_ms,
                );
                admit(&mut roster, *candidate, member, self.mutation)
            }
            ConsensusOperation::NodeExclusion { node, .. } => {
                in_good_standing(&roster, node) && roster.remove(node).is_some()
            }
            ConsensusOperation::SporeAssignment { node, role } => assign(&mut roster, *node, *role),
            ConsensusOperation::TrustScoreModification {
                node, delta_ppm, ..
            } => modify(&mut roster, *node, *delta_ppm, &params),
            ConsensusOperation::NetworkConfiguration {
                config_type,
                proposed_change,
            } => match config_type.strip_prefix("param.") {
                Some(name) => match set_param(&params, name, proposed_change, self.mutation) {
                    Some(changed) => {
                        params = changed;
                        for line in roster.values_mut() {
                            line.restand(&params);
                        }
                        true
                    }
                    None => false,
                },
                None => set_key(&mut config, config_type.clone(), proposed_change),
            },
            ConsensusOperation::SecurityPolicyUpdate { policy, content } => {
                set_key(&mut config, format!("policy.{policy}"), content)
            }
            ConsensusOperation::ServiceDeployment { service, manifest } => {
                set_key(&mut config, format!("service.{service}"), manifest)
            }
            ConsensusOperation::ResourceAllocation {
                resource,
                allocation,
            } => set_key(&mut config, format!("resource.{resource}"), allocation),
            ConsensusOperation::RoutineMaintenance { task, details } => {
                set_key(&mut config, format!("maintenance.{task}"), details)
            }
            ConsensusOperation::PerformanceOptimization { target, details } => {
                set_key(&mut config, format!("performance.{target}"), details)
            }
            ConsensusOperation::Claim { .. } | ConsensusOperation::ClaimSet { .. } => false,
        };
        let is_exclusion = matches!(operation, ConsensusOperation::NodeExclusion { .. });
        if !makes_sense || !self.keeps_votes(&roster, is_exclusion) {
            return false;
        }
        let leaves = |node: &&NodeId| !roster.contains_key(node);
        self.left.extend(self.roster.keys().filter(leaves));
        self.roster = Arc::new(roster);
        self.config = config;
        self.params = params;
        true
    }

    /// Two thirds of those with a vote keep it, an exclusion by name excepted, and somebody has one.
    fn keeps_votes(&self, roster: &Roster, is_exclusion: bool) -> bool {
        let (before, after) = (votes(&self.roster), votes(roster));
        let kept = before.intersection(&after).count();
        let keeps = 3 * kept >= 2 * before.len()
            || is_exclusion
            || self.mutation == Some(Mutation::VotesUnguarded);
        keeps && !after.is_empty()
    }
}

fn in_good_standing(roster: &Roster, node: &NodeId) -> bool {
    roster
        .get(node)
        .is_some_and(|member| member.standing != Standing::Banned)
}

fn admit(
    roster: &mut Roster,
    candidate: NodeId,
    member: Member,
    mutation: Option<Mutation>,
) -> bool {
    let members = roster.values();
    let counted = members.filter(|member| member.standing != Standing::Banned);
    let is_full = counted.count() >= MEMBERS_MAX;
    let has_name = roster.values().any(|other| other.name == member.name)
        && mutation != Some(Mutation::NamesTwice);
    if roster.contains_key(&candidate) || is_full || has_name {
        return false;
    }
    roster.insert(candidate, member);
    true
}

fn assign(roster: &mut Roster, node: NodeId, role: Spore) -> bool {
    if !in_good_standing(roster, &node) || roster[&node].role == role {
        return false;
    }
    for (other, member) in roster.iter_mut() {
        if role == Spore::Primary && member.role == Spore::Primary {
            member.role = Spore::Seed;
        }
        if *other == node {
            member.role = role;
        }
    }
    true
}

fn modify(roster: &mut Roster, node: NodeId, delta_ppm: i32, params: &Params) -> bool {
    if !in_good_standing(roster, &node) {
        return false;
    }
    let Some(member) = roster.get_mut(&node) else {
        return false;
    };
    let sum = i64::from(member.trust) + i64::from(delta_ppm);
    member.trust = u32::try_from(sum.clamp(0, 1_000_000)).expect("clamped to the range of trust");
    member.restand(params);
    if member.trust >= params.activate_from_ppm {
        // Whatever its row.
        member.standing = Standing::Active;
    }
    true
}

/// An empty value removes the key.
fn set_key(
    config: &mut std::collections::BTreeMap<String, Vec<u8>>,
    key: String,
    value: &[u8],
) -> bool {
    if value.is_empty() {
        return config.remove(&key).is_some();
    }
    config.insert(key, value.to_vec());
    config.len() <= CONFIG_KEYS_MAX
}

/// The parameters with one changed, if all of them are within their bounds then.
pub(super) fn set_param(
    params: &Params,
    name: &str,
    digits: &[u8],
    mutation: Option<Mutation>,
) -> Option<Params> {
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let mut changed = params.clone();
    if let Some(field) = time_param(&mut changed, name) {
        *field = number;
    } else {
        *share_param(&mut changed, name)? = u32::try_from(number).ok()?;
    }
    let is_valid = valid(&changed) || mutation == Some(Mutation::BoundsUnchecked);
    is_valid.then_some(changed)
}

fn share_param<'a>(params: &'a mut Params, name: &str) -> Option<&'a mut u32> {
    Some(match name {
        "coherent_gain_ppm" => &mut params.coherent_gain_ppm,
        "skill_gain_ppm" => &mut params.skill_gain_ppm,
        "claim_dissent_ppm" => &mut params.claim_dissent_ppm,
        "skill_dissent_ppm" => &mut params.skill_dissent_ppm,
        "critical_dissent_ppm" => &mut params.critical_dissent_ppm,
        "overruled_ppm" => &mut params.overruled_ppm,
        "withheld_ppm" => &mut params.withheld_ppm,
        "absent_ppm" => &mut params.absent_ppm,
        "founder_trust_ppm" => &mut params.founder_trust_ppm,
        "admitted_trust_ppm" => &mut params.admitted_trust_ppm,
        "suspend_below_ppm" => &mut params.suspend_below_ppm,
        "activate_from_ppm" => &mut params.activate_from_ppm,
        "activate_row" => &mut params.activate_row,
        "start_skill_ppm" => &mut params.start_skill_ppm,
        "skill_floor_ppm" => &mut params.skill_floor_ppm,
        "claim_share_ppm" => &mut params.claim_share_ppm,
        "claim_electors" => &mut params.claim_electors,
        _ => return None,
    })
}

fn time_param<'a>(params: &'a mut Params, name: &str) -> Option<&'a mut u64> {
    Some(match name {
        "drift_ms" => &mut params.drift_ms,
        "claim_grace_ms" => &mut params.claim_grace_ms,
        "critical_grace_ms" => &mut params.critical_grace_ms,
        "commit_window_ms" => &mut params.commit_window_ms,
        "reveal_window_ms" => &mut params.reveal_window_ms,
        "primary_window_ms" => &mut params.primary_window_ms,
        "objection_window_ms" => &mut params.objection_window_ms,
        "resolution_window_ms" => &mut params.resolution_window_ms,
        "step_patience_ms" => &mut params.step_patience_ms,
        _ => return None,
    })
}

/// The bounds of the parameters, each by itself and together.
fn valid(params: &Params) -> bool {
    const MONTH_MS: u64 = 31 * 24 * 60 * 60 * 1000;
    let graces = [params.claim_grace_ms, params.critical_grace_ms];
    let windows = [
        params.commit_window_ms,
        params.reveal_window_ms,
        params.primary_window_ms,
        params.objection_window_ms,
        params.resolution_window_ms,
    ];
    let penalties = [
        params.skill_dissent_ppm,
        params.critical_dissent_ppm,
        params.overruled_ppm,
        params.withheld_ppm,
        params.absent_ppm,
    ];
    let gains = [params.coherent_gain_ppm, params.skill_gain_ppm];
    let (suspend, activate) = (params.suspend_below_ppm, params.activate_from_ppm);
    let founder = params.founder_trust_ppm;
    let share = params.claim_share_ppm;
    let are_shares_valid = suspend < activate
        && activate <= founder
        && suspend >= 50_000
        && founder <= 900_000
        && params.admitted_trust_ppm <= 900_000
        && gains.iter().all(|gain| (1..=200_000).contains(gain))
        && penalties.iter().all(|penalty| *penalty <= 500_000)
        && params.claim_dissent_ppm <= 10_000
        && (1..=100).contains(&params.activate_row)
        && params.start_skill_ppm <= 1_000_000
        && params.skill_floor_ppm <= 1_000_000
        && (share == 0 || (500_000..=999_999).contains(&share))
        && (1..=1024).contains(&params.claim_electors);
    let times = windows.iter().chain(&graces);
    let mut times = times.chain([&params.drift_ms, &params.step_patience_ms]);
    let are_times_valid = times.all(|time| (1..=MONTH_MS).contains(time))
        && windows
            .iter()
            .chain(&graces)
            .all(|it| *it >= 4 * params.drift_ms)
        && graces.iter().all(|grace| {
            *grace >= params.step_patience_ms
                && *grace <= params.commit_window_ms
                && *grace <= params.reveal_window_ms
        });
    are_shares_valid && are_times_valid
}
