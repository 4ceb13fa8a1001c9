//! Each way in which input can be wrong, and what to do about it.

use std::io;

use mycnet_consensus::ClaimItem;

use super::event::{Place, Quoted, Shown};
use super::json::JsonFault;
use super::limits::{
    COLUMNS_MAX, DEPTH_MAX, ENTRIES_MAX, FILE_FINDINGS_MAX, LINE_BYTES_MAX, LINE_SKIP_BYTES_MAX,
    RUN_FINDINGS_MAX,
};
use super::link::LinkFault;
use super::subject::SubjectFault;

/// What is wrong with a file or a line of it. The text says what to do where that is not clear.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system does not give it.
    #[error("cannot be read: {text}")]
    Io {
        /// Which kind of error.
        kind: io::ErrorKind,
        /// What the operating system says.
        text: String,
    },

    /// A file without content.
    #[error("is empty")]
    Empty,
    /// No format fits the content.
    #[error(
        "is none of the formats that are read: in-toto link, .buildinfo, SHA256SUMS or other output of sha256sum, CSV or TSV \
         whose first line names the columns, or lines of subject, tab and hash"
    )]
    UnknownFormat,
    /// A compressed file.
    #[error("is compressed with {0}: decompress it first")]
    Compressed(&'static str),
    /// Another document of Debian.
    #[error("is no .buildinfo: the field {0} is missing")]
    FieldMissing(&'static str),

    /// More bytes than such a file can have.
    #[error("is longer than {max} bytes, the most that is read of such a file{}", rest(*.read))]
    FileTooLong {
        /// How many bytes are read.
        max: u64,
        /// Whether the part before was read.
        read: bool,
    },
    /// A line that is passed over.
    #[error("the line is longer than {LINE_BYTES_MAX} bytes, and was left out")]
    LineTooLong,
    /// A line whose end was not found.
    #[error(
        "the line does not end within {LINE_SKIP_BYTES_MAX} bytes: this is no list, and was not read on"
    )]
    LineEndless,
    /// More findings than a file can have.
    #[error("has more than {FILE_FINDINGS_MAX} results, and was not read on: split it")]
    FileFull,
    /// More findings than a run can have.
    #[error(
        "more than {RUN_FINDINGS_MAX} results in one run; the rest was not read: read less at once"
    )]
    RunFull,
    /// Problems of one file that were not told one by one.
    #[error("{0} more lines or entries are wrong")]
    MoreProblems(u64),

    /// A line that is not UTF-8.
    #[error("the line is not UTF-8 text")]
    NotUtf8,
    /// A signed text whose end is missing.
    #[error("the OpenPGP envelope does not end: the file is cut off")]
    EnvelopeCut,
    /// A line of a signed text that has to be escaped.
    #[error(
        "the line begins with '-' inside an OpenPGP envelope, where such lines are escaped as '- -'"
    )]
    EnvelopeDash,
    /// Text after the envelope, which nobody signed.
    #[error("stands after the OpenPGP envelope, so that its signature does not cover it: left out")]
    OutsideEnvelope,

    /// JSON that cannot be read.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// A link that cannot be taken.
    #[error(transparent)]
    Link(#[from] LinkFault),
    /// A name that cannot be a subject.
    #[error(transparent)]
    Subject(#[from] SubjectFault),

    /// A field that stands twice.
    #[error("the field {} stands twice; which one counts is not clear, so the file was not read", Shown(.0))]
    FieldTwice(String),
    /// A line of a `.buildinfo` that is neither a field nor goes on one.
    #[error("is neither a field (Name: value) nor the continuation of one")]
    NotAField,
    /// More than one `.buildinfo` in a file.
    #[error("a second paragraph begins here; a .buildinfo has one, and only the first was read")]
    SecondParagraph,
    /// A line of `Checksums-Sha256`.
    #[error("is not of the form 'SHA-256 SIZE FILE'")]
    NotAChecksum,
    /// A `.buildinfo` of no binary package.
    #[error("lists no binary package (.deb, .udeb, .ddeb) in Checksums-Sha256")]
    NoPackages,

    /// A line that is no checksum of a file.
    #[error(
        "is not of the form 'HASH  FILE', 'SHA256 (FILE) = HASH' or 'SUBJECT<TAB>HASH', with the 64 digits of a SHA-256"
    )]
    NotASum,
    /// A checksum by another algorithm.
    #[error("is a checksum by {0}; only SHA-256 is read")]
    OtherAlgorithm(&'static str),

    /// A table without the columns.
    #[error("{0}")]
    Columns(String),
    /// A table with too many columns.
    #[error("has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    /// A line with another number of fields.
    #[error("has {fields} fields, and the first line names {columns}")]
    FieldCount {
        /// How many fields the line has.
        fields: usize,
        /// How many columns the header names.
        columns: usize,
    },
    /// A quotation mark without its partner.
    #[error("a quotation mark opens and does not close on the same line")]
    OpenQuote,
    /// No SHA-256 in the column.
    #[error("{} in column {} is no SHA-256: 64 hexadecimal digits", Quoted(.text), Quoted(.column))]
    NotAHash {
        /// The column's name.
        column: String,
        /// What stands there.
        text: String,
    },
    /// No input in the column.
    #[error("{} in column {} is no input: at most 64 bytes as hexadecimal digits", Quoted(.text), Quoted(.column))]
    NotAnInput {
        /// The column's name.
        column: String,
        /// What stands there.
        text: String,
    },
    /// A table of several builders.
    #[error("has a column {}: say whose results to take (builder)", Quoted(.0))]
    WhoseResults(String),

    /// A second result of the same item. The first one was given out and stands.
    #[error(transparent)]
    TwoResults(Box<TwoResults>),

    /// A symbolic link in a directory. What it names inside the directory is read under its own name.
    #[error("is a symbolic link, and these are not followed")]
    SymbolicLink,
    /// A pipe, socket or device in a directory.
    #[error("is no ordinary file")]
    NotAFile,
    /// A hidden file or directory.
    #[error("is hidden (its name begins with a dot)")]
    Hidden,
    /// A directory too far below.
    #[error("is more than {DEPTH_MAX} directories deep")]
    TooDeep,
    /// More entries than are looked at.
    #[error("has more than {ENTRIES_MAX} entries; the rest was not read: name parts of it")]
    TooManyEntries,
}

/// Two results of one item in one run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} has the result {} here and {} in {first}: take one of them out",
    Shown(&.item.subject), hex::encode(.here), hex::encode(.there)
)]
pub struct TwoResults {
    /// The item.
    pub item: ClaimItem,
    /// The result that is told here.
    pub here: [u8; 32],
    /// The result that was given out.
    pub there: [u8; 32],
    /// Where that one was found.
    pub first: Place,
}

impl Fault {
    /// Whether it says that a file is of another kind altogether: in a directory, such files are passed over.
    pub(crate) fn is_other_kind(&self) -> bool {
        matches!(
            self,
            Self::Empty | Self::UnknownFormat | Self::Compressed(_)
        )
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io {
            kind: error.kind(),
            text: error.to_string(),
        }
    }
}

fn rest(read: bool) -> &'static str {
    if read {
        "; the rest was not read"
    } else {
        ", and was not read"
    }
}
