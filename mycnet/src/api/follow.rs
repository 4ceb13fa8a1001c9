//! The side that follows the events of a running node.

use mycnet_ask::{Error, Events};
use serde_json::Value;

use crate::failure::Failure;
use crate::home::Home;

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Following(Events);

/// Why there are no more events.
#[derive(Debug)]
pub(crate) enum Over {
    /// The node is not there, or not any more.
    Gone,
    Refused(Failure),
}

impl From<Error> for Over {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(_, body) => {
                let failure = serde_json::from_slice(&body);
                Self::Refused(failure.unwrap_or_else(|_| {
                    Failure::failed("the node has no events: it may be of another version than this command; restart it")
                }))
            }
            Error::TooLong | Error::Address(_) => Self::Refused(Failure::failed(error)),
            _ => Self::Gone,
        }
    }
}

impl Following {
    /// Begins after an event; after the present ones unless one is named.
    pub(crate) async fn begin(home: &Home, since: Option<&str>) -> Result<Self, Over> {
        Ok(Self(Events::begin(&home.socket(), since).await?))
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Result<Value, Over> {
        loop {
            if let Some(data) = self.0.next().await? {
                let value = serde_json::from_slice(&data);
                return value.map_err(|error| Over::Refused(Failure::failed(error)));
            }
        }
    }
}
