//! JSON as Automerge has it: writing what differs, and reading it back.

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutoSerde, Automerge, AutomergeError, ObjId, ObjType, ReadDoc as _, ScalarValue};
use serde_json::{Map, Value};

/// Writes what differs between two objects into the map that has the first.
pub(crate) fn write(
    transaction: &mut Transaction<'_>,
    map: &ObjId,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<(), AutomergeError> {
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        transaction.delete(map, key.as_str())?;
    }
    for (key, value) in new {
        match (old.get(key), value) {
            (Some(before), now) if before == now => {}
            (Some(Value::Object(before)), Value::Object(now)) => {
                let child = transaction.get(map, key.as_str())?;
                let (_, child) = child.expect("the document has what was written into it");
                write(transaction, &child, before, now)?;
            }
            (_, Value::Object(now)) => {
                let child = transaction.put_object(map, key.as_str(), ObjType::Map)?;
                write(transaction, &child, &Map::new(), now)?;
            }
            (_, now) => transaction.put(map, key.as_str(), scalar(now))?,
        }
    }
    Ok(())
}

/// A value that is no object. The document has no lists: who merges a list with an older one gets both.
fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Bool(is_so) => ScalarValue::Boolean(*is_so),
        // Below 2^53 in all that a node says.
        Value::Number(number) => ScalarValue::Int(number.as_i64().unwrap_or(i64::MAX)),
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => ScalarValue::Null,
    }
}

/// A document as JSON.
pub(crate) fn read(document: &Automerge) -> Map<String, Value> {
    match serde_json::to_value(AutoSerde::from(document)) {
        Ok(Value::Object(map)) => map,
        // The root is a map, and all its values can be written as JSON.
        _ => Map::new(),
    }
}
