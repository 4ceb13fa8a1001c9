//! Chance from a seed: the same seed, the same draws, on every machine.

use mycnet_consensus::internals::digest::SEEDED_KEY;

/// A sequence of numbers that a seed determines.
#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    next: u64,
}

impl Draws {
    /// The sequence of this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    /// A number in `0..end`. The remainder of 64 bits is even enough for this: nothing secret or fair hangs on it.
    ///
    /// # Panics
    ///
    /// If `end` is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let (seed, next) = (self.seed.to_le_bytes(), self.next.to_le_bytes());
        self.next += 1;
        let hash = SEEDED_KEY.hash_parts(&[b"replay delivery", &seed, &next]);
        let (first, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
        let remainder = u64::from_le_bytes(*first) % (end as u64);
        usize::try_from(remainder).expect("it is below a usize")
    }

    /// Puts items into an order of its own (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_alone_determines_an_order_of_all_items() {
        let order = |seed| {
            let mut items: Vec<usize> = (0..100).collect();
            Draws::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
