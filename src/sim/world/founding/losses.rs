//! What a host loses while the network is founded anew, and what a flawed host does.

use std::collections::BTreeSet;

use rand::RngExt as _;

use super::World;
use crate::base::codec;
use crate::base::digest::NodeId;
use crate::core::Input;
use crate::ledger::{Founding, refounded};
use crate::sim::disk::Disk;
use crate::sim::refounding::{Flaw, Loss, Word};
use crate::statement::genesis::Genesis;
use crate::statement::operation::{ConsensusOperation, Priority};
use crate::statement::record::Plan;

impl World {
    /// A host stops, and comes back without what it loses.
    pub(in crate::sim::world) fn lose(&mut self, host: usize) {
        let Some(founders) = &mut self.founders else {
            return;
        };
        let (loss, flaw) = (founders.how.loses, founders.how.flaw);
        if founders.left.contains_key(&host) || self.hosts[host].core.is_none() {
            return;
        }
        let node = self.hosts[host].node;
        let is_silent = flaw == Some(Flaw::SilentLoss);
        if !is_silent {
            founders.minds[host].lost_journal = true;
            founders.guard.lost(node);
        }
        let machine = &mut self.hosts[host];
        machine.core = None;
        machine.lost_journal = true;
        if loss == Some(Loss::Disk) || is_silent {
            machine.disk = Disk::new(&self.plan.genesis);
        } else {
            machine.disk.saved.journal.clear();
        }
        machine.disk.saved.journal_lost = !is_silent;
        self.restart(host);
        if is_silent {
            self.endorse_another(host);
        } else {
            self.try_input(host, Input::JournalLost);
            self.rejoin(host);
        }
    }

    pub(super) fn rejoin(&mut self, host: usize) {
        let nonce = self.rng.random();
        self.try_input(host, Input::Rejoin { nonce });
    }

    /// The person of a host that forgot what it had said endorses a plan that nobody else wants.
    fn endorse_another(&mut self, host: usize) {
        let genesis = &self.plan.genesis;
        let Some(core) = self.hosts[host].core.as_ref() else {
            return;
        };
        let state = core.ledger().state();
        let plan = Plan::new(state.height(), state.seal());
        let Ok(founding) = refounded(genesis, state, &plan) else {
            return;
        };
        let input = Input::Endorse {
            plan: plan.clone(),
            founding: Box::new(founding),
            is_sure: false,
        };
        let word = Word {
            plan: Some(plan),
            is_sure: false,
        };
        let _ = self.give_word(host, input, word);
    }

    /// The person of a host that forgot that it left goes on in the old network.
    pub(in crate::sim::world) fn relapse(&mut self, host: usize) {
        self.hosts[host].disk.saved.endorsed = None;
        self.hosts[host].core = None;
        self.restart(host);
        let nonce = self.rng.random();
        let operation = ConsensusOperation::NetworkConfiguration {
            config_type: "relapse".to_owned(),
            proposed_change: Vec::new(),
        };
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot: None,
            nonce,
        };
        self.try_input(host, input);
    }
}

/// A founding with another genesis of the same plan.
pub(super) fn distorted(founding: &Founding) -> Founding {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Parts {
        genesis: Genesis,
        voters: BTreeSet<NodeId>,
        sealers: BTreeSet<NodeId>,
        old_voters: BTreeSet<NodeId>,
    }
    let bytes = codec::encode(founding);
    let mut parts: Parts = serde_ipld_dagcbor::from_slice(&bytes).expect("it was just encoded");
    let lines = parts.genesis.members.iter_mut();
    for line in lines.filter_map(|member| member.line.as_mut()).take(1) {
        line.trust.row += 1;
    }
    let bytes = codec::encode(&parts);
    serde_ipld_dagcbor::from_slice(&bytes).expect("it has the same form")
}
