//! Files in the node's directory that stand in for streams, in which a running node has no part.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::engine::{BundleError, BundleReader};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::home::Home;
use crate::request::Request;
use crate::session::{Session, asked_to_stop};

/// What the names of such files begin with: nothing that a person would call a file of its own there.
const NAME: &str = ".importing-";

/// A file that stands in for a stream, as long as the command takes.
pub(super) struct Stand(PathBuf);

impl Stand {
    pub(super) fn new(home: &Home) -> Self {
        let name = format!("{NAME}{}", std::process::id());
        Self(home.path().join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what killed commands left behind. They ask running nodes only, so that at a node's start all of them are old.
pub(crate) fn remove_old(home: &Home) {
    let entries = fs::read_dir(home.path()).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(NAME) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What comes of the work, unless Ctrl-C or SIGTERM ends the command before: then files that go with it go.
pub(super) async fn unless_stopped<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let asked_to_stop = asked_to_stop()?;
    tokio::select! {
        done = work => done,
        () = asked_to_stop => bail!("interrupted"),
    }
}

/// A stream to read from, and its name.
pub(super) fn stream(path: &Path) -> anyhow::Result<(Box<dyn Read + Send>, String)> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), "standard input".to_owned()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    Ok((Box::new(file), name))
}

/// Lets a running node import a stream.
pub(super) async fn by_stand(
    session: &Session,
    home: &Home,
    read: Box<dyn Read + Send>,
    name: String,
) -> anyhow::Result<Value> {
    let status = session.ask(Request::Status).await?;
    let network = status["network"].as_str().unwrap_or_default().to_owned();
    let stand = Stand::new(home);
    let path = stand.path().to_owned();
    let (done, copied) = oneshot::channel();
    #[allow(
        clippy::disallowed_methods,
        reason = "a thread of the command, which a signal need not wait for; the core never sees it"
    )]
    std::thread::spawn(move || done.send(keep(read, &path, &network, &name)));
    copied.await.context("the bundle was not read")??;
    let file = stand.path().to_owned();
    session.ask(Request::ImportBundle { file }).await
}

/// Keeps a stream in a file as far as it is a bundle of this network; what is wrong further on is for the node to say.
fn keep(read: impl Read, path: &Path, network: &str, name: &str) -> anyhow::Result<()> {
    let place = path.display();
    let file = File::create(path).with_context(|| format!("cannot write {place}"))?;
    let bad = |error: &BundleError| match error {
        BundleError::Io(error) => Failure::failed(format!("{name}: {error}")),
        error => Failure::bad_data(format!("{name}: {error}")),
    };
    let mut bundle = BundleReader::new(Tee(read, file)).map_err(|error| bad(&error))?;
    let found = bundle.header().net;
    if found.to_string() != network {
        return Err(bad(&BundleError::WrongNetwork(found)).into());
    }
    loop {
        match bundle.next_part() {
            Ok(Some(_)) => {}
            Ok(None) | Err(BundleError::Unreadable { .. }) => return Ok(()),
            Err(error) => return Err(bad(&error).into()),
        }
    }
}

/// Reads, and writes what it reads.
struct Tee<R>(R, File);

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.write_all(&buffer[..read])?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_bundle_is_kept() {
        let path = std::env::temp_dir().join(format!("mycnet-stand-{}", std::process::id()));
        let endless = io::repeat(b'x');
        let error = keep(endless, &path, "", "standard input").unwrap_err();
        assert!(error.to_string().contains("standard input"), "{error}");
        assert!(fs::metadata(&path).unwrap().len() < 64 * 1024);
        fs::remove_file(path).unwrap();
    }
}
