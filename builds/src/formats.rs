//! Reads what rebuilders publish: in-toto links, `.buildinfo`, SHA256SUMS and tables, files and directories of them.
//!
//! [`Reader`] recognises a file by its content, reads it within bounds (`limits`), and gives each finding once. What is wrong is a
//! [`Problem`] with file and line, and the rest is read on. Everything here comes from strangers: memory does not grow with a
//! file's size, and no input panics.
//!
//! | module | knows |
//! |---|---|
//! | `reader` | one run over files: recognises, hands on, gives each finding once |
//! | `walk` | the files of a directory |
//! | `options` | what a caller can choose: keys, distributions, prefix, builder, file name patterns |
//! | `event` | what a run reports: findings, problems, what was skipped, each with its place |
//! | `fault` | each way in which input can be wrong, and what to do about it |
//! | `limits` | the bounds, each with its reason |
//! | `recognise` | which format some bytes are |
//! | `lines` | bounded lines of text, out of an OpenPGP envelope if there is one |
//! | `subject` | how a subject is made of a file's name, so that two builders' subjects are equal |
//! | `json` | bounded JSON without duplicate keys, and its canonical form |
//! | `key` | an in-toto public key: PEM, id, strict verification |
//! | `link` | an in-toto link: read, made, signed, verified |
//! | `buildinfo` | a Debian `.buildinfo` |
//! | `sums` | lines of `sha256sum`, of BSD, and of a subject and its hash |
//! | `table`, `columns` | CSV and TSV with a header |

mod buildinfo;
mod columns;
mod event;
mod fault;
mod json;
mod key;
pub(crate) mod limits;
pub(crate) mod lines;
mod link;
mod options;
mod reader;
pub(crate) mod recognise;
mod subject;
pub(crate) mod sums;
mod table;
#[cfg(test)]
mod tests;
mod walk;

pub use self::event::{Event, Place, Problem};
pub(crate) use self::event::{Quoted, Shown};
pub use self::fault::{Fault, TwoResults};
pub use self::json::{Json, JsonFault};
pub use self::key::{KeyFault, PublicKey};
pub use self::link::{Link, LinkFault};
pub use self::options::{Options, Pattern, PatternFault};
pub use self::reader::Reader;
pub use self::recognise::Format;
pub use self::subject::{SubjectFault, Subjects};
