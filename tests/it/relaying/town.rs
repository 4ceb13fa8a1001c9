//! Nodes with links between some of them, on which messages take their time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_consensus::core::{
    Answer, Core, Event, Input, Network, PeerId, SealedBlock, Timing, Write,
};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::Signed;
use mycnet_consensus::{Ballot, OperationId, Priority, RecordId};

use crate::net::{config, genesis, identity, node, records_of};

/// The time that a message takes.
pub const LATENCY_MS: u64 = 10;

/// Nodes with links between some of them.
pub struct Town {
    pub cores: Vec<Core>,
    pub blocks: Vec<Vec<Arc<SealedBlock>>>,
    links: BTreeSet<(usize, usize)>,
    /// Links on which messages take longer, and how long, in either direction.
    pub slow: BTreeMap<(usize, usize), u64>,
    /// Messages under way by the time of arrival and a number.
    pub under_way: BTreeMap<(u64, u64), (usize, usize, Message)>,
    pub sent: u64,
    pub now_ms: u64,
    /// Nodes that pass on nothing that others wrote.
    pub selfish: BTreeSet<usize>,
    /// How often each record crossed each link, in either direction.
    pub crossings: BTreeMap<(usize, usize, RecordId, &'static str), u64>,
    /// When a node first got a record.
    arrivals: BTreeMap<(usize, RecordId), u64>,
    pub offers: u64,
    /// When a node compares its records with its peers, after a seal.
    sync_at_ms: BTreeMap<usize, u64>,
}

impl Network for Town {
    fn core(&mut self, node: usize) -> Option<(&mut Core, u64)> {
        Some((&mut self.cores[node], self.now_ms))
    }

    fn persist(&mut self, node: usize, write: Write) {
        if let Write::Block { block, .. } = write {
            self.blocks[node].push(block);
        }
    }

    fn blocks(&self, node: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        self.blocks[node]
            .iter()
            .skip(usize::try_from(from - 1).unwrap())
    }

    fn event(&mut self, node: usize, event: Event) {
        if let Event::Sealed { .. } = event {
            self.sync_at_ms.entry(node).or_insert(self.now_ms + 1000);
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        if !self.links.contains(&(from.min(to), from.max(to))) {
            return;
        }
        let latency_ms = self.slow.get(&(from.min(to), from.max(to)));
        let arrival_ms = self.now_ms + latency_ms.copied().unwrap_or(LATENCY_MS);
        let records = records_of(&message);
        let is_foreign = |record: &Signed| record.record().body.by != node(from);
        if self.selfish.contains(&from) && records.iter().any(is_foreign) {
            return;
        }
        for record in records {
            let id = record.id();
            let kind = record.record().body.what.kind();
            *self
                .crossings
                .entry((from.min(to), from.max(to), id, kind))
                .or_default() += 1;
            let first = self.arrivals.entry((to, id)).or_insert(arrival_ms);
            *first = arrival_ms.min(*first);
        }
        self.offers += u64::from(matches!(message, Message::Offer(_)));
        self.sent += 1;
        let key = (arrival_ms, self.sent);
        self.under_way.insert(key, (from, to, message));
    }
}

impl Town {
    pub fn new(nodes: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let genesis = genesis(nodes);
        let timing = Timing {
            gather_ms: 100,
            ..Timing::of(&genesis.params)
        };
        let core = |n| {
            let mut core = Core::new(&genesis, Arc::new(identity(n))).unwrap();
            core.set_timing(timing);
            core
        };
        let mut town = Self {
            cores: (0..nodes).map(core).collect(),
            blocks: vec![Vec::new(); nodes],
            links: BTreeSet::new(),
            slow: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            now_ms: genesis.time_ms,
            selfish: BTreeSet::new(),
            crossings: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            offers: 0,
            sync_at_ms: BTreeMap::new(),
        };
        for (one, other) in links {
            town.link(one, other);
        }
        town.pass(2 * LATENCY_MS);
        town
    }

    pub fn mesh(nodes: usize) -> Self {
        Self::new(
            nodes,
            (0..nodes).flat_map(|one| (0..one).map(move |other| (other, one))),
        )
    }

    pub fn chain(nodes: usize) -> Self {
        Self::new(nodes, (1..nodes).map(|n| (n - 1, n)))
    }

    fn link(&mut self, one: usize, other: usize) {
        self.links.insert((one.min(other), one.max(other)));
        for (at, peer) in [(one, other), (other, one)] {
            let author = node(peer);
            let peer = PeerId(peer as u64);
            self.notify(at, Input::Author { peer, author });
            self.notify(at, Input::PeerUp(peer));
        }
    }

    pub fn cut(&mut self, one: usize, other: usize) {
        self.links.remove(&(one.min(other), one.max(other)));
        self.introduce(one, other, Input::PeerDown);
    }

    /// Lets time pass: messages arrive, and cores are told what is due.
    pub fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        loop {
            let arrival = self.under_way.keys().next().map(|(at_ms, _)| *at_ms);
            let due = self.cores.iter().filter_map(Core::next_due_ms);
            let due = due.chain(self.sync_at_ms.values().copied()).min();
            let next_ms = arrival.into_iter().chain(due).min().unwrap_or(end_ms);
            if next_ms > end_ms {
                break;
            }
            self.now_ms = self.now_ms.max(next_ms);
            if let Some(entry) = self.under_way.first_entry()
                && entry.key().0 <= self.now_ms
            {
                let (from, to, message) = entry.remove();
                self.arrive(from, to, message);
                continue;
            }
            if next_ms >= end_ms {
                break;
            }
            for n in 0..self.cores.len() {
                self.notify(n, Input::Tick);
                self.sync_if_due(n);
            }
        }
        self.now_ms = end_ms;
    }

    fn sync_if_due(&mut self, n: usize) {
        if self
            .sync_at_ms
            .get(&n)
            .is_some_and(|at_ms| *at_ms <= self.now_ms)
        {
            self.sync_at_ms.remove(&n);
            for (one, other) in self.links.clone() {
                if one == n || other == n {
                    self.notify(n, Input::Sync(PeerId((one + other - n) as u64)));
                }
            }
        }
    }

    pub fn propose(&mut self, by: usize, value: &[u8], priority: Priority) -> OperationId {
        let proposal = Input::Propose {
            operation: config(value),
            priority,
            ballot: Some(Ballot::Approve),
            nonce: 0,
        };
        match self.input(by, proposal).unwrap() {
            Answer::Proposed(operation) => operation,
            other => panic!("{other:?}"),
        }
    }

    /// An operation that all vote on as soon as they know it. Returns how many messages and records it took.
    pub fn decide(&mut self, by: usize, value: &[u8]) -> (u64, u64) {
        let before = (self.sent, self.crossings.values().sum::<u64>());
        let operation = self.propose(by, value, Priority::Normal);
        let mut left: BTreeSet<usize> = (0..self.cores.len()).filter(|n| *n != by).collect();
        for _ in 0..1000 {
            self.pass(1);
            for n in left.clone() {
                let ballot = Ballot::Approve;
                if self.cores[n].status(&operation).is_some()
                    && self.input(n, Input::Vote { operation, ballot }).is_ok()
                {
                    left.remove(&n);
                }
            }
        }
        for core in &self.cores {
            let status = core.status(&operation).unwrap();
            assert!(status.outcome.is_some(), "{:?}", core.seal_status());
        }
        let after = (self.sent, self.crossings.values().sum::<u64>());
        (after.0 - before.0, after.1 - before.1)
    }

    /// How long until each node had a record.
    pub fn delays(&mut self, by: usize, value: &[u8], wait_ms: u64) -> Vec<Option<u64>> {
        let began_ms = self.now_ms;
        let id = RecordId::from(self.propose(by, value, Priority::Normal));
        self.pass(wait_ms);
        let arrival = |n: usize| {
            let at_ms = self.arrivals.get(&(n, id)).map(|at_ms| at_ms - began_ms);
            if n == by { Some(0) } else { at_ms }
        };
        (0..self.cores.len()).map(arrival).collect()
    }
}
