//! The side of a command that asks.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::check_path;
use crate::builds::Ask;
use crate::failure::Failure;
use crate::home::Home;
use crate::request::{Reply, Request};

/// Bytes of a reply at most: the largest certificate, in hexadecimal, and room for the rest.
const REPLY_BYTES_MAX: u64 = 160 * 1024 * 1024;

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
    let line = match timeout(deadline, exchange(home, request)).await {
        Ok(line) => line.map_err(|error| gone(&error))?,
        Err(_) => return Err(gone(&"it takes too long")),
    };
    match serde_json::from_slice(&line).map_err(|error| gone(&error))? {
        Reply::Ok(answer) => Ok(answer),
        Reply::Err(failure) => Err(failure),
    }
}

async fn exchange(home: &Home, request: &Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(home.socket()).await?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut reply = Vec::new();
    stream.take(REPLY_BYTES_MAX).read_to_end(&mut reply).await?;
    if reply.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(reply)
}
