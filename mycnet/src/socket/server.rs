//! The side of the node that answers.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mycnet_consensus::node::Node;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::check_path;
use crate::answer::answer;
use crate::builds::Keeper;
use crate::failure::Failure;
use crate::home::Home;
use crate::request::{REQUEST_BYTES_MAX, Reply, Request};

/// Commands that are answered at the same time; the next one waits.
const CONNECTIONS_MAX: usize = 32;

/// Commands that wait for an operation. Waiting can take days and costs the node almost nothing, so they are counted apart.
const WAITS_MAX: usize = 256;

/// How long a command may take to send its request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// How long a command may take to read its reply, which can have megabytes.
const REPLY_DEADLINE: Duration = Duration::from_mins(1);

/// The socket of a running node, which is removed when the node stops.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Makes the socket. The caller must have the node's databases open: their lock says that no other node runs here, so that
    /// an old socket is left from a node that was killed.
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

    /// Answers until the future is dropped. After `closing` nothing more is accepted, and the future ends with the last answer;
    /// commands that come later wait for the next call.
    pub(crate) async fn serve(&self, node: &Node, keeper: &Arc<Keeper>, closing: &Notify) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let waits = Arc::new(Semaphore::new(WAITS_MAX));
        // This is dropped with the future, which cuts off commands that are not answered yet.
        let mut answering = JoinSet::new();
        loop {
            let accepting = async {
                let permit = connections.clone().acquire_owned().await;
                let permit = permit.expect("the semaphore is never closed");
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                accepted = accepting => accepted,
                () = closing.notified() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // For example no free file descriptor: a pause keeps this loop from spinning until there is one.
                    tracing::warn!(%error, "the control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let user = stream.peer_cred().map(|credentials| credentials.uid());
            if !user.is_ok_and(|user| user == self.owner || user == 0) {
                tracing::warn!("another user than the owner connected to the control socket");
                continue;
            }
            let (node, keeper, waits) = (node.clone(), keeper.clone(), waits.clone());
            answering.spawn(async move {
                if let Err(error) = answer_one(&node, &keeper, stream, permit, &waits).await {
                    tracing::debug!(%error, "a command went away");
                }
            });
            while answering.try_join_next().is_some() {}
        }
        while answering.join_next().await.is_some() {}
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket that stays does no harm: the next node replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers one command. The command holds its permit until the answer, unless it waits for an operation.
async fn answer_one(
    node: &Node,
    keeper: &Arc<Keeper>,
    mut stream: UnixStream,
    permit: OwnedSemaphorePermit,
    waits: &Arc<Semaphore>,
) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    let mut bounded = (&mut read).take(REQUEST_BYTES_MAX as u64 + 1);
    let asked = timeout(REQUEST_DEADLINE, bounded.read_until(b'\n', &mut line));
    asked.await.map_err(io::Error::other)??;
    if line.is_empty() {
        // The command only checked whether a node runs.
        return Ok(());
    }
    let request = parse(&line);
    let permit = match &request {
        Ok(Request::Wait { .. }) => {
            drop(permit);
            waits.clone().try_acquire_owned().ok()
        }
        _ => Some(permit),
    };
    let reply = match request {
        Err(failure) => Reply::Err(failure),
        Ok(_) if permit.is_none() => Reply::Err(Failure::failed(format!(
            "{WAITS_MAX} commands are waiting for operations already; the operation goes on, and this command does not wait"
        ))),
        Ok(request) => {
            let mut rest = [0; 1];
            tokio::select! {
                result = answer(node, keeper, request) => result.map_or_else(Reply::Err, Reply::Ok),
                // The command has ended.
                _ = read.read(&mut rest) => return Ok(()),
            }
        }
    };
    let mut reply = serde_json::to_vec(&reply).map_err(io::Error::other)?;
    reply.push(b'\n');
    let told = timeout(REPLY_DEADLINE, write.write_all(&reply));
    told.await.map_err(io::Error::other)?
}

fn parse(line: &[u8]) -> Result<Request, Failure> {
    if line.len() > REQUEST_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the request is longer than {REQUEST_BYTES_MAX} bytes"
        )));
    }
    serde_json::from_slice(line).map_err(|error| {
        Failure::usage(format!(
            "the running node does not understand the request ({error}): it may be of another version than this command; \
             restart it"
        ))
    })
}
