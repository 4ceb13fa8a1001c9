//! The file with the key that may follow a node's (K1). It never lies in the node's directory: who steals that would have
//! both keys.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::engine::new_identity;
use mycnet_consensus::{Digest, Identity, Signer as _};

use crate::failure::Failure;
use crate::home::Home;
use crate::home::private::{read_key, write_secret};
use crate::home::succession::Whose;
use crate::output::{Format, note};

/// Where the key that follows is written.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choice {
    /// Write the key that may replace this one to FILE, outside of the node's directory; asked for on a terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) successor: Option<PathBuf>,

    /// Let no key follow: then only a vote of the others can replace a stolen one
    #[arg(long, conflicts_with = "successor")]
    pub(crate) no_successor: bool,
}

impl Choice {
    /// Makes the key that follows. Returns its digest, which is not secret; `None` if no key shall follow.
    pub(crate) fn make(
        &self,
        home: &Home,
        whose: Whose,
        format: Format,
    ) -> anyhow::Result<Option<Digest>> {
        if let Some(file) = &self.successor {
            return make(home, whose, file).map(Some);
        }
        if !self.no_successor && !format.json && io::stdin().is_terminal() {
            return ask(home, whose);
        }
        if !self.no_successor {
            note(
                "no key will follow this one: if it is stolen, only a vote of the others can replace it. --successor FILE \
                 makes the key that can, --no-successor says that none is wanted",
            );
        }
        home.forget_successor(whose)?;
        Ok(None)
    }

    /// Whether these options, on a command that is repeated, name the key that has this digest.
    pub(crate) fn agrees_with(&self, next: Option<Digest>) -> bool {
        match &self.successor {
            Some(file) => next.is_some() && digest_in(&place(file)).ok() == next,
            None => !self.no_successor || next.is_none(),
        }
    }
}

/// The file that a person means.
fn place(file: &Path) -> PathBuf {
    if file.is_dir() {
        file.join("successor.key")
    } else {
        file.to_owned()
    }
}

fn digest_in(file: &Path) -> anyhow::Result<Digest> {
    Ok(Digest::of_successor(&read_key(file)?.node_id()))
}

/// Asks the person, until the key is written or none is wanted.
fn ask(home: &Home, whose: Whose) -> anyhow::Result<Option<Digest>> {
    note(&format!(
        "if this node's key is ever stolen, the next key replaces it, without a vote. It is needed only then: keep it where no \
         thief of this machine finds it, such as on a USB stick in a drawer, and not in {}",
        home.path().display()
    ));
    loop {
        let mut err = io::stderr().lock();
        write!(
            err,
            "Write the next key to (a file or directory; empty for none): "
        )?;
        err.flush()?;
        drop(err);
        let mut line = String::new();
        let file = match io::stdin().read_line(&mut line)? {
            0 => "",
            _ => line.trim(),
        };
        if file.is_empty() {
            home.forget_successor(whose)?;
            return Ok(None);
        }
        match make(home, whose, Path::new(file)) {
            Ok(digest) => return Ok(Some(digest)),
            Err(error) => note(&format!("{error:#}")),
        }
    }
}

/// Makes the key, or takes the one that an interrupted command of this node made there.
fn make(home: &Home, whose: Whose, file: &Path) -> anyhow::Result<Digest> {
    let file = place(file);
    let name = file.display();
    refuse_inside(home, &file)?;
    if let Ok(found) = fs::symlink_metadata(&file) {
        // A command that was killed leaves an empty file, or a key whose digest is noted.
        if !found.is_file() || found.len() > 0 {
            let digest = digest_in(&file)?;
            if home.successor(whose)? != Some(digest) {
                return Err(Failure::usage(format!(
                    "{name} is there already, and may be the next key of another node: name a new file"
                ))
                .into());
            }
            return Ok(digest);
        }
        fs::remove_file(&file).with_context(|| name.to_string())?;
    }
    let key: Identity = new_identity()?;
    let digest = Digest::of_successor(&key.node_id());
    home.keep_successor(whose, &digest)?;
    write_secret(&file, &key.secret())?;
    note(&format!(
        "the next key is in {name}. Take it off this machine, and keep it where no thief of this machine finds it"
    ));
    Ok(digest)
}

/// Refuses a file in the node's directory, whatever the path to it: `..`, a link, another mount of it.
fn refuse_inside(home: &Home, file: &Path) -> anyhow::Result<()> {
    let name = file.display();
    let absolute = std::path::absolute(file).with_context(|| format!("{name} is no path"))?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let folder = fs::canonicalize(folder)
        .with_context(|| format!("cannot write {name}: {}", folder.display()))?;
    // A link at the place itself leads elsewhere.
    let target = fs::canonicalize(&absolute).ok();
    let inside = fs::canonicalize(home.path());
    let inside = inside.with_context(|| home.path().display().to_string())?;
    let mut places = folder
        .ancestors()
        .chain(target.iter().flat_map(|target| target.ancestors()));
    if places.any(|place| is_same(place, &inside)) {
        bail!(Failure::usage(format!(
            "{name} is in the node's directory: who steals that would have both keys. Name a file on another medium, such as a \
             USB stick that is kept elsewhere"
        )));
    }
    Ok(())
}

#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let number = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    one == other || number(one).is_some_and(|it| number(other) == Some(it))
}

#[cfg(not(unix))]
fn is_same(one: &Path, other: &Path) -> bool {
    one == other
}
