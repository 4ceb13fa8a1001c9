//! JSON within bounds, and its canonical form.
//!
//! The canonical form is that of in-toto (OLPC): keys sorted by their code points, no white space, and in texts only `"` and `\`
//! escaped. It has no floating-point numbers. A key that stands twice is refused, because readers differ in which one they take,
//! and a signature would cover only one of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::event::Quoted;
use super::limits::JSON_DEPTH_MAX;

/// A value of JSON that has a canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits, with or without sign.
    Integer(i128),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// JSON that is not read. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// No JSON, or cut off.
    #[error("is no JSON: {0}")]
    Syntax(String),
    /// Values that contain one another too often.
    #[error(
        "values of JSON contain one another more than {JSON_DEPTH_MAX} times (column {column})"
    )]
    TooDeep {
        /// Where on the line.
        column: usize,
    },
    /// A key that stands twice in an object.
    #[error("the key {} stands twice in an object (column {column})", Quoted(.key))]
    KeyTwice {
        /// The key.
        key: String,
        /// Where on the line.
        column: usize,
    },
    /// A number that is not whole, or too large.
    #[error(
        "a number is not whole or does not fit 64 bits (column {column}): it has no canonical form"
    )]
    Float {
        /// Where on the line.
        column: usize,
    },
}

impl Json {
    /// Reads one value, and nothing after it.
    ///
    /// # Errors
    ///
    /// [`JsonFault`], with the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, (u64, JsonFault)> {
        let why = Cell::new(Why::Syntax);
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let seed = Bounded {
            depth: 0,
            why: &why,
        };
        let read = seed.deserialize(&mut reader);
        let read = read.and_then(|value| reader.end().map(|()| value));
        read.map_err(|error| {
            let column = error.column();
            let fault = match why.take() {
                Why::Syntax => JsonFault::Syntax(error.to_string()),
                Why::TooDeep => JsonFault::TooDeep { column },
                Why::KeyTwice(key) => JsonFault::KeyTwice { key, column },
                Why::Float => JsonFault::Float { column },
            };
            (error.line() as u64, fault)
        })
    }

    /// The canonical form.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut written = Vec::new();
        self.write(&mut written);
        written
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Null => to.extend(b"null"),
            Self::Bool(true) => to.extend(b"true"),
            Self::Bool(false) => to.extend(b"false"),
            Self::Integer(number) => to.extend(number.to_string().bytes()),
            Self::Text(text) => write_text(text, to),
            Self::List(values) => {
                to.push(b'[');
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        to.push(b',');
                    }
                    value.write(to);
                }
                to.push(b']');
            }
            Self::Object(values) => {
                to.push(b'{');
                for (n, (key, value)) in values.iter().enumerate() {
                    if n > 0 {
                        to.push(b',');
                    }
                    write_text(key, to);
                    to.push(b':');
                    value.write(to);
                }
                to.push(b'}');
            }
        }
    }

    /// The value of a key, if this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.object()?.get(key)
    }

    /// The text, if this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if this is an object.
    pub(crate) fn object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(values) => Some(values),
            _ => None,
        }
    }

    /// An object of these entries.
    pub(crate) fn object_of<const N: usize>(entries: [(&str, Self); N]) -> Self {
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        Self::Object(entries.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            to.push(b'\\');
        }
        to.push(byte);
    }
    to.push(b'"');
}

/// Why reading stopped: an error of serde holds only text.
#[derive(Default)]
enum Why {
    #[default]
    Syntax,
    TooDeep,
    KeyTwice(String),
    Float,
}

/// Reads a value at a depth.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    depth: usize,
    why: &'a Cell<Why>,
}

impl Bounded<'_> {
    fn stop<T, E: serde::de::Error>(self, why: Why) -> Result<T, E> {
        self.why.set(why);
        Err(E::custom("refused"))
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == JSON_DEPTH_MAX {
            return self.stop(Why::TooDeep);
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Json, E> {
        self.stop(Why::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let seed = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = values.next_element_seed(seed)? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let seed = self.deeper()?;
        let mut object = BTreeMap::new();
        while let Some(key) = values.next_key::<String>()? {
            if object.contains_key(&key) {
                self.why.set(Why::KeyTwice(key));
                return Err(A::Error::custom("refused"));
            }
            object.insert(key, values.next_value_seed(seed)?);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests;
