//! C-crash: a stop at any write loses nothing acknowledged and never signs twice.
//!
//! Four nodes decide 50 operations. At its n-th write one of them stops; what was not synced survives not at all, in part, by
//! sectors, or wholly. It starts again from what is left and the run goes on. `MYCNET_C_CRASH` is the distance between the
//! writes that are tried, each in another of these ways: 1 tries every single one (an hour in a release build on two cores);
//! `all` tries every one in every way.

use mycnet_consensus::core::{Event, Input, Refusal};
use mycnet_consensus::internals::ledger::RememberedOperation;
use mycnet_consensus::{Ballot, OperationId, Outcome};

use super::disk::{EVERY_WAY, Survives};
use super::host::{Habit, Net, claim};
use crate::net::config;

const NODES: usize = 4;
const OPERATIONS: usize = 50;
const AT_ONCE: usize = 10;

#[derive(Debug, Clone, Copy)]
struct Plan {
    victim: usize,
    stop_at: Option<u64>,
    survives: Survives,
    habit: Habit,
    lies: bool,
}

impl Plan {
    fn new(victim: usize, stop_at: Option<u64>, survives: Survives) -> Self {
        Self {
            victim,
            stop_at,
            survives,
            habit: Habit::WritesFirst,
            lies: false,
        }
    }

    /// Runs to the end. Gives the victim's writes before the run and after it, or what went wrong.
    fn run(self) -> Result<(u64, u64), String> {
        let mut net = Net::new(NODES);
        net.habit = self.habit;
        let disk = net.hosts[self.victim].disk.clone();
        let begun = disk.writes();
        if self.lies {
            disk.lie();
        }
        if let Some(at) = self.stop_at {
            disk.stop_at(begun + at);
        }
        let mut ids = Vec::new();
        for wave in 0..OPERATIONS / AT_ONCE {
            let wave = self.propose(&mut net, wave)?;
            self.decide(&mut net, &wave)?;
            ids.extend(wave);
        }
        Self::judge(&net, &ids)?;
        Ok((begun, disk.writes()))
    }

    fn propose(self, net: &mut Net, wave: usize) -> Result<Vec<OperationId>, String> {
        let mut ids = Vec::new();
        for k in 0..AT_ONCE {
            let by = k % NODES;
            let nonce = (wave * AT_ONCE + k) as u64;
            let (operation, ballot) = match k % 2 {
                0 => (config(&[u8::try_from(k).unwrap()]), Ballot::Approve),
                _ => (
                    claim(&format!("6 * 7, for the {nonce}th time")),
                    Ballot::Result(b"42".to_vec()),
                ),
            };
            let mut proposed = None;
            while proposed.is_none() {
                // A node that stopped before the answer asks again.
                let ballot = Some(ballot.clone());
                proposed = net.propose(by, operation.clone(), ballot, nonce)?;
                self.mend(net)?;
            }
            ids.extend(proposed);
        }
        net.pump()?;
        self.mend(net)?;
        Ok(ids)
    }

    fn decide(self, net: &mut Net, ids: &[OperationId]) -> Result<(), String> {
        for _ in 0..60 {
            if ids
                .iter()
                .all(|id| (0..NODES).all(|n| net.is_closed(n, id)))
            {
                return Ok(());
            }
            for (k, id) in ids.iter().enumerate() {
                for n in 0..NODES {
                    if !net.is_closed(n, id) && net.hosts[n].core.status(id).is_some() {
                        vote(net, n, *id, k)?;
                        self.mend(net)?;
                    }
                }
            }
            net.pump()?;
            self.mend(net)?;
            net.pass(300)?;
            self.mend(net)?;
        }
        Err("operations stay open".to_owned())
    }

    /// Starts the victim again if it stopped.
    fn mend(self, net: &mut Net) -> Result<(), String> {
        if net.hosts[self.victim].failed.is_none() {
            return Ok(());
        }
        let seed = self.stop_at.unwrap_or(0);
        net.restart(self.victim, self.survives, seed)?;
        match net.hosts[self.victim].lost {
            Some(lost) => Err(lost.to_string()),
            None => Ok(()),
        }
    }

    fn judge(net: &Net, ids: &[OperationId]) -> Result<(), String> {
        let seal = net.hosts[0].core.ledger().state().seal();
        for (n, host) in net.hosts.iter().enumerate() {
            if host.core.ledger().state().seal() != seal {
                return Err(format!("node {n} is at another seal"));
            }
            if host
                .events
                .iter()
                .any(|event| matches!(event, Event::JournalLost))
            {
                return Err(format!("node {n} believes that its journal is lost"));
            }
            for (k, id) in ids.iter().enumerate() {
                let closed = host.core.ledger().past().closed(id);
                let expected = match k % 2 {
                    0 => Ballot::Approve,
                    _ => Ballot::Result(b"42".to_vec()),
                };
                if closed.and_then(RememberedOperation::outcome)
                    != Some(&Outcome::Decided(expected))
                {
                    return Err(format!("node {n}: operation {k} ended otherwise"));
                }
            }
        }
        Ok(())
    }
}

fn vote(net: &mut Net, n: usize, operation: OperationId, k: usize) -> Result<(), String> {
    let ballot = match k % 2 {
        0 => Ballot::Approve,
        _ => Ballot::Result(b"42".to_vec()),
    };
    match net.input(n, Input::Vote { operation, ballot })? {
        Some(Err(Refusal::AlreadySigned)) => Err(format!("node {n} forgot its ballot")),
        _ => Ok(()),
    }
}

fn writes_of(victim: usize) -> u64 {
    let (begun, ended) = Plan::new(victim, None, Survives::All).run().unwrap();
    ended - begun
}

/// Stops one node at the writes that are asked for, each in a run of its own.
fn stop_everywhere(victim: usize) {
    let asked = std::env::var("MYCNET_C_CRASH").ok();
    let in_every_way = asked.as_deref() == Some("all");
    let asked: Option<u64> = asked.and_then(|step| step.parse().ok());
    let writes = writes_of(victim);
    assert!(writes > 500, "there is something to stop in: {writes}");
    let distance = match asked {
        _ if in_every_way => 1,
        Some(distance) => distance.max(1),
        None => writes / 12,
    };
    let first = if distance == 1 { 1 } else { 1 + victim as u64 };
    let mut tried = 0;
    for at in (first..=writes).step_by(usize::try_from(distance).unwrap()) {
        let way = usize::try_from(at / distance).unwrap() % EVERY_WAY.len();
        let ways = if in_every_way {
            &EVERY_WAY[..]
        } else {
            &EVERY_WAY[way..=way]
        };
        for survives in ways {
            let plan = Plan::new(victim, Some(at), *survives);
            let run = plan.run();
            assert!(run.is_ok(), "{plan:?}: {}", run.unwrap_err());
            tried += 1;
        }
        if asked.is_some() && tried % 100 == 0 {
            println!("victim {victim}: {tried} stops, the last at write {at} of {writes}");
        }
    }
    println!("victim {victim}: {tried} stops in {writes} writes");
}

#[test]
fn c_crash_of_the_first_proposer() {
    stop_everywhere(0);
}

#[test]
fn c_crash_of_another() {
    stop_everywhere(2);
}

/// Whether some stop shows that a plan breaks its promises.
fn is_caught(plan: Plan) -> bool {
    let writes = writes_of(plan.victim);
    let stops = (1..=writes).step_by(usize::try_from(writes / 7).unwrap());
    let mut runs = stops.map(|at| {
        let stop_at = Some(at);
        Plan { stop_at, ..plan }.run()
    });
    runs.any(|run| run.is_err_and(|broken| broken.contains("left and is not in the journal")))
}

#[test]
fn a_host_that_sends_before_it_writes_is_caught() {
    let plan = Plan::new(0, None, Survives::Nothing);
    assert!(is_caught(Plan {
        habit: Habit::SendsFirst,
        ..plan
    }));
}

#[test]
fn a_disk_that_only_says_that_it_has_synced_is_caught() {
    let plan = Plan::new(0, None, Survives::Nothing);
    assert!(is_caught(Plan { lies: true, ..plan }));
}
