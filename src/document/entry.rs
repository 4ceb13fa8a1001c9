//! The place and the names of a record in an operation document ([D3]).
//!
//! ```text
//! v            1, the version of the records' form
//! network      bytes
//! proposal     { by, priority, last, nonce }            of the `Propose`; the nonce as decimal digits
//! operation    { <kind>: { <its fields> } }             of the `Propose`
//! commits      <author hex>: { commitment }
//! reveals      <author hex>: { ballot, salt }
//! directives   <author hex>: { approve }
//! objections   <author hex>: { reason }
//! resolutions  <author hex>: { approve }
//! proofs       <record id hex>: { sig, size, index, path }
//! ```
//!
//! The change of the `Propose` creates the maps, so that all later changes fill the same ones. Fields that all records of an
//! operation share (version, network, operation) stand once. An entry's key is its author. A record's id is the actor of the
//! change that made its entry.

use super::DocumentError;
use super::tree::Tree;
use crate::base::digest::OperationId;
use crate::statement::record::{Body, Statement};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The maps with one entry per author, and the kind of statement in each.
pub(super) const CONTAINERS: [(&str, &str); 5] = [
    ("commits", "commit"),
    ("reveals", "reveal"),
    ("directives", "directive"),
    ("objections", "objection"),
    ("resolutions", "resolution"),
];

/// The map of the proofs, by record id.
pub(super) const PROOFS: &str = "proofs";

/// The container of a statement and its fields; `None` for a `Propose` and for statements without an operation.
pub(super) fn entry_of(statement: &Statement) -> Option<(&'static str, Tree)> {
    let (container, kind) = *CONTAINERS
        .iter()
        .find(|(_, kind)| *kind == statement.kind())?;
    let mut fields = Tree::of(statement)
        .take(kind)
        .expect("a statement is encoded under the name of its kind");
    fields
        .take("operation")
        .expect("the statements of all containers name their operation");
    Some((container, fields))
}

/// The statement of this container with these `fields`.
pub(super) fn statement_from(
    kind: &str,
    operation: OperationId,
    fields: Tree,
    place: &str,
) -> Result<Statement, DocumentError> {
    let mut fields = fields.into_fields(place)?;
    fields.insert("operation".to_owned(), Tree::from(operation.as_bytes()));
    Tree::map([(kind, Tree::Map(fields))]).value(place)
}

/// The fields `proposal` and `operation`, from the body of a `Propose`.
pub(super) fn proposal_fields(body: &Body) -> Option<(Tree, Tree)> {
    let Statement::Propose {
        operation,
        priority,
        last,
        nonce,
    } = &body.what
    else {
        return None;
    };
    let proposal = Tree::map([
        ("by", Tree::from(body.by.as_bytes())),
        ("priority", Tree::of(priority)),
        ("last", Tree::from(last.as_bytes())),
        // As text, because it may be any 64-bit value, and not every client reads such integers.
        ("nonce", Tree::Text(nonce.to_string())),
    ]);
    Some((proposal, Tree::of(operation)))
}

/// The `Propose`, from the fields `proposal` (without its author) and `operation`.
pub(super) fn proposal_from(
    mut proposal: Tree,
    operation: Tree,
) -> Result<Statement, DocumentError> {
    let Tree::Text(digits) = proposal.take("nonce")? else {
        return Err(DocumentError::unreadable("proposal.nonce", "not a text"));
    };
    let nonce: u64 = digits
        .parse()
        .map_err(|_| DocumentError::unreadable("proposal.nonce", "not a number of 64 bits"))?;
    let mut fields = proposal.into_fields("proposal")?;
    fields.insert("nonce".to_owned(), Tree::from(nonce));
    fields.insert("operation".to_owned(), operation);
    Tree::map([("propose", Tree::Map(fields))]).value("proposal")
}
