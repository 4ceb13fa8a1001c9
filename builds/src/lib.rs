//! `mycnet builds`: what independent rebuilders publish, and what a ledger says about it.
//!
//! A package of its own, because reading what strangers publish needs no node.
//!
//! | module | knows |
//! |---|---|
//! | `finding` | one result of a build: which item it answers, and with what |
//! | `formats` | what rebuilders publish: links, `.buildinfo`, lists, tables |
//! | [`plan`] | what is to be built, put into claim sets |
//! | [`book`] | what a node has found, and what sets asked: two databases |
//! | [`serve`] | what `repro-threshold` asks of a rebuilder, over HTTP |
//! | [`sync`] | what a `rebuilderd` has, over HTTP |
//! | `evidence` | what sets say about an item |
//! | `builders` | the members behind the keys that gave results |
//! | `policy` | whose word is enough |
//! | `verdict` | whether a build is confirmed |
//! | [`index_file`] | the ledger's verdicts in a file, for whoever has no node |
//! | `report` | who differed from whom |

pub mod book;
mod builders;
mod evidence;
mod finding;
mod formats;
pub mod index_file;
#[doc(hidden)]
pub mod internals;
pub mod plan;
mod policy;
mod report;
pub mod serve;
pub mod sync;
#[cfg(test)]
mod testing;
mod verdict;

pub use self::builders::{Builder, Builders, NotFound};
pub use self::evidence::{Answer, Decision, EVIDENCE_MAX, Evidence, Found, Hex, Question};
pub use self::finding::{Finding, sha256_of};
pub use self::formats::{
    Event, Fault, Json, JsonFault, KeyFault, Link, LinkFault, Options, Pattern, PatternFault,
    Place, Problem, PublicKey, Reader, SubjectFault, Subjects, TwoResults,
};
pub use self::policy::{Policy, PolicyFault, Resolved, Rule};
pub use self::report::{BuilderLine, Dispute, PackageLine, Report, Reporter};
pub use self::verdict::{Case, Held, Judged, Verdict, judge};
