//! What a running node writes on its standard streams. Nobody who does not read them can stop it: threads of their own write the lines,
//! and what they cannot write soon enough is left out and counted.

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::output::plain_message;

/// Lines that wait to be written, for each stream.
const LINES_KEPT: usize = 4096;

/// A standard stream.
#[derive(Debug)]
struct Stream {
    lines: Mutex<NonBlocking>,
    missed: ErrorCounter,
    told: AtomicUsize,
    /// Writes what waits when it is dropped, if that can be written soon.
    _guard: WorkerGuard,
}

impl Stream {
    fn new(stream: impl io::Write + Send + 'static) -> Self {
        let (lines, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(LINES_KEPT)
            .finish(stream);
        Self {
            missed: lines.error_counter(),
            lines: Mutex::new(lines),
            told: AtomicUsize::new(0),
            _guard: guard,
        }
    }

    /// Gives a line to be written. `missed` makes the line that says how many were left out before.
    fn line(&self, text: &str, missed: impl FnOnce(usize) -> String) {
        // A poisoned lock: another thread panicked while it gave its line away. The next one is as good as any.
        let mut lines = self
            .lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = self.missed.dropped_lines();
        let told = self.told.swap(count, Ordering::Relaxed);
        let before = (count > told).then(|| missed(count - told));
        for text in before.iter().map(String::as_str).chain([text]) {
            // Each call is one line, which is taken or left out as a whole.
            let _ = lines.write_all(format!("{text}\n").as_bytes());
        }
    }
}

/// Both standard streams.
#[derive(Debug)]
pub(super) struct Out {
    out: Stream,
    err: Stream,
}

impl Out {
    pub(super) fn new() -> Self {
        Self {
            out: Stream::new(io::stdout()),
            err: Stream::new(io::stderr()),
        }
    }

    /// A line on standard output. A JSON object says in its own form how many came before it that nobody read.
    pub(super) fn line(&self, text: &str, is_json: bool) {
        self.out.line(text, |count| {
            if is_json {
                serde_json::json!({ "event": "missed", "count": count }).to_string()
            } else {
                format!("{count} lines were left out, because nobody read them")
            }
        });
    }

    /// A remark on standard error.
    pub(super) fn note(&self, text: &str) {
        let missed = |count| format!("note: {count} lines were left out, because nobody read them");
        self.err
            .line(&format!("note: {}", plain_message(text)), missed);
    }

    /// Where warnings of the log go.
    pub(super) fn log(&self) -> NonBlocking {
        let lines = self.err.lines.lock();
        lines
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
