//! How much is read, so that memory and time stay bounded whatever a file holds.

/// A link, in bytes. Links of rebuilders have about a thousand. A value of JSON takes up to 16 times its text in memory.
pub(crate) const LINK_BYTES_MAX: u64 = 1024 * 1024;

/// A `.buildinfo`, in bytes. The largest of Debian, of sources with a thousand packages, have a few hundred thousand.
pub(crate) const BUILDINFO_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A list or table, in bytes: it is read line by line, so that this bounds time and not memory.
pub(crate) const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A line of a list or table, in bytes. A subject has at most 256.
pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;

/// What is read of one line while its end is looked for, in bytes. A file with a longer line is no list.
pub(crate) const LINE_SKIP_BYTES_MAX: usize = 1024 * 1024;

/// What is looked at to recognise a format, in bytes.
pub(crate) const HEAD_BYTES: usize = 2 * LINE_BYTES_MAX;

/// Findings of one file: a distribution has 30,000 packages.
pub(crate) const FILE_FINDINGS_MAX: usize = 100_000;

/// Findings of one run, each remembered in about 150 bytes.
pub(crate) const RUN_FINDINGS_MAX: usize = 1_000_000;

/// Problems of one file that are told one by one. The others are counted.
pub(crate) const FILE_PROBLEMS_MAX: usize = 100;

/// How deep below the given directory files are read.
pub(crate) const DEPTH_MAX: usize = 16;

/// Entries of a directory and those below it.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;

/// How deep values of JSON contain one another. Links have four levels.
pub(crate) const JSON_DEPTH_MAX: usize = 32;

/// Columns of a table.
pub(crate) const COLUMNS_MAX: usize = 256;
