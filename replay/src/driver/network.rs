//! Four replicas and what is under way between them, under a virtual clock.
//!
//! What arrives when is drawn from the delivery seed: frames overtake one another, wait, and one in [`FATES`] is lost; each
//! worker hands its records to a replica of its own. None of it may change a result, for two reasons. The clock stands
//! still until all replicas hold the same records, and a proposer waits for the clock before it seals
//! ([`Timing::gather_ms`]), so that what a seal lists does not depend on what came first. And what was lost is made up for by
//! comparing what is held ([`Input::Sync`]).

use std::sync::Arc;

use anyhow::bail;
use mycnet_consensus::core::{Core, Input, PeerId, Timing};
use mycnet_consensus::{ConsensusOperation, OperationId, Outcome, RecordId, Signer};

use super::cast::Cast;
use super::documents::Filing;
use super::draws::Draws;
use super::replica::{Replica, Sent};
use crate::AUTHORITIES;

/// How long a proposer gathers records, in virtual milliseconds. Any value above 0 does: it is what the clock goes on by
/// from seal to seal, far below every window of the rules.
const GATHER_MS: u64 = 1000;

/// Of so many frames that could arrive, one is lost and half of the others wait.
const FATES: usize = 16;

/// How often replicas compare what they hold before the driver gives up on them.
const REPAIRS_MAX: usize = 64;

/// Something on its way to a replica.
pub(super) enum Parcel {
    /// A message of another replica.
    Frame { from: usize, bytes: Vec<u8> },
    /// Records of a worker.
    Batch(Batch),
}

/// Records that a worker signed at once, canonical bytes each, and when it hands them in.
pub(super) struct Batch {
    pub(super) records: Vec<Vec<u8>>,
    /// The replica must hold these.
    pub(super) needs: Vec<RecordId>,
    /// The replica must have this height.
    pub(super) height: u64,
}

/// The replicas and what is under way to each.
pub(super) struct Network {
    replicas: Vec<Replica>,
    under_way: [Vec<Parcel>; AUTHORITIES],
    draws: Draws,
    now_ms: u64,
    batched: u64,
}

impl Network {
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
        let timing = Timing {
            gather_ms: GATHER_MS,
            ..Timing::of(&cast.genesis.params)
        };
        let mut network = Self {
            replicas: Vec::with_capacity(AUTHORITIES),
            under_way: Default::default(),
            draws: Draws::new(delivery_seed),
            now_ms: cast.genesis.time_ms,
            batched: 0,
        };
        for (identity, filing) in cast.authorities.iter().zip(filing) {
            let signer: Arc<dyn Signer> = identity.clone();
            let core = Core::new(&cast.genesis, signer)?;
            network.replicas.push(Replica::new(core, timing, filing));
        }
        network.between(Input::PeerUp)?;
        network.settle(0)?;
        Ok(network)
    }

    pub(super) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The last height that is sealed everywhere.
    pub(super) fn height(&self) -> u64 {
        self.replicas[0].core().ledger().state().height()
    }

    /// Records signed by workers and authorities.
    pub(super) fn signed(&self) -> u64 {
        let authorities: u64 = self.replicas.iter().map(Replica::signed).sum();
        authorities + self.batched
    }

    /// As [`Replica::propose`].
    pub(super) fn propose(
        &mut self,
        authority: usize,
        operation: ConsensusOperation,
        nonce: u64,
    ) -> anyhow::Result<Option<OperationId>> {
        let mut sent = Vec::new();
        let replica = &mut self.replicas[authority];
        let id = replica.propose(operation, nonce, self.now_ms, &mut sent)?;
        self.post(authority, sent);
        Ok(id)
    }

    /// Lets workers hand in their records, each at a replica that is drawn.
    pub(super) fn offer(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            self.batched += batch.records.len() as u64;
            let replica = self.draws.below(AUTHORITIES);
            self.under_way[replica].push(Parcel::Batch(batch));
        }
    }

    /// Exchanges until nothing is under way and all replicas hold the same at `height`.
    ///
    /// # Errors
    ///
    /// If they do not get there, and what [`Replica::receive`] fails for.
    pub(super) fn settle(&mut self, height: u64) -> anyhow::Result<()> {
        for _ in 0..REPAIRS_MAX {
            while self.deliver()? {}
            if self.is_settled(height) {
                return Ok(());
            }
            self.between(Input::Sync)?;
        }
        bail!("the replicas do not reach height {height} with the same records");
    }

    /// Lets the clock go on, so that the next seal is proposed and agreed on, and settles.
    ///
    /// # Errors
    ///
    /// As [`Network::settle`].
    pub(super) fn seal(&mut self) -> anyhow::Result<()> {
        let height = self.height() + 1;
        self.now_ms += GATHER_MS;
        for index in 0..AUTHORITIES {
            self.tell(index, Input::Tick)?;
        }
        self.settle(height)
    }

    /// As [`Replica::take_closed`], for the first replica.
    pub(super) fn take_closed(&mut self) -> Vec<(OperationId, Outcome)> {
        let closed = self.replicas.iter_mut().map(Replica::take_closed);
        closed.reduce(|first, _| first).unwrap_or_default()
    }

    fn is_settled(&self, height: u64) -> bool {
        let seal = |replica: &Replica| replica.core().ledger().state().seal();
        let held = |replica: &Replica| -> Vec<RecordId> {
            let pool = replica.core().pool();
            pool.iter().map(|pooled| pooled.record.id()).collect()
        };
        let (first, others) = (&self.replicas[0], &self.replicas[1..]);
        self.height() == height
            && self.under_way.iter().all(Vec::is_empty)
            && others.iter().all(|other| seal(other) == seal(first))
            && others.iter().all(|other| held(other) == held(first))
    }

    /// Delivers some of what is under way. `false` if nothing can arrive.
    fn deliver(&mut self) -> anyhow::Result<bool> {
        let mut arriving: [Vec<Parcel>; AUTHORITIES] = Default::default();
        let mut can_arrive = false;
        for (index, replica) in self.replicas.iter().enumerate() {
            for parcel in std::mem::take(&mut self.under_way[index]) {
                let is_ready = match &parcel {
                    Parcel::Frame { .. } => true,
                    Parcel::Batch(batch) => replica.is_ready_for(batch),
                };
                can_arrive |= is_ready;
                let fate = if is_ready {
                    self.draws.below(FATES)
                } else {
                    FATES
                };
                match (fate, &parcel) {
                    (0, Parcel::Frame { .. }) => {}
                    (fate, _) if fate < FATES / 2 => arriving[index].push(parcel),
                    _ => self.under_way[index].push(parcel),
                }
            }
            self.draws.shuffle(&mut arriving[index]);
        }
        for (index, parcels) in arriving.into_iter().enumerate() {
            let sent = self.replicas[index].receive(parcels, self.now_ms)?;
            self.post(index, sent);
        }
        Ok(can_arrive)
    }

    /// Gives every replica an input about every other.
    fn between(&mut self, input: fn(PeerId) -> Input) -> anyhow::Result<()> {
        for index in 0..AUTHORITIES {
            for peer in (0..AUTHORITIES).filter(|peer| *peer != index) {
                self.tell(index, input(PeerId(peer as u64)))?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, index: usize, input: Input) -> anyhow::Result<()> {
        let mut sent = Vec::new();
        self.replicas[index].tell(input, self.now_ms, &mut sent)?;
        self.post(index, sent);
        Ok(())
    }

    fn post(&mut self, from: usize, sent: Vec<Sent>) {
        for Sent { to, bytes } in sent {
            self.under_way[to].push(Parcel::Frame { from, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::answers::Answers;

    /// A network that proposed something, with nothing delivered yet. No seal is made, so that nothing is filed.
    fn proposed(delivery_seed: u64) -> (Network, OperationId) {
        let answers = Answers {
            workers: ["a", "b", "c"].map(str::to_owned).to_vec(),
            ..Answers::default()
        };
        let cast = Cast::new(&answers, 1).unwrap();
        let filing = (0..AUTHORITIES).map(|_| mpsc::sync_channel(1).0).collect();
        let mut network = Network::new(&cast, delivery_seed, filing).unwrap();
        let claim = ConsensusOperation::Claim {
            subject: "t".to_owned(),
            input: Vec::new(),
            panel: None,
        };
        let id = network.propose(1, claim, 1).unwrap().unwrap();
        (network, id)
    }

    fn holders(network: &Network, id: OperationId) -> usize {
        let pools = network.replicas.iter().map(|replica| replica.core().pool());
        pools.filter(|pool| pool.get(&id.into()).is_some()).count()
    }

    #[test]
    fn what_is_lost_is_made_up_for() {
        for delivery_seed in 0..10 {
            let (mut network, id) = proposed(delivery_seed);
            network.under_way = Default::default();
            assert_eq!(holders(&network, id), 1);
            network.settle(0).unwrap();
            assert_eq!(holders(&network, id), AUTHORITIES, "{delivery_seed}");
        }
    }

    #[test]
    fn a_panel_without_weight_is_not_asked() {
        let (mut network, _) = proposed(1);
        // Its third member is missing, as if it had lost all trust.
        let roster = network.replicas[0].core().ledger().state().roster();
        let panel = roster.iter().map(|(node, _)| node).take(2).collect();
        let claim = ConsensusOperation::Claim {
            subject: "t".to_owned(),
            input: Vec::new(),
            panel: Some(panel),
        };
        assert_eq!(network.propose(1, claim, 1).unwrap(), None);
    }

    #[test]
    fn replicas_that_cannot_agree_are_an_error() {
        let (mut network, _) = proposed(1);
        // Nobody seals: the clock stands still.
        let error = network.settle(1).unwrap_err().to_string();
        assert!(error.contains("do not reach height 1"), "{error}");
    }

    #[test]
    fn a_batch_waits_for_what_it_refers_to() {
        let (mut network, id) = proposed(1);
        network.under_way = Default::default();
        for (height, needs) in [(1, vec![]), (0, vec![id.into()])] {
            let batch = Batch {
                records: Vec::new(),
                needs,
                height,
            };
            let is_ready = |replica: usize| network.replicas[replica].is_ready_for(&batch);
            assert_eq!((is_ready(0), is_ready(1)), (false, height == 0));
        }
    }
}
