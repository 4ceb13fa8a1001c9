//! The side of a command that asks.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::check_path;
use super::route::{Sent, Verb};
use crate::builds::Ask;
use crate::failure::Failure;
use crate::home::Home;
use crate::request::Request;

/// How long a reply may take, beside the timeout of a `Wait`.
const DEADLINE: Duration = Duration::from_mins(1);

/// How long an export or import of a long past may take, or the first look at one.
const FILES_DEADLINE: Duration = Duration::from_hours(4);

/// Whether a node answers. A socket that this user cannot open is an error.
pub(crate) async fn is_answered(home: &Home) -> anyhow::Result<bool> {
    let path = home.socket();
    check_path(&path)?;
    match UnixStream::connect(&path).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(false),
            _ => Err(error).with_context(|| format!("the node's socket {}", path.display())),
        },
    }
}

/// Asks a running node.
pub(crate) async fn ask(home: &Home, request: &Request) -> Result<Value, Failure> {
    let deadline = match request {
        Request::Wait { timeout_ms, .. } => DEADLINE + Duration::from_millis(*timeout_ms),
        Request::Export { .. }
        | Request::ExportBundle { .. }
        | Request::ImportBundle { .. }
        | Request::Builds(Ask::Find { .. } | Ask::Report { .. } | Ask::Index { .. }) => {
            FILES_DEADLINE
        }
        _ => DEADLINE,
    };
    let gone = |what: &dyn std::fmt::Display| {
        let path = home.socket();
        Failure::failed(format!(
            "the node at {} gave no answer: {what}; if it has just stopped, ask again",
            path.display()
        ))
    };
    let sent = Sent::of(request)?;
    let (status, body) = match timeout(deadline, exchange(home, sent)).await {
        Ok(answer) => answer.map_err(|error| gone(&error))?,
        Err(_) => return Err(gone(&"it takes too long")),
    };
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|error| gone(&error));
    }
    Err(serde_json::from_slice(&body).unwrap_or_else(|_| gone(&status)))
}

async fn exchange(home: &Home, sent: Sent) -> Result<(StatusCode, Bytes), mycnet_ask::Error> {
    let method = match sent.verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
    };
    let body = sent.body.map(|body| body.to_string()).unwrap_or_default();
    mycnet_ask::ask(&home.socket(), method, &sent.address, body).await
}
