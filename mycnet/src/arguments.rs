//! Arguments that several commands take.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use mycnet_consensus::limits::PAYLOAD_BYTES_MAX;
use mycnet_consensus::{Ballot, Spore};

use crate::failure::Failure;

/// Digits that an abbreviated id has at least: fewer would soon mean something else.
const DIGITS_MIN: usize = 8;

fn digits(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(DIGITS_MIN..=64).contains(&text.len()) {
        return Err(format!(
            "an id has 64 hexadecimal digits, of which the first {DIGITS_MIN} or more are enough if only one id begins so"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// A node's id, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeArg(String);

/// An operation's id, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperationArg(String);

impl NodeArg {
    /// The digits given.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }
}

impl OperationArg {
    /// The digits given.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        digits(text).map(Self)
    }
}

impl FromStr for OperationArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        digits(text).map(Self)
    }
}

/// A payload: text as it stands, `@FILE`, or `hex:DIGITS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload(String);

impl FromStr for Payload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(digits) = text.strip_prefix("hex:") {
            hex::decode(digits).map_err(|error| format!("hex:…: {error}"))?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl Payload {
    /// The bytes.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has more bytes than any payload.
    pub(crate) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(path) = self.0.strip_prefix('@') {
            return read_file(Path::new(path), PAYLOAD_BYTES_MAX);
        }
        match self.0.strip_prefix("hex:") {
            Some(digits) => hex::decode(digits).context("hex:…"),
            None => Ok(self.0.clone().into_bytes()),
        }
    }
}

/// Reads a file of at most so many bytes; `-` is standard input.
///
/// # Errors
///
/// If it cannot be read, or has more.
pub(crate) fn read_file(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let place = path.display();
    let mut bytes = Vec::new();
    let bound = limit as u64 + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(bound).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(bound).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {place}"))?;
    if bytes.len() > limit {
        return Err(Failure::bad_data(format!("{place} has more than {limit} bytes")).into());
    }
    Ok(bytes)
}

/// A file that is written; `-` is standard output.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OutputFile {
    /// The file to write; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// A role, as it is written.
pub(crate) fn role(text: &str) -> Result<Spore, String> {
    match text {
        "primary" => Ok(Spore::Primary),
        "seed" => Ok(Spore::Seed),
        "latent" => Ok(Spore::Latent),
        _ => Err("a role is primary, seed or latent".to_owned()),
    }
}

/// A reason that says something.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a reason says why, for the others".to_owned());
    }
    Ok(text.to_owned())
}

/// How to vote, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// For it
    Approve,
    /// Against it
    Reject,
    /// Present, without a preference
    Abstain,
}

impl From<Choice> for Ballot {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Approve => Self::Approve,
            Choice::Reject => Self::Reject,
            Choice::Abstain => Self::Abstain,
        }
    }
}

/// Waiting for the outcome.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Waiting {
    /// Wait until the operation is closed, and print its outcome
    #[arg(long, global = true)]
    pub(crate) wait: bool,

    /// Wait so long at most; the exit code is 4 if it is not decided then
    #[arg(long, global = true, value_name = "SECONDS", requires = "wait")]
    timeout: Option<u64>,
}

impl Waiting {
    /// How long to wait, in milliseconds, if that was said.
    pub(crate) fn timeout_ms(self) -> Option<u64> {
        // Thirty years are as good as for ever, and far from any overflow.
        self.timeout.map(|seconds| seconds.min(1 << 30) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_be_abbreviated_but_not_to_nothing() {
        assert!("0123456".parse::<NodeArg>().is_err());
        assert!("01234567".parse::<NodeArg>().is_ok());
        assert!("0123456g".parse::<OperationArg>().is_err());
        assert!("0".repeat(65).parse::<OperationArg>().is_err());
        assert_eq!(
            "ABCDEF01".parse::<OperationArg>().unwrap().digits(),
            "abcdef01"
        );
    }

    #[test]
    fn payloads_are_text_or_digits() {
        let bytes = |text: &str| text.parse::<Payload>().unwrap().bytes().unwrap();
        assert_eq!(bytes("42"), b"42");
        assert_eq!(bytes("hex:002a"), [0, 42]);
        assert!("hex:0".parse::<Payload>().is_err());
    }
}
