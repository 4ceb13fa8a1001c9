//! Streams and running nodes: a node reads and writes files only, so a temporary file in its directory takes the stream's place.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use mycnet_consensus::NetworkId;
use mycnet_consensus::engine::{BundleError, BundleReader};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::files;
use crate::home::Home;
use crate::start::asked_to_stop;

/// The beginning of these files' names, which no person would choose.
const PREFIX: &str = ".importing-";

/// How long nothing may come from a stream or a disk.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long reading a bundle may take in all.
const DEADLINE: Duration = Duration::from_hours(4);

/// Bytes of a bundle that are read at most.
const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Reads in a thread of its own: a pipe that nobody writes, or a disk that hangs, ends in an error, and who reads goes on.
pub(crate) struct Patient {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    patience: Duration,
    until: Instant,
    left: u64,
}

impl Patient {
    pub(crate) fn new<R: Read>(open: impl FnOnce() -> io::Result<R> + Send + 'static) -> Self {
        Self::with_patience(PATIENCE, open)
    }

    /// Reads a pipe or a device; `-` is standard input.
    pub(crate) fn of_stream(path: &Path) -> (Self, String) {
        if path == Path::new("-") {
            return (Self::new(|| Ok(io::stdin())), "standard input".to_owned());
        }
        let name = path.display().to_string();
        let path = path.to_owned();
        (Self::new(move || File::open(path)), name)
    }

    fn with_patience<R: Read>(
        patience: Duration,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Self {
        let (give, chunks) = sync_channel(2);
        #[allow(
            clippy::disallowed_methods,
            reason = "nobody waits for this thread, which may hang; the core never sees it"
        )]
        std::thread::spawn(move || {
            let mut read = match open() {
                Ok(read) => read,
                Err(error) => return drop(give.send(Err(error))),
            };
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let taken = match read.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(count) => {
                        chunk.truncate(count);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                if give.send(taken).is_err() {
                    return;
                }
            }
        });
        Self {
            chunks,
            chunk: io::Cursor::default(),
            patience,
            until: Instant::now() + DEADLINE,
            left: BUNDLE_BYTES_MAX,
        }
    }

    /// The next bytes; none at the end.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        let late = |text: String| Err(io::Error::new(io::ErrorKind::TimedOut, text));
        if Instant::now() > self.until {
            let hours = DEADLINE.as_secs() / 3600;
            return late(format!("it takes more than {hours} hours"));
        }
        let chunk = match self.chunks.recv_timeout(self.patience) {
            Ok(chunk) => chunk?,
            Err(RecvTimeoutError::Disconnected) => Vec::new(),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = self.patience.as_secs();
                return late(format!(
                    "nothing came for {seconds} s: does anybody write into it, or does its disk hang?"
                ));
            }
        };
        let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than {BUNDLE_BYTES_MAX} bytes"),
            ));
        };
        self.left = left;
        Ok(chunk)
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            self.chunk = io::Cursor::new(self.next()?);
        }
        self.chunk.read(buffer)
    }
}

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

/// Removes the temporary files of killed commands. A command that reads a stream has its file locked.
pub(crate) fn remove_old(home: &Home) {
    let entries = fs::read_dir(home.path()).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let in_use = |file: File| matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            if !files::open(&entry.path()).is_ok_and(in_use) {
                let _ = fs::remove_file(entry.path());
            }
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

/// Copies a stream into the temporary file, which is locked meanwhile.
pub(super) async fn copied(
    (read, name): (Patient, String),
    temporary: &TemporaryFile,
    network: NetworkId,
) -> anyhow::Result<()> {
    let path = temporary.path().to_owned();
    let (done, copied) = oneshot::channel();
    #[allow(
        clippy::disallowed_methods,
        reason = "a thread of the command, which a signal need not wait for; the core never sees it"
    )]
    std::thread::spawn(move || done.send(copy(read, &path, network, &name)));
    copied.await.context("the bundle was not read")?
}

/// Copies a stream into a file as long as it is a bundle of this network. The node checks the rest.
fn copy(read: impl Read, path: &Path, network: NetworkId, name: &str) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    // Where a file cannot be locked, a node that starts meanwhile removes it, and the import says that it is gone.
    let _ = file.try_lock();
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
    fn whoever_reads_a_stream_that_says_nothing_goes_on() {
        /// A disk that hangs.
        struct Hanging;
        impl Read for Hanging {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::park();
                Ok(0)
            }
        }
        let mut hangs = Patient::with_patience(Duration::from_millis(10), || Ok(Hanging));
        let error = io::copy(&mut hangs, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("nothing came"), "{error}");
        let mut whole = Patient::new(|| Ok(&b"whole"[..]));
        assert_eq!(io::read_to_string(&mut whole).unwrap(), "whole");
        let mut endless = Patient::new(|| Ok(io::repeat(7)));
        endless.left = 100_000;
        let error = io::copy(&mut endless, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let mut missing = Patient::new(|| files::open(Path::new("/no/such/file")));
        let error = io::copy(&mut missing, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

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
