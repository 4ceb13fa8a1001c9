//! One node's rules, as functions of the set of messages it holds. Slow and short on purpose.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::RecordId;
use mycnet_consensus::internals::finality::Step;
use mycnet_consensus::internals::record::VoteKind::{self, Precommit, Prevote};

/// A value of this schedule: an index into its [`Facts`].
pub type Value = usize;

/// How nodes judge a value.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The round that it states.
    pub round: u32,
    pub is_valid: bool,
    pub is_worth_it: bool,
    /// The members that refuse it as fresh while it is early for them.
    pub refusers: BTreeSet<usize>,
}

/// What one says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    Proposal(Value, Option<u32>),
    Vote(VoteKind, Option<Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    pub by: usize,
    pub round: u32,
    pub said: Said,
}

/// What a node does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `None` asks for a fresh value.
    Propose(u32, Option<(Value, u32)>),
    Vote(u32, VoteKind, Option<Value>),
}

/// Rules that can be taken back, to show that somebody notices.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is one rule")]
pub struct Rules {
    pub has_locks: bool,
    pub counts_beyond: bool,
    pub counts_above: bool,
    pub vain_counts_above: bool,
    pub joins: bool,
    pub joins_near_a_quorum: bool,
    pub counts_all_nil: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            has_locks: true,
            counts_beyond: true,
            counts_above: true,
            vain_counts_above: true,
            joins: true,
            joins_near_a_quorum: false,
            counts_all_nil: true,
        }
    }
}

type Authors = BTreeSet<usize>;

#[derive(Debug, Clone)]
pub struct Node {
    me: usize,
    members: usize,
    rules: Rules,
    pub round: u32,
    pub step: Step,
    has_asked: bool,
    has_jumped: bool,
    pub lock: Option<(u32, Value)>,
    pub nil_rounds: BTreeSet<u32>,
    votes: BTreeMap<(u32, VoteKind), BTreeMap<usize, BTreeSet<Option<Value>>>>,
    proposals: BTreeMap<u32, BTreeMap<RecordId, (Value, Option<u32>)>>,
    signed: BTreeMap<u32, Authors>,
    pub decided: Option<(u32, Value)>,
}

/// What a nudge leads to.
enum Way {
    Met,
    To(u32),
    Shut,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Opinion {
    Nil,
    Open,
    For(Value),
}

impl Node {
    pub fn new(me: usize, members: usize, rules: Rules) -> Self {
        Self {
            me,
            members,
            rules,
            round: 0,
            step: Step::Propose,
            has_asked: false,
            has_jumped: false,
            lock: None,
            nil_rounds: BTreeSet::new(),
            votes: BTreeMap::new(),
            proposals: BTreeMap::new(),
            signed: BTreeMap::new(),
            decided: None,
        }
    }

    fn is_quorum(&self, count: usize) -> bool {
        3 * count > 2 * self.members
    }

    fn is_third(&self, count: usize) -> bool {
        3 * count > self.members
    }

    pub fn add(&mut self, id: RecordId, message: Message) {
        let Message { by, round, said } = message;
        self.signed.entry(round).or_default().insert(by);
        match said {
            Said::Proposal(value, lock) => {
                let proposals = self.proposals.entry(round).or_default();
                proposals.insert(id, (value, lock));
            }
            Said::Vote(kind, value) => {
                let votes = self.votes.entry((round, kind)).or_default();
                votes.entry(by).or_default().insert(value);
                if kind == Precommit {
                    let found = self.quorums(round, Precommit).into_iter().next();
                    let found = found.map(|value| (round, value));
                    self.decided = self.decided.into_iter().chain(found).min();
                }
            }
        }
    }

    /// S1: an author with two bodies counts for every value.
    fn count(&self, round: u32, kind: VoteKind, value: Option<Value>) -> usize {
        let votes = self.votes.get(&(round, kind)).into_iter().flatten();
        votes
            .filter(|(_, bodies)| bodies.len() > 1 || bodies.contains(&value))
            .count()
    }

    fn values(&self, round: u32, kind: VoteKind) -> BTreeSet<Value> {
        let votes = self.votes.get(&(round, kind)).into_iter().flatten();
        votes
            .flat_map(|(_, bodies)| bodies)
            .copied()
            .flatten()
            .collect()
    }

    fn quorums(&self, round: u32, kind: VoteKind) -> BTreeSet<Value> {
        let mut values = self.values(round, kind);
        values.retain(|value| self.is_quorum(self.count(round, kind, Some(*value))));
        values
    }

    fn best(&self, round: u32, kind: VoteKind) -> usize {
        let nobody = Value::MAX;
        let values = self.values(round, kind).into_iter().chain([nobody]);
        let counts = values.map(|value| self.count(round, kind, Some(value)));
        counts.max().unwrap_or(0)
    }

    fn voters(&self, round: u32, kind: VoteKind) -> Authors {
        let votes = self.votes.get(&(round, kind)).into_iter().flatten();
        votes.map(|(author, _)| *author).collect()
    }

    fn above(&self, round: u32) -> Authors {
        let higher = self.signed.range(round + 1..);
        higher.flat_map(|(_, authors)| authors).copied().collect()
    }

    pub fn proofs(&self) -> Vec<(u32, Value)> {
        let rounds: BTreeSet<u32> = self.votes.keys().map(|(round, _)| *round).collect();
        let proofs = rounds.into_iter().flat_map(|round| {
            let values = self.quorums(round, Prevote).into_iter();
            values.map(move |value| (round, value))
        });
        proofs.collect()
    }

    pub fn proposed(&self, round: u32) -> impl Iterator<Item = Value> + '_ {
        let proposals = self.proposals.get(&round).into_iter().flatten();
        proposals.map(|(_, (value, _))| *value)
    }

    fn knows(&self, value: Value) -> bool {
        let mut proposals = self.proposals.values().flatten();
        proposals.any(|(_, (proposed, _))| *proposed == value)
    }

    fn enter(&mut self, round: u32, jumps: bool) {
        assert!(round > self.round);
        self.round = round;
        self.step = Step::Propose;
        self.has_asked = false;
        self.has_jumped = jumps;
    }

    fn vote(&mut self, kind: VoteKind, value: Option<Value>) -> Act {
        self.step = if kind == Prevote {
            Step::Prevote
        } else {
            Step::Precommit
        };
        if value.is_none() && (self.rules.counts_all_nil || !self.has_jumped) {
            self.nil_rounds.insert(self.round);
        }
        Act::Vote(self.round, kind, value)
    }

    fn is_early(&self) -> bool {
        self.nil_rounds.len() < 8
    }

    fn opinion(&self, round: u32, facts: &[Facts], joins: bool) -> Option<Opinion> {
        let proposals = self.proposals.get(&round).into_iter().flatten();
        let opinions = proposals.map(|(_, (value, proof))| {
            let is_proved = |proof: u32| {
                proof < round && self.is_quorum(self.count(proof, Prevote, Some(*value)))
            };
            if proof.is_some_and(|proof| !is_proved(proof)) {
                return Opinion::Open; // L28
            }
            let is_free = |(lock, locked): (u32, Value)| {
                locked == *value || proof.is_some_and(|proof| lock <= proof)
            };
            let about = &facts[*value];
            let refuses_fresh = about.round != round
                || self.is_early() && about.refusers.contains(&self.me)
                || joins && !about.is_worth_it;
            if self.rules.has_locks && !self.lock.is_none_or(is_free)
                || !about.is_valid
                || proof.is_none() && refuses_fresh
            {
                return Opinion::Nil;
            }
            Opinion::For(*value)
        });
        let opinions: Vec<Opinion> = opinions.collect();
        let accepted = opinions.iter().find(|it| matches!(it, Opinion::For(_)));
        accepted.or(opinions.iter().max()).copied()
    }

    /// L55 with S8's counting.
    fn crowded(&self) -> Option<u32> {
        let higher = self.signed.range(self.round + 1..).rev();
        let mut rounds = higher.filter(|(round, authors)| {
            let count = if self.rules.counts_above {
                self.above(**round - 1).len()
            } else {
                authors.len()
            };
            self.is_third(count)
        });
        rounds.next().map(|(round, _)| *round)
    }

    pub fn advance(&mut self, facts: &[Facts], join_to: u32) -> Option<Act> {
        while self.decided.is_none() {
            let round = self.round;
            if self.step == Step::Propose {
                match self.opinion(round, facts, false) {
                    Some(Opinion::For(value)) => return Some(self.vote(Prevote, Some(value))),
                    Some(Opinion::Nil) => return Some(self.vote(Prevote, None)),
                    Some(Opinion::Open) | None => {}
                }
            }
            if self.step == Step::Prevote {
                let mut proved = self.quorums(round, Prevote).into_iter();
                if let Some(value) = proved.find(|value| self.knows(*value)) {
                    self.lock = Some((round, value));
                    return Some(self.vote(Precommit, Some(value)));
                }
                if self.is_quorum(self.count(round, Prevote, None)) {
                    return Some(self.vote(Precommit, None));
                }
            }
            if let Some(crowded) = self.crowded() {
                self.enter(crowded, false);
            } else if self.is_quorum(self.count(round, Precommit, None)) {
                self.enter(round + 1, false);
            } else if let Some(joined) = self.to_join(facts, join_to) {
                self.enter(joined, true);
            } else {
                return self.propose();
            }
        }
        None
    }

    fn to_join(&self, facts: &[Facts], join_to: u32) -> Option<u32> {
        let is_near = self.is_quorum(self.best(self.round, Prevote));
        if !self.rules.joins || is_near && !self.rules.joins_near_a_quorum {
            return None;
        }
        let last = join_to.min(u32::try_from(self.members).unwrap() - 1);
        let mut rounds = (self.round + 1..=last).rev();
        rounds.find(|round| matches!(self.opinion(*round, facts, true), Some(Opinion::For(_))))
    }

    fn propose(&mut self) -> Option<Act> {
        let is_mine = self.round as usize % self.members == self.me;
        if self.step != Step::Propose || self.has_asked || !is_mine {
            return None;
        }
        let mut proofs = self.proofs().into_iter().rev();
        let value = proofs.find(|(round, _)| *round < self.round);
        if value.is_some_and(|(_, value)| !self.knows(value)) {
            return None;
        }
        self.has_asked = true;
        Some(Act::Propose(
            self.round,
            value.map(|(round, value)| (value, round)),
        ))
    }

    fn guard(&self, kind: VoteKind) -> Way {
        let voters = self.voters(self.round, kind);
        if self.is_quorum(voters.len()) {
            return Way::Met;
        }
        let above = self.above(self.round);
        if !self.rules.counts_beyond || !self.is_quorum(voters.union(&above).count()) {
            return Way::Shut;
        }
        let beyond: Authors = above.difference(&voters).copied().collect();
        let members = u32::try_from(self.members).unwrap();
        let mut rounds = self
            .signed
            .range(self.round + 1..members.max(self.round + 1));
        let target = rounds.find(|(_, authors)| !authors.is_disjoint(&beyond));
        target.map_or(Way::Shut, |(round, _)| Way::To(*round))
    }

    pub fn nudge(&mut self) -> Option<Act> {
        if self.decided.is_some() {
            return None;
        }
        match self.guard(Precommit) {
            Way::Met => self.enter(self.round + 1, false),
            Way::To(round) => self.enter(round, false),
            Way::Shut if self.step == Step::Propose => return Some(self.vote(Prevote, None)),
            Way::Shut if self.step == Step::Prevote => match self.guard(Prevote) {
                Way::Met => return Some(self.vote(Precommit, None)),
                Way::To(round) => self.enter(round, false),
                Way::Shut => {}
            },
            Way::Shut => {}
        }
        None
    }

    pub fn is_in_vain(&self) -> bool {
        let kind = if self.step == Step::Precommit {
            Precommit
        } else {
            Prevote
        };
        let mut gone = self.voters(self.round, kind);
        if self.rules.vain_counts_above {
            gone.extend(self.above(self.round));
        }
        let rest = self.members - gone.len();
        !self.is_quorum(self.best(self.round, kind) + rest)
    }

    pub fn lead(&mut self) -> bool {
        let place = u32::try_from(self.me).unwrap();
        let is_free = self.step == Step::Propose || self.is_in_vain();
        let leads = self.decided.is_none() && is_free && place > self.round;
        if leads {
            self.enter(place, true);
        }
        leads
    }
}
