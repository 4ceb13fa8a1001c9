//! Warnings on stderr.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::out::Out;

/// The default of `MYCNET_LOG`: what an operator should look at, and errors of other libraries.
const DEFAULT: &str = "error,mycnet=warn,mycnet_consensus=warn";

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
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(out.log())
        .with_ansi(io::stderr().is_terminal());
    // Only one subscriber can be set in a process, and this is the only place that sets one.
    let _ = tracing_subscriber::registry()
        .with(filter.unwrap_or_else(default))
        .with(layer)
        .try_init();
}
