//! The files of a directory and those below it, by name, so that each run reads them in the same order.

use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::event::Event;
use super::fault::Fault;
use super::limits::{DEPTH_MAX, ENTRIES_MAX};
use super::reader::{File, Reader};

/// Reads what is below a directory, and says what it passes over. Symbolic links are not followed: what they name below the directory
/// is read in any case, and what they name outside was not asked for.
pub(crate) fn read(reader: &mut Reader, directory: &Path, on_event: &mut dyn FnMut(Event)) {
    let walk = WalkDir::new(directory);
    let mut walk = walk.max_depth(DEPTH_MAX).sort_by_file_name().into_iter();
    let mut entries = 0;
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(directory).to_owned();
                let fault = error
                    .into_io_error()
                    .map_or(Fault::SymbolicLink, Fault::from);
                File::new(reader, &path, on_event).problem(None, fault);
                continue;
            }
        };
        if entry.depth() == 0 {
            continue;
        }
        entries += 1;
        if entries > ENTRIES_MAX {
            File::new(reader, directory, on_event).problem(None, Fault::TooManyEntries);
            return;
        }
        let path = entry.path();
        if let Some(fault) = passed_over(&entry) {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
            // A pattern leaves out what it does not fit without a word.
            if entry.file_type().is_dir() || takes(reader, directory, path) {
                File::new(reader, path, on_event).skipped(fault);
            }
        } else if entry.file_type().is_file() && takes(reader, directory, path) {
            // Whoever names files by a pattern asks for them.
            let is_found = reader.options().only.is_empty();
            reader.read_file(path, is_found, on_event);
            if reader.is_full() {
                File::new(reader, path, on_event).problem(None, Fault::RunFull);
                return;
            }
        }
    }
}

fn takes(reader: &Reader, directory: &Path, path: &Path) -> bool {
    let below = path.strip_prefix(directory).unwrap_or(path);
    reader.options().takes(below)
}

/// Why an entry is not read.
fn passed_over(entry: &DirEntry) -> Option<Fault> {
    let kind = entry.file_type();
    if entry.file_name().as_encoded_bytes().starts_with(b".") {
        Some(Fault::Hidden)
    } else if kind.is_symlink() {
        Some(Fault::SymbolicLink)
    } else if kind.is_dir() {
        (entry.depth() == DEPTH_MAX).then_some(Fault::TooDeep)
    } else {
        (!kind.is_file()).then_some(Fault::NotAFile)
    }
}
