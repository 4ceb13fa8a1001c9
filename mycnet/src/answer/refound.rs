//! Answers about founding the network anew (F1 to F6).

use std::collections::BTreeSet;

use mycnet_consensus::core::Plan;
use mycnet_consensus::engine::{Clock as _, PlanView, PlanWish, Planned, SystemClock};
use mycnet_consensus::net::Transport;
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{NodeId, Spore};

use crate::failure::Failure;
use crate::names::Names;
use crate::reply::{Follows, Outlook, PlanShown, RefoundingInShort, RefoundingShown, Silent};

/// What a person wants of a plan.
pub(super) struct Wish {
    pub(super) height: Option<u64>,
    pub(super) without: Vec<NodeId>,
    pub(super) with: Vec<NodeId>,
    pub(super) roles: Vec<(NodeId, Spore)>,
    pub(super) silent_ms: Option<u64>,
}

/// Makes a plan: without the proved equivocators, those that the person names, and those not heard of for long.
pub(super) fn plan(node: &Node, wish: Wish) -> Result<PlanShown, Failure> {
    let engine = node.engine();
    let long_ms = wish.silent_ms.unwrap_or(engine.params().commit_window_ms);
    let silent = silent(node, long_ms);
    let mut without = wish.without;
    let left_out = silent.iter().map(|silent| silent.node);
    without.extend(left_out.filter(|node| !wish.with.contains(node)));
    let planned = engine.plan_refounding(&PlanWish {
        height: wish.height,
        without,
        roles: wish.roles,
    })?;
    let plan = planned.plan.clone();
    Ok(PlanShown {
        silent,
        ..shown(node, plan, BTreeSet::new(), Some(planned))
    })
}

/// The other members of whom nothing was heard for so long. A member that is connected now is heard of.
fn silent(node: &Node, long_ms: u64) -> Vec<Silent> {
    let engine = node.engine();
    let now_ms = SystemClock.now_ms();
    let peers = node.transport().map(Transport::peers).unwrap_or_default();
    let connected: BTreeSet<NodeId> = peers.iter().map(|peer| peer.author).collect();
    let heard = engine.last_heard_ms().into_iter();
    heard
        .filter(|(member, _)| *member != engine.node_id() && !connected.contains(member))
        .map(|(member, at_ms)| Silent {
            node: member,
            for_ms: now_ms.saturating_sub(at_ms),
        })
        .filter(|silent| silent.for_ms > long_ms)
        .collect()
}

/// The plans that members endorse.
pub(super) fn refounding(node: &Node) -> Result<RefoundingShown, Failure> {
    let known = node.engine().refounding()?;
    let directory = node.store().directory();
    let past = directory.map(Store::past_networks).transpose();
    let plans = known.plans.into_iter();
    Ok(RefoundingShown {
        plans: plans
            .map(|PlanView { plan, by, planned }| shown(node, plan, by, planned))
            .collect(),
        endorsed: known.endorsed,
        asks_again: known.asks_again,
        left_for: known.left_for,
        follows: follows(node),
        past: past.map_err(Failure::failed)?.unwrap_or_default(),
    })
}

fn shown(node: &Node, plan: Plan, by: BTreeSet<NodeId>, planned: Option<Planned>) -> PlanShown {
    let outlook = planned.map(|planned| {
        let genesis = planned.founding.genesis();
        Outlook {
            network: genesis.network_id(),
            members: genesis.members.iter().map(|member| member.node).collect(),
            backing: planned.backing,
            losses: planned.losses,
        }
    });
    let engine = node.engine();
    let everybody = engine.roster().into_iter().map(|member| member.node);
    let named = everybody.chain(plan.without.iter().copied());
    PlanShown {
        digest: plan.digest(),
        names: Names::of(engine, named.chain(by.iter().copied())),
        plan,
        by: by.into_iter().collect(),
        outlook,
        silent: Vec::new(),
    }
}

/// The network that this node's takes up.
pub(super) fn follows(node: &Node) -> Option<Follows> {
    node.follows().map(|followed| Follows {
        network: followed.network,
        is_secession: followed.is_secession,
    })
}

/// The state of founding the network anew, for the node's status.
pub(super) fn in_short(node: &Node) -> RefoundingInShort {
    let (plans, endorsed, asks_again) = node.engine().refounding_in_short();
    RefoundingInShort {
        plans,
        endorsed,
        asks_again,
        left_for: node.engine().left_for(),
        follows: follows(node),
    }
}
