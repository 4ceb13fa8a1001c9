//! Writes canonical DAG-CBOR into one buffer. Each value is written where it stays; only the fields of a map that come in
//! another order than that of their names are moved, once, when the map is complete.

use std::ops::Range;

use serde::ser::{self, Error as _, Serialize};

use super::error::CodecError;
use super::head;

/// A serializer that appends to a buffer.
pub(super) struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    /// The entries, each a name with its value, of the maps that are not complete; those of the outermost map first.
    entries: Vec<Range<usize>>,
    /// Space for sorting, kept for the next map.
    sorted: Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            bytes,
            entries: Vec::new(),
            sorted: Vec::new(),
        }
    }

    fn head(&mut self, major: u8, number: u64) {
        head::write(self.bytes, major, number);
    }

    fn string(&mut self, major: u8, content: &[u8]) {
        self.head(major, content.len() as u64);
        self.bytes.extend_from_slice(content);
    }

    fn open(&mut self, major: u8, count: Option<usize>) -> Collection<'_, 'a> {
        let start = self.bytes.len();
        if let Some(count) = count {
            self.head(major, count as u64);
        }
        Collection {
            major,
            start,
            stated: count,
            count: 0,
            key: start,
            first_entry: self.entries.len(),
            encoder: self,
        }
    }

    /// The beginning of a variant with content: a map of one.
    fn variant(&mut self, name: &str) {
        self.head(head::MAP, 1);
        self.string(head::TEXT, name.as_bytes());
    }

    /// Puts the entries from `first` on, with which the buffer ends, into the order of their names. The shorter name comes
    /// first, and it does among the encoded entries too, because these begin with the name's length.
    fn sort(&mut self, first: usize) {
        let bytes = &mut *self.bytes;
        let own = &mut self.entries[first..];
        if let Some(start) = own.first().map(|entry| entry.start)
            && !own.is_sorted_by(|a, b| bytes[a.clone()] < bytes[b.clone()])
        {
            own.sort_unstable_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
            self.sorted.clear();
            for entry in own {
                self.sorted.extend_from_slice(&bytes[entry.clone()]);
            }
            bytes[start..].copy_from_slice(&self.sorted);
        }
        self.entries.truncate(first);
    }
}

/// An array or map that is not complete yet.
pub(super) struct Collection<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    major: u8,
    /// Where it begins.
    start: usize,
    /// The number of its elements that its head states; without one, the head is written at last.
    stated: Option<usize>,
    count: usize,
    /// Where the entry begins that is being written.
    key: usize,
    first_entry: usize,
}

impl Collection<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.count += 1;
        value.serialize(&mut *self.encoder)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        self.key = self.encoder.bytes.len();
        key.serialize(&mut *self.encoder)?;
        match self.encoder.bytes.get(self.key).map(|first| first >> 5) {
            Some(head::TEXT) => Ok(()),
            _ => Err(CodecError::custom("a name in a map is not a text")),
        }
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.element(value)?;
        let entry = self.key..self.encoder.bytes.len();
        self.encoder.entries.push(entry);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), CodecError> {
        self.key = self.encoder.bytes.len();
        self.encoder.string(head::TEXT, name.as_bytes());
        self.value(value)
    }

    fn end(self) -> Result<(), CodecError> {
        if self.major == head::MAP {
            self.encoder.sort(self.first_entry);
        }
        match self.stated {
            Some(stated) if stated == self.count => Ok(()),
            Some(_) => Err(CodecError::custom("not as many elements as stated")),
            None => {
                let content = self.encoder.bytes.len();
                self.encoder.head(self.major, self.count as u64);
                let head = self.encoder.bytes.len() - content;
                self.encoder.bytes[self.start..].rotate_right(head);
                Ok(())
            }
        }
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty),*) => {
        $(
            fn $method(self, number: $number) -> Result<(), CodecError> {
                self.serialize_u64(number.into())
            }
        )*
    };
}

impl<'e, 'a> ser::Serializer for &'e mut Encoder<'a> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Collection<'e, 'a>;
    type SerializeTuple = Collection<'e, 'a>;
    type SerializeTupleStruct = Collection<'e, 'a>;
    type SerializeTupleVariant = Collection<'e, 'a>;
    type SerializeMap = Collection<'e, 'a>;
    type SerializeStruct = Collection<'e, 'a>;
    type SerializeStructVariant = Collection<'e, 'a>;

    numbers!(serialize_u8 u8, serialize_u16 u16, serialize_u32 u32);

    fn serialize_u64(self, number: u64) -> Result<(), CodecError> {
        self.head(head::UNSIGNED, number);
        Ok(())
    }

    fn serialize_i8(self, number: i8) -> Result<(), CodecError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<(), CodecError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<(), CodecError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<(), CodecError> {
        // A negative number `n` is written as `-1 - n`, which is what `!n` is.
        match u64::try_from(number) {
            Ok(number) => self.head(head::UNSIGNED, number),
            Err(_) => self.head(head::NEGATIVE, !number.cast_unsigned()),
        }
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), CodecError> {
        self.bytes
            .push(if value { head::TRUE } else { head::FALSE });
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), CodecError> {
        self.string(head::TEXT, text.as_bytes());
        Ok(())
    }

    fn serialize_char(self, character: char) -> Result<(), CodecError> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), CodecError> {
        self.string(head::BYTES, bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CodecError> {
        self.bytes.push(head::NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<(), CodecError> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        self.variant(name);
        value.serialize(self)
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Collection<'e, 'a>, CodecError> {
        Ok(self.open(head::ARRAY, count))
    }

    fn serialize_tuple(self, count: usize) -> Result<Collection<'e, 'a>, CodecError> {
        Ok(self.open(head::ARRAY, Some(count)))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        count: usize,
    ) -> Result<Collection<'e, 'a>, CodecError> {
        Ok(self.open(head::ARRAY, Some(count)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        count: usize,
    ) -> Result<Collection<'e, 'a>, CodecError> {
        self.variant(name);
        Ok(self.open(head::ARRAY, Some(count)))
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Collection<'e, 'a>, CodecError> {
        Ok(self.open(head::MAP, count))
    }

    fn serialize_struct(
        self,
        _: &'static str,
        count: usize,
    ) -> Result<Collection<'e, 'a>, CodecError> {
        Ok(self.open(head::MAP, Some(count)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        count: usize,
    ) -> Result<Collection<'e, 'a>, CodecError> {
        self.variant(name);
        Ok(self.open(head::MAP, Some(count)))
    }

    fn serialize_f32(self, _: f32) -> Result<(), CodecError> {
        Err(CodecError::custom("records hold no floats"))
    }

    fn serialize_f64(self, _: f64) -> Result<(), CodecError> {
        Err(CodecError::custom("records hold no floats"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! collection {
    ($($kind:ident $method:ident),*) => {
        $(
            impl ser::$kind for Collection<'_, '_> {
                type Ok = ();
                type Error = CodecError;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                    self.element(value)
                }

                fn end(self) -> Result<(), CodecError> {
                    Collection::end(self)
                }
            }
        )*
    };
}

collection!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

impl ser::SerializeMap for Collection<'_, '_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.value(value)
    }

    fn end(self) -> Result<(), CodecError> {
        Collection::end(self)
    }
}

macro_rules! fields {
    ($($kind:ident),*) => {
        $(
            impl ser::$kind for Collection<'_, '_> {
                type Ok = ();
                type Error = CodecError;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    name: &'static str,
                    value: &T,
                ) -> Result<(), CodecError> {
                    self.field(name, value)
                }

                fn end(self) -> Result<(), CodecError> {
                    Collection::end(self)
                }
            }
        )*
    };
}

fields!(SerializeStruct, SerializeStructVariant);
