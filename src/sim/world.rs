//! The virtual world: hosts, the network between them, and time.

mod founding;
mod misleading;
mod outputs;
mod report;
mod traffic;
mod weather;

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::base::digest::NodeId;
use crate::base::identity::remember_verdicts;
use crate::core::{Core, Input, Message, Network as _, PeerId};
use crate::finality::Blame;
use crate::sim::actors::ActorKind;
use crate::sim::checker::{Checker, OracleApply};
use crate::sim::host::{Host, PATIENCE_MS};
use crate::sim::oracle::{Oracle, Refounded};
use crate::sim::people;
use crate::sim::plan::{NetworkPlan, Plan};
use crate::statement::operation::{Ballot, ConsensusOperation, Priority};

use founding::Founders;
pub use founding::NewNetwork;
pub use report::Report;

/// Mean time between two looks of a person at its host, milliseconds.
const PERSON_MS: u64 = 250;
/// Mean time between two comparisons with some peer.
const SYNC_MS: u64 = 1200;
/// The time between two looks whether everything is settled.
const LOOK_MS: u64 = 400;

/// An event in virtual time.
enum Happening {
    Arrival {
        from: usize,
        to: usize,
        frame: Vec<u8>,
    },
    Patience(usize),
    Tick(usize),
    Sync(usize),
    Person(usize),
    Proposal,
    Partition,
    Crash,
    Restart(usize),
    /// Somebody carries a bundle from one host to another.
    Carry,
    /// Who is late for the founding comes.
    Late,
    /// A host loses its journal or its disk while the network is founded anew.
    Lose(usize),
    /// A host that forgot that it left goes on in the old network.
    Relapse(usize),
}

/// A running schedule.
pub struct World {
    plan: Plan,
    network: NetworkPlan,
    rng: ChaCha8Rng,
    now_ms: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    hosts: Vec<Host>,
    /// The side of the partition that each host is on.
    sides: Vec<bool>,
    is_calm: bool,
    /// Whether no host can reach another one.
    is_apart: bool,
    /// Hosts that never come back.
    dead: BTreeSet<usize>,
    /// Whom the persons of hosts accuse of a fork, having asked the accused.
    accused: BTreeMap<usize, BTreeSet<NodeId>>,
    founders: Option<Founders>,
    checker: Checker,
    hasher: blake3::Hasher,
    forks: Vec<(u64, Blame, u64)>,
    frames: u64,
    crashes: u64,
    refused: BTreeMap<&'static str, u64>,
    evidence: u64,
    messages: Vec<Message>,
    messages_kept: BTreeSet<[u8; 32]>,
}

/// Runs a schedule to its end.
#[must_use]
pub fn run(plan: Plan) -> Report {
    run_with(plan, Oracle::apply)
}

/// Runs a schedule with another oracle, to see that differences are found.
#[must_use]
pub fn run_with(plan: Plan, oracle_apply: OracleApply) -> Report {
    remember_verdicts();
    let mut world = World::new(plan, oracle_apply, None);
    world.live();
    let founded = world.found_anew();
    let report = world.report();
    let Some(founded) = founded else {
        return report;
    };
    let mut world = World::new(founded.plan, oracle_apply, Some(&founded.rules));
    world.live();
    report.followed_by(world.report(), founded.report)
}

impl World {
    fn new(plan: Plan, oracle_apply: OracleApply, rules: Option<&Refounded>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let hosts: Vec<Host> = plan
            .hosts
            .iter()
            .map(|host| {
                let mut host = Host::new(host, &plan.genesis, plan.gather_ms, plan.start_ms)
                    .expect("the genesis of a plan is valid");
                host.actor = host.kind.map(|kind| kind.make(&mut rng, plan.hosts.len()));
                host
            })
            .collect();
        let liars: BTreeSet<NodeId> = hosts
            .iter()
            .filter(|host| !host.is_honest())
            .map(|host| host.node)
            .collect();
        let sides = plan.network.sides.clone();
        Self {
            network: plan.network.clone(),
            rng,
            now_ms: plan.start_ms + 1,
            queue: BTreeMap::new(),
            sequence: 0,
            sides: sides.unwrap_or_else(|| vec![false; hosts.len()]),
            checker: match rules {
                None => Checker::new(&plan.genesis, liars, oracle_apply),
                Some(rules) => Checker::following(&plan.genesis, rules, liars, oracle_apply),
            },
            is_apart: false,
            dead: BTreeSet::new(),
            accused: BTreeMap::new(),
            founders: None,
            hosts,
            is_calm: false,
            hasher: blake3::Hasher::new(),
            forks: Vec::new(),
            frames: 0,
            crashes: 0,
            refused: BTreeMap::new(),
            evidence: 0,
            messages: Vec::new(),
            messages_kept: BTreeSet::new(),
            plan,
        }
    }

    fn live(&mut self) {
        self.prepare();
        let calm_ms = self.plan.start_ms + self.plan.chaos_ms;
        self.run_until(calm_ms);
        if self.loses_a_third() {
            self.lose_a_third();
            self.calm();
            self.run_until(calm_ms + founding::VAIN_MS);
            self.checker.finish();
            return;
        }
        self.calm();
        if self.plan.genesis.follows.is_some() && self.checker.operations().0 == 0 {
            self.propose_something();
        }
        let end_ms = calm_ms + self.plan.calm_ms;
        while self.now_ms < end_ms && !self.is_over() {
            self.run_until(self.now_ms + LOOK_MS);
        }
        if !self.is_over() {
            self.report_unsettled();
        }
        self.checker.finish();
    }

    fn prepare(&mut self) {
        for host in 0..self.hosts.len() {
            self.greet_all(host);
            self.after(self.spread(PATIENCE_MS), Happening::Patience(host));
            let (sync, person) = (self.around(SYNC_MS), self.around(PERSON_MS));
            self.after(sync, Happening::Sync(host));
            self.after(person, Happening::Person(host));
        }
        for _ in 0..self.plan.proposals {
            let at = self.rng.random_range(0..self.plan.chaos_ms);
            self.after(at, Happening::Proposal);
        }
        if let Some(mean) = self.network.partition_ms {
            let at = self.around(mean);
            self.after(at, Happening::Partition);
        }
        if let Some(mean) = self.network.crash_ms {
            let at = self.around(mean);
            self.after(at, Happening::Crash);
        }
    }

    /// Hosts start waiting at different moments.
    fn spread(&self, mean_ms: u64) -> u64 {
        mean_ms + self.sequence * 7 % 50
    }

    fn around(&mut self, mean_ms: u64) -> u64 {
        self.rng.random_range(mean_ms / 2..=mean_ms * 3 / 2)
    }

    fn after(&mut self, delay_ms: u64, happening: Happening) {
        self.sequence += 1;
        let at = (self.now_ms + delay_ms, self.sequence);
        self.queue.insert(at, happening);
    }

    fn run_until(&mut self, end_ms: u64) {
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > end_ms {
                break;
            }
            let happening = entry.remove();
            self.now_ms = at;
            self.happen(happening);
        }
        self.now_ms = end_ms;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival { from, to, frame } => self.land(from, to, &frame),
            Happening::Patience(host) => self.try_patience(host),
            Happening::Tick(host) => {
                self.hosts[host].tick_ms = None;
                self.notify(host, Input::Tick);
            }
            Happening::Sync(host) => self.sync(host),
            Happening::Person(host) => self.act(host),
            Happening::Proposal => self.propose(),
            Happening::Partition => self.change_partition(),
            Happening::Crash => self.doom_someone(),
            Happening::Restart(host) => self.restart(host),
            Happening::Carry => self.carry(),
            Happening::Late => self.let_in(),
            Happening::Lose(host) => self.lose(host),
            Happening::Relapse(host) => self.relapse(host),
        }
    }

    /// Whether all honest hosts have the checker's last seal and nothing left to do, or the schedule can show nothing more.
    fn is_over(&self) -> bool {
        let is_lost = self.checker.assumption_lost().is_some();
        if (is_lost && !self.plan.goes_on_above_a_third) || !self.forks.is_empty() {
            return true;
        }
        // Branches of a fork may have the same height before hosts compare them.
        let seal = self.checker.ledger().state().seal();
        let gone = self.network.gone.map(|gone| self.hosts[gone].node);
        let mut honest = self
            .hosts
            .iter()
            .filter(|host| host.is_honest() && Some(host.node) != gone);
        honest.all(|host| host.seal() == Some(seal) && host.is_settled())
    }

    /// Gives a host an input that may be refused, such as a vote out of turn.
    fn try_input(&mut self, host: usize, input: Input) {
        let _ = self.input(host, input);
    }

    fn plan_tick(&mut self, host: usize) {
        let machine = &self.hosts[host];
        let due = machine.core.as_ref().and_then(Core::next_due_ms);
        let Some(due) = due.map(|due| machine.true_time(due)) else {
            return;
        };
        if due > self.now_ms && machine.tick_ms.is_none_or(|planned| planned > due) {
            self.hosts[host].tick_ms = Some(due);
            self.after(due - self.now_ms, Happening::Tick(host));
        }
    }

    fn try_patience(&mut self, host: usize) {
        let (gives_up, wait_ms) = self.hosts[host].lose_patience();
        self.after(wait_ms, Happening::Patience(host));
        let input = match self.rng.random_range(0..3) {
            _ if !gives_up => Input::Tick,
            0 => Input::Lead,
            _ => Input::Nudge,
        };
        self.notify(host, input);
    }

    fn sync(&mut self, host: usize) {
        let next = self.around(SYNC_MS);
        self.after(next, Happening::Sync(host));
        let peer = self.rng.random_range(0..self.hosts.len());
        if peer != host {
            self.notify(host, Input::Sync(PeerId(peer as u64)));
        }
    }

    fn act(&mut self, host: usize) {
        let next = self.around(PERSON_MS);
        self.after(next, Happening::Person(host));
        if self.founders.is_some() && self.act_as_founder(host) {
            return;
        }
        let founders = self.persons();
        let machine = &mut self.hosts[host];
        let acts = machine.kind.is_none_or(ActorKind::acts_as_usual);
        let Some(core) = machine.core.as_ref().filter(|_| acts) else {
            return;
        };
        let mut inputs = machine.person.act(&mut self.rng, core, machine.kind);
        // When the network is calm a schedule must come to its end.
        if let Some(kind) = machine.kind.filter(|_| !self.is_calm) {
            inputs.extend(people::schemes(kind, &mut self.rng, core, founders));
        }
        for input in inputs {
            self.try_input(host, input);
        }
    }

    /// The number of persons, of which some may run no host any more.
    fn persons(&self) -> usize {
        let persons = self.plan.hosts.iter().map(|host| host.person + 1);
        persons.max().unwrap_or(0)
    }

    /// Somebody honest proposes what everybody can vote on.
    fn propose_something(&mut self) {
        let Some(host) = self.hosts.iter().position(Host::is_honest) else {
            return;
        };
        let input = Input::Propose {
            operation: ConsensusOperation::NetworkConfiguration {
                config_type: "anew".to_owned(),
                proposed_change: Vec::new(),
            },
            priority: Priority::Normal,
            ballot: Some(Ballot::Approve),
            nonce: 0,
        };
        self.try_input(host, input);
    }

    fn propose(&mut self) {
        let host = self.rng.random_range(0..self.hosts.len());
        let founders = self.persons();
        let liars: Vec<NodeId> = self
            .hosts
            .iter()
            .filter(|host| !host.is_honest())
            .map(|host| host.node)
            .collect();
        if let Some(core) = self.hosts[host].core.as_ref() {
            let mut input = people::proposal(&mut self.rng, core, founders, &liars);
            if let Input::Propose { ballot, .. } = &mut input
                && self.hosts[host].kind == Some(ActorKind::NeverCommitter)
            {
                *ballot = None;
            }
            self.try_input(host, input);
        }
    }
}
