//! Schemas and decoders agree: both accept every sample and every frozen encoding, and both refuse what is
//! wrong. Where a rule is beyond a schema, the case says so.

mod genesis;
mod records;

use cddl_cat::{ValidateError, validate_cbor_bytes};

const RECORDS: &str = include_str!("../../schemas/records.cddl");

/// What schema and decoder say of a case.
type Verdict = (bool, bool);

/// Both accept it.
const GOOD: Verdict = (true, true);
/// Both refuse it.
const BAD: Verdict = (false, false);
/// A rule that no schema can state; each schema names these at its head.
const BEYOND: Verdict = (true, false);

/// Whether the CDDL's rule describes the bytes. A fault of the schema itself fails the test.
fn described(rule: &str, bytes: &[u8]) -> bool {
    match validate_cbor_bytes(rule, RECORDS, bytes) {
        Ok(()) => true,
        Err(ValidateError::Mismatch(_) | ValidateError::ValueError(_)) => false,
        Err(fault) => unreachable!("the schema is faulty: {fault}"),
    }
}
