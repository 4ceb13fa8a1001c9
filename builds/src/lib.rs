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

pub mod book;
mod finding;
mod formats;
#[doc(hidden)]
pub mod internals;
pub mod plan;

pub use self::finding::Finding;
pub use self::formats::{
    Event, Fault, Format, Json, JsonFault, KeyFault, Link, LinkFault, Options, Pattern,
    PatternFault, Place, Problem, PublicKey, Reader, SubjectFault, Subjects, TwoResults,
};
