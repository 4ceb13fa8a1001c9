//! A value in the common form of CBOR, Automerge and JSON.
//!
//! A statement becomes a [`Tree`] through its canonical encoding and is put into a document field by field, under the same
//! names. The way back also ends in the canonical encoding. So the document holds everything that the encoding covers and
//! the record's id hashes.

mod cbor;

use std::collections::BTreeMap;
use std::fmt;

use automerge::hydrate;
use automerge::transaction::Transactable;
use automerge::{Automerge, ChangeHash, ObjId, ObjType, ReadDoc, ScalarValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::DocumentError;
use crate::base::codec;

/// The bound of integers in documents: JavaScript's numbers are exact up to here.
const INTEGER_END: i128 = 1 << 53;

/// A value without floats. CBOR's integers, of which documents accept those below 2^53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i128),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

/// The target of a value: a key of a map, or a position in a list.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Key(&'a str),
    Index(usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

impl From<u64> for Tree {
    fn from(number: u64) -> Self {
        Self::Int(number.into())
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8; 32]> for Tree {
    fn from(bytes: &[u8; 32]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl Tree {
    /// A map of these fields.
    pub(super) fn map<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Map(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// A value of this crate as a tree, through its canonical encoding.
    pub(super) fn of<T: Serialize>(value: &T) -> Self {
        codec::decode_unchecked(&codec::encode(value), usize::MAX)
            .expect("canonical encodings hold nothing but what a tree has")
    }

    /// The value from which [`Tree::of`] made this tree.
    pub(super) fn value<T: DeserializeOwned>(&self, place: &str) -> Result<T, DocumentError> {
        codec::decode_unchecked(&codec::encode(self), usize::MAX)
            .map_err(|error| DocumentError::unreadable(place, error.to_string()))
    }

    /// Removes a field from a map and returns it.
    pub(super) fn take(&mut self, name: &str) -> Result<Self, DocumentError> {
        match self {
            Self::Map(fields) => fields.remove(name),
            _ => None,
        }
        .ok_or_else(|| DocumentError::unreadable(name, "the field is missing"))
    }

    /// The fields of a map.
    pub(super) fn into_fields(self, place: &str) -> Result<BTreeMap<String, Self>, DocumentError> {
        match self {
            Self::Map(fields) => Ok(fields),
            _ => Err(DocumentError::unreadable(place, "not a map")),
        }
    }

    /// Writes the value into a document.
    pub(super) fn put<T: Transactable>(
        &self,
        transaction: &mut T,
        object: &ObjId,
        place: Place<'_>,
    ) -> Result<(), DocumentError> {
        match self {
            Self::List(items) => {
                let list = put_object(transaction, object, place, ObjType::List)?;
                items
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, item)| item.put(transaction, &list, Place::Index(index)))
            }
            Self::Map(fields) => {
                let map = put_object(transaction, object, place, ObjType::Map)?;
                fields
                    .iter()
                    .try_for_each(|(name, field)| field.put(transaction, &map, Place::Key(name)))
            }
            scalar => {
                let value = scalar.to_scalar(&place.to_string())?;
                match place {
                    Place::Key(key) => transaction.put(object, key, value)?,
                    Place::Index(index) => transaction.insert(object, index, value)?,
                }
                Ok(())
            }
        }
    }

    /// A scalar in the form of documents.
    pub(super) fn to_scalar(&self, place: &str) -> Result<ScalarValue, DocumentError> {
        Ok(match self {
            Self::Null => ScalarValue::Null,
            Self::Bool(value) => ScalarValue::Boolean(*value),
            Self::Int(number) => i64::try_from(*number)
                .ok()
                .filter(|number| i128::from(*number).abs() < INTEGER_END)
                .map(ScalarValue::Int)
                .ok_or_else(|| DocumentError::TooLarge {
                    place: place.to_owned(),
                })?,
            Self::Text(text) => ScalarValue::Str(text.as_str().into()),
            Self::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
            Self::List(_) | Self::Map(_) => {
                return Err(DocumentError::unreadable(place, "not a scalar"));
            }
        })
    }

    /// Reads an object of a document, now or at `heads`.
    pub(super) fn read(
        document: &Automerge,
        object: &ObjId,
        heads: Option<&[ChangeHash]>,
        place: &str,
    ) -> Result<Self, DocumentError> {
        Self::from_hydrated(&ReadDoc::hydrate(document, object, heads)?, place)
    }

    fn from_hydrated(value: &hydrate::Value, place: &str) -> Result<Self, DocumentError> {
        let in_conflict = |conflict: bool, key: &dyn fmt::Display| {
            if conflict {
                let place = format!("{place}.{key}");
                return Err(DocumentError::unreadable(place, "two values in conflict"));
            }
            Ok(())
        };
        match value {
            hydrate::Value::Scalar(scalar) => Self::from_scalar(scalar, place),
            hydrate::Value::Map(map) => map
                .iter()
                .map(|(key, entry)| {
                    in_conflict(entry.conflict, key)?;
                    let place = format!("{place}.{key}");
                    Ok((key.clone(), Self::from_hydrated(&entry.value, &place)?))
                })
                .collect::<Result<_, _>>()
                .map(Self::Map),
            hydrate::Value::List(list) => list
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    in_conflict(item.conflict, &index)?;
                    Self::from_hydrated(&item.value, place)
                })
                .collect::<Result<_, _>>()
                .map(Self::List),
            hydrate::Value::Text(_) => Err(DocumentError::unreadable(place, "collaborative text")),
        }
    }

    /// A scalar of a document, if documents here have its type.
    pub(super) fn from_scalar(scalar: &ScalarValue, place: &str) -> Result<Self, DocumentError> {
        Ok(match scalar {
            ScalarValue::Null => Self::Null,
            ScalarValue::Boolean(value) => Self::Bool(*value),
            ScalarValue::Int(number) => Self::Int((*number).into()),
            ScalarValue::Str(text) => Self::Text(text.to_string()),
            ScalarValue::Bytes(bytes) => Self::Bytes(bytes.clone()),
            _ => return Err(DocumentError::unreadable(place, "an unexpected type")),
        })
    }

    /// The value as JSON, with byte strings in hexadecimal.
    pub(super) fn into_json(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Int(number) => {
                i64::try_from(number).map_or_else(|_| Json::from(number.to_string()), Json::from)
            }
            Self::Text(text) => Json::String(text),
            Self::Bytes(bytes) => Json::String(hex::encode(bytes)),
            Self::List(items) => Json::Array(items.into_iter().map(Self::into_json).collect()),
            Self::Map(fields) => Json::Object(
                fields
                    .into_iter()
                    .map(|(name, field)| (name, field.into_json()))
                    .collect(),
            ),
        }
    }
}

fn put_object<T: Transactable>(
    transaction: &mut T,
    object: &ObjId,
    place: Place<'_>,
    kind: ObjType,
) -> Result<ObjId, DocumentError> {
    Ok(match place {
        Place::Key(key) => transaction.put_object(object, key, kind)?,
        Place::Index(index) => transaction.insert_object(object, index, kind)?,
    })
}
