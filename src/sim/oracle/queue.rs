//! Who proposes: the queue of the sealers (S5).

use std::sync::Arc;

use super::Oracle;
use super::log::Sealed;
use super::mutation::Mutation;
use super::roster::{Roster, within};
use crate::base::digest::NodeId;
use crate::statement::operation::Spore;
use crate::statement::record::{Seal, Statement};

/// Round r of a height is proposed by place r of the queue, again and again from its beginning.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    pub(super) order: Vec<NodeId>,
    /// Seals in a row whose fresh proposal was made by the front, since it is the front.
    pub(super) tenure: u64,
}

fn rank(role: Spore) -> u8 {
    match role {
        Spore::Primary => 0,
        Spore::Seed => 1,
        Spore::Latent => 2,
    }
}

impl Oracle {
    /// Who no longer seals leaves the queue; who seals now joins at its end, by role and key.
    pub(super) fn fill_queue(&mut self) {
        let order = &mut self.queue.order;
        order.retain(|node| self.sealers.contains(node));
        let joins = self.sealers.iter().filter(|node| !order.contains(node));
        let mut joins: Vec<NodeId> = joins.copied().collect();
        joins.sort_by_key(|node| (rank(self.roster[node].role), *node));
        order.extend(joins);
    }

    /// Moves the queue after a seal, whose sealers are appointed already. `before` is the roster before the seal, `window_ms`
    /// the commit window then.
    pub(super) fn move_queue(
        &mut self,
        seal: &Seal,
        listed: &[Arc<Sealed>],
        before: &Roster,
        window_ms: u64,
    ) {
        let front = self.queue.order[0];
        self.move_leaders(seal, before, window_ms);
        self.fill_queue();
        if self.primary_returns(seal, listed, before, window_ms) {
            let primary = self.primary().expect("only a Primary returns");
            self.queue.order.retain(|node| *node != primary);
            self.queue.order.insert(0, primary);
        }
        if self.queue.order[0] != front {
            self.queue.tenure = 0;
        }
    }

    /// The first `round mod len` go to the end; after a whole tenure, the front does.
    fn move_leaders(&mut self, seal: &Seal, before: &Roster, window_ms: u64) {
        let len = self.queue.order.len();
        let place = seal.round as usize % len;
        if place == 0 {
            self.queue.tenure += 1;
            let is_over = self.queue.tenure >= len as u64 && len > 1;
            if is_over && self.mutation != Some(Mutation::NoTenure) {
                let front = self.queue.order[0];
                self.queue.order.rotate_left(1);
                self.queue.tenure = 0;
                self.update(front, |member| member.times.moved = Some(seal.time_ms));
            }
            return;
        }
        let leader = before.get(&self.queue.order[place]);
        let was_moved =
            leader.is_some_and(|line| within(line.times.moved, seal.time_ms, window_ms));
        let moves = if was_moved && self.mutation != Some(Mutation::MovedLeaderMovesAll) {
            1
        } else {
            place
        };
        self.queue.order.rotate_left(moves);
        self.queue.tenure = 0;
    }

    fn primary(&self) -> Option<NodeId> {
        let mut members = self.roster.iter();
        let primary = members.find(|(_, member)| member.role == Spore::Primary)?;
        self.sealers.contains(primary.0).then_some(*primary.0)
    }

    fn primary_returns(
        &self,
        seal: &Seal,
        listed: &[Arc<Sealed>],
        before: &Roster,
        window_ms: u64,
    ) -> bool {
        let Some(primary) = self.primary() else {
            return false;
        };
        let speaks = listed
            .iter()
            .any(|record| record.by == primary && !matches!(record.what, Statement::Rejoin { .. }));
        let is_new = before
            .get(&primary)
            .is_none_or(|was| was.role != Spore::Primary);
        let was_moved = within(self.roster[&primary].times.moved, seal.time_ms, window_ms);
        let stays_away = was_moved && self.mutation != Some(Mutation::MovedPrimaryReturns);
        (seal.round == 0 && speaks || is_new) && !stays_away
    }
}
