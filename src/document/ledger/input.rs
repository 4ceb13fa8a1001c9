//! A seal's changes, in the form that the ledger document takes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::tree::Tree;
use crate::base::digest::{NodeId, OperationId, SealId};
use crate::members::roster::MemberLine;
use crate::statement::operation::{Ballot, Class, Outcome};

/// Longest result of a claim, in bytes, in the ledger document. The document's history keeps results for ever, so
/// longer results are only in the operation's document.
const RESULT_BYTES_SHOWN: usize = 256;

/// An operation's entry in the ledger document.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationEntry {
    /// The kind's name, see [`crate::statement::operation::ConsensusOperation::kind`].
    pub kind: Cow<'static, str>,
    /// The class that decides it.
    pub class: Class,
    /// Its present phase.
    pub phase: Cow<'static, str>,
    /// Its subject for people: a policy's name, a member's key, a claim's subject.
    pub subject: String,
    /// Its outcome, once it is decided.
    pub outcome: Option<Outcome>,
}

impl OperationEntry {
    /// The fields, written by the seal of `height`.
    pub(super) fn tree(&self, height: u64) -> Tree {
        let mut fields = BTreeMap::from([
            ("height".to_owned(), Tree::from(height)),
            ("kind".to_owned(), Tree::from(&*self.kind)),
            ("class".to_owned(), Tree::of(&self.class)),
            ("phase".to_owned(), Tree::from(&*self.phase)),
            ("subject".to_owned(), Tree::from(self.subject.as_str())),
        ]);
        if let Some(outcome) = &self.outcome {
            let name = match outcome {
                Outcome::NoQuorum => "no_quorum",
                Outcome::Decided(Ballot::Approve) => "approve",
                Outcome::Decided(Ballot::Reject) => "reject",
                Outcome::Decided(Ballot::Abstain) => "abstain",
                Outcome::Decided(Ballot::Result(_)) => "result",
                Outcome::Decided(Ballot::Results(_)) => "results",
            };
            fields.insert("outcome".to_owned(), Tree::from(name));
        }
        if let Some(Outcome::Decided(Ballot::Results(results))) = &self.outcome {
            let decided = results.iter().flatten().count();
            for (name, count) in [("items", results.len()), ("items_decided", decided)] {
                fields.insert(name.to_owned(), Tree::from(count as u64));
            }
        }
        if let Some(Outcome::Decided(Ballot::Result(bytes))) = &self.outcome {
            let length = Tree::from(bytes.len() as u64);
            fields.insert("result_bytes".to_owned(), length);
            if bytes.len() <= RESULT_BYTES_SHOWN {
                fields.insert("result".to_owned(), Tree::Bytes(bytes.clone()));
            }
        }
        Tree::Map(fields)
    }
}

/// The changes of one seal and nothing else: the document's cost follows the length of these lists.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerChange {
    /// The seal's height, from 1.
    pub height: u64,
    /// The seal's time, milliseconds since 1970.
    pub time_ms: u64,
    /// The seal.
    pub seal: SealId,
    /// Members whose entry changed; `None` for those that left.
    pub roster: Vec<(NodeId, Option<MemberLine>)>,
    /// Parameters that changed. Unchanged values are not written again.
    pub params: Vec<(String, u64)>,
    /// Keys of the configuration that changed; `None` for removed ones.
    #[serde(with = "values")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<(String, Option<String>)>"))]
    pub config: Vec<(String, Option<Vec<u8>>)>,
    /// Operations that opened, changed their phase or were decided.
    pub operations: Vec<(OperationId, OperationEntry)>,
}

impl LedgerChange {
    /// How many entries it changes, with the seal itself.
    pub fn entries(&self) -> usize {
        1 + self.roster.len() + self.params.len() + self.config.len() + self.operations.len()
    }
}

/// Values of the configuration as byte strings, in text as hexadecimal digits. A plain `Vec<u8>` would become a list of numbers.
mod values {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    type Values = Vec<(String, Option<Vec<u8>>)>;

    pub(super) fn serialize<S: Serializer>(
        values: &Values,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let values = values.iter();
            let values = values.map(|(key, value)| (key, value.as_ref().map(hex::encode)));
            return serializer.collect_seq(values);
        }
        let values: Vec<(&String, Option<&Bytes>)> = values
            .iter()
            .map(|(key, value)| (key, value.as_deref().map(Bytes::new)))
            .collect();
        values.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Values, D::Error> {
        if deserializer.is_human_readable() {
            let values: Vec<(String, Option<String>)> = Vec::deserialize(deserializer)?;
            let bytes = |digits: String| hex::decode(digits).map_err(D::Error::custom);
            let values = values.into_iter();
            let values = values.map(|(key, value)| Ok((key, value.map(bytes).transpose()?)));
            return values.collect();
        }
        let values: Vec<(String, Option<ByteBuf>)> = Vec::deserialize(deserializer)?;
        let values = values.into_iter();
        Ok(values
            .map(|(key, value)| (key, value.map(ByteBuf::into_vec)))
            .collect())
    }
}
