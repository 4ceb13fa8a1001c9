//! Nodes, some of them twins, that exchange records of one height.
//!
//! They hold agreements and no cores, so that this is no [`Network`](mycnet_consensus::core::Network): an exchange compares two
//! sets of records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_consensus::internals::finality::{
    Action, Agreement, Judge, Sealers, Verdict, blame, verify_certificate,
};
use mycnet_consensus::internals::record::{Seal, Slot, Statement, Verified, Verifier, sign};
use mycnet_consensus::{
    Digest, Identity, NetworkId, NodeId, RecordId, Rejection, SealId, Signer as _,
};

use super::random::Random;

const HEIGHT: u64 = 5;

/// The members, and the rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub members: usize,
    pub twinned: usize,
    pub flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// A node that restarts has lost its journal and goes on signing.
    LostJournals,
    /// The last members sign nothing.
    Mute(usize),
}

/// The outcome of one schedule.
pub struct Outcome {
    pub seed: u64,
    /// The seals that instances decided first.
    pub decided: BTreeSet<SealId>,
    /// Instances without a decision although all have exchanged records for long.
    pub undecided: usize,
    /// Whether a decision ever disappeared.
    pub reverted: bool,
    /// Whether the certificate of a decision is invalid.
    pub bad_certificate: bool,
    /// How many sealers blame names, and whether they are more than a third.
    pub named: (usize, bool),
    /// Members without a twin that blame names.
    pub honest_named: usize,
    pub amnesiacs: usize,
    /// Whether blame names a precommit without proof of lock: even twins never make one.
    pub unfounded: bool,
    /// The highest round that was entered.
    pub rounds: u32,
}

impl Outcome {
    pub fn forked(&self) -> bool {
        self.decided.len() > 1
    }

    /// Whether blame finds too few for the fork.
    pub fn forked_unexplained(&self) -> bool {
        self.forked() && !self.named.1
    }
}

/// One node: a member, or one of its two twins.
struct Instance {
    identity: Arc<Identity>,
    agreement: Agreement,
    /// Its own records, durable.
    journal: Vec<Verified>,
    /// Makes its seals differ from those of others and of its twin.
    mark: u8,
    mute: bool,
    group: usize,
    records_at_tick: usize,
    decided: Option<SealId>,
    reverted: bool,
    rounds: u32,
}

struct AcceptAll;

impl Judge for AcceptAll {
    fn judge(&mut self, _proposal: &Seal, _round: u32, _fresh: bool) -> Verdict {
        Verdict::Accept
    }

    fn is_worth_it(&mut self, _proposal: &Seal) -> bool {
        true
    }
}

pub fn net() -> NetworkId {
    NetworkId::from_bytes([9; 32])
}

/// A seal that differs by its maker and round.
pub fn seal(mark: u8, round: u32) -> Seal {
    let mut records = [mark; 32];
    records[..4].copy_from_slice(&round.to_le_bytes());
    Seal {
        net: net(),
        height: HEIGHT,
        prev: SealId::from_bytes([1; 32]),
        time_ms: 1,
        count: 1,
        records: Digest::from_bytes(records),
        state: Digest::default(),
        roster: Digest::default(),
        sealers: Digest::default(),
        round,
    }
}

struct Network {
    setting: Setting,
    sealers: Arc<Sealers>,
    instances: Vec<Instance>,
    /// All signed records.
    signed: BTreeMap<RecordId, Verified>,
    random: Random,
    tick_percent: usize,
    /// The share of precommits that an exchange loses. Without them there are locks and no decision, and rounds go on.
    precommit_loss_percent: usize,
    /// Instances that receive no prevotes for now, and so propose without knowing the locks of others.
    deaf: BTreeSet<usize>,
}

/// Runs one schedule: partitions at first, then a whole network.
pub fn run(setting: Setting, seed: u64) -> Outcome {
    let mut network = Network::new(setting, seed);
    // Each schedule draws the length of its partitions and the patience of its nodes.
    let events = 12 << network.random.below(3);
    for _ in 0..8 {
        network.partition();
        for _ in 0..network.instances.len() * events {
            network.event();
        }
    }
    network.heal();
    network.outcome(seed)
}

impl Network {
    fn new(setting: Setting, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let identities: Vec<_> = (0..setting.members)
            .map(|member| Arc::new(Identity::from_seed_label(&format!("member {member}"))))
            .collect();
        let sealers = identities.iter().map(|identity| identity.node_id());
        let sealers = Arc::new(Sealers::new(sealers.collect()));
        let mute_from = match setting.flaw {
            Flaw::Mute(mute) => setting.members - mute,
            _ => setting.members,
        };
        let twins = (0..setting.members).chain(0..setting.twinned);
        let instances = twins.zip(0..).map(|(member, mark)| Instance {
            identity: Arc::clone(&identities[member]),
            agreement: Agreement::new(
                HEIGHT,
                Arc::clone(&sealers),
                Some(identities[member].node_id()),
            ),
            journal: Vec::new(),
            mark,
            mute: member >= mute_from,
            group: 0,
            records_at_tick: 0,
            decided: None,
            reverted: false,
            rounds: 0,
        });
        Self {
            setting,
            instances: instances.collect(),
            deaf: BTreeSet::new(),
            sealers,
            signed: BTreeMap::new(),
            tick_percent: 2 << random.below(4),
            precommit_loss_percent: [0, 0, 0, 80][random.below(4)],
            random,
        }
    }

    /// Puts every instance into one of two or three groups that exchange nothing. Mostly members are spread evenly and twins
    /// separated, so that both sides come close to a quorum.
    fn partition(&mut self) {
        let deaf = self.random.below(3);
        self.deaf = (0..deaf)
            .map(|_| self.random.below(self.instances.len()))
            .collect();
        let groups = if self.random.chance(80) { 2 } else { 3 };
        let (even, part_twins) = (self.random.chance(70), self.random.chance(80));
        let mut honest: Vec<_> = (self.setting.twinned..self.setting.members).collect();
        self.random.shuffle(&mut honest);
        for (place, node) in honest.into_iter().enumerate() {
            self.instances[node].group = if even {
                place % groups
            } else {
                self.random.below(groups)
            };
        }
        for first in 0..self.setting.twinned {
            let group = self.random.below(groups);
            let other = if part_twins {
                (group + 1) % groups
            } else {
                self.random.below(groups)
            };
            self.instances[first].group = group;
            self.instances[self.setting.members + first].group = other;
        }
    }

    fn event(&mut self) {
        let node = self.random.below(self.instances.len());
        match self.random.below(100) {
            percent if percent < 98 - self.tick_percent => {
                let peer = self.random.below(self.instances.len());
                if self.instances[node].group == self.instances[peer].group {
                    self.exchange(node, peer);
                }
            }
            0..98 => self.tick(node),
            _ => self.restart(node),
        }
    }

    /// Gives `to` the records of `from` that it lacks; one exchange in ten is lost. Returns whether a record was new.
    fn exchange(&mut self, from: usize, to: usize) -> bool {
        if from == to || self.random.chance(10) {
            return false;
        }
        let receiver = &self.instances[to].agreement;
        let mut records: Vec<_> = self.instances[from]
            .agreement
            .records()
            .filter(|record| receiver.record(&record.id()).is_none())
            .cloned()
            .collect();
        self.random.shuffle(&mut records);
        let mut new = false;
        for record in records {
            let is_lost = match record.statement().slot() {
                Some(Slot::Precommit(..)) => self.random.chance(self.precommit_loss_percent),
                Some(Slot::Prevote(..)) => self.deaf.contains(&to),
                _ => false,
            };
            if is_lost {
                continue;
            }
            match self.instances[to].agreement.add(record) {
                Ok(is_new) => new |= is_new,
                // Twins sign at most two bodies per slot in few rounds, so no limit is reached. Who loses its journal twice can sign
                // three.
                Err(Rejection::SlotFull(_)) if self.setting.flaw == Flaw::LostJournals => {}
                Err(rejection) => panic!("a good record: {rejection:?}"),
            }
        }
        self.speak(to);
        new
    }

    /// A timer ends: the node gives up waiting if no record came since the last time.
    fn tick(&mut self, node: usize) {
        let records = self.instances[node].agreement.records().count();
        if self.instances[node].records_at_tick == records {
            self.nudge(node);
        }
        self.instances[node].records_at_tick = records;
    }

    fn nudge(&mut self, node: usize) {
        if let Some(action) = self.instances[node].agreement.nudge() {
            self.sign(node, &action);
        }
        self.speak(node);
    }

    /// The node loses what is not in its journal.
    fn restart(&mut self, node: usize) {
        let instance = &mut self.instances[node];
        if self.setting.flaw == Flaw::LostJournals {
            instance.journal.clear();
        }
        let me = Some(instance.identity.node_id());
        instance.agreement = Agreement::new(HEIGHT, Arc::clone(&self.sealers), me);
        instance.agreement.recover(&instance.journal);
        self.speak(node);
    }

    /// Lets the node sign what it can.
    fn speak(&mut self, node: usize) {
        loop {
            let instance = &mut self.instances[node];
            if instance.mute {
                return;
            }
            let Some(action) = instance.agreement.advance(&mut AcceptAll, u32::MAX) else {
                break;
            };
            self.sign(node, &action);
        }
        self.instances[node].note_decision();
    }

    fn sign(&mut self, node: usize, action: &Action) {
        let instance = &mut self.instances[node];
        if instance.mute {
            return;
        }
        let statement = instance.statement(action);
        let slot = statement.slot();
        assert!(
            instance
                .journal
                .iter()
                .all(|own| own.statement().slot() != slot),
            "a node signed twice in one slot"
        );
        let record = sign(&*instance.identity, net(), statement).unwrap();
        instance.journal.push(record.clone());
        self.signed.insert(record.id(), record.clone());
        instance.agreement.add(record).expect("an own record");
    }

    /// All exchange with all until no record is new. Then all give up waiting, and exchange again.
    fn heal(&mut self) {
        self.precommit_loss_percent = 0;
        self.deaf.clear();
        let nodes = self.instances.len();
        for _ in 0..6 * nodes {
            loop {
                let mut new = false;
                for from in 0..nodes {
                    for to in 0..nodes {
                        new |= self.exchange(from, to);
                    }
                }
                if !new {
                    break;
                }
            }
            if self
                .instances
                .iter()
                .all(|instance| instance.decided.is_some())
            {
                return;
            }
            for node in 0..nodes {
                self.nudge(node);
            }
        }
    }

    fn outcome(&self, seed: u64) -> Outcome {
        let blame = blame(HEIGHT, &self.sealers, self.signed.values());
        let twinned: BTreeSet<NodeId> = (0..self.setting.twinned)
            .map(|member| self.instances[member].identity.node_id())
            .collect();
        let instances = || self.instances.iter();
        Outcome {
            seed,
            decided: instances()
                .filter_map(|instance| instance.decided)
                .collect(),
            undecided: instances()
                .filter(|instance| instance.decided.is_none())
                .count(),
            reverted: instances().any(|instance| instance.reverted),
            bad_certificate: instances().any(|instance| !instance.has_good_certificates()),
            named: {
                let named = blame.votes(&self.sealers);
                (named, self.sealers.is_over_third(named))
            },
            honest_named: blame.culprits().difference(&twinned).count(),
            amnesiacs: blame.amnesiacs.len(),
            unfounded: !blame.unfounded.is_empty(),
            rounds: instances()
                .map(|instance| instance.rounds)
                .max()
                .unwrap_or(0),
        }
    }
}

impl Instance {
    fn statement(&self, action: &Action) -> Statement {
        match *action {
            Action::Propose { round, value } => {
                let seal = match value {
                    Some((id, _)) => self
                        .agreement
                        .proposal(&id)
                        .expect("a valid value is known")
                        .clone(),
                    None => seal(self.mark, round),
                };
                let lock = value.map(|(_, lock)| lock);
                Statement::SealProposal { round, lock, seal }
            }
            Action::Vote { round, kind, seal } => Statement::SealVote {
                height: HEIGHT,
                round,
                kind,
                seal,
            },
        }
    }

    fn note_decision(&mut self) {
        self.rounds = self.rounds.max(self.agreement.round());
        if self.decided.is_none() {
            self.decided = self.agreement.decided().map(|(seal, _)| seal);
        }
        // A restart may lose the votes of others, so only a decision for another seal reverts one.
        let now = self.agreement.decided().map(|(seal, _)| seal);
        self.reverted |= now.is_some() && now != self.decided;
    }

    fn has_good_certificates(&self) -> bool {
        let mut verifier = Verifier::new(net());
        for node in self.agreement.sealers().iter() {
            verifier.add_author(node).unwrap();
        }
        self.agreement.decisions().all(|(id, round)| {
            let Some(certificate) = self.agreement.certificate_of(id, round) else {
                return false;
            };
            let Some(seal) = self.agreement.proposal(&id) else {
                // The precommits can arrive without the proposal, which nothing asks for here.
                return true;
            };
            verify_certificate(&certificate, seal, self.agreement.sealers(), &mut verifier).is_ok()
        })
    }
}
