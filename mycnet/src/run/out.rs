//! What a running node writes on its standard streams. Nobody who does not read them can stop it: threads of their own write the lines,
//! and what they cannot write soon enough is left out and counted.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::output::plain_message;

/// The target of remarks in a log that is JSON. They are always logged.
pub(super) const REMARKS: &str = "mycnet::remarks";

/// Lines that wait to be written, for each stream.
const LINES_KEPT: usize = 4096;

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_millis(200);

/// A standard stream.
#[derive(Debug)]
struct Stream {
    lines: Mutex<NonBlocking>,
    missed: ErrorCounter,
    told: AtomicUsize,
    /// Writes what waits when it is dropped, if that can be written soon.
    guard: Option<WorkerGuard>,
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
            guard: Some(guard),
        }
    }

    /// How many lines were left out since this was asked last, if any were.
    fn missed(&self) -> Option<usize> {
        let count = self.missed.dropped_lines();
        let told = self.told.swap(count, Ordering::Relaxed);
        count.checked_sub(told).filter(|missed| *missed > 0)
    }

    /// Gives a line to be written. `missed` makes the line that says how many were left out before.
    fn line(&self, text: &str, missed: impl FnOnce(usize) -> String) {
        // A poisoned lock: another thread panicked while it gave its line away. The next one is as good as any.
        let mut lines = self
            .lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = self.missed().map(missed);
        for text in before.iter().map(String::as_str).chain([text]) {
            // Each call is one line, which is taken or left out as a whole.
            let _ = lines.write_all(format!("{text}\n").as_bytes());
        }
    }
}

impl Drop for Stream {
    #[allow(
        clippy::disallowed_methods,
        reason = "a thread of the command, and no part of the core"
    )]
    fn drop(&mut self) {
        let guard = self.guard.take();
        let (tell, told) = mpsc::channel();
        // It waits longer than a stop may take if nobody reads. The end of the process ends the thread.
        thread::spawn(move || {
            drop(guard);
            // Nobody may wait any more.
            let _ = tell.send(());
        });
        let _ = told.recv_timeout(LAST_LINES);
    }
}

/// Both standard streams.
#[derive(Debug)]
pub(super) struct Out {
    stdout: Stream,
    stderr: Stream,
    /// Whether standard error is JSON, remarks too.
    has_json_log: AtomicBool,
}

impl Out {
    pub(super) fn new() -> Self {
        Self {
            stdout: Stream::new(io::stdout()),
            stderr: Stream::new(io::stderr()),
            has_json_log: AtomicBool::new(false),
        }
    }

    /// A line on standard output. A JSON object says in its own form how many came before it that nobody read.
    pub(super) fn line(&self, text: &str, is_json: bool) {
        self.stdout.line(text, |count| {
            if is_json {
                serde_json::json!({ "event": "missed", "count": count }).to_string()
            } else {
                format!("{count} lines were left out, because nobody read them")
            }
        });
    }

    /// A remark on standard error.
    pub(super) fn note(&self, text: &str) {
        let missed = |count| format!("{count} lines were left out, because nobody read them");
        if self.has_json_log.load(Ordering::Relaxed) {
            if let Some(count) = self.stderr.missed() {
                tracing::warn!(target: REMARKS, "{}", missed(count));
            }
            tracing::warn!(target: REMARKS, "{text}");
        } else {
            let missed = |count| format!("note: {}", missed(count));
            self.stderr
                .line(&format!("note: {}", plain_message(text)), missed);
        }
    }

    /// From now on remarks are lines of the log, which is JSON.
    pub(super) fn remarks_to_log(&self) {
        self.has_json_log.store(true, Ordering::Relaxed);
    }

    /// Where warnings of the log go.
    pub(super) fn log(&self) -> NonBlocking {
        let lines = self.stderr.lines.lock();
        lines
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
