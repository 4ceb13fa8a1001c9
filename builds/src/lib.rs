//! `mycnet builds`: what independent rebuilders publish, and what a ledger says about it.
//!
//! A package of its own, because reading what strangers publish needs no node.
//!
//! | module | knows |
//! |---|---|
//! | `finding` | one result of a build: which item it answers, and with what |
//! | [`book`] | what a node has found, and what sets asked: two databases |

pub mod book;
mod finding;

pub use self::finding::Finding;
