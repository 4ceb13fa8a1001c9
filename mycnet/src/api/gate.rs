//! Who may ask over TCP: whoever has the token of the node's directory, from this machine, and from no page but the node's own.
//!
//! The token keeps other users of the machine out. A page of another origin does not have it either; on top of that, a request must
//! name this machine as its host, so that no name of somebody else can lead here, and a page must be of this very origin.

use std::path::Path;

use anyhow::Context as _;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};
use mycnet_builds::serve::is_this_machine;

use crate::failure::{Failure, Kind};
use crate::home::private::{is_there, read_secret, write_new};

/// What a token's digest is made of, beside its text.
const CONTEXT: &str = "mycnet 2026-11-30 token of a node's interface";

/// The digest of a token. Comparing digests takes the same time whatever is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Gate(blake3::Hash);

impl Gate {
    /// Reads the token of a directory, or makes one.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if !is_there(path)? {
            let mut token = [0; 32];
            getrandom::fill(&mut token).context("no randomness")?;
            let text = format!("{}\n", hex::encode(token));
            write_new(path, text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let token = read_secret(path)?;
        Ok(Self(digest(&hex::encode(token))))
    }

    /// Whether a request may pass. The files of the page say nothing of the node, so a browser gets them without the token.
    pub(crate) fn check(&self, headers: &HeaderMap, is_page: bool) -> Result<(), Failure> {
        let denied = |message: &str| Err(Failure::new(Kind::Denied, message));
        let Some(host) = text(headers, HOST).filter(|host| is_this_machine(host)) else {
            return denied(
                "the Host of the request must be this machine: localhost, 127.0.0.1, [::1]",
            );
        };
        let own = format!("http://{host}");
        if headers.contains_key(ORIGIN) && text(headers, ORIGIN) != Some(&own) {
            return denied("a page of another origin may not ask this node");
        }
        let token = text(headers, AUTHORIZATION).and_then(|it| it.strip_prefix("Bearer "));
        if is_page || token.is_some_and(|token| digest(token.trim()) == self.0) {
            return Ok(());
        }
        denied(
            "the request lacks the token: send the header `Authorization: Bearer TOKEN` with that of api.token in the node's directory",
        )
    }
}

fn digest(token: &str) -> blake3::Hash {
    blake3::Hash::from(blake3::derive_key(CONTEXT, token.as_bytes()))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    // A request that says two things says nothing.
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn checked(headers: &[(HeaderName, &'static str)]) -> Result<(), Failure> {
        let gate = Gate(digest("secret"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        gate.check(&map, false)
    }

    #[test]
    fn only_the_token_from_this_machine_and_this_origin_passes() {
        let (host, bearer) = ((HOST, "127.0.0.1:7447"), (AUTHORIZATION, "Bearer secret"));
        checked(&[host.clone(), bearer.clone()]).unwrap();
        checked(&[(HOST, "localhost:1"), bearer.clone()]).unwrap();
        checked(&[(HOST, "[::1]:1"), bearer.clone()]).unwrap();
        checked(&[
            host.clone(),
            bearer.clone(),
            (ORIGIN, "http://127.0.0.1:7447"),
        ])
        .unwrap();
        for (why, headers) in [
            ("no token", vec![host.clone()]),
            (
                "another token",
                vec![host.clone(), (AUTHORIZATION, "Bearer secre")],
            ),
            (
                "another scheme",
                vec![host.clone(), (AUTHORIZATION, "Basic secret")],
            ),
            (
                "two tokens",
                vec![host.clone(), bearer.clone(), bearer.clone()],
            ),
            ("no host", vec![bearer.clone()]),
            (
                "another host",
                vec![(HOST, "evil.example:7447"), bearer.clone()],
            ),
            (
                "a host that only looks like it",
                vec![(HOST, "localhost.evil.example"), bearer.clone()],
            ),
            (
                "two hosts",
                vec![host.clone(), (HOST, "evil.example"), bearer.clone()],
            ),
            (
                "another origin",
                vec![
                    host.clone(),
                    bearer.clone(),
                    (ORIGIN, "http://evil.example"),
                ],
            ),
            (
                "another port",
                vec![
                    host.clone(),
                    bearer.clone(),
                    (ORIGIN, "http://127.0.0.1:80"),
                ],
            ),
            (
                "no origin",
                vec![host.clone(), bearer.clone(), (ORIGIN, "null")],
            ),
        ] {
            let denied = checked(&headers).unwrap_err();
            assert_eq!(denied.kind, Kind::Denied, "{why}");
        }
    }
}
