//! `mycnet builds sync`: reads a rebuilderd, and gives the node what it signed.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use mycnet_builds::sync::{Build, LinkReader, Rebuilderd, Source, Sources, SyncError, SyncFault};
use mycnet_builds::{Event, Place, PublicKey};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::submit::{self, AHEAD, Names, Summary, note_waiting, read_key, refuse_past, take};
use crate::arguments::duration;
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::files::read_file;
use crate::home::private::replace;
use crate::home::{Common, Home};
use crate::output::{counted, note, progress};

/// The longest file about rebuilderds, in bytes: some thousands of them.
const SYNC_FILE_BYTES_MAX: usize = 1024 * 1024;

/// Pages in one run: 200,000 builds, as many as the largest distributions have of all architectures.
const PAGES_MAX: usize = 10_000;

/// Give this node what a rebuilderd has signed, as `submit` does
///
/// URL is where its api/v1 is, as `https://reproduce.debian.net/amd64/`. What it
/// built is read in order. The node remembers how far it came, so the next run
/// reads only what is new, also after a stop. Only links signed by the rebuilderd's
/// key are taken; a key that is not given is taken at the first visit, and from
/// then on no other.
///
/// What is wrong is told, and the rest is taken; then the exit code is 65.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The address of the rebuilderd
    #[arg(value_name = "URL")]
    url: String,

    /// Take only links signed by this key (PEM), now and later
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Read again what comes after this build; 0 reads everything again
    #[arg(long, value_name = "BUILD")]
    after: Option<u32>,

    /// Stop after so long: 90s, 15m, 2h, or seconds; the next run goes on
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration)]
    time: Duration,

    #[command(flatten)]
    names: Names,
}

/// The answer of `sync`.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Synced {
    url: String,
    /// Builds that were read.
    builds: usize,
    /// The number of the last build that was read.
    after: u32,
    /// Whether there are no more.
    complete: bool,
    #[serde(flatten)]
    summary: Summary,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    let server = Rebuilderd::new(&args.url).map_err(|error| failed(&error))?;
    let given = args.key.as_deref().map(read_key).transpose()?;
    let (synced, ended) = client::with(common, async |client| {
        refuse_past(client)?;
        let visit = Visit::begin(&client.home, server, given, args.after).await?;
        let done = visit.read(client, args).await;
        note_waiting(client, &done.0.summary);
        Ok(done)
    })?;
    common.format.print(&synced, text)?;
    ended?;
    match synced.summary.problem_count {
        0 => Ok(()),
        count => Err(Failure::bad_data(format!(
            "{}, told above by address; everything else was taken",
            counted(count, "problem")
        ))
        .into()),
    }
}

fn failed(error: &SyncError) -> Failure {
    let text = error.to_string();
    match error.fault {
        SyncFault::NotAnAddress(_) => Failure::usage(text),
        SyncFault::NotRebuilderd(_) | SyncFault::TooLong(_) | SyncFault::Key(_) => {
            Failure::bad_data(text)
        }
        _ => Failure::failed(text),
    }
}

/// A rebuilderd that is read.
struct Visit<'a> {
    home: &'a Home,
    server: Rebuilderd,
    sources: Sources,
    source: Source,
    key: PublicKey,
}

impl<'a> Visit<'a> {
    async fn begin(
        home: &'a Home,
        server: Rebuilderd,
        given: Option<PublicKey>,
        after: Option<u32>,
    ) -> anyhow::Result<Self> {
        let sources = read_sources(home)?;
        let known = sources.get(server.address()).cloned();
        let current = server.keys().await.map_err(|error| failed(&error))?;
        let pinned = known.as_ref().map(Source::key).transpose();
        let pinned = pinned.map_err(|error| bad_file(home, &error))?;
        let key = given.or(pinned);
        match &key {
            None => note(&first_visit(&server, &current[0])),
            Some(key) if current.contains(key) => {}
            Some(key) => return Err(other_key(&server, key, &current).into()),
        }
        let key = key.unwrap_or(current[0]);
        let mut source = Source::new(&key);
        source.after = after.or(known.map(|known| known.after)).unwrap_or(0);
        let latest = server.latest().await.map_err(|error| failed(&error))?;
        if source.after > latest.unwrap_or(0) {
            note(&format!(
                "the latest build there is {}, and build {} was read: it was set up anew, and is read from its start",
                latest.unwrap_or(0),
                source.after
            ));
            source.after = 0;
        }
        let mut visit = Self {
            home,
            server,
            sources,
            source,
            key,
        };
        visit.remember()?;
        Ok(visit)
    }

    fn remember(&mut self) -> anyhow::Result<()> {
        self.sources.set(self.server.address(), self.source.clone());
        replace(&self.home.sync_file(), &self.sources.to_bytes())
    }

    /// Reads page after page. What was given to the node before an error stays there.
    async fn read(mut self, client: &Client, args: &Args) -> (Synced, anyhow::Result<()>) {
        let mut synced = Synced {
            url: self.server.address().to_owned(),
            builds: 0,
            after: self.source.after,
            complete: false,
            summary: Summary::default(),
        };
        let mut reader = LinkReader::new(self.key, args.names.subjects());
        // A year is longer than any run, and far from any overflow.
        let deadline = Instant::now() + args.time.min(Duration::from_hours(365 * 24));
        let bar = progress(0, "results");
        bar.enable_steady_tick(Duration::from_millis(200));
        let mut ended = Ok(());
        for _ in 0..PAGES_MAX {
            if Instant::now() >= deadline {
                break;
            }
            let page = self.page(client, &mut reader, &mut synced, &bar);
            ended = match timeout_at(deadline, page).await {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => {
                    synced.complete = true;
                    Ok(())
                }
                Ok(Err(error)) => Err(error),
                // The page is read again by the next run.
                Err(_) => Ok(()),
            };
            break;
        }
        bar.finish_and_clear();
        (synced, ended)
    }

    /// Reads one page; false if there are no more.
    async fn page(
        &mut self,
        client: &Client,
        reader: &mut LinkReader,
        synced: &mut Synced,
        bar: &ProgressBar,
    ) -> anyhow::Result<bool> {
        let builds = self.server.builds(self.source.after).await;
        let builds = builds.map_err(|error| failed(&error))?;
        let Some(last) = builds.last().map(|build| build.id) else {
            return Ok(false);
        };
        let count = builds.len();
        let (send, events) = mpsc::channel(AHEAD);
        let fetching = fetch(&self.server, builds, reader, send);
        let (fetched, taken) = tokio::join!(fetching, take(client, events, false, bar));
        // What was fetched before an error was given to the node.
        let (problems, ended) = fetched;
        synced.summary.add(taken?);
        for (place, problem) in problems {
            synced.summary.problem(&place, &problem);
        }
        if let Some(error) = ended {
            return Err(failed(&error).into());
        }
        self.source.after = last;
        self.remember()?;
        synced.builds += count;
        synced.after = last;
        Ok(true)
    }
}

/// Fetches the links of these builds, and sends what stands in them. Returns what was wrong with single ones, and what ended it.
async fn fetch(
    server: &Rebuilderd,
    builds: Vec<Build>,
    reader: &mut LinkReader,
    send: mpsc::Sender<Event>,
) -> (Vec<(Place, String)>, Option<SyncError>) {
    let mut problems = Vec::new();
    let mut links = pin!(server.links(builds));
    while let Some(link) = links.next().await {
        match link {
            Ok((url, link)) => {
                let mut events = Vec::new();
                reader.read(Path::new(&url), &link, &mut |event| events.push(event));
                for event in events {
                    if send.send(event).await.is_err() {
                        // The node did not take it, and whoever gives it tells so.
                        return (problems, None);
                    }
                }
            }
            Err(error) if error.fault.is_of_one_answer() => {
                let file = Arc::from(Path::new(&error.url));
                let place = Place { file, line: None };
                problems.push((place, error.fault.to_string()));
            }
            Err(error) => return (problems, Some(error)),
        }
    }
    (problems, None)
}

fn read_sources(home: &Home) -> anyhow::Result<Sources> {
    let path = home.sync_file();
    let read = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sources::default()),
        _ => read_file(&path, SYNC_FILE_BYTES_MAX)?,
    };
    Sources::parse(&read).map_err(|error| bad_file(home, &error).into())
}

fn bad_file(home: &Home, error: &dyn Display) -> Failure {
    Failure::bad_data(format!(
        "{}: {error}. Mend it, or remove it: then every rebuilderd is read from its start, and its key has to be given again",
        home.sync_file().display()
    ))
}

fn first_visit(server: &Rebuilderd, key: &PublicKey) -> String {
    let open = if server.is_open_to_changes() {
        " It came without TLS, so whoever is in between can have changed it."
    } else {
        ""
    };
    format!(
        "TRUSTED AT THE FIRST VISIT: nobody told this node the key of {url}. It takes the one that the server names, with the id {id}, \
         and no other from now on.{open} Compare it with what the rebuilder publishes elsewhere, or name it with --key:\n{pem}",
        url = server.address(),
        id = key.key_id(),
        pem = key.to_pem().trim_end(),
    )
}

fn other_key(server: &Rebuilderd, key: &PublicKey, current: &[PublicKey]) -> Failure {
    let current: Vec<String> = current.iter().map(PublicKey::key_id).collect();
    Failure::bad_data(format!(
        "{url} signs with another key now: {now}, and this node takes links of {known}. If the rebuilder says so elsewhere too, name \
         the new key with --key; nothing was read",
        url = server.address(),
        now = current.join(", "),
        known = key.key_id(),
    ))
}

fn text(synced: &Synced) -> String {
    let rest = if synced.complete {
        ""
    } else {
        "; there may be more: run it again"
    };
    format!(
        "{} builds read, up to build {}{rest}\n{}",
        synced.builds,
        synced.after,
        submit::text(&synced.summary)
    )
}
