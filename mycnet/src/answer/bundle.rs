//! Bundles: files that somebody carries.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mycnet_consensus::engine::{BundleError, BundleImport};
use mycnet_consensus::node::Node;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Kind};
use crate::files;

/// Writes a bundle.
pub(super) fn export(node: &Node, path: &Path, from: u64) -> Result<Value, Failure> {
    let next = node.engine().height() + 1;
    if from > next {
        return Err(Failure::usage(format!(
            "--from {from}: this node is at height {}, and can write from height {next} at most (what no seal lists yet)",
            next - 1
        )));
    }
    let report = files::new_file(path, |file| node.engine().export_bundle(from, file))?;
    Ok(json!({
        "file": path,
        "from": report.header.from,
        "height": report.header.height,
        "seal": report.header.seal,
        "unsealed": report.unsealed,
        "digest": report.end.digest,
    }))
}

/// Takes in a bundle that lies in a file.
pub(super) async fn import(node: &Node, path: &Path) -> Result<Value, Failure> {
    let place = path.display();
    let file = File::open(path)
        .map_err(|error| Failure::failed(format!("cannot read {place}: {error}")))?;
    import_from(node, file, &place.to_string()).await
}

/// Takes in a bundle as it comes; `place` says where from.
///
/// # Errors
///
/// Says what is wrong, and what was taken before.
pub(crate) async fn import_from(
    node: &Node,
    read: impl Read,
    place: &str,
) -> Result<Value, Failure> {
    match node.engine().import_bundle(read).await {
        Ok(imported) => Ok(report(&imported)),
        Err(failed) => {
            let (applied, new) = (failed.imported.applied, failed.imported.new);
            let taken = match (applied, new) {
                (0, 0) => "nothing of it was taken".to_owned(),
                _ => format!("{applied} heights and {new} records before that were taken"),
            };
            let message = format!("{place}: {failed}; {taken}");
            Err(Failure::new(kind(&failed.error), message))
        }
    }
}

/// Whose fault it is.
fn kind(error: &BundleError) -> Kind {
    match error {
        BundleError::Engine(_) | BundleError::Io(_) | BundleError::Forked => Kind::Failed,
        _ => Kind::BadData,
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
