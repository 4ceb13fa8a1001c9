//! What a terminal and a shell expect of a command: results on stdout, remarks on stderr, text that paints over nothing.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Prints a line to stdout.
///
/// # Errors
///
/// A failed write; a reader that has seen enough (`mycnet … | head`) is none.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes());
    let written = written.and_then(|()| out.write_all(b"\n"));
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// A remark on stderr, so that stdout stays what was asked for.
pub fn note(text: &str) {
    // Where even stderr is gone, nobody is left to be told.
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Text that others wrote, without what would move a terminal's cursor or paint over other lines.
pub fn plain(text: &str) -> Cow<'_, str> {
    // Marks that turn the direction of text could make one key or value look like another.
    let is_bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        if is_bad(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Makes sure that a directory can be exported into without mixing with what is there.
///
/// # Errors
///
/// If it is there and not empty, or no directory.
pub fn check_empty(directory: &Path) -> anyhow::Result<()> {
    let place = directory.display();
    match directory.read_dir() {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("{place}: the directory is not empty; name a new or an empty one");
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{place}")),
    }
}
