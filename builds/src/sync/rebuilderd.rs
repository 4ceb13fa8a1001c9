//! The questions to a rebuilderd, version 1 of its interface (rebuilderd 0.25 and later).

use std::fmt::Display;
use std::future::ready;

use futures_util::stream::{self, Stream, StreamExt as _};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::fetch::{self, SyncError, SyncFault, bytes, json};
use crate::PublicKey;

/// Builds in a page, and so what a run that is stopped reads again.
const PAGE_BUILDS: u32 = 20;

/// A page of builds, in bytes: each takes some 300.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// The artifacts of a build, in bytes: each takes some 150, and the largest sources have some hundreds.
const ARTIFACTS_BYTES_MAX: usize = 1024 * 1024;

/// The keys, in bytes.
const KEYS_BYTES_MAX: usize = 16 * 1024;

/// A link, in bytes. Links have about a thousand; the book keeps none that is longer.
const LINK_BYTES_MAX: usize = crate::book::ORIGINAL_BYTES_MAX;

/// Requests at a time.
const TOGETHER: usize = 4;

/// A rebuilderd, as its users reach it.
#[derive(Debug, Clone)]
pub struct Rebuilderd {
    client: Client,
    base: Url,
}

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Build {
    /// Its number: higher than that of any build before.
    pub id: u32,
    /// `GOOD`, `BAD`, `FAIL` or `UNKWN`.
    status: Option<String>,
}

impl Build {
    /// Whether something came out that can be equal to what is published.
    fn has_artifacts(&self) -> bool {
        matches!(self.status.as_deref(), Some("GOOD" | "BAD"))
    }
}

/// What came out of a build.
#[derive(Debug, Deserialize)]
struct Artifact {
    id: u32,
    has_attestation: bool,
}

#[derive(Debug, Deserialize)]
struct Page {
    records: Vec<Build>,
}

#[derive(Debug, Deserialize)]
struct Keys {
    current: Vec<String>,
}

impl Rebuilderd {
    /// The rebuilderd at an address, below which `api/v1` is.
    ///
    /// # Errors
    ///
    /// [`SyncFault::NotAnAddress`], or [`SyncFault::Connection`] if the system has no root certificates.
    pub fn new(address: &str) -> Result<Self, SyncError> {
        let wrong = |why: &dyn Display| SyncFault::NotAnAddress(why.to_string()).of(&address);
        let mut base = Url::parse(address).map_err(|error| wrong(&error))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong(&"it begins neither with https:// nor with http://"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong(&"it has parameters"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong(&"it has a user's name"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = fetch::client();
        let client = client.map_err(|error| SyncFault::Connection(error.to_string()).of(&base))?;
        Ok(Self { client, base })
    }

    /// Its address, always written in the same way.
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Whether others on the way can change what comes.
    pub fn is_open_to_changes(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        self.base.scheme() == "http" && !is_here
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}api/v1/{path}", self.base.path()));
        url
    }

    /// The keys that it signs with now; at least one.
    ///
    /// # Errors
    ///
    /// [`SyncError`]
    pub async fn keys(&self) -> Result<Vec<PublicKey>, SyncError> {
        let url = self.url("meta/public-keys");
        let keys: Keys = json(&self.client, &url, KEYS_BYTES_MAX).await?;
        let keys = keys.current.iter().map(|pem| {
            let key = PublicKey::from_pem(pem.trim().as_bytes());
            key.map_err(|fault| SyncFault::Key(fault).of(&url))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            let why = "it has no key".to_owned();
            return Err(SyncFault::NotRebuilderd(why).of(&url));
        }
        Ok(keys)
    }

    /// The number of the latest build, if there is one.
    ///
    /// # Errors
    ///
    /// [`SyncError`]
    pub async fn latest(&self) -> Result<Option<u32>, SyncError> {
        let mut url = self.url("builds");
        url.set_query(Some("limit=1&direction=Descending"));
        let page: Page = json(&self.client, &url, PAGE_BYTES_MAX).await?;
        Ok(page.records.first().map(|build| build.id))
    }

    /// The next builds after this number; none if there are no more.
    ///
    /// # Errors
    ///
    /// [`SyncError`]
    pub async fn builds(&self, after: u32) -> Result<Vec<Build>, SyncError> {
        let mut url = self.url("builds");
        url.set_query(Some(&format!("limit={PAGE_BUILDS}&after={after}")));
        let page: Page = json(&self.client, &url, PAGE_BYTES_MAX).await?;
        let mut last = after;
        for build in &page.records {
            if build.id <= last {
                let why = format!("build {} comes after build {last}", build.id);
                return Err(SyncFault::NotRebuilderd(why).of(&url));
            }
            last = build.id;
        }
        Ok(page.records)
    }

    /// The links for what came out of these builds, each with its address. Nothing of them is checked yet.
    ///
    /// # Errors
    ///
    /// An error instead of a link, or of all links of a build. Others may still come.
    pub fn links(
        &self,
        builds: Vec<Build>,
    ) -> impl Stream<Item = Result<(String, Vec<u8>), SyncError>> {
        let builds = stream::iter(builds).filter(|build| ready(build.has_artifacts()));
        let artifacts = builds.map(async |build| (build.id, self.artifacts(build.id).await));
        let urls = artifacts.buffered(TOGETHER).flat_map(|(build, artifacts)| {
            let urls = match artifacts {
                Ok(artifacts) => {
                    let signed = artifacts.into_iter().filter(|it| it.has_attestation);
                    signed.map(|it| Ok(self.link_url(build, it.id))).collect()
                }
                Err(error) => vec![Err(error)],
            };
            stream::iter(urls)
        });
        let links = urls.map(async |url| {
            let url = url?;
            let link = bytes(&self.client, &url, LINK_BYTES_MAX).await?;
            Ok((url.to_string(), link))
        });
        links.buffered(TOGETHER)
    }

    async fn artifacts(&self, build: u32) -> Result<Vec<Artifact>, SyncError> {
        let url = self.url(&format!("builds/{build}/artifacts"));
        json(&self.client, &url, ARTIFACTS_BYTES_MAX).await
    }

    fn link_url(&self, build: u32, artifact: u32) -> Url {
        self.url(&format!("builds/{build}/artifacts/{artifact}/attestation"))
    }
}
