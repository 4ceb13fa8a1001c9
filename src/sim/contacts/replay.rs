//! Driving cores by a trace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::host::Host;
use super::plan::Planned;
use super::trace::Trace;
use crate::agenda::Phase;
use crate::core::{Answer, Event, Input, Output, Pace, PeerId, Write};
use crate::digest::{OperationId, SealId};
use crate::genesis::Genesis;
use crate::identity::{Identity, Signer as _};
use crate::message::Message;
use crate::operation::{Class, ConsensusOperation, Priority, Spore};
use crate::pace::Patience;
use crate::params::Params;
use crate::record::{Statement, VoteKind};
use crate::sim::plan::START_MS;

/// What became of one operation, seconds since the trace began.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// By node: when it heard of it (and voted).
    pub heard: Vec<Option<u64>>,
    /// First node that applied the opening seal.
    pub opened: Option<u64>,
    /// When the seal that froze it was first proposed.
    pub proposed: Option<u64>,
    /// First node that applied the freezing seal.
    pub frozen: Option<u64>,
    /// The round in which it was decided.
    pub round: u32,
    /// By node: when it could tally.
    pub tallied: Vec<Option<u64>>,
}

/// Result.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Per operation, in the order of the plan.
    pub courses: Vec<Course>,
    /// Seals: height, round, first proposed, first decided.
    pub seals: Vec<(u64, u32, u64, u64)>,
    /// Frames sent.
    pub frames: u64,
    /// Nudges given.
    pub nudges: u64,
    /// Order of proposers.
    pub order: Vec<usize>,
    /// refusals
    pub refused: BTreeMap<&'static str, u64>,
}

/// Setup.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Seed of keys and clocks.
    pub seed: u64,
    /// Parameters.
    pub params: Params,
    /// Primary.
    pub primary: Option<usize>,
    /// wait
    pub wait_ms: u64,
    /// gather
    pub gather_ms: u64,
}

struct World<'a> {
    planned: &'a [Planned],
    hosts: Vec<Host>,
    up: BTreeSet<(usize, usize)>,
    now_ms: u64,
    mail: VecDeque<(usize, usize, Message)>,
    ids: Vec<Option<OperationId>>,
    courses: Vec<Course>,
    open: BTreeSet<usize>,
    proposed: BTreeMap<SealId, u64>,
    decided: BTreeMap<u64, (u32, u64, u64)>,
    frames: u64,
    nudges: u64,
    refused: BTreeMap<&'static str, u64>,
    log: bool,
}

/// Runs.
#[must_use]
pub fn replay(trace: &Trace, planned: &[Planned], setup: &Setup) -> Replayed {
    let label = |node: usize| Identity::from_seed_label(&format!("contacts {} {node}", setup.seed));
    let mut builder = Genesis::builder("contacts").time_ms(START_MS - 3_600_000).params(setup.params.clone());
    for node in 0..trace.nodes() {
        let role = if setup.primary == Some(node) { Spore::Primary } else { Spore::Latent };
        builder = builder.member(label(node).node_id(), role);
    }
    let genesis = builder.build().expect("valid");
    let mut rng = ChaCha8Rng::seed_from_u64(setup.seed ^ 0xc10c);
    let hosts: Vec<Host> = (0..trace.nodes())
        .map(|node| {
            let skew = i64::try_from(setup.params.drift_ms / 4).unwrap();
            let skew = rng.random_range(-skew..=skew);
            let mut host = Host::new(&genesis, label(node), Patience::new(setup.wait_ms), skew).unwrap();
            host.core.set_pace(Pace { gather_ms: setup.gather_ms, ..Pace::of(&setup.params) });
            host
        })
        .collect();
    let order: Vec<usize> = {
        let sealers = hosts[0].core.ledger().state().sealers().clone();
        sealers.iter().map(|(id, _)| (0..trace.nodes()).find(|n| label(*n).node_id() == id).unwrap()).collect()
    };
    let course = Course {
        heard: vec![None; trace.nodes()],
        tallied: vec![None; trace.nodes()],
        ..Course::default()
    };
    let mut world = World {
        planned,
        hosts,
        up: BTreeSet::new(),
        now_ms: START_MS,
        mail: VecDeque::new(),
        ids: vec![None; planned.len()],
        courses: vec![course; planned.len()],
        open: BTreeSet::new(),
        proposed: BTreeMap::new(),
        decided: BTreeMap::new(),
        frames: 0,
        nudges: 0,
        refused: BTreeMap::new(),
        log: std::env::var("CT_LOG").is_ok(),
    };
    world.live(trace);
    Replayed {
        courses: world.courses,
        seals: world.decided.into_iter().map(|(h, (r, p, d))| (h, r, p, d)).collect(),
        frames: world.frames,
        nudges: world.nudges,
        refused: world.refused,
        order,
    }
}

impl World<'_> {
    fn live(&mut self, trace: &Trace) {
        let mut ups: BTreeMap<u64, Vec<(usize, usize)>> = BTreeMap::new();
        let mut downs: BTreeMap<u64, Vec<(usize, usize)>> = BTreeMap::new();
        for c in trace.contacts() {
            ups.entry(c.from_s * 1000 + START_MS).or_default().push(c.nodes);
            downs.entry(c.to_s * 1000 + START_MS).or_default().push(c.nodes);
        }
        let mut proposals: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (n, p) in self.planned.iter().enumerate() {
            proposals.entry(p.at_s * 1000 + START_MS).or_default().push(n);
        }
        let mut instants: BTreeSet<u64> = ups.keys().chain(downs.keys()).chain(proposals.keys()).copied().collect();
        let end = trace.end_s() * 1000 + START_MS;
        loop {
            let fixed = instants.first().copied();
            let due = self.hosts.iter().filter_map(|h| h.due_ms).min();
            let Some(at) = fixed.into_iter().chain(due).min().filter(|at| *at <= end) else { break };
            instants.remove(&at);
            self.now_ms = at;
            for pair in ups.remove(&at).unwrap_or_default() {
                self.up.insert(pair);
                self.input(pair.0, Input::PeerUp(PeerId(pair.1 as u64)));
                self.input(pair.1, Input::PeerUp(PeerId(pair.0 as u64)));
            }
            self.settle();
            for n in proposals.remove(&at).unwrap_or_default() {
                self.propose(n);
            }
            self.settle();
            self.timers();
            self.settle();
            self.observe();
            for pair in downs.remove(&at).unwrap_or_default() {
                self.up.remove(&pair);
                self.input(pair.0, Input::PeerDown(PeerId(pair.1 as u64)));
                self.input(pair.1, Input::PeerDown(PeerId(pair.0 as u64)));
            }
            self.settle();
            for host in &mut self.hosts {
                if host.is_touched {
                    host.is_touched = false;
                    host.plan(at);
                }
            }
        }
    }

    fn timers(&mut self) {
        for n in 0..self.hosts.len() {
            let host = &mut self.hosts[n];
            if host.due_ms.is_some_and(|due| due <= self.now_ms) {
                let clock = host.clock(self.now_ms);
                if host.patience.due_ms().is_some_and(|due| due <= clock) {
                    host.patience.nudged();
                    self.nudges += 1;
                    self.input(n, Input::Nudge);
                } else {
                    self.input(n, Input::Tick);
                }
            }
        }
    }

    fn propose(&mut self, n: usize) {
        let planned = &self.planned[n];
        let operation = match planned.class {
            Class::Claim => ConsensusOperation::Claim { subject: format!("claim {n}"), input: Vec::new(), panel: None },
            _ => ConsensusOperation::SecurityPolicyUpdate { policy: format!("policy {n}"), content: vec![1] },
        };
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot: Some(planned.ballots[planned.by].clone()),
            nonce: n as u64,
        };
        if let Some(Answer::Proposed(id)) = self.input(planned.by, input) {
            self.ids[n] = Some(id);
            for (host, ballot) in self.hosts.iter_mut().zip(&planned.ballots) {
                host.ballots.insert(id, ballot.clone());
            }
            self.hosts[planned.by].ballots.remove(&id);
            self.courses[n].heard[planned.by] = Some(self.second());
            self.open.insert(n);
        } else {
            eprintln!("refused proposal {n}");
        }
    }

    fn second(&self) -> u64 {
        (self.now_ms - START_MS) / 1000
    }

    fn settle(&mut self) {
        loop {
            while let Some((from, to, message)) = self.mail.pop_front() {
                let pair = (from.min(to), from.max(to));
                if self.up.contains(&pair) {
                    self.input(to, Input::Message { from: PeerId(from as u64), message });
                }
            }
            for n in 0..self.hosts.len() {
                self.vote(n);
            }
            if self.mail.is_empty() {
                break;
            }
        }
    }

    fn vote(&mut self, n: usize) {
        let host = &self.hosts[n];
        let known: Vec<OperationId> = host
            .ballots
            .keys()
            .filter(|id| host.core.pool().get(&(**id).into()).is_some() || host.core.ledger().state().operation(id).is_some())
            .copied()
            .collect();
        for id in known {
            let ballot = self.hosts[n].ballots.remove(&id).unwrap();
            let _ = self.input(n, Input::Vote { operation: id, ballot });
            let op = self.ids.iter().position(|i| *i == Some(id)).unwrap();
            self.courses[op].heard[n] = Some(self.second());
        }
    }

    fn input(&mut self, n: usize, input: Input) -> Option<Answer> {
        let clock = self.hosts[n].clock(self.now_ms);
        self.hosts[n].is_touched = true;
        let outputs = self.hosts[n].core.handle(input, clock);
        for output in outputs.list {
            match output {
                Output::Persist(write) => {
                    self.note(n, &write);
                    self.hosts[n].disk.write(&write);
                }
                Output::Send { to, message } => {
                    self.frames += 1;
                    self.mail.push_back((n, to.0 as usize, message));
                }
                Output::Serve { to, from } => {
                    for message in self.hosts[n].disk.serve(from) {
                        self.frames += 1;
                        self.mail.push_back((n, to.0 as usize, message));
                    }
                }
                Output::Event(Event::Sealed { height, seal, .. }) => {
                    self.sealed(n, height, seal);
                }
                Output::Event(Event::Refused { rejection, .. }) => {
                    *self.refused.entry(rejection.code()).or_default() += 1;
                }
                Output::Event(_) => {}
            }
        }
        outputs.answer.ok()
    }

    fn note(&mut self, n: usize, write: &Write) {
        let at = self.second();
        if let Write::Journal(entry) = write {
            match &entry.record.body.what {
                Statement::SealProposal { seal, round, lock } => {
                    self.proposed.entry(seal.id()).or_insert(at);
                    if self.log {
                        println!("{at:7} node {n} proposes height {} round {round} lock {lock:?} count {}", seal.height, seal.count);
                    }
                }
                Statement::SealVote { height, round, kind, seal } if self.log => {
                    println!("{at:7} node {n} {} height {height} round {round} {}", if *kind == VoteKind::Prevote { "prevote" } else { "precommit" }, if seal.is_some() { "seal" } else { "nil" });
                }
                _ => {}
            }
        }
        if let Write::Block { block, applied } = write {
            let round = block.certificate.votes.iter().filter_map(|v| match &v.body.what {
                Statement::SealVote { round, .. } => Some(*round),
                _ => None,
            }).max().unwrap_or(0);
            let proposed = self.proposed.get(&block.seal.id()).copied().unwrap_or(0);
            self.decided.entry(block.seal.height).or_insert((round, proposed, at));
            for id in &applied.opened {
                let op = self.ids.iter().position(|i| i == &Some(*id)).unwrap();
                self.courses[op].opened.get_or_insert(at);
            }
            for id in &applied.frozen {
                let op = self.ids.iter().position(|i| i == &Some(*id)).unwrap();
                let course = &mut self.courses[op];
                course.frozen.get_or_insert(at);
                course.proposed.get_or_insert(proposed);
                course.round = round;
            }
        }
    }

    fn sealed(&mut self, n: usize, height: u64, _seal: SealId) {
        if self.log {
            println!("{:7} node {n} sealed {height}", self.second());
        }
        // Others may be waiting for this.
        if std::env::var("CT_NOSYNC").is_err() {
            for peer in 0..self.hosts.len() {
                if self.up.contains(&(n.min(peer), n.max(peer))) {
                    let state = self.hosts[n].core.ledger().state();
                    let message = Message::Status { height: state.height(), seal: state.seal() };
                    self.mail.push_back((n, peer, message));
                }
            }
        }
    }

    fn observe(&mut self) {
        let at = self.second();
        for op in self.open.clone() {
            let Some(id) = self.ids[op] else { continue };
            for (n, host) in self.hosts.iter().enumerate() {
                if self.courses[op].tallied[n].is_some() {
                    continue;
                }
                let core = &host.core;
                let is_done = core.pool().tallied(&id).is_some_and(|t| t.outcome().is_some())
                    || core.ledger().past().closed(&id).is_some()
                    || core.ledger().state().operation(&id).is_some_and(|open| {
                        open.decision().is_some() || (matches!(open.phase(), Phase::Revealing { .. }) && open.tally().is_some_and(|t| t.outcome().is_some()))
                    });
                if is_done {
                    self.courses[op].tallied[n] = Some(at);
                }
            }
            if self.courses[op].tallied.iter().all(Option::is_some) {
                self.open.remove(&op);
            }
        }
    }
}
