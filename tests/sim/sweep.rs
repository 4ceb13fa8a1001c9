//! Runs a test for many seeds, on all processors.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a long sweep says how far it is.
const TELLS_EVERY: Duration = Duration::from_mins(1);

/// Whether seeds were chosen from outside.
pub fn is_chosen() -> bool {
    chosen().is_some()
}

fn chosen() -> Option<Range<u64>> {
    let number = |text: &str| -> u64 { text.parse().expect("a seed is a number") };
    if let Ok(seed) = std::env::var("MYCNET_SEED") {
        let seed = number(&seed);
        return Some(seed..seed + 1);
    }
    let range = std::env::var("MYCNET_SEEDS").ok()?;
    let (first, end) = range
        .split_once("..")
        .expect("MYCNET_SEEDS is `first..end`");
    Some(number(first)..number(end))
}

/// The seeds of a test: those that `MYCNET_SEED` or `MYCNET_SEEDS` names, else the first `slice`.
pub fn seeds(slice: u64) -> Range<u64> {
    chosen().unwrap_or(0..slice)
}

/// Plays every seed and gives what comes of it to `take`, in no order. Tells of a failure at once, and goes on.
///
/// # Panics
///
/// At the end, if any seed failed, by an error or a panic.
pub fn sweep<T: Send>(
    seeds: Range<u64>,
    play: impl Fn(u64) -> Result<T, String> + Sync,
    take: impl FnMut(T) + Send,
) {
    struct Sweep<F> {
        left: Range<u64>,
        take: F,
        failures: Vec<String>,
        told: Instant,
    }
    let start = Instant::now();
    let sweep = Mutex::new(Sweep {
        left: seeds,
        take,
        failures: Vec::new(),
        told: start,
    });
    let work = || {
        loop {
            let Some(seed) = sweep.lock().unwrap().left.next() else {
                return;
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| play(seed)));
            let mut sweep = sweep.lock().unwrap();
            match outcome.unwrap_or_else(|panic| Err(said(&*panic))) {
                Ok(seen) => (sweep.take)(seen),
                Err(broken) => {
                    let line = format!("MYCNET_SEED={seed} repeats this: {broken}");
                    eprintln!("{line}");
                    sweep.failures.push(line);
                }
            }
            if sweep.told.elapsed() >= TELLS_EVERY {
                sweep.told = Instant::now();
                let next = sweep.left.start;
                eprintln!("after {:?}: next is seed {next}", start.elapsed());
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let failures = sweep.into_inner().unwrap().failures;
    assert!(failures.is_empty(), "{failures:#?}");
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
