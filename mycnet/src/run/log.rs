//! Warnings on stderr.

use std::io::{self, Write};

use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::out::Out;
use crate::output::plain_lines;

/// The default of `MYCNET_LOG`: what an operator should look at, and errors of other libraries.
const DEFAULT: &str = "error,mycnet=warn,mycnet_consensus=warn";

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

/// Starts to log, as `MYCNET_LOG` says.
pub(super) fn start(out: &Out) {
    let given = std::env::var("MYCNET_LOG").ok();
    let filter = given.and_then(|given| {
        let filter = given.parse::<Targets>().map_err(|error| {
            out.note(&format!(
                "MYCNET_LOG: {error}; expected a level, or pairs as in mycnet_consensus=debug,iroh=warn"
            ));
        });
        filter.ok()
    });
    let default = || DEFAULT.parse().expect("the default is well-formed");
    let log = out.log();
    // Without colours: whatever is no text here would come from somebody else.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || Plain(log.clone()))
        .with_ansi(false);
    // Only one subscriber can be set in a process, and this is the only place that sets one.
    let _ = tracing_subscriber::registry()
        .with(filter.unwrap_or_else(default))
        .with(layer)
        .try_init();
}
