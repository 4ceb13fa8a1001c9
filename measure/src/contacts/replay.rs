//! Cores whose contacts come from a trace.
//!
//! Between two events no message is under way: nodes in contact exchange everything at once, as in the
//! [bound](super::bound). A message that does not arrive before a contact ends is lost, and a later contact repairs it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::agreement::{Disagreement, View, check};
use super::course::{Course, Courses};
use super::host::Host;
use super::plan::Planned;
use super::setup::Setup;
use super::trace::Trace;
use mycnet_consensus::ClaimRule;
use mycnet_consensus::core::{
    Answer, Core, Event, Input, Message, Network, PeerId, SealedBlock, Write,
};
use mycnet_consensus::internals::digest::OperationId;
use mycnet_consensus::internals::operation::{Class, ConsensusOperation, Priority};
use mycnet_consensus::internals::rejection::Rejection;
use mycnet_consensus::internals::sim::plan::START_MS;

/// The result of a replay.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The course of each operation, in the order of the plan.
    pub courses: Vec<Course>,
    /// Per height the round in which it was decided.
    pub rounds: Vec<u32>,
    /// Messages sent.
    pub messages: u64,
    /// How often a node gave up waiting.
    pub nudges: u64,
    /// Records that were refused, by code.
    pub refused: BTreeMap<&'static str, u64>,
}

struct World<'a> {
    planned: &'a [Planned],
    hosts: Vec<Host>,
    contacts: BTreeSet<(usize, usize)>,
    now_ms: u64,
    mail: VecDeque<(usize, usize, Message)>,
    /// Hosts whose height grew. They compare what they hold with the hosts in contact.
    grown: BTreeSet<usize>,
    courses: Courses,
    messages: u64,
    nudges: u64,
    refused: BTreeMap<&'static str, u64>,
}

/// Why there is no result of a replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The setup gives no valid genesis.
    #[error("no valid genesis: {0}")]
    Genesis(#[from] Rejection),
    /// Nodes that all keep the rules do not agree: a fault of the product. Seed and Primary repeat it.
    #[error("seed {seed}, Primary {}: {disagreement}", primary.map_or("none".to_owned(), |p| p.to_string()))]
    Disagreement {
        /// The seed of the setup.
        seed: u64,
        /// The Primary's place among the nodes.
        primary: Option<usize>,
        /// Who disagrees, and about what.
        disagreement: Disagreement,
    },
}

/// Lets the nodes of a trace, founders of equal weight, decide the planned operations, and checks that they agree.
///
/// # Errors
///
/// [`ReplayError`] if the setup gives no valid genesis, and if two nodes hold different seals, states or final outcomes.
pub fn replay(trace: &Trace, planned: &[Planned], setup: &Setup) -> Result<Replayed, ReplayError> {
    let mut world = World::new(trace, planned, setup)?;
    world.live(trace);
    let hosts = world.hosts.iter();
    let views: Vec<View> = hosts
        .map(|host| View::of(host, world.courses.operations()))
        .collect();
    check(&views).map_err(|disagreement| ReplayError::Disagreement {
        seed: setup.seed,
        primary: setup.primary,
        disagreement,
    })?;
    let (courses, rounds) = world.courses.finish();
    Ok(Replayed {
        courses,
        rounds,
        messages: world.messages,
        nudges: world.nudges,
        refused: world.refused,
    })
}

/// The events of a trace and a plan at one time.
#[derive(Default)]
struct Instant {
    ups: Vec<(usize, usize)>,
    proposals: Vec<usize>,
    downs: Vec<(usize, usize)>,
}

fn script(trace: &Trace, planned: &[Planned]) -> BTreeMap<u64, Instant> {
    let mut script: BTreeMap<u64, Instant> = BTreeMap::new();
    for contact in trace.contacts() {
        let from_ms = START_MS + contact.from_s * 1000;
        let to_ms = START_MS + contact.to_s * 1000;
        script.entry(from_ms).or_default().ups.push(contact.nodes);
        script.entry(to_ms).or_default().downs.push(contact.nodes);
    }
    for (number, planned) in planned.iter().enumerate() {
        let at_ms = START_MS + planned.at_s * 1000;
        script.entry(at_ms).or_default().proposals.push(number);
    }
    script
}

impl Network for World<'_> {
    fn core(&mut self, node: usize) -> Option<(&mut Core, u64)> {
        Some(self.hosts[node].woken(self.now_ms))
    }

    fn persist(&mut self, node: usize, write: Write) {
        if let Write::Record(record) | Write::Vote(record) = &write {
            self.hosts[node].patience.heard(record.author());
        }
        self.courses.note(self.now_ms, &write);
        self.hosts[node].disk.write(&write);
    }

    fn blocks(&self, node: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        self.hosts[node].disk.blocks_from(from)
    }

    fn event(&mut self, node: usize, event: Event) {
        match event {
            Event::Sealed { .. } => {
                self.grown.insert(node);
            }
            Event::Refused { rejection, .. } => {
                *self.refused.entry(rejection.code()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        self.messages += 1;
        self.mail.push_back((from, to, message));
    }
}

impl<'a> World<'a> {
    fn new(trace: &Trace, planned: &'a [Planned], setup: &Setup) -> Result<Self, Rejection> {
        let genesis = setup.genesis(trace.nodes())?;
        let mut rng = ChaCha8Rng::seed_from_u64(setup.seed ^ 0xc10c);
        // Any two clocks then differ by less than the drift.
        let skew_ms = (setup.params.drift_ms / 4).cast_signed();
        let hosts: Result<Vec<Host>, Rejection> = (0..trace.nodes())
            .map(|node| {
                let skew_ms = rng.random_range(-skew_ms..=skew_ms);
                Host::new(&genesis, setup.identity(node), skew_ms, START_MS)
            })
            .collect();
        Ok(Self {
            planned,
            hosts: hosts?,
            contacts: BTreeSet::new(),
            now_ms: START_MS,
            mail: VecDeque::new(),
            grown: BTreeSet::new(),
            courses: Courses::new(planned.len(), trace.nodes()),
            messages: 0,
            nudges: 0,
            refused: BTreeMap::new(),
        })
    }

    fn live(&mut self, trace: &Trace) {
        let mut script = script(trace, self.planned);
        let end_ms = START_MS + trace.end_s() * 1000;
        loop {
            let next = script.first_key_value().map(|(at_ms, _)| *at_ms);
            let due = self.hosts.iter().filter_map(|host| host.due_ms);
            let Some(at_ms) = next.into_iter().chain(due).min() else {
                break;
            };
            if at_ms > end_ms {
                break;
            }
            self.now_ms = at_ms;
            let instant = script.remove(&at_ms).unwrap_or_default();
            // Contacts begin before others end, so that a contact of one moment counts.
            for pair in instant.ups {
                self.meet(pair);
            }
            self.settle();
            for number in instant.proposals {
                self.propose(number);
            }
            self.settle();
            self.call_due();
            self.courses.observe(at_ms, &mut self.hosts);
            for pair in instant.downs {
                self.part(pair);
            }
            self.look();
            self.courses.observe(at_ms, &mut self.hosts);
        }
    }

    fn meet(&mut self, (one, other): (usize, usize)) {
        self.contacts.insert((one, other));
        for (host, peer) in [(one, other), (other, one)] {
            let node = self.hosts[peer].core.node_id();
            self.hosts[host].patience.met(node);
        }
        self.introduce(one, other, Input::PeerUp);
    }

    fn part(&mut self, (one, other): (usize, usize)) {
        self.contacts.remove(&(one, other));
        for (host, peer) in [(one, other), (other, one)] {
            let node = self.hosts[peer].core.node_id();
            self.hosts[host].patience.parted(node);
        }
        self.introduce(one, other, Input::PeerDown);
    }

    fn call_due(&mut self) {
        for host in 0..self.hosts.len() {
            let is_due = |due_ms: u64| due_ms <= self.now_ms;
            if self.hosts[host].due_ms.is_some_and(is_due) {
                self.notify(host, Input::Tick);
            }
        }
        self.settle();
        self.look();
    }

    /// Lets touched hosts see whether they give up waiting, until none does.
    fn look(&mut self) {
        self.settle();
        while let Some(host) = self.hosts.iter().position(|host| host.is_touched) {
            self.hosts[host].is_touched = false;
            if self.hosts[host].look(self.now_ms) {
                self.hosts[host].patience.nudged();
                self.nudges += 1;
                self.notify(host, Input::Nudge);
                self.settle();
            }
        }
    }

    fn propose(&mut self, number: usize) {
        let planned = &self.planned[number];
        let operation = match planned.class {
            Class::Claim => ConsensusOperation::Claim {
                subject: format!("claim {number}"),
                input: Vec::new(),
                panel: None,
                rule: ClaimRule::MAJORITY,
            },
            Class::Critical | Class::Standard => ConsensusOperation::SecurityPolicyUpdate {
                policy: format!("policy {number}"),
                content: vec![1],
            },
        };
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot: Some(planned.ballots[planned.by].clone()),
            nonce: number as u64,
        };
        // A proposer at its limit of open proposals is refused, and the operation stays undecided.
        if let Ok(Answer::Proposed(id)) = self.input(planned.by, input) {
            self.courses.proposed(number, id);
            for (host, ballot) in self.hosts.iter_mut().zip(&planned.ballots) {
                host.ballots.insert(id, ballot.clone());
            }
            self.hosts[planned.by].ballots.remove(&id);
            self.courses.heard(self.now_ms, planned.by, &id);
        }
    }

    /// Delivers all messages, lets people vote on new operations and grown hosts compare what they hold, until none is left.
    fn settle(&mut self) {
        loop {
            while let Some((from, to, message)) = self.mail.pop_front() {
                if self.contacts.contains(&(from.min(to), from.max(to))) {
                    self.arrive(from, to, message);
                }
            }
            for host in 0..self.hosts.len() {
                if std::mem::take(&mut self.hosts[host].may_know_more) {
                    self.vote(host);
                }
            }
            for host in std::mem::take(&mut self.grown) {
                for peer in 0..self.hosts.len() {
                    if self.contacts.contains(&(host.min(peer), host.max(peer))) {
                        self.notify(host, Input::Sync(PeerId(peer as u64)));
                    }
                }
            }
            if self.mail.is_empty() && self.grown.is_empty() {
                break;
            }
        }
    }

    fn vote(&mut self, host: usize) {
        let core = &self.hosts[host].core;
        let is_known = |id: &OperationId| {
            core.pool().get(&(*id).into()).is_some()
                || core.ledger().state().operation(id).is_some()
        };
        let ballots = self.hosts[host].ballots.iter();
        let known: Vec<OperationId> = ballots.map(|(id, _)| *id).filter(is_known).collect();
        for operation in known {
            if let Some(ballot) = self.hosts[host].ballots.remove(&operation) {
                self.courses.heard(self.now_ms, host, &operation);
                // A late vote is refused, as it should be.
                let _ = self.input(host, Input::Vote { operation, ballot });
            }
        }
    }
}
