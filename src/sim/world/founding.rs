//! People found the network anew (F1 to F6), in the old network: what happened before, who does what, and what became of it.

mod judging;
mod losses;
mod reasons;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::RngExt as _;

use super::{Happening, LOOK_MS, World};
use crate::base::digest::NodeId;
use crate::core::{Answer, Core, Endorsed, Input, Network as _, Refusal};
use crate::ledger::Founding;
use crate::sim::kind::ActorKind;
use crate::sim::oracle::Refounded;
use crate::sim::people::founder::{Founder, Talk};
use crate::sim::plan::{NetworkPlan, Plan};
use crate::sim::refounding::{Cause, Flaw, Guard, Late, Refounding, Word};

/// How long the disorder of a founding lasts.
const DISORDER_MS: u64 = 4000;
/// How long it may take afterwards.
const ORDER_MS: u64 = 60_000;
/// When who comes late comes.
const LATE_MS: u64 = 3000;
/// How long the survivors try to go on before they found anew, and captors rule.
pub(super) const VAIN_MS: u64 = 6000;

/// The founding in the old network.
pub(super) struct Founders {
    how: Refounding,
    pub(super) guard: Guard,
    minds: Vec<Founder>,
    /// Hosts that never come back.
    dead: BTreeSet<usize>,
    late: Option<usize>,
    /// The height to go on from, where people know it.
    from: Option<u64>,
    /// The word that a person gives in this moment.
    pub(super) word: Option<Word>,
    left: BTreeMap<usize, Arc<Endorsed>>,
    /// Hosts whose persons go on by ticket, because they cannot endorse the plan for which others have left: to them it takes a
    /// proved equivocator along (F3).
    by_ticket: BTreeSet<usize>,
    /// How often a person gave its word again because of a new seal.
    asked_again: u64,
    /// The height that honest hosts had when it began.
    height: u64,
    /// The host whose flaw showed already.
    flawed: Option<usize>,
}

/// What became of a founding.
#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    /// Members of the new network.
    pub members: usize,
    /// Whether at most half of the old votes were behind it.
    pub is_secession: bool,
    /// How often somebody replaced its word.
    pub replaced: u64,
    /// How often a seal of the old network made somebody give its word again.
    pub asked_again: u64,
    /// How many honest members went on by ticket.
    pub by_ticket: u64,
    /// Seals of the old network that honest hosts applied meanwhile.
    pub sealed_meanwhile: u64,
    /// How long it took, in virtual time.
    pub took_ms: u64,
    /// The height that was reached in it.
    pub height: u64,
    /// Operations opened in it, and closed.
    pub operations: (u64, u64),
}

/// A new network to go on in.
pub(super) struct Founded {
    pub(super) plan: Plan,
    pub(super) rules: Refounded,
    pub(super) report: NewNetwork,
}

impl World {
    /// The founding, and what became of it. `None` if there was no reason for one.
    pub(super) fn found_anew(&mut self) -> Option<Founded> {
        let how = self.plan.refounding.clone()?;
        if how.cause == Cause::Fork && self.forks.is_empty() {
            return None;
        }
        self.dead.extend(self.network.gone);
        let minds = (0..self.hosts.len()).map(|_| Founder::default());
        let mut founders = Founders {
            guard: Guard::default(),
            minds: minds.collect(),
            dead: self.dead.clone(),
            late: None,
            from: None,
            word: None,
            left: BTreeMap::new(),
            by_ticket: BTreeSet::new(),
            asked_again: 0,
            height: 0,
            flawed: None,
            how,
        };
        if founders.how.cause == Cause::Captured {
            founders.from = Some(self.capture()?);
        }
        let began_ms = self.now_ms;
        founders.height = self.honest_height();
        self.convene(founders);
        self.run_until(self.now_ms + DISORDER_MS);
        self.calm();
        let end_ms = self.now_ms + ORDER_MS;
        while self.now_ms < end_ms && !self.have_left() {
            self.run_until(self.now_ms + LOOK_MS);
        }
        self.judge_founding(began_ms)
    }

    /// The people decide to found anew, under the disorder of the plan.
    fn convene(&mut self, mut founders: Founders) {
        let how = founders.how.clone();
        let honest: Vec<usize> = (0..self.hosts.len())
            .filter(|host| self.hosts[*host].is_honest() && !self.dead.contains(host))
            .collect();
        let mut left_out: BTreeSet<NodeId> =
            self.dead.iter().map(|it| self.hosts[*it].node).collect();
        if how.cause == Cause::Captured {
            let liars = self.hosts.iter().filter(|host| !host.is_honest());
            left_out.extend(liars.map(|host| host.node));
        }
        for (rank, host) in honest.iter().enumerate() {
            let mind = &mut founders.minds[*host];
            mind.left_out.clone_from(&left_out);
            mind.lost_journal = self.hosts[*host].lost_journal;
            mind.patience = 4 + 4 * u32::try_from(rank).unwrap_or(0);
        }
        self.is_calm = false;
        self.network = NetworkPlan {
            loss_percent: how.loss_percent,
            twice_percent: 10,
            delay_ms_max: 200,
            partition_ms: None,
            sides: None,
            crash_ms: how.crash_ms,
            loses_journal: false,
            blackout: false,
            gone: None,
        };
        self.is_apart = how.by_bundle;
        self.after(1, Happening::Carry);
        // Some go on as if nothing had happened.
        for _ in 0..6 {
            let at = self.rng.random_range(0..DISORDER_MS / 2);
            self.after(at, Happening::Proposal);
        }
        if let Some(mean) = how.crash_ms {
            let at = self.around(mean);
            self.after(at, Happening::Crash);
        }
        let late = how.late.filter(|_| honest.len() > 1);
        if let Some(late) = late {
            let host = honest[self.rng.random_range(0..honest.len())];
            founders.late = Some(host);
            match late {
                Late::Off => self.hosts[host].core = None,
                Late::Apart => self.put_apart(host),
            }
            self.after(LATE_MS, Happening::Late);
        }
        let mut others = honest.iter().filter(|host| founders.late != Some(**host));
        if let (Some(_), Some(host)) = (how.loses, others.next_back()) {
            let at = self.rng.random_range(0..DISORDER_MS);
            self.after(at, Happening::Lose(*host));
        }
        self.founders = Some(founders);
    }

    /// One host and the twins of its side can reach each other, and nobody else.
    fn put_apart(&mut self, host: usize) {
        let sides = self.plan.network.sides.clone();
        let side = sides.as_ref().map(|sides| sides[host]);
        self.sides = (0..self.hosts.len())
            .map(|other| {
                let is_twin = self.hosts[other].kind == Some(ActorKind::Twin);
                let is_there = sides.as_ref().map(|sides| sides[other]) == side && side.is_some();
                other == host || (is_twin && is_there)
            })
            .collect();
    }

    /// Who is late comes.
    pub(super) fn let_in(&mut self) {
        self.sides = vec![false; self.hosts.len()];
        if let Some(late) = self.founders.as_ref().and_then(|founders| founders.late) {
            self.restart(late);
        }
    }

    fn give_word(&mut self, host: usize, input: Input, word: Word) -> Result<Answer, Refusal> {
        if let Some(founders) = &mut self.founders {
            founders.word = Some(word);
        }
        let answer = self.input(host, input);
        if let Some(founders) = &mut self.founders {
            founders.word = None;
        }
        answer
    }

    /// A look of an honest person at its host, while people found the network anew.
    pub(super) fn consider_founding(&mut self, host: usize) {
        let Some(founders) = &mut self.founders else {
            return;
        };
        if let Some(named) = self.accused.get(&host) {
            founders.minds[host].left_out.extend(named);
        }
        let vouched: BTreeSet<NodeId> = (self.hosts.iter().enumerate())
            .filter(|(host, it)| it.is_honest() && !founders.dead.contains(host))
            .map(|(_, host)| host.node)
            .collect();
        let talk = Talk {
            from: founders.from,
            awaits_fork: founders.how.cause == Cause::Fork,
            vouched: &vouched,
            ahead: founders.left.values().next().map(|it| it.founding.plan()),
        };
        let machine = &self.hosts[host];
        let Some(core) = &machine.core else { return };
        if let Some(ahead) = founders.left.values().next()
            && is_shut_out(core, &ahead.founding)
        {
            founders.by_ticket.insert(host);
            return;
        }
        let asked_again = core.asks_again();
        let mind = &mut founders.minds[host];
        let Some((mut input, word)) = mind.consider(core, &machine.disk, &self.plan.genesis, &talk)
        else {
            return;
        };
        founders.asked_again += u64::from(asked_again);
        let is_flawed = founders.how.flaw == Some(Flaw::FoundsOtherwise)
            && founders.flawed.is_none_or(|flawed| flawed == host);
        if let (true, Input::Endorse { founding, .. }) = (is_flawed, &mut input) {
            founders.flawed = Some(host);
            **founding = losses::distorted(founding);
        }
        if self.give_word(host, input, word) == Err(Refusal::JournalLost) {
            self.rejoin(host);
        }
    }

    /// An honest host keeps that it left.
    pub(super) fn keep_leaving(&mut self, host: usize, endorsed: &Endorsed) {
        if let Some(founders) = &mut self.founders {
            founders.guard.left(self.hosts[host].node, endorsed);
        }
    }

    /// An honest host tells that it goes on in the new network.
    pub(super) fn note_left(&mut self, host: usize, endorsed: Arc<Endorsed>) {
        let Some(founders) = &mut self.founders else {
            return;
        };
        if let Err(text) = founders.guard.founded(self.hosts[host].node, &endorsed) {
            self.checker.report("r_same", text);
        }
        let is_new = founders.left.insert(host, endorsed).is_none();
        if is_new && founders.how.flaw == Some(Flaw::ForgetsLeaving) {
            self.after(100, Happening::Relapse(host));
        }
    }

    /// Whether all honest hosts have left the old network.
    fn have_left(&self) -> bool {
        let by_ticket = self.founders.as_ref().map(|founders| &founders.by_ticket);
        let mut going = (0..self.hosts.len()).filter(|host| self.goes_on(*host));
        going.all(|host| {
            if by_ticket.is_some_and(|by_ticket| by_ticket.contains(&host)) {
                return true;
            }
            let core = self.hosts[host].core.as_ref();
            core.is_some_and(|core| core.left_for().is_some())
        })
    }

    fn honest_height(&self) -> u64 {
        let honest = self.hosts.iter().filter(|host| host.is_honest());
        honest
            .map(|host| host.disk.blocks.len() as u64)
            .max()
            .unwrap_or(0)
    }

    fn goes_on(&self, host: usize) -> bool {
        self.hosts[host].is_honest() && !self.dead.contains(&host)
    }
}

/// Whether a host cannot endorse this plan, because it holds somebody whom the plan takes along to be a proved equivocator.
fn is_shut_out(core: &Core, ahead: &Founding) -> bool {
    let endorsed = core.endorsed().map(|own| own.founding.plan());
    let proved = core.proved_equivocators();
    let mut members = ahead.genesis().members.iter();
    endorsed != Some(ahead.plan()) && members.any(|it| proved.contains(&it.node))
}
