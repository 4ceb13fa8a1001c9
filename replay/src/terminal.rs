//! The terminal: results on stdout, remarks on stderr, and text that paints over nothing.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use unicode_width::UnicodeWidthStr as _;

/// Prints a line to stdout.
///
/// # Errors
///
/// A failed write, except where the reader is gone (`mycnet … | head`).
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes());
    let written = written.and_then(|()| out.write_all(b"\n"));
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// A remark on stderr, so that stdout holds the result only.
pub fn note(text: &str) {
    said("note", text);
}

/// Why a command failed, on stderr.
pub fn error(text: &str) {
    said("error", text);
}

fn said(what: &str, text: &str) {
    // Without stderr, nobody reads it.
    let _ = writeln!(io::stderr(), "{what}: {}", plain_message(text));
}

/// Whether a character moves a terminal's cursor, or cannot be seen: then one name or value could look like another.
fn is_unseen(c: char) -> bool {
    !c.is_ascii_graphic()
        && c != ' '
        && (c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c))
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
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

/// Text that others wrote, with characters escaped that would move a terminal's cursor, paint over other lines, or not be seen.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen)
}

/// Text of several lines, each of them [`plain`].
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_unseen(c))
}

/// A message, perhaps of several lines, each of them [`plain`]. All but the first are set in, so that none of them passes for a
/// message of its own.
#[must_use]
pub fn plain_message(text: &str) -> String {
    plain_lines(text.trim_end()).replace('\n', "\n  ")
}

/// JSON with the same content, in which such characters are escaped. Outside of strings there are none.
pub fn plain_json(json: &str) -> Cow<'_, str> {
    // In strings the ends of lines are escaped already.
    let is_bad = |c: char| c != '\n' && is_unseen(c);
    if !json.contains(is_bad) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::new();
    for c in json.chars() {
        if is_bad(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The room that a text takes in a terminal: wide characters take two columns, and combining marks none.
///
/// ```
/// use mycnet_replay::terminal::width;
/// assert_eq!([width("ada"), width("東京"), width("e\u{301}")], [3, 4, 1]);
/// ```
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// A text with space behind it, so that it takes at least so much room.
#[must_use]
pub fn padded(text: &str, room: usize) -> String {
    let space = room.saturating_sub(width(text));
    format!("{text}{:space$}", "")
}

/// The text, or as much from its start as fits into the room with a mark that it was cut.
#[must_use]
pub fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let fitting = ends.take_while(|end| width(&text[..*end]) < room);
    let end = fitting.last().unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// A progress bar on stderr if that is a terminal, else nothing. `counted` says in the template of the bar what it counts.
pub fn progress(length: usize, counted: &str) -> ProgressBar {
    let bar = if io::stderr().is_terminal() {
        ProgressBar::new(length as u64)
    } else {
        ProgressBar::hidden()
    };
    let template = format!("{{elapsed:>4}} [{{bar:40}}] {{pos}} of {{len}} {counted}");
    let style = ProgressStyle::with_template(&template).expect("the template is valid");
    bar.set_style(style.progress_chars("=> "));
    // A command that fails leaves no bar above the error.
    bar.with_finish(ProgressFinish::AndClear)
}

/// Checks that a directory is new or empty, so that an export mixes with nothing.
///
/// # Errors
///
/// If it is not empty, or no directory.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_the_room_that_it_takes() {
        for (text, room, shown) in [
            ("ada", 4, "ada "),
            ("adam", 4, "adam"),
            ("adams", 4, "ada…"),
            ("東", 4, "東  "),
            ("東京", 4, "東京"),
            ("東京都", 4, "東…"),
            ("東京都", 5, "東京…"),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}e\u{301}e\u{301} "),
            ("\u{ff76}\u{ff9e}x", 4, "\u{ff76}\u{ff9e}x "),
            ("", 2, "  "),
        ] {
            assert_eq!(
                padded(&cut(text, room), room),
                padded(shown, room),
                "{text}"
            );
            assert!(
                padded(&cut(text, room), room).starts_with(shown.trim_end()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for bad in [
            "\u{1b}",
            "\r",
            "\u{7f}",
            "\u{9b}",
            "\u{ad}",
            "\u{34f}",
            "\u{61c}",
            "\u{115f}",
            "\u{180e}",
            "\u{200b}",
            "\u{200d}",
            "\u{200e}",
            "\u{2028}",
            "\u{202e}",
            "\u{2060}",
            "\u{2066}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{fff9}",
            "\u{e0001}",
            "\u{e0041}",
            "\u{e0100}",
        ] {
            let text = format!("a{bad}b\n");
            let escape: String = bad.chars().flat_map(char::escape_default).collect();
            assert_eq!(plain(&text), format!("a{escape}b\\n"));
            assert_eq!(plain_lines(&text), format!("a{escape}b\n"));
            let json = format!("\"{bad}\"");
            let shown = plain_json(&json);
            assert!(shown.is_ascii() && shown.contains("\\u"), "{shown}");
        }
        for good in [
            "",
            "a b",
            "caf\u{e9}",
            "e\u{301}",
            "東京",
            "東京\u{3000}都",
            "😀",
        ] {
            assert_eq!(plain(good), good);
            assert_eq!(plain_json(good), good);
        }
        assert_eq!(plain_json("\"\u{e0041}\""), "\"\\udb40\\udc41\"");
        assert_eq!(plain_message("a\nerror: b\n"), "a\n  error: b");
    }

    #[test]
    fn the_template_is_valid() {
        let bar = progress(3, "tasks closed {msg}");
        bar.set_position(2);
        assert_eq!(bar.position(), 2);
    }
}
