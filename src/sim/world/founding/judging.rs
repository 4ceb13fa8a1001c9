//! What became of a founding: one network of all honest hosts, as the rules say, without the convicted.

use std::collections::BTreeSet;

use rand::RngExt as _;

use super::{Founded, Founders, NewNetwork, World};
use crate::base::digest::NodeId;
use crate::sim::oracle::{Oracle, Refounded};
use crate::sim::plan::{HostPlan, Plan};
use crate::sim::refounding::Cause;
use crate::statement::genesis::Genesis;
use crate::statement::record::Plan as Refound;

impl World {
    /// Judges the founding: all honest hosts are in one network, which is as the rules say, without the convicted.
    pub(super) fn judge_founding(&mut self, began_ms: u64) -> Option<Founded> {
        let founders = self.founders.take()?;
        let going: Vec<usize> = (0..self.hosts.len())
            .filter(|host| self.goes_on(*host))
            .collect();
        let waits: Vec<String> = going
            .iter()
            .filter(|host| !founders.left.contains_key(host) && !founders.by_ticket.contains(host))
            .map(|host| self.describe(*host))
            .collect();
        if !waits.is_empty() {
            let text = format!("they found no network:\n  {}", waits.join("\n  "));
            self.checker.report("r_live", text);
        }
        let mut left = founders.left.iter();
        let (host, first) = left.next()?;
        let genesis = first.founding.genesis().clone();
        for (other, endorsed) in left {
            if *endorsed.founding.genesis() != genesis {
                let text = format!("hosts {host} and {other} go on in two networks");
                self.checker.report("one_network", text);
            }
        }
        let plan = self.endorsed_plan(*host)?;
        self.judge_members(&founders, &going, &genesis);
        let rules = self.judge_genesis(*host, &plan, &genesis)?;
        let core = self.hosts[*host].core.as_ref()?;
        let report = NewNetwork {
            members: genesis.members.len(),
            is_secession: core.backing(&first.founding).is_secession(),
            replaced: founders.guard.replaced(),
            asked_again: founders.asked_again,
            by_ticket: founders.by_ticket.len() as u64,
            sealed_meanwhile: self.honest_height().saturating_sub(founders.height),
            took_ms: self.now_ms - began_ms,
            ..NewNetwork::default()
        };
        let plan = self.plan_after(genesis);
        Some(Founded {
            plan,
            rules,
            report,
        })
    }

    fn describe(&self, host: usize) -> String {
        let Some(core) = &self.hosts[host].core else {
            return format!("host {host} is down");
        };
        let plans: Vec<String> = core
            .endorsed_plans()
            .iter()
            .map(|it| {
                let digest = it.plan.digest();
                format!(
                    "{digest} height {} without {:?} by {:?}",
                    it.plan.height, it.plan.without, it.by
                )
            })
            .collect();
        format!(
            "host {host} {} at height {}, forked {:?}, convicts {:?}, endorsed {:?}, again {}, plans {plans:#?}",
            core.signing_state().name(),
            self.hosts[host].height(),
            core.forked_height(),
            core.proved_equivocators(),
            core.endorsed().map(|own| own.founding.plan()),
            core.asks_again(),
        )
    }

    /// The plan that a host endorsed, as its endorsement says it.
    fn endorsed_plan(&self, host: usize) -> Option<Refound> {
        let core = self.hosts[host].core.as_ref()?;
        let digest = core.endorsed()?.founding.plan();
        let plans = core.endorsed_plans();
        let mut plans = plans.into_iter().map(|endorsed| endorsed.plan);
        plans.find(|plan| plan.digest() == digest)
    }

    fn judge_members(&mut self, founders: &Founders, going: &[usize], genesis: &Genesis) {
        let members: BTreeSet<NodeId> = genesis.members.iter().map(|it| it.node).collect();
        for host in going {
            if !members.contains(&self.hosts[*host].node) {
                let text = format!("host {host} is left out");
                self.checker.report("innocent", text);
            }
        }
        let convicted: BTreeSet<NodeId> = match founders.how.cause {
            Cause::Fork => self.accused.values().flatten().copied().collect(),
            Cause::Gone | Cause::Captured => BTreeSet::new(),
        };
        let taken: Vec<&NodeId> = convicted.intersection(&members).collect();
        if !taken.is_empty() {
            let text = format!("{taken:?} made the fork and are members");
            self.checker.report("r_without", text);
        }
        for host in going {
            let Some(core) = &self.hosts[*host].core else {
                continue;
            };
            let proved = core.proved_equivocators();
            let honest = proved.iter().filter(|node| {
                let mut honest = self.hosts.iter().filter(|host| host.is_honest());
                honest.any(|host| host.node == **node)
            });
            let honest: Vec<&NodeId> = honest.collect();
            if !honest.is_empty() {
                let text = format!("host {host} convicts {honest:?}, who are honest");
                self.checker.report("innocent", text);
            }
        }
    }

    /// The oracle applies the sealed log of a host up to the plan's height, and says what the genesis must be.
    fn judge_genesis(
        &mut self,
        host: usize,
        plan: &Refound,
        genesis: &Genesis,
    ) -> Option<Refounded> {
        let mut oracle = Oracle::new(&self.plan.genesis);
        let blocks = usize::try_from(plan.height).ok()?;
        for block in self.hosts[host].disk.blocks.get(..blocks)? {
            if let Err(error) = oracle.apply(&block.seal, &block.records) {
                let text = format!("before the founding, height {}: {error}", block.seal.height);
                self.checker.report("oracle", text);
                return None;
            }
        }
        match oracle.refounded(plan, genesis) {
            Ok(rules) => {
                let differences = rules.differences(genesis);
                if !differences.is_empty() {
                    let text = format!("the genesis differs: {}", differences.join(", "));
                    self.checker.report("founding", text);
                }
                Some(rules)
            }
            Err(error) => {
                let text = format!("the plan does not apply: {error}");
                self.checker.report("founding", text);
                None
            }
        }
    }

    /// The schedule in the new network: whoever is a member and alive.
    fn plan_after(&mut self, genesis: Genesis) -> Plan {
        let member = |node: &NodeId| genesis.members.iter().any(|it| it.node == *node);
        let hosts = self.plan.hosts.iter().zip(&self.hosts).enumerate();
        let hosts = hosts.filter(|(host, (_, it))| member(&it.node) && !self.dead.contains(host));
        let hosts = hosts.map(|(_, (plan, it))| HostPlan {
            actor: it.kind,
            ..plan.clone()
        });
        let hosts = hosts.collect();
        let mut plan = Plan::quiet(self.plan.seed ^ 0xf0_4d, 1);
        plan.network.loss_percent = [0, 10][self.rng.random_range(0..2)];
        plan.network.crash_ms = self.rng.random_ratio(1, 2).then_some(1500);
        plan.network.delay_ms_max = 100;
        Plan {
            genesis,
            hosts,
            start_ms: self.now_ms,
            chaos_ms: 2500,
            calm_ms: 60_000,
            proposals: 2,
            ..plan
        }
    }
}
