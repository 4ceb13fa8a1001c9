//! One run over files: recognises each, hands it to its format, and gives each finding once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use mycnet_consensus::ClaimItem;
use sha2::{Digest, Sha256};

use super::event::{Event, Place, Problem};
use super::fault::{Fault, TwoResults};
use super::limits::{
    BUILDINFO_BYTES_MAX, FILE_FINDINGS_MAX, FILE_PROBLEMS_MAX, HEAD_BYTES, LINE_BYTES_MAX,
    LINK_BYTES_MAX, LIST_BYTES_MAX, RUN_FINDINGS_MAX,
};
use super::lines::{Lines, Stop};
use super::link::{Link, LinkFault};
use super::options::Options;
use super::recognise::{Format, recognise};
use super::{buildinfo, sums, table, walk};
use crate::Finding;

/// Reads files and directories. What was found before in the same run is not given again: an equal finding gives nothing, and another
/// result of the same item is a problem that names both places. Then the first one stands.
///
/// ```
/// use mycnet_builds::{Event, Options, Reader};
///
/// let mut reader = Reader::new(Options::default());
/// let sums = "46adc2f266d9f2155a5297f4826f859c594a0a81bed2f5df0e818929f5f0761c  zsh_5.9-8_amd64.deb\nrubbish\n";
/// let (mut subjects, mut problems) = (Vec::new(), Vec::new());
/// reader.read("SHA256SUMS".as_ref(), sums.as_bytes(), &mut |event| match event {
///     Event::Finding(finding, _) => subjects.push(finding.item.subject),
///     Event::Problem(problem) => problems.push(problem.to_string()),
///     _ => {}
/// });
/// assert_eq!(subjects, ["pkg:deb/debian/zsh@5.9-8?arch=amd64"]);
/// assert!(problems[0].starts_with("SHA256SUMS, line 2: is not of the form"));
/// ```
#[derive(Debug)]
pub struct Reader {
    options: Options,
    /// By the hash of the item.
    seen: BTreeMap<[u8; 32], Seen>,
}

/// What was given out for an item.
#[derive(Debug)]
struct Seen {
    result: [u8; 32],
    has_original: bool,
    place: Place,
}

impl Reader {
    /// A run of its own.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            seen: BTreeMap::new(),
        }
    }

    /// Reads a file, or a directory and what is below it.
    pub fn read_path(&mut self, path: &Path, on_event: &mut dyn FnMut(Event)) {
        match fs::metadata(path) {
            Ok(of) if of.is_dir() => walk::read(self, path, on_event),
            Ok(_) => self.read_file(path, false, on_event),
            Err(error) => File::new(self, path, on_event).problem(None, error.into()),
        }
    }

    /// Reads a file of this name from a source.
    pub fn read(&mut self, name: &Path, source: impl Read, on_event: &mut dyn FnMut(Event)) {
        let mut file = File::new(self, name, on_event);
        if let Err((line, fault)) = file.recognise_and_read(source) {
            file.problem(line, fault);
        }
        file.finish();
    }

    /// Reads a file. One of another kind is passed over if it was not asked for.
    pub(crate) fn read_file(
        &mut self,
        path: &Path,
        is_found: bool,
        on_event: &mut dyn FnMut(Event),
    ) {
        let mut file = File::new(self, path, on_event);
        let opened = fs::File::open(path).map_err(|error| (None, error.into()));
        match opened.and_then(|source| file.recognise_and_read(source)) {
            Ok(()) => {}
            Err((_, fault)) if is_found && fault.is_other_kind() => file.skipped(fault),
            Err((line, fault)) => file.problem(line, fault),
        }
        file.finish();
    }

    /// Reads bytes as one format, whatever they are.
    pub(crate) fn read_as(
        &mut self,
        format: Format,
        bytes: &[u8],
        on_event: &mut dyn FnMut(Event),
    ) {
        let mut file = File::new(self, Path::new("-"), on_event);
        if let Err((line, fault)) = file.read_as(format, bytes) {
            file.problem(line, fault);
        }
        file.finish();
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether no more findings are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.seen.len() >= RUN_FINDINGS_MAX
    }
}

/// A file that is being read.
pub(crate) struct File<'a> {
    reader: &'a mut Reader,
    path: Arc<Path>,
    on_event: &'a mut dyn FnMut(Event),
    findings: usize,
    problems: usize,
}

impl<'a> File<'a> {
    pub(crate) fn new(
        reader: &'a mut Reader,
        path: &Path,
        on_event: &'a mut dyn FnMut(Event),
    ) -> Self {
        Self {
            reader,
            path: path.into(),
            on_event,
            findings: 0,
            problems: 0,
        }
    }

    fn recognise_and_read(&mut self, mut source: impl Read) -> Result<(), Stop> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let wanted = HEAD_BYTES as u64;
        let read = source.by_ref().take(wanted).read_to_end(&mut head);
        read.map_err(|error| (None, error.into()))?;
        let format = recognise(&head).map_err(|fault| (None, fault))?;
        self.read_as(format, Cursor::new(head).chain(source))
    }

    fn read_as(&mut self, format: Format, source: impl Read) -> Result<(), Stop> {
        let lines = |source| Lines::new(BufReader::new(source), LIST_BYTES_MAX, LINE_BYTES_MAX);
        match format {
            Format::Link => {
                let bytes = whole(source, LINK_BYTES_MAX)?;
                self.link(&bytes)
            }
            Format::Buildinfo => {
                let bytes = whole(source, BUILDINFO_BYTES_MAX)?;
                buildinfo::read(&bytes, self)
            }
            Format::Sums => sums::read(&mut lines(source), self),
            Format::Table(delimiter) => table::read(&mut lines(source), delimiter, self),
        }
    }

    fn link(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let link = Link::read(bytes)?;
        let keys = &self.options().keys;
        let of_link = |fault: LinkFault| (None, fault.into());
        match link.check(keys) {
            Err(LinkFault::SignedByNone) if keys.is_empty() => {}
            checked => checked.map_err(of_link)?,
        }
        if link.products().len() == 0 {
            return Err(of_link(LinkFault::NoProducts));
        }
        let input = link.input();
        let original: Arc<[u8]> = bytes.into();
        for (name, hash) in link.products() {
            match hash {
                Ok(hash) => {
                    let original = Some(Arc::clone(&original));
                    self.finding(None, name, input.clone(), hash, original)?;
                }
                Err(fault) => self.problem(None, fault.into()),
            }
        }
        Ok(())
    }

    pub(crate) fn options(&self) -> &Options {
        &self.reader.options
    }

    /// Gives out a finding about the file of this name, if it is new.
    ///
    /// # Errors
    ///
    /// If no more are taken of this file or in this run.
    pub(crate) fn finding(
        &mut self,
        line: Option<u64>,
        name: &str,
        input: Vec<u8>,
        result: [u8; 32],
        original: Option<Arc<[u8]>>,
    ) -> Result<(), Stop> {
        if self.findings == FILE_FINDINGS_MAX {
            return Err((line, Fault::FileFull));
        }
        self.findings += 1;
        let subject = match self.options().subjects.of(name) {
            Ok(subject) => subject,
            Err(fault) => {
                self.problem(line, fault.into());
                return Ok(());
            }
        };
        let item = ClaimItem { subject, input };
        let place = self.place(line);
        let key = hash_of(&item);
        let is_full = self.reader.is_full();
        match self.reader.seen.get_mut(&key) {
            Some(seen) if seen.result != result => {
                let fault = Fault::TwoResults(Box::new(TwoResults {
                    item,
                    here: result,
                    there: seen.result,
                    first: seen.place.clone(),
                }));
                // Not counted: whoever keeps findings has to know of each.
                (self.on_event)(Event::Problem(Problem { place, fault }));
                return Ok(());
            }
            // A signed original is news where there was none.
            Some(seen) if seen.has_original || original.is_none() => return Ok(()),
            Some(seen) => seen.has_original = true,
            None if is_full => return Err((line, Fault::RunFull)),
            None => {
                let seen = Seen {
                    result,
                    has_original: original.is_some(),
                    place: place.clone(),
                };
                self.reader.seen.insert(key, seen);
            }
        }
        let finding = Finding {
            item,
            result,
            original,
        };
        (self.on_event)(Event::Finding(finding, place));
        Ok(())
    }

    /// Tells a problem, or counts it if there are many.
    pub(crate) fn problem(&mut self, line: Option<u64>, fault: Fault) {
        self.problems += 1;
        if self.problems <= FILE_PROBLEMS_MAX {
            self.tell(line, fault);
        }
    }

    /// Tells that it was passed over.
    pub(crate) fn skipped(&mut self, fault: Fault) {
        let place = self.place(None);
        (self.on_event)(Event::Skipped(Problem { place, fault }));
    }

    fn finish(mut self) {
        if let Some(more @ 1..) = self.problems.checked_sub(FILE_PROBLEMS_MAX) {
            self.tell(None, Fault::MoreProblems(more as u64));
        }
    }

    fn tell(&mut self, line: Option<u64>, fault: Fault) {
        let place = self.place(line);
        (self.on_event)(Event::Problem(Problem { place, fault }));
    }

    fn place(&self, line: Option<u64>) -> Place {
        let file = Arc::clone(&self.path);
        Place { file, line }
    }
}

/// All bytes of a file that is read as a whole.
fn whole(source: impl Read, max: u64) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let read: io::Result<_> = source.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| (None, error.into()))?;
    if bytes.len() as u64 > max {
        return Err((None, Fault::FileTooLong { max, read: false }));
    }
    Ok(bytes)
}

fn hash_of(item: &ClaimItem) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((item.subject.len() as u64).to_le_bytes());
    hash.update(&item.subject);
    hash.update(&item.input);
    hash.finalize().into()
}
