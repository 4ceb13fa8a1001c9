//! Random proposals.

use rand::RngExt as _;

use super::{Generator, Group};
use crate::base::digest::{NodeId, OperationId, SealId};
use crate::sim::view::View;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use crate::statement::operation::{Ballot, ConsensusOperation, Priority, Spore};
use crate::statement::params::Params;
use crate::statement::record::{Statement, Verified};

/// Beyond this many times its busyness a network opens no more, so that logs stay readable.
const OPEN_PER_BUSY: usize = 6;

impl Generator {
    /// Nothing, a few proposals, or rarely as many as one person can make.
    pub(super) fn proposals(&mut self) -> Vec<Group> {
        let view = self.oracle.view();
        let open = view.operations.values().filter(|o| o.phase != "closed");
        let mut count = if open.count() >= OPEN_PER_BUSY * self.busy || self.chance(30) {
            0
        } else {
            self.rng.random_range(0..=self.busy)
        };
        let mut author = None;
        if self.rarely(10) {
            (count, author) = (6, Some(self.anyone()));
        } else if self.rarely(1) {
            // A third of them is refused for other reasons; the cap is 64.
            (count, author) = (96, Some(self.anyone()));
        }
        let made = (0..count).map(|_| {
            let author = author.unwrap_or_else(|| self.someone_welcome(&view));
            vec![self.proposal(author)]
        });
        made.collect()
    }

    pub(super) fn anyone(&mut self) -> usize {
        self.rng.random_range(0..self.people.len())
    }

    /// Somebody whose proposals are mostly not refused.
    fn someone_welcome(&mut self, view: &View) -> usize {
        let welcome: Vec<usize> = (0..self.people.len())
            .filter(|who| {
                let member = view.members.get(&self.people[*who].id);
                member.is_some_and(|member| member.standing != "banned")
            })
            .collect();
        if welcome.is_empty() || self.chance(3) {
            return self.anyone();
        }
        welcome[self.rng.random_range(0..welcome.len())]
    }

    fn some_id(&mut self) -> NodeId {
        let who = self.anyone();
        self.people[who].id
    }

    fn proposal(&mut self, author: usize) -> Verified {
        self.nonce += 1;
        let last = match self.rng.random_range(0..100) {
            0..80 => self.chain.last(),
            80..98 => self.seals[self.rng.random_range(0..self.seals.len())],
            _ => SealId::from_bytes(self.rng.random()),
        };
        let roll = self.rng.random_range(0..100);
        let statement = Statement::Propose {
            operation: self.operation(),
            priority: if roll < 15 {
                Priority::High
            } else {
                Priority::Normal
            },
            last,
            nonce: self.nonce,
        };
        let leaning = self.leaning(&statement);
        let record = self.sign(author, statement);
        self.leanings
            .insert(OperationId::from(record.id()), leaning);
        record
    }

    fn leaning(&mut self, statement: &Statement) -> Ballot {
        let is_claim = matches!(
            statement,
            Statement::Propose {
                operation: ConsensusOperation::Claim { .. },
                ..
            }
        );
        match self.rng.random_range(0..100) {
            0..95 if is_claim => Ballot::Result(b"right".to_vec()),
            0..78 => Ballot::Approve,
            78..97 => Ballot::Reject,
            _ => Ballot::Abstain,
        }
    }

    fn operation(&mut self) -> ConsensusOperation {
        let key = format!("k{}", self.rng.random_range(0..4));
        let value = if self.chance(20) {
            Vec::new()
        } else {
            vec![self.rng.random()]
        };
        match self.rng.random_range(0..100) {
            0..30 => self.claim(),
            30..36 => ConsensusOperation::NetworkConfiguration {
                config_type: key,
                proposed_change: value,
            },
            36..43 => self.param_change(),
            43..46 => ConsensusOperation::SecurityPolicyUpdate {
                policy: key,
                content: value,
            },
            46..52 => ConsensusOperation::TrustScoreModification {
                node: self.some_id(),
                delta_ppm: self.rng.random_range(-250_000..=250_000),
                reason: String::new(),
            },
            52..60 => self.admission(),
            60..64 => ConsensusOperation::NodeExclusion {
                node: self.some_id(),
                reason: String::new(),
            },
            64..72 => ConsensusOperation::SporeAssignment {
                node: self.some_id(),
                role: self.role(),
            },
            72..79 => ConsensusOperation::ServiceDeployment {
                service: key,
                manifest: value,
            },
            79..86 => ConsensusOperation::ResourceAllocation {
                resource: key,
                allocation: value,
            },
            86..93 => ConsensusOperation::RoutineMaintenance {
                task: key,
                details: value,
            },
            _ => ConsensusOperation::PerformanceOptimization {
                target: key,
                details: value,
            },
        }
    }

    fn role(&mut self) -> Spore {
        let roles = [Spore::Primary, Spore::Seed, Spore::Seed, Spore::Latent];
        roles[self.rng.random_range(0..roles.len())]
    }

    fn admission(&mut self) -> ConsensusOperation {
        let who = self.anyone();
        let role = if self.chance(30) {
            Spore::Seed
        } else {
            Spore::Latent
        };
        let asked = if self.chance(4) { Spore::Primary } else { role };
        let candidate = &self.people[who];
        ConsensusOperation::NodeAdmission {
            candidate: candidate.id,
            role,
            consent: Consent::sign(
                &candidate.identity,
                self.genesis.network_id(),
                asked,
                MemberName::of_key(&candidate.id),
                None,
            )
            .expect("a key in memory signs"),
        }
    }

    fn claim(&mut self) -> ConsensusOperation {
        let panel = self.chance(40).then(|| {
            let percent = self.rng.random_range(30..=100);
            let mut panel: Vec<NodeId> = Vec::new();
            for who in 0..self.people.len() {
                let is_member = self
                    .oracle
                    .view()
                    .members
                    .contains_key(&self.people[who].id);
                if (is_member && self.chance(percent)) || self.rarely(10) {
                    panel.push(self.people[who].id);
                }
            }
            panel.sort_unstable();
            panel
        });
        ConsensusOperation::Claim {
            subject: "subject".to_owned(),
            input: Vec::new(),
            panel,
            rule: ClaimRule::MAJORITY,
        }
    }

    /// A change of a parameter to something near what is usual here, or to zero.
    fn param_change(&mut self) -> ConsensusOperation {
        let name = Params::NAMES[self.rng.random_range(0..Params::NAMES.len())];
        let value: u32 = match name {
            "activate_row" => self.rng.random_range(0..=4),
            _ if self.chance(10) => 0,
            name if name.ends_with("trust_ppm") || name.ends_with("below_ppm") => {
                self.rng.random_range(200_000..=350_000)
            }
            "activate_from_ppm" => self.rng.random_range(250_000..=500_000),
            name if name.ends_with("_ppm") => self.rng.random_range(0..=150_000),
            "drift_ms" => self.rng.random_range(0..=80),
            "step_patience_ms" => self.rng.random_range(1..=150),
            name if name.ends_with("grace_ms") => self.rng.random_range(40..=400),
            _ => self.rng.random_range(60..=1500),
        };
        ConsensusOperation::NetworkConfiguration {
            config_type: format!("param.{name}"),
            proposed_change: value.to_string().into_bytes(),
        }
    }
}
