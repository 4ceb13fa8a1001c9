//! What makes people found the network anew: a third is lost, or more than two thirds are captured for a while.

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use super::{VAIN_MS, World};
use crate::core::{Answer, Input, Network as _};
use crate::sim::kind::ActorKind;
use crate::sim::refounding::Cause;
use crate::statement::operation::{Ballot, ConsensusOperation, Priority, Spore};

impl World {
    /// Whether more than a third is to be lost after the disorder.
    pub(in crate::sim::world) fn loses_a_third(&self) -> bool {
        let how = self.plan.refounding.as_ref();
        how.is_some_and(|how| how.cause == Cause::Gone)
    }

    /// A third or more of the sealers never comes back.
    pub(in crate::sim::world) fn lose_a_third(&mut self) {
        let sealers = self.checker.ledger().state().sealers().clone();
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        order.shuffle(&mut self.rng);
        let seals = |world: &Self, host: usize| sealers.contains(&world.hosts[host].node);
        let mut dead: BTreeSet<usize> = self.network.gone.into_iter().collect();
        let is_stuck = |world: &Self, dead: &BTreeSet<usize>| {
            let alive = (0..world.hosts.len()).filter(|host| !dead.contains(host));
            let alive = alive.filter(|host| seals(world, *host)).count();
            !sealers.is_quorum(alive)
        };
        for host in &order {
            if is_stuck(self, &dead) {
                break;
            }
            if seals(self, *host) {
                dead.insert(*host);
            }
        }
        // Those who go on must be more than two thirds honest.
        for host in order {
            let alive = (0..self.hosts.len()).filter(|host| !dead.contains(host));
            let liars = alive.clone().filter(|host| !self.hosts[*host].is_honest());
            if 3 * liars.count() >= alive.count() && !self.hosts[host].is_honest() {
                dead.insert(host);
            }
        }
        for host in &dead {
            self.hosts[*host].core = None;
        }
        self.dead = dead;
    }

    /// For a while more than two thirds do what one of them wants. Returns the height before it; `None` if that is not possible,
    /// because the schedule is not settled.
    pub(super) fn capture(&mut self) -> Option<u64> {
        let is_lost = self.checker.assumption_lost().is_some();
        if is_lost || !self.forks.is_empty() || !self.is_over() {
            return None;
        }
        let height = self.checker.ledger().state().height();
        let alive = |world: &Self, host: usize| !world.dead.contains(&host);
        let is_loyal =
            |world: &Self, host: &usize| world.hosts[*host].is_honest() && alive(world, *host);
        let mut honest: Vec<usize> = (0..self.hosts.len())
            .filter(|it| is_loyal(self, it))
            .collect();
        honest.shuffle(&mut self.rng);
        let (loyal, captors) = honest.split_first()?;
        let (loyal, mut captors) = (*loyal, captors.to_vec());
        for host in &captors {
            self.hosts[*host].kind = Some(ActorKind::Twin);
            self.checker.distrust(self.hosts[*host].node);
        }
        let captor = *captors.first()?;
        let nonce = self.rng.random();
        let input = Input::Propose {
            operation: self.crime(loyal, captor),
            priority: Priority::Normal,
            ballot: Some(Ballot::Approve),
            nonce,
        };
        if let Ok(Answer::Proposed(operation)) = self.input(captor, input) {
            self.run_until(self.now_ms + 600);
            for host in 0..self.hosts.len() {
                if host != loyal {
                    let ballot = Ballot::Approve;
                    self.try_input(host, Input::Vote { operation, ballot });
                }
            }
        }
        self.run_until(self.now_ms + VAIN_MS);
        // Some come to their senses.
        captors.rotate_left(1);
        let back = self.rng.random_range(1..=captors.len());
        for host in &captors[..back] {
            self.hosts[*host].kind = None;
        }
        Some(height)
    }

    fn crime(&mut self, loyal: usize, captor: usize) -> ConsensusOperation {
        let (loyal, captor) = (self.hosts[loyal].node, self.hosts[captor].node);
        match self.rng.random_range(0..3) {
            0 => ConsensusOperation::NodeExclusion {
                node: loyal,
                reason: String::new(),
            },
            1 => ConsensusOperation::SporeAssignment {
                node: captor,
                role: Spore::Primary,
            },
            _ => ConsensusOperation::TrustScoreModification {
                node: loyal,
                delta_ppm: -400_000,
                reason: String::new(),
            },
        }
    }
}
