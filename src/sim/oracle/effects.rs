//! What an approved operation changes (P7).

use super::Oracle;
use super::roster::{Member, Roster, Standing, sealers};
use crate::base::digest::NodeId;
use crate::base::limits::{CONFIG_KEYS_MAX, MEMBERS_MAX};
use crate::statement::operation::{ConsensusOperation, Spore};
use crate::statement::params::Params;

impl Oracle {
    /// Applies the effect. Changes nothing and returns `false` if it is no longer possible or would leave
    /// the sealers without weight.
    pub(super) fn take_effect(&mut self, operation: &ConsensusOperation) -> bool {
        let mut roster = self.roster.clone();
        let mut config = self.config.clone();
        let mut params = self.params.clone();
        let makes_sense = match operation {
            ConsensusOperation::NodeAdmission {
                candidate, role, ..
            } => admit(&mut roster, *candidate, *role, &params),
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
                Some(name) => set_param(&mut params, name, proposed_change),
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
            ConsensusOperation::Claim { .. } => false,
        };
        if !makes_sense || sealers(&roster, self.sealing).is_empty() {
            return false;
        }
        self.roster = roster;
        self.config = config;
        self.params = params;
        true
    }
}

fn in_good_standing(roster: &Roster, node: &NodeId) -> bool {
    roster
        .get(node)
        .is_some_and(|member| member.standing != Standing::Banned)
}

fn admit(roster: &mut Roster, candidate: NodeId, role: Spore, params: &Params) -> bool {
    let members = roster.values();
    let counted = members.filter(|member| member.standing != Standing::Banned);
    if roster.contains_key(&candidate) || counted.count() >= MEMBERS_MAX {
        return false;
    }
    let member = Member::new(role, params.admitted_trust_ppm, Standing::Probation);
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

fn set_param(params: &mut Params, name: &str, digits: &[u8]) -> bool {
    let Some(number) = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok())
    else {
        return false;
    };
    let known = match u32::try_from(number) {
        Ok(small) if set_small_param(params, name, small) => true,
        _ => set_window_param(params, name, number),
    };
    known && valid(params)
}

fn set_small_param(params: &mut Params, name: &str, number: u32) -> bool {
    let field = match name {
        "coherent_gain_ppm" => &mut params.coherent_gain_ppm,
        "claim_dissent_ppm" => &mut params.claim_dissent_ppm,
        "critical_dissent_ppm" => &mut params.critical_dissent_ppm,
        "withheld_ppm" => &mut params.withheld_ppm,
        "absent_ppm" => &mut params.absent_ppm,
        "founder_trust_ppm" => &mut params.founder_trust_ppm,
        "admitted_trust_ppm" => &mut params.admitted_trust_ppm,
        "suspend_below_ppm" => &mut params.suspend_below_ppm,
        "activate_from_ppm" => &mut params.activate_from_ppm,
        "activate_row" => &mut params.activate_row,
        _ => return false,
    };
    *field = number;
    number <= 1_000_000
}

fn set_window_param(params: &mut Params, name: &str, number: u64) -> bool {
    const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;
    let field = match name {
        "drift_ms" => &mut params.drift_ms,
        "claim_grace_ms" => &mut params.claim_grace_ms,
        "critical_grace_ms" => &mut params.critical_grace_ms,
        "commit_window_ms" => &mut params.commit_window_ms,
        "reveal_window_ms" => &mut params.reveal_window_ms,
        "primary_window_ms" => &mut params.primary_window_ms,
        "objection_window_ms" => &mut params.objection_window_ms,
        "resolution_window_ms" => &mut params.resolution_window_ms,
        "step_patience_ms" => &mut params.step_patience_ms,
        _ => return false,
    };
    *field = number;
    number <= YEAR_MS
}

/// The rule of genesis: four drifts fit into every window that is not zero, and graces are longer than the patience.
fn valid(params: &Params) -> bool {
    let windows = [
        params.claim_grace_ms,
        params.critical_grace_ms,
        params.commit_window_ms,
        params.reveal_window_ms,
        params.primary_window_ms,
        params.objection_window_ms,
        params.resolution_window_ms,
    ];
    windows
        .iter()
        .all(|window| *window == 0 || 4 * params.drift_ms <= *window)
        && params.claim_grace_ms > params.step_patience_ms
        && params.critical_grace_ms > params.step_patience_ms
}
