//! One answer within bounds.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{ACCEPT, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::KeyFault;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an answer may take, to its last byte.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// What is wrong with a rebuilderd or one of its answers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// No address of a rebuilderd.
    #[error(
        "{text:?} is no address of a rebuilderd, such as https://reproduce.debian.net/amd64/: {why}"
    )]
    Address {
        /// What was given.
        text: String,
        /// Why not.
        why: String,
    },
    /// Nothing came, or not to the end.
    #[error("{url}: {why}")]
    Connection {
        /// What was asked.
        url: Url,
        /// What went wrong.
        why: String,
    },
    /// An answer that says that there is none.
    #[error("{url}: the server answered {status}")]
    Status {
        /// What was asked.
        url: Url,
        /// The status.
        status: StatusCode,
    },
    /// A redirect, which is not followed.
    #[error("{url}: the server points to {to:?} instead; if you trust that address, name it")]
    Redirect {
        /// What was asked.
        url: Url,
        /// Where it points.
        to: String,
    },
    /// More bytes than such an answer has.
    #[error("{url}: the answer has more than {max} bytes, and was not read to its end")]
    TooLong {
        /// What was asked.
        url: Url,
        /// How many bytes are read.
        max: usize,
    },
    /// An answer of another form.
    #[error("{url}: this is not what a rebuilderd answers: {why}")]
    NotRebuilderd {
        /// What was asked.
        url: Url,
        /// Why not.
        why: String,
    },
    /// A key that cannot be used.
    #[error("{url}: the rebuilder's key {fault}")]
    Key {
        /// What was asked.
        url: Url,
        /// What is wrong with it.
        fault: KeyFault,
    },
}

impl SyncError {
    /// Whether it concerns this one answer, and not the server: the others can still be read.
    pub fn is_of_one_answer(&self) -> bool {
        match self {
            Self::Status { status, .. } => !matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            Self::TooLong { .. } | Self::NotRebuilderd { .. } => true,
            Self::Address { .. }
            | Self::Connection { .. }
            | Self::Redirect { .. }
            | Self::Key { .. } => false,
        }
    }
}

/// A client that follows no redirect: what one server says must not lead to another.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    // It is there already if a node of this process has made connections.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("mycnet-builds/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIME)
        .timeout(ANSWER_TIME)
        .build()
}

/// The bytes of an answer.
pub(super) async fn bytes(client: &Client, url: Url, max: usize) -> Result<Vec<u8>, SyncError> {
    let lost = |error: reqwest::Error| SyncError::Connection {
        url: url.clone(),
        why: whole(&error.without_url()),
    };
    let too_long = || SyncError::TooLong {
        url: url.clone(),
        max,
    };
    let request = client.get(url.clone()).header(ACCEPT, "application/json");
    let mut answer = request.send().await.map_err(lost)?;
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION);
        let to = to.map_or_else(String::new, |to| {
            String::from_utf8_lossy(to.as_bytes()).into_owned()
        });
        return Err(SyncError::Redirect { url, to });
    }
    if status != StatusCode::OK {
        return Err(SyncError::Status { url, status });
    }
    if answer.content_length() > Some(max as u64) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        if bytes.len() + chunk.len() > max {
            return Err(too_long());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// An answer in JSON.
pub(super) async fn json<T: DeserializeOwned>(
    client: &Client,
    url: Url,
    max: usize,
) -> Result<T, SyncError> {
    let bytes = bytes(client, url.clone(), max).await?;
    serde_json::from_slice(&bytes).map_err(|error| SyncError::NotRebuilderd {
        url,
        why: error.to_string(),
    })
}

/// An error with its causes.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
