//! The plan of a schedule. [`Plan::random`] takes everything from one seed.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::sim::kind::ActorKind;
use crate::sim::people::node;
use crate::sim::refounding::{Cause, Refounding};
use crate::statement::genesis::{Genesis, PanelScoring, Sealing};
use crate::statement::operation::Spore;
use crate::statement::params::Params;

/// When every schedule starts, milliseconds since 1970.
pub const START_MS: u64 = 1_700_000_000_000;

/// The clocks of honest hosts differ from the true time by at most this. Two of them then differ by less than the drift.
pub const SKEW_MS_MAX: i64 = 120;

/// One host: a machine that runs a core.
#[derive(Debug, Clone)]
pub struct HostPlan {
    /// The person whose identity it has. Twins are two hosts of one person.
    pub person: usize,
    /// How it misbehaves; `None` for an honest host.
    pub actor: Option<ActorKind>,
    /// Its clock minus the true time.
    pub skew_ms: i64,
}

/// The disorder of the network before it calms down.
#[derive(Debug, Clone)]
pub struct NetworkPlan {
    /// Percent of the messages that get lost.
    pub loss_percent: u32,
    /// Percent that arrive twice.
    pub twice_percent: u32,
    /// The longest delay. Delays are random, so that messages overtake one another.
    pub delay_ms_max: u64,
    /// Mean time between changes of the partition; `None`: no partitions.
    pub partition_ms: Option<u64>,
    /// The two sides of the only partition, which lasts until the calm; overrides `partition_ms`.
    pub sides: Option<Vec<bool>>,
    /// Mean time between crashes of some host; `None`: no crashes.
    pub crash_ms: Option<u64>,
    /// Whether the disk of one crashed host loses its journal.
    pub loses_journal: bool,
    /// Whether the power fails everywhere before the network calms down, with the loss of all messages on their way.
    pub blackout: bool,
    /// A host that does not come back from the blackout.
    pub gone: Option<usize>,
}

/// One schedule.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The source of all randomness.
    pub seed: u64,
    /// The network.
    pub genesis: Genesis,
    /// The hosts; those of the founders first.
    pub hosts: Vec<HostPlan>,
    /// The disorder.
    pub network: NetworkPlan,
    /// When it starts, milliseconds since 1970.
    pub start_ms: u64,
    /// How long the disorder lasts.
    pub chaos_ms: u64,
    /// How long the calm afterwards may take to close everything.
    pub calm_ms: u64,
    /// How many operations are proposed during the disorder.
    pub proposals: usize,
    /// The gathering time of proposers, see [`crate::core::Timing`].
    pub gather_ms: u64,
    /// Whether the schedule goes on when a third of the weight or more is not honest.
    pub goes_on_above_a_third: bool,
    /// Whether the report holds every message.
    pub keeps_messages: bool,
    /// How people found the network anew afterwards.
    pub refounding: Option<Refounding>,
}

/// Windows of seconds, so that a schedule lasts less than a virtual minute.
#[must_use]
pub fn quick_params() -> Params {
    Params {
        drift_ms: 250,
        claim_grace_ms: 1000,
        critical_grace_ms: 1200,
        commit_window_ms: 3000,
        reveal_window_ms: 3000,
        primary_window_ms: 1500,
        objection_window_ms: 1200,
        resolution_window_ms: 1500,
        step_patience_ms: 500,
        activate_row: 3,
        ..Params::default()
    }
}

/// A genesis of this many founders: a Primary, three Seeds, Latents.
///
/// # Panics
///
/// Without founders.
#[must_use]
pub fn genesis(seed: u64, founders: usize, sealing: Sealing, scoring: PanelScoring) -> Genesis {
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&seed.to_le_bytes());
    let mut builder = Genesis::builder("sim")
        .nonce(nonce)
        .time_ms(START_MS)
        .sealing(sealing)
        .panel_scoring(scoring)
        .params(quick_params());
    for person in 0..founders {
        let role = match person {
            0 => Spore::Primary,
            1..=3 => Spore::Seed,
            _ => Spore::Latent,
        };
        builder = builder.member(node(person), role);
    }
    builder.build().expect("founders differ and windows fit")
}

impl Plan {
    /// A good network of honest hosts.
    #[must_use]
    pub fn quiet(seed: u64, hosts: usize) -> Self {
        let honest = |person| HostPlan {
            person,
            actor: None,
            skew_ms: 0,
        };
        Self {
            seed,
            genesis: genesis(seed, hosts, Sealing::Members, PanelScoring::Quorum),
            hosts: (0..hosts).map(honest).collect(),
            network: NetworkPlan {
                loss_percent: 0,
                twice_percent: 0,
                delay_ms_max: 60,
                partition_ms: None,
                sides: None,
                crash_ms: None,
                loses_journal: false,
                blackout: false,
                gone: None,
            },
            start_ms: START_MS,
            chaos_ms: 6000,
            calm_ms: 120_000,
            proposals: 4,
            gather_ms: 0,
            goes_on_above_a_third: false,
            keeps_messages: false,
            refounding: None,
        }
    }

    /// Two sides of a partition with honest hosts on each, and twins of the same persons on both: the twins' persons come
    /// first, then the honest ones, which alternate between the sides. If they fork the chain, people found it anew.
    #[must_use]
    pub fn twins(seed: u64, members: usize, twinned: usize) -> Self {
        let mut plan = Self::quiet(seed, members);
        let twin = |person| HostPlan {
            person,
            actor: Some(ActorKind::Twin),
            skew_ms: 0,
        };
        for person in 0..twinned {
            plan.hosts[person] = twin(person);
            plan.hosts.push(twin(person));
        }
        let side = |host| match host {
            _ if host < twinned => false,
            _ if host >= members => true,
            _ => (host - twinned) % 2 == 1,
        };
        plan.network.sides = Some((0..plan.hosts.len()).map(side).collect());
        plan.goes_on_above_a_third = true;
        plan.calm_ms = 20_000;
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xf0_4d);
        plan.refounding = Some(Refounding::random(&mut rng, Cause::Fork));
        plan
    }

    /// Honest hosts, with any disorder.
    #[must_use]
    pub fn honest(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hosts = rng.random_range(4..=7);
        let mut plan = Self::quiet(seed, hosts);
        let sealing = if rng.random_ratio(1, 4) {
            Sealing::Authorities
        } else {
            Sealing::Members
        };
        let scoring = if rng.random_ratio(1, 4) {
            PanelScoring::Authorities
        } else {
            PanelScoring::Quorum
        };
        plan.genesis = genesis(seed, hosts, sealing, scoring);
        for host in &mut plan.hosts {
            host.skew_ms = rng.random_range(-SKEW_MS_MAX..=SKEW_MS_MAX);
        }
        plan.network = NetworkPlan {
            loss_percent: [0, 5, 20, 40][rng.random_range(0..4)],
            twice_percent: [0, 10, 30][rng.random_range(0..3)],
            delay_ms_max: [20, 100, 400][rng.random_range(0..3)],
            partition_ms: rng.random_ratio(1, 2).then_some(2500),
            sides: None,
            crash_ms: rng.random_ratio(1, 2).then_some(2000),
            loses_journal: false,
            blackout: false,
            gone: None,
        };
        plan.chaos_ms = rng.random_range(4000..=10_000);
        plan.proposals = rng.random_range(1..=6);
        plan.gather_ms = [0, 0, 300][rng.random_range(0..3)];
        plan.network.loses_journal = plan.network.crash_ms.is_some() && rng.random_ratio(1, 5);
        if rng.random_ratio(1, 4) {
            plan.network.blackout = true;
            let is_spared = plan.network.loses_journal || rng.random_ratio(1, 2);
            plan.network.gone = (!is_spared).then(|| rng.random_range(0..hosts));
        }
        plan
    }

    /// Any disorder, and in most schedules as many liars as the rules bear: with equal weights, one of four to six, two of
    /// seven. Rarely, people found the network anew afterwards.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut plan = Self::honest(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xf0_4d);
        if rng.random_ratio(1, 8) {
            let cause = [Cause::Gone, Cause::Captured][rng.random_range(0..2)];
            plan.refounding = Some(Refounding::random(&mut rng, cause));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        if rng.random_ratio(1, 5) {
            return plan;
        }
        let actors = ActorKind::ALL;
        plan.cast(actors[rng.random_range(0..actors.len())], &mut rng);
        let bears_two = plan.hosts.len() >= 7 && plan.genesis.sealing == Sealing::Members;
        if bears_two && rng.random_ratio(1, 2) {
            plan.cast(actors[rng.random_range(0..actors.len())], &mut rng);
        }
        plan
    }

    /// Any disorder, with one liar of this kind.
    #[must_use]
    pub fn with_actor(seed: u64, kind: ActorKind) -> Self {
        let mut plan = Self::honest(seed);
        plan.cast(kind, &mut ChaCha8Rng::seed_from_u64(seed ^ 0x5eed));
        plan
    }

    /// Makes a host with the role that the kind needs a liar, or else any honest host. A lost journal or a host that is gone
    /// would then be too much for the others.
    pub fn cast(&mut self, kind: ActorKind, rng: &mut ChaCha8Rng) {
        self.network.loses_journal = false;
        self.network.gone = None;
        let any = rng.random_range(0..self.hosts.len());
        let place = kind.place().unwrap_or(any);
        let free = (0..self.hosts.len())
            .map(|step| (place + step) % self.hosts.len())
            .find(|place| self.hosts[*place].actor.is_none())
            .expect("most hosts are honest");
        self.hosts[free].actor = Some(kind);
        let hour = 3_600_000;
        match kind {
            ActorKind::LyingClock => {
                self.hosts[free].skew_ms = [-hour, -900, 900, hour][rng.random_range(0..4)];
            }
            ActorKind::SlowPrimary => self.hosts[free].skew_ms = -hour,
            _ => {}
        }
    }
}
