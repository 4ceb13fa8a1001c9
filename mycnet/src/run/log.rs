//! Warnings on stderr.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::output::note;

/// What is logged unless `MYCNET_LOG` says otherwise: what an operator should look at, and of other libraries what is broken.
const DEFAULT: &str = "error,mycnet=warn,mycnet_consensus=warn";

/// Starts to log, as `MYCNET_LOG` says.
pub(super) fn start() {
    let given = std::env::var("MYCNET_LOG").ok();
    let filter = match given.as_deref().map(str::parse::<Targets>) {
        Some(Ok(filter)) => filter,
        Some(Err(error)) => {
            note(&format!(
                "MYCNET_LOG: {error}; expected a level, or pairs as in mycnet_consensus=debug,iroh=warn"
            ));
            DEFAULT.parse().expect("the default is well-formed")
        }
        None => DEFAULT.parse().expect("the default is well-formed"),
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // Only one can be started in a process, and this is the only place.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
}
