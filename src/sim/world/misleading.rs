//! While people found the network anew: what their hosts exchange by hand, and what liars endorse.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_bytes::ByteBuf;

use super::{Happening, World};
use crate::base::digest::NodeId;
use crate::core::{Input, Message, Unsealed};
use crate::exchange::bundle::Proposal;
use crate::sim::actors::ActorKind;
use crate::statement::operation::Spore;
use crate::statement::record::{Plan, Record, Statement, sign};

/// Mean time between two bundles.
const CARRY_MS: u64 = 120;
/// How many of the last blocks a bundle repeats.
const BLOCKS: u64 = 20;

impl World {
    /// What a person does first while the network is founded anew. Whether that is all.
    pub(super) fn act_as_founder(&mut self, host: usize) -> bool {
        if self.hosts[host].is_honest() {
            self.consider_founding(host);
        } else {
            self.mislead(host);
        }
        let core = self.hosts[host].core.as_ref();
        core.is_none_or(|core| core.left_for().is_some())
    }

    /// The watch sees what an honest host journals.
    pub(super) fn watch(&mut self, node: usize, record: &Record) {
        if let Statement::Rejoin { .. } = record.body.what {
            self.hosts[node].disk.saved.journal_lost = false;
        }
        let Some(founders) = &mut self.founders else {
            return;
        };
        let word = founders.word.take();
        if let Err(text) = founders.guard.journalled(record, word.as_ref()) {
            self.checker.report("r_guard", text);
        }
        founders.word = word;
    }

    /// Somebody carries everything from one host to another.
    pub(super) fn carry(&mut self) {
        if self.founders.is_none() {
            return;
        }
        let next = self.around(CARRY_MS);
        self.after(next, Happening::Carry);
        let hosts = self.hosts.len();
        let (from, to) = (
            self.rng.random_range(0..hosts),
            self.rng.random_range(0..hosts),
        );
        let is_received = self.hosts[to].is_honest() && self.sides[from] == self.sides[to];
        if !self.is_apart || from == to || !is_received {
            return;
        }
        let Some(core) = &self.hosts[from].core else {
            return;
        };
        let parts = core.unsealed().into_iter().map(|(record, list)| {
            let bytes = ByteBuf::from(record.encode());
            match record.statement() {
                Statement::SealProposal { .. } => Unsealed::Proposal(Proposal {
                    record: bytes,
                    list: list.to_vec(),
                }),
                _ => Unsealed::Record(bytes.into_vec()),
            }
        });
        let parts = parts.collect();
        let first = self.hosts[to].height().saturating_sub(BLOCKS) + 1;
        let blocks = self.hosts[from].disk.blocks_from(first);
        let blocks = blocks.map(|block| block.encode()).collect();
        self.try_input(to, Input::ImportBlocks { blocks });
        self.try_input(to, Input::ImportUnsealed { parts });
        self.try_input(to, Input::Tick);
    }

    /// A liar endorses what it likes: several plans at once, with high attempts, with honest members left out.
    fn mislead(&mut self, host: usize) {
        if !self.rng.random_ratio(1, 3) {
            return;
        }
        let attempt = [0, 1, 7, u32::MAX][self.rng.random_range(0..4)];
        for _ in 0..self.rng.random_range(1..=2) {
            let Some(statement) = self.evil_endorsement(host, attempt) else {
                return;
            };
            let machine = &self.hosts[host];
            let network = self.plan.genesis.network_id();
            let Ok(record) = sign(machine.identity.as_ref(), network, statement) else {
                return;
            };
            for to in 0..self.hosts.len() {
                if !self.rng.random_ratio(1, 2) {
                    continue;
                }
                if self.is_apart && self.hosts[to].is_honest() {
                    let records = vec![record.encode()];
                    self.try_input(to, Input::Import { records });
                } else {
                    let bytes = ByteBuf::from(record.encode());
                    self.leave(host, to, &Message::Records(vec![bytes]));
                }
            }
        }
    }

    /// A liar's endorsement of some plan, or of none any more.
    fn evil_endorsement(&mut self, host: usize, attempt: u32) -> Option<Statement> {
        let core = self.hosts[host].core.as_ref()?;
        let plans = core.endorsed_plans();
        let state = core.ledger().state();
        let mut plan = Plan::new(state.height(), state.seal());
        let members: Vec<NodeId> = state.roster().iter().map(|(node, _)| node).collect();
        match self.rng.random_range(0..8) {
            0 => {
                return Some(Statement::Refound {
                    plan: None,
                    attempt,
                });
            }
            1 | 2 => {}
            3 => plan.without = members.choose(&mut self.rng).copied().into_iter().collect(),
            4 => plan.roles = vec![(self.hosts[host].node, Spore::Primary)],
            5 => {
                // Everybody but its like.
                let kinds: Vec<(NodeId, Option<ActorKind>)> =
                    self.hosts.iter().map(|it| (it.node, it.kind)).collect();
                let honest = members
                    .iter()
                    .filter(|node| kinds.contains(&(**node, None)));
                plan.without = honest.copied().collect();
            }
            _ => plan = plans.choose(&mut self.rng)?.plan.clone(),
        }
        plan.sort();
        let plan = Some(plan);
        Some(Statement::Refound { plan, attempt })
    }
}
