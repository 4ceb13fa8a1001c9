//! Measures several pieces of work side by side.
//!
//! Batches of all sides take turns, in an order that rotates, so that other work on the machine, its clock frequency and its caches
//! affect all alike. Disturbed batches are slow, so a figure is the lower quartile of a side's batches, as in the benches.

use std::time::{Duration, Instant};

/// The least number of batches of each side, however long they take.
const BATCHES_MIN: usize = 11;

/// A piece of work, done in batches.
pub(super) struct Side<'a> {
    /// Items per batch.
    items: usize,
    /// Runs one batch and returns the time of its measured part.
    batch: Box<dyn FnMut() -> Duration + 'a>,
}

impl<'a> Side<'a> {
    pub(super) fn new(items: usize, batch: impl FnMut() -> Duration + 'a) -> Self {
        Self {
            items,
            batch: Box::new(batch),
        }
    }
}

/// Runs batches of all sides in turn, for `budget` in all. Returns for each side the seconds per item.
pub(super) fn measure<const N: usize>(mut sides: [Side<'_>; N], budget: Duration) -> [f64; N] {
    let start = Instant::now();
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    let mut turns = 0;
    while turns < BATCHES_MIN || start.elapsed() < budget {
        for place in 0..N {
            let side = (turns + place) % N;
            let Side { items, batch } = &mut sides[side];
            let items = u32::try_from(*items).expect("batches are small");
            times[side].push(batch().as_secs_f64() / f64::from(items));
        }
        turns += 1;
    }
    times.map(lower_quartile)
}

fn lower_quartile(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() - 1) / 4]
}
