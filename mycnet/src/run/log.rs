//! The log on stderr: warnings, and what was decided.

use std::env;
use std::io::{self, Write};

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::Notice;
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::out::{Out, REMARKS};
use crate::output::plain_lines;

/// What is logged unless the environment says it: what an operator should look at, and errors of other libraries.
const DEFAULT: &str = "error,mycnet=warn,mycnet_consensus=warn";

/// Where the environment says what is logged, the first one first.
const FILTERS: [&str; 2] = ["MYCNET_LOG", "RUST_LOG"];

const FORMAT: &str = "MYCNET_LOG_FORMAT";

/// Escapes in each entry what would move a terminal's cursor or could not be seen.
struct Plain(NonBlocking);

impl Write for Plain {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        self.0.write_all(plain_lines(&text).as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Starts to log, as the environment says.
pub(super) fn start(out: &Out) {
    let filter = FILTERS
        .into_iter()
        .find_map(|name| Some((name, given(name)?)));
    let filter = filter.and_then(|(name, given)| {
        let filter = given.parse::<Targets>().map_err(|error| {
            out.note(&format!(
                "{name}: {error}; expected a level, or pairs as in mycnet_consensus=debug,iroh=warn"
            ));
        });
        filter.ok()
    });
    let default = || DEFAULT.parse().expect("the default is well-formed");
    let filter = filter.unwrap_or_else(default);
    let format = given(FORMAT);
    let is_json = format.as_deref() == Some("json");
    if !is_json && format.as_deref().is_some_and(|it| it != "text") {
        out.note(&format!("{FORMAT}: expected json or text; the log is text"));
    }
    let log = out.log();
    // Without colours: whatever is no text here would come from somebody else. JSON has escapes of its own.
    let text = (!is_json).then(|| {
        layer()
            .with_writer(move || Plain(log.clone()))
            .with_ansi(false)
    });
    let json = is_json.then(|| layer().json().flatten_event(true).with_writer(out.log()));
    // Only one subscriber can be set in a process, and this is the only place that sets one.
    let _ = tracing_subscriber::registry()
        .with(filter.with_target(REMARKS, LevelFilter::WARN))
        .with(text)
        .with(json)
        .try_init();
    if is_json {
        out.remarks_to_log();
    }
}

fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|given| !given.is_empty())
}

/// Logs what a seal decided, and the seal itself for those who look closer.
pub(super) fn notice(notice: &Notice) {
    let Notice::Event(Event::Sealed {
        height,
        seal,
        applied,
    }) = notice
    else {
        return;
    };
    tracing::debug!(
        height,
        %seal,
        decided = applied.decided.len(),
        closed = applied.closed.len(),
        "sealed"
    );
    let known = || applied.touched.iter().chain(&applied.closed);
    let decided = applied.decided.iter();
    let decided = decided.filter_map(|id| known().find(|open| open.id() == *id));
    let decided = decided.map(|open| ("decided", open));
    let closed = applied.closed.iter().map(|open| ("closed", open));
    for (what, open) in decided.chain(closed) {
        let operation = open.operation();
        let outcome = open.decision().map(|decision| decision.outcome.to_string());
        tracing::info!(
            height,
            operation = %open.id(),
            kind = operation.kind(),
            subject = operation.subject(),
            outcome,
            "{what}"
        );
    }
}
