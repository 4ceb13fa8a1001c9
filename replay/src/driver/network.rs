//! The four replicas, and what is under way between them under a virtual clock.
//!
//! The delivery seed draws the order of delivery: messages overtake one another, wait, and one in [`FATES`] is lost. Each worker
//! hands its records to a replica that is drawn too. None of it may change a result, for two reasons. The clock stands still
//! until all replicas hold the same records, and a proposer waits for the clock before it seals ([`Timing::apart_ms`]), so
//! that the content of a seal does not depend on the order of arrival. And replicas compare what they hold ([`Input::Sync`]),
//! which brings what was lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anyhow::{anyhow, bail, ensure};
use mycnet_consensus::core::{
    Admission, Answer, Applied, Core, Event, Input, Message, Network, PeerId, Refusal, SealedBlock,
    Timing, Write,
};
use mycnet_consensus::{
    ConsensusOperation, Digest, NodeId, OperationId, Outcome, Priority, Reason, RecordId, Rejection,
};

use super::cast::Cast;
use super::documents::Filing;
use crate::AUTHORITIES;

/// The step of the clock from seal to seal, in virtual milliseconds. Any value above 0 and far below every window of the rules
/// will do.
const APART_MS: u64 = 1000;

/// One in this number of messages that could arrive is lost, and half of the others wait.
const FATES: usize = 16;

/// How often replicas compare what they hold before the replay fails.
const REPAIRS_MAX: usize = 64;

/// Sealed blocks kept for replicas that are behind. The clock waits for all of them, so none is more than one behind.
const BLOCKS_KEPT: usize = 2;

/// Something on its way to a replica.
enum Parcel {
    Message { from: usize, message: Message },
    Batch(Batch),
}

/// Records that a worker signed at once, canonical bytes each.
pub(super) struct Batch {
    pub(super) records: Vec<Vec<u8>>,
    /// Records that the replica must hold before the worker hands these in.
    pub(super) needs: Vec<RecordId>,
    /// The height that the replica must have reached.
    pub(super) height: u64,
}

/// An authority's replica.
pub(super) struct Replica {
    pub(super) core: Core,
    filing: Filing,
    blocks: VecDeque<Arc<SealedBlock>>,
    under_way: Vec<Parcel>,
}

impl Replica {
    /// The digest of the state after the last seal.
    pub(super) fn state_digest(&self) -> Digest {
        let last = self.blocks.back().map(|block| block.seal.state);
        last.unwrap_or_else(|| self.core.ledger().genesis_seal().state)
    }

    /// The height, the last seal and the unsealed records.
    fn held(&self) -> impl PartialEq + use<> {
        let pool = self.core.pool().iter();
        let records: Vec<RecordId> = pool.map(|pooled| pooled.record.id()).collect();
        (self.core.ledger().state().seal(), records)
    }

    /// Whether a worker would hand in a batch now.
    fn is_ready_for(&self, batch: &Batch) -> bool {
        let pool = self.core.pool();
        self.core.ledger().state().height() >= batch.height
            && batch.needs.iter().all(|id| pool.get(id).is_some())
    }
}

/// All changes of one member's scores for one reason, in parts per million.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    pub(super) times: u64,
    pub(super) trust_ppm: i64,
    pub(super) skill_ppm: i64,
}

/// The records in the seals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sealed {
    pub(super) records: u64,
    /// Encoded, with proofs.
    pub(super) bytes: u64,
}

impl Sealed {
    fn add(&mut self, block: &SealedBlock) {
        let bytes = block
            .records
            .iter()
            .map(|record| record.encode().len() as u64);
        self.records += block.records.len() as u64;
        self.bytes += bytes.sum::<u64>();
    }
}

/// The replicas, and the notes about the first replica.
pub(super) struct Replicas {
    pub(super) nodes: Vec<Replica>,
    /// How each reason changed each member's scores.
    pub(super) scores: BTreeMap<NodeId, BTreeMap<Reason, Changes>>,
    /// The outcomes of closed operations.
    pub(super) closed: BTreeMap<OperationId, Outcome>,
    /// How the seals changed each member's skill since somebody took this: before them, and after.
    pub(super) skill: BTreeMap<NodeId, [u32; 2]>,
    /// Records signed by workers and authorities.
    pub(super) signed: u64,
    /// Signatures on them.
    pub(super) signatures: u64,
    /// What the seals list.
    pub(super) sealed: Sealed,
    now_ms: u64,
    delivery_seed: u64,
    draws: u64,
    /// The first thing that went wrong.
    failure: Option<anyhow::Error>,
}

impl Network for Replicas {
    fn core(&mut self, node: usize) -> Option<(&mut Core, u64)> {
        Some((&mut self.nodes[node].core, self.now_ms))
    }

    fn persist(&mut self, node: usize, write: Write) {
        // Without restarts, nothing else has to be kept.
        match write {
            Write::Journal(_) => {
                self.signed += 1;
                self.signatures += 1;
            }
            Write::Block { block, applied } => {
                if node == 0 {
                    self.sealed.add(&block);
                }
                let replica = &mut self.nodes[node];
                replica.blocks.push_back(block.clone());
                if replica.blocks.len() > BLOCKS_KEPT {
                    replica.blocks.pop_front();
                }
                if replica.filing.send((block, applied)).is_err() {
                    self.fail(anyhow!("the documents are no longer built"));
                }
            }
            _ => {}
        }
    }

    fn blocks(&self, node: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        let blocks = self.nodes[node].blocks.iter();
        blocks.filter(move |block| block.seal.height >= from)
    }

    fn event(&mut self, node: usize, event: Event) {
        match event {
            Event::Sealed { applied, .. } if node == 0 => self.note(&applied),
            Event::Refused { rejection, .. } => {
                self.fail(anyhow!("a record was refused: {rejection}"));
            }
            Event::Forked { height, .. } => self.fail(anyhow!("a fork at height {height}")),
            Event::JournalLost => self.fail(anyhow!("a replica lost its journal")),
            _ => {}
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        // Through its bytes, as between machines.
        match Message::decode(&message.encode()) {
            Ok(message) => {
                let under_way = &mut self.nodes[to].under_way;
                under_way.push(Parcel::Message { from, message });
            }
            Err(error) => self.fail(anyhow!("a message is not read back: {error}")),
        }
    }
}

impl Replicas {
    /// Four replicas at the genesis that have just met. `filing` leads to the documents of each.
    ///
    /// # Errors
    ///
    /// A genesis that the core refuses.
    pub(super) fn new(
        cast: &Cast,
        delivery_seed: u64,
        filing: Vec<Filing>,
    ) -> anyhow::Result<Self> {
        let mut nodes = Vec::with_capacity(AUTHORITIES);
        for (identity, filing) in cast.authorities.iter().zip(filing) {
            let mut core = Core::new(&cast.genesis, identity.clone())?;
            core.set_timing(Timing {
                apart_ms: APART_MS,
                ..Timing::of(&cast.genesis.params)
            });
            nodes.push(Replica {
                core,
                filing,
                blocks: VecDeque::new(),
                under_way: Vec::new(),
            });
        }
        let mut replicas = Self {
            nodes,
            scores: BTreeMap::new(),
            closed: BTreeMap::new(),
            skill: BTreeMap::new(),
            signed: 0,
            signatures: 0,
            sealed: Sealed::default(),
            now_ms: cast.genesis.time_ms,
            delivery_seed,
            draws: 0,
            failure: None,
        };
        replicas.between_all(Input::PeerUp);
        replicas.settle(0)?;
        Ok(replicas)
    }

    /// The last height of the first replica. Between two seals it is the height of all.
    pub(super) fn height(&self) -> u64 {
        self.nodes[0].core.ledger().state().height()
    }

    /// Proposes. `None` if nobody of the panel has skill left.
    ///
    /// # Errors
    ///
    /// Any other refusal.
    pub(super) fn propose(
        &mut self,
        authority: usize,
        operation: ConsensusOperation,
        nonce: u64,
    ) -> anyhow::Result<Option<OperationId>> {
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot: None,
            nonce,
        };
        match self.input(authority, input) {
            Ok(Answer::Proposed(id)) => Ok(Some(id)),
            Err(Refusal::Rejected(Rejection::Inapplicable(_))) => Ok(None),
            other => bail!("a proposal was answered by {other:?}"),
        }
    }

    /// Lets a worker hand in its records at a replica that is drawn.
    pub(super) fn offer(&mut self, batch: Batch) {
        self.signed += batch.records.len() as u64;
        self.signatures += 1;
        let replica = self.below(AUTHORITIES);
        self.nodes[replica].under_way.push(Parcel::Batch(batch));
    }

    /// Exchanges until nothing is under way and all replicas hold the same at `height`.
    ///
    /// # Errors
    ///
    /// If they do not get there, or a record is refused on the way.
    pub(super) fn settle(&mut self, height: u64) -> anyhow::Result<()> {
        for _ in 0..REPAIRS_MAX {
            while self.deliver() {}
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let held = self.nodes[0].held();
            if self.height() == height
                && self.nodes.iter().all(|node| node.under_way.is_empty())
                && self.nodes.iter().all(|node| node.held() == held)
            {
                return Ok(());
            }
            self.between_all(Input::Sync);
        }
        bail!("the replicas do not reach height {height} with the same records");
    }

    /// Moves the clock on, so that the next seal has this time or a later one.
    pub(super) fn wait_until(&mut self, time_ms: u64) {
        self.now_ms = self.now_ms.max(time_ms.saturating_sub(APART_MS));
    }

    /// Whether there is something to seal.
    pub(super) fn has_unsealed(&self) -> bool {
        self.nodes[0].core.pool().iter().next().is_some()
    }

    /// Moves the clock on, so that the next seal is proposed and agreed on, and settles.
    ///
    /// # Errors
    ///
    /// As [`Replicas::settle`].
    pub(super) fn seal(&mut self) -> anyhow::Result<()> {
        let height = self.height() + 1;
        self.now_ms += APART_MS;
        for node in 0..AUTHORITIES {
            self.notify(node, Input::Tick);
        }
        self.settle(height)
    }

    /// Delivers some of what is under way. `false` if nothing can arrive.
    fn deliver(&mut self) -> bool {
        let mut can_arrive = false;
        let mut arriving: [Vec<Parcel>; AUTHORITIES] = Default::default();
        for (node, arriving) in arriving.iter_mut().enumerate() {
            for parcel in std::mem::take(&mut self.nodes[node].under_way) {
                let batch = match &parcel {
                    Parcel::Batch(batch) => Some(batch),
                    Parcel::Message { .. } => None,
                };
                let is_ready = batch.is_none_or(|batch| self.nodes[node].is_ready_for(batch));
                can_arrive |= is_ready;
                match is_ready.then(|| self.below(FATES)) {
                    Some(0) if batch.is_none() => {}
                    Some(fate) if fate < FATES / 2 => arriving.push(parcel),
                    _ => self.nodes[node].under_way.push(parcel),
                }
            }
            // Fisher and Yates.
            for end in (1..arriving.len()).rev() {
                arriving.swap(end, self.below(end + 1));
            }
        }
        for (node, parcels) in arriving.into_iter().enumerate() {
            for parcel in parcels {
                match parcel {
                    Parcel::Message { from, message } => self.arrive(from, node, message),
                    Parcel::Batch(batch) => {
                        let taken = self.import(node, batch.records);
                        taken.unwrap_or_else(|error| self.fail(error));
                    }
                }
            }
        }
        can_arrive && self.failure.is_none()
    }

    fn import(&mut self, node: usize, records: Vec<Vec<u8>>) -> anyhow::Result<()> {
        let answer = self.input(node, Input::Import { records })?;
        let Answer::Imported(admissions) = answer else {
            bail!("an import was answered by {answer:?}");
        };
        for admission in admissions {
            ensure!(
                admission == Ok(Admission::New),
                "a worker's record was not taken: {admission:?}"
            );
        }
        Ok(())
    }

    /// Notes how a seal changed scores and closed operations.
    fn note(&mut self, applied: &Applied) {
        for (member, entry) in &applied.trust {
            let scores = self.scores.entry(*member).or_default();
            let changes = scores.entry(entry.reason).or_default();
            let moved = |before, after| i64::from(after) - i64::from(before);
            changes.times += 1;
            changes.trust_ppm += moved(entry.before_ppm, entry.after_ppm);
            changes.skill_ppm += moved(entry.skill_before_ppm, entry.skill_after_ppm);
            let skill = [entry.skill_before_ppm, entry.skill_after_ppm];
            self.skill.entry(*member).or_insert(skill)[1] = entry.skill_after_ppm;
        }
        for operation in &applied.closed {
            let decision = operation.decision();
            let decision = decision.expect("only decided operations close");
            self.closed.insert(operation.id(), decision.outcome.clone());
        }
    }

    /// Gives every replica an input about every other.
    fn between_all(&mut self, input: fn(PeerId) -> Input) {
        for node in 0..AUTHORITIES {
            for peer in (0..AUTHORITIES).filter(|peer| *peer != node) {
                self.notify(node, input(PeerId(peer as u64)));
            }
        }
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.failure.get_or_insert(error);
    }

    /// Draws a number in `0..end`. The remainder of 64 bits is even enough: no secret and no fairness depends on it.
    fn below(&mut self, end: usize) -> usize {
        let (seed, draw) = (self.delivery_seed.to_le_bytes(), self.draws.to_le_bytes());
        self.draws += 1;
        let digest = Digest::seeded(&[b"replay delivery", &seed, &draw]);
        let (first, _) = (digest.as_bytes().split_first_chunk()).expect("a digest has 32 bytes");
        let remainder = u64::from_le_bytes(*first) % (end as u64);
        usize::try_from(remainder).expect("it is below a usize")
    }
}

#[cfg(test)]
mod tests;
