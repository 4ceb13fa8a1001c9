//! What a node can be asked about builds, and its answers.

use std::path::PathBuf;

use mycnet_builds::{Finding, Found, Question};
use mycnet_consensus::{ClaimItem, ClaimRule, Digest, NodeId, OperationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::index::IndexWritten;
use super::report::Reported;
use super::said::{About, Said};
use super::since::Since;
use crate::api::openapi::{Answer, schema};
use crate::failure::Failure;

/// A question or an order about builds.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Ask {
    /// Keep findings. The answer is [`Submitted`].
    Submit {
        findings: Vec<Sent>,
        /// The originals that the findings name, in hexadecimal.
        originals: Vec<String>,
        replace: bool,
    },
    /// Which of these items has a set asked already, sealed or not? The answer is a list of `bool`.
    Asked { items: Vec<ClaimItem> },
    /// Propose a set, unless one of its items was asked. The answer is [`Proposed`].
    Propose {
        subject: String,
        items: Vec<ClaimItem>,
        panel: Option<Vec<NodeId>>,
        rule: ClaimRule,
    },
    /// What waits, and what is asked. The answer is [`Overview`].
    Status,
    /// What an open or closed set asks, and what this node has of it. The answer is [`SetItems`].
    Set { operation: OperationId },
    /// Who gave which result? The answer is a list of [`Said`].
    Said(About),
    /// The signed original of this node's own result of an item, if there is one. The answer is hexadecimal digits or `null`.
    Original { item: ClaimItem, result: Digest },
    /// What sets say about builds. The answer is a list of [`Found`], one for each question.
    Find { questions: Vec<Question> },
    /// Who differed from whom in what. The answer is [`Reported`].
    Report { since: Since },
    /// Write an index into a file. The answer is [`IndexWritten`].
    Index { file: PathBuf, since: Since },
}

/// A finding as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    item: ClaimItem,
    result: Digest,
    /// The place of its original in the list beside it.
    original: Option<usize>,
}

/// Bytes of one request about findings at most, about: an original of the greatest length in hexadecimal, and as much again.
pub(crate) const ASK_BYTES: usize = 768 * 1024;

/// Findings in one request.
pub(crate) const ASK_FINDINGS: usize = 512;

/// Findings that are sent together. Several findings of one original share it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    findings: Vec<Sent>,
    originals: Vec<String>,
    last: Option<std::sync::Arc<[u8]>>,
    bytes: usize,
}

impl Batch {
    /// Whether a finding still fits.
    pub(crate) fn has_room_for(&self, finding: &Finding) -> bool {
        let original = finding.original.as_ref().map_or(0, |it| it.len());
        let bytes = self.bytes + size_of(&finding.item) + 2 * original;
        self.findings.is_empty() || (self.findings.len() < ASK_FINDINGS && bytes <= ASK_BYTES)
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.bytes += size_of(&finding.item);
        let original = finding.original.map(|original| {
            let is_last = self.last.as_ref() == Some(&original);
            if !is_last {
                self.bytes += 2 * original.len();
                self.originals.push(hex::encode(&original));
                self.last = Some(original);
            }
            self.originals.len() - 1
        });
        self.findings.push(Sent {
            item: finding.item,
            result: Digest::from_bytes(finding.result),
            original,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn ask(self, replace: bool) -> Ask {
        Ask::Submit {
            findings: self.findings,
            originals: self.originals,
            replace,
        }
    }
}

/// The bytes of an item or finding in a request, about.
pub(crate) fn size_of(item: &ClaimItem) -> usize {
    // What JSON writes around it, and twice the bytes of what it escapes.
    200 + 2 * (item.subject.len() + item.input.len())
}

/// Puts what was sent together again.
pub(super) fn findings(told: Vec<Sent>, originals: &[String]) -> Result<Vec<Finding>, Failure> {
    let bad = |error: &dyn std::fmt::Display| Failure::bad_data(format!("a finding: {error}"));
    let decoded = originals.iter().map(hex::decode);
    let decoded = decoded.collect::<Result<Vec<_>, _>>();
    let originals: Vec<std::sync::Arc<[u8]>> = decoded
        .map_err(|error| bad(&error))?
        .into_iter()
        .map(Into::into)
        .collect();
    let findings = told.into_iter().map(|told| {
        let original = told.original.map(|place| {
            let original = originals.get(place).cloned();
            original.ok_or_else(|| bad(&"its original is missing"))
        });
        Ok(Finding {
            item: told.item,
            result: *told.result.as_bytes(),
            original: original.transpose()?,
        })
    });
    findings.collect()
}

/// The schema of the answer to a question about builds.
pub(crate) fn answers(question: &str) -> Answer {
    match question {
        "submit" => schema::<Submitted>,
        "asked" => schema::<Vec<bool>>,
        "propose" => schema::<Proposed>,
        "status" => schema::<Overview>,
        "set" => schema::<SetItems>,
        "said" => schema::<Vec<Said>>,
        "original" => schema::<Option<String>>,
        "find" => schema::<Vec<Found>>,
        "report" => schema::<Reported>,
        "index" => schema::<IndexWritten>,
        other => unreachable!("{other} is no question about builds"),
    }
}

/// What came of findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Submitted {
    pub(crate) new: usize,
    pub(crate) known: usize,
    pub(crate) replaced: usize,
    /// By place in the request: why it was not taken.
    pub(crate) refused: Vec<(usize, String)>,
}

/// What came of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proposed {
    Operation(OperationId),
    /// This node has as many open proposals as it may have.
    Full {
        open: usize,
    },
}

/// What waits, and what is asked.
#[derive(Debug, Clone, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Overview {
    /// Results that no set has asked for, or that wait until they are committed.
    pub(crate) waiting: u64,
    /// Results that were committed to a set.
    pub(crate) committed: u64,
    /// The node's clock, in milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// Open sets in which this node votes.
    pub(crate) open: Vec<OpenSet>,
}

/// What a set asks, and what this node has of it.
#[derive(Debug, Clone, JsonSchema, Serialize, Deserialize)]
pub(crate) struct SetItems {
    pub(crate) operation: OperationId,
    pub(crate) subject: String,
    pub(crate) items: Vec<SetItem>,
}

/// An item of a set.
#[derive(Debug, Clone, JsonSchema, Serialize, Deserialize)]
pub(crate) struct SetItem {
    pub(crate) subject: String,
    /// In hexadecimal.
    pub(crate) input: String,
    /// The result in the node's book, with which it answers.
    pub(crate) result: Option<Digest>,
}

/// An open set in which this node votes.
#[derive(Debug, Clone, JsonSchema, Serialize, Deserialize)]
pub(crate) struct OpenSet {
    pub(crate) operation: OperationId,
    pub(crate) subject: String,
    pub(crate) phase: String,
    pub(crate) items: usize,
    /// Items of which the book has a result.
    pub(crate) known: usize,
    /// Whether this node has committed to it.
    pub(crate) is_committed: bool,
    /// When a running node commits what is known by then, in milliseconds since 1970; at once if all is known. None once it is too late,
    /// or this node has committed.
    pub(crate) commit_ms: Option<u64>,
}

/// Questions of every kind.
#[cfg(test)]
pub(crate) fn samples(operation: OperationId) -> Vec<Ask> {
    let item = ClaimItem {
        subject: "pkg:deb/debian/zsh@5.9-8?arch=amd64".into(),
        input: vec![1],
    };
    let result = Digest::from_bytes([1; 32]);
    let question = Question {
        subject: Some(item.subject.clone()),
        is_certain: true,
        result: None,
    };
    let mut batch = Batch::default();
    batch.add(Finding {
        item: item.clone(),
        result: [1; 32],
        original: Some(b"signed"[..].into()),
    });
    let items = vec![item.clone()];
    vec![
        batch.ask(true),
        Ask::Asked {
            items: items.clone(),
        },
        Ask::Propose {
            subject: "night".into(),
            items,
            panel: None,
            rule: ClaimRule::MAJORITY,
        },
        Ask::Status,
        Ask::Set { operation },
        Ask::Said(About::Result(result)),
        Ask::Original { item, result },
        Ask::Find {
            questions: vec![question],
        },
        Ask::Report {
            since: Since::Height(1),
        },
        Ask::Index {
            file: "/a".into(),
            since: Since::BeforeLastMs(1),
        },
    ]
}
