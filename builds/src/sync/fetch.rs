//! One answer within bounds.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::KeyFault;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an answer may take, to its last byte.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// What is wrong with a rebuilderd or one of its answers, and where.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {fault}")]
pub struct SyncError {
    /// What was asked.
    pub url: String,
    /// What is wrong.
    pub fault: SyncFault,
}

/// What is wrong with a rebuilderd or one of its answers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncFault {
    /// No address of a rebuilderd.
    #[error("is no address of a rebuilderd, such as https://reproduce.debian.net/amd64/: {0}")]
    NotAnAddress(String),
    /// Nothing came, or not to the end.
    #[error("{0}")]
    Connection(String),
    /// An answer that says that there is none.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// A redirect, which is not followed.
    #[error("the server points to {0:?} instead; if you trust that address, name it")]
    Redirect(String),
    /// More bytes than such an answer has.
    #[error("the answer has more than {0} bytes, and was not read to its end")]
    TooLong(usize),
    /// An answer of another form.
    #[error("this is not what a rebuilderd answers: {0}")]
    NotRebuilderd(String),
    /// A key that cannot be used.
    #[error("the rebuilder's key {0}")]
    Key(KeyFault),
}

impl SyncFault {
    /// Whether it concerns this one answer, and not the server: the others can still be read.
    pub fn is_of_one_answer(&self) -> bool {
        match self {
            Self::Status(status) => !matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            Self::TooLong(_) | Self::NotRebuilderd(_) => true,
            Self::NotAnAddress(_) | Self::Connection(_) | Self::Redirect(_) | Self::Key(_) => false,
        }
    }

    /// The error of this address.
    pub(super) fn of(self, url: &impl ToString) -> SyncError {
        let url = url.to_string();
        SyncError { url, fault: self }
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
pub(super) async fn bytes(client: &Client, url: &Url, max: usize) -> Result<Vec<u8>, SyncError> {
    let read = read(client, url, max).await;
    read.map_err(|fault| fault.of(url))
}

async fn read(client: &Client, url: &Url, max: usize) -> Result<Vec<u8>, SyncFault> {
    let lost = |error: reqwest::Error| SyncFault::Connection(whole(&error.without_url()));
    let request = client.get(url.clone()).header(ACCEPT, "application/json");
    let mut answer = request.send().await.map_err(lost)?;
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).map(HeaderValue::as_bytes);
        let to = String::from_utf8_lossy(to.unwrap_or_default());
        return Err(SyncFault::Redirect(to.into_owned()));
    }
    if status != StatusCode::OK {
        return Err(SyncFault::Status(status));
    }
    if answer.content_length() > Some(max as u64) {
        return Err(SyncFault::TooLong(max));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        if bytes.len() + chunk.len() > max {
            return Err(SyncFault::TooLong(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// An answer in JSON.
pub(super) async fn json<T: DeserializeOwned>(
    client: &Client,
    url: &Url,
    max: usize,
) -> Result<T, SyncError> {
    let bytes = bytes(client, url, max).await?;
    let read = serde_json::from_slice(&bytes);
    read.map_err(|error| SyncFault::NotRebuilderd(error.to_string()).of(url))
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
