//! The log on stderr, as that of a node.

use std::env;
use std::io;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::command::note;

/// What is logged unless the environment says it.
const DEFAULT: &str = "error,mycnet_publish=warn";

/// Where the environment says what is logged, the first one first.
const FILTERS: [&str; 2] = ["MYCNET_LOG", "RUST_LOG"];

const FORMAT: &str = "MYCNET_LOG_FORMAT";

/// Starts to log, as the environment says.
pub(crate) fn start() {
    let filter = FILTERS
        .into_iter()
        .find_map(|name| Some((name, given(name)?)));
    let filter = filter.and_then(|(name, given)| {
        let filter = given.parse::<Targets>().map_err(|error| {
            note(&format!(
                "{name}: {error}; expected a level, or pairs as in mycnet_publish=debug,error"
            ));
        });
        filter.ok()
    });
    let default = || DEFAULT.parse().expect("the default is well-formed");
    let filter = filter.unwrap_or_else(default);
    let format = given(FORMAT);
    let is_json = format.as_deref() == Some("json");
    if !is_json && format.as_deref().is_some_and(|it| it != "text") {
        note(&format!("{FORMAT}: expected json or text; the log is text"));
    }
    let text = (!is_json).then(|| layer().with_writer(io::stderr).with_ansi(false));
    let json = is_json.then(|| layer().json().flatten_event(true).with_writer(io::stderr));
    // Only one subscriber can be set in a process, and this is the only place that sets one.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(text)
        .with(json)
        .try_init();
}

fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|given| !given.is_empty())
}
