//! Streams and running nodes: a node reads and writes files only, so a temporary file in its directory takes the stream's place.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::NetworkId;
use mycnet_consensus::engine::{BundleError, BundleReader};
use tokio::sync::oneshot;

use crate::client::Client;
use crate::failure::Failure;
use crate::home::Home;
use crate::reply::{BundleImported, Status};
use crate::request::Request;
use crate::start::asked_to_stop;

/// The beginning of these files' names, which no person would choose.
const PREFIX: &str = ".importing-";

/// A file that is removed at the end of the command.
pub(crate) struct TemporaryFile(PathBuf);

impl TemporaryFile {
    pub(crate) fn new(home: &Home) -> Self {
        let name = format!("{PREFIX}{}", std::process::id());
        Self(home.path().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes the temporary files of killed commands. Commands use such files with running nodes only, so all files that a
/// starting node finds are old.
pub(crate) fn remove_old(home: &Home) {
    let entries = fs::read_dir(home.path()).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The result of the work, or an error at Ctrl-C or SIGTERM, so that temporary files are removed then too.
pub(crate) async fn unless_stopped<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let asked_to_stop = asked_to_stop()?;
    tokio::select! {
        done = work => done,
        () = asked_to_stop => bail!("interrupted"),
    }
}

/// A stream to read from, and its name.
pub(super) fn open(path: &Path) -> anyhow::Result<(Box<dyn Read + Send>, String)> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), "standard input".to_owned()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    Ok((Box::new(file), name))
}

/// Lets a running node import a stream.
pub(super) async fn import_through_file(
    client: &Client,
    read: Box<dyn Read + Send>,
    name: String,
) -> anyhow::Result<BundleImported> {
    let Status { network, .. } = client.ask(Request::Status).await?;
    let temporary = TemporaryFile::new(&client.home);
    let path = temporary.path().to_owned();
    let (done, copied) = oneshot::channel();
    #[allow(
        clippy::disallowed_methods,
        reason = "a thread of the command, which a signal need not wait for; the core never sees it"
    )]
    std::thread::spawn(move || done.send(copy(read, &path, network, &name)));
    copied.await.context("the bundle was not read")??;
    let file = temporary.path().to_owned();
    client.ask(Request::ImportBundle { file }).await
}

/// Copies a stream into a file as long as it is a bundle of this network. The node checks the rest.
fn copy(read: impl Read, path: &Path, network: NetworkId, name: &str) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let bad = |error: &BundleError| match error {
        BundleError::Io(error) => Failure::failed(format!("{name}: {error}")),
        error => Failure::bad_data(format!("{name}: {error}")),
    };
    let mut bundle = BundleReader::new(Tee(read, file)).map_err(|error| bad(&error))?;
    let found = bundle.header().net;
    if found != network {
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

/// A reader that writes what it reads into a file.
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
    fn only_a_bundle_is_copied() {
        let path = std::env::temp_dir().join(format!("mycnet-copy-{}", std::process::id()));
        let endless = io::repeat(b'x');
        let error = copy(endless, &path, NetworkId::default(), "standard input").unwrap_err();
        assert!(error.to_string().contains("standard input"), "{error}");
        assert!(fs::metadata(&path).unwrap().len() < 64 * 1024);
        fs::remove_file(path).unwrap();
    }
}
