//! Reads canonical DAG-CBOR in one pass and refuses everything else where it stands: numbers and lengths that are not in
//! their shortest form, indefinite lengths, names in another order or twice, tags and floats, and variants in a form that the
//! encoder does not give them.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Error as _, Expected, Unexpected, Visitor};

use super::error::CodecError;
use super::head;

/// The deepest nesting of arrays, maps and variants. The crate's types need a dozen levels; a tree of a document can have more.
const DEPTH_MAX: u32 = 128;

/// Which fields of a struct have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// All. A type all of whose fields are written has one encoding of each value then.
    All,
    /// Those that its type asks for; others have a default.
    Asked,
}

/// A deserializer over the bytes that are not read yet.
pub(super) struct Decoder<'de> {
    rest: &'de [u8],
    fields: Fields,
    depth: u32,
}

impl<'de> Decoder<'de> {
    pub(super) fn new(bytes: &'de [u8], fields: Fields) -> Self {
        Self {
            rest: bytes,
            fields,
            depth: 0,
        }
    }

    /// The bytes that are not read yet.
    pub(super) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    fn peek(&self) -> Result<u8, CodecError> {
        self.rest.first().copied().ok_or_else(head::end)
    }

    /// The number in the head of an item of this major type.
    fn head(&mut self, major: u8, expected: &dyn Expected) -> Result<u64, CodecError> {
        if self.peek()? >> 5 != major {
            return Err(self.unexpected(expected));
        }
        head::take(&mut self.rest).map(|(_, number)| number)
    }

    fn count(&mut self, major: u8, expected: &dyn Expected) -> Result<usize, CodecError> {
        let count = self.head(major, expected)?;
        // No item is shorter than a byte.
        let count = usize::try_from(count).ok();
        count
            .filter(|count| *count <= self.rest.len())
            .ok_or_else(head::end)
    }

    fn string(&mut self, major: u8, expected: &dyn Expected) -> Result<&'de [u8], CodecError> {
        let length = self.count(major, expected)?;
        let (content, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(content)
    }

    fn text(&mut self, expected: &dyn Expected) -> Result<&'de str, CodecError> {
        let content = self.string(head::TEXT, expected)?;
        std::str::from_utf8(content).map_err(|_| CodecError::custom("a text is not UTF-8"))
    }

    /// An item that is one byte.
    fn skip_byte(&mut self) {
        self.rest = &self.rest[1..];
    }

    fn unexpected(&self, expected: &dyn Expected) -> CodecError {
        let found = match self.rest.first() {
            None => return head::end(),
            Some(first) => match first >> 5 {
                head::UNSIGNED => "a number",
                head::NEGATIVE => "a negative number",
                head::BYTES => "bytes",
                head::TEXT => "a text",
                head::ARRAY => "an array",
                head::MAP => "a map",
                _ => "a value of another kind",
            },
        };
        CodecError::invalid_type(Unexpected::Other(found), expected)
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        if self.depth == DEPTH_MAX {
            return Err(CodecError::custom("nested too deep"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        let count = self.count(head::ARRAY, &visitor)?;
        self.nested(|decoder| {
            let mut items = Items {
                left: count,
                decoder,
            };
            let value = visitor.visit_seq(&mut items)?;
            match items.left {
                0 => Ok(value),
                left => Err(CodecError::invalid_length(
                    count,
                    &(count - left).to_string().as_str(),
                )),
            }
        })
    }

    /// Returns the number of entries too.
    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<(V::Value, usize), CodecError> {
        let count = self.count(head::MAP, &visitor)?;
        self.nested(|decoder| {
            let mut entries = Entries {
                left: count,
                last: None,
                decoder,
            };
            let value = visitor.visit_map(&mut entries)?;
            match entries.left {
                0 => Ok((value, count)),
                _ => Err(CodecError::custom("a map has more entries than expected")),
            }
        })
    }

    fn fields<V: Visitor<'de>>(
        &mut self,
        names: &[&str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        // The visitor refused unknown names, and names twice are refused below.
        let (value, count) = self.map(visitor)?;
        if self.fields == Fields::All && count != names.len() {
            return Err(CodecError::NotCanonical);
        }
        Ok(value)
    }
}

macro_rules! numbers {
    ($($method:ident),*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
                self.deserialize_i64(visitor)
            }
        )*
    };
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    // The visitor refuses what is out of its range.
    numbers!(
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32
    );

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.peek()? >> 5 != head::NEGATIVE {
            let number = self.head(head::UNSIGNED, &visitor)?;
            return visitor.visit_u64(number);
        }
        let number = i64::try_from(self.head(head::NEGATIVE, &visitor)?);
        let number = number.map_err(|_| CodecError::custom("a number below those of 64 bits"))?;
        visitor.visit_i64(!number)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let value = match self.peek()? {
            head::FALSE => false,
            head::TRUE => true,
            _ => return Err(self.unexpected(&visitor)),
        };
        self.skip_byte();
        visitor.visit_bool(value)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let text = self.text(&visitor)?;
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let bytes = self.string(head::BYTES, &visitor)?;
        visitor.visit_borrowed_bytes(bytes)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.peek()? != head::NULL {
            return visitor.visit_some(self);
        }
        self.skip_byte();
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.peek()? != head::NULL {
            return Err(self.unexpected(&visitor));
        }
        self.skip_byte();
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.array(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.array(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.array(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.map(visitor).map(|(value, _)| value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.fields(names, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        let is_alone = self.peek()? >> 5 == head::TEXT;
        if !is_alone && self.head(head::MAP, &visitor)? != 1 {
            return Err(CodecError::custom("a variant is a map of one"));
        }
        self.nested(|decoder| visitor.visit_enum(Variant { decoder, is_alone }))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let first = self.peek()?;
        match first >> 5 {
            head::UNSIGNED | head::NEGATIVE => self.deserialize_i64(visitor),
            head::BYTES => self.deserialize_bytes(visitor),
            head::TEXT => self.deserialize_str(visitor),
            head::ARRAY => self.array(visitor),
            head::MAP => self.deserialize_map(visitor),
            _ if first == head::NULL => self.deserialize_unit(visitor),
            _ => self.deserialize_bool(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
        Err(CodecError::custom("an unknown field"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
        Err(CodecError::custom("records hold no floats"))
    }
}

/// The elements of an array that are not read yet.
struct Items<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = CodecError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The entries of a map that are not read yet.
struct Entries<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    left: usize,
    last: Option<&'de str>,
}

impl<'de> de::MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let name = self.decoder.text(&"a name")?;
        let place = |name: &'de str| (name.len(), name);
        if self.last.is_some_and(|last| place(last) >= place(name)) {
            return Err(CodecError::NotCanonical);
        }
        self.last = Some(name);
        seed.deserialize(BorrowedStrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A variant: a name alone if it has no content, else a map of its name to its content.
struct Variant<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    is_alone: bool,
}

impl<'d, 'de> Variant<'d, 'de> {
    fn content(self) -> Result<&'d mut Decoder<'de>, CodecError> {
        if self.is_alone {
            return Err(CodecError::NotCanonical);
        }
        Ok(self.decoder)
    }
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), CodecError> {
        let name = seed.deserialize(&mut *self.decoder)?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;

    fn unit_variant(self) -> Result<(), CodecError> {
        if self.is_alone {
            Ok(())
        } else {
            Err(CodecError::NotCanonical)
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, CodecError> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.content()?.array(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.content()?.fields(names, visitor)
    }
}
