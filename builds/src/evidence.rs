//! What sets say about an item, whether it is read from the ledger or out of an index.

use std::fmt;

use mycnet_consensus::core::{ProvedItem, ShownOperation};
use mycnet_consensus::{Elector, NodeId, OperationId, Rejection};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The latest sets that are looked at for one question. Who asks again and again makes no question slow.
pub const EVIDENCE_MAX: usize = 32;

/// Bytes that people and JSON see as hexadecimal digits: results, inputs.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^([0-9a-f]{2})*$" })
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode(text).map(Self).map_err(de::Error::custom)
    }
}

/// What is to be known about one build.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What was built.
    pub subject: Option<String>,
    /// Whether the subject is certain. Otherwise a set that asked about another one, and was given the result, answers too.
    pub is_certain: bool,
    /// The result that it must have.
    pub result: Option<Hex>,
}

/// What is found about a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Sets that asked about it, in any order.
    pub about: Vec<Evidence>,
    /// Other subjects for which somebody gave the result, if nobody asked about the certain one: a file under a false name.
    pub known_as: Vec<String>,
}

/// What a set says about one of its items.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The set.
    pub operation: OperationId,
    /// The item's place in it, from 0.
    pub item: usize,
    /// The item's subject.
    pub subject: String,
    /// The item's input.
    pub input: Hex,
    /// What was decided; `None` as long as the set is open.
    pub decided: Option<Decision>,
}

/// What was decided about an item, and who gave which result before that.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The seal that decided it.
    pub height: u64,
    /// The ledger's result, if it has one.
    pub result: Option<Hex>,
    /// The results that were given, and by whom.
    pub answers: Vec<Answer>,
    /// Who was asked.
    pub electors: Vec<Elector>,
}

/// A result that was given.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The result.
    pub result: Hex,
    /// Who gave it, by the keys of then.
    pub by: Vec<NodeId>,
}

impl Evidence {
    /// What a decided set says about the item in this place; `None` if it has none there.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] if an answer is by nobody who was asked.
    pub fn of(set: &ShownOperation<'_>, item: usize) -> Result<Option<Self>, Rejection> {
        let Some(leaf) = set.items.get(item) else {
            return Ok(None);
        };
        let proved = ProvedItem::of(leaf, set.electors)?;
        let hex = |bytes: Vec<u8>| Hex(bytes);
        let answers = proved.answers.into_iter();
        let answers = answers.map(|(result, by)| Answer {
            result: hex(result.into_vec()),
            by,
        });
        Ok(Some(Self {
            operation: set.leaf.id,
            item,
            subject: proved.subject,
            input: hex(proved.input.into_vec()),
            decided: Some(Decision {
                height: set.leaf.height,
                result: proved.result.map(|result| hex(result.into_vec())),
                answers: answers.collect(),
                electors: set.electors.to_vec(),
            }),
        }))
    }

    /// Later ones last; those that are open after all that are decided.
    pub(crate) fn order(&self) -> (u64, OperationId) {
        let height = self.decided.as_ref().map_or(u64::MAX, |it| it.height);
        (height, self.operation)
    }
}
