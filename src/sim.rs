//! The simulator: an oracle that re-implements the rules independently, and random logs to compare it with the ledger.
//!
//! [`oracle`] recomputes everything from the whole log, slowly and obviously, and calls no predicate of the production
//! code; [`generate`] makes random sealed logs; [`view`] is what the two implementations are compared by.

pub mod blocks;
pub mod generate;
pub mod oracle;
pub mod view;
