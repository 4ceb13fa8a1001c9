//! What a `rebuilderd` has, read over HTTP: its builds in the order of their numbers, and the links that it signed.
//!
//! A rebuilderd files every build under a number that is higher than all before. So one number says how far it was read, and what is new
//! since costs nothing but itself. Of each build the signed *attestations* are taken, which it has for what it rebuilt equal; it signs
//! nothing else. The names and results come from these links alone: everything else that it says only leads to them.
//!
//! The rebuilderd and whoever is in between are strangers: every answer is bounded in bytes and time, redirects are not followed, and a
//! link without the signature of the known key is refused. A key that nobody named is taken at the first visit, and then has to stay.
//!
//! | module | knows |
//! |---|---|
//! | `rebuilderd` | the questions to a rebuilderd, version 1 of its interface |
//! | `fetch` | one answer within bounds |
//! | `source` | what is remembered of each rebuilderd |

mod fetch;
mod rebuilderd;
mod source;
#[cfg(test)]
mod tests;

pub use self::fetch::{SyncError, SyncFault};
pub use self::rebuilderd::{Build, Rebuilderd};
pub use self::source::{LinkReader, Source, Sources};
