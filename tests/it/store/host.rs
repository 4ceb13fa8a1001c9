//! Nodes with real stores on simulated disks, connected directly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_consensus::core::{Answer, Core, Event, Input, Output, PeerId, Refusal, Write};
use mycnet_consensus::internals::history::History;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::Slot;
use mycnet_consensus::store::{Found, JournalLost, Store, StoreError};
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Genesis, NodeId, OperationId, Priority, RecordId,
};
use serde_bytes::ByteBuf;

use super::disk::{Disk, Survives};
use crate::net::{genesis, identity, node, records_of};

/// Few, so that tests meet groups.
pub const GROUP_HEIGHTS: usize = 3;

/// Heights after which a host writes a checkpoint, with which groups are made.
pub const CHECKPOINT_HEIGHTS: u64 = 5;

/// The node that writes a checkpoint only when one is due.
pub const LATE: usize = 3;

pub fn claim(subject: &str) -> ConsensusOperation {
    ConsensusOperation::Claim {
        subject: subject.into(),
        input: Vec::new(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    }
}

/// What a node showed and was told to keep, across its stops.
#[derive(Debug, Default)]
pub struct Promises {
    slots: BTreeMap<Slot, RecordId>,
    /// Own records that left and are not spent.
    shown: BTreeSet<RecordId>,
    /// Those of them that a block of a failed write makes useless. The write may be durable all the same.
    ending: BTreeSet<RecordId>,
    /// Records of others that it has to keep, and was not told to forget.
    kept: BTreeSet<RecordId>,
    /// Those of them that it took in since it last said something of its own, or applied a block.
    heard: BTreeSet<RecordId>,
    height: u64,
    /// Made with its key behind its back: no promise covers them.
    pub forged: BTreeSet<RecordId>,
}

impl Promises {
    fn keep(&mut self, writes: &[Write]) {
        let mut must_keep = false;
        for write in writes {
            match write {
                Write::Record(record) => {
                    self.heard.insert(record.id());
                }
                Write::Forget(ids) => {
                    self.kept.retain(|id| !ids.contains(id));
                    self.heard.retain(|id| !ids.contains(id));
                }
                Write::Unjournal(ids) => self.shown.retain(|id| !ids.contains(id)),
                Write::Block { block, .. } => {
                    must_keep = true;
                    self.height = self.height.max(block.seal.height);
                    for record in &block.records {
                        self.kept.remove(&record.body.id());
                        self.heard.remove(&record.body.id());
                    }
                }
                Write::Vote(_) | Write::List { .. } => {}
                _ => must_keep = true,
            }
        }
        if must_keep {
            self.kept.append(&mut self.heard);
        }
    }

    /// A write failed, and nobody knows whether it is durable.
    fn doubt(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Unjournal(ids) = write {
                self.ending.extend(ids);
            }
        }
    }

    fn show(&mut self, me: NodeId, message: &Message) -> Result<(), String> {
        for record in records_of(message) {
            if record.record().body.by != me || self.forged.contains(&record.id()) {
                continue;
            }
            let id = record.id();
            self.shown.insert(id);
            if let Some(slot) = record.record().body.what.slot()
                && *self.slots.entry(slot).or_insert(id) != id
            {
                return Err(format!("{slot:?} was signed twice"));
            }
        }
        Ok(())
    }

    /// Whether a disk keeps the promises.
    fn check(&self, store: &Store) -> Result<(), String> {
        let saved = store.saved().map_err(|error| error.to_string())?;
        let height = store.height().map_err(|error| error.to_string())?;
        let has_ended = |id: &RecordId| height > self.height && self.ending.contains(id);
        let mut lost = self.shown.iter();
        if let Some(id) = lost.find(|id| !saved.journal.contains_key(id) && !has_ended(id)) {
            return Err(format!("own record {id} left and is not in the journal"));
        }
        if height < self.height {
            return Err(format!("height {} became {height}", self.height));
        }
        let mut sealed = BTreeSet::new();
        for height in self.height + 1..=height {
            let block = store.block(height).map_err(|error| error.to_string())?;
            let records = block.unwrap().records;
            sealed.extend(records.iter().map(|record| record.body.id()));
        }
        let is_held = |id: &RecordId| {
            saved.records.contains_key(id) || saved.journal.contains_key(id) || sealed.contains(id)
        };
        match self.kept.iter().find(|id| !is_held(id)) {
            Some(id) => Err(format!("acknowledged record {id} is lost")),
            None => Ok(()),
        }
    }
}

/// Whether a host does as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    WritesFirst,
    SendsFirst,
}

pub struct Host {
    pub core: Core,
    pub store: Option<Store>,
    pub disk: Disk,
    pub history: History,
    pub events: Vec<Event>,
    pub found: Option<Found>,
    pub lost: Option<JournalLost>,
    pub promises: Promises,
    inbox: Vec<(usize, Message)>,
    /// Why its writes failed.
    pub failed: Option<StoreError>,
}

pub struct Net {
    pub genesis: Genesis,
    pub hosts: Vec<Host>,
    pub habit: Habit,
    pub now_ms: u64,
}

impl Net {
    pub fn new(nodes: usize) -> Self {
        let genesis = genesis(nodes);
        let hosts = (0..nodes).map(|n| Host::new(&genesis, n)).collect();
        let now_ms = genesis.time_ms;
        let mut net = Self {
            genesis,
            hosts,
            habit: Habit::WritesFirst,
            now_ms,
        };
        for n in 0..nodes {
            net.meet(n).unwrap();
        }
        net
    }

    /// All other nodes connect to this node again.
    pub fn meet(&mut self, n: usize) -> Result<(), String> {
        for other in 0..self.hosts.len() {
            if other != n {
                let _ = self.input(n, Input::PeerUp(PeerId(other as u64)))?;
                let _ = self.input(other, Input::PeerUp(PeerId(n as u64)))?;
            }
        }
        Ok(())
    }

    /// Gives an input to a core, then writes and sends its outputs. `None` if the host stopped before the answer.
    pub fn input(
        &mut self,
        n: usize,
        input: Input,
    ) -> Result<Option<Result<Answer, Refusal>>, String> {
        let outputs = self.hosts[n].core.handle(input, self.now_ms);
        let is_done = self.perform(n, &outputs.list)?;
        Ok(is_done.then_some(outputs.answer))
    }

    /// Takes everything that arrived at a node as one group: one write for all of it.
    fn turn(&mut self, n: usize) -> Result<bool, String> {
        let inbox = std::mem::take(&mut self.hosts[n].inbox);
        let is_busy = !inbox.is_empty();
        let mut list = Vec::new();
        for (from, message) in inbox {
            let from = PeerId(from as u64);
            let input = Input::Message { from, message };
            list.extend(self.hosts[n].core.handle(input, self.now_ms).list);
        }
        self.perform(n, &list)?;
        Ok(is_busy)
    }

    fn perform(&mut self, n: usize, list: &[Output]) -> Result<bool, String> {
        if self.hosts[n].failed.is_some() || self.hosts[n].store.is_none() {
            return Ok(false);
        }
        let writes: Vec<Write> = list
            .iter()
            .filter_map(|output| match output {
                Output::Persist(write) => Some(write.clone()),
                _ => None,
            })
            .collect();
        if self.habit == Habit::SendsFirst {
            self.send(n, list)?;
        }
        if let Err(error) = self.hosts[n].write(&writes) {
            self.hosts[n].failed = Some(error);
            return Ok(false);
        }
        if self.habit == Habit::WritesFirst {
            self.send(n, list)?;
        }
        Ok(true)
    }

    fn send(&mut self, n: usize, list: &[Output]) -> Result<(), String> {
        let me = node(n);
        for output in list {
            let (to, message) = match output {
                Output::Send { to, message } => (to, message.clone()),
                Output::Serve { to, from, bytes } => {
                    let store = self.hosts[n].store.as_ref().unwrap();
                    let blocks = store.blocks_from(*from, *bytes);
                    // A host that sends first may lack the blocks that it has to serve.
                    let blocks = blocks.map_err(|error| error.to_string())?;
                    (
                        to,
                        Message::Blocks(blocks.into_iter().map(ByteBuf::from).collect()),
                    )
                }
                Output::Event(event) => {
                    self.hosts[n].events.push(event.clone());
                    continue;
                }
                _ => continue,
            };
            self.hosts[n].promises.show(me, &message)?;
            let to = usize::try_from(to.0).unwrap();
            let message = Message::decode(&message.encode()).unwrap();
            self.hosts[to].inbox.push((n, message));
        }
        Ok(())
    }

    /// Delivers all messages, group by group, until no node sends any more.
    pub fn pump(&mut self) -> Result<(), String> {
        while (0..self.hosts.len()).try_fold(false, |busy, n| self.turn(n).map(|b| b || busy))? {}
        Ok(())
    }

    /// Lets time pass in which hosts lose their patience.
    pub fn pass(&mut self, ms: u64) -> Result<(), String> {
        self.now_ms += ms;
        for input in [Input::Tick, Input::Nudge] {
            for n in 0..self.hosts.len() {
                let _ = self.input(n, input.clone())?;
            }
            self.pump()?;
        }
        // From time to time two nodes compare their records.
        for n in 0..self.hosts.len() {
            let peer = PeerId(((n + 1) % self.hosts.len()) as u64);
            let _ = self.input(n, Input::Sync(peer))?;
        }
        self.pump()
    }

    /// Starts a node again from its disk, and checks that it kept its promises.
    pub fn restart(&mut self, n: usize, survives: Survives, seed: u64) -> Result<(), String> {
        let (genesis, now_ms) = (self.genesis.clone(), self.now_ms);
        let host = &mut self.hosts[n];
        host.store = None;
        host.inbox.clear();
        host.failed = None;
        host.promises.heard.clear();
        host.disk.restart(survives, seed);
        let store = open(&host.disk, &genesis, n)?;
        host.promises.check(&store)?;
        let ended = std::mem::take(&mut host.promises.ending);
        if store
            .height()
            .is_ok_and(|height| height > host.promises.height)
        {
            host.promises.shown.retain(|id| !ended.contains(id));
        }
        host.take_up(store, n, now_ms)?;
        self.meet(n)
    }

    pub fn propose(
        &mut self,
        n: usize,
        operation: ConsensusOperation,
        ballot: Option<Ballot>,
        nonce: u64,
    ) -> Result<Option<OperationId>, String> {
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot,
            nonce,
        };
        Ok(match self.input(n, input)? {
            Some(Ok(Answer::Proposed(id))) => Some(id),
            Some(other) => return Err(format!("node {n} does not propose: {other:?}")),
            None => None,
        })
    }

    pub fn is_closed(&self, n: usize, id: &OperationId) -> bool {
        self.hosts[n].core.ledger().past().closed(id).is_some()
    }

    pub fn store(&self, n: usize) -> &Store {
        self.hosts[n].store.as_ref().unwrap()
    }
}

/// Opens the store on a disk, or creates it if an earlier creation was not completed.
pub fn open(disk: &Disk, genesis: &Genesis, n: usize) -> Result<Store, String> {
    let [ledger, journal] = disk.files();
    let opened = match Store::open_on(ledger, journal) {
        Err(StoreError::Missing(_)) => {
            let [ledger, journal] = disk.files();
            Store::create_on(ledger, journal, genesis, node(n))
        }
        opened => opened,
    };
    let store = opened.map_err(|error| error.to_string())?;
    store.set_group_heights(GROUP_HEIGHTS);
    Ok(store)
}

impl Host {
    fn new(genesis: &Genesis, n: usize) -> Self {
        let disk = Disk::default();
        let store = open(&disk, genesis, n).unwrap();
        let loaded = store.load(Arc::new(identity(n)), genesis.time_ms).unwrap();
        Self {
            core: loaded.core,
            store: Some(store),
            disk,
            history: History::new(genesis),
            events: Vec::new(),
            found: None,
            lost: None,
            promises: Promises::default(),
            inbox: Vec::new(),
            failed: None,
        }
    }

    /// For a test that removes the journal on purpose.
    pub fn forget_promises(&mut self) {
        self.promises.shown.clear();
        self.promises.kept.clear();
    }

    /// Stops in good order.
    pub fn stop(&mut self) {
        let store = self.store.take().unwrap();
        store.checkpoint(self.core.ledger()).unwrap();
    }

    /// For a test that removes the ledger on purpose: signed records stay promised.
    pub fn forget_ledger(&mut self) {
        self.promises.kept.clear();
        self.promises.height = 0;
    }

    fn take_up(&mut self, store: Store, n: usize, now_ms: u64) -> Result<(), String> {
        let loaded = store.load(Arc::new(identity(n)), now_ms);
        let loaded = loaded.map_err(|error| error.to_string())?;
        self.core = loaded.core;
        self.found = Some(loaded.found);
        self.lost = loaded.journal_lost;
        self.store = Some(store);
        Ok(())
    }

    fn write(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let store = self.store.as_ref().unwrap();
        // What a host promises by sending, it promises from here on if it sends first.
        let written = store.write(writes);
        if written.is_err() {
            self.promises.doubt(writes);
        }
        written?;
        self.promises.keep(writes);
        for write in writes {
            if let Write::Block { block, applied } = write
                && block.seal.height == self.history.height() + 1
            {
                self.history.push(block.clone(), applied);
            }
        }
        let ledger = self.core.ledger();
        if store.checkpoint_if_due(ledger)? {
            store.pack()?;
        } else if store.node_id() != node(LATE)
            && ledger.state().height().is_multiple_of(CHECKPOINT_HEIGHTS)
        {
            store.checkpoint(ledger)?;
            store.give_back()?;
        }
        Ok(())
    }
}
