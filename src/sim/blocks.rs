//! Seals around lists of records, for logs without agreement: the state and roster digests are zero.

use crate::base::digest::{Digest, NetworkId, RecordId, SealId};
use crate::statement::genesis::Genesis;
use crate::statement::record::{Seal, Verified};
use crate::statement::seal::list_digest;

/// The end of a log: height, id and time of the last seal.
#[derive(Debug, Clone)]
pub struct Chain {
    net: NetworkId,
    height: u64,
    last: SealId,
    time_ms: u64,
}

impl Chain {
    /// A chain whose seal 0 is [`genesis_seal`].
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self::after(genesis, genesis_seal(genesis).id())
    }

    /// A chain with another id of seal 0, for ledgers that fill its state digests.
    #[must_use]
    pub fn after(genesis: &Genesis, genesis_seal: SealId) -> Self {
        Self {
            net: genesis.network_id(),
            height: 0,
            last: genesis_seal,
            time_ms: genesis.time_ms,
        }
    }

    /// The id of the last seal.
    #[must_use]
    pub fn last(&self) -> SealId {
        self.last
    }

    /// The height of the last seal.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The time of the last seal, milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The next seal, over `records` in any order; the chain stays where it is.
    ///
    /// # Panics
    ///
    /// With more than `u32::MAX` records.
    #[must_use]
    pub fn next(&self, time_ms: u64, records: &[Verified]) -> Seal {
        let mut ids: Vec<RecordId> = records.iter().map(Verified::id).collect();
        ids.sort_unstable();
        Seal {
            net: self.net,
            height: self.height + 1,
            prev: self.last,
            time_ms,
            count: u32::try_from(ids.len()).expect("logs of simulations are short"),
            records: list_digest(&ids),
            state: Digest::default(),
            roster: Digest::default(),
            sealers: Digest::default(),
            round: 0,
        }
    }

    /// Makes `seal` the last one.
    pub fn advance(&mut self, seal: &Seal) {
        self.height = seal.height;
        self.last = seal.id();
        self.time_ms = seal.time_ms;
    }
}

/// Seal 0 of a log without agreement: no records, state and roster digests zero, no seal before.
#[must_use]
pub fn genesis_seal(genesis: &Genesis) -> Seal {
    Seal {
        net: genesis.network_id(),
        height: 0,
        prev: SealId::default(),
        time_ms: genesis.time_ms,
        count: 0,
        records: list_digest(&[]),
        state: Digest::default(),
        roster: Digest::default(),
        sealers: Digest::default(),
        round: 0,
    }
}
