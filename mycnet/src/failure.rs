//! Why a command failed, and which exit code says so.

use std::process::ExitCode;

use mycnet_consensus::core::Refusal;
use mycnet_consensus::engine::EngineError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exit codes, below every help.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  it failed while running: a file that cannot be opened, a disk that fails
   2  the command line was wrong
   3  refused by the network's rules: nothing was signed
   4  --wait ended before the operation was decided; the operation goes on
  65  the input's content was wrong; the message says where and what was expected";

/// What kind of failure it is: each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Something did not work.
    Failed,
    /// The command line does not fit the state of the node.
    Usage,
    /// The rules of the network refuse it.
    Refused,
    /// The waiting time ended before the operation was decided.
    Undecided,
    /// The input can be read but not used (`EX_DATAERR` of sysexits.h).
    BadData,
    /// There is no such thing here.
    NotFound,
    /// Whoever asks may not.
    Denied,
    /// The node has too much to do; ask again.
    Busy,
}

/// A failure as it travels from a running node to the command that asked, and on to the exit code.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// What was wrong, where, and what to do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::new(Kind::Failed, format!("{error:#}"))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(Kind::BadData, message)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(Refusal::Rejected(rejection)) => {
                let (code, text) = (rejection.code(), rejection.to_string());
                // Some texts begin with the code already.
                let said = text.strip_prefix(&format!("{code}: ")).unwrap_or(&text);
                Self::new(Kind::Refused, format!("refused ({code}): {said}"))
            }
            EngineError::Refused(refusal @ Refusal::Signer(_)) => Self::failed(refusal),
            EngineError::Refused(refusal) => {
                Self::new(Kind::Refused, format!("refused: {refusal}"))
            }
            EngineError::UnknownOperation(id) => Self::new(
                Kind::NotFound,
                format!(
                    "operation {id} is not known to this node (yet): `mycnet operations` lists the known ones"
                ),
            ),
            error => Self::failed(error),
        }
    }
}

/// A question was answered, on standard output, and the exit code says the answer too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has the exit code {0}")]
pub(crate) struct Answered(pub(crate) u8);

impl From<&anyhow::Error> for Failure {
    fn from(error: &anyhow::Error) -> Self {
        let kind = if error.is::<mycnet_replay::BadInput>() {
            Kind::BadData
        } else {
            let failure = error.downcast_ref::<Self>();
            failure.map_or(Kind::Failed, |failure| failure.kind)
        };
        Self::new(kind, format!("{error:#}"))
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(match kind {
            Kind::Failed | Kind::NotFound | Kind::Denied | Kind::Busy => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Undecided => 4,
            Kind::BadData => 65,
        })
    }
}
