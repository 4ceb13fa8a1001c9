//! Bundles: files that somebody carries.

use std::fs::{self, File};
use std::path::Path;

use mycnet_consensus::engine::{BundleError, BundleImport};
use mycnet_consensus::node::Node;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Kind};

/// Writes a bundle. One that was not written to its end is not left behind.
pub(super) fn export(node: &Node, path: &Path, from: u64) -> Result<Value, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("cannot write {}: {error}", path.display()))
    };
    let mut file = File::create(path).map_err(|error| cannot(&error))?;
    let written = node.engine().export_bundle(from, &mut file);
    let written = written.map_err(|error| cannot(&error));
    let synced = written.and_then(|report| {
        file.sync_all().map_err(|error| cannot(&error))?;
        Ok(report)
    });
    let report = synced.inspect_err(|_| {
        let _ = fs::remove_file(path);
    })?;
    Ok(json!({
        "file": path,
        "from": report.header.from,
        "height": report.header.height,
        "seal": report.header.seal,
        "unsealed": report.unsealed,
        "digest": report.end.digest,
    }))
}

/// Takes in a bundle.
pub(super) async fn import(node: &Node, path: &Path) -> Result<Value, Failure> {
    let place = path.display();
    let file = File::open(path)
        .map_err(|error| Failure::failed(format!("cannot read {place}: {error}")))?;
    match node.engine().import_bundle(file).await {
        Ok(imported) => Ok(report(&imported)),
        Err(failed) => {
            let kind = match &failed.error {
                BundleError::Engine(_) | BundleError::Io(_) | BundleError::Forked => Kind::Failed,
                _ => Kind::BadData,
            };
            let (applied, new) = (failed.imported.applied, failed.imported.new);
            let taken = match (applied, new) {
                (0, 0) => "nothing of it was taken".to_owned(),
                _ => format!("{applied} heights and {new} records before that were taken"),
            };
            Err(Failure::new(kind, format!("{place}: {failed}; {taken}")))
        }
    }
}

fn report(imported: &BundleImport) -> Value {
    let refused = imported.refused.iter().map(|(code, refusals)| {
        let first = refusals.first.to_string();
        (
            (*code).to_owned(),
            json!({ "count": refusals.count, "first": first }),
        )
    });
    json!({
        "height_before": imported.height_before,
        "height": imported.height,
        "applied": imported.applied,
        "held": imported.held,
        "new": imported.new,
        "known": imported.known,
        "waiting": imported.waiting,
        "refused": refused.collect::<Map<String, Value>>(),
    })
}
