//! Measures a piece of work and its raw baseline side by side and prints their ratio.
//!
//! Batches of both alternate within milliseconds, so that other work on the machine, its clock frequency and its caches
//! affect both alike. Interrupted batches are slow, so the figure is the ratio of the lower quartiles.
//! The median over the pairs is printed too, with its quartiles: on a quiet machine the two agree. Criterion measures its
//! groups one after the other and shows their spread; a ratio between them would include changes of the machine's load.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![allow(
    clippy::float_arithmetic,
    reason = "rates and ratios are for the reader"
)]

use std::time::{Duration, Instant};

use criterion::Criterion;

#[path = "time.rs"]
mod time;

pub(crate) use time::timed;

/// The least number of pairs of batches, however long they take.
const PAIRS_MIN: usize = 11;

/// A batch of work.
pub(crate) struct Side<F> {
    /// Its name in the printed line.
    pub(crate) name: &'static str,
    /// Items per batch.
    pub(crate) items: usize,
    /// Runs one batch and returns the time of its measured part: see [`timed`].
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

/// How to read the ratio of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ratio {
    /// Our rate over the baseline's; more is better.
    Rate,
    /// Our cost over the baseline's; less is better.
    Cost,
}

/// The target: a rate should be at least this, a cost at most this.
pub(crate) type Target = Option<f64>;

/// Compares `ours` with `bare`, prints the line, and returns the ratio.
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
        // The order alternates, so that the caches help both sides alike.
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
    let [our, its] = [&mut our_times, &mut bare_times].map(|times| quartiles(times)[0]);
    let (name, figure) = match ratio {
        Ratio::Rate => ("rate", its / our),
        Ratio::Cost => ("cost", our / its),
    };
    let verdict = match (ratio, target) {
        (_, None) => String::new(),
        (Ratio::Rate, Some(target)) => verdict(">=", target, figure >= target),
        (Ratio::Cost, Some(target)) => verdict("<=", target, figure <= target),
    };
    println!(
        "ratio  {title}: {name} x {figure:.3} (pairs {median:.3}, {low:.3}..{high:.3}, {}); {} {}, {} {}{verdict}",
        ratios.len(),
        ours.name,
        shown(our),
        bare.name,
        shown(its),
    );
    figure
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

/// The time for one comparison: `RATIO_MS`, in milliseconds.
fn budget() -> Duration {
    let ms = std::env::var("RATIO_MS").ok();
    Duration::from_millis(ms.and_then(|ms| ms.parse().ok()).unwrap_or(2_000))
}

/// Whether the benches only have to run once (`cargo bench -- --test`).
pub(crate) fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

/// Runs a bench's Criterion groups, unless `RATIOS=only`, and then its comparisons.
pub(crate) fn main(groups: impl FnOnce(&mut Criterion), ratios: impl FnOnce()) {
    if std::env::var("RATIOS").as_deref() != Ok("only") {
        // The comparisons are below; the groups show the spread of their parts.
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        groups(&mut criterion);
        criterion.final_summary();
    }
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        print!("load   {load}");
    }
    ratios();
}
