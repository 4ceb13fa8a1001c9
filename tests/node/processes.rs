//! Four processes under a load of votes, killed with `kill -9` again and again: nothing acknowledged is lost, no slot is signed
//! twice, and all agree in the end.
//!
//! `MYCNET_KILLS` is the number of kills, `MYCNET_SEED` repeats a schedule, but not its timing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mycnet_consensus::OperationId;
use mycnet_consensus::store::Store;

use crate::federation::{Directory, node_id};
use crate::medium::Random;
use crate::process::{Order, Process, Report, Setup, Told};
use crate::promises::{Promises, Slots, copy_of};

const NODES: usize = 4;

/// The time for a restarted node to be in sync.
const SYNC_MAX: Duration = Duration::from_secs(10);

/// A node and the number of its start.
type Tag = (usize, u64);

/// What a node needs to be in sync: the height that the others had when it started, and a peer.
#[derive(Debug, Clone, Copy)]
struct Behind {
    since: Instant,
    height: u64,
    is_new_port: bool,
    has_peer: bool,
}

#[derive(Default)]
struct Member {
    process: Option<Process>,
    starts: u64,
    port: u16,
    ticket: String,
    promises: Promises,
    height: u64,
    is_started: bool,
    behind: Option<Behind>,
    report: Option<Report>,
    /// The time and the port of its next start.
    back: Option<(Instant, bool)>,
    /// The nodes it reports to be connected with.
    peers: BTreeSet<usize>,
    /// The nodes whose present port it knows, because it met them there.
    knows: [bool; NODES],
    /// Whether to kill it at its next acknowledgement.
    is_marked: bool,
}

#[derive(Default)]
struct Figures {
    kills: usize,
    after_acknowledgement: usize,
    new_ports: usize,
    fresh_tickets: usize,
    interrupted: usize,
    synced: Vec<Duration>,
    synced_on_new_port: Vec<Duration>,
}

struct Fleet {
    directory: Directory,
    members: Vec<Member>,
    told: Receiver<(Tag, Told)>,
    teller: Sender<(Tag, Told)>,
    slots: Slots,
    random: Random,
    figures: Figures,
    hasty: Option<usize>,
}

impl Fleet {
    fn new(seed: u64, hasty: Option<usize>) -> Result<Self, String> {
        let (teller, told) = mpsc::channel();
        let mut fleet = Self {
            directory: Directory::new(),
            members: (0..NODES).map(|_| Member::default()).collect(),
            told,
            teller,
            slots: Slots::default(),
            random: Random(seed),
            figures: Figures::default(),
            hasty,
        };
        for n in 0..NODES {
            let tickets = fleet.members[..n].iter().map(|it| it.ticket.clone());
            let tickets = tickets.collect();
            fleet.start(n, 0, tickets)?;
        }
        fleet.until("all are connected", Duration::from_secs(30), |fleet| {
            let mut behind = fleet.members.iter().map(|member| member.behind);
            behind.all(|behind| behind.is_none())
        })?;
        fleet.figures = Figures::default();
        fleet.order(&Order::Load { proposes: true });
        Ok(fleet)
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.below(end)
    }

    fn order(&mut self, order: &Order) {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                process.order(order);
            }
        }
    }

    /// Starts a node, and waits until it says so.
    fn start(&mut self, n: usize, port: u16, tickets: Vec<String>) -> Result<(), String> {
        let others = (0..NODES).filter(|other| *other != n);
        let height = others.map(|other| self.members[other].height).max();
        let setup = Setup {
            directory: self.directory.path().to_str().unwrap().to_owned(),
            n,
            members: NODES,
            port,
            tickets,
            seed: self.below(usize::MAX) as u64,
            is_hasty: self.hasty == Some(n),
            is_patient: false,
        };
        let member = &mut self.members[n];
        member.starts += 1;
        member.is_started = false;
        member.peers.clear();
        member.behind = Some(Behind {
            since: Instant::now(),
            height: height.unwrap_or(0),
            is_new_port: port == 0,
            has_peer: false,
        });
        member.process = Some(Process::start(
            &setup,
            (n, member.starts),
            self.teller.clone(),
        ));
        let begun = Instant::now();
        while !self.members[n].is_started {
            let has_ended = self.members[n].process.as_mut().unwrap().has_ended();
            if has_ended && !self.members[n].is_started {
                self.members[n].process = None;
                if port == 0 {
                    return Err(format!("node {n} does not start"));
                }
                // Another process has taken its port.
                self.forget(n);
                return self.start(n, 0, setup.tickets);
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(format!("node {n} does not start in time"));
            }
            self.pass(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// Reads the nodes' messages for a while.
    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        loop {
            match self
                .told
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok((tag, told)) => self.hear(tag, told)?,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => unreachable!("the fleet holds a sender"),
            }
        }
        for (n, member) in self.members.iter().enumerate() {
            if let Some(behind) = member.behind
                && behind.since.elapsed() > 3 * SYNC_MAX
            {
                return Err(format!("node {n} is not in sync in time: {behind:?}"));
            }
        }
        Ok(())
    }

    fn hear(&mut self, (n, start): Tag, told: Told) -> Result<(), String> {
        let member = &mut self.members[n];
        if start != member.starts {
            return Ok(());
        }
        match told {
            Told::Started {
                height,
                port,
                ticket,
            } => {
                member.is_started = true;
                (member.port, member.ticket) = (port, ticket);
                self.rose(n, height);
            }
            Told::Alarm(what) => return Err(format!("node {n}: {what}")),
            Told::Height(height) => self.rose(n, height),
            Told::Peers(peers) => {
                if let Some(behind) = &mut member.behind {
                    behind.has_peer = !peers.is_empty();
                }
                // The other end may not have noticed yet that this node is gone.
                let mutual = peers.iter().copied();
                let mutual = mutual.filter(|other| self.members[*other].peers.contains(&n));
                for other in mutual.collect::<Vec<_>>() {
                    self.members[n].knows[other] = true;
                    self.members[other].knows[n] = true;
                }
                self.members[n].peers = peers;
                self.rose(n, 0);
            }
            Told::Proposed(operation) => {
                member.promises.proposed(operation);
                member.promises.voted(operation);
                return self.acknowledged(n);
            }
            Told::Voted(operation) => {
                member.promises.voted(operation);
                return self.acknowledged(n);
            }
            Told::Report(report) => member.report = Some(report),
            Told::Stopped(_) => {}
        }
        Ok(())
    }

    fn rose(&mut self, n: usize, height: u64) {
        let member = &mut self.members[n];
        member.height = member.height.max(height);
        member.promises.said_height = member.height;
        if let Some(behind) = member.behind
            && behind.has_peer
            && member.height >= behind.height
        {
            member.behind = None;
            let took = behind.since.elapsed();
            self.figures.synced.push(took);
            if behind.is_new_port {
                self.figures.synced_on_new_port.push(took);
            }
        }
    }

    fn acknowledged(&mut self, n: usize) -> Result<(), String> {
        if std::mem::take(&mut self.members[n].is_marked) {
            self.figures.after_acknowledgement += 1;
            self.kill(n)?;
        }
        Ok(())
    }

    /// Kills a node, reads its last messages, and checks its disk.
    fn kill(&mut self, n: usize) -> Result<(), String> {
        let Some(mut process) = self.members[n].process.take() else {
            return Ok(());
        };
        process.kill();
        self.figures.kills += 1;
        while let Ok((tag, told)) = self.told.try_recv() {
            self.hear(tag, told)?;
        }
        let stays_down = self.below(6) == 0 && self.members.iter().all(|it| it.back.is_none());
        let down_ms = if stays_down {
            1_000 + self.below(3_000)
        } else {
            self.below(100)
        };
        let is_new_port = self.below(2) == 0;
        let member = &mut self.members[n];
        self.figures.interrupted += usize::from(member.behind.take().is_some());
        let back = Instant::now() + Duration::from_millis(down_ms as u64);
        member.back = Some((back, is_new_port));
        let (_copy, store) = copy_of(&self.directory.path().join(n.to_string()));
        member
            .promises
            .check(node_id(n), &store, &mut self.slots)
            .map_err(|broken| format!("node {n}: {broken}"))
    }

    /// No other node knows its new port.
    fn forget(&mut self, n: usize) {
        for member in &mut self.members {
            member.knows[n] = false;
        }
    }

    /// Whether all nodes can find one another: a node hears of further nodes from each peer that it knows.
    fn find_one_another(&self) -> bool {
        let mut found = [false; NODES];
        found[0] = true;
        for _ in 0..NODES {
            for (a, b) in (0..NODES).flat_map(|a| (0..NODES).map(move |b| (a, b))) {
                found[b] |= found[a] && (self.members[a].knows[b] || self.members[b].knows[a]);
            }
        }
        found == [true; NODES]
    }

    /// Starts the stopped nodes whose pause is over.
    fn bring_back(&mut self) -> Result<(), String> {
        for n in 0..NODES {
            let Some((at, is_new_port)) = self.members[n].back else {
                continue;
            };
            if Instant::now() < at {
                continue;
            }
            self.members[n].back = None;
            let port = if is_new_port { 0 } else { self.members[n].port };
            if is_new_port {
                self.figures.new_ports += 1;
                self.forget(n);
            }
            // If too many nodes have moved since they met, some cannot be found without a person's help.
            let mut tickets = Vec::new();
            if !self.find_one_another() {
                self.figures.fresh_tickets += 1;
                let others = self.members.iter().filter(|it| it.process.is_some());
                tickets = others.map(|it| it.ticket.clone()).collect();
            }
            self.start(n, port, tickets)?;
            if let Some(process) = &mut self.members[n].process {
                process.order(&Order::Load { proposes: true });
            }
        }
        Ok(())
    }

    fn until(
        &mut self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        let begun = Instant::now();
        while !holds(self) {
            if begun.elapsed() > patience {
                return Err(format!("not in time: {what}"));
            }
            self.pass(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// One or two kills, at a random moment or right after an acknowledgement; then mostly a wait until all are in sync.
    fn strike(&mut self) -> Result<(), String> {
        let first = self.below(NODES);
        let mut victims = vec![first];
        if self.below(8) == 0 {
            victims.push((first + 1 + self.below(NODES - 1)) % NODES);
        }
        let waits_ms = self.below(500) as u64;
        self.pass(Duration::from_millis(waits_ms))?;
        self.bring_back()?;
        let is_marked = self.below(3) == 0;
        for n in victims {
            if is_marked {
                self.members[n].is_marked = true;
            } else {
                self.kill(n)?;
            }
        }
        // A node without anything to acknowledge is killed too.
        let begun = Instant::now();
        while self
            .members
            .iter()
            .any(|it| it.is_marked && it.process.is_some())
            && begun.elapsed() < Duration::from_secs(2)
        {
            self.pass(Duration::from_millis(1))?;
        }
        for n in 0..NODES {
            if std::mem::take(&mut self.members[n].is_marked) {
                self.kill(n)?;
            }
        }
        self.bring_back()?;
        if self.below(4) > 0 {
            self.come_into_sync()?;
        }
        Ok(())
    }

    /// Starts nodes whose pause is over until all running nodes are in sync.
    fn come_into_sync(&mut self) -> Result<(), String> {
        while self.members.iter().any(|it| it.behind.is_some()) {
            self.pass(Duration::from_millis(5))?;
            self.bring_back()?;
        }
        Ok(())
    }

    /// Lets all open operations end, checks that all nodes agree, and returns the last report.
    fn settle(&mut self) -> Result<Report, String> {
        while self.members.iter().any(|it| it.back.is_some()) {
            self.pass(Duration::from_millis(5))?;
            self.bring_back()?;
        }
        self.order(&Order::Load { proposes: false });
        let begun = Instant::now();
        loop {
            for member in &mut self.members {
                member.report = None;
            }
            self.order(&Order::Report);
            self.until("reports", Duration::from_secs(20), |fleet| {
                fleet.members.iter().all(|it| it.report.is_some())
            })?;
            let reports: Vec<Report> = self
                .members
                .iter()
                .filter_map(|it| it.report.clone())
                .collect();
            let is_settled = |it: &Report| it.open == 0 && it.unsealed == 0;
            if reports.iter().all(|it| *it == reports[0] && is_settled(it)) {
                return Ok(reports[0].clone());
            }
            if begun.elapsed() > Duration::from_secs(90) {
                return Err(format!("they do not agree: {reports:#?}"));
            }
            self.pass(Duration::from_millis(200))?;
        }
    }

    /// Stops all nodes properly, and checks every disk completely.
    fn close(&mut self) -> Result<(), String> {
        self.order(&Order::Stop);
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                process.wait();
            }
        }
        while let Ok((tag, told)) = self.told.try_recv() {
            self.hear(tag, told)?;
        }
        let proposed = self.members.iter().flat_map(|it| it.promises.proposals());
        let proposed: Vec<OperationId> = proposed.copied().collect();
        for n in 0..NODES {
            let path = self.directory.path().join(n.to_string());
            let mut store = Store::open(&path).map_err(|error| error.to_string())?;
            let promises = &mut self.members[n].promises;
            let checked = promises.check(node_id(n), &store, &mut self.slots);
            checked.map_err(|broken| format!("node {n}: {broken}"))?;
            let closed = store.all_closed().unwrap();
            for id in &proposed {
                if !closed.iter().any(|it| it.operation == *id) {
                    return Err(format!("node {n} does not know operation {id}"));
                }
            }
            let report = store.check(|_| {}).unwrap();
            if !report.faults.is_empty() {
                return Err(format!("the disk of node {n}: {:?}", report.faults));
            }
        }
        Ok(())
    }

    fn run(&mut self, kills: usize) -> Result<Report, String> {
        while self.figures.kills < kills {
            self.strike()?;
        }
        let report = self.settle()?;
        self.close()?;
        if report.evidence > 0 || report.banned > 0 {
            return Err(format!("somebody was caught: {report:?}"));
        }
        Ok(report)
    }
}

/// The median and the largest.
fn spread(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (middle, times.last().copied().unwrap_or_default())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn four_processes_that_are_killed_again_and_again_lose_nothing_and_agree() {
    let kills = usize::try_from(number("MYCNET_KILLS").unwrap_or(12)).unwrap();
    let seed = number("MYCNET_SEED").unwrap_or(1);
    println!("MYCNET_SEED={seed} MYCNET_KILLS={kills}");
    let begun = Instant::now();
    let mut fleet = Fleet::new(seed, None).unwrap();
    let report = match fleet.run(kills) {
        Ok(report) => report,
        Err(broken) => {
            keep(fleet.directory.path());
            panic!("after {} kills: {broken}", fleet.figures.kills);
        }
    };
    let figures = &mut fleet.figures;
    let acknowledged: usize = fleet
        .members
        .iter()
        .map(|it| it.promises.acknowledged())
        .sum();
    let (middle, longest) = spread(&mut figures.synced);
    let (moved_middle, moved_longest) = spread(&mut figures.synced_on_new_port);
    println!(
        "{} kills ({} right after an acknowledgement, {} before the node was in sync) in {:?}; {} restarts on a new port, {} \
         of them with a new ticket",
        figures.kills,
        figures.after_acknowledgement,
        figures.interrupted,
        begun.elapsed(),
        figures.new_ports,
        figures.fresh_tickets,
    );
    println!(
        "in sync after {middle:?}, at most {longest:?} ({} times); on a new port {moved_middle:?}, at most {moved_longest:?} \
         ({} times)",
        figures.synced.len(),
        figures.synced_on_new_port.len(),
    );
    println!(
        "{} operations closed at height {}; {acknowledged} acknowledgements kept; {} slots seen, none twice; trust {:?}",
        report.closed,
        report.height,
        fleet.slots.len(),
        report.trusts_ppm,
    );
    assert!(longest < SYNC_MAX);
    assert!(report.closed > kills);
}

/// Keeps the disks of a failed run for inspection.
fn keep(directory: &Path) {
    if let Some(kept) = std::env::var_os("MYCNET_KEEP") {
        for n in 0..NODES {
            let path = Path::new(&kept).join(n.to_string());
            crate::promises::copy_files(&directory.join(n.to_string()), &path);
        }
    }
}

#[test]
fn a_node_that_acknowledges_before_it_writes_is_caught() {
    let mut fleet = Fleet::new(2, Some(1)).unwrap();
    fleet.members[1].is_marked = true;
    let killed = fleet.until("an acknowledgement", Duration::from_secs(20), |fleet| {
        fleet.members[1].process.is_none()
    });
    let broken = killed.unwrap_err();
    assert!(broken.contains("acknowledged vote"), "{broken}");
}
