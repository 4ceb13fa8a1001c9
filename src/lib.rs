//! A trust ledger for federations.

pub mod agenda;
pub mod certificate;
pub mod codec;
pub mod commitment;
pub mod consent;
pub mod core;
pub mod digest;
#[cfg(feature = "document")]
pub mod document;
#[cfg(feature = "engine")]
pub mod engine;
pub mod finality;
pub mod genesis;
pub mod history;
pub mod identity;
pub mod ledger;
pub mod limits;
pub mod merkle;
pub mod message;
pub mod operation;
pub mod params;
pub mod pool;
pub mod record;
pub mod rejection;
pub mod roster;
pub mod seal;
pub mod sealers;
#[cfg(feature = "sim")]
pub mod sim;
pub mod tally;
pub mod trust;

pub use certificate::{Certificate, Proved};
pub use consent::Consent;
#[cfg(feature = "engine")]
pub use engine::BFTConsensusEngine;
pub use genesis::{Genesis, PanelScoring, Sealing};
pub use identity::{Identity, Signer};
pub use operation::{Ballot, Class, ConsensusOperation, Outcome, Priority, Spore};
pub use params::Params;
pub use rejection::Rejection;
pub use trust::{ParticipationRecord, TrustScoring};
