//! A trust ledger for federations of nodes that do not fully trust one another.
//!
//! Members decide things together by commit and reveal, a BFT chain of seals fixes what counts, and trust follows from the
//! sealed records by integer arithmetic. There is no server, and no node has to be always online.
//!
#![cfg_attr(
    feature = "engine",
    doc = "The handle that programs use is [`BFTConsensusEngine`]; [`TrustScoring`] does the arithmetic on its own, and
[`core::Core`] is for programs that bring their own transport and storage."
)]
//!
//! # Map
//!
//! Imports go strictly downward; a test checks it.
//!
//! | layer | modules | knows |
//! |---|---|---|
//! | 0 | [`identity`], [`digest`], [`codec`], [`merkle`], [`limits`], [`rejection`] | bytes, keys, hashes |
//! | 1 | [`record`], [`operation`], [`commitment`], [`consent`], [`genesis`], [`params`], [`seal`] | what a statement is |
//! | 2 | [`agenda`] (one open operation: P1 to P9, spore authority), [`tally`], [`trust`], [`roster`], [`sealers`] | one operation |
//! | 3 | [`ledger`] (applies a seal), [`finality`] (agrees on one), [`pool`], [`message`], [`bundle`], [`reconciliation`], [`archive`], [`history`], [`certificate`] | the whole ledger |
//! | 4 | [`core`]: `handle(Input, now) -> Outputs` | one node, without I/O |
//! | 5 | `document`: Automerge documents (feature `document`); `store`: two redb databases (feature `store`); `net`: messages between authenticated members, over iroh (feature `net`) | documents, disks, sockets |
//! | 6 | `engine`: the handle, nodes in memory (feature `engine`); `node`: a core with its disk and peers behind the same handle (feature `node`) | waiting |
//! | 7 | the command `mycnet` (feature `cli`) | people |
//! | test | `sim`: virtual networks, liars, an oracle (feature `sim`) | everything above |
//!
//! A record arrives at [`core`], is decoded and verified ([`record::Verifier`]), judged against the sealed state
//! ([`ledger::State`]) and put into the [`pool`]. The proposer of a height lists what the pool holds; the sealers agree
//! ([`finality::Agreement`]); applying the seal ([`ledger::Ledger`]) files the records, moves operations through their
//! phases ([`agenda`]), settles trust and applies effects.
//!
//! # Invariants
//!
//! - Layers 0 to 4 are deterministic: no I/O, clock, randomness, threads, floats or hash maps. Time and randomness are inputs.
//! - Only a [`record::Verified`] record enters a ledger, and its type has no public constructor.
//! - The state changes only through seals. Whether one is decided is a monotone function of the votes held.
//! - `finality` and `ledger` do not know each other; [`core`] joins them.
//! - Every output that persists an own record precedes the outputs that send it. A slot is signed once.
//! - Whatever a peer sends is bounded, and a [`Rejection`] is data with a stable code; the state stays as it was.
//! - Untrusted bytes never reach Automerge, and consensus never depends on its hashes.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | node | an author: an Ed25519 key that signs records |
//! | member, roster | a node in the roster, with role, trust and standing |
//! | spore | a member's role: `Primary`, `Seed`, `Latent` |
//! | record | one signed statement; its id is the BLAKE3 of its canonical body, proof excluded |
//! | operation | something to decide; its id is that of its `Propose` |
//! | electorate | the members whose votes count for one operation, fixed by the seal that opens it |
//! | commit, reveal | the two voting records of an elector |
//! | frozen | the commits that a seal fixed; only they can be revealed |
//! | outcome | `Decided(ballot)` or `NoQuorum`; *tallied* when no record can change it, *final* when sealed |
//! | seal, certificate | checkpoint of the ledger, and the precommits of more than two thirds that fix it |
//! | slot | where an author may make one statement only; two different ones are equivocation |
//! | quorum | strictly more than two thirds of a weight |

pub mod agenda;
pub mod archive;
pub mod bundle;
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
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "node")]
pub mod node;
pub mod operation;
pub mod pace;
pub mod params;
pub mod pool;
pub mod reconciliation;
pub mod record;
pub mod rejection;
pub mod roster;
pub mod seal;
pub mod sealers;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "store")]
pub mod store;
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

/// The examples of the README run as tests.
#[cfg(all(doctest, feature = "engine"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeExamples;
