//! The node's own book: what it has found, and what it was asked.
//!
//! Two redb databases in the node's directory, each readable by its owner alone:
//!
//! | file | what it is | when it is damaged |
//! |---|---|---|
//! | `builds.redb` ([`Book`]) | results that wait for a set that asks for them, what was committed to which set, signed originals | cannot be had from elsewhere: it is reported, and never dropped |
//! | `builds-index.redb` ([`Index`]) | which set asked what, and who was given which result | made again from the ledger |
//!
//! | module | knows |
//! |---|---|
//! | `kept` | [`Book`]: results and originals |
//! | `index` | [`Index`]: follows the sealed records |
//! | `entry` | keys and rows, as bytes |
//! | `file` | private databases that survive a stop at any moment |
//! | `error` | what can go wrong with them |
//!
//! What a submission or a commit wrote is on the disk when the call returns. Nothing of the book is sent to anybody; the node's votes are
//! made from it. A start reads nothing but the heads of both files, also after the process was killed.
//!
//! # From a finding to a vote
//!
//! 1. [`Book::submit`] keeps it: it *waits*.
//! 2. A set asks for the item, and [`Book::answers`] finds it.
//! 3. [`Book::note_commit`] moves it to what is *committed* to that set, before the vote is signed, so that nobody replaces a result that
//!    is on its way.
//! 4. The node signs its vote. Then [`Book::confirm`] ends what is *pending*, or [`Book::release`] lets the results wait again if the node
//!    was refused.
//!
//! Whether a vote was signed, only the node's journal knows. So whoever starts looks at [`Book::pending`] and asks the node.

mod entry;
mod error;
mod file;
mod index;
mod kept;

#[cfg(test)]
mod tests;

pub use self::entry::{Entry, item_key};
pub use self::error::BookError;
pub use self::index::{AskedSet, Index, Place};
pub use self::kept::{Answer, Book, BookReport, Refused, Submission, Taken};

/// The longest signed original that is kept, in bytes: a `.buildinfo` of a package with thousands of installed ones.
pub const ORIGINAL_BYTES_MAX: usize = 256 * 1024;
