//! Cores whose contacts come from a trace.
//!
//! Between two events no message is under way: nodes in contact exchange everything at once, as in the
//! [bound](super::bound). A message that does not arrive before a contact ends is lost, and a later contact repairs it.

use mycnet_consensus::ClaimRule;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::course::{Course, Courses};
use super::host::Host;
use super::plan::Planned;
use super::trace::Trace;
use mycnet_consensus::core::{
    Answer, Core, Event, Input, Message, Network, PeerId, SealedBlock, Write,
};
use mycnet_consensus::internals::digest::OperationId;
use mycnet_consensus::internals::genesis::Genesis;
use mycnet_consensus::internals::identity::{Identity, Signer as _};
use mycnet_consensus::internals::operation::{Class, ConsensusOperation, Priority, Spore};
use mycnet_consensus::internals::params::Params;
use mycnet_consensus::internals::rejection::Rejection;
use mycnet_consensus::internals::sim::plan::START_MS;

/// The setup of the cores.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The seed of keys, and so of the order of proposers, and of the errors of clocks.
    pub seed: u64,
    /// The parameters of the network.
    pub params: Params,
    /// The Primary, who proposes every seal first. If `None`, the member with the smallest key does.
    pub primary: Option<usize>,
}

impl Setup {
    /// The profile `default` with the commit and reveal windows of `field`, and a minute of grace for both classes: operations wait
    /// a minute after the opening for commits. This is to be compared with the bound, which waits for nobody.
    #[must_use]
    pub fn prompt(seed: u64, primary: Option<usize>) -> Self {
        let (default, field) = (Params::default(), Params::field());
        let params = Params {
            commit_window_ms: field.commit_window_ms,
            reveal_window_ms: field.reveal_window_ms,
            critical_grace_ms: default.claim_grace_ms,
            ..default
        };
        Self::among_equals(seed, &params, primary)
    }

    /// The profile `field`. Both classes have the grace of claims, an hour: the day of grace for critical operations is a choice
    /// of people, and no delay of the protocol.
    #[must_use]
    pub fn field(seed: u64, primary: Option<usize>) -> Self {
        let field = Params::field();
        let params = Params {
            critical_grace_ms: field.claim_grace_ms,
            ..field
        };
        Self::among_equals(seed, &params, primary)
    }

    /// Without changes of trust, so that founders weigh the same to the end, as in the bound.
    fn among_equals(seed: u64, params: &Params, primary: Option<usize>) -> Self {
        let params = Params {
            coherent_gain_ppm: 0,
            claim_dissent_ppm: 0,
            critical_dissent_ppm: 0,
            withheld_ppm: 0,
            absent_ppm: 0,
            ..params.clone()
        };
        Self {
            seed,
            params,
            primary,
        }
    }

    fn identity(&self, node: usize) -> Identity {
        Identity::from_seed_label(&format!("contacts {} {node}", self.seed))
    }

    fn genesis(&self, nodes: usize) -> Result<Genesis, Rejection> {
        let mut builder = Genesis::builder("contacts")
            .time_ms(START_MS - self.params.drift_ms)
            .params(self.params.clone());
        for node in 0..nodes {
            let role = match self.primary {
                Some(primary) if primary == node => Spore::Primary,
                _ => Spore::Latent,
            };
            builder = builder.member(self.identity(node).node_id(), role);
        }
        builder.build()
    }
}

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

/// Lets the nodes of a trace, founders of equal weight, decide the planned operations.
///
/// # Errors
///
/// [`Rejection`] if the setup gives no valid genesis.
pub fn replay(trace: &Trace, planned: &[Planned], setup: &Setup) -> Result<Replayed, Rejection> {
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
    let mut world = World {
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
    };
    world.live(trace);
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

impl World<'_> {
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
            self.courses.observe(at_ms, &self.hosts);
            for pair in instant.downs {
                self.part(pair);
            }
            self.look();
            self.courses.observe(at_ms, &self.hosts);
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
                self.vote(host);
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
