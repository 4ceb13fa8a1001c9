//! The layers below the public face, for this workspace's own tests, benches, fuzz targets and measuring programs.
//!
//! They build hostile records, compare digests and read counters that no user needs. Semantic versioning does not cover
//! this module; programs use the names at the root of the crate.

pub use crate::base::{codec, digest, identity, limits, merkle, rejection};
pub use crate::decision::{bits, leaf, open, tally};
pub use crate::exchange::{bundle, message};
pub use crate::members::{roster, sealers, trust};
pub use crate::past::{archive, certificate, chain, history, index, precommits, prover};
pub use crate::statement::{
    claim_rule, commitment, consent, genesis, name, operation, params, record, seal,
};

/// Agreement on seals.
pub mod finality {
    pub use crate::finality::*;
}

/// Applying seals.
pub mod ledger {
    pub use crate::ledger::*;
}

/// How long a node waits for a seal before it is nudged.
pub mod patience {
    pub use crate::core::patience::*;
}

/// Records that no seal lists yet.
pub mod pool {
    pub use crate::core::pool::*;
}

/// The records that two nodes do not both hold.
pub mod reconciliation {
    pub use crate::core::reconciliation::*;
}

/// The simulator.
#[cfg(feature = "sim")]
pub mod sim {
    pub use crate::sim::*;
}
