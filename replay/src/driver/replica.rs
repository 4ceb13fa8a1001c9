//! One authority's replica: the production core, and what a host does with its outputs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mycnet_consensus::core::{
    Admission, Answer, Core, Event, Input, Output, PeerId, Refusal, Timing, Write,
};
use mycnet_consensus::internals::ledger::Applied;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{
    ConsensusOperation, Digest, NodeId, OperationId, Outcome, Priority, Reason, Rejection,
    TrustEntry,
};

use super::documents::{Filing, Sealed};
use super::network::{Batch, Parcel};

/// Sealed blocks kept for replicas that are behind. The clock waits for all of them, so that none is ever more than one
/// behind.
const BLOCKS_KEPT: usize = 2;

/// A frame on its way.
pub(super) struct Sent {
    pub(super) to: usize,
    pub(super) bytes: Vec<u8>,
}

/// A replica.
pub(super) struct Replica {
    core: Core,
    filing: Filing,
    blocks: VecDeque<Arc<SealedBlock>>,
    scores: BTreeMap<NodeId, BTreeMap<Reason, Score>>,
    closed: Vec<(OperationId, Outcome)>,
    signed: u64,
    state: Digest,
}

/// How often, and parts per million in all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Score {
    pub(super) times: u64,
    pub(super) change_ppm: i64,
}

impl Replica {
    pub(super) fn new(mut core: Core, timing: Timing, filing: Filing) -> Self {
        core.set_timing(timing);
        Self {
            state: core.ledger().genesis_seal().state,
            core,
            filing,
            blocks: VecDeque::new(),
            scores: BTreeMap::new(),
            closed: Vec::new(),
            signed: 0,
        }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// What each member's score was changed by.
    pub(super) fn scores(&self) -> &BTreeMap<NodeId, BTreeMap<Reason, Score>> {
        &self.scores
    }

    /// Records signed by this replica's authority.
    pub(super) fn signed(&self) -> u64 {
        self.signed
    }

    /// The digest of the state after the last seal.
    pub(super) fn state_digest(&self) -> Digest {
        self.state
    }

    /// The operations that closed since this was last asked.
    pub(super) fn take_closed(&mut self) -> Vec<(OperationId, Outcome)> {
        std::mem::take(&mut self.closed)
    }

    /// Whether a batch's author would hand it in here now.
    pub(super) fn is_ready_for(&self, batch: &Batch) -> bool {
        let pool = self.core.pool();
        self.core.ledger().state().height() >= batch.height
            && batch.needs.iter().all(|id| pool.get(id).is_some())
    }

    /// Proposes. `None` if too few of the panel have weight left.
    ///
    /// # Errors
    ///
    /// Any other refusal.
    pub(super) fn propose(
        &mut self,
        operation: ConsensusOperation,
        nonce: u64,
        now_ms: u64,
        sent: &mut Vec<Sent>,
    ) -> anyhow::Result<Option<OperationId>> {
        let input = Input::Propose {
            operation,
            priority: Priority::Normal,
            ballot: None,
            nonce,
        };
        match self.handle(input, now_ms, sent)? {
            Ok(Answer::Proposed(id)) => Ok(Some(id)),
            Err(Refusal::Rejected(Rejection::Inapplicable(_))) => Ok(None),
            other => bail!("a proposal was answered by {other:?}"),
        }
    }

    /// Takes what arrives, in this order, and gives the frames that this leads to.
    ///
    /// # Errors
    ///
    /// A frame or record that is refused, a failed export.
    pub(super) fn receive(
        &mut self,
        parcels: Vec<Parcel>,
        now_ms: u64,
    ) -> anyhow::Result<Vec<Sent>> {
        let mut sent = Vec::new();
        for parcel in parcels {
            match parcel {
                Parcel::Frame { from, bytes } => {
                    let message = Message::decode(&bytes).context("a frame does not decode")?;
                    let from = PeerId(from as u64);
                    self.tell(Input::Message { from, message }, now_ms, &mut sent)?;
                }
                Parcel::Batch(Batch { records, .. }) => {
                    let answer = self.tell(Input::Import { records }, now_ms, &mut sent)?;
                    let Answer::Imported(admissions) = answer else {
                        bail!("an import was answered by {answer:?}");
                    };
                    for admission in admissions {
                        if admission != Ok(Admission::New) {
                            bail!("a worker's record was not taken: {admission:?}");
                        }
                    }
                }
            }
        }
        Ok(sent)
    }

    /// Gives an input that the core does not refuse.
    ///
    /// # Errors
    ///
    /// If it refuses it after all, and as [`Replica::receive`].
    pub(super) fn tell(
        &mut self,
        input: Input,
        now_ms: u64,
        sent: &mut Vec<Sent>,
    ) -> anyhow::Result<Answer> {
        Ok(self.handle(input, now_ms, sent)??)
    }

    fn handle(
        &mut self,
        input: Input,
        now_ms: u64,
        sent: &mut Vec<Sent>,
    ) -> anyhow::Result<Result<Answer, Refusal>> {
        let outputs = self.core.handle(input, now_ms);
        for output in outputs.list {
            match output {
                Output::Send { to, message } => send(sent, to, &message)?,
                Output::Serve { to, from, bytes } => {
                    let blocks = self.blocks.iter();
                    let blocks = blocks.filter(|block| block.seal.height >= from);
                    let encoded = blocks.map(|block| block.encode());
                    if let Some(message) = Message::blocks(encoded, bytes) {
                        send(sent, to, &message)?;
                    }
                }
                Output::Persist(Write::Journal(_)) => self.signed += 1,
                Output::Persist(Write::Block { block, applied }) => self.seal(block, applied)?,
                Output::Event(Event::Refused { rejection, .. }) => {
                    bail!("a replica refused a record of another: {rejection}");
                }
                Output::Event(Event::Forked { height, .. }) => bail!("a fork at height {height}"),
                Output::Event(Event::JournalLost) => bail!("a replica lost its journal"),
                // Unsealed records need no disk here, and the rest is told by the blocks.
                _ => {}
            }
        }
        Ok(outputs.answer)
    }

    fn seal(&mut self, block: Arc<SealedBlock>, applied: Arc<Applied>) -> anyhow::Result<()> {
        self.score(&applied.trust);
        for operation in &applied.closed {
            let decision = operation
                .decision()
                .expect("an operation closes only when it is decided");
            self.closed.push((operation.id(), decision.outcome.clone()));
        }
        self.state = block.seal.state;
        self.blocks.push_back(block.clone());
        if self.blocks.len() > BLOCKS_KEPT {
            self.blocks.pop_front();
        }
        self.filing
            .send(Sealed { block, applied })
            .context("the documents are no longer built")
    }

    fn score(&mut self, entries: &[(NodeId, TrustEntry)]) {
        for (node, entry) in entries {
            let reasons = self.scores.entry(*node).or_default();
            let score = reasons.entry(entry.reason).or_default();
            score.times += 1;
            score.change_ppm += i64::from(entry.after_ppm) - i64::from(entry.before_ppm);
        }
    }
}

fn send(sent: &mut Vec<Sent>, to: PeerId, message: &Message) -> anyhow::Result<()> {
    let to = usize::try_from(to.0).context("a frame to nobody")?;
    let bytes = message.encode();
    sent.push(Sent { to, bytes });
    Ok(())
}
