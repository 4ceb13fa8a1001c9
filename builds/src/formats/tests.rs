//! Whole files and directories through the one entry.

mod directories;
mod hostile;
mod mutations;
mod real;
mod runs;

use std::path::{Path, PathBuf};

use super::*;
use crate::Finding;

/// A file of real rebuilders, if the data is there.
pub(crate) fn link_example(file: &str) -> Option<Vec<u8>> {
    let path = data("links").join(file);
    let bytes = std::fs::read(&path);
    if bytes.is_err() {
        eprintln!("skipped: {} is not there", path.display());
    }
    bytes.ok()
}

/// Where the data of real rebuilders is.
fn data(name: &str) -> PathBuf {
    let builds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/builds");
    builds.join(name)
}

/// What a run reported.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) findings: Vec<(Finding, Place)>,
    pub(crate) problems: Vec<Problem>,
    skipped: Vec<Problem>,
}

impl Told {
    fn take(&mut self, event: Event) {
        match event {
            Event::Finding(finding, place) => self.findings.push((finding, place)),
            Event::Problem(problem) => self.problems.push(problem),
            Event::Skipped(problem) => self.skipped.push(problem),
        }
    }

    pub(crate) fn subjects(&self) -> Vec<&str> {
        let findings = self.findings.iter();
        findings
            .map(|(finding, _)| &*finding.item.subject)
            .collect()
    }

    /// Line and fault of each problem.
    pub(crate) fn faults(&self) -> Vec<(Option<u64>, &Fault)> {
        let problems = self.problems.iter();
        problems
            .map(|problem| (problem.place.line, &problem.fault))
            .collect()
    }
}

fn read_with(options: Options, bytes: &[u8]) -> Told {
    let mut told = Told::default();
    Reader::new(options).read(Path::new("file"), bytes, &mut |event| told.take(event));
    told
}

pub(crate) fn read(bytes: &[u8]) -> Told {
    read_with(Options::default(), bytes)
}

/// A hash of its own for each number.
fn hash(n: u8) -> String {
    hex::encode([n; 32])
}

/// A directory that is removed with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("mycnet-builds-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, options: Options) -> Told {
        let mut told = Told::default();
        Reader::new(options).read_path(&self.0, &mut |event| told.take(event));
        told
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
