//! What `export` writes: a network's record for others to read and to check without this program's say-so.
//!
//! ```text
//! genesis.json                  what certificates are verified against
//! ledger.automerge              roster, trust, outcomes, with their history
//! operations/ID.automerge       all records of an operation
//! certificates/ID.cbor          proof of its outcome
//! ```

use std::fs;
use std::io;
use std::path::Path;

use mycnet_consensus::engine::EngineError;
use mycnet_consensus::node::Node;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Writes documents and certificates of all closed operations into a new or empty directory.
pub(super) fn export(node: &Node, directory: &Path) -> Result<Value, Failure> {
    let (operations, certificates) = (directory.join("operations"), directory.join("certificates"));
    for place in [directory, &operations, &certificates] {
        made(place, fs::create_dir_all(place))?;
    }
    let store = node.store();
    let disk = |error| Failure::failed(format!("the store: {error}"));
    let genesis = serde_json::to_string_pretty(store.genesis()).map_err(Failure::failed)? + "\n";
    write(&directory.join("genesis.json"), genesis.as_bytes())?;
    let mut exported = 0;
    for closed in store.all_closed().map_err(disk)? {
        let id = closed.operation;
        let document = store.operation_document(&id).map_err(disk)?;
        let certificate = node.engine().certificate(&id)?;
        let missing = || EngineError::UnknownOperation(id);
        let file = operations.join(format!("{id}.automerge"));
        write(&file, &document.ok_or_else(missing)?.save())?;
        let file = certificates.join(format!("{id}.cbor"));
        write(&file, &certificate.ok_or_else(missing)?.encode())?;
        exported += 1;
    }
    // Last, so that it knows every operation that was written.
    let ledger = store.ledger_document().map_err(disk)?;
    write(&directory.join("ledger.automerge"), &ledger.save())?;
    Ok(json!({
        "directory": directory,
        "height": ledger.height(),
        "operations": exported,
    }))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    made(file, fs::write(file, bytes))
}

fn made(place: &Path, result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure::failed(format!("cannot write {}: {error}", place.display())))
}
