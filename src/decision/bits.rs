//! Sets of electors as bits.

use serde_bytes::ByteBuf;

/// A set of electors: a bit for each one in the order of their keys, the lowest of a byte first.
#[derive(Debug, Clone)]
pub struct Bits(Vec<u8>);

impl Bits {
    /// Nobody of so many electors.
    pub fn none(electors: usize) -> Self {
        Self(vec![0; electors.div_ceil(8)])
    }

    /// Adds the elector in this place.
    pub fn set(&mut self, place: usize) {
        self.0[place / 8] |= 1 << (place % 8);
    }

    /// The bits.
    pub fn into_bytes(self) -> ByteBuf {
        ByteBuf::from(self.0)
    }
}

/// The places of the bits that are set; `None` if these are not bits of so many electors.
pub fn places(by: &[u8], electors: usize) -> Option<Vec<usize>> {
    let is_set = |place: &usize| by[place / 8] >> (place % 8) & 1 == 1;
    if by.len() != electors.div_ceil(8) {
        return None;
    }
    let (electors, beyond) = (0..electors, electors..8 * by.len());
    (!beyond.clone().any(|place| is_set(&place))).then(|| electors.filter(is_set).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_as_they_are_set_and_no_others() {
        for electors in [0, 1, 7, 8, 9, 16, 20] {
            let chosen: Vec<usize> = (0..electors).filter(|place| place % 3 == 0).collect();
            let mut bits = Bits::none(electors);
            for place in &chosen {
                bits.set(*place);
            }
            let by = bits.into_bytes();
            assert_eq!(places(&by, electors), Some(chosen));
            assert_eq!(places(&by, electors + 8), None, "too short");
        }
        assert_eq!(places(&[0b100], 2), None, "a bit beyond the electors");
    }
}
