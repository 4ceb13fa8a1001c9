//! Measures a piece of work and its raw baseline side by side and prints their ratio.
//!
//! Batches of both alternate within milliseconds, so that other work on the machine, its clock frequency and its caches
//! meet both alike; the figure is the median over the pairs, with its quartiles. Criterion measures each group once, one
//! after the other, and shows how they spread; a ratio between its groups would mix in what the machine did meanwhile.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![allow(
    clippy::float_arithmetic,
    reason = "rates and ratios are for the reader"
)]

use std::time::{Duration, Instant};

use criterion::Criterion;

/// Pairs of batches at least, however long they take.
const PAIRS_MIN: usize = 11;

/// A batch of work: what it takes for how many items.
pub(crate) struct Side<F> {
    /// What it is called in the line.
    pub(crate) name: &'static str,
    /// Items per batch.
    pub(crate) items: usize,
    /// Runs one batch and says how long the part that counts took: see [`timed`].
    pub(crate) batch: F,
}

impl<F: FnMut() -> Duration> Side<F> {
    pub(crate) fn new(name: &'static str, items: usize, batch: F) -> Self {
        Self { name, items, batch }
    }

    /// Seconds per item of one batch.
    fn run(&mut self) -> f64 {
        let items = u32::try_from(self.items).expect("batches are small");
        (self.batch)().as_secs_f64() / f64::from(items)
    }
}

/// What the ratio of a comparison is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ratio {
    /// Our rate over the baseline's; more is better.
    Rate,
    /// Our cost over the baseline's; less is better.
    Cost,
}

/// What the ratio should be: at least this for rates, at most this for costs.
pub(crate) type Target = Option<f64>;

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

/// Compares `ours` with `bare` and prints the line. Gives the ratio.
pub(crate) fn compare(
    title: &str,
    ratio: Ratio,
    target: Target,
    mut ours: Side<impl FnMut() -> Duration>,
    mut bare: Side<impl FnMut() -> Duration>,
) -> f64 {
    let start = Instant::now();
    let (mut our_times, mut bare_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let is_enough = |pairs: usize| is_test() || (pairs >= PAIRS_MIN && start.elapsed() >= budget());
    loop {
        // Which goes first alternates, so that what a batch leaves in the caches evens out.
        let (our, its) = if ratios.len() % 2 == 0 {
            let our = ours.run();
            (our, bare.run())
        } else {
            let its = bare.run();
            (ours.run(), its)
        };
        our_times.push(our);
        bare_times.push(its);
        ratios.push(match ratio {
            Ratio::Rate => its / our,
            Ratio::Cost => our / its,
        });
        if is_enough(ratios.len()) {
            break;
        }
    }
    let [low, median, high] = quartiles(&mut ratios);
    let verdict = match (ratio, target) {
        (_, None) => String::new(),
        (Ratio::Rate, Some(target)) => verdict(">=", target, median >= target),
        (Ratio::Cost, Some(target)) => verdict("<=", target, median <= target),
    };
    let name = match ratio {
        Ratio::Rate => "rate",
        Ratio::Cost => "cost",
    };
    println!(
        "ratio  {title}: {name} x {median:.3} ({low:.3}..{high:.3}, {} pairs); {} {}, {} {}{verdict}",
        ratios.len(),
        ours.name,
        shown(quartiles(&mut our_times)[1]),
        bare.name,
        shown(quartiles(&mut bare_times)[1]),
    );
    median
}

fn verdict(sign: &str, target: f64, is_met: bool) -> String {
    let met = if is_met { "met" } else { "MISSED" };
    format!("; target {sign} {target}: {met}")
}

fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn shown(seconds: f64) -> String {
    format!("{:.3} µs", seconds * 1e6)
}

/// How long one comparison may take: `RATIO_MS`, in milliseconds.
fn budget() -> Duration {
    let ms = std::env::var("RATIO_MS").ok();
    Duration::from_millis(ms.and_then(|ms| ms.parse().ok()).unwrap_or(2_000))
}

/// Whether the benches are only to be tried (`cargo bench -- --test`).
pub(crate) fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

/// Runs a bench's Criterion groups, unless `RATIOS=only`, and then its comparisons.
pub(crate) fn main(groups: impl FnOnce(&mut Criterion), ratios: impl FnOnce()) {
    if cfg!(feature = "sim") {
        println!("note: with the feature `sim` signatures may be remembered; measure without it");
    }
    if std::env::var("RATIOS").as_deref() != Ok("only") {
        let mut criterion = Criterion::default().configure_from_args();
        groups(&mut criterion);
        criterion.final_summary();
    }
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        print!("load   {load}");
    }
    ratios();
}
