//! The virtual world: hosts, the network between them, and time.

mod outputs;
mod traffic;
mod weather;

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::base::digest::{Digest, NodeId};
use crate::core::{Core, Input, Message, Network as _, PeerId};
use crate::finality::Blame;
use crate::sim::actors::ActorKind;
use crate::sim::checker::{Checker, OracleApply, Violation};
use crate::sim::disk::Disk;
use crate::sim::host::{Host, PATIENCE_MS};
use crate::sim::oracle::Oracle;
use crate::sim::people;
use crate::sim::plan::{NetworkPlan, Plan, START_MS};

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
}

/// The result of a schedule.
#[derive(Debug)]
pub struct Report {
    /// The seed of the plan.
    pub seed: u64,
    /// A digest of all frames and their times: equal for equal plans.
    pub digest: Digest,
    /// Broken properties.
    pub violations: Vec<Violation>,
    /// The height that was reached.
    pub height: u64,
    /// Operations opened, and closed.
    pub operations: (u64, u64),
    /// The outcomes, see [`Checker::outcomes`].
    pub outcomes: BTreeMap<String, u64>,
    /// The first height at which a third or more of the weight was dishonest.
    pub assumption_lost: Option<u64>,
    /// Forks as honest hosts reported them: the height, the blame, and the blamed share of the sealers' weight in percent.
    pub forks: Vec<(u64, Blame, u64)>,
    /// Frames sent.
    pub frames: u64,
    /// Crashes.
    pub crashes: u64,
    /// Records that honest hosts refused, by code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Equivocations that honest seals proved, each counted once.
    pub evidence: u64,
    /// The disks at the end, by host.
    pub disks: Vec<Disk>,
    /// Every message once, in the order of first sending, if the plan asks for them.
    pub messages: Vec<Message>,
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
    let mut world = World::new(plan, oracle_apply);
    world.live();
    world.report()
}

impl World {
    fn new(plan: Plan, oracle_apply: OracleApply) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let hosts: Vec<Host> = plan
            .hosts
            .iter()
            .map(|host| {
                let mut host = Host::new(host, &plan.genesis, plan.gather_ms)
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
            now_ms: START_MS + 1,
            queue: BTreeMap::new(),
            sequence: 0,
            sides: sides.unwrap_or_else(|| vec![false; hosts.len()]),
            checker: Checker::new(&plan.genesis, liars, oracle_apply),
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
        let calm_ms = START_MS + self.plan.chaos_ms;
        self.run_until(calm_ms);
        self.calm();
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

    fn report_unsettled(&mut self) {
        let lines: Vec<String> = self
            .hosts
            .iter()
            .enumerate()
            .filter_map(|(n, host)| {
                let core = host.core.as_ref()?;
                let open: Vec<String> = core
                    .ledger()
                    .state()
                    .operations()
                    .map(|open| {
                        format!(
                            "{} {} due {:?}",
                            open.operation().kind(),
                            open.phase_name(),
                            open.due_ms(core.ledger().state().roster())
                                .map(|due| due.wrapping_sub(START_MS))
                        )
                    })
                    .collect();
                let pool: Vec<&str> = core
                    .pool()
                    .iter()
                    .map(|p| p.record.statement().kind())
                    .collect();
                Some(format!(
                    "host {n} {:?} at height {} ({:?}), open {open:?}, pool {pool:?}",
                    host.kind,
                    host.height(),
                    core.seal_status(),
                ))
            })
            .collect();
        self.checker
            .report("p_live", format!("at the end:\n  {}", lines.join("\n  ")));
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
        let founders = self.plan.genesis.members.len();
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

    fn propose(&mut self) {
        let host = self.rng.random_range(0..self.hosts.len());
        let founders = self.plan.genesis.members.len();
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

    fn report(self) -> Report {
        Report {
            seed: self.plan.seed,
            digest: Digest::from_bytes(*self.hasher.finalize().as_bytes()),
            violations: self.checker.violations().to_vec(),
            height: self.checker.ledger().state().height(),
            operations: self.checker.operations(),
            outcomes: self.checker.outcomes(),
            assumption_lost: self.checker.assumption_lost(),
            forks: self.forks,
            frames: self.frames,
            crashes: self.crashes,
            refused: self.refused,
            evidence: self.evidence,
            messages: self.messages,
            disks: self.hosts.into_iter().map(|host| host.disk).collect(),
        }
    }
}
