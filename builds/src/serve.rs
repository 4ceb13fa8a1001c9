//! What clients ask of a rebuilder, over HTTP, answered from a ledger on their own machine.
//!
//! `repro-threshold` 0.1.2 asks every rebuilder that its user trusts three questions about a package. Each tells the rebuilder
//! what the user installs. Here a node answers them in the place of all members that it knows:
//!
//! | question | answer |
//! |---|---|
//! | `GET /` | the members, with the addresses to give to `repro-threshold` |
//! | `GET /MEMBER/api/v1/meta/public-keys` | `{"current":[PEM]}` |
//! | `GET /MEMBER/api/v1/packages/binary?name=&version=&architecture=` | `{"records":[{"build_id","artifact_id",…}]}` |
//! | `GET /MEMBER/api/v1/builds/B/artifacts/A/attestation` | an in-toto link, signed |
//! | `GET /sha256/HEX` | who gave this result for what, and what others gave |
//!
//! # Which keys sign
//!
//! `repro-threshold` takes the first key that `public-keys` lists, and counts keys. So every member has a key of its own here, and
//! every link that is served for it is signed with that key:
//!
//! - for *this node's own* member, the node's key: the member itself says so, and others can check it;
//! - for *any other* member, an *attestation key* that this node derives for it from a secret of its own ([`Attester`]).
//!
//! If the node has the signed original of a result (its own book has those that were submitted here), it serves that, with its
//! signature added to those that stand there: who knows the key of the original can ask `repro-threshold` for that one. If
//! not, it makes a link of what the ledger says.
//!
//! # What a client trusts
//!
//! **A signature with an attestation key says: the ledger of the node that serves it has this answer of that member.** No more. Only who
//! trusts this node in everything may count it, so this is for the node's own machine: the node has checked the signatures and commitments
//! of the ledger, and asking it tells nobody anything. Another machine's node could name any result for any member.
//! Whoever wants to rely on less takes a certificate (`mycnet certificate`), which needs only the genesis.
//!
//! `repro-threshold` also gives each *host* one vote only. So a server listens at several addresses of this machine, and
//! each member is given to `repro-threshold` with another one: `http://127.0.0.1:PORT/ada/`, `http://127.0.0.2:PORT/ben/`. Every
//! address answers for every member.
//!
//! | module | knows |
//! |---|---|
//! | `question` | what can be asked, and by which path |
//! | `attester` | keys, and links made and signed |
//! | `server` | HTTP within bounds |

mod attester;
mod question;
mod server;
#[cfg(test)]
mod tests;

pub use self::attester::{Attester, Member};
pub use self::question::{NoQuestion, Package, Question};
pub use self::server::{Asked, QUESTIONS_MAX, Reply, Server, is_this_machine};
