//! `mycnet builds`: what independent rebuilders publish, and what a ledger says about it.
//!
//! A package of its own, because reading what strangers publish needs no node.
//!
//! | module | knows |
//! |---|---|
//! | `finding` | one result of a build: which item it answers, and with what |
//! | `formats` | what rebuilders publish: links, `.buildinfo`, lists, tables |

mod finding;
mod formats;
#[doc(hidden)]
pub mod internals;

pub use self::finding::Finding;
pub use self::formats::{
    Event, Fault, Json, JsonFault, KeyFault, Link, LinkFault, Options, Pattern, PatternFault,
    Place, Problem, PublicKey, Reader, SubjectFault, Subjects, TwoResults,
};
