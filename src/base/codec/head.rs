//! The first bytes of each item (RFC 8949, section 3): its major type and a number, which is its value or its length.

use super::error::CodecError;

pub(super) const UNSIGNED: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;

/// What the low five bits of a head say where they are no number: in how many bytes the number follows.
const IN_1: u8 = 0x18;
const IN_2: u8 = 0x19;
const IN_4: u8 = 0x1a;
const IN_8: u8 = 0x1b;

/// Items that are a head alone and hold no number.
pub(super) const FALSE: u8 = 0xf4;
pub(super) const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;

/// Appends a head in its shortest form.
#[allow(
    clippy::cast_possible_truncation,
    reason = "each arm's range fits what it writes"
)]
pub(super) fn write(bytes: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    match number {
        0..24 => bytes.push(major | number as u8),
        24..0x100 => bytes.extend_from_slice(&[major | IN_1, number as u8]),
        0x100..0x1_0000 => {
            bytes.push(major | IN_2);
            bytes.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            bytes.push(major | IN_4);
            bytes.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            bytes.push(major | IN_8);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Takes a head off the front of `rest`. Only its shortest form is accepted, and no indefinite length.
pub(super) fn take(rest: &mut &[u8]) -> Result<(u8, u64), CodecError> {
    let (&first, tail) = rest.split_first().ok_or_else(end)?;
    let (major, short) = (first >> 5, first & 0x1f);
    let (width, least) = match short {
        0..24 => (0, 0),
        IN_1 => (1, 24),
        IN_2 => (2, 0x100),
        IN_4 => (4, 0x1_0000),
        IN_8 => (8, 0x1_0000_0000),
        _ => return Err(CodecError::NotCanonical),
    };
    let (wide, tail) = tail.split_at_checked(width).ok_or_else(end)?;
    let number = match width {
        0 => short.into(),
        _ => wide.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    if number < least {
        return Err(CodecError::NotCanonical);
    }
    *rest = tail;
    Ok((major, number))
}

/// The error for bytes that end too early.
pub(super) fn end() -> CodecError {
    CodecError::Invalid("the bytes end too early".to_owned())
}
