//! Random schedules: at first messages are lost, late and split, and hosts nudge, lead and join at any time; then everything is
//! delivered and hosts do what theirs is. The model and the production agreement of each honest node go through it together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use mycnet_consensus::internals::finality::{Action, Agreement, Judge, Sealers, Verdict};
use mycnet_consensus::internals::record::{Seal, Statement, Verified, sign};
use mycnet_consensus::{Digest, Identity, NetworkId, Rejection, SealId, Signer as _};

use super::node::{Act, Facts, Message, Node, Rules, Said, Value};
use crate::twins::random::Random;

const HEIGHT: u64 = 5;

/// No schedule gets this far, so that the limit of 64 rounds, which the model does not have, plays no part.
const ROUNDS_MAX: u32 = 60;

/// How hosts behave once everything is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All give up again and again, at times exchanging in between.
    Mesh,
    /// Nodes lead when they can and give up what is in vain; all give up only if nothing moves otherwise.
    Carried,
}

#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub members: usize,
    pub liars: usize,
    pub ending: Ending,
    pub rules: Rules,
    /// Whether the production agreement goes along.
    pub drives_production: bool,
}

#[derive(Debug)]
pub enum Finding {
    /// The model and production differ.
    Differs(String),
    /// Two honest nodes decided two values.
    Forked,
    /// Everything is delivered, and some do not decide.
    Stuck(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(what) => write!(f, "{what}"),
            Self::Forked => write!(f, "two values were decided"),
            Self::Stuck(rounds) => write!(f, "some do not decide, at {rounds}"),
        }
    }
}

/// The numbers of the messages that a node holds, one bit for each.
#[derive(Debug, Clone, Default)]
struct Held(Vec<u64>);

impl Held {
    /// Returns whether it was new.
    fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn add_all(&mut self, other: &Self) {
        let length = self.0.len().max(other.0.len());
        self.0.resize(length, 0);
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Those that the other one lacks, in order.
    fn without(&self, other: &Self) -> Vec<usize> {
        let mut numbers = Vec::new();
        for (at, word) in self.0.iter().enumerate() {
            let mut left = word & !other.0.get(at).copied().unwrap_or(0);
            while left != 0 {
                numbers.push(64 * at + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
        numbers
    }
}

/// One honest node.
pub struct Pair {
    pub model: Node,
    agreement: Option<Agreement>,
    held: Held,
    pub pending: Vec<usize>,
}

pub struct World {
    pub setting: Setting,
    pub random: Random,
    pub nodes: BTreeMap<usize, Pair>,
    pub liars: Vec<usize>,
    pub facts: Vec<Facts>,
    seals: BTreeMap<SealId, Value>,
    pub messages: Vec<(Message, Verified)>,
    numbers: BTreeMap<Message, usize>,
    identities: Vec<Identity>,
    /// Each member refuses a fresh value of another with this chance, in percent.
    refuse_percent: usize,
}

/// Runs one schedule.
pub fn run(setting: Setting, seed: u64) -> Result<(), Finding> {
    let mut world = World::new(setting, seed);
    world.chaos()?;
    world.settle()
}

fn net() -> NetworkId {
    NetworkId::from_bytes([8; 32])
}

fn seal(value: Value, facts: &Facts) -> Seal {
    let mut records = [0; 32];
    records[..8].copy_from_slice(&(value as u64).to_le_bytes());
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
        round: facts.round,
    }
}

/// The ledger's answers, from the schedule's facts.
struct Answers<'a> {
    me: usize,
    is_early: bool,
    facts: &'a [Facts],
    seals: &'a BTreeMap<SealId, Value>,
}

impl Judge for Answers<'_> {
    fn judge(&mut self, proposal: &Seal, round: u32, fresh: bool) -> Verdict {
        let about = &self.facts[self.seals[&proposal.id()]];
        let refuses_fresh =
            about.round != round || self.is_early && about.refusers.contains(&self.me);
        if !about.is_valid || fresh && refuses_fresh {
            return Verdict::Refuse;
        }
        Verdict::Accept
    }

    fn is_worth_it(&mut self, proposal: &Seal) -> bool {
        self.facts[self.seals[&proposal.id()]].is_worth_it
    }
}

impl World {
    fn new(setting: Setting, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let members = setting.members;
        let identities: Vec<Identity> = (0..members)
            .map(|member| Identity::from_seed_label(&format!("modelled {member}")))
            .collect();
        let sealers = identities.iter().map(Identity::node_id).collect();
        let sealers = Arc::new(Sealers::new(sealers));
        let mut all: Vec<usize> = (0..members).collect();
        random.shuffle(&mut all);
        let liars = all.split_off(members - setting.liars);
        let pair = |member: usize| {
            let me = Some(identities[member].node_id());
            let agreement = Agreement::new(HEIGHT, Arc::clone(&sealers), me);
            let pair = Pair {
                model: Node::new(member, members, setting.rules),
                agreement: setting.drives_production.then_some(agreement),
                held: Held::default(),
                pending: Vec::new(),
            };
            (member, pair)
        };
        Self {
            setting,
            nodes: all.into_iter().map(pair).collect(),
            liars,
            facts: Vec::new(),
            seals: BTreeMap::new(),
            messages: Vec::new(),
            numbers: BTreeMap::new(),
            identities,
            refuse_percent: [0, 0, 20, 60, 100][random.below(5)],
            random,
        }
    }

    pub fn honest(&self) -> Vec<usize> {
        self.nodes.keys().copied().collect()
    }

    /// The lowest and the highest round of honest nodes.
    pub fn span(&self) -> (u32, u32) {
        let rounds = self.nodes.values().map(|pair| pair.model.round);
        let highest = rounds.clone().max().unwrap();
        (rounds.min().unwrap(), highest)
    }

    pub fn new_value(&mut self, by: usize, facts: (u32, bool, bool)) -> Value {
        let refuse_percent = self.refuse_percent;
        let random = &mut self.random;
        let others = (0..self.setting.members).filter(|member| *member != by);
        let refusers = others.filter(|_| random.chance(refuse_percent)).collect();
        let (round, is_valid, is_worth_it) = facts;
        let value = self.facts.len();
        self.facts.push(Facts {
            round,
            is_valid,
            is_worth_it,
            refusers,
        });
        self.seals.insert(self.seal(value).id(), value);
        value
    }

    fn seal(&self, value: Value) -> Seal {
        seal(value, &self.facts[value])
    }

    /// The number of a message, signed when it is new.
    pub fn say(&mut self, message: Message) -> usize {
        if let Some(at) = self.numbers.get(&message) {
            return *at;
        }
        let round = message.round;
        let statement = match message.said {
            Said::Proposal(value, lock) => Statement::SealProposal {
                round,
                lock,
                seal: self.seal(value),
            },
            Said::Vote(kind, value) => Statement::SealVote {
                height: HEIGHT,
                round,
                kind,
                seal: value.map(|value| self.seal(value).id()),
            },
        };
        let record = sign(&self.identities[message.by], net(), statement).unwrap();
        let at = self.messages.len();
        self.messages.push((message, record));
        self.numbers.insert(message, at);
        at
    }

    /// Gives a node a message; says whether it was new to it.
    pub fn take(&mut self, node: usize, at: usize) -> bool {
        let pair = self.nodes.get_mut(&node).unwrap();
        let is_new = pair.held.insert(at);
        if is_new {
            let (message, record) = &self.messages[at];
            pair.model.add(record.id(), *message);
            if let Some(agreement) = &mut pair.agreement {
                // A liar's third body of a slot is not kept, and changes no count.
                let added = agreement.add(record.clone());
                assert!(matches!(added, Ok(_) | Err(Rejection::SlotFull(_))));
            }
        }
        is_new
    }

    fn translate(&self, action: &Action) -> Act {
        let value = |seal: SealId| self.seals[&seal];
        match *action {
            Action::Propose {
                round,
                value: again,
            } => Act::Propose(round, again.map(|(seal, proof)| (value(seal), proof))),
            Action::Vote { round, kind, seal } => Act::Vote(round, kind, seal.map(value)),
        }
    }

    /// Signs what a node does, and gives it its own message.
    fn perform(&mut self, node: usize, act: Act) -> usize {
        let (round, said) = match act {
            Act::Propose(round, Some((value, proof))) => {
                (round, Said::Proposal(value, Some(proof)))
            }
            Act::Propose(round, None) => {
                let leads = self.nodes[&node]
                    .agreement
                    .as_ref()
                    .is_some_and(Agreement::leads);
                let is_worth_it = leads || self.random.chance(70);
                let value = self.new_value(node, (round, true, is_worth_it));
                (round, Said::Proposal(value, None))
            }
            Act::Vote(round, kind, value) => (round, Said::Vote(kind, value)),
        };
        let at = self.say(Message {
            by: node,
            round,
            said,
        });
        self.take(node, at);
        at
    }

    /// Lets a node say what it can; returns its messages.
    pub fn advance(&mut self, node: usize, join_to: u32) -> Result<Vec<usize>, Finding> {
        let mut said = Vec::new();
        loop {
            let pair = self.nodes.get_mut(&node).unwrap();
            let modelled = pair.model.advance(&self.facts, join_to);
            if let Some(agreement) = &mut pair.agreement {
                let mut answers = Answers {
                    me: node,
                    is_early: agreement.is_early(),
                    facts: &self.facts,
                    seals: &self.seals,
                };
                let action = agreement.advance(&mut answers, join_to);
                self.compare(node, "advances", modelled, action.as_ref())?;
            }
            let Some(act) = modelled else {
                return Ok(said);
            };
            said.push(self.perform(node, act));
        }
    }

    /// Nudges a node. Returns whether that did anything, and its message.
    fn nudge(&mut self, node: usize) -> Result<(bool, Vec<usize>), Finding> {
        let pair = self.nodes.get_mut(&node).unwrap();
        let round = pair.model.round;
        let modelled = pair.model.nudge();
        let moved = modelled.is_some() || pair.model.round > round;
        if let Some(agreement) = &mut pair.agreement {
            let would = agreement.would_give_up();
            let action = agreement.nudge();
            if would != moved {
                return Err(self.differs(node, "would give up"));
            }
            self.compare(node, "gives up", modelled, action.as_ref())?;
        }
        let said = modelled.map(|act| self.perform(node, act));
        Ok((moved, said.into_iter().collect()))
    }

    fn lead(&mut self, node: usize) -> Result<bool, Finding> {
        let pair = self.nodes.get_mut(&node).unwrap();
        let leads = pair.model.lead();
        if let Some(agreement) = &mut pair.agreement
            && agreement.lead() != leads
        {
            return Err(self.differs(node, "leads"));
        }
        self.compare(node, "leads", None, None)?;
        Ok(leads)
    }

    fn differs(&self, node: usize, what: &str) -> Finding {
        let pair = &self.nodes[&node];
        let model = &pair.model;
        let agreement = pair.agreement.as_ref();
        let places = agreement.map(|it| (it.round(), it.step(), it.nil_rounds(), it.is_in_vain()));
        Finding::Differs(format!(
            "node {node} {what}: the model is at {:?}, production at {places:?}",
            (
                model.round,
                model.step,
                model.nil_rounds.len(),
                model.is_in_vain()
            ),
        ))
    }

    fn compare(
        &self,
        node: usize,
        what: &str,
        modelled: Option<Act>,
        action: Option<&Action>,
    ) -> Result<(), Finding> {
        let pair = &self.nodes[&node];
        let (model, Some(agreement)) = (&pair.model, &pair.agreement) else {
            return Ok(());
        };
        let action = action.map(|action| self.translate(action));
        let locked = agreement.locked();
        let locked = locked.map(|(round, seal)| (round, self.seals[&seal]));
        let decided = agreement.decided();
        let decided = decided.map(|(seal, round)| (round, self.seals[&seal]));
        let is_same = (model.round, model.step) == (agreement.round(), agreement.step())
            && model.lock == locked
            && model.decided == decided
            && model.nil_rounds.len() == agreement.nil_rounds() as usize
            && model.is_in_vain() == agreement.is_in_vain();
        if modelled == action && is_same {
            return Ok(());
        }
        let what = format!("{what} ({modelled:?} or {action:?})");
        Err(self.differs(node, &what))
    }

    /// Two decided values are a fork.
    fn judge(&self) -> Result<(), Finding> {
        let decided = self.nodes.values().filter_map(|pair| pair.model.decided);
        let values: BTreeSet<Value> = decided.map(|(_, value)| value).collect();
        if values.len() > 1 {
            return Err(Finding::Forked);
        }
        Ok(())
    }

    /// Sends a node's messages to others, some of which never get them.
    fn spread(&mut self, from: usize, said: &[usize], cut: u64, loss_percent: usize) {
        for at in said {
            for to in self.honest() {
                let is_cut = (cut >> to) & 1 != (cut >> from) & 1;
                if to != from && !is_cut && !self.random.chance(loss_percent) {
                    self.nodes.get_mut(&to).unwrap().pending.push(*at);
                }
            }
        }
    }

    /// A phase in which anything may happen.
    fn chaos(&mut self) -> Result<(), Finding> {
        let nudge_percent = [2, 5, 15, 30][self.random.below(4)];
        let lead_percent = [0, 1, 5, 15][self.random.below(4)];
        let liar_percent = [0, 5, 20, 40][self.random.below(4)];
        let loss_percent = [0, 10, 40][self.random.below(3)];
        let sync_percent = [0, 2, 10][self.random.below(3)];
        let join_percent = [0, 30, 100][self.random.below(3)];
        let is_cunning = self.random.chance(50);
        let steps = 100 + self.random.below(400);
        let mut cut = u64::MAX;
        for _ in 0..steps {
            if self.span().1 >= ROUNDS_MAX / 2 {
                break;
            }
            if self.random.chance(1) {
                cut = if self.random.chance(40) {
                    u64::MAX
                } else {
                    self.random.next()
                };
            }
            let honest = self.honest();
            let node = honest[self.random.below(honest.len())];
            let join_to = if self.random.chance(join_percent) {
                [u32::MAX, 1, 3][self.random.below(3)]
            } else {
                0
            };
            let mut said = Vec::new();
            if self.random.chance(liar_percent) {
                self.lie(is_cunning);
                continue;
            } else if self.random.chance(nudge_percent) {
                said = self.nudge(node)?.1;
            } else if self.random.chance(lead_percent) {
                self.lead(node)?;
            } else if self.random.chance(sync_percent) {
                let from = honest[self.random.below(honest.len())];
                for at in self.nodes[&from].held.without(&self.nodes[&node].held) {
                    self.take(node, at);
                }
            } else if !self.nodes[&node].pending.is_empty() {
                let count = self.nodes[&node].pending.len();
                let at = self.random.below(count);
                let at = self.nodes.get_mut(&node).unwrap().pending.swap_remove(at);
                self.take(node, at);
            }
            said.extend(self.advance(node, join_to)?);
            self.spread(node, &said, cut, loss_percent);
            self.judge()?;
        }
        Ok(())
    }

    /// All get what any honest node holds, until nobody has more to say. Returns whether anything was new.
    fn deliver(&mut self) -> Result<bool, Finding> {
        let mut any = false;
        loop {
            let mut changed = false;
            let honest = self.honest();
            let mut held = Held::default();
            for pair in self.nodes.values() {
                held.add_all(&pair.held);
            }
            for node in &honest {
                for at in held.without(&self.nodes[node].held) {
                    changed |= self.take(*node, at);
                }
            }
            for node in honest {
                changed |= !self.advance(node, u32::MAX)?.is_empty();
            }
            self.judge()?;
            if !changed {
                return Ok(any);
            }
            any = true;
        }
    }

    /// A phase without loss and without liars, in which every honest node must decide.
    fn settle(&mut self) -> Result<(), Finding> {
        loop {
            let mut moved = self.deliver()?;
            if self.nodes.values().all(|pair| pair.model.decided.is_some()) {
                return Ok(());
            }
            let mut honest = self.honest();
            self.random.shuffle(&mut honest);
            if self.setting.ending == Ending::Carried {
                for node in &honest {
                    if self.lead(*node)? {
                        self.advance(*node, u32::MAX)?;
                        moved = true;
                        if self.random.chance(70) {
                            self.deliver()?;
                        }
                    }
                }
                for node in &honest {
                    if self.nodes[node].model.is_in_vain() {
                        moved |= self.nudge(*node)?.0;
                        self.advance(*node, u32::MAX)?;
                    }
                }
            }
            if self.setting.ending == Ending::Mesh || !moved {
                for node in &honest {
                    moved |= self.nudge(*node)?.0;
                    self.advance(*node, u32::MAX)?;
                    if self.setting.ending == Ending::Mesh && self.random.chance(50) {
                        self.deliver()?;
                    }
                }
            }
            if !moved || self.span().1 > ROUNDS_MAX {
                return Err(Finding::Stuck(format!("rounds {:?}", self.span())));
            }
        }
    }
}
