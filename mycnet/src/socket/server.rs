//! The node's side.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mycnet_consensus::node::Node;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::check_path;
use crate::answer::answer;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::request::{REQUEST_BYTES_MAX, Reply, Request};

/// Commands that are answered at once; the next one waits.
const CONNECTIONS_MAX: usize = 32;

/// Commands beside these that wait for an operation, which can take days and costs the node next to nothing.
const WAITS_MAX: usize = 256;

/// How long a command may take to say what it wants.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// How long a command may take to read its answer, which can have megabytes.
const REPLY_DEADLINE: Duration = Duration::from_mins(1);

/// The socket of a running node. It goes with the node.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Makes the socket. To be called with the node's databases open: their lock says that no other node runs here, so that a
    /// socket that is there was left behind by one that was killed.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn bind(home: &Home) -> anyhow::Result<Self> {
        let path = home.socket();
        check_path(&path)?;
        let bound = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => UnixListener::bind(&path),
        };
        let listener =
            bound.with_context(|| format!("cannot make the socket {}", path.display()))?;
        let secured = fs::set_permissions(&path, Permissions::from_mode(0o600));
        let owner = secured.and_then(|()| fs::metadata(&path)).map(|m| m.uid());
        let owner = owner.with_context(|| format!("the socket {}", path.display()))?;
        Ok(Self {
            listener,
            path,
            owner,
        })
    }

    /// Answers until the future is dropped.
    pub(crate) async fn serve(&self, node: &Node) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let waits = Arc::new(Semaphore::new(WAITS_MAX));
        // Whoever is still being answered when the node stops is cut off with it.
        let mut answering = JoinSet::new();
        loop {
            let place = places.clone().acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, say: it passes, and must not be asked for a million times a second.
                    tracing::warn!(%error, "the control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let user = stream.peer_cred().map(|credentials| credentials.uid());
            if !user.is_ok_and(|user| user == self.owner || user == 0) {
                tracing::warn!("somebody else than the owner at the control socket");
                continue;
            }
            let (node, waits) = (node.clone(), waits.clone());
            answering.spawn(async move {
                if let Err(error) = one(&node, stream, place, &waits).await {
                    tracing::debug!(%error, "a command went away");
                }
            });
            while answering.try_join_next().is_some() {}
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // One that stays behind harms nobody: the next node replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers one command. It holds its place meanwhile, unless it waits.
async fn one(
    node: &Node,
    mut stream: UnixStream,
    place: OwnedSemaphorePermit,
    waits: &Arc<Semaphore>,
) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    let mut bounded = (&mut read).take(REQUEST_BYTES_MAX as u64 + 1);
    let asked = timeout(REQUEST_DEADLINE, bounded.read_until(b'\n', &mut line));
    asked.await.map_err(io::Error::other)??;
    if line.is_empty() {
        // It only looked whether a node runs.
        return Ok(());
    }
    let request = parse(&line);
    let place = match &request {
        Ok(Request::Wait { .. }) => {
            drop(place);
            waits.clone().try_acquire_owned().ok()
        }
        _ => Some(place),
    };
    let result: Result<Value, Failure> = match request {
        Ok(_) if place.is_none() => Err(Failure::failed(format!(
            "{WAITS_MAX} commands are waiting for operations already; this one goes on without being waited for"
        ))),
        Ok(request) => {
            let mut rest = [0; 1];
            tokio::select! {
                result = answer(node, request) => result,
                // Nobody waits for the answer any more.
                _ = read.read(&mut rest) => return Ok(()),
            }
        }
        Err(failure) => Err(failure),
    };
    let mut reply = serde_json::to_vec(&Reply::from(result)).map_err(io::Error::other)?;
    reply.push(b'\n');
    let told = timeout(REPLY_DEADLINE, write.write_all(&reply));
    told.await.map_err(io::Error::other)?
}

fn parse(line: &[u8]) -> Result<Request, Failure> {
    if line.len() > REQUEST_BYTES_MAX {
        return Err(Failure::new(
            Kind::Usage,
            format!("the request is longer than {REQUEST_BYTES_MAX} bytes"),
        ));
    }
    serde_json::from_slice(line).map_err(|error| {
        Failure::new(
            Kind::Usage,
            format!(
                "the running node does not understand the request ({error}): it may be of another version than this command; \
                 restart it"
            ),
        )
    })
}
