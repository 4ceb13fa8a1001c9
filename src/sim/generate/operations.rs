//! Random proposals.

use rand::RngExt as _;

use super::{Generator, Group};
use crate::base::digest::{NodeId, OperationId, SealId};
use crate::sim::view::View;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use crate::statement::operation::{Ballot, ClaimItem, ConsensusOperation, Priority, Spore};
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
        let operation = self.operation();
        let leaning = self.leaning(&operation);
        let statement = Statement::Propose {
            operation,
            priority: if roll < 15 {
                Priority::High
            } else {
                Priority::Normal
            },
            last,
            nonce: self.nonce,
        };
        let record = self.sign(author, statement);
        self.leanings
            .insert(OperationId::from(record.id()), leaning);
        record
    }

    fn leaning(&mut self, operation: &ConsensusOperation) -> Ballot {
        match (self.rng.random_range(0..100), operation) {
            (0..95, ConsensusOperation::Claim { .. }) => Ballot::Result(b"right".to_vec()),
            (0..95, ConsensusOperation::ClaimSet { items, .. }) => self.results(items.len()),
            (0..78, _) => Ballot::Approve,
            (78..97, _) => Ballot::Reject,
            _ => Ballot::Abstain,
        }
    }

    /// A right result of every item, or of most of them.
    fn results(&mut self, items: usize) -> Ballot {
        let missing = if self.chance(20) { 40 } else { 0 };
        let results = (0..items).map(|_| (!self.chance(missing)).then(|| b"right".to_vec()));
        Ballot::Results(results.collect())
    }

    fn operation(&mut self) -> ConsensusOperation {
        let key = format!("k{}", self.rng.random_range(0..4));
        let value = if self.chance(20) {
            Vec::new()
        } else {
            vec![self.rng.random()]
        };
        match self.rng.random_range(0..112) {
            0..30 => self.claim(),
            100.. => self.claim_set(),
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
        let named = if self.chance(15) { self.anyone() } else { who };
        let name = MemberName::of_key(&self.people[named].id);
        let candidate = &self.people[who];
        ConsensusOperation::NodeAdmission {
            candidate: candidate.id,
            role,
            consent: Consent::sign(
                &candidate.identity,
                self.genesis.network_id(),
                asked,
                name,
                None,
            )
            .expect("a key in memory signs"),
        }
    }

    /// A claim of any rule; some are as one before, which may be a set.
    fn claim(&mut self) -> ConsensusOperation {
        if self.chance(12) && !self.claims.is_empty() {
            let last = self.claims.len().min(6);
            let which = self.claims.len() - self.rng.random_range(1..=last);
            return self.claims[which].clone();
        }
        let panel = self.chance(40).then(|| self.panel());
        let claim = ConsensusOperation::Claim {
            subject: format!("subject {}", self.nonce),
            input: Vec::new(),
            panel,
            rule: self.rule(),
        };
        self.claims.push(claim.clone());
        claim
    }

    /// A claim of a few items, rarely of many.
    fn claim_set(&mut self) -> ConsensusOperation {
        let most = if self.rarely(20) { 40 } else { 5 };
        let first = self.rng.random_range(0..10);
        let items = first..first + self.rng.random_range(1..=most);
        let items = items.map(|number| ClaimItem {
            subject: format!("item {number:02}"),
            input: vec![0; self.rng.random_range(0..2)],
        });
        let items = items.collect();
        let panel = self.chance(25).then(|| self.panel());
        let set = ConsensusOperation::ClaimSet {
            subject: format!("set {}", self.nonce),
            items,
            panel,
            rule: self.rule(),
        };
        self.claims.push(set.clone());
        set
    }

    /// One member, a few, or most of them; rarely a stranger.
    fn panel(&mut self) -> Vec<NodeId> {
        let percent = [5, 20, 50, 80, 100][self.rng.random_range(0..5)];
        let members = self.oracle.members();
        let mut panel: Vec<NodeId> = Vec::new();
        for who in 0..self.people.len() {
            let id = self.people[who].id;
            if (members.contains_key(&id) && self.chance(percent)) || self.rarely(5) {
                panel.push(id);
            }
        }
        panel.sort_unstable();
        panel
    }

    fn rule(&mut self) -> ClaimRule {
        let shares = [0, 0, 500_000, 500_000, 600_000, 666_667, 999_999];
        ClaimRule {
            share_ppm: shares[self.rng.random_range(0..shares.len())],
            electors: [1, 1, 1, 2, 3, 4, 9][self.rng.random_range(0..7)],
        }
    }

    /// A change of a parameter to something near what is usual here, or to zero.
    fn param_change(&mut self) -> ConsensusOperation {
        let name = Params::NAMES[self.rng.random_range(0..Params::NAMES.len())];
        let value: u64 = match name {
            "activate_row" | "claim_electors" => self.rng.random_range(1..=4),
            _ if self.chance(10) => 0,
            "founder_trust_ppm" => self.rng.random_range(380_000..=900_000),
            name if name.ends_with("trust_ppm") || name.ends_with("below_ppm") => {
                self.rng.random_range(200_000..=350_000)
            }
            "skill_floor_ppm" | "start_skill_ppm" => self.rng.random_range(0..=1_000_000),
            "claim_share_ppm" => [0, 500_000, 666_667][self.rng.random_range(0..3)],
            "activate_from_ppm" => self.rng.random_range(250_000..=500_000),
            name if name.ends_with("_ppm") => self.rng.random_range(0..=150_000),
            "drift_ms" => self.rng.random_range(0..=80),
            "step_patience_ms" => self.rng.random_range(1..=150),
            name if name.ends_with("grace_ms") => self.rng.random_range(40..=400),
            _ => self.rng.random_range(60..=1500),
        };
        // Beyond a parameter's own bounds nobody signs it; beyond those of all of them it is for the ledger to refuse.
        let (least, most) = Params::range_of(name).expect("it is the name of a parameter");
        ConsensusOperation::NetworkConfiguration {
            config_type: format!("param.{name}"),
            proposed_change: value.clamp(least, most).to_string().into_bytes(),
        }
    }
}
