//! A trust ledger for federations of nodes that do not fully trust one another.
//!
//! Members decide things together by commit and reveal, a BFT chain of seals fixes what counts, and trust follows from the
//! sealed records by integer arithmetic. There is no server, and no node has to be always online.
//!
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    feature = "engine",
    doc = "The handle that programs use is [`BFTConsensusEngine`]; [`TrustScoring`] does the arithmetic on its own, and
[`core::Core`] is for programs that bring their own transport and storage."
)]
//!
//! # Map
//!
//! The folders of `src` are the layers. Imports go strictly downward; a test checks it.
//!
//! | layer | folders | knows |
//! |---|---|---|
//! | 0 | `base`: identity, digest, codec, merkle, limits, rejection | bytes, keys, hashes |
//! | 1 | `statement`: record, operation, commitment, consent, genesis, line, params, seal | what a member can say |
//! | 2 | `members`: trust, roster, sealers; `decision`: one open operation ([P1] to [P9], spore authority) and its tally | one operation |
//! | 3 | `finality` agrees on a seal; `ledger` applies one; `past`: archive, history, certificate; `exchange`: message, bundle | the whole ledger |
//! | 4 | [`core`]: `handle(Input, now) -> Outputs`; `core::Network` connects several in one process | one node, without I/O |
//! | 5 | `document`: Automerge documents; `store`: two redb databases; `net`: messages between authenticated members, over iroh | documents, disks, sockets |
//! | 6 | `engine`: the handle, nodes in memory; `node`: a core with its disk and peers behind the same handle | callers that wait |
//! | 7 | the command `mycnet`, a package of its own; beside it `mycnet-publish`, which asks a node as any program can | people |
//! | test | `sim`: virtual networks, Byzantine actors, an oracle | everything above |
//!
//! The modules of layers 5 and 6 and the simulator are features of the same names; `engine` is on by default.
//!
//! A record arrives at [`core`] (`admit`), is decoded and verified (`statement::record::Verifier`), checked against the sealed
//! state (`ledger::State`) and put into the pool (`core::pool`). The proposer of a height lists records of the pool; the
//! sealers agree (`finality::Agreement`, which keeps a node's lock); applying the seal (`ledger::Ledger`) files the records,
//! moves operations through their phases (`decision::open`, where `commit_reveal` refuses reveals that do not open a frozen
//! commit), moves trust (`ledger::scores`, by the arithmetic of `members::trust`) and applies effects. Own statements are
//! signed in `core::statements`, each slot once (`core::journal`).
//!
//! Where nothing can be sealed any more, members found the network anew: a plan and the state that it goes on from give a genesis
//! (`ledger::refounding`), `core::refounding` counts endorsements and says when the plan is in force, and `store::moving` puts the
//! new databases in the place of the old ones.
//!
//! [`protocol`] is the specification (`docs/PROTOCOL.md`). Comments cite its rules by name, such as [P4].
//!
//! # Invariants
//!
//! - Layers 0 to 4 are deterministic: no I/O, clock, randomness, threads, floats or hash maps. Time and randomness are inputs.
//! - Only a `Verified` record enters a ledger, and its type has no public constructor.
//! - The state changes only through seals. Whether a seal is decided is a monotone function of the votes held.
//! - `finality` and `ledger` do not know each other; [`core`] joins them.
//! - Every output that persists an own record precedes the outputs that send it. A slot is signed once.
//! - All data from peers is bounded. A [`Rejection`] is data with a stable code, and does not change the state.
//! - Untrusted bytes never reach Automerge, and consensus never depends on its hashes.
//!
//! # Words
//!
//! [The specification](protocol#words) has one word for each concept. Code, schemas, command and documentation use these.

mod base;
pub mod core;
mod decision;
#[cfg(feature = "document")]
pub mod document;
#[cfg(feature = "engine")]
pub mod engine;
mod exchange;
mod finality;
#[doc(hidden)]
pub mod internals;
mod ledger;
/// The limits that programs meet first. `src/base/limits.rs` has all of them, each with its reason.
pub mod limits {
    pub use crate::base::limits::{
        CERTIFICATE_BYTES_MAX, ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, MEMBERS_MAX,
        OPEN_PROPOSALS_MAX, PANEL_WEIGHTED_MIN, PAYLOAD_BYTES_MAX, SEAL_RECORDS_MAX, SET_ITEMS_MAX,
        SET_PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX,
    };
}
mod members;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "node")]
pub mod node;
mod past;
/// The specification; a module of the documentation only.
#[cfg(doc)]
pub mod protocol;
#[cfg(feature = "sim")]
mod sim;
mod statement;
#[cfg(feature = "store")]
pub mod store;

pub use base::digest::{Digest, NetworkId, NodeId, OperationId, RecordId, SealId, SignatureBytes};
pub use base::identity::{Identity, Signer, SignerError};
pub use base::rejection::Rejection;
#[cfg(feature = "engine")]
pub use engine::BFTConsensusEngine;
pub use ledger::{Applied, Evidence};
pub use members::roster::{Elector, MemberLine};
pub use members::trust::{
    Marked, Marks, Participation, ParticipationRecord, Reason, Standing, Support, TrustEntry,
    TrustScoring,
};
pub use past::certificate::{Certificate, Proved};
pub use statement::claim_rule::ClaimRule;
pub use statement::consent::Consent;
pub use statement::genesis::{
    ConfigValue, Follows, Founder, Genesis, GenesisBuilder, PanelScoring, Sealing,
};
pub use statement::line::{FormerKey, FoundingLine};
pub use statement::name::MemberName;
pub use statement::operation::{
    Ballot, BallotForm, ClaimItem, Class, ConsensusOperation, Outcome, Priority, Spore,
};
pub use statement::params::Params;
pub use statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The examples of the README run as tests.
#[cfg(all(doctest, feature = "engine"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeExamples;
